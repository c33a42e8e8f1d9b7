//! Many events by one entity in a short window, as failed logins from one address.
//!
//! Ten failed logins from one address in five minutes were brute force each time on records of ssh servers, so the limit
//! needs no baseline. Many accounts by one address are the attack that spares each account.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, beyond_upper, severity};
use crate::{Baseline, Detail, Direction, Expected, Verdict};

/// An anomaly is a window with at least `events` events of at least `principals` different accounts. It is critical if an
/// attempt succeeded after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Burst {
    /// At least 1.
    pub events: u64,
    /// At least 1. Absent, any number will do; 5 finds attempts on many accounts.
    pub principals: Option<u64>,
}

/// The events of one entity in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    pub events: u64,
    /// Different accounts, or whatever else the attempts were on.
    pub principals: u64,
    /// Whether one of the attempts succeeded after the others failed.
    pub succeeded: bool,
}

impl Default for Burst {
    fn default() -> Self {
        Self { events: 10, principals: None }
    }
}

impl Burst {
    pub const NAME: &'static str = "burst";

    /// The verdict on a window. The score is the ratio to the limit.
    pub fn judge(&self, attempts: Attempts) -> Verdict {
        let Attempts { events, principals, succeeded } = attempts;
        let of_enough = self.principals.is_none_or(|least| principals >= least);
        let is_anomaly = events > 0 && events >= self.events && of_enough;
        let usual = if of_enough { self.events.saturating_sub(1) } else { events };
        Judged {
            current: events as f64,
            baseline: Baseline::NONE,
            expected: Expected { low: 0.0, high: usual as f64 },
            score: if of_enough { beyond_upper(events as f64, self.events as f64) } else { 0.0 },
            detail: Detail::Burst { events, principals, limit: self.events, succeeded },
            anomaly: is_anomaly.then_some((severity(succeeded), Direction::Spike)),
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        check.number("events", self.events)?;
        check.number("principals", self.principals.unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Severity;
    use crate::rules::testing::{assert_finite, severity_of};

    fn judge(events: u64, succeeded: bool) -> Verdict {
        Burst::default().judge(Attempts { events, principals: 1, succeeded })
    }

    #[test]
    fn ten_events_are_a_burst_and_a_success_makes_it_critical() {
        assert_eq!(severity_of(judge(9, true)), None);
        assert_eq!(severity_of(judge(10, false)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(10, true)), Some(Severity::Critical));
    }

    #[test]
    fn accounts_count_if_asked_for() {
        let rule = Burst { principals: Some(5), ..Burst::default() };
        let of = |principals| severity_of(rule.judge(Attempts { events: 40, principals, succeeded: false }));
        assert_eq!((of(4), of(5)), (None, Some(Severity::Warning)));
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(finding) = judge(40, false) else { panic!() };
        assert_eq!((finding.comparison.current, finding.comparison.z_score), (40.0, 4.0));
        assert_eq!(finding.comparison.opinion.expected, Expected { low: 0.0, high: 9.0 });
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(Burst::default().validate(), Ok(()));
        assert!(Burst { events: 0, ..Burst::default() }.validate().is_err());
        assert!(Burst { principals: Some(0), ..Burst::default() }.validate().is_err());
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(events: u64, principals: u64, succeeded: bool, limit: u64) {
            let rule = Burst { events: limit, principals: Some(limit / 2) };
            assert_finite(rule.judge(Attempts { events, principals, succeeded }));
        }
    }
}
