//! What a run of a source does before it reads: rows that changed come into the rollup, and customers with too many entities are
//! found.

use catalog::{Catalog, Feed};
use clickhouse::Row;
use detection::Window;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::error::UsageError;
use super::reader::UsageReader;
use crate::rollup::{MigrationError, Tables, overflowing, poll};

/// How far back a run looks for rows that changed.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(72);

/// A customer with more entities than its source judges one by one.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
pub struct Overflowing {
    pub customer: String,
    pub entities: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PollError {
    #[error(transparent)]
    Login(#[from] UsageError),
    #[error(
        "{0}: is `meterflow migrate` up to date, and may the detector's user read the table and insert into the rollup?"
    )]
    Statement(#[from] MigrationError),
}

impl UsageReader {
    /// Brings the hours before the end of a window in line with the table of a polled source. Returns how many hours of its
    /// metrics had changed.
    pub async fn poll(&self, catalog: &Catalog, window: &Window) -> Result<usize, PollError> {
        if catalog.entities().is_none_or(|entities| entities.feed == Feed::View) {
            return Ok(0);
        }
        let client = self.authenticated(self.client.clone()).await?;
        let seconds = |at: Timestamp| u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX);
        let period = (seconds(window.end() - LOOKED_BACK), seconds(window.end()));
        let mut hours = 0;
        for metric in catalog.metrics() {
            hours += poll(&client, &self.database, metric, period).await?;
        }
        Ok(hours)
    }

    /// The customers of a source with more entities since `since` than it judges one by one. `since` is in Unix seconds.
    pub async fn overflowing(
        &self,
        catalog: &Catalog,
        since: u32,
        query_id: &str,
    ) -> Result<Vec<Overflowing>, UsageError> {
        let rollup = Tables::of(catalog).rollup;
        let text = catalog.entities().and_then(|entities| overflowing(&rollup, entities));
        let Some(text) = text else { return Ok(Vec::new()) };
        let query = self.bare_query(&text, query_id).await?.param("since", since);
        self.within(&self.context(query_id), query.fetch_all()).await
    }
}
