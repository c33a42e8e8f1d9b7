//! Hours that looked odd, and what became of them.

use std::fmt;

use detection::ensemble::Nearest;
use detection::incident::Event;
use detection::{CustomerId, Direction, Severity};
use jiff::Timestamp;
use serde::Serialize;

/// What was odd of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    pub customer: CustomerId,
    /// The metric's place in the catalog.
    pub metric: usize,
    /// In the order of time.
    pub flagged: Vec<Flagged>,
    /// Ends of the hours in which people are told that an incident is over. In the order of time.
    pub ends: Vec<Timestamp>,
}

/// One hour of a series whose windows looked odd in a direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flagged {
    /// End of the hour, and of its windows.
    pub at: Timestamp,
    pub direction: Direction,
    /// The severity that its score makes.
    pub severity: Severity,
    /// In thresholds: from 1 on it pages. Negative below what is expected.
    pub score: f64,
    /// The length in hours of the window that spoke: 1, 3, 6 or 24.
    pub hours: usize,
    /// The value of that window, in the metric's unit.
    pub value: f64,
    /// Its expected value.
    pub expected: f64,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The condition that the anomaly passed by the least, or that kept the hour from being one.
    pub nearest: Option<Nearest>,
    /// One sentence for people.
    pub sentence: String,
}

/// Paged, or why not.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// People are told. An [`Event::Reminder`] and an [`Event::Accepted`] are no new page.
    Paged { event: Event },
    /// Its incident is known already.
    GoesOn,
    /// The page about another metric of the customer tells of its incident, too.
    WithAnother,
    /// Its incident repeats earlier ones.
    Recurring { earlier: u32 },
    /// A planned event covers it.
    Muted { reason: String },
    /// It is stored, and its severity does not page.
    Warning,
    /// A customer that is known for long uses the metric for the first time. It is stored and does not page.
    FirstUse,
    /// The window still holds an incident that is over. It is not stored.
    StillHolds,
    /// The change is below a floor. It is not stored.
    TooSmall,
    /// The series has such windows at other hours. It is not stored.
    UsualAtOtherHours,
}

impl Flagged {
    /// Whether it calls people to something that they do not know.
    pub fn is_page(&self) -> bool {
        match self.outcome {
            Outcome::Paged { event } => !event.is_closing() && event != Event::Reminder,
            _ => false,
        }
    }

    /// Whether it is an anomaly that is stored.
    pub fn is_stored(&self) -> bool {
        !matches!(self.outcome, Outcome::StillHolds | Outcome::TooSmall | Outcome::UsualAtOtherHours)
    }

    /// Whether it is a warning of which nobody is told.
    pub fn is_silent_warning(&self) -> bool {
        matches!(self.outcome, Outcome::Warning | Outcome::FirstUse)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paged { event } => write!(f, "paged: {}", event.as_str()),
            Self::GoesOn => f.write_str("the same incident goes on"),
            Self::WithAnother => f.write_str("told with the page of another metric"),
            Self::Recurring { earlier } => write!(f, "recurring: like {earlier} earlier ones"),
            Self::Muted { reason } => write!(f, "muted: {}", reason.escape_debug()),
            Self::Warning => f.write_str("warning: stored, does not page"),
            Self::FirstUse => f.write_str("first use: stored, does not page"),
            Self::StillHolds => f.write_str("the window still holds an incident that is over"),
            Self::TooSmall => f.write_str("below a floor"),
            Self::UsualAtOtherHours => f.write_str("usual at other hours"),
        }
    }
}
