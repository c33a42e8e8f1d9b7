//! Amazon Q in chat applications (formerly AWS Chatbot), by its custom notifications on a topic of their own. It takes
//! only markup. So text of customers is written as code, without the characters that could end the code or mean
//! something in a chat.

use serde_json::{Value, json};

use super::id_within;
use crate::message::Message;
use crate::text::{cut, unlinked};

/// Limits of the schema.
const TITLE: usize = 250;
const DESCRIPTION: usize = 4_000;
const ID: usize = 255;

/// The text of an SNS message.
pub fn text(message: Message<'_>) -> String {
    notification(message).to_string()
}

fn notification(message: Message<'_>) -> Value {
    let alert = message.alert;
    let headline = defused(&message.headline());
    let title = match message.title_customer() {
        Some(customer) => format!("{headline} · {}", code(&customer)),
        None => headline.clone(),
    };
    let mut lines = Vec::new();
    let description = message.description();
    if !description.is_empty() {
        lines.push(format!("{}\n", defused(&description)));
    }
    lines.extend(message.facts().iter().map(|(label, text)| format!("{label}: {}", defused(text))));
    lines.extend(message.customer().map(|customer| format!("Customer: {}", code(&customer))));
    let list = message.list().map(|(_, entries)| entries).unwrap_or_default();
    lines.extend(list.iter().map(|(customer, text)| format!("{}: {}", code(customer), defused(text))));
    lines.extend(message.link());
    if lines.is_empty() {
        lines.push(headline.clone());
    }
    let steps: Vec<_> = message.steps().iter().map(|step| defused(step)).collect();
    let mut notification = json!({
        "version": "1.0",
        "source": "custom",
        "id": id_within(&alert.id, ID),
        "content": {
            "textType": "client-markdown",
            "title": whole_code(&title, TITLE),
            "description": whole_lines(&lines, DESCRIPTION),
        },
        "metadata": {
            "threadId": id_within(if alert.storm.is_some() { &alert.id } else { &alert.incident_id }, ID),
            "summary": cut(&headline, TITLE),
            "eventType": format!("anomaly.{}", alert.event.as_str()),
            "additionalContext": { "severity": message.severity().as_str() },
        },
    });
    if !steps.is_empty() {
        notification["content"]["nextSteps"] = steps.into();
    }
    notification
}

/// The text without markup of chats: brackets of mentions and links, code, and addresses.
fn defused(text: &str) -> String {
    let plain = |c: char| match c {
        '<' => '‹',
        '>' => '›',
        '&' => '＆',
        '`' => 'ˋ',
        '[' => '(',
        ']' => ')',
        '*' => '∗',
        '~' => '∼',
        other => other,
    };
    // The brackets that `unlinked` makes do no harm, because the address in them is broken.
    unlinked(text).chars().map(plain).collect()
}

fn code(text: &str) -> String {
    format!("`{}`", defused(text))
}

/// A title whose code ends even if the title is cut.
fn whole_code(title: &str, limit: usize) -> String {
    let mut title = cut(title, limit - 1);
    if title.matches('`').count() % 2 == 1 {
        title.push('`');
    }
    title
}

/// As many whole lines as fit.
fn whole_lines(lines: &[String], limit: usize) -> String {
    let mut text = String::new();
    for line in lines {
        if crate::text::utf16(&text) + crate::text::utf16(line) + 1 > limit {
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    }
    text
}
