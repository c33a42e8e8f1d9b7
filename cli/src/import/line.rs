//! One line of the file: the rules of its columns, and the events that it stands for.

use std::collections::BTreeMap;

use catalog::{Aggregate, Catalog};
use csv::ByteRecord;
use detection::CustomerId;

use super::{number, time};

const MAX_EVENT_TYPE_BYTES: usize = 256;

/// Where the columns are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    count: usize,
    customer_id: usize,
    subject: usize,
    /// The subject is a metric, not an event type.
    by_metric: bool,
    timestamp: usize,
    value: usize,
}

/// The fault of a line: the column, its text, and the allowed values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) column: &'static str,
    pub(crate) text: String,
    pub(crate) allowed: String,
}

/// The events of one line, all alike.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) customer_id: &'a str,
    pub(crate) event_type: &'a str,
    /// Unix milliseconds.
    pub(crate) timestamp: i64,
    pub(crate) properties: String,
    pub(crate) events: u64,
}

/// How the catalog turns values of each metric into events.
pub(crate) struct Rules(BTreeMap<String, Rule>);

enum Rule {
    Count {
        event_type: String,
    },
    /// `key` is a JSON string, quotes included.
    Property {
        event_type: String,
        key: String,
        never_negative: bool,
    },
}

impl Columns {
    /// `Err` names the fault of the header.
    pub(crate) fn of_header(record: &ByteRecord) -> Result<Self, String> {
        const EXPECTED: &str =
            "the columns must be customer_id, metric or event_type, timestamp, value, in any order";
        let names: Vec<_> = record
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned())
            .collect();
        let place = |wanted: &str| {
            let mut places =
                names.iter().enumerate().filter(|(_, name)| *name == wanted).map(|(place, _)| place);
            match (places.next(), places.next()) {
                (Some(_), Some(_)) => Err(format!("two columns are named `{wanted}`; {EXPECTED}")),
                (place, _) => Ok(place),
            }
        };
        if let [only] = names.as_slice()
            && only.contains([';', '\t'])
        {
            return Err(format!("columns are separated by commas, not by semicolons or tabs; {EXPECTED}"));
        }
        if let Some(unknown) = names.iter().find(|name| {
            !["customer_id", "metric", "event_type", "timestamp", "value"].contains(&name.as_str())
        }) {
            return Err(format!("unknown column `{}`; {EXPECTED}", shorten(unknown)));
        }
        let required =
            |wanted: &str| place(wanted)?.ok_or_else(|| format!("no column `{wanted}`; {EXPECTED}"));
        let (subject, by_metric) = match (place("metric")?, place("event_type")?) {
            (Some(place), None) => (place, true),
            (None, Some(place)) => (place, false),
            (Some(_), Some(_)) => return Err(format!("both `metric` and `event_type`; {EXPECTED}")),
            (None, None) => return Err(format!("neither `metric` nor `event_type`; {EXPECTED}")),
        };
        Ok(Self {
            count: names.len(),
            customer_id: required("customer_id")?,
            subject,
            by_metric,
            timestamp: required("timestamp")?,
            value: required("value")?,
        })
    }
}

impl Columns {
    /// The metric that a line names.
    pub(crate) fn metric<'a>(&self, record: &'a ByteRecord) -> Option<&'a str> {
        let name = record.get(self.subject).filter(|_| self.by_metric)?;
        std::str::from_utf8(name).ok().map(str::trim)
    }
}

impl Rules {
    /// A metric without an entry for importing, or of another table than `events`, has no rule.
    pub(crate) fn of_catalog(catalog: &Catalog) -> Self {
        let rules = catalog.metrics().iter().filter(|metric| metric.table == crate::events::EVENTS);
        let rules = rules.filter_map(|metric| {
            let import = metric.import.as_ref()?;
            let event_type = import.event_type.clone();
            let rule = match (metric.aggregate, &import.property) {
                (Aggregate::Count, _) => Rule::Count { event_type },
                (_, Some(property)) => {
                    let key = serde_json::Value::from(property.as_str()).to_string();
                    Rule::Property { event_type, key, never_negative: metric.never_negative() }
                }
                (_, None) => return None,
            };
            Some((metric.name.to_string(), rule))
        });
        Self(rules.collect())
    }

    fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The count metric that also counts the events of this metric, if there is one.
    pub(crate) fn also_counted_by(&self, metric: &str) -> Option<&str> {
        let Some(Rule::Property { event_type: written, .. }) = self.0.get(metric) else { return None };
        self.0.iter().find_map(|(name, rule)| match rule {
            Rule::Count { event_type } if event_type == written => Some(name.as_str()),
            _ => None,
        })
    }

    pub(crate) fn parse<'a>(&'a self, columns: Columns, record: &'a ByteRecord) -> Result<Line<'a>, Fault> {
        if record.len() != columns.count {
            let quote = if record.iter().flatten().any(|&byte| byte == b'\n') {
                "; is a quote opened here and never closed?"
            } else {
                ""
            };
            return Err(fault(
                "fields",
                &record.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(","),
                format!("{} fields, as in the header, not {}{quote}", columns.count, record.len()),
            ));
        }
        let customer_id = name(record, columns.customer_id, "customer_id", CustomerId::MAX_BYTES)?;
        let timestamp_text = text(record, columns.timestamp, "timestamp")?.trim();
        let timestamp = time::milliseconds(timestamp_text)
            .map_err(|allowed| fault("timestamp", timestamp_text, allowed))?;
        let value = text(record, columns.value, "value")?.trim();
        if columns.by_metric {
            let metric = text(record, columns.subject, "metric")?.trim();
            self.metric_events(customer_id, metric, timestamp, value)
        } else {
            let event_type = name(record, columns.subject, "event_type", MAX_EVENT_TYPE_BYTES)?;
            let properties = if value.is_empty() {
                "{}".to_owned()
            } else {
                let number = number::json_number(value)
                    .map_err(|allowed| fault("value", value, format!("{allowed}, or nothing")))?;
                format!("{{\"value\":{number}}}")
            };
            Ok(Line { customer_id, event_type, timestamp, properties, events: 1 })
        }
    }

    fn metric_events<'a>(
        &'a self,
        customer_id: &'a str,
        metric: &str,
        timestamp: i64,
        value: &str,
    ) -> Result<Line<'a>, Fault> {
        match self.0.get(metric) {
            Some(Rule::Count { event_type }) => {
                let events =
                    if value.is_empty() { Ok(1) } else { number::count(value) }.map_err(|allowed| {
                        fault("value", value, format!("{allowed} for {metric}, or nothing for 1"))
                    })?;
                Ok(Line { customer_id, event_type, timestamp, properties: "{}".to_owned(), events })
            }
            Some(Rule::Property { event_type, key, never_negative }) => {
                let number = number::json_number(value).map_err(|allowed| fault("value", value, allowed))?;
                if *never_negative && number.parse().is_ok_and(|value: f64| value < 0.0) {
                    return Err(fault("value", value, format!("a number that is not negative for {metric}")));
                }
                let properties = format!("{{{key}:{number}}}");
                Ok(Line { customer_id, event_type, timestamp, properties, events: 1 })
            }
            None if self.0.is_empty() => Err(fault(
                "metric",
                metric,
                "no metric: none of the catalog has an `import` entry".to_owned(),
            )),
            None => {
                Err(fault("metric", metric, format!("one of {}, which the catalog can import", self.names())))
            }
        }
    }
}

fn text<'a>(record: &'a ByteRecord, place: usize, column: &'static str) -> Result<&'a str, Fault> {
    let bytes = record.get(place).unwrap_or_default();
    std::str::from_utf8(bytes)
        .map_err(|_| fault(column, &String::from_utf8_lossy(bytes), "text in UTF-8".to_owned()))
}

/// A name is used unchanged. White space around it is refused, because `acme` and `acme ` would be two customers. Only
/// the end of the line is cut off.
fn name<'a>(
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
        return Err(fault(column, name, allowed));
    }
    Ok(name)
}

fn fault(column: &'static str, text: &str, allowed: String) -> Fault {
    Fault { column, text: shorten(text), allowed }
}

/// A text for messages: control characters made visible, at most one line.
fn shorten(text: &str) -> String {
    const MAX: usize = 80;
    let mut short: String = text.chars().take(MAX).collect();
    if text.chars().nth(MAX).is_some() {
        short.push('…');
    }
    short.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
