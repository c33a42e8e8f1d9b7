//! What an anomaly of an entity tells beside its figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The source of an anomaly, and the events behind it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The name of the source in the catalog.
    pub source: String,
    /// Ids of the event: `execution_id`, `trace_id`, `span_id`, `node_key`, `connector_key`, `ticket_id`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// Events of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Those of them that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bad_events: Option<u64>,
    /// The value divided by the usual one for rises. For drops the usual value divided by the value, and negative.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation_factor: Option<f64>,
    /// The values that are new, in their first 200 characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// How many new values of the customer no anomaly of the window lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_values: Option<u64>,
}

impl About {
    /// Of a source, without anything about its events.
    pub fn of(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// What it adds to the sentence of its anomaly: the new values.
    pub(crate) fn sentence(&self) -> String {
        let quoted: Vec<String> = self.values.iter().map(|value| format!("\"{value}\"")).collect();
        let values = if quoted.is_empty() { String::new() } else { format!(": {}", quoted.join(", ")) };
        match self.more_values {
            None => values,
            Some(1) => format!("{values}; one more new value of the customer is not listed"),
            Some(more) => format!("{values}; {more} more new values of the customer are not listed"),
        }
    }

    pub fn of_events(source: &str, events: u64, bad: u64) -> Self {
        Self { events: Some(events), bad_events: Some(bad), ..Self::of(source) }
    }
}
