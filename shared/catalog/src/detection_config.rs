//! How strict the check is, unless the catalog says otherwise.

use std::time::Duration;

use detection::{BaselineDays, Detectors, Settings, Thresholds};
use environment::{ConfigError, Env};

/// How strict the check is, unless the catalog says otherwise.
#[derive(Clone, Debug)]
pub struct DetectionConfig {
    /// `WINDOW_DELAY_SECONDS`: wait between the end of a window and its run, for events that arrive late; default 0.
    pub window_delay: Duration,
    /// `BASELINE_DAYS`: days that a check of a chosen period compares with, 2 to 90; default 30. Runs use models of a month.
    pub baseline_days: BaselineDays,
    /// `MIN_SAMPLES`: least number of earlier values; default 7.
    /// `THRESHOLD`: |z| of an anomaly; default 3.
    /// `CRITICAL_THRESHOLD`: |z| of a critical anomaly; default 5.
    /// `MIN_RELATIVE_CHANGE`: least change as a share of the mean; default 0.1.
    /// `MIN_RELATIVE_SPREAD`: least spread of a z-score as a share of the mean; default 0.04. 0 gives the plain
    /// z-score.
    ///
    /// The catalog sets the least change in the metric's unit.
    pub thresholds: Thresholds,
    /// `DETECTORS`: `ensemble`, or a list of detectors; default `ensemble`. `z_score` compares the last 24 hours with those
    /// of the days before.
    pub detectors: Detectors,
}

impl DetectionConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let usual = defaults.thresholds;
        let days = env.parsed("BASELINE_DAYS", defaults.baseline_days.get(), "a whole number of days")?;
        let config = Self {
            window_delay: env.seconds("WINDOW_DELAY_SECONDS", 0)?,
            baseline_days: BaselineDays::new(days)
                .filter(|_| days >= 2)
                .ok_or_else(|| ConfigError::invalid("BASELINE_DAYS", days, "2 to 90 days"))?,
            thresholds: Thresholds {
                threshold: env.parsed("THRESHOLD", usual.threshold, "a number")?,
                critical_threshold: env.parsed("CRITICAL_THRESHOLD", usual.critical_threshold, "a number")?,
                min_samples: env.parsed("MIN_SAMPLES", usual.min_samples, "a whole number")?,
                min_relative_change: env.parsed(
                    "MIN_RELATIVE_CHANGE",
                    usual.min_relative_change,
                    "a number",
                )?,
                min_relative_spread: env.parsed(
                    "MIN_RELATIVE_SPREAD",
                    usual.min_relative_spread,
                    "a number",
                )?,
                ..usual
            },
            detectors: env.parsed(
                "DETECTORS",
                Detectors::default(),
                "`ensemble`, or a list of `seasonal`, `autoregressive` and `z_score`",
            )?,
        };
        if config.thresholds.min_samples > usize::from(config.baseline_days.get()) {
            let value = config.thresholds.min_samples.to_string();
            return Err(ConfigError::invalid(
                "MIN_SAMPLES",
                value,
                "at most BASELINE_DAYS, or nothing would ever be judged",
            ));
        }
        if config.window_delay > Duration::from_secs(86_400) {
            let value = config.window_delay.as_secs().to_string();
            return Err(ConfigError::invalid("WINDOW_DELAY_SECONDS", value, "at most 86400, one day"));
        }
        Settings::new(config.thresholds)
            .map_err(|source| ConfigError::Contradiction { what: "thresholds", source: Box::new(source) })?;
        Ok(config)
    }
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            window_delay: Duration::ZERO,
            baseline_days: BaselineDays::default(),
            thresholds: Thresholds::default(),
            detectors: Detectors::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_variable_and_what_is_allowed() {
        let detection = |variables: &[(&str, &str)]| {
            DetectionConfig::from_env(&Env::of(variables)).map(drop).map_err(|error| match error {
                ConfigError::Contradiction { source, .. } => source.to_string(),
                other => other.to_string(),
            })
        };
        assert_eq!(detection(&[]), Ok(()));
        for (name, value, expected) in [
            ("THRESHOLD", "three", "THRESHOLD=three is not valid: a number"),
            ("THRESHOLD", "0", "threshold = 0 is out of range"),
            ("THRESHOLD", "NaN", "threshold = NaN is out of range"),
            ("CRITICAL_THRESHOLD", "2", "critical_threshold = 2 is out of range"),
            ("MIN_RELATIVE_SPREAD", "4", "min_relative_spread = 4 is out of range"),
            ("MIN_RELATIVE_SPREAD", "4%", "MIN_RELATIVE_SPREAD=4% is not valid: a number"),
            ("BASELINE_DAYS", "1", "BASELINE_DAYS=1 is not valid"),
            ("BASELINE_DAYS", "-5", "BASELINE_DAYS=-5 is not valid"),
            ("MIN_SAMPLES", "31", "MIN_SAMPLES=31 is not valid"),
            ("DETECTORS", "magic", "DETECTORS=magic is not valid: `ensemble`, or a list"),
            ("DETECTORS", "z_score,", "DETECTORS=z_score, is not valid"),
            ("WINDOW_DELAY_SECONDS", "90000", "WINDOW_DELAY_SECONDS=90000 is not valid"),
        ] {
            let refusal = detection(&[(name, value)]).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
