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

#[cfg(test)]
mod tests {
    use detection::fingerprint;
    use regex_lite::Regex;

    use super::*;

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
