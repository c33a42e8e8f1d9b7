//! Counting anomalies: a few attributes of each, with many days read at the same time.

use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use detection::{CustomerId, Direction, MetricName, Severity};
use futures::stream::{FuturesUnordered, TryStreamExt};
use jiff::Timestamp;
use serde::Deserialize;

use super::{AnomalyFilter, AnomalyStore, StoreError};

/// Queries in flight at once.
const CONCURRENT_QUERIES: usize = 16;

const DAY_MS: i64 = 86_400_000;

/// The attributes that a count reads.
#[derive(Clone, Debug, Deserialize)]
pub struct CountedAnomaly {
    pub detected_at: i64,
    pub customer_id: CustomerId,
    pub metric: MetricName,
    pub severity: Severity,
    pub direction: Direction,
    #[serde(rename = "type")]
    pub kind: String,
}

impl AnomalyStore {
    /// Hands every anomaly from `filter.from` to `filter.until` to `see`, in any order. Returns `false` if the deadline
    /// came first.
    pub async fn count(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        now: Timestamp,
        deadline: Instant,
        mut see: impl FnMut(CountedAnomaly),
    ) -> Result<bool, StoreError> {
        let days = days_of(filter).into_iter().flat_map(|(from, until)| {
            let of_day = AnomalyFilter { from: Some(from), until: Some(until), ..filter.clone() };
            self.queries(&of_day, metrics, None, now).into_iter().map(|(_, query)| query)
        });
        let mut waiting: Vec<_> = days
            .map(|query| {
                query
                    .projection_expression("detected_at, customer_id, metric, severity, direction, #type")
                    .expression_attribute_names("#type", "type")
            })
            .collect();
        // A part is counted as soon as it arrives. So memory holds only the queries in flight.
        let mut in_flight = FuturesUnordered::new();
        loop {
            while in_flight.len() < CONCURRENT_QUERIES
                && let Some(query) = waiting.pop()
            {
                in_flight.push(self.part_of(query));
            }
            let Some((seen, rest)) = in_flight.try_next().await? else { return Ok(true) };
            seen.into_iter().for_each(&mut see);
            waiting.extend(rest);
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// One part of a query, and the query for the rest.
    async fn part_of(
        &self,
        query: QueryFluentBuilder,
    ) -> Result<(Vec<CountedAnomaly>, Option<QueryFluentBuilder>), StoreError> {
        let answer = query.clone().send().await.map_err(|source| self.unread("anomalies", source))?;
        let seen = answer.items.unwrap_or_default().into_iter().map(serde_dynamo::from_item);
        let seen = seen.collect::<Result<_, _>>().map_err(|source| self.unreadable(source))?;
        let rest = answer.last_evaluated_key.map(|key| query.set_exclusive_start_key(Some(key)));
        Ok((seen, rest))
    }
}

/// The range of a filter in parts of a day, which can be read at the same time.
fn days_of(filter: &AnomalyFilter) -> Vec<(Timestamp, Timestamp)> {
    let (from, until) = filter.bounds();
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let starts =
        std::iter::successors(Some(from), |start| Some(start + DAY_MS)).take_while(|start| *start < until);
    starts.map(|start| (at(start), at((start + DAY_MS).min(until)))).collect()
}
