//! An incident as it is stored, and the pages about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{IncidentId, Subject};
use crate::{Figures, Severity};

/// One deviation of a series in one direction, from its first anomaly on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    #[serde(flatten)]
    pub subject: Subject,
    pub state: IncidentState,
    /// The highest severity of its anomalies.
    pub severity: Severity,
    /// End of the window of the first anomaly.
    #[serde(with = "millisecond::required")]
    pub opened_at: Timestamp,
    /// Since when the level stands that may become the new normal: the opening, the first page, a reopening, or a doubling.
    #[serde(with = "millisecond::required")]
    pub level_since: Timestamp,
    /// The deviation at `level_since`. A level that doubles afterwards is not accepted. None in items of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_at_start: Option<f64>,
    /// End of the newest anomalous window.
    #[serde(with = "millisecond::required")]
    pub last_seen: Timestamp,
    /// End of the newest window that changed anything about it.
    #[serde(with = "millisecond::required")]
    pub last_window: Timestamp,
    /// When it was resolved or accepted.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Since when the series of a closed incident is back inside. One that a person resolved, or that was accepted, may
    /// well go on, and its anomalies then raise nothing.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Timestamp>,
    /// The first of the windows in a row that had no verdict.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub unjudged_since: Option<Timestamp>,
    /// Anomalies that belong to it.
    pub anomalies: u64,
    /// Windows in a row in which the series was back inside.
    #[serde(rename = "quiet_runs")]
    pub recovery: u32,
    /// The z-score that is farthest from zero.
    pub peak_z_score: f64,
    /// What the newest window looked like.
    pub latest: Figures,
    /// The deviation that people know: that of the opening, or of the last page since.
    pub level: f64,
    /// Severity of the newest anomaly.
    pub latest_severity: Severity,
    /// The severity with which people were told that it is open, by a page or by a digest; none where nobody was.
    #[serde(default, rename = "told", skip_serializing_if = "Option::is_none")]
    pub notified: Option<Severity>,
    /// A page of its own said that it is open, and none yet that it is over.
    pub alerting: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_page: Option<Page>,
}

/// `acknowledged`: somebody looks into it, and it sends no reminders. `accepted`: its level has stayed for so long that it
/// counts as normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    Open,
    /// Somebody looks into it: no reminders.
    Acknowledged,
    Resolved,
    /// The deviation has become the new normal.
    Accepted,
    /// The series had no verdict for a day.
    Stale,
}

/// The last page about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Page {
    pub event: Event,
    /// End of the window that led to it.
    #[serde(with = "millisecond::required")]
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub window_end: Timestamp,
    /// Whether it was a page of its own; otherwise a digest of many told of it.
    pub single: bool,
}

/// Why people are paged. `escalated`: it is more severe than people know, or its deviation has doubled. `reminder`: it is
/// still open, and nobody has acknowledged it. `stale`: the metric could not be judged for 24 hours, so it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Event {
    Opened,
    /// It is more severe than people know, or its deviation has doubled since the last page.
    Escalated,
    Reopened,
    /// It is still open, and nobody has acknowledged it.
    Reminder,
    /// The level stays, and is the new normal from here on.
    Accepted,
    Resolved,
    Acknowledged,
    /// The series had no verdict for a day, so the incident is closed.
    Stale,
}

impl Incident {
    pub fn id(&self) -> IncidentId {
        IncidentId::of(self.opened_at, &self.subject)
    }

    /// Whether it is open or acknowledged.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }
}

impl Event {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Reopened => "reopened",
            Self::Reminder => "reminder",
            Self::Accepted => "accepted",
            Self::Resolved => "resolved",
            Self::Acknowledged => "acknowledged",
            Self::Stale => "stale",
        }
    }

    /// Whether it tells that nothing is left to do. Such pages are never held back: something waits for them.
    pub fn is_closing(self) -> bool {
        matches!(self, Self::Accepted | Self::Resolved | Self::Stale)
    }
}

impl IncidentState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
            Self::Accepted => "accepted",
            Self::Stale => "stale",
        }
    }

    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged)
    }
}

/// Times as Unix milliseconds.
mod millisecond {
    pub(super) use jiff::fmt::serde::timestamp::millisecond::{optional, required};
}
