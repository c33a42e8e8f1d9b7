//! Finds the hours in which the rollup differs from the events, and computes them again.

use std::collections::BTreeSet;

use catalog::MetricSpec;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::apply::run;
use super::error::{MigrationError, failed};
use super::{DAY_SECONDS, HOUR_SECONDS, statements};

/// Hours of one day of a metric in which events and rollup differ in number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
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
    pub day: u32,
    pub hours: Vec<Hour>,
}

/// The days of a metric whose hours from `from` until `until` differ, oldest first.
pub async fn differences(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    (from, until): (u32, u32),
) -> Result<Vec<Difference>, MigrationError> {
    #[derive(Row, Deserialize)]
    struct Found {
        day: u32,
        hours_with_fewer: Vec<u32>,
        hours_with_more: Vec<u32>,
        counts: Vec<(u32, (u64, u64))>,
    }
    let client = client.clone().with_database(database);
    let text = statements::differences(metric, from, until);
    let what = format!("the hours of `{}` were not compared with its events", metric.name);
    let found: Vec<Found> =
        client.query_raw(&text).fetch_all().await.map_err(failed(database, &what, &text))?;
    let difference = |found: Found| {
        let hour = |at: u32| {
            let counts = found.counts.iter().find(|(hour, _)| *hour == at);
            let (events, rolled) = counts.map(|(_, counts)| *counts).unwrap_or_default();
            Hour { at, events, rolled }
        };
        Difference {
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
        (!hours.is_empty()).then_some(Day { day: self.day, hours })
    }
}

impl Day {
    pub fn events(&self) -> u64 {
        self.hours.iter().map(|hour| hour.events).sum()
    }

    fn spans(&self) -> Vec<(u32, u32)> {
        let following = self.hours.chunk_by(|one, next| one.at + HOUR_SECONDS == next.at);
        following.map(|hours| (hours[0].at, hours[hours.len() - 1].at + HOUR_SECONDS)).collect()
    }

    fn wrong_spans(&self) -> Vec<(u32, u32)> {
        let wrong = self.hours.iter().filter(|hour| hour.rolled > 0).copied().collect();
        Self { day: self.day, hours: wrong }.spans()
    }
}

/// Computes hours of a metric again from its events, and tells `done` of each day.
///
/// Hours with wrong rows are emptied before they are filled. Days that no sweep reads any more are emptied together,
/// because each such step rewrites parts of the table. A day that sweeps still read is empty only for a moment.
pub(super) async fn fill(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    days: &[Day],
    now: u32,
    mut done: impl FnMut(&Day),
) -> Result<(), MigrationError> {
    let what = format!("the events of `{}` were not added to the rollup", metric.name);
    let run = async |statement: String| run(client, database, &what, &statement).await;
    // An insert is noticed as an arrival. A deletion is not.
    let forget = async || {
        for statement in statements::forget_baselines() {
            run(statement).await?;
        }
        Ok(())
    };
    let takes_out = days.iter().any(|day| !day.wrong_spans().is_empty());
    if takes_out {
        // Also before the deletion: after it, a migration that runs again would not know of the deleted rows.
        forget().await?;
    }
    let read_from = now.saturating_sub(100 * DAY_SECONDS);
    let (old, recent): (Vec<&Day>, Vec<&Day>) = days.iter().partition(|day| day.day < read_from);
    let wrong =
        |days: &[&Day]| -> Vec<(u32, u32)> { days.iter().flat_map(|day| day.wrong_spans()).collect() };
    if let Some(statement) = statements::clear(metric, &wrong(&old)) {
        run(statement).await?;
    }
    for day in old {
        run(statements::fill(metric, &day.spans())).await?;
        done(day);
    }
    for day in recent {
        if let Some(statement) = statements::clear(metric, &wrong(&[day])) {
            run(statement).await?;
        }
        run(statements::fill(metric, &day.spans())).await?;
        done(day);
    }
    if takes_out {
        forget().await?;
    }
    Ok(())
}

/// The hours of these days.
pub(super) fn hours_of(days: &[Day]) -> BTreeSet<u32> {
    days.iter().flat_map(|day| day.hours.iter().map(|hour| hour.at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_would_shrink_is_left_alone() {
        let hour = |number: u32, events, rolled| Hour { at: number * HOUR_SECONDS, events, rolled };
        let difference = Difference {
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
