//! The classical detector: the z-score, `(current - mean) / spread`.
//!
//! The spread is the sample standard deviation of the customer's own earlier windows. If they are nearly alike, it is a
//! share of the mean: an exactly regular customer must not be judged by a spread of nothing.

use crate::floors::Floors;
use crate::opinion::{Detail, Expected, Opinion};
use crate::thresholds::{SettingsError, Thresholds, require};
use crate::{Baseline, Severity};

/// The thresholds of the detector. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    threshold: f64,
    critical_threshold: f64,
    min_relative_spread: f64,
}

impl Parameters {
    /// |z| from which a change is an anomaly.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// |z| from which an anomaly is critical.
    pub fn critical_threshold(&self) -> f64 {
        self.critical_threshold
    }

    /// Least spread, as a share of the mean.
    pub fn min_relative_spread(&self) -> f64 {
        self.min_relative_spread
    }

    /// The spread of a z-score. `None` if the baseline has no meaningful spread.
    fn spread(&self, baseline: &Baseline) -> Option<f64> {
        if self.min_relative_spread == 0.0 {
            return Some(baseline.stddev()).filter(|_| !baseline.is_constant());
        }
        let spread = baseline.stddev().max(self.min_relative_spread * baseline.mean().abs());
        // A baseline of zeros has no spread.
        Some(spread).filter(|spread| *spread > 0.0)
    }
}

impl TryFrom<&Thresholds> for Parameters {
    type Error = SettingsError;

    fn try_from(thresholds: &Thresholds) -> Result<Self, SettingsError> {
        let Thresholds { threshold, critical_threshold, min_relative_spread, .. } = *thresholds;
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
            (0.0..=1.0).contains(&min_relative_spread),
            "min_relative_spread",
            min_relative_spread,
            "a share of the mean from 0 to 1",
        )?;
        Ok(Self { threshold, critical_threshold, min_relative_spread })
    }
}

/// The opinion on a value beside its baseline, and its severity. No severity means normal.
///
/// A baseline without a spread gives no z-score. Then a change beyond the floors is an anomaly with the largest score.
/// It is critical if it is large and at least as large as the mean.
///
/// `None` if a result would not be finite.
pub(crate) fn judge(
    current: f64,
    baseline: &Baseline,
    never_negative: bool,
    parameters: &Parameters,
    floors: &Floors,
) -> Option<(Opinion, Option<Severity>)> {
    let (deviation, mean) = (baseline.deviation(current), baseline.mean());
    let (change, spread) = (deviation.abs(), parameters.spread(baseline));
    let (score, severity) = if let Some(spread) = spread {
        let score = deviation / spread;
        let severity = match score.abs() {
            score if score >= parameters.critical_threshold => Some(Severity::Critical),
            score if score >= parameters.threshold => Some(Severity::Warning),
            _ => None,
        };
        (score, severity.filter(|_| floors.pass(change, mean)))
    } else if floors.pass(change, mean) && change > Baseline::CONSTANT_SPREAD * mean.abs() {
        // Rounding noise around a constant is no change, even if both floors are zero.
        let critical = change >= mean.abs() && floors.is_large(change);
        let severity = if critical { Severity::Critical } else { Severity::Warning };
        (Opinion::CAP.copysign(deviation), Some(severity))
    } else {
        (0.0, None)
    };
    let reach = parameters.threshold * spread.unwrap_or(baseline.stddev());
    let opinion = Opinion {
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: Expected::around(mean, reach, never_negative),
        detail: Detail::ZScore { constant_baseline: spread.is_none() },
    };
    (baseline.is_finite() && opinion.is_finite()).then_some((opinion, severity))
}
