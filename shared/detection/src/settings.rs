//! How strict the check of one metric is.

use crate::detectors::{Detectors, autoregressive, seasonal, z_score};
use crate::floors::Floors;
use crate::money::Price;
use crate::sensitivity::Sensitivity;
use crate::thresholds::{SettingsError, Thresholds, require};

/// Parameters of the detectors, and shared settings. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    detectors: Detectors,
    sensitivity: Sensitivity,
    /// How many times the thresholds feedback asks for: from 1 on.
    raised: f64,
    seasonal: seasonal::Parameters,
    autoregressive: autoregressive::Parameters,
    z_score: z_score::Parameters,
    floors: Floors,
    /// As it was written: 0 takes back a price of a wider scope.
    price: Option<f64>,
    min_samples: usize,
}

impl Settings {
    /// # Errors
    ///
    /// When a number is out of the range that [`Thresholds`] states.
    pub fn new(thresholds: Thresholds) -> Result<Self, SettingsError> {
        let min_samples = thresholds.min_samples;
        require(
            min_samples >= 2,
            "min_samples",
            min_samples as f64,
            "at least 2, since one value has no standard deviation",
        )?;
        Ok(Self {
            detectors: Detectors::default(),
            sensitivity: Sensitivity::default(),
            raised: 1.0,
            seasonal: seasonal::Parameters::default().at_spread(thresholds.min_relative_spread)?,
            autoregressive: autoregressive::Parameters::default(),
            z_score: z_score::Parameters::try_from(&thresholds)?,
            floors: Floors::try_from(&thresholds)?,
            price: thresholds.price,
            min_samples,
        })
    }

    /// The same settings with other thresholds, floors and spread.
    ///
    /// # Errors
    ///
    /// When a number is out of the range that [`Thresholds`] states.
    pub fn at(&self, thresholds: Thresholds) -> Result<Self, SettingsError> {
        let other = Self::new(thresholds)?;
        Ok(Self {
            detectors: self.detectors,
            sensitivity: self.sensitivity,
            raised: self.raised,
            seasonal: self.seasonal.at_spread(thresholds.min_relative_spread)?,
            autoregressive: self.autoregressive,
            ..other
        })
    }

    /// The same settings with another threshold. The critical threshold rises with it if it would be below.
    ///
    /// # Errors
    ///
    /// When the threshold is not in (0, 100].
    pub fn at_threshold(&self, threshold: f64) -> Result<Self, SettingsError> {
        let thresholds = self.thresholds();
        let critical_threshold = thresholds.critical_threshold.max(threshold);
        Ok(Self {
            z_score: Self::new(Thresholds { threshold, critical_threshold, ..thresholds })?.z_score,
            ..*self
        })
    }

    /// The same settings with another least spread.
    ///
    /// # Errors
    ///
    /// When the share is not from 0 to 1.
    pub fn at_spread(&self, min_relative_spread: f64) -> Result<Self, SettingsError> {
        let z_score = Self::new(Thresholds { min_relative_spread, ..self.thresholds() })?.z_score;
        Ok(Self { z_score, seasonal: self.seasonal.at_spread(min_relative_spread)?, ..*self })
    }

    /// The same settings with another least change, in the metric's unit.
    ///
    /// # Errors
    ///
    /// When the change is negative or not finite.
    pub fn at_min_change(&self, min_change: f64) -> Result<Self, SettingsError> {
        let floors = Self::new(Thresholds { min_change, ..self.thresholds() })?.floors;
        Ok(Self { floors, ..*self })
    }

    /// All numbers, as files, variables and requests write them.
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            threshold: self.z_score.threshold(),
            critical_threshold: self.z_score.critical_threshold(),
            min_samples: self.min_samples,
            min_change: self.floors.min_change(),
            min_relative_change: self.floors.min_relative_change(),
            min_relative_spread: self.z_score.min_relative_spread(),
            price: self.price,
            min_cost: self.floors.min_cost(),
        }
    }

    /// The same settings with other detectors of the ensemble.
    #[must_use]
    pub fn with_detectors(self, detectors: Detectors) -> Self {
        Self { detectors, ..self }
    }

    /// The same settings with another sensitivity. It scales the thresholds of the ensemble.
    #[must_use]
    pub fn with_sensitivity(self, sensitivity: Sensitivity) -> Self {
        Self { sensitivity, ..self }
    }

    /// The same settings with thresholds of the ensemble that feedback has raised. The factor is at least 1.
    #[must_use]
    pub fn with_raised(self, factor: f64) -> Self {
        Self { raised: factor.max(1.0), ..self }
    }

    /// The factor of all thresholds of the ensemble: that of the sensitivity, raised by feedback.
    pub fn factor(&self) -> f64 {
        self.sensitivity.factor() * self.raised
    }

    pub fn detectors(&self) -> Detectors {
        self.detectors
    }

    pub fn sensitivity(&self) -> Sensitivity {
        self.sensitivity
    }

    /// The same settings with other parameters of the seasonal detector.
    #[must_use]
    pub fn with_seasonal(self, seasonal: seasonal::Parameters) -> Self {
        Self { seasonal, ..self }
    }

    /// The same settings with other parameters of the autoregressive detector.
    #[must_use]
    pub fn with_autoregressive(self, autoregressive: autoregressive::Parameters) -> Self {
        Self { autoregressive, ..self }
    }

    pub fn seasonal(&self) -> &seasonal::Parameters {
        &self.seasonal
    }

    pub fn autoregressive(&self) -> &autoregressive::Parameters {
        &self.autoregressive
    }

    pub fn z_score(&self) -> &z_score::Parameters {
        &self.z_score
    }

    pub fn floors(&self) -> &Floors {
        &self.floors
    }

    /// The price of one unit. `None` where nothing is known of cost, or usage costs nothing.
    pub fn price(&self) -> Option<Price> {
        self.price.and_then(Price::new)
    }

    /// Least number of baseline values for a verdict.
    pub fn min_samples(&self) -> usize {
        self.min_samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_threshold_takes_the_critical_one_along() {
        let settings = Settings::new(Thresholds::default()).unwrap();
        let at = |threshold, critical_threshold| {
            Settings::new(Thresholds { threshold, critical_threshold, ..Thresholds::default() })
        };
        assert_eq!(settings.at_threshold(4.0), at(4.0, 5.0));
        assert_eq!(settings.at_threshold(8.0), at(8.0, 8.0));
        assert!(settings.at_threshold(f64::NAN).is_err() && settings.at_threshold(0.0).is_err());
    }

    #[test]
    fn another_least_change_leaves_the_rest() {
        let usual = Settings::new(Thresholds::default()).unwrap().with_sensitivity(Sensitivity::LOW);
        let changed = usual.at_min_change(40.0).unwrap();
        assert_eq!(changed.floors().min_change(), 40.0);
        assert_eq!(changed.at_min_change(0.0), Ok(usual));
        assert!(usual.at_min_change(-1.0).is_err() && usual.at_min_change(f64::NAN).is_err());
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        let valid = Thresholds::default();
        for (thresholds, setting) in [
            (Thresholds { threshold: 0.0, ..valid }, "threshold"),
            (Thresholds { threshold: -3.0, ..valid }, "threshold"),
            (Thresholds { threshold: f64::NAN, ..valid }, "threshold"),
            (Thresholds { critical_threshold: 2.9, ..valid }, "critical_threshold"),
            (Thresholds { critical_threshold: 101.0, ..valid }, "critical_threshold"),
            (Thresholds { min_samples: 1, ..valid }, "min_samples"),
            (Thresholds { min_change: -1.0, ..valid }, "min_change"),
            (Thresholds { min_change: f64::INFINITY, ..valid }, "min_change"),
            (Thresholds { min_relative_change: f64::NAN, ..valid }, "min_relative_change"),
            (Thresholds { min_relative_spread: -0.01, ..valid }, "min_relative_spread"),
            (Thresholds { min_relative_spread: 4.0, ..valid }, "min_relative_spread"),
            (Thresholds { min_relative_spread: f64::NAN, ..valid }, "min_relative_spread"),
            (Thresholds { price: Some(-0.1), ..valid }, "price"),
            (Thresholds { price: Some(f64::NAN), ..valid }, "price"),
            (Thresholds { price: Some(f64::INFINITY), ..valid }, "price"),
            (Thresholds { price: Some(1e10), ..valid }, "price"),
            (Thresholds { price: Some(1.0), min_cost: -1.0, ..valid }, "min_cost"),
            (Thresholds { price: Some(1.0), min_cost: f64::NAN, ..valid }, "min_cost"),
            (Thresholds { price: Some(1.0), min_cost: f64::INFINITY, ..valid }, "min_cost"),
            (Thresholds { min_cost: 50.0, ..valid }, "min_cost"),
            (Thresholds { price: Some(0.0), min_cost: 50.0, ..valid }, "min_cost"),
        ] {
            assert_eq!(Settings::new(thresholds).unwrap_err().setting, setting, "{thresholds:?}");
        }
        let least = Thresholds {
            threshold: 3.0,
            critical_threshold: 3.0,
            min_samples: 2,
            min_change: 0.0,
            min_relative_change: 0.0,
            min_relative_spread: 0.0,
            price: Some(0.0),
            min_cost: 0.0,
        };
        assert_eq!(Settings::new(least).unwrap().thresholds(), least);
        let refusal = Settings::new(Thresholds { min_cost: 50.0, ..valid }).unwrap_err().to_string();
        assert_eq!(
            refusal,
            "min_cost = 50 is out of range: 0 for a metric whose `price` is not set or is 0: set a price, or take the floor out"
        );
    }

    #[test]
    fn a_price_is_told_unless_it_is_zero() {
        let of = |price| Settings::new(Thresholds { price, ..Thresholds::default() }).unwrap().price();
        assert_eq!((of(None), of(Some(0.0)), of(Some(0.25))), (None, None, Price::new(0.25)));
    }
}
