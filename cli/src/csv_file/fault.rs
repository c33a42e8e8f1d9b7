//! Faults of lines: what is wrong, and what is allowed.

use std::fmt::Write;
use std::path::Path;

use csv::ByteRecord;

/// The fault of a line: the column, its text, and the allowed values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) column: &'static str,
    pub(crate) text: String,
    pub(crate) allowed: String,
}

/// The faults of a file.
#[derive(Default)]
pub(crate) struct Faults {
    count: u64,
    shown: String,
}

/// Faults that are shown. Further ones are only counted.
const FAULTS_SHOWN: usize = 20;

impl Fault {
    pub(crate) fn new(column: &'static str, text: &str, allowed: String) -> Self {
        Self { column, text: shorten(text), allowed }
    }

    /// The fault of a line that has not as many fields as the header.
    pub(crate) fn of_fields(record: &ByteRecord, expected: usize) -> Option<Self> {
        if record.len() == expected {
            return None;
        }
        let quote = if record.iter().flatten().any(|&byte| byte == b'\n') {
            "; is a quote opened here and never closed?"
        } else {
            ""
        };
        let text = record.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
        let allowed = format!("{expected} fields, as in the header, not {}{quote}", record.len());
        Some(Self::new("fields", &text, allowed))
    }
}

impl Faults {
    pub(crate) fn add(&mut self, line: u64, fault: &Fault) {
        if self.count < FAULTS_SHOWN as u64 {
            let Fault { column, text, allowed } = fault;
            // Writing into a String cannot fail.
            let _ = write!(
                self.shown,
                "\n  line {line}, {column}: \"{text}\" is not allowed; allowed is {allowed}"
            );
        }
        self.count += 1;
    }

    /// The faults of a file of so many lines. `None` if there are none. `consequence` says what did not happen.
    pub(crate) fn report(&self, path: &Path, lines: u64, consequence: &str) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let mut report = format!(
            "{}: {} of {lines} lines are wrong, so {consequence}:{}",
            path.display(),
            self.count,
            self.shown
        );
        let hidden = self.count.saturating_sub(FAULTS_SHOWN as u64);
        if hidden > 0 {
            let _ = write!(report, "\n  and {hidden} more");
        }
        Some(report)
    }
}

/// A field in UTF-8.
pub(crate) fn text<'a>(record: &'a ByteRecord, place: usize, column: &'static str) -> Result<&'a str, Fault> {
    let bytes = record.get(place).unwrap_or_default();
    std::str::from_utf8(bytes)
        .map_err(|_| Fault::new(column, &String::from_utf8_lossy(bytes), "text in UTF-8".to_owned()))
}

/// A name is used unchanged. White space around it is refused, because `acme` and `acme ` would be two customers. Only
/// the end of the line is cut off.
pub(crate) fn name<'a>(
    record: &'a ByteRecord,
    place: usize,
    column: &'static str,
    max: usize,
) -> Result<&'a str, Fault> {
    let mut name = text(record, place, column)?;
    if place + 1 == record.len() {
        name = name.strip_suffix('\r').unwrap_or(name);
    }
    if name.is_empty() || name.len() > max || name.trim() != name {
        let allowed = format!("a name of 1 to {max} bytes that neither begins nor ends with white space");
        return Err(Fault::new(column, name, allowed));
    }
    Ok(name)
}

/// A text for messages: control characters made visible, at most one line.
pub(crate) fn shorten(text: &str) -> String {
    const MAX: usize = 80;
    let mut short: String = text.chars().take(MAX).collect();
    if text.chars().nth(MAX).is_some() {
        short.push('…');
    }
    short.escape_debug().to_string()
}
