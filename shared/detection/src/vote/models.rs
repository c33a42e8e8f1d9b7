//! The file of trained networks, one for each metric of a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detectors::autoencoder::{Autoencoder, WeightsError, WeightsFile};

/// What training writes. Its networks are checked when they are made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsFile {
    /// [`Models::FORMAT`].
    pub format: u32,
    /// The name of this file among those of other trainings.
    pub version: String,
    pub training: Training,
    /// By metric.
    pub networks: BTreeMap<String, TrainedNetwork>,
}

/// What the networks were trained on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// SHA-256 of the samples' file, in hexadecimal.
    pub samples_sha256: String,
    /// Time of the first and of the last sample, in RFC 3339.
    pub from: String,
    pub until: String,
    /// Seconds from one sample to the next.
    pub step_seconds: u64,
    pub seed: u64,
    pub epochs: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedNetwork {
    /// The mean squared error on stretches that were held out.
    pub error: f64,
    /// Stretches that were trained on, and that were held out.
    pub trained_on: usize,
    pub held_out: usize,
    pub weights: WeightsFile,
}

/// Networks by metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Models {
    version: String,
    networks: BTreeMap<String, Known>,
}

/// A network, and its mean squared error on the stretches that were held out.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    network: Autoencoder,
    error: f64,
}

/// A file that makes no networks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ModelsError {
    #[error("the models have format {0}, and this program reads format {format}", format = Models::FORMAT)]
    Format(u32),
    #[error("the models have no network")]
    Empty,
    #[error("the network of `{metric}` has the error {error}, and an error is a number of at least 0")]
    Error { metric: String, error: f64 },
    #[error("the network of `{metric}` cannot be used")]
    Network {
        metric: String,
        #[source]
        source: WeightsError,
    },
}

impl Models {
    /// The format of the files that this program reads.
    pub const FORMAT: u32 = 1;

    pub fn version(&self) -> &str {
        &self.version
    }

    /// The network of a metric. `None` if it has none.
    pub fn of(&self, metric: &str) -> Option<&Autoencoder> {
        self.networks.get(metric).map(|known| &known.network)
    }

    /// The mean squared error of the same network on the stretches that were held out in its training.
    pub fn error_of(&self, metric: &str) -> Option<f64> {
        self.networks.get(metric).map(|known| known.error)
    }
}

impl TryFrom<&ModelsFile> for Models {
    type Error = ModelsError;

    fn try_from(file: &ModelsFile) -> Result<Self, ModelsError> {
        if file.format != Self::FORMAT {
            return Err(ModelsError::Format(file.format));
        }
        if file.networks.is_empty() {
            return Err(ModelsError::Empty);
        }
        let network = |(metric, trained): (&String, &TrainedNetwork)| {
            let network = Autoencoder::try_from(&trained.weights)
                .map_err(|source| ModelsError::Network { metric: metric.clone(), source })?;
            if !(trained.error.is_finite() && trained.error >= 0.0) {
                return Err(ModelsError::Error { metric: metric.clone(), error: trained.error });
            }
            Ok((metric.clone(), Known { network, error: trained.error }))
        };
        let networks = file.networks.iter().map(network).collect::<Result<_, _>>()?;
        Ok(Self { version: file.version.clone(), networks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::autoencoder::training::{Plan, train};

    fn file() -> ModelsFile {
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
            version: String::from("v"),
            training: Training {
                samples_sha256: String::from("00"),
                from: String::from("2026-11-01T00:00:00Z"),
                until: String::from("2026-11-02T00:00:00Z"),
                step_seconds: 60,
                seed: 1,
                epochs: 1,
            },
            networks: [(String::from("cpu_usage"), network)].into(),
        }
    }

    #[test]
    fn a_file_that_is_written_and_read_makes_the_same_networks() {
        let file = file();
        let text = serde_json::to_string(&file).unwrap();
        let read: ModelsFile = serde_json::from_str(&text).unwrap();
        assert_eq!(read, file);
        let models = Models::try_from(&read).unwrap();
        assert_eq!(models.version(), "v");
        assert_eq!(
            models.of("cpu_usage"),
            Some(&Autoencoder::try_from(&file.networks["cpu_usage"].weights).unwrap())
        );
        assert_eq!(models.error_of("cpu_usage"), Some(file.networks["cpu_usage"].error));
        assert_eq!((models.of("jitter"), models.error_of("jitter")), (None, None));
    }

    #[test]
    fn files_that_make_no_networks_are_refused() {
        let of = |change: fn(&mut ModelsFile)| {
            let mut file = file();
            change(&mut file);
            Models::try_from(&file).unwrap_err().to_string()
        };
        assert_eq!(of(|file| file.format = 2), "the models have format 2, and this program reads format 1");
        assert_eq!(of(|file| file.networks.clear()), "the models have no network");
        let negative = of(|file| file.networks.values_mut().for_each(|network| network.error = -1.0));
        assert!(negative.contains("`cpu_usage` has the error -1"), "{negative}");
        let broken = of(|file| file.networks.values_mut().for_each(|network| network.weights.version = 9));
        assert_eq!(broken, "the network of `cpu_usage` cannot be used");
    }
}
