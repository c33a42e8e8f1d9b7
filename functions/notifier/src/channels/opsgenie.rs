//! Opsgenie, by its Alert API, which Jira Service Management offers too. A page creates an alert. The alias of the alert
//! acknowledges and closes it.

use std::time::SystemTime;

use messaging::outbound::{Answer, OutboundRequest};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Map, Value, json};

use super::{Verdict, by_status, id_within};
use crate::alert::{Event, Severity};
use crate::message::Message;
use crate::text::{clean, cut, without_tags};

/// Limits of the API. The custom details together may have 8,000 characters.
const MESSAGE: usize = 130;
const DESCRIPTION: usize = 15_000;
const NOTE: usize = 25_000;
const ENTITY: usize = 512;
const TAG: usize = 50;
const DETAIL: usize = 500;

/// The API takes 512. A shorter alias also fits into an address.
const ALIAS: usize = 255;

const SOURCE: &str = "MeterFlow";

pub fn request(message: Message<'_>, api_url: &str, api_key: &str) -> Result<OutboundRequest, String> {
    if api_key.is_empty() || !api_key.chars().all(|c| c.is_ascii_graphic()) {
        return Err("the secret is not an API key".to_owned());
    }
    let alias = alias(message);
    let in_path = percent_encode(alias.as_bytes(), NON_ALPHANUMERIC);
    let (path, body) = match message.alert.event {
        // Routes lead no confirmation to a pager. A person has looked at what was confirmed.
        Event::Acknowledged | Event::Confirmed => {
            (format!("/{in_path}/acknowledge?identifierType=alias"), note(message))
        }
        // The new normal needs nobody any more. The same holds for a series without verdicts.
        Event::Resolved | Event::Accepted | Event::Stale => {
            (format!("/{in_path}/close?identifierType=alias"), note(message))
        }
        Event::Opened | Event::Escalated | Event::Reopened | Event::Reminder | Event::Digest => {
            (String::new(), alert(message, &alias))
        }
    };
    Ok(OutboundRequest {
        url: format!("{api_url}/v2/alerts{path}"),
        headers: vec![("authorization", format!("GenieKey {api_key}"))],
        body: body.to_string(),
    })
}

pub fn verdict(answer: &Answer, now: SystemTime) -> Verdict {
    by_status(answer, now)
}

/// One alias for all incidents of a customer that opened together. A storm has an alias of its own.
fn alias(message: Message<'_>) -> String {
    let id = if message.alert.storm.is_some() { &message.alert.id } else { &message.alert.incident_id };
    id_within(message.page_key.unwrap_or(id), ALIAS)
}

fn note(message: Message<'_>) -> Value {
    let text = match message.description() {
        description if description.is_empty() => message.headline(),
        description => description,
    };
    json!({ "source": SOURCE, "note": cut(&without_tags(&text), NOTE) })
}

fn alert(message: Message<'_>, alias: &str) -> Value {
    let severity = message.severity();
    let mut alert = json!({
        "message": cut(&without_tags(&message.title(MESSAGE)), MESSAGE),
        "alias": alias,
        "description": description(message),
        "priority": match severity {
            Severity::Critical => "P1",
            Severity::Warning => "P3",
        },
        "source": SOURCE,
        "tags": [severity.as_str()],
        "details": details(message),
    });
    if let Some(metric) = &message.alert.metric {
        alert["tags"] = json!([severity.as_str(), cut(&clean(metric), TAG)]);
    }
    if let Some(customer) = message.customer() {
        alert["entity"] = cut(&without_tags(&customer), ENTITY).into();
    }
    alert
}

fn description(message: Message<'_>) -> String {
    let mut lines = vec![message.description()];
    if let Some((title, entries)) = message.list() {
        lines.push(format!("{title}:"));
        lines.extend(entries.iter().map(|(customer, text)| format!("{customer}: {text}")));
    }
    let steps = message.steps();
    if !steps.is_empty() {
        lines.push("What to do:".to_owned());
        lines.extend(steps.iter().enumerate().map(|(i, step)| format!("{}. {step}", i + 1)));
    }
    // Each line is cleaned by itself, because a line end in a name becomes a visible mark.
    let mut lines: Vec<_> =
        lines.iter().filter(|line| !line.is_empty()).map(|line| without_tags(line)).collect();
    lines.extend(message.link());
    cut(&lines.join("\n"), DESCRIPTION)
}

fn details(message: Message<'_>) -> Value {
    let mut details = Map::new();
    let facts = message.facts().into_iter().chain(message.customer().map(|customer| ("Customer", customer)));
    for (label, text) in facts {
        details.insert(label.to_owned(), cut(&without_tags(&text), DETAIL).into());
    }
    details.insert("Alert id".to_owned(), id_within(&message.alert.id, ALIAS).into());
    details.into()
}
