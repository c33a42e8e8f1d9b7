//! Reads the windows before the newest ones, for rules that compare a value with each of them.

use clickhouse::Row;
use serde::Deserialize;

use super::entities::{EntitiesRequest, EventFigures};
use super::error::UsageError;
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;

/// The earlier windows of a metric of an entity. Windows without events are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowsBefore {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// The place of the metric among those that rules judge.
    pub metric: usize,
    /// The same hour of the days before, each with the number of days. Of windows of a day it is the whole day.
    pub days: Vec<(u64, EventFigures)>,
    /// The windows within the two hours before. Empty for windows of an hour or a day.
    pub recent: Vec<EventFigures>,
}

#[derive(Row, Deserialize)]
struct WindowsRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    place: u16,
    windows: Vec<(i64, EventFigures)>,
}

impl Declaring for WindowsRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// The earlier windows of the metrics that a rule `deviation` judges.
    pub async fn windows_before(
        &self,
        request: &EntitiesRequest<'_>,
    ) -> Result<Vec<WindowsBefore>, UsageError> {
        let EntitiesRequest { catalog, window, windows, from, keys, shard, query_id, deadline } = *request;
        let text = sql::windows_before(catalog, (&window, windows), shard, !keys.is_empty());
        let Some(text) = text else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond());
        let mut rows = self.start::<WindowsRow<'static>>(query, query_id, deadline)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            let (mut days, mut recent) = (Vec::new(), Vec::new());
            for (slot, figures) in row.windows {
                match sql::days_of(slot).and_then(|days| u64::try_from(days).ok()) {
                    Some(ago) => days.push((ago, figures)),
                    None => recent.push(figures),
                }
            }
            all.push(WindowsBefore { key: row.customer_id.to_vec(), metric: row.place.into(), days, recent });
        }
        Ok(all)
    }
}
