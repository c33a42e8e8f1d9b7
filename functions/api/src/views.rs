//! Shapes of answers that several routes share.

use detection::{AnomalyKind, Cost, Deed, Direction, Evidence, Severity, State, Window};
use jiff::Timestamp;
use serde::Serialize;
use store::{AlertState, AnomalyItem, HistoryEntry};
use utoipa::ToSchema;

use crate::access::Caller;

mod about;
mod check;
mod feedback;
mod incident;
mod time;
mod why;

pub(crate) use about::AboutView;
pub(crate) use check::{BaselineView, Check, Checked, Checks};
pub(crate) use feedback::FeedbackView;
pub(crate) use incident::IncidentView;
pub(crate) use time::{Time, TimeForm};
pub(crate) use why::WhyView;

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
    /// The anomaly's id in other routes. Treat it as opaque.
    #[schema(example = "1795266000000.api_calls.Y3VzdF8wMDAx")]
    pub anomaly_id: String,
    #[serde(rename = "type")]
    pub kind: AnomalyKind,
    pub customer_id: String,
    /// What of the customer: a workflow, or a workflow and one of its nodes. Absent for the customer as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The names of the entity, the widest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_path: Option<Vec<String>>,
    pub metric: String,
    pub unit: String,
    pub severity: Severity,
    pub direction: Direction,
    pub state: State,
    /// The end of its window.
    pub detected_at: Time,
    pub window: Period,
    #[serde(flatten)]
    pub evidence: Evidence,
    #[serde(flatten)]
    pub why: WhyView,
    #[serde(flatten)]
    pub about: AboutView,
    /// The anomaly in one sentence.
    pub description: String,
    /// The next steps, the most likely cause first.
    pub investigation_steps: Vec<String>,
    pub alert_state: AlertState,
    /// The incident of the anomaly. Null for first uses, and for anomalies that are older than incidents.
    #[schema(required = true)]
    pub incident_id: Option<String>,
    /// How many earlier incidents of the series its incident repeats. Then nobody is paged for a day. Absent if it repeats none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recurring: Option<u32>,
    /// What its window costs beyond the usual. Absent if its metric had no price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The reason of the mute that covered the anomaly. For operators only.
    #[schema(required = true)]
    pub mute_reason: Option<String>,
    /// The version of the catalog that judged the anomaly.
    pub catalog_version: String,
    /// The versions of the policies that judged the anomaly: the one for all customers and, after a dot, the customer's
    /// own, if it exists.
    pub config_version: String,
    /// Actions of people on it, oldest first. Absent in lists. A customer does not see which operator acted, nor the
    /// notes of operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryView>>,
    /// When it is deleted.
    pub expires_at: Time,
}

/// One action or feedback on an anomaly or an incident.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryEntry)]
pub(crate) struct HistoryView {
    pub action: Deed,
    /// The person, by the name in the token.
    pub actor: String,
    pub at: Time,
    #[schema(required = true)]
    pub note: Option<String>,
}

impl AnomalyView {
    /// An anomaly in a list. Its history can be long and is left out.
    pub(crate) fn in_list(item: AnomalyItem, caller: &Caller) -> Self {
        Self { history: None, ..Self::of(item, caller) }
    }

    /// An anomaly as this caller sees it. Customers do not see why operators muted it.
    pub(crate) fn of(item: AnomalyItem, caller: &Caller) -> Self {
        let history = item.history.into_iter().map(|entry| HistoryView::of(entry, caller));
        Self {
            anomaly_id: item.anomaly_id.to_string(),
            kind: item.kind,
            customer_id: item.customer_id.into(),
            entity: item.entity,
            entity_path: item.entity_path.map(Vec::from),
            metric: item.metric.into(),
            unit: item.unit,
            severity: item.severity,
            direction: item.direction,
            state: item.state,
            detected_at: item.detected_at.into(),
            window: Period { start: item.window_start.into(), end: item.window_end.into() },
            evidence: item.evidence,
            why: WhyView::of(item.why, item.confidence),
            about: item.about.into(),
            description: item.description,
            investigation_steps: item.investigation_steps,
            alert_state: item.alert_state,
            incident_id: item.incident_id.map(|id| id.to_string()),
            recurring: item.recurring,
            cost: item.cost,
            mute_reason: item.mute_reason.filter(|_| !caller.is_customer()),
            catalog_version: item.catalog_version,
            config_version: item.config_version,
            history: Some(history.collect()),
            expires_at: item.ttl.saturating_mul(1_000).into(),
        }
    }
}

impl HistoryView {
    /// An entry as this caller sees it. A customer sees the actions of operators without their names and notes.
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
