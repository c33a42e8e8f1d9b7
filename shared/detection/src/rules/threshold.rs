//! A fixed limit, for values whose meaning is known: a disk that is 95 % full needs no baseline.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, beyond_lower, beyond_upper, severity};
use crate::{Baseline, Detail, Direction, Expected, Reason, Verdict};

/// The side of the limits that is an anomaly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    #[default]
    Above,
    Below,
}

/// An anomaly is a value beyond `warning`, and a critical one is beyond `critical`. One of them may be absent. A value at
/// its limit is within.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Threshold {
    /// In the metric's unit.
    pub warning: Option<f64>,
    /// In the metric's unit, at or beyond `warning`.
    pub critical: Option<f64>,
    pub direction: Side,
}

impl Threshold {
    pub const NAME: &'static str = "threshold";

    /// The verdict on a value. The score is the ratio to the limit. The usual range ends at the first limit, and on the
    /// other side at zero or the value.
    pub fn judge(&self, value: f64) -> Verdict {
        if let Some(reason) = Reason::of_broken(value, false) {
            return Verdict::Undetermined(reason);
        }
        let Some(first) = self.warning.or(self.critical) else {
            return Verdict::Undetermined(Reason::InsufficientData);
        };
        let is_above = self.direction == Side::Above;
        let is_beyond = |limit: f64| if is_above { value > limit } else { value < limit };
        let critical = self.critical.filter(|limit| is_beyond(*limit));
        let limit = critical.unwrap_or(first);
        let is_anomaly = critical.is_some() || is_beyond(first);
        let direction = if is_above { Direction::Spike } else { Direction::Drop };
        Judged {
            current: value,
            baseline: Baseline::NONE,
            expected: if is_above {
                Expected { low: first.min(value).min(0.0), high: first }
            } else {
                Expected { low: first, high: first.max(value) }
            },
            score: if is_above { beyond_upper(value, limit) } else { beyond_lower(value, limit) },
            detail: Detail::Threshold { limit, above: is_above },
            anomaly: is_anomaly.then_some((severity(critical.is_some()), direction)),
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let (rule, check) = (Self::NAME, Parameters(Self::NAME));
        let Some(first) = self.warning.or(self.critical) else {
            let (needed, reason) = ("`warning` or `critical`", "without a limit it judges nothing");
            return Err(RuleError::Missing { rule, needed, reason });
        };
        let name = if self.warning.is_some() { "warning" } else { "critical" };
        let reason = "it is a limit in the metric's unit";
        check.require(first.is_finite(), name, first, "a finite number", reason)?;
        let critical = self.critical.unwrap_or(first);
        let (holds, allowed) = match self.direction {
            Side::Above => (critical >= first, "a finite number of at least `warning`"),
            Side::Below => (critical <= first, "a finite number of at most `warning`"),
        };
        let reason = "what is critical is further out";
        check.require(holds && critical.is_finite(), "critical", critical, allowed, reason)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    const DISK: Threshold = Threshold { warning: Some(90.0), critical: Some(95.0), direction: Side::Above };
    const FREE: Threshold = Threshold { warning: Some(10.0), critical: Some(5.0), direction: Side::Below };

    #[test]
    fn beyond_its_limits() {
        for (rule, value, severity) in [
            (DISK, 90.0, None),
            (DISK, 91.0, Some(Severity::Warning)),
            (DISK, 95.0, Some(Severity::Warning)),
            (DISK, 96.0, Some(Severity::Critical)),
            (FREE, 10.0, None),
            (FREE, 9.0, Some(Severity::Warning)),
            (FREE, 0.0, Some(Severity::Critical)),
            (Threshold { warning: None, ..DISK }, 94.0, None),
            (Threshold { warning: None, ..DISK }, 96.0, Some(Severity::Critical)),
            (Threshold { critical: None, ..FREE }, -1e9, Some(Severity::Warning)),
        ] {
            assert_eq!(severity_of(rule.judge(value)), severity, "{value} by {rule:?}");
        }
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(full) = DISK.judge(96.0) else { panic!() };
        assert_eq!(full.direction, Direction::Spike);
        assert_eq!(full.comparison.opinion.detail, Detail::Threshold { limit: 95.0, above: true });
        assert_eq!(full.comparison.opinion.expected, Expected { low: 0.0, high: 90.0 });
        assert!((full.comparison.z_score - 96.0 / 95.0).abs() < 1e-12);
        let Verdict::Anomalous(empty) = FREE.judge(0.0) else { panic!() };
        assert_eq!((empty.direction, empty.comparison.z_score), (Direction::Drop, -100.0));
        let none_allowed = Threshold { warning: Some(0.0), ..Threshold::default() };
        let Verdict::Anomalous(one) = none_allowed.judge(1.0) else { panic!() };
        assert_eq!(one.comparison.z_score, 2.0, "a unit beyond a limit of zero");
        assert_eq!(undetermined(DISK.judge(f64::NAN)), Some(Reason::NotFinite));
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!((DISK.validate(), FREE.validate()), (Ok(()), Ok(())));
        assert_eq!(
            Threshold::default().validate().unwrap_err().to_string(),
            "a rule of type threshold needs `warning` or `critical`: without a limit it judges nothing"
        );
        let broken = Threshold { warning: Some(f64::INFINITY), critical: None, ..DISK };
        assert_eq!(
            broken.validate().unwrap_err().to_string(),
            "`warning` of a rule of type threshold is inf, but it must be a finite number: it is a limit in the metric's unit"
        );
        for wrong in [
            Threshold { critical: Some(80.0), ..DISK },
            Threshold { critical: Some(20.0), ..FREE },
            Threshold { warning: Some(f64::NAN), ..DISK },
            Threshold { critical: Some(f64::INFINITY), ..DISK },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(value: f64, warning: f64, critical: f64, above: bool) {
            let direction = if above { Side::Above } else { Side::Below };
            for (warning, critical) in [(Some(warning), Some(critical)), (None, Some(critical)), (None, None)] {
                assert_finite(Threshold { warning, critical, direction }.judge(value));
            }
        }
    }
}
