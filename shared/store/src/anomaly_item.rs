//! The shape of an anomaly in the table.

use std::time::Duration;

use detection::incident::{Event, Incident, IncidentId};
use detection::{Anomaly, AnomalyId, CustomerId, Direction, MetricName, Mute, Severity, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, Key};
use super::{AlertState, HistoryEntry};

/// An anomaly as an item. Times are Unix milliseconds but for `ttl`, which DynamoDB wants in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnomalyItem {
    pub pk: String,
    pub sk: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub anomaly_id: AnomalyId,
    pub customer_id: CustomerId,
    pub metric: MetricName,
    pub detected_at: i64,
    pub window_start: i64,
    pub window_end: i64,
    #[serde(serialize_with = "storable")]
    pub current_value: f64,
    #[serde(serialize_with = "storable")]
    pub baseline_mean: f64,
    #[serde(serialize_with = "storable")]
    pub baseline_stddev: f64,
    #[serde(serialize_with = "storable")]
    pub z_score: f64,
    #[serde(serialize_with = "storable")]
    pub expected_low: f64,
    #[serde(serialize_with = "storable")]
    pub expected_high: f64,
    pub sample_count: usize,
    /// Earlier windows that were left out, because an incident was in them.
    #[serde(default)]
    pub excluded_windows: usize,
    pub constant_baseline: bool,
    pub unit: String,
    pub severity: Severity,
    pub direction: Direction,
    pub description: String,
    pub investigation_steps: Vec<String>,
    pub alert_state: AlertState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_alert: Option<String>,
    /// The incident that it belongs to; none in items of before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<IncidentId>,
    /// What its alert is about, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    pub catalog_version: String,
    /// Version of the operators' policies that it was judged by; empty in items of before there were any.
    #[serde(default)]
    pub config_version: String,
    /// Why nobody was alerted, where a mute covered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute_reason: Option<String>,
    /// Absent is open.
    #[serde(default, skip_serializing_if = "State::is_open")]
    pub state: State,
    /// What people did with it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    pub run_id: String,
    pub ttl: i64,
}

/// What an alert is about: an event in the life of an incident, and the incident as it was then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub event: Event,
    pub incident: Incident,
}

/// By what an anomaly was judged.
#[derive(Clone, Copy, Debug)]
pub struct JudgedBy<'a> {
    pub catalog_version: &'a str,
    pub config_version: &'a str,
    /// The mute that covers it.
    pub mute: Option<&'a Mute>,
}

impl AnomalyItem {
    /// An anomaly of `incident`, without an alert.
    pub fn new(
        anomaly: &Anomaly,
        incident: Option<&Incident>,
        judged_by: &JudgedBy<'_>,
        retention: Duration,
        run_id: &str,
    ) -> Self {
        let detected_at = anomaly.detected_at().as_millisecond();
        let Key { pk, sk } = keys::anomaly(&anomaly.customer_id, detected_at, &anomaly.metric);
        Self {
            pk,
            sk,
            kind: "usage_anomaly".to_owned(),
            anomaly_id: anomaly.id(),
            customer_id: anomaly.customer_id.clone(),
            metric: anomaly.metric.clone(),
            detected_at,
            window_start: anomaly.window.start().as_millisecond(),
            window_end: anomaly.window.end().as_millisecond(),
            current_value: anomaly.current_value,
            baseline_mean: anomaly.baseline_mean,
            baseline_stddev: anomaly.baseline_stddev,
            z_score: anomaly.z_score,
            expected_low: anomaly.expected_low,
            expected_high: anomaly.expected_high,
            sample_count: anomaly.sample_count,
            excluded_windows: anomaly.excluded_windows,
            constant_baseline: anomaly.constant_baseline,
            unit: anomaly.unit.clone(),
            severity: anomaly.severity,
            direction: anomaly.direction,
            description: anomaly.description.clone(),
            investigation_steps: anomaly.investigation_steps.clone(),
            alert_state: AlertState::None,
            pending_alert: None,
            incident_id: incident.map(Incident::id),
            alert: None,
            catalog_version: judged_by.catalog_version.to_owned(),
            config_version: judged_by.config_version.to_owned(),
            mute_reason: judged_by.mute.map(|mute| mute.reason.clone()),
            state: State::Open,
            history: Vec::new(),
            run_id: run_id.to_owned(),
            ttl: expiry(anomaly.detected_at(), retention),
        }
    }

    /// The same with an alert that waits.
    pub fn alerting(self, event: Event, incident: Incident) -> Self {
        let alert_state = AlertState::Pending;
        Self {
            alert_state,
            pending_alert: alert_state.in_outbox(),
            alert: Some(Alert { event, incident }),
            ..self
        }
    }
}

pub(crate) fn expiry(detected_at: Timestamp, retention: Duration) -> i64 {
    detected_at.as_second().saturating_add_unsigned(retention.as_secs())
}

/// A number as DynamoDB takes it: it refuses those closer to zero than 1e-130. No usage is, so such a one is zero.
pub(crate) fn storable_number(value: f64) -> f64 {
    if value.abs() < 1e-100 { 0.0 } else { value }
}

fn storable<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(storable_number(*value))
}
