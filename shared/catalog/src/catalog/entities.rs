//! What has a normal of its own below a customer: the workflows of a workspace, or the nodes of a workflow.

use std::collections::BTreeMap;

use detection::{EntityPath, Severity};

use serde::Deserialize;

use super::SourceName;
use super::pace::Pace;
use super::sample::Sample;
use crate::expression;

/// A source with tables of its own: its series are of entities, or a poll replaces rows of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entities {
    pub(super) source: SourceName,
    /// The expressions of the names of an entity, the widest first. Without any, the customer itself is judged.
    pub names: Vec<String>,
    /// The condition on failed events.
    pub bad: Option<String>,
    /// The condition on finished events, if there is one.
    pub filter: Option<String>,
    /// The expression of an event's id.
    pub id: Option<String>,
    pub ids: Ids,
    pub feed: Feed,
    /// Whether all of its metrics are steps of counters that views feed.
    pub counts_steps: bool,
    /// The expression of the number of events that one row stands for.
    pub weight: Option<String>,
    /// The events that are rolled up, if these are not all.
    pub sample: Option<Sample>,
    pub pace: Pace,
    /// How many entities of a customer are judged one by one. The others are judged together.
    pub most: u32,
    /// Customers with more entities than that, if a run found any.
    pub overflow: Option<Overflow>,
    /// The least severity that is alerted. Without it that of the deployment.
    pub alert_min_severity: Option<Severity>,
    pub nouns: Nouns,
}

/// How events come into the rollup of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Feed {
    /// Views add each inserted row. For tables that rows are only added to.
    #[default]
    View,
    /// Each run reads the hours that changed. For tables whose rows are rewritten or repeated.
    Poll,
}

/// Customers with more entities than their source judges one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overflow {
    pub customers: Vec<String>,
    /// From then on an entity needs an event to be judged alone, in Unix seconds.
    pub since: u32,
}

/// What people call its customers and its entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nouns {
    pub tenant: String,
    pub entity: String,
}

/// Ids of an event that its anomaly carries, by their names: expressions of the table.
pub type Ids = BTreeMap<String, String>;

impl Nouns {
    const USUAL: [&str; 2] = ["customer", "entity"];

    /// Those that a file leaves out are `customer` and `entity`.
    pub(super) fn new(tenant: Option<&String>, entity: Option<&String>) -> Self {
        let [customer, usual] = Self::USUAL.map(str::to_owned);
        Self { tenant: tenant.cloned().unwrap_or(customer), entity: entity.cloned().unwrap_or(usual) }
    }

    /// That of a customer and that of an entity, where it is not the usual one.
    pub fn own(&self) -> [Option<String>; 2] {
        let [customer, entity] = Self::USUAL;
        [(&self.tenant, customer), (&self.entity, entity)]
            .map(|(noun, usual)| Some(noun.clone()).filter(|noun| noun != usual))
    }
}

impl Entities {
    pub(super) const DEFAULT_MOST: u32 = 10_000;

    /// The name of the entity that stands for all beyond the limit.
    pub const OTHER: &str = "other";

    /// [`EntityPath::SEPARATOR`] in a text of SQL.
    pub const SEPARATOR: &str = "\\x1f";

    pub fn name(&self) -> &SourceName {
        &self.source
    }

    /// Whether a single event can be judged: it has an id, and an entity with a past.
    pub fn has_checks(&self) -> bool {
        self.id.is_some() && !self.names.is_empty()
    }

    /// The key of an event in the rollup, as SQL. No id of a customer and no name may hold the separator: then the key would
    /// have another number of parts, and [`is_key_sql`](Self::is_key_sql) is false.
    pub(crate) fn key_sql(&self, customer: &str) -> String {
        let parts =
            std::iter::once(customer.to_owned()).chain(self.names.iter().map(|name| expression::sql(name)));
        let parts: Vec<String> = parts.map(|part| format!("ifNull(toString({part}), '')")).collect();
        format!("arrayStringConcat([{}], '{}')", parts.join(", "), Self::SEPARATOR)
    }

    /// The condition that `key` is a whole key: a customer and all names of an entity.
    pub fn is_key_sql(&self, key: &str) -> String {
        let (separator, names) = (Self::SEPARATOR, self.names.len());
        format!("match({key}, '^[^{separator}]+({separator}[^{separator}]+){{{names}}}$')")
    }

    /// Whether an event has failed, as SQL: 1 or 0.
    pub fn bad_sql(&self) -> String {
        self.bad.as_ref().map_or_else(|| "0".to_owned(), |bad| format!("ifNull(({bad}) != 0, 0)"))
    }
}

impl Entities {
    /// The ids that an anomaly carries, as a map of SQL.
    pub fn ids_sql(&self) -> String {
        let id = |(name, text): (&String, &String)| format!("'{name}', ifNull(toString({text}), '')");
        let ids: Vec<String> = self.ids.iter().map(id).collect();
        if ids.is_empty() {
            "CAST(map(), 'Map(String, String)')".to_owned()
        } else {
            format!("map({})", ids.join(", "))
        }
    }
}

const _: () = assert!(EntityPath::SEPARATOR as u32 == 0x1f);

#[cfg(test)]
mod tests;
