//! The rate of bad events: too many of all executions, requests or tests failed.
//!
//! A z-score of rates finds nothing: one failure of ten windows without any makes a spread that hides an outage. So the
//! rule asks how likely at least so many bad events are by chance, if each event is bad with the rate of the baseline.
//! That is the upper tail of the binomial distribution. It takes small numbers for what they are: 4 of 20 are as
//! surprising as 7 of 100 where one in a hundred is usual.
//!
//! The rate of the baseline counts one bad and one good event more than there were: P. S. de Laplace's rule of
//! succession (1774). So a baseline without failures does not call the first failure impossible.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, probability, severity};
use super::{Counts, binomial, normal};
use crate::{Baseline, Detail, Direction, Expected, Reason, Verdict};

/// An anomaly is
///
/// * a tail of at most `tail` and a rate of at least `factor` times the baseline's, or
/// * a rate of at least `absolute` and a tail of at most `absolute_tail`,
///
/// with at least `min_bad` bad events. It is critical with a tail of at most `critical_tail` or a rate of at least
/// `critical_rate`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// Above 0 and at most 0.5.
    pub tail: f64,
    /// From 1 to 1,000.
    pub factor: f64,
    /// Above 0 and at most 1.
    pub absolute: f64,
    /// Above 0 and at most 0.5.
    pub absolute_tail: f64,
    /// Fewer events of the window or of the baseline give no verdict; at least 1.
    pub min_events: u64,
    /// At least 1.
    pub min_bad: u64,
    /// Above 0, and at most `tail`.
    pub critical_tail: f64,
    /// Above 0 and at most 1.
    pub critical_rate: f64,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            tail: 1e-4,
            factor: 2.0,
            absolute: 0.05,
            absolute_tail: 1e-2,
            min_events: 20,
            min_bad: 3,
            critical_tail: 1e-8,
            critical_rate: 0.5,
        }
    }
}

impl Rate {
    pub const NAME: &'static str = "rate";

    /// The verdict on the events of a window beside those of its baseline. The score is the normal quantile of the tail.
    pub fn judge(&self, window: Counts, baseline: Counts) -> Verdict {
        if window.is_broken() || baseline.is_broken() {
            return Verdict::Undetermined(Reason::OutOfRange);
        }
        if window.events == 0 {
            return Verdict::Undetermined(Reason::NoData);
        }
        if window.events.min(baseline.events) < self.min_events {
            return Verdict::Undetermined(Reason::InsufficientData);
        }
        let Counts { events, bad } = window;
        let (rate, usual) = (window.rate(), baseline.cautious_rate());
        let ln_tail = binomial::ln_upper_tail(events, bad, usual);
        let is_rise = ln_tail <= self.tail.ln() && rate >= self.factor * usual;
        let is_high = ln_tail <= self.absolute_tail.ln() && rate >= self.absolute;
        let is_critical = ln_tail <= self.critical_tail.ln() || rate >= self.critical_rate;
        let is_anomaly = bad >= self.min_bad && (is_rise || is_high);
        let spread = (usual * (1.0 - usual) / events as f64).sqrt();
        let expected = Expected::around(usual, USUAL_SPREADS * spread, true);
        Judged {
            current: rate,
            baseline: Baseline::of_reference(baseline.rate(), spread, baseline.events),
            expected: Expected { high: expected.high.min(1.0), ..expected },
            score: if rate >= usual {
                normal::score_of(ln_tail)
            } else {
                -normal::score_of(binomial::ln_lower_tail(events, bad, usual))
            },
            detail: Detail::Rate { events, bad, baseline_rate: usual, tail: probability(ln_tail) },
            anomaly: is_anomaly.then_some((severity(is_critical), Direction::Spike)),
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        check.probability("tail", self.tail)?;
        check.factor("factor", self.factor)?;
        check.share("absolute", self.absolute)?;
        check.probability("absolute_tail", self.absolute_tail)?;
        check.number("min_events", self.min_events)?;
        check.number("min_bad", self.min_bad)?;
        check.require(
            self.critical_tail > 0.0 && self.critical_tail <= self.tail,
            "critical_tail",
            self.critical_tail,
            "above 0 and at most `tail`",
            "a critical anomaly is less likely than a warning",
        )?;
        check.share("critical_rate", self.critical_rate)
    }
}

/// A rate so many spreads from the usual one is still usual.
const USUAL_SPREADS: f64 = 3.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    fn counts(events: u64, bad: u64) -> Counts {
        Counts { events, bad }
    }

    fn judge(window: (u64, u64), baseline: (u64, u64)) -> Verdict {
        Rate::default().judge(counts(window.0, window.1), counts(baseline.0, baseline.1))
    }

    #[test]
    fn so_many_bad_events_are_needed() {
        // The smallest numbers whose tail is at most 1e-4.
        let one_percent = (9_998, 99);
        assert_eq!(
            severity_of(judge((20, 3), one_percent)),
            Some(Severity::Warning),
            "15 % by the absolute rate"
        );
        assert_eq!(severity_of(judge((100, 4), one_percent)), None);
        assert_eq!(
            severity_of(judge((1_000, 23), one_percent)),
            None,
            "2.3 %, 2.3 times, but a tail of 2e-4"
        );
        assert_eq!(severity_of(judge((1_000, 25), one_percent)), Some(Severity::Warning));
        let five_percent = (9_998, 499);
        assert_eq!(severity_of(judge((100, 11), five_percent)), None, "a tail of 1.1 %");
        assert_eq!(severity_of(judge((100, 12), five_percent)), Some(Severity::Warning));
    }

    #[test]
    fn the_rise_needs_its_factor() {
        // 3.5 % of a million where 3 % is usual: sure, and less than double.
        let baseline = (1_000_000, 30_000);
        assert_eq!(severity_of(judge((1_000_000, 35_000), baseline)), None);
        assert_eq!(severity_of(judge((1_000_000, 61_000), baseline)), Some(Severity::Critical));
    }

    #[test]
    fn critical_by_its_tail_or_by_half_of_the_events() {
        assert_eq!(severity_of(judge((40, 14), (5_000, 100))), Some(Severity::Critical), "a tail of 2e-14");
        assert_eq!(severity_of(judge((20, 10), (22, 3))), Some(Severity::Critical), "half");
        assert_eq!(severity_of(judge((20, 9), (22, 3))), Some(Severity::Warning), "a tail of 8e-4");
    }

    #[test]
    fn a_baseline_without_failures_is_not_perfect() {
        assert_eq!(severity_of(judge((50, 2), (1_000_000, 0))), None, "fewer than three");
        assert_eq!(severity_of(judge((50, 3), (1_000_000, 0))), Some(Severity::Critical));
        assert_eq!(severity_of(judge((50, 3), (48, 0))), None, "one of fifty may be usual");
    }

    #[test]
    fn chronic_failures_are_usual() {
        assert_eq!(severity_of(judge((100, 62), (1_000, 600))), None);
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(finding) = judge((40, 14), (98, 1)) else { panic!() };
        let comparison = finding.comparison;
        assert_eq!((comparison.current, comparison.baseline.mean()), (0.35, 1.0 / 98.0));
        assert_eq!((finding.direction, comparison.baseline.sample_count()), (Direction::Spike, 98));
        let Detail::Rate { events: 40, bad: 14, baseline_rate, tail } = comparison.opinion.detail else {
            panic!("{comparison:?}")
        };
        assert_eq!(baseline_rate, 0.02);
        assert!((tail / 2.330_771_963_451_34e-14 - 1.0).abs() < 1e-9, "{tail}");
        assert!((comparison.z_score - 7.54).abs() < 0.01, "{}", comparison.z_score);
        assert!(!comparison.opinion.expected.holds(0.35) && comparison.opinion.expected.holds(0.02));
        let Verdict::Normal(below) = judge((1_000, 1), (1_000, 100)) else { panic!() };
        assert!(below.z_score < -5.0, "fewer than usual is below zero: {}", below.z_score);
    }

    #[test]
    fn what_cannot_be_judged() {
        assert_eq!(undetermined(judge((0, 0), (1_000, 1))), Some(Reason::NoData));
        assert_eq!(undetermined(judge((19, 19), (1_000, 1))), Some(Reason::InsufficientData));
        assert_eq!(undetermined(judge((100, 50), (19, 0))), Some(Reason::InsufficientData));
        assert_eq!(undetermined(judge((100, 101), (1_000, 1))), Some(Reason::OutOfRange));
    }

    #[test]
    fn an_error_names_the_parameter_its_range_and_the_reason() {
        let rule = Rate { tail: 1.5, ..Rate::default() };
        assert_eq!(
            rule.validate().unwrap_err().to_string(),
            "`tail` of a rule of type rate is 1.5, but it must be above 0 and at most 0.5: it is how likely chance may do \
             the same"
        );
        assert!(Rate { critical_tail: 1e-3, ..Rate::default() }.validate().is_err());
        assert!(Rate { factor: f64::NAN, ..Rate::default() }.validate().is_err());
        assert!(Rate { min_bad: 0, ..Rate::default() }.validate().is_err());
        assert_eq!(Rate::default().validate(), Ok(()));
    }

    proptest! {
        #[test]
        fn any_counts_give_a_finite_verdict(events: u64, bad: u64, former: u64, failed: u64) {
            assert_finite(Rate::default().judge(counts(events, bad), counts(former, failed)));
            assert_finite(
                Rate::default().judge(counts(events, bad.min(events)), counts(former, failed.min(former))),
            );
        }

        #[test]
        fn any_parameters_give_a_finite_verdict(tail: f64, factor: f64, bad in 0..=100_u64) {
            let rule = Rate { tail, factor, min_events: 0, ..Rate::default() };
            assert_finite(rule.judge(counts(100, bad), counts(0, 0)));
        }

        #[test]
        fn more_failures_are_never_less_of_an_anomaly(bad in 0..200_u64, failed in 0..1_000_u64) {
            let at = |bad| severity_of(judge((200, bad), (1_000, failed)));
            prop_assert!(at(bad) <= at(bad + 1));
        }
    }
}
