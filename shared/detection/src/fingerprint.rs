//! What messages of the same kind have in common: a short text to count them by.
//!
//! Numbers, ids, times and paths differ from message to message. The other words are those of the program that wrote it.
//!
//! | step | rule |
//! |---|---|
//! | words | A word ends at a space, a tab, a line feed, a form feed or a carriage return. |
//! | masks | A word that holds a digit from 0 to 9 or a slash becomes [`MASK`]. So a path with all of its word is one mask. |
//! | length | The first [`LENGTH`] characters of that count. The rest is detail, such as the answer of another service. |
//!
//! The rule has no state. The same message has the same fingerprint for ever, also in SQL (`catalog::fingerprint_sql`).

/// What stands for a masked word.
pub const MASK: &str = "*";

/// Characters of a fingerprint at most.
pub const LENGTH: usize = 200;

/// The fingerprint of a message.
pub fn fingerprint(message: &str) -> String {
    masked(message).take(LENGTH).collect()
}

/// All characters of a message with its masks.
pub fn masked(message: &str) -> impl Iterator<Item = char> + '_ {
    // Each part is a word with the space behind it.
    message.split_inclusive(is_space).flat_map(|part| {
        let word = part.trim_end_matches(is_space);
        let kept = if word.contains(is_masked) { MASK } else { word };
        kept.chars().chain(part[word.len()..].chars())
    })
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\x0C' | '\r')
}

fn is_masked(character: char) -> bool {
    character.is_ascii_digit() || character == '/'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_from_message_to_message_is_masked() {
        for (message, expected) in [
            ("", ""),
            ("Code not found", "Code not found"),
            ("order 17 not found", "order * not found"),
            ("order e4e9bbd8-997a-4b51-b580-8efd4c107e76: gone", "order * gone"),
            ("16:42:10.333 WARN o.s.OrderServiceImpl#68 [Seat][No content]", "* WARN * [Seat][No content]"),
            ("cannot open /var/lib/data", "cannot open *"),
            ("GET https://example.com/a?b=c: refused", "GET * refused"),
            ("\"path\":\"/api/orders\" failed", "* failed"),
            ("two  spaces\tand\r\nlines 2 ", "two  spaces\tand\r\nlines * "),
            ("7", "*"),
            (" / ", " * "),
            // Digits of other scripts and other spaces are letters like any other.
            ("größe ٣ zu\u{a0}klein", "größe ٣ zu\u{a0}klein"),
            ("größe 3 zu\u{a0}klein", "größe * zu\u{a0}klein"),
            ("line\u{b}7 tab", "* tab"),
        ] {
            assert_eq!(fingerprint(message), expected, "{message:?}");
        }
    }

    #[test]
    fn the_end_of_a_long_message_does_not_count() {
        let of = |detail: &str| fingerprint(&format!("{}{detail}", "ä ".repeat(100)));
        assert_eq!(of("this").chars().count(), LENGTH);
        assert_eq!(of("this"), of("that"));
        // Masks are made first, so the length of what they hide does not count.
        let masked = |digits: usize| fingerprint(&format!("{} {}", "7".repeat(digits), "word ".repeat(100)));
        assert_eq!(masked(1), masked(500));
    }

    proptest! {
        #[test]
        fn a_fingerprint_is_its_own(message in any::<String>()) {
            let once = fingerprint(&message);
            prop_assert!(once.chars().count() <= LENGTH);
            prop_assert!(!once.contains(is_masked), "{once}");
            prop_assert_eq!(fingerprint(&once), once);
        }
    }
}
