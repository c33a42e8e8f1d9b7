//! The files of the page, in memory.
//!
//! `index.html` names the other files, and the name of each holds a hash of its content. So only `index.html` ever changes
//! under its name.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use axum::body::Bytes;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

pub(crate) struct Files {
    pub page: File,
    assets: HashMap<String, File>,
}

/// A file with the compressed forms that the build made of it.
#[derive(Debug)]
pub(crate) struct File {
    pub content_type: &'static str,
    /// The best form first. The last is the file itself.
    forms: Vec<Form>,
}

/// The bytes of a file, as they are or compressed.
#[derive(Debug)]
pub(crate) struct Form {
    /// The name of the compression in HTTP.
    pub encoding: Option<&'static str>,
    pub etag: HeaderValue,
    pub bytes: Bytes,
}

/// Compressions by the ending that the build gives their files, the best first.
const ENCODINGS: [(&str, &str); 2] = [("br", "br"), ("gz", "gzip")];

impl Files {
    /// Reads a folder. `None` if the folder has no page.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let page = File::read(&folder.join("index.html")).ok()?;
        let mut assets = HashMap::new();
        for entry in fs::read_dir(folder.join("assets")).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_compressed = ENCODINGS.iter().any(|(ending, _)| name.ends_with(&format!(".{ending}")));
            if let (false, Ok(file)) = (is_compressed, File::read(&path)) {
                assets.insert(name, file);
            }
        }
        Some(Self { page, assets })
    }

    pub(crate) fn asset(&self, name: &str) -> Option<&File> {
        self.assets.get(name)
    }
}

impl File {
    fn read(path: &Path) -> io::Result<Self> {
        let plain = Form::of(None, fs::read(path)?);
        let name = path.to_string_lossy();
        let compressed = ENCODINGS.iter().filter_map(|(ending, encoding)| {
            Some(Form::of(Some(encoding), fs::read(format!("{name}.{ending}")).ok()?))
        });
        Ok(Self { content_type: content_type(&name), forms: compressed.chain([plain]).collect() })
    }

    /// The form that a client takes, by its header `Accept-Encoding`.
    pub(crate) fn form(&self, accepted: &str) -> &Form {
        let takes = |form: &&Form| form.encoding.is_none_or(|encoding| accepts(accepted, encoding));
        // The last form is the file itself, which every client takes.
        self.forms.iter().find(takes).unwrap_or(&self.forms[self.forms.len() - 1])
    }

    pub(crate) fn has_forms(&self) -> bool {
        self.forms.len() > 1
    }
}

impl Form {
    fn of(encoding: Option<&'static str>, bytes: Vec<u8>) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(&bytes)[..12]);
        // The text has letters, digits, hyphens, underscores and quotes, so it is a header.
        let etag = HeaderValue::from_str(&format!("\"{hash}\"")).unwrap_or(HeaderValue::from_static("\"\""));
        Self { encoding, etag, bytes: bytes.into() }
    }

    /// Whether a client already has these bytes, by its header `If-None-Match`.
    pub(crate) fn is_known(&self, if_none_match: &str) -> bool {
        let tags = if_none_match.split(',').map(|tag| tag.trim().trim_start_matches("W/"));
        tags.into_iter().any(|tag| tag == "*" || tag.as_bytes() == self.etag.as_bytes())
    }
}

/// Whether `Accept-Encoding` names an encoding, and not with the weight 0. The star stands for all.
fn accepts(header: &str, encoding: &str) -> bool {
    let weight_of = |wanted: &str| {
        header.split(',').find_map(|part| {
            let mut words = part.split(';').map(str::trim);
            let name = words.next()?;
            let weight = words.find_map(|word| word.strip_prefix("q=")).unwrap_or("1");
            name.eq_ignore_ascii_case(wanted).then(|| weight.parse::<f32>().unwrap_or(0.0))
        })
    };
    weight_of(encoding).or_else(|| weight_of("*")).is_some_and(|weight| weight > 0.0)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let assets = folder.path().join("assets");
        fs::create_dir(&assets).unwrap();
        fs::write(folder.path().join("index.html"), "page").unwrap();
        fs::write(folder.path().join("secret.txt"), "secret").unwrap();
        for (name, text) in
            [("a-1.js", "plain"), ("a-1.js.br", "brotli"), ("a-1.js.gz", "gzip"), ("i.svg", "svg")]
        {
            fs::write(assets.join(name), text).unwrap();
        }
        fs::create_dir(assets.join("folder")).unwrap();
        folder
    }

    #[test]
    fn a_client_gets_the_best_form_that_it_takes() {
        let folder = folder();
        let files = Files::read(folder.path()).unwrap();
        let script = files.asset("a-1.js").unwrap();
        for (accepted, text, encoding) in [
            ("gzip, deflate, br, zstd", "brotli", Some("br")),
            ("GZIP", "gzip", Some("gzip")),
            ("br;q=0, gzip;q=0.5", "gzip", Some("gzip")),
            ("br; q=0, *", "gzip", Some("gzip")),
            ("*", "brotli", Some("br")),
            ("br;q=high", "plain", None),
            ("deflate", "plain", None),
            ("browser", "plain", None),
            ("", "plain", None),
        ] {
            let form = script.form(accepted);
            assert_eq!((&form.bytes[..], form.encoding), (text.as_bytes(), encoding), "{accepted}");
        }
        assert_eq!(files.asset("i.svg").unwrap().form("br").encoding, None);
    }

    #[test]
    fn only_the_files_of_the_folder_have_names() {
        let folder = folder();
        let files = Files::read(folder.path()).unwrap();
        for name in [
            "a-1.js.br",
            "a-1.js.gz",
            "folder",
            "",
            ".",
            "..",
            "../index.html",
            "../secret.txt",
            "i.svg/",
            "I.SVG",
            "./i.svg",
            "/etc/passwd",
            "i.svg\0",
        ] {
            assert!(files.asset(name).is_none(), "{name}");
        }
        assert!(Files::read(&folder.path().join("assets")).is_none());
    }

    #[test]
    fn a_tag_names_the_bytes_and_not_the_file() {
        let folder = folder();
        let files = Files::read(folder.path()).unwrap();
        let script = files.asset("a-1.js").unwrap();
        let [brotli, plain] = ["br", ""].map(|accepted| script.form(accepted));
        assert_ne!(brotli.etag, plain.etag);
        let tag = plain.etag.to_str().unwrap();
        for known in [tag.to_owned(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            assert!(plain.is_known(&known), "{known}");
            assert_eq!(brotli.is_known(&known), known == "*", "{known}");
        }
        assert!(!plain.is_known("") && !plain.is_known(tag.trim_matches('"')));
    }
}
