//! How strict a check is.

/// Thresholds and floors of one metric. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    threshold: f64,
    critical_threshold: f64,
    min_samples: usize,
    min_change: f64,
    min_relative_change: f64,
}

/// A setting outside its range. The message names the setting, the value and what is allowed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{setting} = {value} is out of range: {allowed}")]
pub struct SettingsError {
    pub setting: &'static str,
    pub value: f64,
    pub allowed: &'static str,
}

impl Settings {
    /// The default z-score from which a change is an anomaly.
    pub const THRESHOLD: f64 = 3.0;
    /// The default z-score from which an anomaly is critical.
    pub const CRITICAL_THRESHOLD: f64 = 5.0;
    /// The default number of earlier windows without which nothing is judged.
    pub const MIN_SAMPLES: usize = 7;
    /// The default least change, as a share of the mean.
    pub const MIN_RELATIVE_CHANGE: f64 = 0.1;

    /// # Errors
    ///
    /// `threshold` must be in (0, 100], `critical_threshold` in [threshold, 100], `min_samples` at least 2,
    /// `min_change` (in the metric's unit) and `min_relative_change` (a share of the mean) finite and not negative.
    pub fn new(
        threshold: f64,
        critical_threshold: f64,
        min_samples: usize,
        min_change: f64,
        min_relative_change: f64,
    ) -> Result<Self, SettingsError> {
        let require = |holds: bool, setting, value, allowed| {
            if holds { Ok(()) } else { Err(SettingsError { setting, value, allowed }) }
        };
        require(
            threshold > 0.0 && threshold <= 100.0,
            "threshold",
            threshold,
            "a z-score above 0 and at most 100",
        )?;
        require(
            critical_threshold >= threshold && critical_threshold <= 100.0,
            "critical_threshold",
            critical_threshold,
            "a z-score from `threshold` to 100",
        )?;
        require(
            min_samples >= 2,
            "min_samples",
            min_samples as f64,
            "at least 2, since one value has no standard deviation",
        )?;
        let floor = "a finite number that is not negative";
        require(min_change.is_finite() && min_change >= 0.0, "min_change", min_change, floor)?;
        require(
            min_relative_change.is_finite() && min_relative_change >= 0.0,
            "min_relative_change",
            min_relative_change,
            floor,
        )?;
        Ok(Self { threshold, critical_threshold, min_samples, min_change, min_relative_change })
    }

    /// The same with another threshold. The critical threshold moves up with it where it would be below.
    ///
    /// # Errors
    ///
    /// When the threshold is not in (0, 100].
    pub fn at_threshold(&self, threshold: f64) -> Result<Self, SettingsError> {
        Self::new(
            threshold,
            self.critical_threshold.max(threshold),
            self.min_samples,
            self.min_change,
            self.min_relative_change,
        )
    }

    /// |z| from which a change is an anomaly.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// |z| from which an anomaly is critical.
    pub fn critical_threshold(&self) -> f64 {
        self.critical_threshold
    }

    /// Fewer baseline values than this are not enough to judge by.
    pub fn min_samples(&self) -> usize {
        self.min_samples
    }

    /// Least change from the mean, in the metric's unit.
    pub fn min_change(&self) -> f64 {
        self.min_change
    }

    /// Least change from the mean, as a share of the mean.
    pub fn min_relative_change(&self) -> f64 {
        self.min_relative_change
    }

    /// Whether a change from a mean is large enough to matter: in the metric's unit, and as a share of the mean.
    pub fn passes_floors(&self, change: f64, mean: f64) -> bool {
        let (change, mean) = (change.abs(), mean.abs());
        change >= self.min_change && change >= self.min_relative_change * mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_threshold_takes_the_critical_one_along() {
        let settings = Settings::new(3.0, 5.0, 7, 1.0, 0.1).unwrap();
        assert_eq!(settings.at_threshold(4.0), Settings::new(4.0, 5.0, 7, 1.0, 0.1));
        assert_eq!(settings.at_threshold(8.0), Settings::new(8.0, 8.0, 7, 1.0, 0.1));
        assert!(settings.at_threshold(f64::NAN).is_err() && settings.at_threshold(0.0).is_err());
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        for (arguments, setting) in [
            ((0.0, 5.0, 7, 1.0, 0.1), "threshold"),
            ((-3.0, 5.0, 7, 1.0, 0.1), "threshold"),
            ((f64::NAN, 5.0, 7, 1.0, 0.1), "threshold"),
            ((3.0, 2.9, 7, 1.0, 0.1), "critical_threshold"),
            ((3.0, 101.0, 7, 1.0, 0.1), "critical_threshold"),
            ((3.0, 5.0, 1, 1.0, 0.1), "min_samples"),
            ((3.0, 5.0, 7, -1.0, 0.1), "min_change"),
            ((3.0, 5.0, 7, f64::INFINITY, 0.1), "min_change"),
            ((3.0, 5.0, 7, 1.0, f64::NAN), "min_relative_change"),
        ] {
            let (t, c, n, m, r) = arguments;
            assert_eq!(Settings::new(t, c, n, m, r).unwrap_err().setting, setting, "{arguments:?}");
        }
        assert!(Settings::new(3.0, 3.0, 2, 0.0, 0.0).is_ok());
    }
}
