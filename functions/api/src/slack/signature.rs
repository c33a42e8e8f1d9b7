//! Slack's signature of a request: `v0=` and the HMAC-SHA256 of `v0:{timestamp}:{body}`, in hexadecimal digits
//! (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).

use axum::http::HeaderMap;
use hmac_sha256::HMAC;
use jiff::Timestamp;

use crate::error::{Code, Problem};

/// How old a request may be, and how far ahead the clock of Slack.
const MAX_AGE_SECONDS: u64 = 300;

/// What a request says of its signature. Its age is right.
#[derive(Debug)]
pub(crate) struct Signed {
    /// The time as it is written, because the signature is of the text.
    timestamp: String,
    pub(crate) at: Timestamp,
    signature: [u8; 32],
}

impl Signed {
    pub(crate) fn read(headers: &HeaderMap, now: Timestamp) -> Result<Self, Problem> {
        let of = || {
            let text = |name: &str| headers.get(name)?.to_str().ok();
            let timestamp = text("x-slack-request-timestamp")?;
            let seconds: i64 = timestamp.parse().ok()?;
            let mut signature = [0; 32];
            hex::decode_to_slice(text("x-slack-signature")?.strip_prefix("v0=")?, &mut signature).ok()?;
            let is_fresh = seconds.abs_diff(now.as_second()) <= MAX_AGE_SECONDS;
            let at = Timestamp::from_second(seconds).ok().filter(|_| is_fresh)?;
            Some(Self { timestamp: timestamp.to_owned(), at, signature })
        };
        of().ok_or_else(refused)
    }

    /// Whether the signature is of this body, by this secret. The comparison takes the same time for all signatures.
    pub(crate) fn is_by(&self, secret: &str, body: &[u8]) -> bool {
        let mut mac = HMAC::new(secret.as_bytes());
        mac.update(b"v0:");
        mac.update(self.timestamp.as_bytes());
        mac.update(b":");
        mac.update(body);
        mac.finalize_verify(&self.signature)
    }

    /// A name of the request that no other request has.
    pub(crate) fn id(&self) -> String {
        hex::encode(self.signature)
    }
}

/// One answer for all faults. It tells a forger nothing.
pub(super) fn refused() -> Problem {
    let detail = "the request is not signed by Slack with the signing secret of this stack, or is older than five minutes";
    Problem::of(Code::Unauthorized, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's documentation.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const TIME: i64 = 1_531_420_618;

    fn read(timestamp: &str, signature: &str, seconds_later: i64) -> Result<Signed, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert("x-slack-request-timestamp", timestamp.parse().unwrap());
        headers.insert("x-slack-signature", signature.parse().unwrap());
        Signed::read(&headers, Timestamp::from_second(TIME + seconds_later).unwrap())
    }

    #[test]
    fn the_example_of_the_documentation() {
        let signed = read(&TIME.to_string(), SIGNATURE, 0).unwrap();
        assert!(signed.is_by(SECRET, BODY.as_bytes()));
        assert!(!signed.is_by(SECRET, BODY.replace("roadrunner", "coyote").as_bytes()));
        assert!(!signed.is_by("8f742231b10e8888abcd99yyyzzz85a6", BODY.as_bytes()));
        let later = read(&(TIME + 1).to_string(), SIGNATURE, 0).unwrap();
        assert!(!later.is_by(SECRET, BODY.as_bytes()), "the time is signed too");
    }

    #[test]
    fn old_and_malformed_requests() {
        for (seconds_later, is_fresh) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
            assert_eq!(
                read(&TIME.to_string(), SIGNATURE, seconds_later).is_ok(),
                is_fresh,
                "{seconds_later}"
            );
        }
        for (timestamp, signature) in [
            ("", SIGNATURE),
            ("now", SIGNATURE),
            ("1531420618.5", SIGNATURE),
            ("9223372036854775807", SIGNATURE),
            ("-9223372036854775808", SIGNATURE),
            ("1531420618", ""),
            ("1531420618", &SIGNATURE[3..]),
            ("1531420618", &SIGNATURE[..60]),
            ("1531420618", "v1=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ] {
            assert_eq!(read(timestamp, signature, 0).unwrap_err().status(), 401, "{timestamp} {signature}");
        }
        assert_eq!(Signed::read(&HeaderMap::new(), Timestamp::UNIX_EPOCH).unwrap_err().status(), 401);
    }
}
