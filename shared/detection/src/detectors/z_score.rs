//! The classical detector: the z-score, `(current - mean) / stddev`, with the sample standard deviation of the customer's
//! own earlier windows.

use crate::floors::Floors;
use crate::opinion::{Detail, Expected, Opinion};
use crate::thresholds::{SettingsError, Thresholds, require};
use crate::{Baseline, Severity};

/// From which scores it speaks. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    threshold: f64,
    critical_threshold: f64,
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
}

impl TryFrom<&Thresholds> for Parameters {
    type Error = SettingsError;

    fn try_from(thresholds: &Thresholds) -> Result<Self, SettingsError> {
        let Thresholds { threshold, critical_threshold, .. } = *thresholds;
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
        Ok(Self { threshold, critical_threshold })
    }
}

/// What it says of a value beside its baseline, and how severe that is; no severity is normal.
///
/// A constant baseline gives no z-score. Then a change that passes the floors is an anomaly with the largest score, and a
/// critical one where it is large and at least as large as the mean.
///
/// `None` when a result would not be finite.
pub(crate) fn judge(
    current: f64,
    baseline: &Baseline,
    never_negative: bool,
    parameters: &Parameters,
    floors: &Floors,
) -> Option<(Opinion, Option<Severity>)> {
    let (deviation, mean) = (baseline.deviation(current), baseline.mean());
    let (change, constant_baseline) = (deviation.abs(), baseline.is_constant());
    let (score, severity) = if !constant_baseline {
        let score = deviation / baseline.stddev();
        let severity = match score.abs() {
            score if score >= parameters.critical_threshold => Some(Severity::Critical),
            score if score >= parameters.threshold => Some(Severity::Warning),
            _ => None,
        };
        (score, severity.filter(|_| floors.pass(change, mean)))
    } else if floors.pass(change, mean) && change > Baseline::CONSTANT_SPREAD * mean.abs() {
        // Rounding noise around a constant is no change, also where both floors are zero.
        let critical = change >= mean.abs() && floors.is_large(change);
        let severity = if critical { Severity::Critical } else { Severity::Warning };
        (Opinion::CAP.copysign(deviation), Some(severity))
    } else {
        (0.0, None)
    };
    let opinion = Opinion {
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: Expected::around(mean, parameters.threshold * baseline.stddev(), never_negative),
        detail: Detail::ZScore { constant_baseline },
    };
    (baseline.is_finite() && opinion.is_finite()).then_some((opinion, severity))
}
