//! Metrics of the trained networks that vote on entities.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::SystemTime;

use metrique::unit::Count;
use metrique::unit_of_work::metrics;

use super::{MetricsConfig, line};

/// Figures of the trained networks that vote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkFigures {
    /// Files that could not be read or were wrong, when this run looked for a newer version.
    pub refused: u64,
    /// By network.
    pub errors: BTreeMap<String, NetworkError>,
}

/// The errors of a network on what a run judged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct NetworkError {
    /// Of the entities that were judged.
    pub sum: f64,
    pub judged: u64,
    /// The mean error on what was held out in training.
    pub held_out: f64,
}

impl NetworkFigures {
    /// Notes the error of a network on an entity, beside that of its training.
    pub fn note(&mut self, network: &str, error: f64, held_out: f64) {
        let of = self.errors.entry(network.to_owned()).or_default();
        of.sum += error;
        of.judged += 1;
        of.held_out = held_out;
    }

    /// Adds the figures of another part of the entities.
    pub fn add(&mut self, other: Self) {
        self.refused += other.refused;
        for (network, NetworkError { sum, judged, held_out }) in other.errors {
            let of = self.errors.entry(network).or_default();
            of.sum += sum;
            of.judged += judged;
            of.held_out = held_out;
        }
    }
}

impl NetworkError {
    /// How many times the error of the training the mean error is. `None` if nothing was judged.
    pub fn ratio(&self) -> Option<f64> {
        /// An error below this is rounding.
        const LEAST: f64 = 1e-12;
        /// CloudWatch takes numbers up to 2^360.
        const LARGEST: f64 = 1e100;
        let ratio = self.sum / self.judged as f64 / self.held_out.max(LEAST);
        (self.judged > 0 && !ratio.is_nan()).then(|| ratio.clamp(0.0, LARGEST))
    }
}

#[metrics(rename_all = "PascalCase")]
struct Models {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    #[metrics(unit = Count)]
    models_refused: u64,
    /// The largest one of the networks. Absent if none judged anything.
    model_error_ratio: Option<f64>,
}

#[metrics(rename_all = "PascalCase", emf::dimension_sets = [["Stack", "Network"]])]
struct Network {
    #[metrics(timestamp)]
    timestamp: SystemTime,
    stack: String,
    network: String,
    network_error_ratio: f64,
}

/// Writes the figures of a run, whether it completed or not.
pub(super) fn write(
    config: &MetricsConfig,
    figures: &NetworkFigures,
    timestamp: SystemTime,
    output: &mut impl Write,
) -> std::io::Result<()> {
    let ratios = || figures.errors.iter().filter_map(|(network, error)| Some((network, error.ratio()?)));
    let models = Models {
        timestamp,
        stack: config.stack.clone(),
        models_refused: figures.refused,
        model_error_ratio: ratios().map(|(_, ratio)| ratio).reduce(f64::max),
    };
    line(config, vec!["Stack"], models, output)?;
    for (network, network_error_ratio) in ratios() {
        let (stack, network) = (config.stack.clone(), network.clone());
        line(config, vec![], Network { timestamp, stack, network, network_error_ratio }, output)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::RunFigures;
    use super::super::tests::lines_of;
    use super::*;

    #[test]
    fn errors_of_networks_are_told_beside_those_of_the_training() {
        let error = |sum, judged, held_out| NetworkError { sum, judged, held_out };
        let errors = BTreeMap::from([
            ("cpu_usage".to_owned(), error(0.6, 3, 0.05)),
            ("jitter".to_owned(), error(0.1, 1, 0.1)),
            ("latency".to_owned(), error(0.0, 0, 0.1)),
        ]);
        let networks = Some(NetworkFigures { refused: 2, errors });
        let lines = lines_of(&RunFigures { networks, ..RunFigures::default() });
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert_eq!(lines[1]["ModelsRefused"], 2);
        assert!((lines[1]["ModelErrorRatio"].as_f64().unwrap() - 4.0).abs() < 1e-9, "{}", lines[1]);
        assert_eq!((&lines[3]["Network"], &lines[3]["NetworkErrorRatio"]), (&json!("jitter"), &json!(1)));
        assert_eq!(lines[2]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Stack", "Network"]]));
        // Nothing was judged: the largest ratio is unknown, and no zero.
        let none = Some(NetworkFigures { refused: 1, ..NetworkFigures::default() });
        let lines = lines_of(&RunFigures { networks: none, ..RunFigures::default() });
        assert!(lines[1]["ModelErrorRatio"].is_null() && lines[1]["ModelsRefused"] == 1, "{}", lines[1]);
    }

    #[test]
    fn errors_of_networks_have_a_finite_ratio() {
        let ratio = |sum, judged, held_out| NetworkError { sum, judged, held_out }.ratio();
        assert_eq!(ratio(0.0, 0, 0.1), None);
        assert_eq!(ratio(f64::NAN, 1, 0.1), None);
        assert_eq!(ratio(1e300, 1, 0.0), Some(1e100));
        assert_eq!(ratio(0.0, 1, 0.0), Some(0.0));
    }
}
