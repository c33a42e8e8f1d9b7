//! The events behind an anomaly of a source with entities.

use std::collections::BTreeMap;

use detection::About;
use serde::Serialize;
use utoipa::ToSchema;

/// The source of an anomaly, and the events behind it. All fields are absent for the usage of customers.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = About)]
pub(crate) struct AboutView {
    /// The name of the source in the catalog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Ids of the event: `execution_id`, `trace_id`, `span_id`, `node_key`, `connector_key`, `ticket_id`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ids: BTreeMap<String, String>,
    /// Events of the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Those of them that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_events: Option<u64>,
    /// The value divided by the usual one for rises. For drops the usual value divided by the value, and negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation_factor: Option<f64>,
    /// Ids of up to five events of the window that failed, or whose value is beyond the limit. For a check of one event its id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// The ids of each example, such as its `trace_id` and `span_id`, in the order of the examples.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub example_ids: Vec<BTreeMap<String, String>>,
    /// The names of the entity and the `ids` of the examples, each once, at most ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affected_entities: Vec<String>,
    /// The values that are new, in their first 200 characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// How many new values of the customer no anomaly of the window lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_values: Option<u64>,
}

impl From<Option<About>> for AboutView {
    fn from(about: Option<About>) -> Self {
        let Some(about) = about else { return Self::default() };
        let About { source, ids, events, bad_events, deviation_factor, .. } = about;
        let (examples, example_ids, affected_entities) =
            (about.examples, about.example_ids, about.affected_entities);
        let (source, values, more_values) = (Some(source), about.values, about.more_values);
        Self {
            source,
            ids,
            events,
            bad_events,
            deviation_factor,
            examples,
            example_ids,
            affected_entities,
            values,
            more_values,
        }
    }
}
