//! What an anomaly of an entity tells beside its figures.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::EntityPath;

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
    /// Ids of events of the window that failed, or whose value is beyond the limit, at most [`About::MOST_EXAMPLES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// The ids of the first example, as those of an event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub example_ids: BTreeMap<String, String>,
    /// The names of the entity and the ids of the examples, each once, at most [`About::MOST_AFFECTED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected_entities: Vec<String>,
    /// What people call the customer, if they call it otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_noun: Option<String>,
    /// What people call the entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_noun: Option<String>,
}

/// An event that shows what an anomaly is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    pub id: String,
    /// As those of [`About`].
    pub ids: BTreeMap<String, String>,
}

impl About {
    pub const MOST_EXAMPLES: usize = 5;
    pub const MOST_AFFECTED: usize = 10;

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

    /// The same with examples of its events.
    #[must_use]
    pub fn with_examples(self, examples: impl IntoIterator<Item = Example>) -> Self {
        let examples: Vec<_> = examples.into_iter().take(Self::MOST_EXAMPLES).collect();
        let affected = examples.iter().flat_map(|example| example.ids.values().cloned()).collect();
        Self {
            affected_entities: affected,
            example_ids: examples.first().map(|example| example.ids.clone()).unwrap_or_default(),
            examples: examples.into_iter().map(|example| example.id).collect(),
            ..self
        }
    }

    /// The same with the names of the entity before all that is affected.
    pub(crate) fn of_entity(self, entity: Option<&EntityPath>) -> Self {
        let names = entity.map_or(&[][..], EntityPath::names);
        let mut seen = HashSet::new();
        let all = names.iter().cloned().chain(self.affected_entities);
        let affected = all.filter(|name| !name.is_empty() && seen.insert(name.clone()));
        Self { affected_entities: affected.take(Self::MOST_AFFECTED).collect(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(id: usize) -> Example {
        let ids = [("execution_id", format!("e-{id}")), ("node_key", "load".to_owned())];
        Example {
            id: format!("n-{id}"),
            ids: ids.into_iter().map(|(name, id)| (name.to_owned(), id)).collect(),
        }
    }

    #[test]
    fn what_is_affected_is_named_once_and_not_endlessly() {
        let entity = EntityPath::new(vec!["nightly".to_owned(), "load".to_owned()]).unwrap();
        let about = About::of("execution_nodes").with_examples((0..9).map(example));
        assert_eq!(about.examples, ["n-0", "n-1", "n-2", "n-3", "n-4"]);
        assert_eq!(about.example_ids["execution_id"], "e-0");
        let about = about.of_entity(Some(&entity));
        assert_eq!(about.affected_entities, ["nightly", "load", "e-0", "e-1", "e-2", "e-3", "e-4"]);
        assert_eq!(about.clone().of_entity(Some(&entity)), about, "a second time changes nothing");

        let many = (0..5).map(|id| Example {
            id: id.to_string(),
            ids: (0..4).map(|of| (of.to_string(), format!("{id}-{of}"))).collect(),
        });
        let about = About::of("x").with_examples(many).of_entity(Some(&entity));
        assert_eq!(about.affected_entities.len(), About::MOST_AFFECTED);
    }

    #[test]
    fn an_anomaly_of_an_earlier_version_names_nobody() {
        let about: About = serde_json::from_str(r#"{ "source": "jobs", "ids": {} }"#).unwrap();
        assert_eq!(about, About::of("jobs"));
        assert_eq!(serde_json::to_string(&about).unwrap(), r#"{"source":"jobs"}"#);
    }
}
