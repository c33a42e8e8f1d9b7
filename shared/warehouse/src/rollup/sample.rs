//! The values that a metric makes of some rows of its table, for authors of a catalog.

use catalog::MetricSpec;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::{MigrationError, failed};
use super::events::events_as_usage_from;
use super::server;

#[derive(Clone, Debug, PartialEq, Deserialize, Row)]
pub struct Sample {
    /// Rows that were read.
    pub rows: u64,
    /// Rows that count.
    pub counted: u64,
    pub customers: u64,
    /// One of the customers.
    pub example: String,
    pub least: f64,
    pub most: f64,
    /// The sum of the negative values, which are corrections of a sum.
    pub corrections: f64,
    /// "2026-11-21 13:00:00".
    pub newest: String,
    /// The engine of the table.
    pub engine: String,
}

/// A sample of at most this many rows. `None` if the table does not exist.
pub async fn of(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    rows: u64,
) -> Result<Option<Sample>, MigrationError> {
    let what = "no sample of a table was read";
    let (of_database, table) = metric.table.split_once('.').unwrap_or((database, &metric.table));
    let text =
        "SELECT engine FROM system.tables WHERE database = {database:String} AND name = {table:String}";
    let query = server(client).query_raw(text).param("database", of_database).param("table", table);
    let engine: Option<String> = query.fetch_optional().await.map_err(failed(database, what, text))?;
    let Some(engine) = engine else { return Ok(None) };
    let some = format!("(SELECT * FROM {} LIMIT {rows}) AS {table}", metric.table);
    let events = events_as_usage_from(metric, &some, "");
    let text = format!(
        "SELECT
    assumeNotNull((SELECT count() FROM (SELECT 1 FROM {} LIMIT {rows}))) AS rows,
    count() AS counted,
    uniq(customer_id) AS customers,
    toValidUTF8(any(customer_id)) AS example,
    min(low) AS least,
    max(peak) AS most,
    sum(corrections) AS corrections,
    toString(toDateTime(intDiv(max(time_ms), 1000), 'UTC')) AS newest,
    '{engine}' AS engine
FROM
(
{events}
)",
        metric.table
    );
    let query = client.clone().with_database(database).query_raw(&text);
    query.fetch_one().await.map(Some).map_err(failed(database, what, &text))
}

impl Sample {
    /// Remarks on a view on a table of this engine.
    pub fn remarks(&self) -> Vec<&'static str> {
        match self.engine.as_str() {
            "Distributed" => vec![
                "the table is distributed over others: `meterflow migrate --cluster` makes views on the tables behind it, on all \
                 servers",
            ],
            "View" => vec!["the table is a view, and nobody inserts into a view: name the table behind it"],
            engine if engine.contains("Replacing") || engine.contains("Collapsing") => vec![
                "rows of this table replace each other, and the rollup counts each of them: it fits where each event is \
                 inserted once",
            ],
            _ => Vec::new(),
        }
    }
}
