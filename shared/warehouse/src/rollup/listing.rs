//! The tables and views of a database, as one question tells them.

use std::collections::BTreeSet;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::{MigrationError, failed};
use super::sql::MARK;
use super::{Tables, server};

/// What a server told of a database.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    database: String,
    listed: Vec<Listed>,
}

/// A table or view. The database itself is listed with an empty name.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
struct Listed {
    database: String,
    name: String,
    engine: String,
    engine_full: String,
    comment: String,
    /// The time of its creation, in Unix seconds.
    made: u32,
}

/// A view with a name of the rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupView {
    pub name: String,
    pub comment: String,
    /// The time of its creation, in Unix seconds.
    pub made: u32,
}

impl RollupView {
    /// Its state beside the catalog's entry of its metric.
    pub fn state(&self, metric: Option<&catalog::MetricSpec>) -> super::ViewState {
        super::definition::state(&self.comment, metric)
    }

    /// The name of its metric.
    pub fn metric(&self, tables: &Tables) -> &str {
        self.name.strip_prefix(&tables.views()).unwrap_or_default()
    }
}

/// The source that every version has.
pub(super) const USAGE: &str = "usage";

/// The first condition alone says which databases the server walks through.
const TEXT: &str = "SELECT database, name, engine, engine_full, comment, toUnixTimestamp(metadata_modification_time) AS made \
    FROM system.tables WHERE database IN {databases:Array(String)} \
    AND (database = {database:String} OR concat(database, '.', name) IN {others:Array(String)}) \
    UNION ALL SELECT name, '', '', '', '', toUInt32(0) FROM system.databases WHERE name = {database:String}";

impl Listing {
    /// All of a database.
    pub(super) async fn read(client: &Client, database: &str) -> Result<Self, MigrationError> {
        Self::with(client, database, &BTreeSet::new()).await
    }

    /// The same with tables of other databases.
    ///
    /// * `tables`: each as "table" or "database.table".
    pub(super) async fn with(
        client: &Client,
        database: &str,
        tables: &BTreeSet<&str>,
    ) -> Result<Self, MigrationError> {
        let others = tables.iter().filter_map(|table| Some((table.split_once('.')?.0, *table)));
        let (mut databases, others): (Vec<&str>, Vec<&str>) = others.unzip();
        databases.push(database);
        let query = server(client).query_raw(TEXT).param("database", database);
        let query = query.param("databases", databases).param("others", others);
        let listed = query.fetch_all().await.map_err(failed(database, "the tables were not read", TEXT))?;
        Ok(Self { database: database.to_owned(), listed })
    }

    pub(super) fn has_database(&self) -> bool {
        self.listed.iter().any(|listed| listed.database == self.database && listed.name.is_empty())
    }

    /// The definition of the engine of "table" or "database.table". `None` if there is no such table.
    pub(super) fn engine(&self, table: &str) -> Option<&str> {
        let (database, name) = table.split_once('.').unwrap_or((&self.database, table));
        let mut all = self.listed.iter();
        let found = all.find(|listed| listed.database == database && listed.name == name)?;
        Some(found.engine_full.as_str())
    }

    /// The views whose names begin so, in the order of their names.
    pub(super) fn views(&self, prefix: &str) -> Vec<RollupView> {
        let is_view = |of: &&Listed| matches!(of.engine.as_str(), "MaterializedView" | "View");
        let of_prefix = self.own().filter(is_view).filter(|view| view.name.starts_with(prefix));
        let view =
            |of: &Listed| RollupView { name: of.name.clone(), comment: of.comment.clone(), made: of.made };
        let mut views: Vec<RollupView> = of_prefix.map(view).collect();
        views.sort_by(|one, other| one.name.cmp(&other.name));
        views
    }

    /// Those of these tables that exist and that no migration made.
    pub(super) fn foreign(&self, tables: &[&str]) -> Vec<String> {
        self.named(tables, |of| of.comment != MARK)
    }

    /// Those of these names whose tables store rows themselves.
    pub(super) fn storing(&self, names: &[&str]) -> Vec<String> {
        self.named(names, |of| of.engine.ends_with("MergeTree"))
    }

    /// Those of these names that a table or view has, as they come.
    pub(super) fn existing<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().filter(|name| self.own().any(|of| of.name == *name)).collect()
    }

    /// The names of all sources that a migration made tables for, and of usage.
    pub(super) fn sources(&self) -> Vec<String> {
        let ours = self.own().filter(|of| of.comment == MARK);
        let mut names: Vec<String> =
            ours.filter_map(|of| of.name.strip_suffix("_model_fits")).map(str::to_owned).collect();
        // An earlier version, or a migration that was cut off, may have made some of its tables only.
        names.push(USAGE.to_owned());
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The tables of fits that have their rows on the servers of a cluster.
    pub(super) fn distributed_fits(&self) -> Vec<String> {
        let fits = self.own().filter(|of| of.engine == "Distributed" && of.name.ends_with("_model_fits"));
        fits.map(|of| of.name.clone()).collect()
    }

    /// The names of those of these tables of which something holds, in order.
    fn named(&self, names: &[&str], holds: impl Fn(&Listed) -> bool) -> Vec<String> {
        let found = self.own().filter(|of| names.contains(&of.name.as_str()) && holds(of));
        let mut found: Vec<String> = found.map(|of| of.name.clone()).collect();
        found.sort_unstable();
        found
    }

    fn own(&self) -> impl Iterator<Item = &Listed> {
        self.listed.iter().filter(|of| of.database == self.database && !of.name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(database: &str, name: &str, engine: &str, comment: &str) -> Listed {
        let [database, name, engine, comment] = [database, name, engine, comment].map(str::to_owned);
        Listed { database, name, engine_full: format!("{engine} ORDER BY a"), engine, comment, made: 7 }
    }

    fn listing() -> Listing {
        let listed = vec![
            listed("db", "", "", ""),
            listed("db", "usage_hourly_b", "MaterializedView", "b"),
            listed("db", "usage_hourly_a", "View", "a"),
            listed("db", "usage_hourly_copy", "MergeTree", ""),
            listed("db", "jobs_model_fits", "Distributed", MARK),
            listed("db", "calls_model_fits", "MergeTree", ""),
            listed("raw", "calls", "MergeTree", ""),
        ];
        Listing { database: "db".to_owned(), listed }
    }

    #[test]
    fn a_database_without_tables_exists() {
        let only = |listed| Listing { database: "db".to_owned(), listed };
        assert!(only(vec![listed("db", "", "", "")]).has_database());
        assert!(!only(vec![listed("raw", "calls", "MergeTree", "")]).has_database());
    }

    #[test]
    fn tables_of_other_databases_are_not_those_of_the_database() {
        let listing = listing();
        assert_eq!(listing.engine("raw.calls"), Some("MergeTree ORDER BY a"));
        assert_eq!((listing.engine("calls"), listing.engine("raw.jobs_model_fits")), (None, None));
        assert_eq!(listing.engine("db.jobs_model_fits"), Some("Distributed ORDER BY a"));
        assert_eq!(listing.existing(&["calls", "usage_hourly_copy"]), ["usage_hourly_copy"]);
        assert_eq!(
            listing.storing(&["calls", "usage_hourly_copy", "jobs_model_fits"]),
            ["usage_hourly_copy"]
        );
    }

    #[test]
    fn views_are_told_from_tables_with_such_names() {
        let names: Vec<String> = listing().views("usage_hourly_").into_iter().map(|view| view.name).collect();
        assert_eq!(names, ["usage_hourly_a", "usage_hourly_b"]);
        assert_eq!(listing().views("jobs_"), []);
    }

    #[test]
    fn what_no_migration_made_is_foreign() {
        let listing = listing();
        let fits = ["jobs_model_fits", "calls_model_fits", "other_model_fits"];
        assert_eq!(listing.foreign(&fits), ["calls_model_fits"]);
        assert_eq!(listing.sources(), ["jobs", "usage"]);
        assert_eq!(listing.distributed_fits(), ["jobs_model_fits"]);
    }
}
