//! The shape of an incident.

use detection::incident::{Event, Page};
use detection::{AnomalyKind, Costs, Direction, EntityPath, Figures, IncidentState, Severity};
use serde::Serialize;
use store::IncidentItem;
use utoipa::ToSchema;

use super::{HistoryView, Time};
use crate::access::Caller;

/// One deviation of a customer's metric over time. Values are in `unit`.
#[derive(Serialize, ToSchema)]
#[schema(as = Incident)]
pub(crate) struct IncidentView {
    /// The incident's id in other routes and in alerts. Treat it as opaque.
    #[schema(example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")]
    pub incident_id: String,
    /// The type of its newest anomaly. Absent for incidents of versions before it was kept.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<AnomalyKind>,
    pub customer_id: String,
    /// What of the customer: a workflow, or a workflow and one of its nodes. Absent for the customer as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The names of the entity, the widest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_path: Option<Vec<String>>,
    pub metric: String,
    pub unit: String,
    pub direction: Direction,
    pub state: IncidentState,
    /// The highest severity of its anomalies.
    pub severity: Severity,
    /// The end of the window of its first anomaly.
    pub opened_at: Time,
    /// End of its newest anomalous window.
    pub last_seen: Time,
    /// End of the newest window that changed the incident. Lists are sorted by it.
    pub last_window: Time,
    /// When the incident was closed. Null while it is open.
    #[schema(required = true)]
    pub closed_at: Option<Time>,
    /// When usage came back to the usual range. Null while it has not. A deviation may go on after somebody resolved
    /// its incident. It raises nothing then.
    #[schema(required = true)]
    pub over_at: Option<Time>,
    /// Number of its anomalies.
    pub anomalies: u64,
    /// The z-score of its anomalies that is farthest from zero.
    pub peak_z_score: f64,
    /// The figures of the window that ended at `last_window`.
    pub latest: Figures,
    /// Its newest anomaly in one sentence.
    pub description: String,
    /// The last page about it. Null if nobody was notified.
    #[schema(required = true)]
    pub last_page: Option<LastPage>,
    /// How many earlier incidents of the series it repeats. Then nobody is paged about it for a day. Absent if it repeats none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurring: Option<u32>,
    /// The open incident of the same customer and direction whose page told of this one, too. Absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story_incident_id: Option<String>,
    /// What it costs beyond the usual: so far, and in a month at the rate of its newest anomalous window. Absent if its metric
    /// had no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Costs>,
    /// Actions of people on it, oldest first. Absent in lists. A customer does not see which operator acted, nor the
    /// notes of operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryView>>,
    /// When it is deleted.
    pub expires_at: Time,
}

/// The last page of a run about an incident.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub(crate) struct LastPage {
    pub event: Event,
    /// End of the window that led to it.
    pub window_end: Time,
    /// Whether it was a single page. Otherwise a digest counted it.
    pub single: bool,
}

impl IncidentView {
    /// An incident in a list. Its history can be long and is left out.
    pub(crate) fn in_list(item: IncidentItem, caller: &Caller) -> Self {
        Self { history: None, ..Self::of(item, caller) }
    }

    /// An incident as this caller sees it.
    pub(crate) fn of(item: IncidentItem, caller: &Caller) -> Self {
        let history = item.history.into_iter().map(|entry| HistoryView::of(entry, caller)).collect();
        let incident = item.incident;
        Self {
            incident_id: incident.id().to_string(),
            kind: item.kind,
            customer_id: incident.subject.customer_id.into(),
            entity: incident.subject.entity.as_ref().map(EntityPath::to_string),
            entity_path: incident.subject.entity.map(Vec::from),
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
            recurring: incident.recurring,
            story_incident_id: incident.story.map(|story| story.to_string()),
            cost: incident.costs,
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
