//! Shapes of answers that more than one route gives.

use detection::{Action, Direction, Evidence, Severity, State, Window};
use jiff::Timestamp;
use serde::Serialize;
use store::{AlertState, AnomalyItem, HistoryEntry};
use utoipa::ToSchema;

use crate::access::Caller;

mod check;
mod incident;
mod time;

pub(crate) use check::{BaselineView, Check, Checks};
pub(crate) use incident::IncidentView;
pub(crate) use time::{Time, TimeForm};

/// A period, `[start, end)`.
#[derive(Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Period {
    pub start: Time,
    pub end: Time,
}

/// A recorded anomaly. Values are in `unit`.
#[derive(Serialize, ToSchema)]
#[schema(as = Anomaly)]
pub(crate) struct AnomalyView {
    /// Opaque; names the anomaly in other routes.
    #[schema(example = "1795266000000.api_calls.Y3VzdF8wMDAx")]
    pub anomaly_id: String,
    pub customer_id: String,
    pub metric: String,
    pub unit: String,
    pub severity: Severity,
    pub direction: Direction,
    pub state: State,
    /// When the deviation was complete: the end of its window.
    pub detected_at: Time,
    pub window: Period,
    #[serde(flatten)]
    pub evidence: Evidence,
    /// The anomaly in one sentence.
    pub description: String,
    /// What to look at, the most likely first.
    pub investigation_steps: Vec<String>,
    pub alert_state: AlertState,
    /// The incident that it belongs to; null for anomalies of before there were any.
    #[schema(required = true)]
    pub incident_id: Option<String>,
    /// Why nobody was alerted, where a mute covered it; for operators only.
    #[schema(required = true)]
    pub mute_reason: Option<String>,
    /// Names the catalog of metrics that it was judged by.
    pub catalog_version: String,
    /// Versions of the policies it was judged by: that for all customers and, after a dot, the customer's own, if there is one.
    pub config_version: String,
    /// What people did with it, oldest first; absent in lists. A customer does not see who of the operators did something,
    /// nor their notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryView>>,
    /// When it is forgotten.
    pub expires_at: Time,
}

/// One thing that somebody did with an anomaly or an incident.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
pub(crate) struct HistoryView {
    pub action: Action,
    /// Who, as the token named them.
    pub actor: String,
    pub at: Time,
    #[schema(required = true)]
    pub note: Option<String>,
}

impl AnomalyView {
    /// An anomaly as one of many: without its history, which can be long.
    pub(crate) fn in_list(item: AnomalyItem, caller: &Caller) -> Self {
        Self { history: None, ..Self::of(item, caller) }
    }

    /// An anomaly as this caller sees it. Why operators silenced something is no business of a customer's.
    pub(crate) fn of(item: AnomalyItem, caller: &Caller) -> Self {
        let history = item.history.into_iter().map(|entry| HistoryView::of(entry, caller));
        Self {
            anomaly_id: item.anomaly_id.to_string(),
            customer_id: item.customer_id.into(),
            metric: item.metric.into(),
            unit: item.unit,
            severity: item.severity,
            direction: item.direction,
            state: item.state,
            detected_at: item.detected_at.into(),
            window: Period { start: item.window_start.into(), end: item.window_end.into() },
            evidence: item.evidence,
            description: item.description,
            investigation_steps: item.investigation_steps,
            alert_state: item.alert_state,
            incident_id: item.incident_id.map(|id| id.to_string()),
            mute_reason: item.mute_reason.filter(|_| !caller.is_customer()),
            catalog_version: item.catalog_version,
            config_version: item.config_version,
            history: Some(history.collect()),
            expires_at: item.ttl.saturating_mul(1_000).into(),
        }
    }
}

impl HistoryView {
    /// A customer sees what operators did, and neither who nor what they noted.
    fn of(entry: HistoryEntry, caller: &Caller) -> Self {
        if caller.is_customer() && !entry.by_customer {
            return Self {
                action: entry.action,
                actor: "operator".to_owned(),
                at: entry.at.into(),
                note: None,
            };
        }
        Self { action: entry.action, actor: entry.actor, at: entry.at.into(), note: entry.note }
    }
}

impl From<&Window> for Period {
    fn from(window: &Window) -> Self {
        Self::between(window.start(), window.end())
    }
}

impl Period {
    pub(crate) fn between(start: Timestamp, end: Timestamp) -> Self {
        Self { start: start.into(), end: end.into() }
    }
}
