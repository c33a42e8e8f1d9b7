//! The channels: how each writes a message as a request, and how it reads the answer. All of it is pure. `send` does
//! the sending.

use std::time::{Duration, SystemTime};

use messaging::outbound::Answer;
use sha2::{Digest, Sha256};

use crate::text::{clean, cut};

pub mod amazon_q;
pub mod discord;
mod envelope;
pub mod event_bus;
pub mod google_chat;
pub mod opsgenie;
pub mod pagerduty;
pub mod slack;
pub mod teams;
pub mod telegram;
pub mod template;
pub mod webhook;

/// The meaning of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took the message. A channel with threads names the thread.
    Sent { thread: Option<String> },
    /// A later try may succeed, but not before `retry_after`.
    Passing { reason: String, retry_after: Option<Duration> },
    /// The receiver does not accept the secret. The secret may have been rotated.
    Unauthorized { reason: String },
    /// The thread no longer exists. The message may succeed without it.
    ThreadGone { reason: String },
    /// The receiver is gone for good.
    Gone { reason: String },
    /// The same message would be refused again.
    Refused { reason: String },
}

impl Verdict {
    /// The same verdict with the reason of another. A sent message has no reason.
    pub(crate) fn with_reason_of(mut self, other: Self) -> Self {
        if let (Some(reason), Some(words)) = (self.reason_mut(), { other }.reason_mut()) {
            *reason = std::mem::take(words);
        }
        self
    }

    fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Sent { .. } => None,
            Self::Passing { reason, .. }
            | Self::Unauthorized { reason }
            | Self::ThreadGone { reason }
            | Self::Gone { reason }
            | Self::Refused { reason } => Some(reason),
        }
    }
}

/// What a picture shows, for people who do not see it.
const PICTURE_TEXT: &str = "The last 24 hours, what is usual at these hours, and the window that was judged";

/// Characters of an answer's body that are kept for people.
const EXCERPT: usize = 200;

/// The meaning of a status, if the provider defines no other.
fn by_status(answer: &Answer, now: SystemTime) -> Verdict {
    let reason = reason(answer);
    match answer.status {
        200..=299 => Verdict::Sent { thread: None },
        300..=399 => Verdict::Refused { reason: format!("{reason} (redirects are not followed)") },
        401 | 403 => Verdict::Unauthorized { reason },
        408 | 429 | 500..=599 => Verdict::Passing { reason, retry_after: retry_after(answer, now) },
        _ => Verdict::Refused { reason },
    }
}

/// The same where the address is the secret. An address that leads nowhere may have been replaced.
fn by_status_of_address(answer: &Answer, now: SystemTime) -> Verdict {
    match by_status(answer, now) {
        Verdict::Refused { reason } if matches!(answer.status, 404 | 410) => Verdict::Unauthorized { reason },
        other => other,
    }
}

/// The status and the beginning of the body.
fn reason(answer: &Answer) -> String {
    let body = cut(&clean(answer.body.trim()), EXCERPT);
    if body.is_empty() {
        format!("HTTP {}", answer.status)
    } else {
        format!("HTTP {}: {body}", answer.status)
    }
}

/// `Retry-After`: seconds, or a date.
fn retry_after(answer: &Answer, now: SystemTime) -> Option<Duration> {
    let text = answer.retry_after.as_deref()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

/// The id, or its SHA-256 in hexadecimal if the id is longer than the receiver takes or is not printable ASCII.
fn id_within(id: &str, limit: usize) -> String {
    if id.len() <= limit && id.chars().all(|c| c.is_ascii_graphic()) {
        return id.to_owned();
    }
    hex::encode(Sha256::digest(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
        let answer = Answer {
            status,
            retry_after: retry_after.map(str::to_owned),
            body: " no\u{202e} ".to_owned(),
            is_complete: true,
        };
        by_status(&answer, httpdate::parse_http_date("Sat, 21 Nov 2026 13:00:00 GMT").unwrap())
    }

    #[test]
    fn statuses() {
        for status in [200, 202, 204] {
            assert_eq!(verdict(status, None), Verdict::Sent { thread: None });
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(matches!(verdict(status, None), Verdict::Passing { retry_after: None, .. }), "{status}");
        }
        for status in [401, 403] {
            assert!(matches!(verdict(status, None), Verdict::Unauthorized { .. }), "{status}");
        }
        for status in [301, 302, 307, 308, 400, 404, 410, 413, 422] {
            assert!(matches!(verdict(status, None), Verdict::Refused { .. }), "{status}");
        }
        assert_eq!(verdict(400, None), Verdict::Refused { reason: "HTTP 400: no\u{fffd}".to_owned() });
    }

    #[test]
    fn times_to_wait() {
        let of = |text| match verdict(429, Some(text)) {
            Verdict::Passing { retry_after, .. } => retry_after.map(|time| time.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(of("7"), Some(7));
        assert_eq!(of(" 0 "), Some(0));
        assert_eq!(of("Sat, 21 Nov 2026 13:00:09 GMT"), Some(9));
        assert_eq!(of("Sat, 21 Nov 2026 12:00:00 GMT"), Some(0));
        for nonsense in ["", "soon", "-5", "1.5"] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn ids() {
        assert_eq!(id_within("1.m.YQ", 255), "1.m.YQ");
        assert_eq!(id_within(&"x".repeat(255), 255).len(), 255);
        assert_eq!(id_within(&"x".repeat(256), 255).len(), 64);
        assert_eq!(id_within("a b", 255).len(), 64);
        assert_eq!(id_within("é", 255), "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c");
    }
}
