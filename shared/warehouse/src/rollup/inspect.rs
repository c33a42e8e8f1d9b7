//! The state of the rollup in a database, for `meterflow doctor`.

use catalog::Catalog;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::{MigrationError, failed};
use super::sql::MARK;
use super::tables::has_seen;
use super::{Tables, server};

/// The source that every version has.
pub(super) const USAGE: &str = "usage";

/// A view with a name of the rollup.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
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

/// The views that feed the rollup, and foreign views with similar names.
pub async fn views(
    client: &Client,
    database: &str,
    tables: &Tables,
) -> Result<Vec<RollupView>, MigrationError> {
    views_named(client, database, &tables.views()).await
}

/// The views whose names begin so.
pub(super) async fn views_named(
    client: &Client,
    database: &str,
    prefix: &str,
) -> Result<Vec<RollupView>, MigrationError> {
    let text = format!(
        "SELECT name, comment, toUnixTimestamp(metadata_modification_time) AS made FROM system.tables \
         WHERE database = {{database:String}} AND engine IN ('MaterializedView', 'View') AND startsWith(name, '{prefix}') \
         ORDER BY name"
    );
    let query = server(client).query_raw(&text).param("database", database);
    query.fetch_all().await.map_err(failed(database, "the views were not read", &text))
}

/// The names of all sources that a migration made tables for, and of usage.
pub async fn sources(client: &Client, database: &str) -> Result<Vec<String>, MigrationError> {
    let text = "SELECT replaceRegexpOne(name, '_model_fits$', '') FROM system.tables \
                WHERE database = {database:String} AND endsWith(name, '_model_fits') AND comment = {mark:String}";
    let query = server(client).query_raw(text).param("database", database).param("mark", MARK);
    let mut names: Vec<String> =
        query.fetch_all().await.map_err(failed(database, "the tables were not read", text))?;
    // An earlier version, or a migration that was cut off, may have made some of its tables only.
    names.push(USAGE.to_owned());
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Those of these tables that exist and that no migration made.
pub(super) async fn foreign(
    client: &Client,
    database: &str,
    tables: &[&str],
) -> Result<Vec<String>, MigrationError> {
    let text = "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)} \
                AND comment != {mark:String} ORDER BY name";
    let query = server(client).query_raw(text).param("database", database).param("mark", MARK);
    let query = query.param("names", tables);
    query.fetch_all().await.map_err(failed(database, "the tables were not read", text))
}

/// Those of these names that a table or view of the database has.
pub(super) async fn existing<'a>(
    client: &Client,
    database: &str,
    names: &[&'a str],
) -> Result<Vec<&'a str>, MigrationError> {
    let text =
        "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}";
    let query = server(client).query_raw(text).param("database", database).param("names", names);
    let there: Vec<String> =
        query.fetch_all().await.map_err(failed(database, "the tables were not read", text))?;
    Ok(names.iter().copied().filter(|name| there.iter().any(|table| table == name)).collect())
}

/// Those of these names whose tables store rows themselves.
pub(super) async fn storing(
    client: &Client,
    database: &str,
    names: &[String],
) -> Result<Vec<String>, MigrationError> {
    let text = "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)} \
                AND endsWith(engine, 'MergeTree') ORDER BY name";
    let query = server(client).query_raw(text).param("database", database).param("names", names);
    query.fetch_all().await.map_err(failed(database, "the tables were not read", text))
}

/// The newest hour of a metric in the rollup.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Newest {
    pub metric: String,
    /// In Unix seconds.
    pub hour: u32,
    /// Customers that have any hour.
    pub customers: u64,
}

/// The newest hour of each metric that the tables of a catalog hold.
pub async fn newest(
    client: &Client,
    database: &str,
    catalog: &Catalog,
) -> Result<Vec<Newest>, MigrationError> {
    let tables = Tables::of(catalog);
    let of = |table: &str| {
        format!(
            "SELECT toValidUTF8(toString(metric)) AS metric, toUnixTimestamp(max(hour)) AS hour, \
             uniq(customer_id) AS customers FROM {table} GROUP BY metric"
        )
    };
    let seen = has_seen(catalog).then(|| format!(" UNION ALL {}", of(&tables.seen)));
    let text = format!("SELECT * FROM ({}{}) ORDER BY metric", of(&tables.rollup), seen.unwrap_or_default());
    let query = client.clone().with_database(database).query_raw(&text);
    query.fetch_all().await.map_err(failed(database, "the rollup was not read", &text))
}
