//! Alerts about nothing: templates are checked by them, and an operator sends them to see whether a channel works.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::alert::Alert;

/// The start of the ids, so that people and programs can tell a test from an alert.
const ID: &str = "test";

/// A page with all parts that an alert can have.
pub(crate) fn opened() -> Alert {
    alert(page(Timestamp::UNIX_EPOCH))
}

/// A page and its end, as an operator sends them at `now`.
pub(crate) fn page_and_end(now: Timestamp) -> [Alert; 2] {
    let page = page(now);
    let mut end = page.clone();
    end["event"] = "resolved".into();
    end["alert_id"] = format!("{ID}.{}.resolved", now.as_millisecond()).into();
    end["description"] = "this is the end of the test: nothing happened, and nothing is to do".into();
    end["investigation_steps"] = json!([]);
    end["incident"]["state"] = "resolved".into();
    end["incident"]["closed_at"] = now.to_string().into();
    [alert(page), alert(end)]
}

fn page(now: Timestamp) -> Value {
    let day_before = now.checked_sub(SignedDuration::from_hours(24)).unwrap_or(now);
    let id = format!("{ID}.{}", now.as_millisecond());
    let values = [vec![35.0; 23], vec![412.0]].concat();
    json!({
        "alert_id": id, "anomaly_id": id, "incident_id": id, "event": "opened",
        "customer_id": "meterflow-test", "entity": "nightly / load", "entity_path": ["nightly", "load"],
        "metric": "api_calls", "severity": "critical", "direction": "spike", "unit": "calls",
        "current_value": 412.0, "baseline_mean": 35.0, "baseline_stddev": 9.5, "z_score": 39.7,
        "detected_at": now.to_string(), "window": { "start": day_before.to_string(), "end": now.to_string() },
        "score": 3.1, "confidence": 0.99, "sparkline": "▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█",
        "description": "this is a test: 412 calls in the last hour, about 35 are usual at this hour",
        "investigation_steps": ["Do nothing: somebody tests whether this channel works."],
        "chart": { "values": values, "low": vec![22.0; 24], "high": vec![48.0; 24] },
        "affected_entities": [], "examples": [],
        "one_cause": {
            "incidents": 1, "customers": ["another-test"], "more_customers": false, "metrics": [], "more_metrics": false,
            "text": "Probably one cause: 1 more incident opened at the same time (customer another-test)",
        },
        "incident": {
            "state": "open", "opened_at": now.to_string(), "last_seen": now.to_string(),
            "last_window": now.to_string(), "anomalies": 1, "peak_z_score": 39.7,
        },
    })
}

fn alert(json: Value) -> Alert {
    let id = json["alert_id"].as_str().unwrap_or(ID).to_owned();
    Alert::of(id, json)
}
