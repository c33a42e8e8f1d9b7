//! What was not seen before: a new type of error, a new operation, a new client of an account.
//!
//! The value is a fingerprint with few different values, such as an error type. One event may be a chance find of a rare
//! path, so an error must come twice. A value that was not seen for a month counts as new again.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, beyond_upper};
use crate::{Baseline, Detail, Direction, Expected, Reason, Severity, Verdict};

/// An anomaly is a value that comes at least `min_events` times, and was not seen for `unseen_days`. It is a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Novelty {
    /// From 1 to 365.
    pub unseen_days: u32,
    /// At most 365. With fewer days of data nearly all is new, and there is no verdict.
    pub learning_days: u32,
    /// At least 1. Usually 2 of errors, and 1 where security asks.
    pub min_events: u64,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// How often the value was seen in the window.
    pub events: u64,
    /// Whole days from when it was last seen before the window until the window. `None` if it was never seen.
    pub last_seen_days: Option<u32>,
    /// Days of data of the entity before the window.
    pub known_days: u32,
}

impl Default for Novelty {
    fn default() -> Self {
        Self { unseen_days: 30, learning_days: 7, min_events: 2 }
    }
}

impl Novelty {
    pub const NAME: &'static str = "novelty";

    /// The verdict on a value. The score is the ratio of its events to `min_events`, and 0 for a known value.
    pub fn judge(&self, sighting: Sighting) -> Verdict {
        let Sighting { events, last_seen_days, known_days } = sighting;
        if known_days < self.learning_days {
            return Verdict::Undetermined(Reason::InsufficientData);
        }
        let is_new = last_seen_days.is_none_or(|days| days >= self.unseen_days);
        let is_anomaly = is_new && events > 0 && events >= self.min_events;
        let usual = if is_new { self.min_events.saturating_sub(1) } else { events };
        Judged {
            current: events as f64,
            baseline: Baseline::NONE,
            expected: Expected { low: 0.0, high: usual as f64 },
            score: if is_new { beyond_upper(events as f64, self.min_events as f64) } else { 0.0 },
            detail: Detail::Novelty { events, last_seen_days },
            anomaly: is_anomaly.then_some((Severity::Warning, Direction::Spike)),
        }
        .verdict()
    }

    /// How many days before a window its verdict depends on.
    pub fn days_back(&self) -> u32 {
        self.unseen_days.max(self.learning_days)
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        let (unseen, learning) = (self.unseen_days, self.learning_days);
        let holds = (1..=MOST_DAYS).contains(&unseen);
        check.require(holds, "unseen_days", unseen.into(), "from 1 to 365", KEPT)?;
        check.require(learning <= MOST_DAYS, "learning_days", learning.into(), "at most 365", KEPT)?;
        check.number("min_events", self.min_events)
    }
}

/// The days that values are known of, at most.
const MOST_DAYS: u32 = 365;
const KEPT: &str = "values are known for a year at most";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    fn judge(events: u64, last_seen_days: Option<u32>) -> Verdict {
        Novelty::default().judge(Sighting { events, last_seen_days, known_days: 7 })
    }

    #[test]
    fn unseen_for_a_month_and_twice() {
        for (events, last_seen, is_anomaly) in [
            (2, None, true),
            (1, None, false),
            (0, None, false),
            (2, Some(30), true),
            (2_000, Some(29), false),
            (2, Some(0), false),
        ] {
            let severity = severity_of(judge(events, last_seen));
            assert_eq!(severity, is_anomaly.then_some(Severity::Warning), "{events}, {last_seen:?}");
        }
    }

    #[test]
    fn all_is_new_in_the_first_week() {
        let first = Sighting { events: 9, last_seen_days: None, known_days: 6 };
        assert_eq!(undetermined(Novelty::default().judge(first)), Some(Reason::InsufficientData));
        assert_eq!(
            severity_of(Novelty { learning_days: 0, ..Novelty::default() }.judge(first)),
            Some(Severity::Warning)
        );
    }

    #[test]
    fn the_figures() {
        let Verdict::Anomalous(finding) = judge(6, None) else { panic!() };
        assert_eq!((finding.comparison.current, finding.comparison.z_score), (6.0, 3.0));
        assert_eq!(finding.comparison.opinion.detail, Detail::Novelty { events: 6, last_seen_days: None });
        assert!(!finding.comparison.opinion.expected.holds(6.0));
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(Novelty::default().validate(), Ok(()));
        assert!(Novelty { unseen_days: 0, ..Novelty::default() }.validate().is_err());
        assert!(Novelty { unseen_days: 366, ..Novelty::default() }.validate().is_err());
        assert!(Novelty { learning_days: 366, ..Novelty::default() }.validate().is_err());
        assert!(Novelty { learning_days: 0, unseen_days: 365, ..Novelty::default() }.validate().is_ok());
        assert!(Novelty { min_events: 0, ..Novelty::default() }.validate().is_err());
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(
            events: u64,
            last_seen_days in prop::option::of(any::<u32>()),
            known_days: u32,
            min_events: u64,
        ) {
            let rule = Novelty { min_events, ..Novelty::default() };
            assert_finite(rule.judge(Sighting { events, last_seen_days, known_days }));
        }
    }
}
