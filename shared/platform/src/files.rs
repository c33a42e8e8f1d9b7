//! Named files of one place: a folder, or what is under a prefix of S3.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;

/// The files of one place. Those of folders in it are not among them.
#[derive(Clone, Debug)]
pub enum Files {
    Folder(PathBuf),
    S3 { client: Client, bucket: String, prefix: String },
}

/// Where files are: a folder, or `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Folder(PathBuf),
    S3 { bucket: String, prefix: String },
}

/// A text that names no place of S3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a folder, or a place of S3 such as s3://bucket/prefix")]
pub struct NoPlace;

#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("cannot {doing} {place}")]
    Folder {
        doing: &'static str,
        place: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot {doing} {place}: {reason}")]
    S3 { doing: &'static str, place: String, reason: String },
    #[error("{place} has {bytes} bytes, and {LARGEST} are read at most")]
    TooLarge { place: String, bytes: u64 },
}

/// A larger file is no file of ours.
const LARGEST: u64 = 64 << 20;

const SCHEME: &str = "s3://";

impl Files {
    /// The files of a place. Nothing is read yet.
    pub fn of(place: Place, aws: &SdkConfig) -> Self {
        match place {
            Place::Folder(folder) => Self::Folder(folder),
            Place::S3 { bucket, prefix } => Self::S3 { client: Client::new(aws), bucket, prefix },
        }
    }

    /// The names of all files, in their order. A folder that does not exist has none.
    pub async fn names(&self) -> Result<Vec<String>, FilesError> {
        let mut names = match self {
            Self::Folder(folder) => names_in(folder).map_err(|source| self.failed("list", "", source))?,
            Self::S3 { client, bucket, prefix } => {
                let mut names = Vec::new();
                let listed = client.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
                let mut pages = listed.into_paginator().send();
                while let Some(page) = pages.next().await {
                    let page = page.map_err(|error| self.refused("list", "", error))?;
                    let keys = page.contents().iter().filter_map(|object| object.key());
                    names.extend(keys.filter_map(|key| key.strip_prefix(prefix.as_str())).map(str::to_owned));
                }
                names
            }
        };
        names.retain(|name| !name.is_empty());
        names.sort_unstable();
        Ok(names)
    }

    pub async fn read(&self, name: &str) -> Result<Vec<u8>, FilesError> {
        let too_large = |bytes| FilesError::TooLarge { place: self.place(name), bytes };
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let failed = |source| self.failed("read", name, source);
                let bytes = std::fs::metadata(&path).map_err(failed)?.len();
                if bytes > LARGEST {
                    return Err(too_large(bytes));
                }
                std::fs::read(path).map_err(failed)
            }
            Self::S3 { client, bucket, prefix } => {
                let read = client.get_object().bucket(bucket).key(format!("{prefix}{name}")).send().await;
                let object = read.map_err(|error| self.refused("read", name, error))?;
                let bytes = object.content_length().and_then(|bytes| u64::try_from(bytes).ok());
                if let Some(bytes) = bytes.filter(|bytes| *bytes > LARGEST) {
                    return Err(too_large(bytes));
                }
                let body = object.body.collect().await;
                Ok(body.map_err(|error| self.refused("read", name, error))?.to_vec())
            }
        }
    }

    /// Writes a file as a whole or not at all, and returns its place.
    pub async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<String, FilesError> {
        match self {
            Self::Folder(folder) => {
                let (half, failed) =
                    (folder.join(format!("{name}.part")), |source| self.failed("write", name, source));
                std::fs::create_dir_all(folder).map_err(failed)?;
                std::fs::write(&half, bytes).map_err(failed)?;
                std::fs::rename(&half, folder.join(name)).map_err(failed)?;
            }
            Self::S3 { client, bucket, prefix } => {
                let object = client.put_object().bucket(bucket).key(format!("{prefix}{name}"));
                let written = object.content_type("application/json").body(ByteStream::from(bytes)).send();
                written.await.map_err(|error| self.refused("write", name, error))?;
            }
        }
        Ok(self.place(name))
    }

    fn place(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::S3 { bucket, prefix, .. } => format!("{SCHEME}{bucket}/{prefix}{name}"),
        }
    }

    fn failed(&self, doing: &'static str, name: &str, source: std::io::Error) -> FilesError {
        FilesError::Folder { doing, place: self.place(name), source }
    }

    fn refused(&self, doing: &'static str, name: &str, error: impl std::error::Error) -> FilesError {
        FilesError::S3 { doing, place: self.place(name), reason: DisplayErrorContext(error).to_string() }
    }
}

fn names_in(folder: &PathBuf) -> std::io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A file may be a link to one.
        if entry.path().is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let Some(place) = text.strip_prefix(SCHEME) else {
            return match text.is_empty() || text.contains("://") {
                true => Err(NoPlace),
                false => Ok(Self::Folder(text.into())),
            };
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() || prefix.starts_with('/') {
            return Err(NoPlace);
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self::S3 { bucket: bucket.to_owned(), prefix })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(formatter, "{}", folder.display()),
            Self::S3 { bucket, prefix } => {
                write!(formatter, "{SCHEME}{bucket}/{}", prefix.trim_end_matches('/'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_of_s3() {
        let s3 = |bucket: &str, prefix: &str| Place::S3 { bucket: bucket.into(), prefix: prefix.into() };
        for (text, place) in [
            ("models/machines", Ok(Place::Folder("models/machines".into()))),
            ("s3://bucket", Ok(s3("bucket", ""))),
            ("s3://bucket/", Ok(s3("bucket", ""))),
            ("s3://bucket/a/b/", Ok(s3("bucket", "a/b/"))),
            ("", Err(NoPlace)),
            ("s3://", Err(NoPlace)),
            ("s3:///a", Err(NoPlace)),
            ("s3://bucket//a", Err(NoPlace)),
            ("gs://bucket/a", Err(NoPlace)),
        ] {
            assert_eq!(text.parse(), place, "{text}");
        }
        assert_eq!(s3("bucket", "a/").to_string(), "s3://bucket/a");
    }

    #[tokio::test]
    async fn files_of_a_folder_have_an_order() {
        let folder = std::env::temp_dir().join(format!("files-{}", std::process::id()));
        let files = Files::Folder(folder.clone());
        assert_eq!(files.names().await.unwrap(), Vec::<String>::new());
        for name in ["b", "a"] {
            files.write(name, name.into()).await.unwrap();
        }
        std::fs::create_dir_all(folder.join("c")).unwrap();
        assert_eq!(files.names().await.unwrap(), ["a", "b"]);
        assert_eq!(files.read("a").await.unwrap(), b"a");
        let missing = files.read("d").await.unwrap_err().to_string();
        assert!(missing.starts_with("cannot read ") && missing.ends_with("/d"), "{missing}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
