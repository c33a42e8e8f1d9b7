//! Notices: alerts about an incident that no anomaly carries, such as its end.

use std::time::Duration;

use detection::AnomalyId;
use detection::incident::{Event, Incident};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::AlertState;
use super::anomaly_item::expiry;
use super::keys::{self, Key};

/// A notice as an item. Only its incident names the metric. With an attribute `metric` of its own, the notice would be
/// listed among the anomalies. Times are Unix milliseconds, and `ttl` is in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub pk: String,
    pub sk: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub alert_id: String,
    /// The end of the window, or the time of a person's action.
    pub detected_at: i64,
    pub event: Event,
    /// The incident as it was then.
    pub incident: Incident,
    pub unit: String,
    /// One English sentence.
    pub description: String,
    pub alert_state: AlertState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_alert: Option<String>,
    pub run_id: String,
    pub ttl: i64,
}

impl Notice {
    /// A pending notice. Its id is made of incident, event and time, so a repeated step makes the same notice.
    pub fn new(
        event: Event,
        incident: &Incident,
        unit: &str,
        description: String,
        at: Timestamp,
        retention: Duration,
        run_id: &str,
    ) -> Self {
        let (subject, detected_at) = (&incident.subject, at.as_millisecond());
        let Key { pk, sk } = keys::notice(subject, event, detected_at);
        Self {
            pk,
            sk,
            kind: "incident_notice".to_owned(),
            alert_id: format!("{}.{}.{detected_at}", incident.id(), event.as_str()),
            detected_at,
            event,
            incident: incident.clone(),
            unit: unit.to_owned(),
            description,
            alert_state: AlertState::Pending,
            pending_alert: AlertState::Pending.in_outbox(),
            run_id: run_id.to_owned(),
            ttl: expiry(at, retention),
        }
    }

    /// The newest anomaly of the incident.
    pub fn anomaly_id(&self) -> AnomalyId {
        AnomalyId::of(&self.incident.newest_anomaly())
    }
}
