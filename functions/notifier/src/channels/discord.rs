//! Discord, by a webhook with one embed. Discord reads Markdown in embeds, so every character with a meaning there is
//! escaped. The message allows no mention at all.

use std::time::{Duration, SystemTime};

use messaging::outbound::{Answer, OutboundRequest, PICTURE, Upload};
use serde_json::{Value, json};

use super::{PICTURE_TEXT, Verdict, by_status_of_address};
use crate::alert::Severity;
use crate::message::Message;
use crate::text::{unlinked, utf16};

/// Limits of an embed. All its texts together may have 6,000 characters.
const TITLE: usize = 256;
const VALUE: usize = 700;
const FIELDS: usize = 12;

/// Discord takes 4,096. The rest of the 6,000 is for title and fields.
const DESCRIPTION: usize = 3_300;

const RED: u32 = 0x00d0_342c;
const ORANGE: u32 = 0x00e5_a000;
const GREEN: u32 = 0x002e_8b57;

/// The address of the webhook is the secret. With `wait`, Discord answers only after it has stored the message.
pub fn request(message: Message<'_>, url: &str) -> OutboundRequest {
    OutboundRequest { url: waiting(url), headers: Vec::new(), body: payload(message).to_string() }
}

/// The same with the chart as a picture in the embed.
pub fn with_picture(message: Message<'_>, url: &str, png: Vec<u8>) -> Upload {
    let mut payload = payload(message);
    payload["embeds"][0]["image"] = json!({ "url": format!("attachment://{PICTURE}") });
    payload["attachments"] = json!([{ "id": 0, "filename": PICTURE, "description": PICTURE_TEXT }]);
    Upload { url: waiting(url), fields: vec![("payload_json", payload.to_string())], name: "files[0]", png }
}

fn waiting(url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}wait=true")
}

/// Discord names the pause in the body, in seconds with a fraction.
pub fn verdict(answer: &Answer, now: SystemTime) -> Verdict {
    match by_status_of_address(answer, now) {
        Verdict::Passing { reason, retry_after } => {
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let told = body["retry_after"].as_f64();
            let told = told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            Verdict::Passing { reason, retry_after: told.or(retry_after) }
        }
        other => other,
    }
}

fn payload(message: Message<'_>) -> Value {
    let mut facts = message.facts();
    facts.extend(message.customer().map(|customer| ("Customer", customer)));
    let field = |(label, text): &(&str, String)| json!({ "name": label, "value": escaped(text, VALUE), "inline": true });
    let mut embed = json!({
        "title": escaped(&message.headline(), TITLE),
        "color": color(message),
        "fields": facts.iter().take(FIELDS).map(field).collect::<Vec<_>>(),
    });
    let description = description(message);
    if !description.is_empty() {
        embed["description"] = description.into();
    }
    if let Some(link) = message.link() {
        embed["url"] = link.into();
    }
    if let Some(at) = message.alert.detected_at {
        embed["timestamp"] = at.to_string().into();
    }
    json!({ "embeds": [embed], "allowed_mentions": { "parse": [] } })
}

/// As many whole lines as fit.
fn description(message: Message<'_>) -> String {
    let mut lines = Vec::new();
    let description = message.description();
    if !description.is_empty() {
        lines.push(escaped(&description, DESCRIPTION));
    }
    if let Some((title, entries)) = message.list() {
        lines.push(format!("**{title}**"));
        lines.extend(
            entries.iter().map(|(customer, text)| escaped(&format!("{customer}: {text}"), DESCRIPTION)),
        );
    }
    let steps = message.steps();
    if !steps.is_empty() {
        lines.push("**What to do**".to_owned());
        let numbered = |(i, step): (usize, &String)| escaped(&format!("{}. {step}", i + 1), DESCRIPTION);
        lines.extend(steps.iter().enumerate().map(numbered));
    }
    let mut text = String::new();
    for line in lines {
        if utf16(&text) + utf16(&line) + 2 > DESCRIPTION {
            text.push_str("\n…");
            break;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

fn color(message: Message<'_>) -> u32 {
    match message.severity() {
        _ if !message.alerts().any(|alert| alert.event.is_page()) => GREEN,
        Severity::Critical => RED,
        Severity::Warning => ORANGE,
    }
}

/// The text without links, with a backslash before each character that Markdown knows, in at most `limit` UTF-16 units.
/// A cut never leaves a backslash at the end.
fn escaped(text: &str, limit: usize) -> String {
    let (mut escaped, mut size) = (String::new(), 0);
    for c in unlinked(text).chars() {
        let is_markup =
            c.is_ascii_punctuation() && !matches!(c, '.' | ',' | '%' | '/' | '\'' | '"' | ';' | '?');
        let more = c.len_utf16() + usize::from(is_markup);
        if size + more + 1 > limit {
            escaped.push('…');
            break;
        }
        size += more;
        if is_markup {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_has_no_effect() {
        assert_eq!(
            escaped("**a** _b_ [c](https://d) <@1>", 100),
            r"\*\*a\*\* \_b\_ \[c\]\(https\[\:\]//d\) \<＠1\>"
        );
        assert_eq!(escaped("a\\", 100), r"a\\");
        assert_eq!(escaped("ab*", 4), "ab…");
        assert_eq!(escaped("👩👩", 4), "👩…");
        assert!(utf16(&escaped(&"*".repeat(5_000), 700)) <= 700);
    }

    #[test]
    fn answers_of_discord() {
        let of = |status, body: &str| {
            let answer = Answer {
                status,
                retry_after: Some("2".to_owned()),
                body: body.to_owned(),
                is_complete: true,
            };
            verdict(&answer, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(of(200, "{}"), Verdict::Sent { thread: None });
        assert_eq!(of(204, ""), Verdict::Sent { thread: None });
        let limited =
            of(429, r#"{"message": "You are being rate limited.", "retry_after": 1.337, "global": false}"#);
        let Verdict::Passing { retry_after, .. } = limited else { panic!("not passing") };
        assert_eq!(retry_after, Some(Duration::from_millis(1_337)));
        let Verdict::Passing { retry_after, .. } = of(503, "?") else { panic!("not passing") };
        assert_eq!(retry_after, Some(Duration::from_secs(2)));
        assert!(matches!(of(404, r#"{"code": 10015}"#), Verdict::Unauthorized { .. }));
        assert!(matches!(of(400, r#"{"embeds": ["0"]}"#), Verdict::Refused { .. }));
    }
}
