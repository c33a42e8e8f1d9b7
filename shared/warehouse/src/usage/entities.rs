//! Reads what rules judge: the figures of entities, and single events.

use std::collections::BTreeMap;
use std::time::Instant;

use catalog::{Catalog, MetricSpec, Shard};
use clickhouse::Row;
use detection::{CustomerId, Hour, Window};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::UsageError;
use super::reader::UsageReader;
use super::rows::Declaring;
use super::sql;

/// Entities to read.
#[derive(Clone, Copy, Debug)]
pub struct EntitiesRequest<'a> {
    pub catalog: &'a Catalog,
    /// The period that is judged, of full hours. For a source with a rollup of minutes it may be shorter than an hour.
    pub window: Window,
    /// How many windows are read: that one, and those before it.
    pub windows: usize,
    /// The first instant of the hours that they are compared with. These end where the first window starts.
    pub from: Timestamp,
    /// Only the entities with these keys. An empty list means all.
    pub keys: &'a [CustomerId],
    pub shard: Shard,
    /// The name of the query in ClickHouse's own logs.
    pub query_id: &'a str,
    /// The answer is complete by this time.
    pub deadline: Instant,
}

/// What the rollup holds of a metric of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct EntityFigures {
    /// The key of the rollup: any bytes.
    pub key: Vec<u8>,
    /// The place of the metric among those that rules judge.
    pub metric: usize,
    /// Of the window.
    pub now: EventFigures,
    /// Of the windows before it, the newest first.
    pub earlier: Vec<EventFigures>,
    /// Of the two hours before all of them. Only windows shorter than an hour have it.
    pub recent: Option<EventFigures>,
    /// Of the days before all of them: for windows shorter than an hour, the same hour of each.
    pub before: EventFigures,
}

/// The figures of the events of a period.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct EventFigures {
    pub events: u64,
    /// Those that failed.
    pub bad: u64,
    /// The sum of their usable values: finite ones that are not negative.
    pub total: f64,
    /// The smallest usable value. Meaningless without any.
    pub least: f64,
    /// The largest usable value. Meaningless without any.
    pub most: f64,
    /// The number of values by their place in a logarithmic histogram. Empty for a metric without a value.
    pub shape: Vec<(i16, u64)>,
    /// The sum of the values divided by that of another expression, of a metric that is such a ratio. Not finite where that
    /// sum is zero.
    pub ratio: f64,
    /// The newest finite value, of a metric that is a level. Meaningless without any.
    pub newest: f64,
}

/// How the newest events of an entity ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes {
    pub key: Vec<u8>,
    /// When each event was finished, in Unix milliseconds, and whether it failed. The newest first.
    pub events: Vec<(i64, bool)>,
}

/// The newest events of an entity that failed in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailedInARow {
    pub length: u64,
    /// How many of them were finished before the hour that is judged.
    pub earlier: u64,
}

impl Outcomes {
    /// The failures since the last success.
    ///
    /// * `hour`: the first instant of the hour that is judged.
    /// * `of_day`: the hour of the day that the past is of, if it is not of all hours.
    pub fn streak(&self, hour: Timestamp, of_day: Option<u8>) -> FailedInARow {
        let failures = || self.events.iter().take_while(|(_, failed)| *failed);
        let is_of_past = |at: i64| {
            let at = Timestamp::from_millisecond(at).unwrap_or(hour);
            at < hour && of_day.is_none_or(|of_day| Hour::holding(at).of_day() == of_day)
        };
        let earlier = failures().filter(|(at, _)| is_of_past(*at)).count() as u64;
        FailedInARow { length: failures().count() as u64, earlier }
    }

    /// The failures of the hour before a success of the window, the most of any success. Zero without a success.
    ///
    /// * `window`: its first instant.
    pub fn failures_before_success(&self, window: Timestamp) -> u64 {
        let (start, hour) = (window.as_millisecond(), 3_600_000);
        let successes = self.events.iter().filter(|(at, failed)| !failed && *at >= start);
        let before = |success: i64| {
            let is_before = |(at, failed): &&(i64, bool)| *failed && (success - hour..=success).contains(at);
            self.events.iter().filter(is_before).count() as u64
        };
        successes.map(|(at, _)| before(*at)).max().unwrap_or_default()
    }
}

/// One event of a source, from its own table.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedEvent {
    pub key: Vec<u8>,
    pub at: Timestamp,
    /// Whether the source counts it: it is over, and its entity has all names.
    pub is_finished: bool,
    pub is_whole: bool,
    pub failed: bool,
    pub ids: BTreeMap<String, String>,
    /// Its value of each metric that rules judge, in their order. `None` where it has none.
    pub values: Vec<Option<f64>>,
}

#[derive(Row, Deserialize)]
struct FiguresRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    place: u16,
    now: EventFigures,
    earlier: Vec<EventFigures>,
    recent: Vec<EventFigures>,
    before: EventFigures,
}

impl Declaring for FiguresRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

#[derive(Row, Deserialize)]
struct OutcomesRow<'a> {
    #[serde(with = "serde_bytes")]
    key: &'a [u8],
    declared: u64,
    outcomes: Vec<(i64, u8)>,
}

impl Declaring for OutcomesRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

#[derive(Row, Deserialize)]
struct EventRow {
    #[serde(with = "serde_bytes")]
    key: Vec<u8>,
    at: i64,
    is_finished: u8,
    is_whole: u8,
    bad: u8,
    ids: Vec<(String, String)>,
    values: Vec<f64>,
}

impl UsageReader {
    /// The figures of entities. Entities without an event in either period are left out.
    pub async fn entities(&self, request: &EntitiesRequest<'_>) -> Result<Vec<EntityFigures>, UsageError> {
        let EntitiesRequest { catalog, window, windows, from, keys, shard, query_id, deadline } = *request;
        let text = sql::figures(catalog, (&window, windows), shard, !keys.is_empty());
        let Some(text) = text else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond());
        let mut rows = self.start::<FiguresRow<'static>>(query, query_id, deadline)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            all.push(EntityFigures {
                key: row.customer_id.to_vec(),
                metric: row.place.into(),
                now: row.now,
                earlier: row.earlier,
                recent: row.recent.into_iter().next(),
                before: row.before,
            });
        }
        Ok(all)
    }

    /// How the newest events of a metric of entities ended, at most `most` of each, from `from` until the end of the window.
    /// Entities without an event in the window are left out.
    pub async fn outcomes(
        &self,
        request: &EntitiesRequest<'_>,
        metric: &MetricSpec,
        most: u32,
    ) -> Result<Vec<Outcomes>, UsageError> {
        let EntitiesRequest { catalog, window, from, keys, query_id, deadline, .. } = *request;
        let Some(text) = sql::outcomes(metric, !keys.is_empty()) else { return Ok(Vec::new()) };
        let query = self.query(&text, (window.start(), window.end()), catalog, keys, query_id).await?;
        let query = query.param("from", from.as_millisecond()).param("most", most);
        let mut rows = self.start::<OutcomesRow<'static>>(query, query_id, deadline)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().await? {
            let events = row.outcomes.iter().map(|(at, failed)| (*at, *failed > 0)).collect();
            all.push(Outcomes { key: row.key.to_vec(), events });
        }
        Ok(all)
    }

    /// The event with this id. `None` if there is none, or the source names no id.
    ///
    /// * `customer`: the one that the event must be of. Ids of some systems are unique for a customer only.
    pub async fn event(
        &self,
        id: (&str, Option<&CustomerId>),
        catalog: &Catalog,
        query_id: &str,
    ) -> Result<Option<FinishedEvent>, UsageError> {
        let (id, customer) = id;
        let Some(text) = sql::event(catalog, customer.is_some()) else { return Ok(None) };
        let query = self.bare_query(&text, query_id).await?.param("id", id);
        let query = query.param("customer", customer.map_or("", CustomerId::as_str));
        let row = self.within(&self.context(query_id), query.fetch_optional::<EventRow>()).await?;
        Ok(row.map(|row| FinishedEvent {
            key: row.key,
            at: Timestamp::from_millisecond(row.at).unwrap_or(Timestamp::UNIX_EPOCH),
            is_finished: row.is_finished > 0,
            is_whole: row.is_whole > 0,
            failed: row.bad > 0,
            ids: row.ids.into_iter().filter(|(_, id)| !id.is_empty()).collect(),
            values: row.values.into_iter().map(|value| Some(value).filter(|value| !value.is_nan())).collect(),
        }))
    }
}
