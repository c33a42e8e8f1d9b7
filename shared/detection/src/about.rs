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
}

impl About {
    /// Of a source, without anything about its events.
    pub fn of(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    pub fn of_events(source: &str, events: u64, bad: u64) -> Self {
        Self { events: Some(events), bad_events: Some(bad), ..Self::of(source) }
    }
}
