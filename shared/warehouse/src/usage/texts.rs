//! Reads the texts of entities: how many different ones there are, and which are new.

use clickhouse::Row;
use detection::rules::Sighting;
use detection::{Baseline, Hour};
use jiff::Timestamp;
use serde::Deserialize;
use serde_bytes::ByteBuf;

use super::entities::EntitiesRequest;
use super::error::UsageError;
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;

/// How many different texts an entity has.
#[derive(Clone, Debug, PartialEq)]
pub struct DistinctTexts {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// The place of the metric among those that rules judge.
    pub metric: usize,
    /// Of the window.
    pub now: u64,
    /// Of the windows of the same length before it that have any. `None` below two of them.
    pub before: Option<Baseline>,
}

/// The new texts of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTexts {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// The place of the metric among those that rules judge.
    pub metric: usize,
    /// Events of the window, with a text or without.
    pub events: u64,
    /// Days that the entity is known before the window.
    pub known_days: u32,
    /// The number of new texts, of which `texts` holds the most frequent ones.
    pub number: u64,
    /// The most frequent one first.
    pub texts: Vec<NewText>,
}

/// A text of the window that was not seen for long.
#[derive(Clone, Debug, PartialEq)]
pub struct NewText {
    /// Its first 200 characters.
    pub text: String,
    pub sighting: Sighting,
}

#[derive(Row, Deserialize)]
struct DistinctRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    place: u16,
    now: u64,
    windows: u64,
    total: u64,
    squares: u64,
}

impl Declaring for DistinctRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

#[derive(Row, Deserialize)]
struct NewRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    place: u16,
    since: u32,
    events: u64,
    new: u64,
    /// Events below zero, text, and the hour in which it was last seen. Zero for never.
    texts: Vec<(i64, ByteBuf, u32)>,
}

impl Declaring for NewRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl UsageReader {
    /// The numbers of different texts, of the metrics that count them.
    pub async fn distinct_texts(
        &self,
        request: &EntitiesRequest<'_>,
    ) -> Result<Vec<DistinctTexts>, UsageError> {
        let EntitiesRequest { catalog, window, from, keys, shard, query_id, deadline, .. } = *request;
        let Some(text) = sql::distinct(catalog, shard, !keys.is_empty()) else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond());
        let mut rows = self.start::<DistinctRow<'static>>(query, query_id, deadline)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push(DistinctTexts {
                key: row.customer_id.to_vec(),
                metric: row.place.into(),
                now: row.now,
                before: Baseline::of_whole_numbers(row.windows, row.total, row.squares.into()),
            });
        }
        Ok(all)
    }

    /// The new texts, of the metrics that look for them. Entities without a new text are there too.
    pub async fn new_texts(&self, request: &EntitiesRequest<'_>) -> Result<Vec<NewTexts>, UsageError> {
        let EntitiesRequest { catalog, window, from, keys, shard, query_id, deadline, .. } = *request;
        let Some(text) = sql::new_texts(catalog, shard, !keys.is_empty()) else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond());
        let mut rows = self.start::<NewRow<'static>>(query, query_id, deadline)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            let known_days = days_between(row.since, window.start());
            let text = |(events, text, last): (i64, ByteBuf, u32)| NewText {
                text: String::from_utf8_lossy(&text).into_owned(),
                sighting: Sighting {
                    events: events.unsigned_abs(),
                    last_seen_days: (last > 0).then(|| days_between(last, window.start())),
                    known_days,
                },
            };
            all.push(NewTexts {
                key: row.customer_id.to_vec(),
                metric: row.place.into(),
                events: row.events,
                known_days,
                number: row.new,
                texts: row.texts.into_iter().map(text).collect(),
            });
        }
        Ok(all)
    }
}

/// Whole days from the hour that begins at these Unix seconds.
fn days_between(seconds: u32, until: Timestamp) -> u32 {
    let from = Timestamp::from_second(seconds.into()).map_or(Hour::holding(until), Hour::holding);
    u32::try_from(Hour::holding(until).since(from).max(0) / 24).unwrap_or(u32::MAX)
}
