//! Counts the hours that a migration would delete.

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::deletion::Deletion;
use super::error::{MigrationError, failed};

/// The hours that a condition deletes. `None` if there are none.
pub(super) async fn deletion(
    (client, database, table): (&Client, &str, &str),
    metric: Option<String>,
    why: &'static str,
    condition: &str,
) -> Result<Option<Deletion>, MigrationError> {
    #[derive(Row, Deserialize)]
    struct Counted {
        events: u64,
        customers: u64,
        from: String,
        to: String,
    }
    let text = format!(
        "SELECT sum(events) AS events, uniq(customer_id) AS customers, toString(toDate(min(hour), 'UTC')) AS from, \
         toString(toDate(max(hour), 'UTC')) AS to FROM {table} WHERE {condition}"
    );
    let query = client.clone().with_database(database).query_raw(&text);
    let counted: Counted =
        query.fetch_one().await.map_err(failed(database, "the rollup was not counted", &text))?;
    let Counted { events, customers, from, to } = counted;
    Ok((customers > 0).then_some(Deletion { metric, why, events, customers, from, to }))
}
