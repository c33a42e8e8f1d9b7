//! An incident as it is stored, and the pages about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{IncidentId, Subject};
use crate::{AnomalyPlace, Costs, Figures, Severity};

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
    /// The beginning of the level that may become the new normal: the opening, the first page, a reopening, or a
    /// doubling.
    #[serde(with = "millisecond::required")]
    pub level_since: Timestamp,
    /// The deviation at `level_since`. A level that doubles afterwards is not accepted. None in old items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_at_start: Option<f64>,
    /// End of the newest anomalous window.
    #[serde(with = "millisecond::required")]
    pub last_seen: Timestamp,
    /// End of the newest window that changed the incident.
    #[serde(with = "millisecond::required")]
    pub last_window: Timestamp,
    /// When it was resolved or accepted.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// The time when the series of a closed incident came back inside. After a resolve by a person or an acceptance the
    /// deviation may go on. Its anomalies raise nothing then.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub over_at: Option<Timestamp>,
    /// The first of the windows in a row without a verdict.
    #[serde(default, with = "millisecond::optional", skip_serializing_if = "Option::is_none")]
    pub unjudged_since: Option<Timestamp>,
    /// Number of its anomalies.
    pub anomalies: u64,
    /// Windows in a row in which the series was back inside.
    #[serde(rename = "quiet_runs")]
    pub recovery: u32,
    /// The z-score that is farthest from zero.
    pub peak_z_score: f64,
    /// The figures of the newest window.
    pub latest: Figures,
    /// The deviation that people know: of the opening, or of the last page since.
    pub level: f64,
    /// Severity of the newest anomaly.
    pub latest_severity: Severity,
    /// The severity at which people were notified that it is open, by a page or a digest. None if nobody was.
    #[serde(default, rename = "told", skip_serializing_if = "Option::is_none")]
    pub notified: Option<Severity>,
    /// A single page said that it is open, and no page has said yet that it is over.
    pub alerting: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_page: Option<Page>,
    /// The length in hours of the shortest window that saw it at its highest severity.
    #[serde(default = "day", skip_serializing_if = "is_day")]
    pub seen_by: u8,
    /// How far that window was from its expected value when it last saw it, as a share. None in old items, and where
    /// nothing was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
    /// How many earlier incidents of the series it repeats. Then nobody is paged about it for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurring: Option<u32>,
    /// The incident of the same customer and direction whose page tells of this one, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub story: Option<IncidentId>,
    /// What it costs. None without a price, and in old items.
    #[serde(default, rename = "cost", skip_serializing_if = "Option::is_none")]
    pub costs: Option<Costs>,
}

/// `acknowledged`: somebody looks into it, so it sends no reminders. `accepted`: its level has lasted so long that it
/// counts as normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    Open,
    /// Somebody looks into it, so it sends no reminders.
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
    /// Whether it was a single page. Otherwise a digest counted it.
    pub single: bool,
}

/// The reason of a page. `escalated`: it is more severe than people know, or its deviation has doubled. `reminder`: it
/// is still open, and nobody has acknowledged it. `confirmed`: a person said that it is real. `stale`: the metric could not
/// be judged for 24 hours, so it is closed.
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
    /// The level lasts and is the new normal.
    Accepted,
    Resolved,
    Acknowledged,
    /// A person said that it is real. Nothing of the incident changes.
    Confirmed,
    /// The series had no verdict for a day, so the incident is closed.
    Stale,
}

impl Incident {
    /// The length in hours of windows that are judged as a whole day.
    pub const DAY: u8 = 24;

    pub fn id(&self) -> IncidentId {
        IncidentId::of(self.opened_at, &self.subject)
    }

    /// The place of its newest anomaly.
    pub fn newest_anomaly(&self) -> AnomalyPlace {
        let Subject { customer_id, entity, metric, .. } = self.subject.clone();
        AnomalyPlace { customer_id, entity, metric, detected_at: self.last_seen }
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
            Self::Confirmed => "confirmed",
            Self::Stale => "stale",
        }
    }

    /// Whether the event says that nothing is left to do. Such pages are never held back, because a pager or a person
    /// waits for them.
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

/// Windows that are judged as a whole day leave this out of their incidents.
fn day() -> u8 {
    Incident::DAY
}

// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_day(hours: &u8) -> bool {
    *hours == Incident::DAY
}

/// Times as Unix milliseconds.
mod millisecond {
    pub(super) use jiff::fmt::serde::timestamp::millisecond::{optional, required};
}
