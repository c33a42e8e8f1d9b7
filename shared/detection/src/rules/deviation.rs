//! Throughput and levels: a value that is many spreads away from those of earlier windows.
//!
//! Models of the week judge full hours. A window of five minutes is judged by this rule: requests that explode or stop, a
//! processor that is busier than at the same hour of other days. The number of events in a short window varies by chance
//! alone, so that noise is a part of the spread.

use serde::{Deserialize, Serialize};

use super::Side;
use super::error::{Parameters, RuleError};
use super::judged::{Judged, severity};
use crate::{Baseline, Detail, Direction, Expected, Opinion, Reason, Verdict};

/// An anomaly is a value at least `z` spreads, `min_change` and `min_relative_change` away from the mean. It is critical from
/// `critical_z` spreads on.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Deviation {
    /// Above 0 and at most 50.
    pub z: f64,
    /// At least `z` and at most 100.
    pub critical_z: f64,
    /// Least change that matters, in the metric's unit.
    pub min_change: f64,
    /// Least change that matters, as a share of the mean. From 0 to 100.
    pub min_relative_change: f64,
    /// Least spread, as a share of the mean. From 0 to 1.
    pub min_relative_spread: f64,
    /// Fewer earlier windows give no verdict; at least 2.
    pub min_samples: u64,
    /// Windows with fewer events give no verdict. Values of few events vary by chance.
    pub min_events: u64,
    /// Absent, values on both sides count.
    pub direction: Option<Side>,
}

impl Default for Deviation {
    fn default() -> Self {
        Self {
            z: 3.0,
            critical_z: 5.0,
            min_change: 0.0,
            min_relative_change: 0.1,
            min_relative_spread: 0.04,
            min_samples: 7,
            min_events: 0,
            direction: None,
        }
    }
}

impl Deviation {
    pub const NAME: &'static str = "deviation";

    /// The verdict on the value of a window beside those of earlier windows. The score is in spreads.
    ///
    /// * `counts_events`: whether the values are numbers of events. Their variance by chance is their mean.
    pub fn judge(&self, value: f64, baseline: &Baseline, counts_events: bool) -> Verdict {
        let mean = baseline.mean();
        if let Some(reason) = Reason::of_broken(value, false).or(Reason::of_broken(mean, false)) {
            return Verdict::Undetermined(reason);
        }
        if (baseline.sample_count() as u64) < self.min_samples {
            return Verdict::Undetermined(Reason::InsufficientData);
        }
        let chance = if counts_events { mean.max(0.0).sqrt() } else { 0.0 };
        let spread = baseline.stddev().hypot(chance).max(self.min_relative_spread * mean.abs());
        let change = baseline.deviation(value);
        let score = match (spread > 0.0, change == 0.0) {
            (true, _) => change / spread,
            (false, true) => 0.0,
            (false, false) => Opinion::CAP.copysign(change),
        };
        let reach = (self.z * spread).max(self.min_change).max(self.min_relative_change * mean.abs());
        let is_on_side = match self.direction {
            None => true,
            Some(Side::Above) => change > 0.0,
            Some(Side::Below) => change < 0.0,
        };
        let is_anomaly = change != 0.0 && change.abs() >= reach && is_on_side;
        let direction = if change > 0.0 { Direction::Spike } else { Direction::Drop };
        Judged {
            current: value,
            baseline: *baseline,
            expected: Expected::around(mean, reach, counts_events),
            score,
            detail: Detail::Deviation { spread },
            anomaly: is_anomaly.then_some((severity(score.abs() >= self.critical_z), direction)),
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        let reason = "it is a number of spreads, and no score is over 100";
        check.require(self.z > 0.0 && self.z <= 50.0, "z", self.z, "above 0 and at most 50", reason)?;
        let holds = self.critical_z >= self.z && self.critical_z <= 100.0;
        check.require(holds, "critical_z", self.critical_z, "from `z` to 100", reason)?;
        check.change("min_change", self.min_change)?;
        let share = |name, value: f64, most: f64, allowed| {
            let reason = "it is a share of the mean";
            check.require((0.0..=most).contains(&value), name, value, allowed, reason)
        };
        share("min_relative_change", self.min_relative_change, 100.0, "from 0 to 100")?;
        share("min_relative_spread", self.min_relative_spread, 1.0, "from 0 to 1")?;
        let samples = self.min_samples as f64;
        check.require(self.min_samples >= 2, "min_samples", samples, "2 or more", "one value has no spread")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};
    use crate::{Comparison, Finding, Severity};

    /// A mean of 100 and a deviation of 10.
    fn usual() -> Baseline {
        Baseline::of([90.0, 100.0, 110.0, 90.0, 110.0, 110.0, 90.0, 100.0, 100.0]).unwrap()
    }

    fn judged(value: f64, counts_events: bool) -> (Option<Severity>, f64) {
        let verdict = Deviation::default().judge(value, &usual(), counts_events);
        let comparison = match verdict {
            Verdict::Normal(comparison) => comparison,
            Verdict::Anomalous(finding) => finding.comparison,
            Verdict::Undetermined(reason) => panic!("{reason:?}"),
        };
        (severity_of(verdict), (comparison.opinion.score * 10.0).round() / 10.0)
    }

    #[test]
    fn the_range_of_counts_is_not_below_zero() {
        // Corrections can make the mean of a count negative.
        for (past, [low, high]) in [([-5.0; 7], [0.0, 0.0]), ([4.0; 7], [0.0, 10.0]), ([0.0; 7], [0.0, 0.0])]
        {
            let verdict = Deviation::default().judge(0.0, &Baseline::of(past).unwrap(), true);
            let (Verdict::Normal(Comparison { opinion, .. })
            | Verdict::Anomalous(Finding { comparison: Comparison { opinion, .. }, .. })) = verdict
            else {
                panic!("{verdict:?}")
            };
            assert_eq!(opinion.expected, Expected { low, high }, "{past:?}");
        }
    }

    #[test]
    fn both_sides_in_spreads() {
        let spread = usual().stddev();
        assert!((spread - 8.66).abs() < 0.01, "{spread}");
        for (value, severity, score) in [
            (125.0, None, 2.9),
            (127.0, Some(Severity::Warning), 3.1),
            (144.0, Some(Severity::Critical), 5.1),
            (73.0, Some(Severity::Warning), -3.1),
            (0.0, Some(Severity::Critical), -11.5),
        ] {
            assert_eq!(judged(value, false), (severity, score), "{value}");
        }
    }

    #[test]
    fn numbers_of_events_vary_by_chance() {
        // The root of 8.66² + 100 is 13.2.
        assert_eq!(judged(127.0, true), (None, 2.0));
        assert_eq!(judged(140.0, true), (Some(Severity::Warning), 3.0));
        assert_eq!(judged(0.0, true), (Some(Severity::Critical), -7.6));
    }

    #[test]
    fn the_floors_and_the_side() {
        let of = |rule: Deviation, value| severity_of(rule.judge(value, &usual(), false));
        let rule = Deviation { min_change: 60.0, ..Deviation::default() };
        assert_eq!((of(rule, 150.0), of(rule, 160.0)), (None, Some(Severity::Critical)));
        let rule = Deviation { min_relative_change: 1.0, ..Deviation::default() };
        assert_eq!((of(rule, 190.0), of(rule, 200.0)), (None, Some(Severity::Critical)));
        let rule = Deviation { direction: Some(Side::Above), ..Deviation::default() };
        assert_eq!((of(rule, 0.0), of(rule, 150.0)), (None, Some(Severity::Critical)));
        let rule = Deviation { direction: Some(Side::Below), ..Deviation::default() };
        assert_eq!((of(rule, 0.0), of(rule, 150.0)), (Some(Severity::Critical), None));
    }

    #[test]
    fn a_past_of_zeros_has_no_spread() {
        let zeros = Baseline::of([0.0; 9]).unwrap();
        let rule = Deviation { min_change: 10.0, ..Deviation::default() };
        assert_eq!(severity_of(rule.judge(0.0, &zeros, true)), None);
        assert_eq!(severity_of(rule.judge(9.0, &zeros, true)), None);
        assert_eq!(severity_of(rule.judge(10.0, &zeros, true)), Some(Severity::Critical));
    }

    #[test]
    fn what_cannot_be_judged() {
        let few = Baseline::of([1.0; 6]).unwrap();
        assert_eq!(undetermined(Deviation::default().judge(1.0, &few, true)), Some(Reason::InsufficientData));
        assert!(undetermined(Deviation::default().judge(f64::NAN, &usual(), true)).is_some());
    }

    #[test]
    fn parameters_that_make_no_sense_are_refused() {
        let of = Deviation::default();
        assert_eq!(of.validate(), Ok(()));
        for wrong in [
            Deviation { z: 0.0, ..of },
            Deviation { critical_z: 2.0, ..of },
            Deviation { min_change: -1.0, ..of },
            Deviation { min_relative_change: f64::NAN, ..of },
            Deviation { min_relative_spread: 1.5, ..of },
            Deviation { min_samples: 1, ..of },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_values_give_a_finite_verdict(value: f64, past in prop::collection::vec(prop::num::f64::ANY, 2..20)) {
            let Some(baseline) = Baseline::of(past) else { return Ok(()) };
            for counts_events in [false, true] {
                assert_finite(Deviation::default().judge(value, &baseline, counts_events));
            }
        }
    }
}
