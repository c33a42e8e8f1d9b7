//! The tables that hold the events of one server, behind those that a catalog names.
//!
//! A view on a `Distributed` table sees only what is inserted through that table of that server. So in a cluster each server
//! has its views on the table behind it.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Catalog, MetricSpec};

use super::cluster::{enumerated, names};
use super::error::MigrationError;
use super::layout::{EVENTS, LOCAL, Layout};
use super::listing::Listing;
use super::place::Place;
use super::sql::MARK;
use super::{Tables, statements, versions};

/// The sources of the views of a catalog.
pub(super) struct Behind {
    /// By table of the catalog, if another one is behind it.
    tables: BTreeMap<String, String>,
    /// Whether the migration makes the table of events.
    pub(super) makes_events: bool,
}

impl Behind {
    /// What the view of a metric reads.
    pub(super) fn source(&self, metric: &MetricSpec) -> String {
        match self.tables.get(&metric.table) {
            // The view of a polled source feeds nothing. It shows what a poll reads.
            Some(behind) if !versions::is_polled(metric) => {
                let alias = metric.table.rsplit('.').next().unwrap_or_default();
                format!("{behind} AS {alias}")
            }
            _ => metric.table.clone(),
        }
    }

    /// Looks at the tables of a catalog.
    ///
    /// # Errors
    ///
    /// When one server is asked for and the tables are those of a cluster, or the other way round.
    pub(super) async fn find(
        place: &Place,
        catalog: &Catalog,
        listing: &Listing,
    ) -> Result<Self, MigrationError> {
        let Place { client, database, layout, .. } = place;
        let of_events: BTreeSet<&str> =
            catalog.metrics().iter().map(|metric| metric.table.as_str()).collect();
        let Layout::Cluster { name, shards, .. } = layout else {
            let own = Tables::of_source(catalog.name());
            // The view of a polled source feeds nothing.
            let viewed = catalog.metrics().iter().filter(|metric| !versions::is_polled(metric));
            let viewed: BTreeSet<&str> = viewed.map(|metric| metric.table.as_str()).collect();
            let all = viewed.into_iter().chain(own.all()).chain([own.seen.as_str(), own.samples.as_str()]);
            let is_distributed =
                |table: &&str| listing.engine(table).is_some_and(|engine| engine.starts_with(DISTRIBUTED));
            let distributed: Vec<String> = all.filter(is_distributed).map(str::to_owned).collect();
            if !distributed.is_empty() {
                let clusters = enumerated(&names(client).await?);
                return Err(MigrationError::Distributed { tables: distributed, clusters });
            }
            return Ok(Self { tables: BTreeMap::new(), makes_events: of_events.contains(EVENTS) });
        };
        let refused = |reason: String| MigrationError::Cluster { name: name.clone(), reason };
        let mut behind = Self { tables: BTreeMap::new(), makes_events: false };
        for table in of_events {
            let Some(engine) = listing.engine(table) else {
                if table == EVENTS {
                    behind.makes_events = true;
                    behind.tables.insert(table.to_owned(), format!("{table}{LOCAL}"));
                }
                continue;
            };
            match Distributed::parse(engine) {
                Some(of) if of.cluster != *name => {
                    return Err(refused(format!(
                        "`{table}` is distributed over the cluster `{}`",
                        of.cluster
                    )));
                }
                Some(of) => {
                    let is_here = of.database == *database;
                    let local = if is_here { of.table } else { format!("{}.{}", of.database, of.table) };
                    behind.tables.insert(table.to_owned(), local);
                }
                // Each replica of the only shard has all rows.
                None if *shards == 1 && (place.servers.len() == 1 || is_copied(engine)) => {}
                None => {
                    return Err(refused(format!(
                        "`{table}` has the rows of one server only. Rename it to `{table}{LOCAL}` on each server, and make \
                         `{table}` there: CREATE TABLE {table} AS {table}{LOCAL} ENGINE = Distributed('{name}', \
                         '{database}', '{table}{LOCAL}', rand())"
                    )));
                }
            }
        }
        // A server that came later gets them too, if an earlier migration made them.
        let local = format!("{EVENTS}{LOCAL}");
        if behind.tables.get(EVENTS) == Some(&local) && !behind.makes_events {
            behind.makes_events = listing.foreign(&[&local]).is_empty();
        }
        Ok(behind)
    }
}

/// Makes the table of events, with the mark of a migration.
pub(super) fn events(layout: &Layout) -> String {
    let text = statements::EVENTS_DDL.trim();
    match layout {
        Layout::Single => text.to_owned(),
        Layout::Cluster { .. } => format!("{text}\nCOMMENT '{MARK}'"),
    }
}

/// Whether an engine copies its rows to other servers.
fn is_copied(engine: &str) -> bool {
    engine.starts_with("Replicated") || engine.starts_with("Shared")
}

const DISTRIBUTED: &str = "Distributed";

/// Makes sure that the tables of our names that a server has read exactly those with its rows, on all servers.
pub(super) fn require_over_local(
    listing: &Listing,
    place: &Place,
    catalog: &Catalog,
    tables: &[&str],
) -> Result<(), MigrationError> {
    let Layout::Cluster { name, database, .. } = &place.layout else { return Ok(()) };
    let refused = |reason: String| MigrationError::Cluster { name: name.clone(), reason };
    if let Some(metric) = catalog.metrics().iter().find(|metric| LOCAL[1..] == *metric.name.as_str()) {
        let view = statements::view_name(metric);
        return Err(refused(format!("the view `{view}` would have the name of a table: rename the metric")));
    }
    for table in tables {
        let Some(engine) = listing.engine(table) else { continue };
        let local = Distributed {
            cluster: name.clone(),
            database: database.clone(),
            table: format!("{table}{LOCAL}"),
        };
        if Distributed::parse(engine).as_ref() != Some(&local) {
            return Err(refused(format!(
                "`{table}` exists and is not distributed over `{table}{LOCAL}` of this cluster. Remove what an earlier \
                 migration of one server made with `meterflow uninstall --yes`: the rollup is filled from the events again"
            )));
        }
    }
    Ok(())
}

/// The first arguments of the engine `Distributed`.
#[derive(Debug, PartialEq, Eq)]
struct Distributed {
    cluster: String,
    database: String,
    table: String,
}

impl Distributed {
    fn parse(engine: &str) -> Option<Self> {
        let arguments = engine.strip_prefix(DISTRIBUTED)?.strip_prefix('(')?;
        let mut texts = arguments.split('\'').skip(1).step_by(2).map(str::to_owned);
        Some(Self { cluster: texts.next()?, database: texts.next()?, table: texts.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_behind_a_distributed_one() {
        let found =
            Distributed::parse("Distributed('metering', 'db', 'events_local', cityHash64(customer_id))");
        let [cluster, database, table] = ["metering", "db", "events_local"].map(str::to_owned);
        assert_eq!(found, Some(Distributed { cluster, database, table }));
        for other in ["MergeTree ORDER BY tuple()", "Distributed", "Distributed('a', 'b')"] {
            assert_eq!(Distributed::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_view_reads_the_table_behind_and_knows_it_by_the_name_of_the_catalog() {
        let catalog = Catalog::built_in().unwrap();
        let metric = catalog.get("api_calls").unwrap();
        let behind = |tables: &[(&str, &str)]| Behind {
            tables: tables.iter().map(|(table, local)| ((*table).to_owned(), (*local).to_owned())).collect(),
            makes_events: false,
        };
        assert_eq!(behind(&[]).source(metric), "events");
        assert_eq!(behind(&[("events", "events_local")]).source(metric), "events_local AS events");
        let of_another = MetricSpec { table: "raw.calls".to_owned(), ..metric.clone() };
        assert_eq!(
            behind(&[("raw.calls", "raw.calls_shard")]).source(&of_another),
            "raw.calls_shard AS calls"
        );
    }
}
