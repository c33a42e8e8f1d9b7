//! Answers without secrets. Receivers repeat the request: a path in an error page, a key in a message. Answers go into
//! logs, errors and queues, so no part of a secret may be left in them.

/// Replaces a word that holds a secret.
const MASK: &str = "(secret)";

/// Characters in a row that make a word secret if the secret holds them too. Shorter parts occur in any text.
const PART: usize = 5;

/// Segments of addresses that are the same for every user.
const PUBLIC_WORDS: [&str; 8] =
    ["services", "workflows", "triggers", "hook", "hooks", "webhook", "webhooks", "sendMessage"];

/// `text` without the words that hold a part of a secret, in any case and with any escapes.
///
/// The secret part of an address begins with its path. With some providers the path is the key.
pub fn redacted(text: &str, secrets: &[&str]) -> String {
    let secrets: Vec<_> = secrets.iter().flat_map(|secret| parts_of(secret)).collect();
    let is_secret = |word: &str| {
        let word = bare(word);
        secrets.iter().any(|secret| has_common_part(&word, secret))
    };
    let mut kept = String::new();
    let ends_word = |c: char| c.is_whitespace() || "\"'<>(){}[],".contains(c);
    for word in text.split_inclusive(ends_word) {
        let end = word.trim_end_matches(ends_word).len();
        kept.push_str(if is_secret(&word[..end]) { MASK } else { &word[..end] });
        kept.push_str(&word[end..]);
    }
    // A secret may also be split over several words.
    if is_secret(&kept.replace(MASK, "\u{0}")) { MASK.to_owned() } else { kept }
}

/// The segments behind the host of an address, because the host is public. Any other secret as a whole.
fn parts_of(secret: &str) -> Vec<Vec<u8>> {
    let parts: Vec<&str> = match secret.split_once("://") {
        Some((_, rest)) => {
            let path = rest.find('/').map_or("", |path| &rest[path..]);
            path.split(['/', '?', '&', '=']).filter(|part| !PUBLIC_WORDS.contains(part)).collect()
        }
        None => vec![secret],
    };
    parts.into_iter().map(bare).collect()
}

/// Letters and digits in lower case. Escapes, quotes and slashes between them change nothing. Percent escapes are
/// decoded.
fn bare(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |place: usize| bytes.get(place).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bare, mut place) = (Vec::new(), 0);
    while place < bytes.len() {
        let escaped = (bytes[place] == b'%').then(|| digit(place + 1).zip(digit(place + 2))).flatten();
        let byte = match escaped {
            Some((high, low)) => u8::try_from(high * 16 + low).unwrap_or(0),
            None => bytes[place],
        };
        place += if escaped.is_some() { 3 } else { 1 };
        if byte.is_ascii_alphanumeric() || byte == 0 {
            bare.push(byte.to_ascii_lowercase());
        }
    }
    bare
}

/// Whether the word holds a part of the secret. A secret that is shorter than a part counts as a whole.
fn has_common_part(word: &[u8], secret: &[u8]) -> bool {
    let length = PART.min(secret.len());
    length > 0 && secret.windows(length).any(|part| word.windows(length).any(|other| other == part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBHOOK: &str = "https://hooks.slack.com/services/T0ABC123/B0DEF456/XyZsecret789abcDEF";

    #[test]
    fn no_part_of_a_secret_is_left() {
        for (text, expected) in [
            ("no_service", "no_service"),
            ("invalid_payload: no text", "invalid_payload: no text"),
            (r#"{"error":"xyzsecret7","code":5}"#, r#"{"error":"(secret)","code":5}"#),
            (
                "404 /services/T0ABC123/B0DEF456/XyZsecret789abcDEF was not found",
                "404 (secret) was not found",
            ),
            ("see T0ABC123 or B0DEF456.", "see (secret) or (secret)"),
            (r"<p>Cannot POST \/services\/T0ABC123\/B0DEF456</p>", "<p>Cannot POST (secret)</p>"),
            ("%2Fservices%2FT0ABC123%2FB0DEF456", "(secret)"),
            ("%58%79%5A%73%65%63%72%65%74", "(secret)"),
            ("the end is xyzsecret789ABC", "the end is (secret)"),
            ("cut: …t789abcDEF", "cut: (secret)"),
            ("at hooks.slack.com", "at hooks.slack.com"),
            ("X y Z s e c r e t", "(secret)"),
        ] {
            assert_eq!(redacted(text, &[WEBHOOK]), expected, "{text}");
        }
    }

    #[test]
    fn all_secrets_are_looked_for() {
        let secrets = ["0123456789abcdef", "xoxb-1-foo"];
        assert_eq!(
            redacted(r#"{"key":"0123456789abcdef"} xoxb-1-foo ok"#, &secrets),
            r#"{"key":"(secret)"} (secret) ok"#
        );
        assert_eq!(redacted("abc ok", &["abc"]), "(secret) ok", "a short secret is one as well");
        assert_eq!(
            redacted("ok", &["", "https://example.com"]),
            "ok",
            "no secret, and an address without a path"
        );
    }
}
