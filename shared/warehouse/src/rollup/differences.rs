//! The hours in which the rollup differs from the events.

use catalog::MetricSpec;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::{MigrationError, failed};
use super::{DAY_SECONDS, HOUR_SECONDS, replace, server, sql, statements, versions};

/// Hours of one day of a metric in which events and rollup differ in number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The period that was compared.
    pub compared: (u32, u32),
    /// First second of the day, UTC, in Unix seconds.
    pub day: u32,
    /// Hours in which the rollup has fewer events than the table.
    pub fewer: Vec<Hour>,
    /// Hours in which the rollup has more events: events are gone, or were counted twice.
    pub more: Vec<Hour>,
}

/// An hour, in Unix seconds, with its number of events in the table and in the rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    pub at: u32,
    pub events: u64,
    pub rolled: u64,
}

/// Hours of one day to compute again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// The period that was compared.
    pub compared: (u32, u32),
    pub day: u32,
    pub hours: Vec<Hour>,
}

/// Seconds of a polled source that one query compares. It holds the ids of all events of that time.
const AT_ONCE: usize = 7 * DAY_SECONDS as usize;

/// The days of a metric whose hours from `from` until `until` differ, oldest first.
pub async fn differences(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    (from, until): (u32, u32),
) -> Result<Vec<Difference>, MigrationError> {
    if !versions::is_polled(metric) {
        return of_period(
            client,
            database,
            metric,
            (from, until),
            &statements::differences(metric, from, until),
        )
        .await;
    }
    let text = replace::extent(metric, from, until);
    let query = client.clone().with_database(database).query_raw(&text);
    let what = format!("the first event of `{}` was not found", metric.name);
    let (first, last): (u32, u32) = query.fetch_one().await.map_err(failed(database, &what, &text))?;
    let mut all = Vec::new();
    for begin in (first / DAY_SECONDS * DAY_SECONDS..=last).step_by(AT_ONCE) {
        let end = begin.saturating_add(AT_ONCE as u32).min(until);
        let text = statements::differences(metric, begin.max(from), end);
        all.extend(of_period(client, database, metric, (begin.max(from), end), &text).await?);
    }
    Ok(all)
}

/// The same of one period, by this query.
pub(super) async fn of_period(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    compared: (u32, u32),
    text: &str,
) -> Result<Vec<Difference>, MigrationError> {
    #[derive(Row, Deserialize)]
    struct Found {
        day: u32,
        hours_with_fewer: Vec<u32>,
        hours_with_more: Vec<u32>,
        counts: Vec<(u32, (u64, u64))>,
    }
    let client = client.clone().with_database(database);
    let what = format!("the hours of `{}` were not compared with its events", metric.name);
    let found: Vec<Found> =
        client.query_raw(text).fetch_all().await.map_err(failed(database, &what, text))?;
    let difference = |found: Found| {
        let hour = |at: u32| {
            let counts = found.counts.iter().find(|(hour, _)| *hour == at);
            let (events, rolled) = counts.map(|(_, counts)| *counts).unwrap_or_default();
            Hour { at, events, rolled }
        };
        Difference {
            compared,
            day: found.day,
            fewer: found.hours_with_fewer.iter().copied().map(hour).collect(),
            more: found.hours_with_more.iter().copied().map(hour).collect(),
        }
    };
    Ok(found.into_iter().map(difference).collect())
}

impl Difference {
    /// The hours of a day to compute again: hours with too few events, and other hours that may be replaced by less.
    pub(super) fn to_fill(&self, may_shrink: impl Fn(u32) -> bool) -> Option<Day> {
        let shrinks = self.more.iter().filter(|hour| may_shrink(hour.at));
        let mut hours: Vec<Hour> = self.fewer.iter().chain(shrinks).copied().collect();
        hours.sort_by_key(|hour| hour.at);
        (!hours.is_empty()).then_some(Day { compared: self.compared, day: self.day, hours })
    }
}

impl Day {
    pub fn events(&self) -> u64 {
        self.hours.iter().map(|hour| hour.events).sum()
    }

    pub(super) fn spans(&self) -> Vec<(u32, u32)> {
        let following = self.hours.chunk_by(|one, next| one.at + HOUR_SECONDS == next.at);
        following.map(|hours| (hours[0].at, hours[hours.len() - 1].at + HOUR_SECONDS)).collect()
    }

    pub(super) fn wrong_spans(&self) -> Vec<(u32, u32)> {
        let wrong = self.hours.iter().filter(|hour| hour.rolled > 0).copied().collect();
        Self { hours: wrong, ..*self }.spans()
    }
}

/// The server's time in Unix seconds.
pub(super) async fn now(client: &Client, database: &str) -> Result<u32, MigrationError> {
    let text = "SELECT toUnixTimestamp(now('UTC'))";
    let query = server(client).query_raw(text);
    query.fetch_one().await.map_err(failed(database, "the server did not tell its time", text))
}

/// The first second that the rollup keeps.
pub(super) fn kept_from(now: u32, keep_days: u16) -> u32 {
    (now / DAY_SECONDS + 1).saturating_sub(u32::from(keep_days)) * DAY_SECONDS
}

/// The end of the hours that only late events are inserted into.
pub(super) fn settled(now: u32) -> u32 {
    now / HOUR_SECONDS * HOUR_SECONDS - HOUR_SECONDS
}

/// The hours of a metric that a rebuild replaces by fewer events, as a condition of SQL. `None` without such hours.
pub(super) async fn shrinking(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    keep_days: u16,
) -> Result<Option<String>, MigrationError> {
    let now = now(client, database).await?;
    let differences =
        differences(client, database, metric, (kept_from(now, keep_days), settled(now))).await?;
    let hours = differences.iter().flat_map(|difference| &difference.more);
    let hours: Vec<String> = hours.map(|hour| hour.at.to_string()).collect();
    let name = sql::quoted(metric.name.as_str());
    Ok((!hours.is_empty())
        .then(|| format!("metric = '{name}' AND toUnixTimestamp(hour) IN ({})", hours.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_would_shrink_is_left_alone() {
        let hour = |number: u32, events, rolled| Hour { at: number * HOUR_SECONDS, events, rolled };
        let difference = Difference {
            compared: (0, DAY_SECONDS),
            day: 0,
            fewer: vec![hour(1, 5, 0), hour(2, 5, 4), hour(4, 5, 0)],
            more: vec![hour(3, 1, 9), hour(5, 1, 9)],
        };
        let day = difference.to_fill(|_| false).unwrap();
        assert_eq!(day.spans(), [(3_600, 10_800), (14_400, 18_000)]);
        assert_eq!((day.wrong_spans(), day.events()), (vec![(7_200, 10_800)], 15));
        let day = difference.to_fill(|at| at == 3 * HOUR_SECONDS).unwrap();
        assert_eq!((day.spans(), day.wrong_spans()), (vec![(3_600, 18_000)], vec![(7_200, 14_400)]));
        let only_more = Difference { fewer: vec![], ..difference };
        assert_eq!(only_more.to_fill(|_| false), None);
    }
}
