//! `meterflow train FILE.csv`: trains the autoencoders of machines on normal samples, and writes them as one versioned file.
//!
//! The version is made of the time of the last sample and a digest of the samples and the seed. So the same file, seed and number of
//! epochs give the same version with the same networks, and later samples sort behind earlier ones.

mod samples;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use detection::detectors::autoencoder::training::{Plan, train};
use detection::vote::models::{Models, ModelsFile, TrainedNetwork, Training};
use detection::vote::training_inputs;
use jiff::tz::Offset;
use platform::files::{Files, Place};
use sha2::{Digest, Sha256};

use self::samples::Samples;
use crate::output::say;
use crate::progress::Progress;

#[derive(clap::Args)]
pub(crate) struct TrainArgs {
    /// A CSV file of normal samples of a machine, oldest first. Its header names the columns timestamp, bandwidth, latency,
    /// packet_loss, jitter, cpu_usage, memory_usage and error_rate.
    ///
    /// A file may leave metrics out. An empty value is a gap. Times are RFC 3339, `YYYY-MM-DD HH:MM:SS` in UTC, or Unix
    /// milliseconds, and rise from line to line. The usual step from one sample to the next should be that of the runs, a
    /// minute. A day of samples is the least that makes sense.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,

    /// Where the models are: a folder, or `s3://bucket/prefix`. The file there is named by its version.
    ///
    /// Runs read them where MACHINE_MODELS says. For S3, AWS_PROFILE or AWS_REGION and credentials say which account is meant.
    #[arg(long, value_name = "PLACE", env = "MACHINE_MODELS", default_value = "models/machines")]
    models: Place,

    /// Draws the first weights and the order of the samples. The same seed gives the same models.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Passes over the samples at most, from 1 to 1000. A network that learns no more ends earlier.
    #[arg(long, default_value_t = 40, value_name = "NUMBER")]
    epochs: u16,
}

pub(crate) async fn run(args: TrainArgs) -> anyhow::Result<()> {
    let files = match &args.models {
        Place::Folder(folder) => Files::Folder(folder.clone()),
        place @ Place::S3 { .. } => {
            let aws = platform::aws::config().await;
            // Better now than after minutes of training.
            platform::aws::ensure_account(&aws).await?;
            Files::of(place.clone(), &aws)
        }
    };
    let file = tokio::task::spawn_blocking(move || trained(&args)).await??;
    Models::try_from(&file).context("the trained networks cannot be read again")?;
    let place = files.write(&format!("{}.json", file.version), serde_json::to_vec(&file)?).await?;
    say!("wrote {place}");
    Ok(())
}

/// Trains all networks of the file of samples.
fn trained(args: &TrainArgs) -> anyhow::Result<ModelsFile> {
    let plan = Plan::new(args.epochs, args.seed)?;
    let samples = samples::read(&args.file)?;
    say!("{}: {}", args.file.display(), samples.summary());
    let mut progress = Progress::new(samples.metrics.len() as u64 * u64::from(args.epochs), "epochs");
    let mut networks = BTreeMap::new();
    let mut left_out = Vec::new();
    for (metric, values) in &samples.metrics {
        let mut shown = 0;
        let trained = train(&training_inputs(values), &plan, |epoch| {
            progress.add(u64::from(epoch.number) - shown);
            shown = u64::from(epoch.number);
        });
        progress.add(u64::from(args.epochs) - shown);
        match trained {
            Ok(trained) => {
                networks.insert(
                    (*metric).to_owned(),
                    TrainedNetwork {
                        error: trained.error,
                        trained_on: trained.trained_on,
                        held_out: trained.held_out,
                        weights: trained.file,
                    },
                );
            }
            Err(_) if values.iter().all(|value| value.is_nan() || *value == 0.0) => {
                left_out.push(format!("{metric} has no network: its samples are all zero"));
            }
            Err(error) => left_out.push(format!("{metric} has no network: {error}")),
        }
    }
    progress.finish();
    for (metric, network) in &networks {
        let TrainedNetwork { error, trained_on, held_out, .. } = network;
        say!(
            "{metric}: error {error:.6} on {held_out} stretches that were held out, trained on {trained_on}"
        );
    }
    left_out.iter().for_each(|reason| say!("{reason}"));
    if networks.is_empty() {
        bail!("no metric of {} makes a network, so no file was written", args.file.display());
    }
    Ok(file_of(&samples, args, networks))
}

fn file_of(samples: &Samples, args: &TrainArgs, networks: BTreeMap<String, TrainedNetwork>) -> ModelsFile {
    let of_all = format!("{} {} {}", samples.digest, args.seed, args.epochs);
    let short = hex::encode(&Sha256::digest(of_all)[..4]);
    let until = Offset::UTC.to_datetime(samples.until).strftime("%Y%m%dT%H%M%SZ");
    ModelsFile {
        format: Models::FORMAT,
        version: format!("{until}-{short}"),
        training: Training {
            samples_sha256: samples.digest.clone(),
            from: samples.from.to_string(),
            until: samples.until.to_string(),
            step_seconds: samples.step_seconds,
            seed: args.seed,
            epochs: args.epochs,
        },
        networks,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use detection::vote;

    use super::samples::METRICS;
    use super::*;

    fn args(folder: &Path, csv: &str, seed: u64) -> TrainArgs {
        let file = folder.join("samples.csv");
        std::fs::write(&file, csv).unwrap();
        TrainArgs { file, models: Place::Folder(folder.join("models")), seed, epochs: 3 }
    }

    /// So many minutes of two metrics. The second one is always zero.
    fn csv(minutes: i64) -> String {
        let mut text = String::from("timestamp,cpu_usage,packet_loss\n");
        for minute in 0..minutes {
            let cpu = 40.0 + (minute * 7_919 % 101) as f64 / 10.0;
            text += &format!("{},{cpu},0\n", 1_795_266_000_000 + 60_000 * minute);
        }
        text
    }

    #[tokio::test]
    async fn the_file_is_what_the_vote_reads() {
        let folder = tempfile::tempdir().unwrap();
        run(args(folder.path(), &csv(600), 7)).await.unwrap();
        let files: Vec<PathBuf> = std::fs::read_dir(folder.path().join("models"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let [path] = files.as_slice() else { panic!("{files:?}") };
        let file: ModelsFile = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), file.version);
        assert!(file.version.starts_with("20261121T225900Z-"), "{}", file.version);
        let Training { step_seconds, seed, epochs, .. } = &file.training;
        assert_eq!((*step_seconds, *seed, *epochs), (60, 7, 3));
        let models = Models::try_from(&file).unwrap();
        assert!(models.of("cpu_usage").is_some() && models.of("packet_loss").is_none());
        let network = &file.networks["cpu_usage"];
        let stretches = 600 - vote::SAMPLES + 1;
        assert_eq!(network.held_out, stretches / 5);
        assert!(network.error > 0.0 && network.error < 0.1, "{}", network.error);
    }

    #[tokio::test]
    async fn the_same_samples_and_seed_give_the_same_file() {
        let written = async |seed| {
            let folder = tempfile::tempdir().unwrap();
            run(args(folder.path(), &csv(450), seed)).await.unwrap();
            let models = folder.path().join("models");
            let entry = std::fs::read_dir(models).unwrap().next().unwrap().unwrap();
            (entry.file_name(), std::fs::read(entry.path()).unwrap())
        };
        assert_eq!(written(1).await, written(1).await);
        assert_ne!(written(1).await.0, written(2).await.0);
    }

    #[tokio::test]
    async fn samples_without_a_network_write_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let refused = run(args(folder.path(), &csv(30), 1)).await.unwrap_err().to_string();
        assert!(refused.contains("so no file was written"), "{refused}");
        assert!(!folder.path().join("models").exists());
        let none = TrainArgs { epochs: 0, ..args(folder.path(), &csv(450), 1) };
        assert!(run(none).await.unwrap_err().to_string().contains("epochs = 0"));
    }

    #[test]
    fn all_metrics_have_a_column() {
        assert_eq!(METRICS.len(), 7);
        assert!(METRICS.iter().all(|metric| detection::MetricName::new(*metric).is_ok()));
    }
}
