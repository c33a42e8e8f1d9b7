//! ClickHouse's reason for a refusal, in one line.

/// After these words ClickHouse repeats the statement, or names the place in it.
const ENDS: [&str; 12] = [
    ": failed at position ",
    " in scope ",
    ": In scope ",
    ". In query ",
    ": In query ",
    ": while executing ",
    ": While executing ",
    ": While processing ",
    ": while pushing to view ",
    ": (while reading from part",
    ": (at row ",
    " (version ",
];

/// ClickHouse's reason, without the statement, the place in it and the version.
pub fn one_line(error: &clickhouse::error::Error) -> String {
    let text = match error {
        clickhouse::error::Error::BadResponse(text) => text,
        other => {
            let sources = std::iter::successors(std::error::Error::source(other), |error| error.source());
            return sources.fold(other.to_string(), |text, source| format!("{text}: {source}"));
        }
    };
    let said = text.split("DB::Exception: ").last().unwrap_or(text);
    let end = ENDS.iter().filter_map(|end| said.find(end)).min().unwrap_or(said.len());
    // The suggestion follows after the statement.
    let suggestion = said[end..].split("Maybe you meant: ").nth(1).and_then(|rest| rest.split(']').next());
    let words: Vec<&str> = said[..end].split_whitespace().collect();
    let reason = words.join(" ").trim_end_matches(['.', ':']).to_owned();
    match suggestion {
        Some(suggestion) => format!("{reason}. Maybe you meant: {}", suggestion.trim_start_matches('[')),
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reason_is_left() {
        for (text, reason) in [
            (
                "Code: 47. DB::Exception: Unknown expression identifier `byts` in scope SELECT byts FROM t. Maybe you meant: ['bytes']. (UNKNOWN_IDENTIFIER) (version 26.7.2.1)",
                "Unknown expression identifier `byts`. Maybe you meant: 'bytes'",
            ),
            (
                "Code: 6. DB::Exception: Cannot parse string 'abc' as Float64: while executing 'FUNCTION toFloat64(v)'. (CANNOT_PARSE_TEXT) (version 26.7.2.1)",
                "Cannot parse string 'abc' as Float64",
            ),
            (
                "Code: 62. DB::Exception: Syntax error: failed at position 34 (AS) (line 1, col 34): AS a FROM t. Expected end of query. (SYNTAX_ERROR)",
                "Syntax error",
            ),
            (
                "Code: 60. DB::Exception: Table a.b\n  does not exist. (UNKNOWN_TABLE)",
                "Table a.b does not exist. (UNKNOWN_TABLE)",
            ),
            ("503 Service Unavailable", "503 Service Unavailable"),
        ] {
            assert_eq!(one_line(&clickhouse::error::Error::BadResponse(text.to_owned())), reason);
        }
    }
}
