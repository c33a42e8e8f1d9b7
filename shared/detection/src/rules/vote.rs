//! Several metrics of an entity judged together by a vote of detectors: see [`crate::vote`].
//!
//! Each metric that takes part has this rule. Weights and threshold are of the entity, so they are the same in all of its metrics.
//! The floors are those of each metric.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use crate::Thresholds;
use crate::floors::Floors;
use crate::thresholds::SettingsError;
use crate::vote;

/// An anomaly is a score of at least `threshold`. Below 0.7 it is only logged, from 0.9 on it is critical.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Vote {
    /// The weight of the isolation forests, from 0 to 1. The sum of the four weights is 1.
    pub isolation_forest: f64,
    /// The weight of the autoencoder. Without a trained network the other weights share it.
    pub autoencoder: f64,
    /// The weight of the z-score beside the 100 samples before.
    pub rolling_z: f64,
    /// The weight of the seasonal test.
    pub seasonal_esd: f64,
    /// Above 0 and at most 1.
    pub threshold: f64,
    /// Least change from the rolling mean that matters, in the metric's unit.
    pub min_change: f64,
    /// Least change that matters, as a share of the rolling mean. From 0 to 100.
    pub min_relative_change: f64,
    /// Whether a value that the metric reached on three of the last 28 days counts as usual.
    pub peaks: bool,
}

impl Default for Vote {
    fn default() -> Self {
        let weights = vote::Weights::default();
        let of = |voter| weights.of(voter);
        Self {
            isolation_forest: of(vote::Voter::IsolationForest),
            autoencoder: of(vote::Voter::Autoencoder),
            rolling_z: of(vote::Voter::RollingZ),
            seasonal_esd: of(vote::Voter::SeasonalEsd),
            threshold: vote::Parameters::THRESHOLD,
            min_change: 0.0,
            min_relative_change: Thresholds::default().min_relative_change,
            peaks: true,
        }
    }
}

impl Vote {
    pub const NAME: &'static str = "vote";

    /// What the vote on an entity needs to know. `None` if a weight or the threshold is not valid.
    pub fn parameters(&self) -> Option<vote::Parameters> {
        self.checked().ok()
    }

    /// The floors of the metric. `None` if they are not valid.
    pub fn floors(&self) -> Option<Floors> {
        Floors::try_from(&self.thresholds()).ok()
    }

    /// Whether an entity can be judged by both rules together.
    pub fn goes_with(&self, other: &Self) -> bool {
        let of_metric = |rule: &Self| Self {
            min_change: other.min_change,
            min_relative_change: other.min_relative_change,
            peaks: other.peaks,
            ..*rule
        };
        of_metric(self) == *other
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        let checked = self.checked().map(|_| ());
        checked.map_err(|SettingsError { setting, value, allowed }| RuleError::OutOfRange {
            rule: Self::NAME,
            field: setting,
            value,
            allowed,
            reason: "the score is a sum of weights times confidences",
        })?;
        check.change("min_change", self.min_change)?;
        let holds = (0.0..=100.0).contains(&self.min_relative_change);
        let reason = "it is a share of the mean";
        check.require(holds, "min_relative_change", self.min_relative_change, "from 0 to 100", reason)
    }

    fn checked(&self) -> Result<vote::Parameters, SettingsError> {
        let Self { isolation_forest, autoencoder, rolling_z, seasonal_esd, .. } = *self;
        let weights = vote::Weights::new(isolation_forest, autoencoder, rolling_z, seasonal_esd)?;
        vote::Parameters::new(weights, self.threshold, &self.thresholds())
    }

    fn thresholds(&self) -> Thresholds {
        let Self { min_change, min_relative_change, .. } = *self;
        Thresholds { min_change, min_relative_change, ..Thresholds::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked() {
        assert_eq!(Vote::default().validate(), Ok(()));
        for (wrong, field) in [
            (Vote { rolling_z: 0.3, ..Vote::default() }, "sum of the weights"),
            (Vote { autoencoder: -0.3, ..Vote::default() }, "autoencoder"),
            (Vote { threshold: 0.0, ..Vote::default() }, "threshold"),
            (Vote { min_change: -1.0, ..Vote::default() }, "min_change"),
            (Vote { min_relative_change: f64::NAN, ..Vote::default() }, "min_relative_change"),
        ] {
            let refused = wrong.validate().unwrap_err().to_string();
            assert!(refused.contains(field) && refused.contains("vote"), "{refused}");
        }
    }

    #[test]
    fn an_entity_has_one_threshold_and_its_metrics_have_floors() {
        let rule = Vote { min_change: 5.0, peaks: false, ..Vote::default() };
        assert!(rule.goes_with(&Vote::default()) && Vote::default().goes_with(&rule));
        assert!(!rule.goes_with(&Vote { threshold: 0.7, ..Vote::default() }));
        assert_eq!(rule.parameters().unwrap().threshold(), 0.6);
        let floors = rule.floors().unwrap();
        assert!(floors.pass(5.0, 10.0) && !floors.pass(4.9, 10.0) && !floors.pass(5.0, 100.0));
    }
}
