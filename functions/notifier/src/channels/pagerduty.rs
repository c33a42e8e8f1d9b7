//! PagerDuty, by its Events API v2. A message triggers. The same key acknowledges and resolves.

use std::time::SystemTime;

use messaging::outbound::{Answer, OutboundRequest};
use serde_json::{Map, Value, json};

use super::{Verdict, by_status, id_within};
use crate::alert::{Event, Severity};
use crate::message::Message;
use crate::text::{cut, unlinked};

/// Limits of the API.
const SUMMARY: usize = 1_024;
const KEY: usize = 255;

/// Limit of source, component and class. The API has no limit, but shows them in one line.
const NAME: usize = 255;

pub fn request(message: Message<'_>, api_url: &str, routing_key: &str) -> OutboundRequest {
    OutboundRequest {
        url: format!("{api_url}/v2/enqueue"),
        headers: Vec::new(),
        body: event(message, routing_key).to_string(),
    }
}

pub fn verdict(answer: &Answer, now: SystemTime) -> Verdict {
    by_status(answer, now)
}

fn event(message: Message<'_>, routing_key: &str) -> Value {
    let action = match message.alert.event {
        // Routes lead no confirmation to a pager. A person has looked at what was confirmed.
        Event::Acknowledged | Event::Confirmed => "acknowledge",
        // The new normal needs nobody any more. The same holds for a series without verdicts.
        Event::Resolved | Event::Accepted | Event::Stale => "resolve",
        Event::Opened | Event::Escalated | Event::Reopened | Event::Reminder | Event::Digest => "trigger",
    };
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(message),
    });
    if action != "trigger" {
        return event;
    }
    event["client"] = "MeterFlow".into();
    event["payload"] = payload(message);
    if let Some(link) = message.link() {
        event["links"] = json!([{ "href": link, "text": "Open the incident" }]);
        event["client_url"] = link.into();
    }
    event
}

/// One key for all incidents of a customer that opened together. A storm concerns many customers and has a key of its
/// own.
fn dedup_key(message: Message<'_>) -> String {
    let id = if message.alert.storm.is_some() { &message.alert.id } else { &message.alert.incident_id };
    id_within(message.page_key.unwrap_or(id), KEY)
}

fn payload(message: Message<'_>) -> Value {
    let alert = message.alert;
    let description = message.description();
    let mut summary = message.title(SUMMARY);
    if !description.is_empty() {
        summary = format!("{summary}: {description}");
    }
    let source = alert
        .customer_id
        .as_deref()
        .map_or_else(|| "MeterFlow".to_owned(), |_| message.customer().unwrap_or_default());
    let mut payload = json!({
        "summary": cut(&unlinked(&summary), SUMMARY),
        "source": cut(&unlinked(&source), NAME),
        "severity": match message.severity() {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        },
        "class": "usage anomaly",
        "group": "usage",
        "custom_details": details(message),
    });
    if let Some(metric) = &alert.metric {
        payload["component"] = cut(&unlinked(metric), NAME).into();
    }
    if let Some(at) = alert.detected_at {
        payload["timestamp"] = at.to_string().into();
    }
    payload
}

fn details(message: Message<'_>) -> Value {
    let mut details = Map::new();
    if let Some(customer) = message.customer() {
        details.insert("Customer".to_owned(), unlinked(&customer).into());
    }
    for (label, text) in message.facts() {
        details.insert(label.to_owned(), text.into());
    }
    if let Some((title, entries)) = message.list() {
        let line =
            |(customer, text): &(String, String)| format!("{}: {}", unlinked(customer), unlinked(text));
        details.insert(title.to_owned(), entries.iter().map(line).collect());
    }
    let steps = message.steps();
    if !steps.is_empty() {
        details.insert("What to do".to_owned(), steps.into());
    }
    details.insert("Alert id".to_owned(), id_within(&message.alert.id, KEY).into());
    details.into()
}
