//! What has a normal of its own below a customer: the workflows of a workspace, or the nodes of a workflow.

use std::collections::BTreeMap;

use detection::EntityPath;

use super::SourceName;
use crate::expression;

/// A source whose series are of entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entities {
    pub(super) source: SourceName,
    /// The expressions of the names of an entity, the widest first.
    pub names: Vec<String>,
    /// The condition on failed events.
    pub bad: Option<String>,
    /// The condition on finished events, if there is one.
    pub filter: Option<String>,
    /// The expression of an event's id.
    pub id: Option<String>,
    pub ids: Ids,
}

/// Ids of an event that its anomaly carries, by their names: expressions of the table.
pub type Ids = BTreeMap<String, String>;

impl Entities {
    pub fn name(&self) -> &SourceName {
        &self.source
    }

    /// The key of an event in the rollup, as SQL. No id of a customer and no name may hold the separator: then the key would
    /// have another number of parts, and [`is_key_sql`](Self::is_key_sql) is false.
    pub(crate) fn key_sql(&self, customer: &str) -> String {
        let parts =
            std::iter::once(customer.to_owned()).chain(self.names.iter().map(|name| expression::sql(name)));
        let parts: Vec<String> = parts.map(|part| format!("ifNull(toString({part}), '')")).collect();
        format!("arrayStringConcat([{}], '{SEPARATOR}')", parts.join(", "))
    }

    /// The condition that `key` is a whole key: a customer and all names of an entity.
    pub fn is_key_sql(&self, key: &str) -> String {
        format!("match({key}, '^[^{SEPARATOR}]+({SEPARATOR}[^{SEPARATOR}]+){{{}}}$')", self.names.len())
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

/// [`EntityPath::SEPARATOR`] in a text of SQL.
const SEPARATOR: &str = "\\x1f";

const _: () = assert!(EntityPath::SEPARATOR as u32 == 0x1f);

#[cfg(test)]
mod tests;
