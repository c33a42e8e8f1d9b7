//! An alert from the topic.
//!
//! Alerts are read leniently. A message of an older or newer detector may lack a part, and is shown without it. Only a
//! text that is no JSON object, or has no id, cannot be delivered.

use anyhow::Context;
use detection::Costs;
use detection::ensemble::Chart;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// One event, with all that its message says.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The same for every copy of the message.
    pub id: String,
    pub event: Event,
    pub severity: Severity,
    /// The incident that links several messages.
    pub incident_id: String,
    pub customer_id: Option<String>,
    /// The customer for people, with the entity if the alert is about one: "acme / nightly".
    pub who: Option<String>,
    pub metric: Option<String>,
    pub direction: Option<String>,
    pub unit: String,
    pub current_value: Option<f64>,
    pub baseline_mean: Option<f64>,
    pub baseline_stddev: Option<f64>,
    pub z_score: Option<f64>,
    pub detected_at: Option<Timestamp>,
    pub window: Option<(Timestamp, Timestamp)>,
    pub description: String,
    /// The last 24 hours in one line, the newest hour last.
    pub sparkline: Option<String>,
    /// The same with what is usual at these hours, as figures.
    pub chart: Option<Chart>,
    pub investigation_steps: Vec<String>,
    /// How many incidents probably have the same cause, and a sentence about them.
    pub one_cause: Option<(u64, String)>,
    pub incident: Option<Incident>,
    /// What the budget of a month comes to, if it is about one.
    pub budget: Option<Budget>,
    pub storm: Option<Storm>,
    /// The original message, for receivers that are programs.
    pub json: Value,
}

/// The incident that the alert is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub opened_at: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
    /// End of the newest window that changed the incident.
    pub last_window: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub anomalies: u64,
    pub peak_z_score: Option<f64>,
    /// What it costs, if its metric has a price.
    pub costs: Option<Costs>,
}

/// The mark of a budget that is reached, in the unit of the alert.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Budget {
    /// Such as `80 %`.
    pub mark: String,
    pub used: f64,
    pub limit: f64,
}

/// A run with more pages than it may send singly.
#[derive(Clone, Debug, PartialEq)]
pub struct Storm {
    /// Incidents that call for a page.
    pub pages: u64,
    /// Incidents that only the digest counts.
    pub held_back: u64,
    /// Anomalies of the run, and the critical ones among them.
    pub anomalies: u64,
    pub critical: u64,
    /// Customer and description of the largest anomalies.
    pub largest: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Opened,
    Escalated,
    Reopened,
    Reminder,
    Acknowledged,
    Confirmed,
    Resolved,
    Accepted,
    Stale,
    Digest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    Critical,
    Warning,
}

impl Alert {
    /// Whether people can act on the incident by buttons. An end and a digest have none.
    pub(crate) fn takes_actions(&self) -> bool {
        self.event.is_page() && self.storm.is_none()
    }

    /// Reads the JSON text of a message.
    pub fn parse(message: &str) -> anyhow::Result<Self> {
        let json: Value = serde_json::from_str(message).context("the alert is not JSON")?;
        let id = ["alert_id", "anomaly_id"].into_iter().find_map(|name| text_of(&json, name));
        Ok(Self::of(id.context("the alert has neither alert_id nor anomaly_id")?, json))
    }

    /// The alert of this id.
    pub(crate) fn of(id: String, json: Value) -> Self {
        let text = |name: &str| text_of(&json, name);
        let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
        let event = Event::read(&json["event"]);
        let window = &json["window"];
        Self {
            incident_id: text("incident_id").or_else(|| text("anomaly_id")).unwrap_or_else(|| id.clone()),
            id,
            event,
            severity: match json["severity"].as_str() {
                Some("warning") => Severity::Warning,
                // An unknown severity counts as critical, because a page too many is better than one too few.
                _ => Severity::Critical,
            },
            customer_id: text("customer_id"),
            who: text("customer_id").map(|customer| match text("entity") {
                None => customer,
                Some(entity) => format!("{customer} / {entity}"),
            }),
            metric: text("metric"),
            direction: text("direction"),
            unit: text("unit").unwrap_or_default(),
            current_value: json["current_value"].as_f64(),
            baseline_mean: json["baseline_mean"].as_f64(),
            baseline_stddev: json["baseline_stddev"].as_f64(),
            z_score: json["z_score"].as_f64(),
            detected_at: time(&json["detected_at"]),
            window: time(&window["start"]).zip(time(&window["end"])),
            description: text("description").unwrap_or_default(),
            sparkline: text("sparkline"),
            chart: serde_json::from_value(json["chart"].clone()).ok(),
            investigation_steps: list("investigation_steps")
                .iter()
                .filter_map(|step| step.as_str().map(str::to_owned))
                .collect(),
            one_cause: json["one_cause"]["incidents"].as_u64().zip(text_of(&json["one_cause"], "text")),
            incident: json["incident"].is_object().then(|| Incident::read(&json["incident"])),
            budget: Budget::deserialize(&json["budget"]).ok(),
            storm: (event == Event::Digest).then(|| Storm {
                pages: json["pages"].as_u64().or_else(|| json["critical"].as_u64()).unwrap_or(0),
                held_back: json["held_back"].as_u64().unwrap_or(0),
                anomalies: json["anomalies"].as_u64().unwrap_or(0),
                critical: json["critical"].as_u64().unwrap_or(0),
                largest: list("largest").iter().map(largest).collect(),
            }),
            json,
        }
    }
}

fn text_of(json: &Value, name: &str) -> Option<String> {
    json[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

impl Incident {
    fn read(json: &Value) -> Self {
        Self {
            opened_at: time(&json["opened_at"]),
            last_seen: time(&json["last_seen"]),
            last_window: time(&json["last_window"]),
            closed_at: time(&json["closed_at"]),
            anomalies: json["anomalies"].as_u64().unwrap_or(0),
            peak_z_score: json["peak_z_score"].as_f64(),
            costs: Costs::deserialize(&json["cost"]).ok(),
        }
    }
}

impl Event {
    /// Messages of old versions have no event. An unknown event is shown as a page.
    fn read(json: &Value) -> Self {
        match json.as_str() {
            Some("escalated") => Self::Escalated,
            Some("reopened") => Self::Reopened,
            Some("reminder") => Self::Reminder,
            Some("acknowledged") => Self::Acknowledged,
            Some("confirmed") => Self::Confirmed,
            Some("resolved") => Self::Resolved,
            Some("accepted") => Self::Accepted,
            Some("stale") => Self::Stale,
            Some("digest") => Self::Digest,
            _ => Self::Opened,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Escalated => "escalated",
            Self::Reopened => "reopened",
            Self::Reminder => "reminder",
            Self::Acknowledged => "acknowledged",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
            Self::Accepted => "accepted",
            Self::Stale => "stale",
            Self::Digest => "digest",
        }
    }

    /// Whether a throttle may delay the alert. A digest already is one message for many.
    pub fn is_throttled(self) -> bool {
        self.is_page() && self != Self::Digest
    }

    /// Whether the event calls people.
    pub fn is_page(self) -> bool {
        matches!(self, Self::Opened | Self::Escalated | Self::Reopened | Self::Reminder | Self::Digest)
    }

    /// Whether the event says that nothing is left to do.
    pub fn is_closing(self) -> bool {
        matches!(self, Self::Resolved | Self::Accepted | Self::Stale)
    }
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

fn time(json: &Value) -> Option<Timestamp> {
    json.as_str()?.parse().ok()
}

fn largest(json: &Value) -> (String, String) {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    (text("customer_id"), text("description"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_from_before_incidents() {
        let of_entity =
            r#"{"anomaly_id": "1.m.YQ", "customer_id": "a", "entity": "nightly / load", "metric": "m"}"#;
        assert_eq!(Alert::parse(of_entity).unwrap().who.as_deref(), Some("a / nightly / load"));
        let alert = Alert::parse(r#"{"anomaly_id": "1.m.YQ", "customer_id": "a", "metric": "m"}"#).unwrap();
        assert_eq!(alert.who.as_deref(), Some("a"));
        assert_eq!((alert.id.as_str(), alert.incident_id.as_str()), ("1.m.YQ", "1.m.YQ"));
        assert_eq!((alert.event, alert.severity), (Event::Opened, Severity::Critical));
        assert_eq!(alert.incident, None);
    }

    #[test]
    fn ids_of_their_own() {
        let message = json!({ "alert_id": "a", "anomaly_id": "b", "incident_id": "c", "event": "resolved" });
        let alert = Alert::parse(&message.to_string()).unwrap();
        assert_eq!((alert.id.as_str(), alert.incident_id.as_str()), ("a", "c"));
        assert_eq!(alert.event, Event::Resolved);
    }

    #[test]
    fn fields_of_another_kind_are_left_out() {
        let message = json!({
            "alert_id": "a", "event": 7, "severity": null, "customer_id": ["x"], "current_value": "many",
            "window": "today", "investigation_steps": [1, "look", null], "incident": "none", "detected_at": "soon",
        });
        let alert = Alert::parse(&message.to_string()).unwrap();
        assert_eq!((alert.customer_id, alert.current_value, alert.window), (None, None, None));
        assert_eq!((alert.investigation_steps, alert.incident), (vec!["look".to_owned()], None));
    }

    #[test]
    fn a_message_without_an_id_is_refused() {
        for (message, expected) in [
            ("", "the alert is not JSON"),
            ("hello", "the alert is not JSON"),
            ("[]", "neither alert_id nor anomaly_id"),
            (r#"{"alert_id": ""}"#, "neither alert_id nor anomaly_id"),
            (r#"{"alert_id": 5}"#, "neither alert_id nor anomaly_id"),
        ] {
            assert!(format!("{:#}", Alert::parse(message).unwrap_err()).contains(expected), "{message}");
        }
    }

    #[test]
    fn events_are_read_back() {
        use Event::*;
        let ends = [Resolved, Accepted, Stale, Digest];
        for event in [Opened, Escalated, Reopened, Reminder, Acknowledged, Confirmed].into_iter().chain(ends)
        {
            assert_eq!(Event::read(&event.as_str().into()), event);
        }
        assert_eq!(Event::read(&"snoozed".into()), Opened);
    }
}
