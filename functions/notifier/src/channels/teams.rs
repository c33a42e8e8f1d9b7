//! Microsoft Teams, by a workflow that begins when a webhook request is received. It posts an Adaptive Card.
//!
//! All text is in `TextRun`s, where Teams reads no markup. A mention would need an entity, and the card has none.

use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use messaging::outbound::{Answer, OutboundRequest};
use serde_json::{Value, json};

use super::{PICTURE_TEXT, Verdict, by_status_of_address};
use crate::alert::Severity;
use crate::message::Message;
use crate::text::{cut, unlinked};

/// Teams refuses messages over 28 KB.
const BYTES: usize = 28_000;

const TITLE: usize = 250;
const TEXT: usize = 1_500;

/// The address of the workflow is the secret.
pub fn request(message: Message<'_>, url: &str) -> OutboundRequest {
    OutboundRequest { url: url.to_owned(), headers: Vec::new(), body: payload(message).to_string() }
}

/// The same with the chart as a picture, if the card has room for it.
pub fn with_picture(message: Message<'_>, url: &str, png: &[u8]) -> OutboundRequest {
    let data = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png));
    let image = json!({ "type": "Image", "url": data, "altText": PICTURE_TEXT, "size": "Stretch" });
    let mut body = body(message);
    body.push(image);
    let payload = with_body(message, &body);
    let payload = if payload.to_string().len() > BYTES { self::payload(message) } else { payload };
    OutboundRequest { url: url.to_owned(), headers: Vec::new(), body: payload.to_string() }
}

pub fn verdict(answer: &Answer, now: SystemTime) -> Verdict {
    by_status_of_address(answer, now)
}

fn payload(message: Message<'_>) -> Value {
    let mut body = body(message);
    let mut payload = with_body(message, &body);
    // The headline is first and stays.
    while payload.to_string().len() > BYTES && body.len() > 1 {
        body.pop();
        payload = with_body(message, &[body.as_slice(), &[block(&[run("…", TEXT)])]].concat());
    }
    payload
}

fn with_body(message: Message<'_>, body: &[Value]) -> Value {
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "msteams": { "width": "Full" },
    });
    if let Some(link) = message.link() {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Open the incident", "url": link }]);
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn body(message: Message<'_>) -> Vec<Value> {
    let mut title = bold(&message.title(TITLE), TITLE);
    title["size"] = "Large".into();
    if message.alert.event.is_page() {
        title["color"] = match message.severity() {
            Severity::Critical => "Attention".into(),
            Severity::Warning => "Warning".into(),
        };
    }
    let mut body = vec![block(&[title])];
    let description = message.description();
    if !description.is_empty() {
        body.push(block(&[run(&description, TEXT)]));
    }
    let labelled = |label: &str, text: &str| block(&[bold(&format!("{label}: "), TEXT), run(text, TEXT)]);
    body.extend(message.facts().iter().map(|(label, text)| labelled(label, text)));
    body.extend(message.customer().map(|customer| labelled("Customer", &customer)));
    if let Some((title, entries)) = message.list() {
        body.push(block(&[bold(title, TEXT)]));
        body.extend(entries.iter().map(|(customer, text)| labelled(customer, text)));
    }
    let steps = message.steps();
    if !steps.is_empty() {
        body.push(block(&[bold("What to do", TEXT)]));
        let step = |(i, step): (usize, &String)| block(&[run(&format!("{}. {step}", i + 1), TEXT)]);
        body.extend(steps.iter().enumerate().map(step));
    }
    body
}

fn block(runs: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs })
}

/// Text without markup.
fn run(text: &str, limit: usize) -> Value {
    json!({ "type": "TextRun", "text": cut(&unlinked(text), limit) })
}

fn bold(text: &str, limit: usize) -> Value {
    let mut run = run(text, limit);
    run["weight"] = "Bolder".into();
    run
}
