//! Google Chat, by an incoming webhook with one card. All messages of an incident are one thread, by the id of the
//! incident. Chat reads a few HTML tags in cards, so text of customers has no `<`, `>` or `&`.

use std::time::SystemTime;

use messaging::outbound::{Answer, OutboundRequest};
use serde_json::{Value, json};

use super::{Verdict, by_status_of_address, id_within};
use crate::message::Message;
use crate::text::{cut, without_tags};

/// Chat refuses messages over 32,000 bytes.
const BYTES: usize = 32_000;

const TITLE: usize = 200;
const TEXT: usize = 1_500;
const THREAD: usize = 255;

/// The address of the webhook is the secret. It holds a key and a token as its query.
pub fn request(message: Message<'_>, url: &str) -> OutboundRequest {
    let separator = if url.contains('?') { '&' } else { '?' };
    OutboundRequest {
        url: format!("{url}{separator}messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"),
        headers: Vec::new(),
        body: payload(message).to_string(),
    }
}

pub fn verdict(answer: &Answer, now: SystemTime) -> Verdict {
    by_status_of_address(answer, now)
}

fn payload(message: Message<'_>) -> Value {
    let mut widgets = widgets(message);
    let mut payload = with_widgets(message, &widgets);
    while payload.to_string().len() > BYTES && widgets.len() > 1 {
        widgets.pop();
        payload = with_widgets(message, &[widgets.as_slice(), &[paragraph("…")]].concat());
    }
    payload
}

fn with_widgets(message: Message<'_>, widgets: &[Value]) -> Value {
    let title = cut(&without_tags(&message.title(TITLE)), TITLE);
    let mut card = json!({ "header": { "title": title } });
    if !widgets.is_empty() {
        card["sections"] = json!([{ "widgets": widgets }]);
    }
    let mut payload = json!({
        "cardsV2": [{ "cardId": "alert", "card": card }],
        "fallbackText": title,
    });
    // A storm or a group concerns many incidents, and begins a thread of its own.
    if message.alert.storm.is_none() && !message.is_group() {
        payload["thread"] = json!({ "threadKey": id_within(&message.alert.incident_id, THREAD) });
    }
    payload
}

fn widgets(message: Message<'_>) -> Vec<Value> {
    let mut widgets = Vec::new();
    let description = message.description();
    if !description.is_empty() {
        widgets.push(paragraph(&description));
    }
    if let Some(link) = message.link() {
        let button = json!({ "text": "Open the incident", "onClick": { "openLink": { "url": link } } });
        widgets.push(json!({ "buttonList": { "buttons": [button] } }));
    }
    let labelled = |label: &str, text: &str| {
        let text = cut(&without_tags(text), TEXT);
        json!({ "decoratedText": { "topLabel": without_tags(label), "text": text, "wrapText": true } })
    };
    widgets.extend(message.customer().map(|customer| labelled("Customer", &customer)));
    widgets.extend(message.facts().iter().map(|(label, text)| labelled(label, text)));
    if let Some((title, entries)) = message.list() {
        widgets.push(json!({ "textParagraph": { "text": format!("<b>{title}</b>") } }));
        widgets.extend(entries.iter().map(|(customer, text)| labelled(customer, text)));
    }
    let steps = message.steps();
    if !steps.is_empty() {
        widgets.push(json!({ "textParagraph": { "text": "<b>What to do</b>" } }));
        let step = |(i, step): (usize, &String)| paragraph(&format!("{}. {step}", i + 1));
        widgets.extend(steps.iter().enumerate().map(step));
    }
    widgets
}

fn paragraph(text: &str) -> Value {
    json!({ "textParagraph": { "text": cut(&without_tags(text), TEXT) } })
}
