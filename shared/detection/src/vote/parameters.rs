//! The weights of the detectors, and the score that is an anomaly.

use super::Voter;
use crate::detectors::z_score;
use crate::thresholds::{SettingsError, Thresholds, require};

/// How much each detector counts. A value of this type is valid: each weight is from 0 to 1, and their sum is 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    isolation_forest: f64,
    autoencoder: f64,
    rolling_z: f64,
    seasonal_esd: f64,
}

/// A sum this near to 1 is rounding.
const ROUNDING: f64 = 1e-9;

impl Weights {
    /// # Errors
    ///
    /// When a weight is not from 0 to 1, or their sum is not 1.
    pub fn new(
        isolation_forest: f64,
        autoencoder: f64,
        rolling_z: f64,
        seasonal_esd: f64,
    ) -> Result<Self, SettingsError> {
        let weights = Self { isolation_forest, autoencoder, rolling_z, seasonal_esd };
        for voter in Voter::ALL {
            let weight = weights.of(voter);
            require((0.0..=1.0).contains(&weight), voter.name(), weight, "a weight from 0 to 1")?;
        }
        let sum: f64 = Voter::ALL.into_iter().map(|voter| weights.of(voter)).sum();
        require((sum - 1.0).abs() <= ROUNDING, "sum of the weights", sum, "a sum of 1")?;
        Ok(weights)
    }

    pub fn of(&self, voter: Voter) -> f64 {
        match voter {
            Voter::IsolationForest => self.isolation_forest,
            Voter::Autoencoder => self.autoencoder,
            Voter::RollingZ => self.rolling_z,
            Voter::SeasonalEsd => self.seasonal_esd,
        }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self { isolation_forest: 0.3, autoencoder: 0.3, rolling_z: 0.2, seasonal_esd: 0.2 }
    }
}

/// The strictness of a vote. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    weights: Weights,
    threshold: f64,
    z_score: z_score::Parameters,
}

impl Parameters {
    /// The score that is an anomaly by default.
    pub const THRESHOLD: f64 = 0.6;

    /// * `threshold`: the score from which on it is an anomaly, above 0 and at most 1.
    /// * `thresholds`: of the rolling z.
    ///
    /// # Errors
    ///
    /// When a number is out of its range.
    pub fn new(weights: Weights, threshold: f64, thresholds: &Thresholds) -> Result<Self, SettingsError> {
        let allowed = "a score above 0 and at most 1";
        require(threshold > 0.0 && threshold <= 1.0, "threshold", threshold, allowed)?;
        Ok(Self { weights, threshold, z_score: z_score::Parameters::try_from(thresholds)? })
    }

    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The score from which on it is an anomaly.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    pub(super) fn z_score(&self) -> &z_score::Parameters {
        &self.z_score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares_of_one() {
        assert_eq!(Weights::new(0.3, 0.3, 0.2, 0.2), Ok(Weights::default()));
        assert!(Weights::new(0.0, 0.0, 0.0, 1.0).is_ok());
        for (weights, message) in [
            ([0.3, 0.3, 0.2, 0.1], "sum of the weights = 0.9 is out of range: a sum of 1"),
            ([1.2, -0.2, 0.0, 0.0], "isolation_forest = 1.2 is out of range: a weight from 0 to 1"),
            ([0.5, -0.5, 0.5, 0.5], "autoencoder = -0.5 is out of range: a weight from 0 to 1"),
            ([f64::NAN, 0.5, 0.5, 0.0], "isolation_forest = NaN is out of range: a weight from 0 to 1"),
        ] {
            let [forest, network, z, esd] = weights;
            assert_eq!(Weights::new(forest, network, z, esd).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_threshold_is_a_score() {
        let with = |threshold| Parameters::new(Weights::default(), threshold, &Thresholds::default());
        assert_eq!(with(0.6).unwrap().threshold(), 0.6);
        assert!(with(1.0).is_ok());
        for wrong in [0.0, -0.1, 1.01, f64::NAN, f64::INFINITY] {
            assert_eq!(with(wrong).unwrap_err().setting, "threshold", "{wrong}");
        }
        let thresholds = Thresholds { threshold: 0.0, ..Thresholds::default() };
        assert!(Parameters::new(Weights::default(), 0.6, &thresholds).is_err());
    }
}
