//! The shape of the items in the table.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use catalog::Shard;
use detection::incident::{Event, Incident, IncidentId};
use detection::{
    Action, Anomaly, AnomalyId, CustomerId, Direction, MetricName, Mute, Severity, State, Window,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::notice::Notice;

/// Value of the attribute that puts an item into the sparse index of waiting alerts.
pub(super) const PENDING: &str = "pending";

/// Where an anomaly's alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It has no alert of its own: it belongs to an incident that people know, or is a warning, or muted, or one of
    /// many that a digest tells of.
    None,
    Pending,
    Sent,
}

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

/// One thing that somebody did with an anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub action: Action,
    /// Who, as the token names them.
    pub actor: String,
    /// When, in Unix milliseconds.
    pub at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it was the customer, with a token that sees nothing else.
    #[serde(default)]
    pub by_customer: bool,
}

/// The pages that one run called for beyond those that it may send singly: exact totals and the largest ones.
///
/// The totals are part of its key: a repeated run meets its own digest, and one that finds more has one of its own. So is
/// the shard, since two of them may have the same totals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    pub pk: String,
    pub sk: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub anomaly_id: String,
    pub detected_at: i64,
    /// The part of the customers that the run was for.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// Incidents that called for a page in the run.
    #[serde(default)]
    pub pages: u64,
    /// Those of them that got no alert of their own.
    pub held_back: u64,
    /// Critical anomalies of the run, also those of incidents that people know.
    pub critical: u64,
    /// All anomalies of the run.
    pub anomalies: u64,
    /// The largest of those held back, by |z| and then by change.
    pub largest: Vec<DigestEntry>,
    pub alert_state: AlertState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_alert: Option<String>,
    pub run_id: String,
    pub ttl: i64,
}

/// What one run found and called for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All anomalies, warnings included.
    pub anomalies: u64,
    pub critical: u64,
    /// Incidents that call for a page.
    pub pages: u64,
    /// Those of them that only a digest tells of.
    pub held_back: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DigestEntry {
    pub anomaly_id: String,
    pub customer_id: String,
    pub description: String,
}

/// An item whose alert waits.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertItem {
    Anomaly(Box<AnomalyItem>),
    Notice(Box<Notice>),
    Digest(Box<Digest>),
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
        Self {
            pk: partition_key(&anomaly.customer_id),
            sk: sort_key(detected_at, &anomaly.metric),
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
            pending_alert: outbox(alert_state),
            alert: Some(Alert { event, incident }),
            ..self
        }
    }
}

impl Digest {
    pub fn new(
        window: Window,
        shard: Shard,
        Totals { anomalies, critical, pages, held_back }: Totals,
        largest: Vec<DigestEntry>,
    ) -> Self {
        let detected_at = window.end().as_millisecond();
        let counts = match shard.is_whole() {
            true => format!("{pages}-{held_back}"),
            false => format!("{pages}-{held_back}.{shard}"),
        };
        Self {
            pk: "DIGEST".to_owned(),
            sk: format!("DIGEST#{detected_at}#{counts}"),
            kind: "alert_digest".to_owned(),
            anomaly_id: format!("{detected_at}.digest.{counts}"),
            detected_at,
            shard,
            pages,
            held_back,
            critical,
            anomalies,
            largest,
            alert_state: AlertState::Pending,
            pending_alert: outbox(AlertState::Pending),
            run_id: String::new(),
            ttl: 0,
        }
    }

    pub(super) fn stamped(mut self, retention: Duration, run_id: &str) -> Self {
        let detected_at = Timestamp::from_millisecond(self.detected_at).unwrap_or(Timestamp::UNIX_EPOCH);
        self.ttl = expiry(detected_at, retention);
        run_id.clone_into(&mut self.run_id);
        self
    }
}

impl AlertItem {
    /// The id that a receiver sees; the same on every try.
    pub fn id(&self) -> &str {
        match self {
            Self::Anomaly(item) => item.anomaly_id.as_str(),
            Self::Notice(item) => &item.alert_id,
            Self::Digest(item) => &item.anomaly_id,
        }
    }

    /// When what it tells of was complete, in Unix milliseconds.
    pub fn detected_at(&self) -> i64 {
        match self {
            Self::Anomaly(item) => item.detected_at,
            Self::Notice(item) => item.detected_at,
            Self::Digest(item) => item.detected_at,
        }
    }

    pub fn state(&self) -> AlertState {
        match self {
            Self::Anomaly(item) => item.alert_state,
            Self::Notice(item) => item.alert_state,
            Self::Digest(item) => item.alert_state,
        }
    }

    /// What its order among other alerts depends on: those of one incident are sent one after the other.
    pub fn incident_id(&self) -> Option<IncidentId> {
        match self {
            Self::Anomaly(item) => item.incident_id.clone(),
            Self::Notice(item) => Some(item.incident.id()),
            Self::Digest(_) => None,
        }
    }

    pub(super) fn ttl(&self) -> i64 {
        match self {
            Self::Anomaly(item) => item.ttl,
            Self::Notice(item) => item.ttl,
            Self::Digest(item) => item.ttl,
        }
    }

    pub(super) fn to_item(&self) -> Result<HashMap<String, AttributeValue>, serde_dynamo::Error> {
        match self {
            Self::Anomaly(item) => serde_dynamo::to_item(item),
            Self::Notice(item) => serde_dynamo::to_item(item),
            Self::Digest(item) => serde_dynamo::to_item(item),
        }
    }

    pub(super) fn key(&self) -> (&str, &str) {
        match self {
            Self::Anomaly(item) => (&item.pk, &item.sk),
            Self::Notice(item) => (&item.pk, &item.sk),
            Self::Digest(item) => (&item.pk, &item.sk),
        }
    }

    pub(super) fn from_item(item: HashMap<String, AttributeValue>) -> Result<Self, serde_dynamo::Error> {
        match item.get("type").and_then(|kind| kind.as_s().ok()).map(String::as_str) {
            Some("incident_notice") => serde_dynamo::from_item(item).map(|item| Self::Notice(Box::new(item))),
            Some("alert_digest") => serde_dynamo::from_item(item).map(|item| Self::Digest(Box::new(item))),
            _ => serde_dynamo::from_item(item).map(|item| Self::Anomaly(Box::new(item))),
        }
    }
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Sent => "sent",
        }
    }
}

/// Partition of everything about a customer.
pub(super) fn partition_key(customer: &CustomerId) -> String {
    format!("CUSTOMER#{customer}")
}

pub(super) fn sort_key(detected_at: i64, metric: &MetricName) -> String {
    format!("ANOMALY#{detected_at}#{metric}")
}

pub(super) fn outbox(alert_state: AlertState) -> Option<String> {
    (alert_state == AlertState::Pending).then(|| PENDING.to_owned())
}

pub(super) fn expiry(detected_at: Timestamp, retention: Duration) -> i64 {
    detected_at.as_second().saturating_add_unsigned(retention.as_secs())
}

/// DynamoDB refuses numbers closer to zero than 1e-130; nobody's usage is, so such a one is zero.
fn storable<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(if value.abs() < 1e-100 { 0.0 } else { *value })
}
