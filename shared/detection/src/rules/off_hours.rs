//! Events at an hour of the day at which an entity does nothing otherwise.
//!
//! It is worth a look, and it pages nobody: people work late.

use serde::{Deserialize, Serialize};

use super::error::{Parameters, RuleError};
use super::judged::{Judged, beyond_upper};
use crate::{Baseline, Detail, Direction, Expected, Reason, Severity, Verdict};

/// An anomaly is an hour with at least `min_events` events, if the same hour of the day had none in 30 days. It is always
/// a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OffHours {
    /// At least 1.
    pub min_events: u64,
    /// An entity with fewer active days has no hours yet, and no verdict; at least 1.
    pub min_active_days: u32,
}

/// The events of an entity in one hour of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourOfDay {
    /// The hour of the day, from 0 to 23.
    pub hour: u8,
    /// Events of the newest day in this hour.
    pub events: u64,
    /// Events of the 30 days before in this hour.
    pub usual_events: u64,
    /// Days with any event among the 30 days before.
    pub active_days: u32,
}

impl Default for OffHours {
    fn default() -> Self {
        Self { min_events: 1, min_active_days: 14 }
    }
}

impl OffHours {
    pub const NAME: &'static str = "off_hours";

    /// The verdict on an hour. The score is the ratio to `min_events`, and 0 for an hour that is usual.
    pub fn judge(&self, hour: HourOfDay) -> Verdict {
        let HourOfDay { hour, events, usual_events, active_days } = hour;
        if hour >= 24 {
            return Verdict::Undetermined(Reason::OutOfRange);
        }
        if active_days < self.min_active_days {
            return Verdict::Undetermined(Reason::InsufficientData);
        }
        let is_off = usual_events == 0;
        let is_anomaly = is_off && events > 0 && events >= self.min_events;
        let usual = if is_off { self.min_events.saturating_sub(1) } else { events };
        Judged {
            current: events as f64,
            baseline: Baseline::of_reference(usual_events as f64 / DAYS, 0.0, active_days.into()),
            expected: Expected { low: 0.0, high: usual as f64 },
            score: if is_off { beyond_upper(events as f64, self.min_events as f64) } else { 0.0 },
            detail: Detail::OffHours { events, hour },
            anomaly: is_anomaly.then_some((Severity::Warning, Direction::Spike)),
        }
        .verdict()
    }

    pub fn validate(&self) -> Result<(), RuleError> {
        let check = Parameters(Self::NAME);
        check.number("min_events", self.min_events)?;
        let days = self.min_active_days;
        let reason = "there are 30 days to learn from";
        check.require((1..=30).contains(&days), "min_active_days", days.into(), "from 1 to 30", reason)
    }
}

/// The days of the baseline.
const DAYS: f64 = 30.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rules::testing::{assert_finite, severity_of, undetermined};

    fn judge(events: u64, usual_events: u64, active_days: u32) -> Verdict {
        OffHours::default().judge(HourOfDay { hour: 3, events, usual_events, active_days })
    }

    #[test]
    fn an_hour_that_has_no_events_otherwise() {
        assert_eq!(severity_of(judge(1, 0, 14)), Some(Severity::Warning));
        assert_eq!(severity_of(judge(1_000_000, 0, 30)), Some(Severity::Warning), "never critical");
        assert_eq!(severity_of(judge(1_000, 1, 30)), None);
        assert_eq!(severity_of(judge(0, 0, 30)), None);
        assert_eq!(undetermined(judge(1, 0, 13)), Some(Reason::InsufficientData));
        let no_hour = HourOfDay { hour: 24, events: 1, usual_events: 0, active_days: 30 };
        assert_eq!(undetermined(OffHours::default().judge(no_hour)), Some(Reason::OutOfRange));
    }

    #[test]
    fn parameters_are_checked() {
        assert_eq!(OffHours::default().validate(), Ok(()));
        assert!(OffHours { min_events: 0, ..OffHours::default() }.validate().is_err());
        assert!(OffHours { min_active_days: 31, ..OffHours::default() }.validate().is_err());
    }

    proptest! {
        #[test]
        fn any_numbers_give_a_finite_verdict(
            hour: u8,
            events: u64,
            usual_events: u64,
            active_days: u32,
            min_events: u64,
        ) {
            let rule = OffHours { min_events, ..OffHours::default() };
            assert_finite(rule.judge(HourOfDay { hour, events, usual_events, active_days }));
        }
    }
}
