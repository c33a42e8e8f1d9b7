//! The events of a customer. They are people's own, so this program counts them, and says how they are deleted.

use std::collections::BTreeSet;

use catalog::Catalog;
use clickhouse::Row;
use detection::CustomerId;
use serde::Deserialize;

use super::error::{MigrationError, failed};
use super::place::Place;
use super::{look, server};

/// The events of a customer in a table of a catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerEvents {
    pub table: String,
    pub events: u64,
    /// What deletes them.
    pub remedy: String,
}

/// The tables of all sources that have events of the customer. A table that does not exist has none.
pub async fn events_of(
    place: &Place,
    catalog: &Catalog,
    customer: &CustomerId,
) -> Result<Vec<CustomerEvents>, MigrationError> {
    let (client, database) = (&place.client, place.database.as_str());
    let metrics = catalog.all().flat_map(Catalog::metrics);
    let places: BTreeSet<(&str, String)> =
        metrics.map(|metric| (metric.table.as_str(), metric.tenant_sql())).collect();
    let mut found = Vec::new();
    for (table, tenant) in places {
        if look::columns(client, database, table).await?.is_empty() {
            continue;
        }
        let what = "the events of the customer were not counted";
        let text = format!("SELECT count() FROM {table} WHERE toString({tenant}) = {{customer:String}}");
        let query = client.clone().with_database(database).query_raw(&text);
        let counted = query.param("customer", customer.as_str()).fetch_one::<u64>().await;
        let events = counted.map_err(failed(database, what, &text))?;
        if events > 0 {
            let engine = Engine::of(place, table).await?;
            let remedy = engine.remedy(table, &format!("toString({tenant}) = {}", literal(customer)));
            found.push(CustomerEvents { table: table.to_owned(), events, remedy });
        }
    }
    Ok(found)
}

/// How a table keeps its rows.
#[derive(Debug, Default, Row, Deserialize)]
struct Engine {
    kind: String,
    /// With its arguments.
    full: String,
}

impl Engine {
    async fn of(place: &Place, table: &str) -> Result<Self, MigrationError> {
        let (database, name) = table.split_once('.').unwrap_or((&place.database, table));
        let text = "SELECT engine AS kind, engine_full AS full FROM system.tables \
                    WHERE database = {database:String} AND name = {table:String}";
        let bare = |name: &str| name.trim_matches('`').to_owned();
        let query = server(&place.client).query_raw(text);
        let query = query.param("database", bare(database)).param("table", bare(name));
        let found = query.fetch_optional().await;
        let found = found.map_err(failed(&place.database, "the tables were not read", text))?;
        Ok(found.unwrap_or_default())
    }

    /// What deletes the rows of this condition.
    fn remedy(&self, table: &str, condition: &str) -> String {
        let deletion =
            |table: &str| format!("ALTER TABLE {table} DELETE WHERE {condition} SETTINGS mutations_sync = 2");
        let arguments: Vec<&str> = self.full.split('\'').collect();
        match (self.kind.as_str(), arguments.as_slice()) {
            ("Distributed", [_, cluster, _, database, _, local, ..]) => format!(
                "on each server of the cluster {cluster}: {}",
                deletion(&format!("`{database}`.`{local}`"))
            ),
            (kind, _) if kind.ends_with("MergeTree") => deletion(table),
            (kind, _) => format!(
                "{table} has the engine {kind}: delete the rows for which {condition} where they are stored"
            ),
        }
    }
}

/// A text of a statement that people copy, without characters that a terminal hides.
fn literal(customer: &CustomerId) -> String {
    let escaped: String = customer
        .as_str()
        .chars()
        .map(|c| match c {
            '\\' | '\'' => format!("\\{c}"),
            c if c.is_control() || is_bidirectional(c) => {
                c.to_string().bytes().map(|byte| format!("\\x{byte:02X}")).collect()
            }
            c => c.to_string(),
        })
        .collect();
    format!("'{escaped}'")
}

/// Marks that turn the direction of what a terminal shows.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_can_be_copied() {
        for (customer, expected) in [
            ("cust_1", "'cust_1'"),
            (r"a'; DROP TABLE b; -- \", r"'a\'; DROP TABLE b; -- \\'"),
            ("a\u{1f}b\n", r"'a\x1Fb\x0A'"),
            ("客户", "'客户'"),
            ("a\u{9b}b\u{202e}", r"'a\xC2\x9Bb\xE2\x80\xAE'"),
        ] {
            assert_eq!(literal(&CustomerId::new(customer).unwrap()), expected);
        }
    }

    #[test]
    fn each_engine_has_its_remedy() {
        let of = |kind: &str, full: &str| {
            let engine = Engine { kind: kind.to_owned(), full: full.to_owned() };
            engine.remedy("events", "a = 'b'")
        };
        let deletion = "ALTER TABLE events DELETE WHERE a = 'b' SETTINGS mutations_sync = 2";
        assert_eq!(of("ReplicatedMergeTree", "ReplicatedMergeTree('/p', 'r') ORDER BY a"), deletion);
        assert_eq!(
            of("Distributed", "Distributed('metering', 'db', 'events_local', rand())"),
            "on each server of the cluster metering: ALTER TABLE `db`.`events_local` DELETE WHERE a = 'b' SETTINGS \
             mutations_sync = 2"
        );
        assert_eq!(
            of("View", ""),
            "events has the engine View: delete the rows for which a = 'b' where they are stored"
        );
    }
}
