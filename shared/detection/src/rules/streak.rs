//! Failures in a row: the last runs of a workflow or of a test all failed.
//!
//! Three in a row are news of what never fails, and nothing of what fails every other time. So a streak of `k` counts if
//! it is unlikely by chance, `p^k` for a failure rate of `p` of the runs before it. On records of test runs, the plain
//! "three in a row" alarmed ten times as often, mostly of tests that always fail.
//!
//! The failure rate counts one failed and one good run more than there were: P. S. de Laplace's rule of succession
//! (1774). So a rate of 10 % alarms at 3, 20 % at 5, 30 % at 6, 50 % at 10.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, probability, severity};
use super::{Counts, normal};
use crate::{Baseline, Detail, Direction, Expected, Reason, Verdict};

/// An anomaly is a streak of at least `length` whose chance is at most `chance`. With fewer than `min_runs` former runs the
/// chance says little, and the streak must have at least `first_length`. It is critical with twice the needed length, or a
/// chance of at most `critical_chance`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Streak {
    /// At least 2.
    pub length: u64,
    /// Above 0 and at most 0.5.
    pub chance: f64,
    pub min_runs: u64,
    /// At least `length`.
    pub first_length: u64,
    /// Above 0, and at most `chance`.
    pub critical_chance: f64,
}

impl Default for Streak {
    fn default() -> Self {
        Self { length: 3, chance: 1e-3, min_runs: 10, first_length: 5, critical_chance: 1e-6 }
    }
}

impl Streak {
    pub const NAME: &'static str = "streak";

    /// The verdict on the `length` newest runs, which all failed, beside the runs before them. The score is the normal
    /// quantile of the chance.
    pub fn judge(&self, length: u64, former: Counts) -> Verdict {
        if former.is_broken() {
            return Verdict::Undetermined(Reason::OutOfRange);
        }
        let ln_rate = former.ln_cautious_rate();
        // Nothing times an infinite logarithm would be no number.
        let ln_chance = if length == 0 { 0.0 } else { length as f64 * ln_rate };
        let needed = self.needed(former.events, ln_rate);
        let is_critical = length >= needed.saturating_mul(2) || ln_chance <= self.critical_chance.ln();
        // The usual number of failures before a good run, of a geometric distribution.
        let odds = former.cautious_odds();
        Judged {
            current: length as f64,
            baseline: Baseline::of_reference(odds, (odds * (1.0 + odds)).sqrt(), former.events),
            expected: Expected { low: 0.0, high: needed.saturating_sub(1) as f64 },
            score: normal::score_of(ln_chance),
            detail: Detail::Streak {
                length,
                needed,
                failure_rate: former.cautious_rate(),
                chance: probability(ln_chance),
            },
            anomaly: (length >= needed).then_some((severity(is_critical), Direction::Spike)),
        }
        .verdict()
    }

    /// The shortest streak that is an anomaly.
    fn needed(&self, runs: u64, ln_rate: f64) -> u64 {
        if runs < self.min_runs {
            return self.first_length;
        }
        // Without the small part, rounding would ask for one failure more where the chance is exactly met.
        let unlikely = (self.chance.ln() / ln_rate - 1e-9).ceil();
        // A cast saturates, and takes what is no number for zero.
        self.length.max(unlikely as u64)
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        let length = self.length as f64;
        check.require(self.length >= 2, "length", length, "2 or more", "one failure is no streak")?;
        check.probability("chance", self.chance)?;
        check.require(
            self.first_length >= self.length,
            "first_length",
            self.first_length as f64,
            "at least `length`",
            "what is hardly known needs more evidence",
        )?;
        check.require(
            self.critical_chance > 0.0 && self.critical_chance <= self.chance,
            "critical_chance",
            self.critical_chance,
            "above 0 and at most `chance`",
            "a critical anomaly is less likely than a warning",
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    fn judge(length: u64, runs: u64, failed: u64) -> Verdict {
        Streak::default().judge(length, Counts { events: runs, bad: failed })
    }

    #[test]
    fn the_length_that_a_failure_rate_needs() {
        for (percent, needed) in [(2, 3), (10, 3), (20, 5), (30, 6), (50, 10), (90, 66)] {
            // One run more of either kind gives exactly this rate.
            let at = |length| severity_of(judge(length, 98, percent - 1));
            assert_eq!(at(needed - 1), None, "{percent} %");
            assert!(at(needed).is_some(), "{percent} %");
        }
        // .2^3 is .008, and the quotient of the logarithms is 3.0000000000000004.
        let rounded = Streak { chance: 0.008, ..Streak::default() };
        assert!(severity_of(rounded.judge(3, Counts { events: 98, bad: 19 })).is_some());
    }

    #[test]
    fn critical_at_twice_the_length_or_when_very_unlikely() {
        assert_eq!(severity_of(judge(3, 98, 9)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(5, 98, 9)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(6, 98, 9)), Some(Severity::Critical), "a millionth");
        assert_eq!(severity_of(judge(19, 98, 49)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(20, 98, 49)), Some(Severity::Critical));
        assert_eq!(severity_of(judge(3, 998, 0)), Some(Severity::Critical), "a thousandth three times");
    }

    #[test]
    fn what_is_hardly_known_needs_five() {
        assert_eq!(severity_of(judge(4, 9, 0)), None);
        assert_eq!(severity_of(judge(5, 9, 0)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(5, 0, 0)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(10, 0, 0)), Some(Severity::Critical));
        assert_eq!(severity_of(judge(3, 10, 0)), Some(Severity::Warning));
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(finding) = judge(5, 98, 1) else { panic!() };
        let comparison = finding.comparison;
        let Detail::Streak { length: 5, needed: 3, failure_rate, chance } = comparison.opinion.detail else {
            panic!("{comparison:?}")
        };
        assert_eq!(failure_rate, 0.02);
        assert!((chance / 3.2e-9 - 1.0).abs() < 1e-12, "{chance}");
        assert!((comparison.z_score - 5.81).abs() < 0.02, "{}", comparison.z_score);
        assert_eq!((comparison.current, comparison.opinion.expected.high), (5.0, 2.0));
        assert_eq!(undetermined(judge(3, 5, 6)), Some(Reason::OutOfRange));
        let Verdict::Normal(none) = judge(0, 98, 1) else { panic!() };
        assert_eq!((none.current, none.z_score), (0.0, 0.0));
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(Streak::default().validate(), Ok(()));
        for wrong in [
            Streak { length: 1, ..Streak::default() },
            Streak { chance: 0.0, ..Streak::default() },
            Streak { first_length: 2, ..Streak::default() },
            Streak { critical_chance: 0.1, ..Streak::default() },
        ] {
            assert!(wrong.validate().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(length: u64, runs: u64, failed: u64, chance: f64) {
            let former = Counts { events: runs, bad: failed.min(runs) };
            assert_finite(Streak { chance, ..Streak::default() }.judge(length, former));
            assert_finite(judge(length, runs, failed));
            assert_finite(judge(length, runs, runs));
        }
    }
}
