//! What people say of an anomaly or incident, and what the next check makes of it.
//!
//! | kind | the next check |
//! |---|---|
//! | `confirmed` | never makes a usual value of its hours |
//! | `expected` | mutes the same hours of each week, until a time |
//! | `false_alarm` | needs more: two of a series within 90 days raise its threshold just above them |
//! | `new_normal` | takes the level for normal |
//!
//! There is one feedback of an incident: the last one. All rules are pure. Their clock is the end of the window that is
//! judged.

mod effects;
mod precision;
mod raise;

use std::ops::Range;

use jiff::fmt::serde::timestamp::millisecond::{optional, required};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hour::Hour;
use crate::incident::{Incident, Subject};

pub use effects::Effects;
pub use precision::{Precision, Precisions};
pub use raise::{MOST_RAISED, Raised, WITHIN, excess};

/// What somebody says of an anomaly or incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FeedbackKind {
    /// Something was wrong.
    Confirmed,
    /// It was planned, and may come again at these hours of the week.
    Expected,
    /// Nothing was wrong.
    FalseAlarm,
    /// The level stays.
    NewNormal,
}

/// The feedback of an incident, or of an anomaly without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// The id of the incident, or of the anomaly.
    pub about: String,
    #[serde(flatten)]
    pub subject: Subject,
    pub kind: FeedbackKind,
    /// The first instant of its windows.
    #[serde(with = "required")]
    pub from: Timestamp,
    /// The end of its first window.
    #[serde(with = "required")]
    pub opened_at: Timestamp,
    /// The end of its newest window when the feedback was given.
    #[serde(with = "required")]
    pub to: Timestamp,
    /// The largest score of its anomalies, in thresholds of an anomaly as they are configured. `None` if no threshold
    /// has to do with it, as of a new error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess: Option<f64>,
    /// The detectors and rules that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<String>,
    /// The end of what is expected.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(with = "required")]
    pub given_at: Timestamp,
    /// The person, by the name in the token.
    pub given_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// For so long, feedback counts in the precision of detectors.
pub const COUNTED: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What is expected ends within this time.
pub const LONGEST_EXPECTED: SignedDuration = SignedDuration::from_hours(366 * 24);

/// A model reaches so far back, with the day that it is for. Hours that were left out matter for so long.
const REACH: SignedDuration = SignedDuration::from_hours(40 * 24);

impl FeedbackKind {
    pub const ALL: [Self; 4] = [Self::Confirmed, Self::Expected, Self::FalseAlarm, Self::NewNormal];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Expected => "expected",
            Self::FalseAlarm => "false_alarm",
            Self::NewNormal => "new_normal",
        }
    }
}

impl Feedback {
    /// The hours of its windows.
    pub fn hours(&self) -> Range<Hour> {
        Hour::holding(self.from)..end_of_hour(self.to)
    }

    /// From this time on, it has no effect and is in no precision.
    pub fn forgotten_at(&self) -> Timestamp {
        let kept = match self.kind {
            // One of two false alarms may be as old as that when the other one is forgotten.
            FeedbackKind::FalseAlarm => WITHIN + WITHIN,
            _ => COUNTED,
        };
        let counted = self.given_at.saturating_add(kept).unwrap_or(Timestamp::MAX);
        let planned = self.until.and_then(|until| until.checked_add(REACH).ok());
        counted.max(planned.unwrap_or(counted))
    }

    /// The same, given a whole number of weeks earlier: so that a look at days of the past shows what it would have muted.
    #[must_use]
    pub fn weeks_earlier(self, weeks: i64) -> Self {
        let earlier = |at: Timestamp| {
            at.saturating_sub(SignedDuration::from_hours(weeks.saturating_mul(7 * 24))).unwrap_or(at)
        };
        Self { from: earlier(self.from), opened_at: earlier(self.opened_at), to: earlier(self.to), ..self }
    }
}

/// The first instant of an incident's first window.
pub fn begin_of(incident: &Incident) -> Timestamp {
    let hours = SignedDuration::from_hours(incident.seen_by.into());
    incident.opened_at.saturating_sub(hours).unwrap_or(incident.opened_at)
}

/// The first hour that does not hold the instant before.
fn end_of_hour(at: Timestamp) -> Hour {
    let hour = Hour::holding(at);
    if hour.start() == at { hour } else { hour.plus(1) }
}

#[cfg(test)]
mod tests;
