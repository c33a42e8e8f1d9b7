//! The columns of a table that a catalog names.

use clickhouse::{Client, Row};
use serde::Deserialize;

use crate::rollup::error::{MigrationError, failed};
use crate::rollup::{server, statements};

#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Column {
    pub name: String,
    pub r#type: String,
}

/// A row of DESCRIBE.
#[derive(Row, Deserialize)]
#[allow(dead_code, reason = "ClickHouse sends all of these, and one is read")]
pub(super) struct Described {
    name: String,
    pub(super) r#type: String,
    default_type: String,
    default_expression: String,
    comment: String,
    codec_expression: String,
    ttl_expression: String,
}

pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Whether the table exists. Otherwise the migration makes it.
    pub(super) exists: bool,
}

/// The columns of "table" or "database.table". `None` if the table does not exist and the migration does not make it.
pub(super) async fn of(client: &Client, database: &str, name: &str) -> Result<Option<Table>, MigrationError> {
    let (database_of_table, table) = name.split_once('.').unwrap_or((database, name));
    let text = "SELECT name, type FROM system.columns WHERE database = {database:String} AND table = {table:String} \
                ORDER BY position";
    let query = server(client).query_raw(text).param("database", database_of_table).param("table", table);
    let columns: Vec<Column> =
        query.fetch_all().await.map_err(failed(database, "the columns of a table were not read", text))?;
    Ok(match columns.is_empty() {
        false => Some(Table { columns, exists: true }),
        true if name == "events" => Some(Table { columns: of_ddl(statements::EVENTS_DDL), exists: false }),
        true => None,
    })
}

/// The columns of our own statement: one per line, with name and type.
fn of_ddl(ddl: &str) -> Vec<Column> {
    let lines = ddl.lines().skip_while(|line| *line != "(").skip(1).take_while(|line| *line != ")");
    let column = |line: &str| {
        let (name, rest) = line.trim().trim_end_matches(',').split_once(' ')?;
        let r#type = rest.split(" DEFAULT ").next()?;
        Some(Column { name: name.to_owned(), r#type: r#type.to_owned() })
    };
    lines.filter_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_the_events_that_a_migration_makes() {
        let columns: Vec<_> = of_ddl(statements::EVENTS_DDL)
            .into_iter()
            .map(|column| format!("{} {}", column.name, column.r#type))
            .collect();
        assert_eq!(
            columns,
            [
                "transaction_id String",
                "customer_id String",
                "event_type LowCardinality(String)",
                "timestamp DateTime64(3, 'UTC')",
                "properties String",
                "ingested_at DateTime64(3, 'UTC')",
            ]
        );
    }
}
