//! The shape of an incident.

use detection::incident::{Event, Page};
use detection::{Direction, Figures, IncidentState, Severity};
use serde::Serialize;
use store::IncidentItem;
use utoipa::ToSchema;

use super::{HistoryView, Time};
use crate::access::Caller;

/// What one deviation of a customer's metric is over time. Values are in `unit`.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
pub(crate) struct IncidentView {
    /// Opaque; names the incident in other routes and in alerts.
    #[schema(example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")]
    pub incident_id: String,
    pub customer_id: String,
    pub metric: String,
    pub unit: String,
    pub direction: Direction,
    pub state: IncidentState,
    /// The highest of its anomalies.
    pub severity: Severity,
    /// When its first anomaly was complete.
    pub opened_at: Time,
    /// End of its newest anomalous window.
    pub last_seen: Time,
    /// End of the newest window that changed anything about it; lists are sorted by it.
    pub last_window: Time,
    /// When it was resolved or accepted; null while it is open.
    #[schema(required = true)]
    pub closed_at: Option<Time>,
    /// Since when usage is back to what is usual; null where it is not. An incident that somebody resolved may well go on,
    /// and then raises nothing.
    #[schema(required = true)]
    pub over_at: Option<Time>,
    /// How many anomalies belong to it.
    pub anomalies: u64,
    /// Of all its anomalies the z-score that is farthest from zero.
    pub peak_z_score: f64,
    /// What the window that ended at `last_window` looked like.
    pub latest: Figures,
    /// Its newest anomaly in one sentence.
    pub description: String,
    /// What people were last told of it; null where nobody was.
    #[schema(required = true)]
    pub last_page: Option<LastPage>,
    /// What people did with it, oldest first; absent in lists. A customer does not see who of the operators did something,
    /// nor their notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryView>>,
    /// When it is forgotten.
    pub expires_at: Time,
}

/// What people were last told of an incident by a run.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub(crate) struct LastPage {
    pub event: Event,
    /// End of the window that led to it.
    pub window_end: Time,
    /// Whether it was a page of its own; otherwise it was one of many that a digest told of.
    pub single: bool,
}

impl IncidentView {
    /// An incident as one of many: without its history, which can be long.
    pub(crate) fn in_list(item: IncidentItem, caller: &Caller) -> Self {
        Self { history: None, ..Self::of(item, caller) }
    }

    /// An incident as this caller sees it.
    pub(crate) fn of(item: IncidentItem, caller: &Caller) -> Self {
        let history = item.history.into_iter().map(|entry| HistoryView::of(entry, caller)).collect();
        let incident = item.incident;
        Self {
            incident_id: incident.id().to_string(),
            customer_id: incident.subject.customer_id.into(),
            metric: incident.subject.metric.into(),
            unit: item.unit,
            direction: incident.subject.direction,
            state: incident.state,
            severity: incident.severity,
            opened_at: incident.opened_at.into(),
            last_seen: incident.last_seen.into(),
            last_window: incident.last_window.into(),
            closed_at: incident.closed_at.map(Time::from),
            over_at: incident.over_at.map(Time::from),
            anomalies: incident.anomalies,
            peak_z_score: incident.peak_z_score,
            latest: incident.latest,
            description: item.description,
            last_page: incident.last_page.map(LastPage::from),
            history: Some(history),
            expires_at: item.ttl.saturating_mul(1_000).into(),
        }
    }
}

impl From<Page> for LastPage {
    fn from(page: Page) -> Self {
        let Page { event, window_end, single, .. } = page;
        Self { event, window_end: window_end.into(), single }
    }
}
