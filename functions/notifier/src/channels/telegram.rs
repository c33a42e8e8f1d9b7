//! Telegram, by `sendMessage` of its Bot API, as HTML. Text of customers is escaped and inside `<code>`. There Telegram
//! makes no links, mentions or commands.
//!
//! Buttons are an inline keyboard. A button holds the short name of its incident, because Telegram takes 64 bytes there.

use std::time::{Duration, SystemTime};

use messaging::buttons::Button;
use messaging::outbound::{Answer, OutboundRequest, Upload};
use messaging::telegram;
use serde_json::{Value, json};

use super::{Verdict, by_status};
use crate::message::Message;
use crate::text::{escaped, unlinked, utf16};

/// Telegram counts the text without tags. A text that fits with its tags always fits.
const LIMIT: usize = 4_096;

pub fn request(
    message: Message<'_>,
    api_url: &str,
    token: &str,
    chat_id: &str,
    has_buttons: bool,
) -> Result<OutboundRequest, String> {
    let keyboard = if has_buttons { keyboard(message) } else { Vec::new() };
    let mut parameters = json!({
        "chat_id": chat_id,
        "text": text(message, !keyboard.is_empty()),
        "parse_mode": "HTML",
        "link_preview_options": { "is_disabled": true },
    });
    if !keyboard.is_empty() {
        parameters["reply_markup"] = json!({ "inline_keyboard": keyboard });
    }
    telegram::request(api_url, token, "sendMessage", &parameters)
}

/// The chart as a picture below the message. A caption has 1,024 characters, which is too few for a page. So the picture is a
/// message of its own, without a sound. `None` if the answer does not name the message.
pub fn picture(
    answer: &str,
    api_url: &str,
    token: &str,
    chat_id: &str,
    png: Vec<u8>,
) -> Option<Result<Upload, String>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let message = answer["result"]["message_id"].as_i64()?;
    let below = json!({ "message_id": message, "allow_sending_without_reply": true });
    let upload = |url: String| Upload {
        url,
        fields: vec![
            ("chat_id", chat_id.to_owned()),
            ("reply_parameters", below.to_string()),
            ("disable_notification", "true".to_owned()),
        ],
        name: "photo",
        png,
    };
    Some(telegram::address(api_url, token, "sendPhoto").map(upload))
}

/// Two rows of buttons for each page. In a group each button has the number of its incident. The largest group has 60
/// buttons, and Telegram takes 100.
fn keyboard(message: Message<'_>) -> Vec<Value> {
    let pages = message.alerts().enumerate().filter(|(_, alert)| alert.takes_actions());
    let rows = pages.flat_map(|(i, alert)| {
        let number = if message.is_group() { format!("{}. ", i + 1) } else { String::new() };
        let button = |button: Button| {
            let text = format!("{number}{}", button.label());
            json!({ "text": text, "callback_data": button.data(&alert.incident_id) })
        };
        let [first, second, third, fourth] = Button::ALL.map(button);
        [json!([first, second]), json!([third, fourth])]
    });
    rows.collect()
}

/// Telegram names the pause in the body.
pub fn verdict(answer: &Answer, now: SystemTime) -> Verdict {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match by_status(answer, now) {
        Verdict::Passing { reason, retry_after } => {
            let told = body["parameters"]["retry_after"].as_u64().map(Duration::from_secs);
            Verdict::Passing { reason, retry_after: told.or(retry_after) }
        }
        // Telegram answers 404 to a revoked token.
        Verdict::Refused { reason } if answer.status == 404 => Verdict::Unauthorized { reason },
        Verdict::Sent { .. } if answer.is_complete && body["ok"] != true => {
            Verdict::Refused { reason: "the answer is not one of Telegram's Bot API".to_owned() }
        }
        other => other,
    }
}

/// * `is_numbered`: whether each alert of a group has its number, for the buttons.
fn text(message: Message<'_>, is_numbered: bool) -> String {
    let mut parts = vec![format!("<b>{}</b>", escaped(&message.headline()))];
    parts.extend(message.customer().map(|customer| format!("\n<code>{}</code>", escaped(&customer))));
    let description = message.description();
    if !description.is_empty() {
        parts.push(format!("\n\n{}", escaped(&prose(&description))));
    }
    let facts = message.facts();
    parts.extend(facts.iter().enumerate().map(|(i, (label, text))| {
        format!("{}<b>{label}:</b> {}", if i == 0 { "\n\n" } else { "\n" }, escaped(text))
    }));
    parts.extend(message.link().map(|link| {
        format!("\n\n<a href=\"{}\">Open the incident</a>", escaped(&link).replace('"', "&quot;"))
    }));
    let (title, entries) = message.list().unwrap_or_default();
    parts.extend(entries.iter().enumerate().map(|(i, (customer, text))| {
        let begin = if i == 0 { format!("\n\n<b>{title}</b>\n") } else { "\n".to_owned() };
        let number = if is_numbered { format!("{}. ", i + 1) } else { String::new() };
        format!("{begin}{number}<code>{}</code>: {}", escaped(customer), escaped(&prose(text)))
    }));
    parts.extend(message.steps().iter().enumerate().map(|(i, step)| {
        let begin = if i == 0 { "\n\n<b>What to do</b>\n" } else { "\n" };
        format!("{begin}{}. {}", i + 1, escaped(step))
    }));
    within_limit(parts)
}

/// A sentence without links and mentions. It may quote the person who acknowledged the incident. Telegram takes a dot
/// before a letter for a domain.
fn prose(text: &str) -> String {
    let mut prose = String::new();
    let text = unlinked(text);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        prose.push(c);
        if c == '.' && characters.peek().is_some_and(|next| next.is_alphabetic()) {
            prose.push('\u{2060}');
        }
    }
    prose
}

/// As many whole parts as fit. Telegram would refuse a message with a cut tag.
fn within_limit(parts: Vec<String>) -> String {
    let (mut text, mut size, last) = (String::new(), 0, parts.len() - 1);
    for (i, part) in parts.into_iter().enumerate() {
        let more = if i == last { 0 } else { 2 };
        size += utf16(&part);
        if size + more > LIMIT {
            text.push_str("\n…");
            break;
        }
        text.push_str(&part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_telegram() {
        let of = |status, body: &str| {
            let answer = Answer { status, retry_after: None, body: body.to_owned(), is_complete: true };
            verdict(&answer, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(of(200, r#"{"ok": true, "result": {}}"#), Verdict::Sent { thread: None });
        assert!(matches!(of(200, "<html>"), Verdict::Refused { .. }));
        let busy = r#"{"ok": false, "error_code": 429, "parameters": {"retry_after": 5}}"#;
        let Verdict::Passing { retry_after, .. } = of(429, busy) else { panic!("not passing") };
        assert_eq!(retry_after, Some(Duration::from_secs(5)));
        assert!(matches!(of(404, r#"{"ok": false}"#), Verdict::Unauthorized { .. }));
        assert!(matches!(
            of(400, r#"{"ok": false, "description": "chat not found"}"#),
            Verdict::Refused { .. }
        ));
    }

    #[test]
    fn sentences_have_no_links() {
        let of = "ada@example.com at https://evil.example: 9.14 GB. Done.";
        assert_eq!(
            prose(of),
            "ada\u{ff20}example.\u{2060}com at https[:]//evil.\u{2060}example: 9.14 GB. Done."
        );
    }

    #[test]
    fn whole_parts_only() {
        let part = |c: &str| c.repeat(2_000);
        assert_eq!(within_limit(vec![part("a"), part("b")]).len(), 4_000);
        let text = within_limit(vec![part("a"), part("b"), part("c")]);
        assert!(text.ends_with("b\n…") && utf16(&text) <= LIMIT, "{}", utf16(&text));
        let text = within_limit(vec![part("a"), "b".repeat(2_096)]);
        assert_eq!(utf16(&text), LIMIT);
        let text = within_limit(vec![part("a"), "b".repeat(2_095), "c".repeat(9)]);
        assert!(utf16(&text) <= LIMIT && text.ends_with("a\n…"), "{}", utf16(&text));
    }
}
