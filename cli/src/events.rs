//! The table `events`: one row, and how rows are written.

use std::time::Duration;

use clickhouse::{Client, Row, insert::Insert};
use serde::Serialize;

/// A row from the caller's data. The table's default sets `ingested_at`.
#[derive(Row, Serialize)]
pub(crate) struct EventRow<'a> {
    pub(crate) transaction_id: &'a str,
    pub(crate) customer_id: &'a str,
    pub(crate) event_type: &'a str,
    /// Unix milliseconds.
    pub(crate) timestamp: i64,
    /// JSON text.
    pub(crate) properties: &'a str,
}

/// The table's name.
pub(crate) const EVENTS: &str = "events";

/// No single read from or write to the connection takes this long while the server is alive.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// A block is parsed, aggregated by every materialized view and written to disk within this time.
const END_TIMEOUT: Duration = Duration::from_secs(300);

/// Opens one INSERT of whole rows, sent in RowBinary with LZ4.
///
/// Its rows are stored when [`Insert::end`] returns. After an error some or all of them may be stored too, because the
/// answer may be lost on its way.
pub(crate) async fn insert(client: &Client) -> clickhouse::error::Result<Insert<EventRow<'static>>> {
    Ok(client.insert::<EventRow<'static>>(EVENTS).await?.with_timeouts(Some(SEND_TIMEOUT), Some(END_TIMEOUT)))
}
