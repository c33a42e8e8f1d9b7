//! Slack, by an incoming webhook or by `chat.postMessage` with a bot token. Both use Block Kit.
//!
//! Text of customers is only in `plain_text` objects, where Slack reads no markup, and escaped in the fallback text.

use std::time::SystemTime;

use messaging::buttons::Button;
use messaging::outbound::{Answer, OutboundRequest};
use serde_json::{Value, json};

use super::{Verdict, by_status, reason, retry_after};
use crate::alert::{Alert, Event};
use crate::message::Message;
use crate::text::{cut, escaped, unlinked};

pub mod picture;

/// Limits of Block Kit.
const HEADER: usize = 150;
const TEXT: usize = 3_000;
const FIELD: usize = 2_000;
const FIELDS: usize = 10;

/// Longest value of a button.
const VALUE: usize = 2_000;

/// Lines of a list in one block. So many always fit.
const LINES: usize = 10;

/// The request for an incoming webhook. Its address is the secret.
pub fn webhook_request(message: Message<'_>, url: &str, has_buttons: bool) -> OutboundRequest {
    let body = payload_with(message, has_buttons).to_string();
    OutboundRequest { url: url.to_owned(), headers: Vec::new(), body }
}

/// The request for a bot. It goes into the incident's thread, if there is one.
pub fn bot_request(
    message: Message<'_>,
    api_url: &str,
    token: &str,
    conversation: &str,
    thread: Option<&str>,
    has_buttons: bool,
) -> Result<OutboundRequest, String> {
    let headers = vec![authorization(token)?];
    let mut body = payload_with(message, has_buttons);
    body["channel"] = conversation.into();
    if let Some(thread) = thread {
        body["thread_ts"] = thread.into();
        // An escalation must not pass unseen in an old thread.
        body["reply_broadcast"] =
            message.alerts().any(|alert| matches!(alert.event, Event::Escalated | Event::Reopened)).into();
    }
    Ok(OutboundRequest { url: format!("{api_url}/api/chat.postMessage"), headers, body: body.to_string() })
}

/// The header that shows the token of a bot.
fn authorization(token: &str) -> Result<(&'static str, String), String> {
    if !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err("the secret is not a bot token".to_owned());
    }
    Ok(("authorization", format!("Bearer {token}")))
}

pub fn webhook_verdict(answer: &Answer, now: SystemTime) -> Verdict {
    by_status(answer, now)
}

/// Slack answers 200 to failed calls too. The body tells them apart.
pub fn bot_verdict(answer: &Answer, now: SystemTime) -> Verdict {
    // Without the whole body, only the status is known.
    if answer.status != 200 || !answer.is_complete {
        return by_status(answer, now);
    }
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    if body["ok"] == true {
        return Verdict::Sent { thread: body["ts"].as_str().map(str::to_owned) };
    }
    let reason = said(&body).unwrap_or_else(|| reason(answer));
    match body["error"].as_str().unwrap_or_default() {
        "ratelimited"
        | "rate_limited"
        | "message_limit_exceeded"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org" => Verdict::Passing { reason, retry_after: retry_after(answer, now) },
        "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
            Verdict::Unauthorized { reason }
        }
        "thread_not_found"
        | "invalid_thread_ts"
        | "message_not_found"
        | "cannot_reply_to_message"
        | "thread_locked"
        | "restricted_action_thread_locked" => Verdict::ThreadGone { reason },
        _ => Verdict::Refused { reason },
    }
}

/// The error that Slack names in its answer.
fn said(body: &Value) -> Option<String> {
    body["error"].as_str().map(|error| format!("Slack says {}", cut(&crate::text::clean(error), 100)))
}

/// The message without its destination and without buttons.
pub fn payload(message: Message<'_>) -> Value {
    payload_with(message, false)
}

fn payload_with(message: Message<'_>, has_buttons: bool) -> Value {
    json!({
        "text": escaped(&unlinked(&message.title(HEADER))),
        "mrkdwn": false,
        "blocks": blocks(message, has_buttons),
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn blocks(message: Message<'_>, has_buttons: bool) -> Vec<Value> {
    let mut blocks = vec![json!({ "type": "header", "text": plain(&message.title(HEADER), HEADER) })];
    let section = |text: Value| json!({ "type": "section", "text": text });
    let description = message.description();
    if !description.is_empty() {
        blocks.push(section(plain(&description, TEXT)));
    }
    let facts: Vec<_> = message
        .facts()
        .iter()
        .take(FIELDS)
        .map(|(label, text)| markup(&format!("*{label}*\n{}", escaped(text)), FIELD))
        .collect();
    if !facts.is_empty() {
        blocks.push(json!({ "type": "section", "fields": facts }));
    }
    if let Some((title, entries)) = message.list() {
        blocks.push(section(markup(&format!("*{title}*"), TEXT)));
        let lines: Vec<_> = entries.iter().map(|(customer, text)| format!("{customer}: {text}")).collect();
        let lines = numbered(&lines);
        if has_buttons && message.is_group() {
            // Each incident of a group has its own buttons below its line.
            for (line, alert) in lines.iter().zip(message.alerts()) {
                blocks.push(section(plain(line, TEXT)));
                blocks.extend(buttons(alert));
            }
        } else {
            blocks.extend(lines.chunks(LINES).map(|lines| section(plain(&lines.join("\n"), TEXT))));
        }
    }
    let steps = message.steps();
    if !steps.is_empty() {
        blocks.push(section(markup("*What to do*", TEXT)));
        blocks.push(section(plain(&numbered(&steps).join("\n"), TEXT)));
    }
    if let Some(link) = message.link() {
        blocks.push(section(markup(&format!("<{}|Open the incident>", escaped(&link)), TEXT)));
    }
    if has_buttons && !message.is_group() {
        blocks.extend(buttons(message.alert));
    }
    if let Some(customer) = message.customer() {
        let note = plain(&format!("Customer: {customer}"), FIELD);
        blocks.push(json!({ "type": "context", "elements": [note] }));
    }
    blocks
}

/// The buttons of a page about one incident. An end needs none.
fn buttons(alert: &Alert) -> Option<Value> {
    if !alert.takes_actions() || alert.incident_id.chars().count() > VALUE {
        return None;
    }
    let button = |button: Button| {
        let mut element = json!({
            "type": "button",
            "action_id": button.id(),
            "text": plain(button.label(), TEXT),
            "value": alert.incident_id,
        });
        if button == Button::Acknowledge {
            element["style"] = "primary".into();
        }
        element
    };
    Some(json!({ "type": "actions", "elements": Button::ALL.map(button) }))
}

fn numbered(lines: &[String]) -> Vec<String> {
    lines.iter().enumerate().map(|(i, line)| format!("{}. {line}", i + 1)).collect()
}

/// Text without markup.
fn plain(text: &str, limit: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, limit), "emoji": false })
}

/// Text with Slack's markup. Only text that this program writes or escapes may come here.
fn markup(text: &str, limit: usize) -> Value {
    json!({ "type": "mrkdwn", "text": cut(text, limit), "verbatim": true })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: Some("3".to_owned()), body: body.to_owned(), is_complete: true }
    }

    #[test]
    fn answers_of_slack_to_bots() {
        let of = |status, body: &str| bot_verdict(&answer(status, body), SystemTime::UNIX_EPOCH);
        let thread = Some("1503435956.000247".to_owned());
        assert_eq!(of(200, r#"{"ok": true, "ts": "1503435956.000247"}"#), Verdict::Sent { thread });
        for error in ["ratelimited", "internal_error", "service_unavailable"] {
            let body = json!({ "ok": false, "error": error }).to_string();
            let Verdict::Passing { retry_after, .. } = of(200, &body) else { panic!("{error}") };
            assert_eq!(retry_after.map(|time| time.as_secs()), Some(3));
        }
        for error in ["invalid_auth", "token_revoked", "token_expired"] {
            let body = json!({ "ok": false, "error": error }).to_string();
            assert!(matches!(of(200, &body), Verdict::Unauthorized { .. }), "{error}");
        }
        let body = json!({ "ok": false, "error": "thread_not_found" }).to_string();
        assert!(matches!(of(200, &body), Verdict::ThreadGone { .. }));
        for body in [r#"{"ok": false, "error": "channel_not_found"}"#, r#"{"ok": false}"#, "ok", ""] {
            assert!(matches!(of(200, body), Verdict::Refused { .. }), "{body}");
        }
        assert!(matches!(of(429, ""), Verdict::Passing { .. }));
        assert!(matches!(of(503, ""), Verdict::Passing { .. }));
        assert!(matches!(of(302, ""), Verdict::Refused { .. }));
        let broken_off = Answer { is_complete: false, ..answer(200, r#"{"ok": tr"#) };
        assert_eq!(bot_verdict(&broken_off, SystemTime::UNIX_EPOCH), Verdict::Sent { thread: None });
    }
}
