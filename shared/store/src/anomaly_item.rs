//! The shape of an anomaly in the table.

use std::time::Duration;

use detection::incident::{Event, Incident, IncidentId};
use detection::related::OneCause;
use detection::{
    About, Anomaly, AnomalyId, AnomalyKind, Cost, CustomerId, Direction, EntityPath, Evidence, MetricName,
    Mute, Severity, State, Why, describe,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, Key};
use super::metric_index::metric_part;
use super::{AlertState, HistoryEntry};

/// An anomaly as an item. Times are Unix milliseconds. Only `ttl` is in seconds, because DynamoDB wants seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnomalyItem {
    pub pk: String,
    pub sk: String,
    #[serde(rename = "type")]
    pub kind: AnomalyKind,
    pub anomaly_id: AnomalyId,
    pub customer_id: CustomerId,
    /// What of the customer, for people. Absent for the customer as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_path: Option<EntityPath>,
    pub metric: MetricName,
    pub detected_at: i64,
    pub window_start: i64,
    pub window_end: i64,
    #[serde(flatten)]
    pub evidence: Evidence,
    /// `None` for a first use, and in items of earlier versions.
    #[serde(default, flatten)]
    pub why: Option<Why>,
    /// How sure it is, from 0 to 1. Absent where nothing is known of chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Its score in thresholds of an anomaly as they are configured. Absent where no threshold has to do with it, and in
    /// items of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excess: Option<f64>,
    /// The detector or rule that decided. Absent in items of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<String>,
    /// What its window costs beyond the usual. Absent without a price, and in items of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// `None` for the usage of customers.
    #[serde(default, flatten)]
    pub about: Option<About>,
    pub unit: String,
    pub severity: Severity,
    pub direction: Direction,
    pub description: String,
    pub investigation_steps: Vec<String>,
    pub alert_state: AlertState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_alert: Option<String>,
    /// The incident of the anomaly. None in items that are older than incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident_id: Option<IncidentId>,
    /// How many earlier incidents of the series its incident repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurring: Option<u32>,
    /// The content of the alert, if the anomaly has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    pub catalog_version: String,
    /// Version of the operators' policies that judged the anomaly. Empty in items that are older than policies.
    #[serde(default)]
    pub config_version: String,
    /// The reason of the mute that covered the anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute_reason: Option<String>,
    /// Absent means open.
    #[serde(default, skip_serializing_if = "State::is_open")]
    pub state: State,
    /// Actions of people on the anomaly, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    pub run_id: String,
    pub ttl: i64,
    /// The key of the split index by metric. Absent in items of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric_part: Option<String>,
    /// The key of the index by entity. Absent for the customer as a whole, and in items of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_key: Option<String>,
    /// The key of the index by execution, or else by trace. Absent without such an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_key: Option<String>,
}

/// The content of an alert: an event in the life of an incident, and the incident as it was then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    pub event: Event,
    pub incident: Incident,
    /// The incidents that probably have its cause. Absent if there are none, and in items of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_cause: Option<OneCause>,
}

/// The versions and the mute that an anomaly was judged by.
#[derive(Clone, Copy, Debug)]
pub struct JudgedBy<'a> {
    pub catalog_version: &'a str,
    pub config_version: &'a str,
    /// The mute that covers it.
    pub mute: Option<&'a Mute>,
    /// The name of the detector or rule that decided.
    pub detector: &'a str,
    /// Its score in thresholds of an anomaly as they are configured. `None` if no threshold has to do with it.
    pub excess: Option<f64>,
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
        let Key { pk, sk } = keys::anomaly(&anomaly.place());
        let ids = anomaly.about.as_ref().map(|about| &about.ids);
        let execution = ids.and_then(|ids| ids.get("execution_id").or(ids.get("trace_id")));
        Self {
            metric_part: Some(metric_part(&anomaly.metric, &anomaly.customer_id)),
            entity_key: anomaly.entity.as_ref().map(|entity| keys::entity(&anomaly.customer_id, entity)),
            execution_key: execution.map(|id| keys::execution(&anomaly.customer_id, id)),
            pk,
            sk,
            kind: anomaly.kind,
            anomaly_id: anomaly.id(),
            customer_id: anomaly.customer_id.clone(),
            entity: anomaly.entity.as_ref().map(EntityPath::to_string),
            entity_path: anomaly.entity.clone(),
            metric: anomaly.metric.clone(),
            detected_at,
            window_start: anomaly.window.start().as_millisecond(),
            window_end: anomaly.window.end().as_millisecond(),
            evidence: anomaly.evidence,
            why: anomaly.explanation.as_ref().map(Why::of),
            confidence: anomaly.confidence,
            excess: judged_by.excess,
            detector: Some(judged_by.detector.to_owned()),
            cost: anomaly.cost,
            about: anomaly.about.clone(),
            unit: anomaly.unit.clone(),
            severity: anomaly.severity,
            direction: anomaly.direction,
            description: match incident.and_then(|incident| incident.recurring) {
                Some(earlier) => describe::recurring(&anomaly.description, earlier),
                None => anomaly.description.clone(),
            },
            investigation_steps: anomaly.investigation_steps.clone(),
            alert_state: AlertState::None,
            pending_alert: None,
            incident_id: incident.map(Incident::id),
            recurring: incident.and_then(|incident| incident.recurring),
            alert: None,
            catalog_version: judged_by.catalog_version.to_owned(),
            config_version: judged_by.config_version.to_owned(),
            mute_reason: judged_by.mute.map(|mute| mute.reason.clone()),
            // An anomaly of a closed incident needs no action.
            state: match incident {
                Some(incident) if !incident.is_open() => State::Resolved,
                _ => State::Open,
            },
            history: Vec::new(),
            run_id: run_id.to_owned(),
            ttl: expiry(anomaly.detected_at(), retention),
        }
    }

    pub(crate) fn key(&self) -> Key {
        Key { pk: self.pk.clone(), sk: self.sk.clone() }
    }

    /// The same anomaly with a pending alert.
    pub fn alerting(self, event: Event, incident: Incident, one_cause: Option<OneCause>) -> Self {
        let alert_state = AlertState::Pending;
        Self {
            alert_state,
            pending_alert: alert_state.in_outbox(),
            alert: Some(Alert { event, incident, one_cause }),
            ..self
        }
    }
}

pub(crate) fn expiry(detected_at: Timestamp, retention: Duration) -> i64 {
    detected_at.as_second().saturating_add_unsigned(retention.as_secs())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;
    use detection::{Currency, Example, Figures, Window};

    use super::*;

    fn about() -> About {
        let ids = [("execution_id".to_owned(), "e-1".to_owned())].into();
        About::of("executions").with_examples([Example { id: "e-1".to_owned(), ids }])
    }

    #[test]
    fn an_anomaly_is_stored_flat_and_read_back_to_the_last_bit() {
        let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
        for current_value in [0.0, 9_000.0, -12.5, 0.1 + 0.2, 1e20, 1.234e99, 1e-99] {
            let evidence = Evidence {
                figures: Figures {
                    current_value,
                    baseline_mean: 1_000.0,
                    baseline_stddev: 0.1,
                    z_score: -100.0,
                },
                sample_count: 30,
                excluded_windows: 2,
                expected_low: 0.0,
                expected_high: 1e15,
                constant_baseline: false,
            };
            let anomaly = Anomaly {
                kind: AnomalyKind::UsageAnomaly,
                customer_id: CustomerId::new("c").unwrap(),
                entity: None,
                metric: MetricName::new("api_calls").unwrap(),
                unit: "calls".to_owned(),
                window,
                severity: Severity::Critical,
                direction: Direction::Spike,
                evidence,
                explanation: None,
                confidence: Some(0.9),
                cost: Some(Cost { amount: current_value.clamp(-1e15, 1e15), currency: Currency::USD }),
                about: Some(about()),
                description: "a spike".to_owned(),
                investigation_steps: vec!["look".to_owned()],
            };
            let judged_by = JudgedBy {
                catalog_version: "v1",
                config_version: "0",
                mute: None,
                detector: "seasonal",
                excess: Some(1.25),
            };
            let item = AnomalyItem::new(&anomaly, None, &judged_by, Duration::from_secs(60), "run");
            assert_eq!(
                (&item.entity_key, &item.execution_key),
                (&None, &None),
                "nothing of it is in the indexes"
            );
            let stored: HashMap<String, AttributeValue> = serde_dynamo::to_item(&item).unwrap();
            for name in [
                "customer_id",
                "metric",
                "detected_at",
                "current_value",
                "baseline_mean",
                "baseline_stddev",
                "z_score",
                "severity",
                "ttl",
                "anomaly_id",
                "direction",
                "window_start",
                "window_end",
                "sample_count",
                "excluded_windows",
                "expected_low",
                "expected_high",
                "unit",
                "description",
                "investigation_steps",
                "alert_state",
                "catalog_version",
                "constant_baseline",
                "type",
                "confidence",
                "cost",
                "excess",
                "detector",
                "source",
                "examples",
                "example_ids",
                "affected_entities",
                "metric_part",
            ] {
                assert!(stored.contains_key(name), "{name}");
            }
            assert!(stored["z_score"].is_n() && stored["constant_baseline"].is_bool());
            assert_eq!(serde_dynamo::from_item::<_, AnomalyItem>(stored).unwrap(), item);
        }
    }
}
