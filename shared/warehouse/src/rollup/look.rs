//! What somebody's table looks like, for a first catalog.

use clickhouse::Client;

use super::error::{MigrationError, failed};
use super::trial::{Column, columns_of};

/// Rows whose values are looked at.
const ROWS: u32 = 100_000;

/// The columns of "table" or "database.table". Empty if there is no such table.
pub async fn columns(client: &Client, database: &str, table: &str) -> Result<Vec<Column>, MigrationError> {
    Ok(columns_of(client, database, table).await?.unwrap_or_default())
}

/// The most frequent values of a column, at most so many.
///
/// * `table`, `column`: names that the server itself told.
pub async fn values(
    client: &Client,
    database: &str,
    table: &str,
    column: &str,
    most: u32,
) -> Result<Vec<String>, MigrationError> {
    let text = format!(
        "SELECT value FROM (SELECT toValidUTF8(toString(`{}`)) AS value FROM {table} LIMIT {ROWS}) GROUP BY value \
         ORDER BY count() DESC, value LIMIT {most}",
        column.replace('`', "\\`")
    );
    let query = client.clone().with_database(database).query_raw(&text);
    let values: Vec<Option<String>> =
        query.fetch_all().await.map_err(failed(database, "the values of a column were not read", &text))?;
    Ok(values.into_iter().flatten().collect())
}
