//! The trained networks that vote on entities: the newest version of their file, which is read again from time to time.
//!
//! Nothing here fails a run. A file that cannot be read, or makes no networks, is logged and counted. The run goes on with an earlier
//! version, or without networks.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use detection::vote::models::{Models, ModelsFile};
use environment::{ConfigError, Env};
use platform::aws::SdkConfig;
use platform::files::{Files, Place};
use platform::telemetry::error_chain;
use tokio::time::timeout;

/// Where the files are, and what was read of them.
pub struct Networks {
    /// `None`: no networks vote.
    files: Option<Files>,
    kept: Mutex<Kept>,
}

/// What a run votes with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest {
    pub(crate) models: Option<Arc<Models>>,
    /// Files that were refused right now.
    pub(crate) refused: u64,
}

#[derive(Default)]
struct Kept {
    looked: Option<Instant>,
    models: Option<Arc<Models>>,
}

/// From one look for a newer version to the next.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// A run waits no longer for its networks.
const PATIENCE: Duration = Duration::from_secs(5);

/// Versions that are tried, the newest first.
const TRIED: usize = 3;

const ENDING: &str = ".json";

impl Networks {
    /// `MACHINE_MODELS`: the folder of the files, or `s3://bucket/prefix`; by default no networks vote.
    pub fn from_env(env: &Env<'_>, aws: &SdkConfig) -> Result<Self, ConfigError> {
        const NAME: &str = "MACHINE_MODELS";
        let place = env.get(NAME).map(|text| {
            text.parse::<Place>().map_err(|allowed| ConfigError::invalid(NAME, text, allowed.to_string()))
        });
        let files = place.transpose()?.map(|place| Files::of(place, aws));
        Ok(Self { files, kept: Mutex::default() })
    }

    /// Whether networks may vote.
    pub(crate) fn are_expected(&self) -> bool {
        self.files.is_some()
    }

    /// The networks to vote with at this time.
    pub(crate) async fn newest(&self, now: Instant) -> Newest {
        let Some(files) = &self.files else { return Newest::default() };
        let known = {
            let mut kept = self.kept();
            let is_recent = kept.looked.is_some_and(|looked| now.saturating_duration_since(looked) < AGAIN);
            if is_recent {
                return Newest { models: kept.models.clone(), refused: 0 };
            }
            kept.looked = Some(now);
            kept.models.clone()
        };
        let mut refused = 0;
        let found = timeout(PATIENCE, look(files, known.as_deref(), &mut refused)).await;
        match found {
            Ok(Ok(Found::Same)) => {}
            Ok(Ok(Found::None)) => self.kept().models = None,
            Ok(Ok(Found::Models(models))) => {
                tracing::info!(models.version = models.version(), "networks of this version vote");
                self.kept().models = Some(models);
            }
            Ok(Err(error)) => {
                refused += 1;
                warn("the versions of the networks cannot be listed", &error_chain(&error));
            }
            Err(_) => {
                refused += 1;
                warn("the networks were not read", &format!("no answer within {} s", PATIENCE.as_secs()));
            }
        }
        Newest { models: self.kept().models.clone(), refused }
    }

    /// Writes a version, which the next look finds. Networks that the file does not have stay as in the version before.
    ///
    /// # Errors
    ///
    /// When the file makes no networks, or cannot be written.
    pub(crate) async fn write(&self, mut file: ModelsFile) -> anyhow::Result<String> {
        let Some(files) = &self.files else { bail!("MACHINE_MODELS says no place of networks") };
        for version in versions(files).await?.iter().rev().take(TRIED) {
            let former = match read(files, version).await {
                Ok(former) if former.format == file.format => former,
                Ok(_) => continue,
                Err(error) => {
                    warn(
                        &format!("the networks of version {version} cannot be read"),
                        &error_chain(error.as_ref()),
                    );
                    continue;
                }
            };
            for (name, network) in former.networks {
                file.networks.entry(name).or_insert(network);
            }
            break;
        }
        Models::try_from(&file).context("the trained networks cannot be read again")?;
        let place = files.write(&format!("{}{ENDING}", file.version), serde_json::to_vec(&file)?).await?;
        self.kept().looked = None;
        Ok(place)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look for a newer version found.
enum Found {
    /// The version that is known is the newest one, or no newer one can be used.
    Same,
    /// No version at all.
    None,
    Models(Arc<Models>),
}

async fn look(
    files: &Files,
    known: Option<&Models>,
    refused: &mut u64,
) -> Result<Found, platform::files::FilesError> {
    let versions = versions(files).await?;
    if versions.is_empty() {
        return Ok(Found::None);
    }
    for version in versions.iter().rev().take(TRIED) {
        if known.is_some_and(|known| known.version() == version) {
            break;
        }
        match read(files, version).await.and_then(|file| Ok(Models::try_from(&file)?)) {
            Ok(models) => return Ok(Found::Models(models.into())),
            Err(error) => {
                *refused += 1;
                warn(
                    &format!("the networks of version {version} cannot be used"),
                    &error_chain(error.as_ref()),
                );
            }
        }
    }
    Ok(Found::Same)
}

/// The names of all versions, the newest last.
async fn versions(files: &Files) -> Result<Vec<String>, platform::files::FilesError> {
    let names = files.names().await?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(ENDING)).map(str::to_owned).collect())
}

async fn read(files: &Files, version: &str) -> anyhow::Result<ModelsFile> {
    let bytes = files.read(&format!("{version}{ENDING}")).await?;
    let file: ModelsFile = serde_json::from_slice(&bytes)?;
    anyhow::ensure!(
        file.version == version,
        "its `version` is {}, and its name says {version}",
        file.version.escape_debug()
    );
    Ok(file)
}

fn warn(what: &str, error: &dyn Display) {
    tracing::warn!(error = %error, "{what}: the vote goes on with an earlier version, or without networks");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use detection::detectors::autoencoder::training::{Plan, train};
    use detection::vote::models::{TrainedNetwork, Training};

    use super::*;

    fn file(version: &str) -> ModelsFile {
        let stretches: Vec<[f32; 24]> =
            (0..120).map(|first| std::array::from_fn(|place| ((first + place) as f32).sin())).collect();
        let trained = train(&stretches, &Plan::new(1, 1).unwrap(), |_| {}).unwrap();
        let network = TrainedNetwork {
            error: trained.error,
            trained_on: trained.trained_on,
            held_out: trained.held_out,
            weights: trained.file,
        };
        ModelsFile {
            format: Models::FORMAT,
            version: version.to_owned(),
            training: Training {
                samples_sha256: "00".to_owned(),
                from: "2026-11-01T00:00:00Z".to_owned(),
                until: "2026-11-02T00:00:00Z".to_owned(),
                step_seconds: 60,
                seed: 1,
                epochs: 1,
            },
            networks: [("cpu_usage".to_owned(), network)].into(),
        }
    }

    fn networks(folder: &Path) -> Networks {
        Networks { files: Some(Files::Folder(folder.to_owned())), kept: Mutex::default() }
    }

    fn put(folder: &Path, name: &str, text: &[u8]) {
        std::fs::write(folder.join(name), text).unwrap();
    }

    fn version(newest: &Newest) -> Option<&str> {
        newest.models.as_ref().map(|models| models.version())
    }

    #[tokio::test]
    async fn the_newest_version_that_can_be_used_votes() {
        let folder = tempfile::tempdir().unwrap();
        let (networks, mut now) = (networks(folder.path()), Instant::now());
        let none = networks.newest(now).await;
        assert_eq!((version(&none), none.refused), (None, 0));

        put(folder.path(), "1.json", &serde_json::to_vec(&file("1")).unwrap());
        assert_eq!(version(&networks.newest(now).await), None, "before it looks again");
        now += AGAIN;
        assert_eq!(version(&networks.newest(now).await), Some("1"));

        // Half a file, a file with another name than its version, and what is no version.
        put(folder.path(), "3.json", b"{");
        put(folder.path(), "2.json", &serde_json::to_vec(&file("9")).unwrap());
        put(folder.path(), "4.json.part", b"");
        now += AGAIN;
        let broken = networks.newest(now).await;
        assert_eq!((version(&broken), broken.refused), (Some("1"), 2));
        let again = networks.newest(now).await;
        assert_eq!((version(&again), again.refused), (Some("1"), 0));

        put(folder.path(), "3.json", &serde_json::to_vec(&file("3")).unwrap());
        now += AGAIN;
        assert_eq!(version(&networks.newest(now).await), Some("3"));
        // Whoever takes a version away goes back to the one before.
        for name in ["2.json", "3.json"] {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        now += AGAIN;
        assert_eq!(version(&networks.newest(now).await), Some("1"));
    }

    #[tokio::test]
    async fn a_program_that_starts_beside_a_broken_file_takes_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "1.json", &serde_json::to_vec(&file("1")).unwrap());
        put(folder.path(), "2.json", b"null");
        let newest = networks(folder.path()).newest(Instant::now()).await;
        assert_eq!((version(&newest), newest.refused), (Some("1"), 1));
    }

    #[tokio::test]
    async fn a_version_keeps_the_networks_that_were_not_trained_anew() {
        let folder = tempfile::tempdir().unwrap();
        let networks = networks(folder.path());
        networks.write(file("1")).await.unwrap();
        assert_eq!(version(&networks.newest(Instant::now()).await), Some("1"));
        let mut next = file("2");
        next.networks = [("latency".to_owned(), next.networks["cpu_usage"].clone())].into();
        let place = networks.write(next).await.unwrap();
        assert!(place.ends_with("2.json"), "{place}");
        // A version of one's own is read at once.
        let models = networks.newest(Instant::now()).await.models.unwrap();
        assert_eq!(models.version(), "2");
        assert!(models.of("latency").is_some() && models.of("cpu_usage").is_some());
        let nowhere = Networks { files: None, kept: Mutex::default() };
        assert!(nowhere.write(file("3")).await.unwrap_err().to_string().contains("MACHINE_MODELS"));
    }

    #[test]
    fn the_setting_is_a_place() {
        let aws = SdkConfig::builder().build();
        let of = |value| Networks::from_env(&Env::of(&[("MACHINE_MODELS", value)]), &aws);
        assert!(!of("").unwrap().are_expected());
        assert!(of("models").unwrap().are_expected());
        let refused = of("gs://bucket").err().unwrap().to_string();
        assert!(refused.contains("MACHINE_MODELS=gs://bucket") && refused.contains("s3://"), "{refused}");
    }
}
