//! Output that nearly stops: a small fraction of the mean, as of the records that a workflow writes.
//!
//! A run can succeed and do nothing. Its duration may even look good. The volume of its output tells, and a tenth of the
//! mean is far outside of what volumes do by themselves. Zero where there never was a zero needs no fraction.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, beyond_lower, beyond_upper, severity};
use crate::{Baseline, Detail, Direction, Expected, Histogram, Reason, Verdict};

/// An anomaly is a value under `below` times the mean, or over `above` times the mean if that is set. Exactly zero is
/// critical if no value of the baseline is zero. Twice the ratio `above` is critical too.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Ratio {
    /// Above 0 and below 1.
    pub below: f64,
    /// Above 1.
    pub above: Option<f64>,
    /// A smaller mean gives no verdict: its fractions are single units. In the metric's unit, not negative.
    pub min_mean: f64,
    /// Fewer events of the baseline give no verdict; at least 1.
    pub min_events: u64,
}

impl Default for Ratio {
    fn default() -> Self {
        Self { below: 0.1, above: None, min_mean: 10.0, min_events: 30 }
    }
}

impl Ratio {
    pub const NAME: &'static str = "ratio";

    /// The verdict on a value beside the earlier ones, whose exact mean is `mean`. The score is the ratio to the limit.
    pub fn judge(&self, value: f64, baseline: &Histogram, mean: f64) -> Verdict {
        if let Some(reason) = Reason::of_broken(value, true).or(Reason::of_broken(mean, true)) {
            return Verdict::Undetermined(reason);
        }
        let is_known = baseline.count() >= self.min_events && mean >= self.min_mean && mean > 0.0;
        let (true, Some(largest)) = (is_known, baseline.percentile(1.0)) else {
            return Verdict::Undetermined(Reason::InsufficientData);
        };
        let low = self.below * mean;
        let high = self.above.map(|above| above * mean);
        let first_zero = value == 0.0 && baseline.zeros() == 0;
        let (score, anomaly) = if value < low {
            (beyond_lower(value, low), Some((severity(first_zero), Direction::Drop)))
        } else if let Some(high) = high.filter(|high| value > *high) {
            (beyond_upper(value, high), Some((severity(value > 2.0 * high), Direction::Spike)))
        } else if value < mean {
            (beyond_lower(value, low), None)
        } else {
            (high.map_or(0.0, |high| beyond_upper(value, high)), None)
        };
        Judged {
            current: value,
            baseline: Baseline::of_reference(mean, baseline.stddev().unwrap_or(0.0), baseline.count()),
            expected: Expected { low, high: high.unwrap_or(largest).max(low) },
            score,
            detail: Detail::Ratio { ratio: value / mean, first_zero },
            anomaly,
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        let is_fraction = self.below > 0.0 && self.below < 1.0;
        let reason = "it is a fraction of the mean";
        check.require(is_fraction, "below", self.below, "above 0 and below 1", reason)?;
        let above = self.above.unwrap_or(2.0);
        let reason = "it is a multiple of the mean";
        check.require(above > 1.0 && above.is_finite(), "above", above, "a finite number above 1", reason)?;
        check.change("min_mean", self.min_mean)?;
        check.number("min_events", self.min_events)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    /// Forty outputs of 250 to 350 records.
    fn outputs() -> Histogram {
        (0..40).map(|run| 250.0 + f64::from(run) * 2.5).collect()
    }

    fn judge(value: f64) -> Verdict {
        Ratio::default().judge(value, &outputs(), 300.0)
    }

    #[test]
    fn under_a_tenth_of_the_mean() {
        assert_eq!(severity_of(judge(30.0)), None);
        assert_eq!(severity_of(judge(29.0)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(3_000.0)), None, "no limit above is set");
    }

    #[test]
    fn the_first_zero_is_critical() {
        assert_eq!(severity_of(judge(0.0)), Some(Severity::Critical));
        let mut with_zero = outputs();
        with_zero.extend([(Histogram::ZERO, 1)]);
        assert_eq!(severity_of(Ratio::default().judge(0.0, &with_zero, 300.0)), Some(Severity::Warning));
    }

    #[test]
    fn over_a_multiple_if_asked_for() {
        let rule = Ratio { above: Some(5.0), ..Ratio::default() };
        let at = |value| severity_of(rule.judge(value, &outputs(), 300.0));
        assert_eq!((at(1_500.0), at(1_501.0)), (None, Some(Severity::Warning)));
        assert_eq!(at(3_001.0), Some(Severity::Critical));
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(finding) = judge(12.0) else { panic!() };
        let comparison = finding.comparison;
        assert_eq!(finding.direction, Direction::Drop);
        assert_eq!(comparison.opinion.detail, Detail::Ratio { ratio: 0.04, first_zero: false });
        assert_eq!((comparison.z_score, comparison.baseline.mean()), (-2.5, 300.0));
        assert_eq!(comparison.opinion.expected.low, 30.0);
        let Verdict::Anomalous(zero) = judge(0.0) else { panic!() };
        assert_eq!(zero.comparison.z_score, -100.0);
        let Verdict::Normal(usual) = judge(300.0) else { panic!() };
        assert!(usual.z_score.abs() < 1.0 && usual.opinion.expected.holds(300.0));
    }

    #[test]
    fn what_cannot_be_judged() {
        let rule = Ratio::default();
        let few: Histogram = [(Histogram::key(300.0), 29)].into_iter().collect();
        for (verdict, reason) in [
            (rule.judge(0.0, &few, 300.0), Reason::InsufficientData),
            (rule.judge(0.0, &outputs(), 9.0), Reason::InsufficientData),
            (rule.judge(-1.0, &outputs(), 300.0), Reason::Negative),
            (rule.judge(1.0, &outputs(), f64::NAN), Reason::NotFinite),
        ] {
            assert_eq!(undetermined(verdict), Some(reason));
        }
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(Ratio::default().validate(), Ok(()));
        for wrong in [
            Ratio { below: 1.0, ..Ratio::default() },
            Ratio { above: Some(1.0), ..Ratio::default() },
            Ratio { min_mean: f64::NAN, ..Ratio::default() },
            Ratio { min_events: 0, ..Ratio::default() },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(
            value: f64,
            mean: f64,
            pairs in prop::collection::vec((any::<i16>(), any::<u64>()), 0..20),
            below: f64,
            above in prop::option::of(any::<f64>()),
        ) {
            let histogram: Histogram = pairs.into_iter().collect();
            let rule = Ratio { below, above, min_mean: 0.0, ..Ratio::default() };
            assert_finite(rule.judge(value, &histogram, mean));
            assert_finite(rule.judge(value.abs().min(1e99), &histogram, mean.abs().min(1e99)));
            assert_finite(Ratio { min_mean: 0.0, ..Ratio::default() }.judge(0.0, &histogram, mean.abs()));
        }
    }
}
