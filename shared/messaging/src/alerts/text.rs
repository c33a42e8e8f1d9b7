//! Customers' text in subjects, attributes and mails.

use jiff::Timestamp;

/// SNS allows 99 characters of a subject.
const SUBJECT_CHARACTERS: usize = 99;

/// SNS takes printable ASCII in a subject; a customer id can hold anything.
pub(super) fn subject(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().map(safe).take(SUBJECT_CHARACTERS).collect()
}

/// The text without control characters. A message attribute and a line of text cannot hold them.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '?' } else { c })
        .collect()
}

/// A customer's text in a mail, on one line. Mail programs make no link of it.
pub(super) fn inert(text: &str) -> String {
    printable(text).replace("://", "[://]").replace("www.", "www[.]")
}

pub(super) fn numbered(steps: &[String]) -> Vec<String> {
    steps.iter().enumerate().map(|(number, step)| format!("{}. {step}", number + 1)).collect()
}

pub(super) fn capitalized(sentence: &str) -> String {
    // Most sentences begin with the name of a metric, which stays as it is.
    match sentence.strip_prefix("the ") {
        Some(rest) => format!("The {rest}"),
        None => sentence.to_owned(),
    }
}

/// A noun at the beginning of a line.
pub(super) fn with_capital(noun: &str) -> String {
    let mut letters = noun.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Unix milliseconds as RFC 3339.
pub(super) fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map(|at| at.to_string()).unwrap_or_default()
}
