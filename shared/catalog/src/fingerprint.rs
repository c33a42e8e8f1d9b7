//! The fingerprint of messages in SQL. [`detection::fingerprint`](mod@detection::fingerprint) has its rule.

use detection::fingerprint::{LENGTH, MASK};

/// Words to mask, as a pattern of RE2. It names the spaces, since what `\s` means depends on the engine.
const MASKED: &str = r"[^ \t\n\f\r]*[0-9/][^ \t\n\f\r]*";

/// The expression in the SQL of ClickHouse that gives the fingerprint of a message, which is an expression too.
///
/// Digits and slashes have one pattern, because a message is then read once.
pub fn fingerprint_sql(message: &str) -> String {
    let pattern = MASKED.replace('\\', r"\\");
    format!("substringUTF8(replaceRegexpAll({message}, '{pattern}', '{MASK}'), 1, {LENGTH})")
}

/// The name of the function in expressions of a catalog.
const FUNCTION: &str = "fingerprint";

/// An expression with its calls of `fingerprint(message)` written out. A call that is not closed stays as it is.
pub(crate) fn expand(text: &str) -> String {
    let Some((start, open)) = first_call(text) else { return text.to_owned() };
    let Some(close) = closing(&text[open + 1..]) else { return text.to_owned() };
    let (message, rest) = (&text[open + 1..open + 1 + close], &text[open + 2 + close..]);
    format!("{}{}{}", &text[..start], fingerprint_sql(&expand(message)), expand(rest))
}

/// Where the first call begins, and its parenthesis.
fn first_call(text: &str) -> Option<(usize, usize)> {
    let is_part_of_a_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let mut before = ' ';
    for (at, c) in outside_of_quotes(text) {
        let begins = !is_part_of_a_name(before) && text[at..].starts_with(FUNCTION);
        before = c;
        if begins {
            let rest = &text[at + FUNCTION.len()..];
            let spaces = rest.len() - rest.trim_start().len();
            if rest[spaces..].starts_with('(') {
                return Some((at, at + FUNCTION.len() + spaces));
            }
        }
    }
    None
}

/// Where the parenthesis is closed that was opened before a text.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    let mut closes = |c| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    };
    outside_of_quotes(text).find(|(_, c)| closes(*c)).map(|(at, _)| at)
}

/// The characters of an expression that are no part of a text or a quoted name.
fn outside_of_quotes(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let (mut quote, mut is_escaped) = (None, false);
    text.char_indices().filter(move |(_, c)| match quote {
        Some(_) if is_escaped => {
            is_escaped = false;
            false
        }
        Some(open) => {
            is_escaped = *c == '\\';
            if *c == open {
                quote = None;
            }
            false
        }
        None => {
            quote = Some(*c).filter(|c| matches!(c, '\'' | '"' | '`'));
            quote.is_none()
        }
    })
}

#[cfg(test)]
mod tests {
    use detection::fingerprint;
    use regex_lite::Regex;

    use super::*;

    #[test]
    fn calls_are_written_out_and_nothing_else_is() {
        let of = fingerprint_sql;
        for (text, expected) in [
            ("fingerprint(Body)", of("Body")),
            ("fingerprint (Body)", of("Body")),
            (
                "if(failed, fingerprint(concat(a, ')', b)), NULL)",
                format!("if(failed, {}, NULL)", of("concat(a, ')', b)")),
            ),
            ("fingerprint(fingerprint(a)) || fingerprint(b)", format!("{} || {}", of(&of("a")), of("b"))),
        ] {
            assert_eq!(expand(text), expected, "{text}");
        }
        for same in [
            "fingerprint",
            "fingerprint_of(a)",
            "my_fingerprint(a)",
            "t.fingerprint(a)",
            "'fingerprint(a)'",
            r"'it\'s fingerprint(a)'",
            "`fingerprint(a)`",
            "fingerprint(a",
            "größe",
        ] {
            assert_eq!(expand(same), same);
        }
    }

    #[test]
    fn the_expression() {
        assert_eq!(
            fingerprint_sql("Body"),
            r"substringUTF8(replaceRegexpAll(Body, '[^ \\t\\n\\f\\r]*[0-9/][^ \\t\\n\\f\\r]*', '*'), 1, 200)"
        );
    }

    #[test]
    fn it_agrees_with_the_function() {
        let pattern = Regex::new(MASKED).unwrap();
        let by_sql =
            |message: &str| -> String { pattern.replace_all(message, MASK).chars().take(LENGTH).collect() };
        let long = format!("{} 7 {}", "ä ".repeat(60), "word ".repeat(60));
        for message in [
            "",
            "*",
            "Code not found",
            "order 17 not found",
            "[orderId: e4e9bbd8-997a-4b51-b580-8efd4c107e76] ",
            "16:42:10.333 WARN  o.s.OrderServiceImpl#68 [Seat][No content]",
            "cannot open /var/lib/data: no such file",
            "GET https://example.com/a?b=c\trefused\r\n\r\n at line 3\x0Cx",
            "{\"path\":\"/api/orders\",\"status\":500}",
            "größe ٣ zu\u{a0}klein, \u{2003}7",
            "a\u{b}7 b\0 9",
            "1 2/3  /",
            &long,
        ] {
            assert_eq!(by_sql(message), fingerprint(message), "{message:?}");
        }
    }
}
