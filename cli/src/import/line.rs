//! One line of the file: the rules of its columns, and the events that it stands for.

use std::collections::BTreeMap;

use catalog::{Aggregate, Catalog};
use csv::ByteRecord;
use detection::CustomerId;

use crate::csv_file::fault::{Fault, name, text};
use crate::csv_file::header::Header;
use crate::csv_file::{number, time};

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
        const KNOWN: [&str; 5] = ["customer_id", "metric", "event_type", "timestamp", "value"];
        let header = Header::of(record, &KNOWN, EXPECTED)?;
        let (subject, by_metric) = match (header.place("metric")?, header.place("event_type")?) {
            (Some(place), None) => (place, true),
            (None, Some(place)) => (place, false),
            (Some(_), Some(_)) => return Err(format!("both `metric` and `event_type`; {EXPECTED}")),
            (None, None) => return Err(format!("neither `metric` nor `event_type`; {EXPECTED}")),
        };
        Ok(Self {
            count: header.count(),
            customer_id: header.required("customer_id")?,
            subject,
            by_metric,
            timestamp: header.required("timestamp")?,
            value: header.required("value")?,
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
        if let Some(fault) = Fault::of_fields(record, columns.count) {
            return Err(fault);
        }
        let customer_id = name(record, columns.customer_id, "customer_id", CustomerId::MAX_BYTES)?;
        let timestamp_text = text(record, columns.timestamp, "timestamp")?.trim();
        let timestamp = time::milliseconds(timestamp_text)
            .map_err(|allowed| Fault::new("timestamp", timestamp_text, allowed))?;
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
                    .map_err(|allowed| Fault::new("value", value, format!("{allowed}, or nothing")))?;
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
                        Fault::new("value", value, format!("{allowed} for {metric}, or nothing for 1"))
                    })?;
                Ok(Line { customer_id, event_type, timestamp, properties: "{}".to_owned(), events })
            }
            Some(Rule::Property { event_type, key, never_negative }) => {
                let number =
                    number::json_number(value).map_err(|allowed| Fault::new("value", value, allowed))?;
                if *never_negative && number.parse().is_ok_and(|value: f64| value < 0.0) {
                    return Err(Fault::new(
                        "value",
                        value,
                        format!("a number that is not negative for {metric}"),
                    ));
                }
                let properties = format!("{{{key}:{number}}}");
                Ok(Line { customer_id, event_type, timestamp, properties, events: 1 })
            }
            None if self.0.is_empty() => Err(Fault::new(
                "metric",
                metric,
                "no metric: none of the catalog has an `import` entry".to_owned(),
            )),
            None => Err(Fault::new(
                "metric",
                metric,
                format!("one of {}, which the catalog can import", self.names()),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
