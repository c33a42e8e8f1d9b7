//! Reads the newest windows of entities one by one, and the hours before, for the rule `vote`.

use clickhouse::Row;
use detection::vote::SAMPLES;
use serde::Deserialize;

use super::entities::{EntitiesRequest, EventFigures};
use super::error::UsageError;
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;

/// The samples of a metric of an entity. Windows and hours without events are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct EntitySamples {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// The place of the metric among those that rules judge.
    pub metric: usize,
    /// Each with how many windows ago it was: 0 is the judged one.
    pub windows: Vec<(usize, EventFigures)>,
    /// The full hours before the end of the judged window, each with its first instant, in seconds since 1970.
    pub hours: Vec<(i64, EventFigures)>,
}

#[derive(Row, Deserialize)]
struct SamplesRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    place: u16,
    windows: Vec<(i64, EventFigures)>,
}

impl Declaring for SamplesRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// The samples of the metrics that detectors vote on.
    pub async fn samples(&self, request: &EntitiesRequest<'_>) -> Result<Vec<EntitySamples>, UsageError> {
        let EntitiesRequest { catalog, window, from, keys, shard, query_id, deadline, .. } = *request;
        let text = sql::samples(catalog, (&window, SAMPLES), shard, !keys.is_empty());
        let Some(text) = text else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond());
        let mut rows = self.start::<SamplesRow<'static>>(query, query_id, deadline)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            let (mut windows, mut hours) = (Vec::new(), Vec::new());
            for (slot, figures) in row.windows {
                match usize::try_from(slot).ok().filter(|slot| *slot < SAMPLES) {
                    Some(ago) => windows.push((ago, figures)),
                    None => hours.push((slot, figures)),
                }
            }
            all.push(EntitySamples {
                key: row.customer_id.to_vec(),
                metric: row.place.into(),
                windows,
                hours,
            });
        }
        Ok(all)
    }
}
