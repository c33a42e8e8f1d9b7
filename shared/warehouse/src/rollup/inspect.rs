//! The state of the rollup in a database, for `meterflow doctor`.

use catalog::Catalog;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::Tables;
use super::error::{MigrationError, failed};
use super::listing::{Listing, RollupView};
use super::tables::has_seen;

/// The views that feed the rollup, and foreign views with similar names.
pub async fn views(
    client: &Client,
    database: &str,
    tables: &Tables,
) -> Result<Vec<RollupView>, MigrationError> {
    Ok(Listing::read(client, database).await?.views(&tables.views()))
}

/// The names of all sources that a migration made tables for, and of usage.
pub async fn sources(client: &Client, database: &str) -> Result<Vec<String>, MigrationError> {
    Ok(Listing::read(client, database).await?.sources())
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
