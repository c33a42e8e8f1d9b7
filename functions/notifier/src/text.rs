//! Text of customers in messages. It may hold anything, and must not mention anybody, make a link or break a layout.

/// The text without characters that move, hide or cannot show: control characters, line ends and bidirectional
/// controls. Each becomes a visible mark. So two ids that differ only in them look different.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// [`clean`] for receivers that make links of addresses in plain text and offer no way to prevent that.
pub(crate) fn unlinked(text: &str) -> String {
    clean(text).replace("://", "[:]//").replace('@', "\u{ff20}")
}

/// [`unlinked`] for receivers that read HTML tags in texts. Signs that look alike take the place of `<`, `>` and `&`.
pub(crate) fn without_tags(text: &str) -> String {
    unlinked(text).replace('<', "‹").replace('>', "›").replace('&', "＆")
}

/// At most `limit` UTF-16 units, with an ellipsis if the text is cut. No provider counts a text as longer than that.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if utf16(text) <= limit {
        return text.to_owned();
    }
    let (mut cut, mut size) = (String::new(), 1);
    for c in text.chars() {
        size += c.len_utf16();
        if size > limit {
            break;
        }
        cut.push(c);
    }
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// Length in UTF-16 units.
pub(crate) fn utf16(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The text with three characters escaped that mean something in HTML and in Slack's markup.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Line and paragraph separators, bidirectional marks, embeddings, overrides and isolates.
            '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            // Invisible: zero width space, joiners of words, byte order mark, soft hyphen, fillers, tags.
            | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{ad}'
            | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
            // Annotations and non-characters.
            | '\u{fff9}'..='\u{fffb}' | '\u{fdd0}'..='\u{fdef}')
        || (u32::from(c) & 0xfffe) == 0xfffe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_unseen_is_left() {
        let hostile =
            "a\u{0}b\nc\u{202e}d\u{2066}e\u{feff}f\u{2028}g\u{7f}h\u{85}i\u{ffff}j\u{200b}k\u{e0041}l";
        assert_eq!(clean(hostile), "a�b�c�d�e�f�g�h�i�j�k�l");
        assert_eq!(clean("客户 – Zoë 👩‍🔧 عميل"), "客户 – Zoë 👩‍🔧 عميل");
        assert_eq!(unlinked("https://evil.example @here"), "https[:]//evil.example ＠here");
    }

    #[test]
    fn cut_at_a_character() {
        for (text, limit, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("ab cd", 4, "ab…"),
            ("👩👩", 4, "👩👩"),
            ("👩👩", 3, "👩…"),
            ("客户客户", 3, "客户…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, limit), expected, "{text} {limit}");
        }
    }

    proptest! {
        #[test]
        fn cuts_keep_the_limit(text in any::<String>(), limit in 1_usize..50) {
            prop_assert!(utf16(&cut(&text, limit)) <= limit);
        }
    }
}
