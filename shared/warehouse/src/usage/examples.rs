//! Reads events that show what an anomaly is about.

use std::time::Instant;

use catalog::{Catalog, MetricSpec};
use clickhouse::Row;
use detection::{About, CustomerId, Example, Window};
use serde::Deserialize;

use super::error::UsageError;
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;

/// Which events of an entity are wanted. Limits are in the order of the keys.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    Failed,
    /// Those with a value above the limit, the largest first.
    Above(&'a [f64]),
    /// Those with a value below the limit, the smallest first.
    Below(&'a [f64]),
    Newest,
}

/// Events to read.
#[derive(Clone, Copy, Debug)]
pub struct ExamplesRequest<'a> {
    pub catalog: &'a Catalog,
    pub metric: &'a MetricSpec,
    /// The time of the events.
    pub window: Window,
    /// The keys of the entities.
    pub keys: &'a [CustomerId],
    pub wanted: Wanted<'a>,
    /// The name of the query in ClickHouse's own logs.
    pub query_id: &'a str,
    /// The answer is complete by this time.
    pub deadline: Instant,
}

#[derive(Row, Deserialize)]
struct ExampleRow<'a> {
    #[serde(with = "serde_bytes")]
    event_key: &'a [u8],
    declared: u64,
    event_id: String,
    event_ids: Vec<(String, String)>,
}

impl Declaring for ExampleRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// Some events of each entity, with the bytes of its key. None of a source that names no id.
    pub async fn examples(
        &self,
        request: &ExamplesRequest<'_>,
    ) -> Result<Vec<(Vec<u8>, Example)>, UsageError> {
        let ExamplesRequest { catalog, metric, window, keys, wanted, query_id, deadline } = *request;
        let Some(text) = sql::examples(metric, &wanted) else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("most", About::MOST_EXAMPLES as u32);
        let query = match wanted {
            Wanted::Above(limits) | Wanted::Below(limits) => query.param("limits", limits),
            Wanted::Failed | Wanted::Newest => query,
        };
        let mut rows = self.start::<ExampleRow<'static>>(query, query_id, deadline)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            let ids = row.event_ids.into_iter().filter(|(_, id)| !id.is_empty()).collect();
            all.push((row.event_key.to_vec(), Example { id: row.event_id, ids }));
        }
        Ok(all)
    }
}
