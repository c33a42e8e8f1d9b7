//! Reads in which hours of the day entities have events.

use clickhouse::Row;
use detection::Hour;
use detection::rules::HourOfDay;
use serde::Deserialize;

use super::entities::EntitiesRequest;
use super::error::UsageError;
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;

/// The newest hour of an entity, and the same hour of the days before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityHour {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// The place of the metric among those that rules judge.
    pub metric: usize,
    pub hour: HourOfDay,
}

#[derive(Row, Deserialize)]
struct HourRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    place: u16,
    now: u64,
    usual: u64,
    days: u32,
}

impl Declaring for HourRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// The hours of the day of the metrics that a rule judges by them, in UTC.
    ///
    /// * `request`: of a window of one hour.
    pub async fn entity_hours(&self, request: &EntitiesRequest<'_>) -> Result<Vec<EntityHour>, UsageError> {
        let EntitiesRequest { catalog, window, from, keys, shard, query_id, deadline, .. } = *request;
        let Some(text) = sql::off_hours(catalog, shard, !keys.is_empty()) else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond());
        let mut rows = self.start::<HourRow<'static>>(query, query_id, deadline)?;
        let (mut all, of_day) = (Vec::new(), Hour::holding(window.start()).of_day());
        while let Some(row) = rows.next().await? {
            all.push(EntityHour {
                key: row.customer_id.to_vec(),
                metric: row.place.into(),
                hour: HourOfDay {
                    hour: of_day,
                    events: row.now,
                    usual_events: row.usual,
                    active_days: row.days,
                },
            });
        }
        Ok(all)
    }
}
