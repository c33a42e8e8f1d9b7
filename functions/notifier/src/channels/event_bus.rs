//! A bus of EventBridge that belongs to the user: each alert is one event. Rules on the bus start what the user wants.
//! `docs/anomaly-event.schema.json` describes the event.

use jiff::Timestamp;
use messaging::buses::BusEvent;

use super::envelope;
use crate::alert::Event;
use crate::message::Message;

/// Rules match events by this name.
const SOURCE: &str = "meterflow";

/// The event of an alert at the time `now`.
pub fn event(message: Message<'_>, now: Timestamp) -> BusEvent {
    let alert = message.alert;
    let mut detail = envelope::data(message);
    // Alerts of old detectors lack these.
    detail["alert_id"] = alert.id.as_str().into();
    detail["event"] = alert.event.as_str().into();
    detail["incident_id"] = alert.incident_id.as_str().into();
    BusEvent {
        source: SOURCE,
        detail_type: detail_type(alert.event),
        detail: detail.to_string(),
        time: alert.detected_at.unwrap_or(now),
    }
}

fn detail_type(event: Event) -> &'static str {
    match event {
        Event::Opened => "Anomaly Opened",
        Event::Escalated => "Anomaly Escalated",
        Event::Reopened => "Anomaly Reopened",
        Event::Reminder => "Anomaly Reminder",
        Event::Acknowledged => "Anomaly Acknowledged",
        Event::Confirmed => "Anomaly Confirmed",
        Event::Resolved => "Anomaly Resolved",
        Event::Accepted => "Anomaly Accepted",
        Event::Stale => "Anomaly Stale",
        Event::Digest => "Anomaly Digest",
    }
}
