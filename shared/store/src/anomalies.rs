//! Reading anomalies: one by its id, pages of them, and the figures of many.
//!
//! A customer's anomalies are read from the table, those of a metric from the index by metric, and all of them as a
//! merge of the metrics of the catalog. The order is newest first; of the same time, a merge goes in the order of the
//! metrics, a customer's own in that of the keys. So the last anomaly of a page is all that the next page needs to know.
//! Items past their `ttl` are never shown, although DynamoDB may keep them for days.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{CustomerId, Direction, MetricName, Severity, State};
use futures::future::try_join_all;
use futures::stream::{FuturesUnordered, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::item::{partition_key, sort_key};
use super::{AnomalyItem, AnomalyStore, Attributes, StoreError};

/// Name of the index of anomalies by metric.
const METRIC_INDEX: &str = "metric-severity-index";

/// Millisecond at which sort keys get their thirteen digits (9 September 2001): from here on they sort like numbers.
const EARLIEST_MS: i64 = 1_000_000_000_000;
/// The last one that has thirteen.
const LATEST_MS: i64 = 9_999_999_999_999;

/// Queries in flight when many anomalies are read.
const CONCURRENT_QUERIES: usize = 16;

/// Items that one query of a list looks at: more than a page, since a filter leaves some out.
const READ_AT_ONCE: i32 = 200;

const DAY_MS: i64 = 86_400_000;

/// Which anomalies.
#[derive(Clone, Debug, Default)]
pub struct AnomalyFilter {
    pub customer: Option<CustomerId>,
    pub metric: Option<MetricName>,
    pub severity: Option<Severity>,
    pub direction: Option<Direction>,
    pub state: Option<State>,
    /// First time of detection.
    pub from: Option<Timestamp>,
    /// First time of detection that is too late.
    pub until: Option<Timestamp>,
}

/// A place in the list: right after this anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub detected_at: i64,
    pub metric: MetricName,
    pub customer_id: CustomerId,
}

/// Some anomalies, newest first.
#[derive(Debug)]
pub struct Page {
    pub anomalies: Vec<AnomalyItem>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Position>,
}

/// What is read of an anomaly that is only counted.
#[derive(Clone, Debug, Deserialize)]
pub struct Seen {
    pub detected_at: i64,
    pub customer_id: CustomerId,
    pub metric: MetricName,
    pub severity: Severity,
    pub direction: Direction,
    #[serde(rename = "type")]
    pub kind: String,
}

/// One query whose pages are fetched as they are needed.
struct Reading {
    query: QueryFluentBuilder,
    /// Place among the metrics, which decides between anomalies of the same time.
    rank: usize,
    buffer: VecDeque<AnomalyItem>,
    /// Up to where it was read.
    frontier: Option<Position>,
    ended: bool,
}

impl AnomalyStore {
    /// An anomaly, unless it is missing or expired.
    pub async fn anomaly(
        &self,
        customer: &CustomerId,
        detected_at: Timestamp,
        metric: &MetricName,
        now: Timestamp,
    ) -> Result<Option<AnomalyItem>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(partition_key(customer)))
            .key("sk", AttributeValue::S(sort_key(detected_at.as_millisecond(), metric)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|source| self.unread("the anomaly", source))?;
        let Some(item) = answer.item else { return Ok(None) };
        let item: AnomalyItem = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
        Ok((item.ttl >= now.as_second()).then_some(item))
    }

    /// At most `limit` anomalies after a position. `metrics` are those of the catalog, in its order.
    ///
    /// A page is filled as far as there are anomalies; at the deadline it ends where reading got to.
    pub async fn list(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        after: Option<&Position>,
        limit: usize,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<Page, StoreError> {
        let mut readings = self.readings(filter, metrics, after, now);
        let mut page = Page { anomalies: Vec::new(), next: None };
        let (mut in_time, mut looked_on) = (true, false);
        loop {
            if in_time {
                let starved =
                    readings.iter_mut().filter(|reading| reading.buffer.is_empty() && !reading.ended);
                try_join_all(starved.map(|reading| self.read(reading))).await?;
                in_time = Instant::now() < deadline;
            }
            let newest = readings.iter_mut().filter(|reading| !reading.is_over()).max_by_key(|r| r.place());
            let Some(reading) = newest else { return Ok(page) };
            if page.anomalies.len() == limit {
                // Whether anything follows is known once it was read, and a filter may leave nothing of what is there
                // still. One look is worth it, to spare an empty page; more are the next page's work.
                if reading.buffer.is_empty() && in_time && !looked_on {
                    looked_on = true;
                    continue;
                }
                page.next = page.anomalies.last().map(Position::of);
                return Ok(page);
            }
            match reading.buffer.pop_front() {
                Some(anomaly) => page.anomalies.push(anomaly),
                // Nothing newer is left to show, and what comes next was not read yet.
                None if !in_time => {
                    page.next = reading.frontier.clone().or_else(|| page.anomalies.last().map(Position::of));
                    return Ok(page);
                }
                None => {}
            }
        }
    }

    /// Hands every anomaly from `filter.from` to `filter.until` to `see`, in any order. `false` when the deadline came
    /// first.
    pub async fn count(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        now: Timestamp,
        deadline: Instant,
        mut see: impl FnMut(Seen),
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
        // A page is counted as soon as it is there, so that memory holds no more than those in flight.
        let mut in_flight = FuturesUnordered::new();
        loop {
            while in_flight.len() < CONCURRENT_QUERIES
                && let Some(query) = waiting.pop()
            {
                in_flight.push(self.page_of(query));
            }
            let Some((seen, rest)) = in_flight.try_next().await? else { return Ok(true) };
            seen.into_iter().for_each(&mut see);
            waiting.extend(rest);
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// One page of a query, and the query for the rest of it.
    async fn page_of(
        &self,
        query: QueryFluentBuilder,
    ) -> Result<(Vec<Seen>, Option<QueryFluentBuilder>), StoreError> {
        let answer = query.clone().send().await.map_err(|source| self.unread("anomalies", source))?;
        let seen = answer.items.unwrap_or_default().into_iter().map(serde_dynamo::from_item);
        let seen = seen.collect::<Result<_, _>>().map_err(|source| self.unreadable(source))?;
        let rest = answer.last_evaluated_key.map(|key| query.set_exclusive_start_key(Some(key)));
        Ok((seen, rest))
    }

    fn readings(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        after: Option<&Position>,
        now: Timestamp,
    ) -> Vec<Reading> {
        self.queries(filter, metrics, after, now)
            .into_iter()
            .map(|(rank, query)| Reading {
                query: query.limit(READ_AT_ONCE),
                rank,
                buffer: VecDeque::new(),
                frontier: after.cloned(),
                ended: false,
            })
            .collect()
    }

    /// The next page of a query into its buffer.
    async fn read(&self, reading: &mut Reading) -> Result<(), StoreError> {
        let answer = reading.query.clone().send().await.map_err(|source| self.unread("anomalies", source))?;
        for item in answer.items.unwrap_or_default() {
            reading
                .buffer
                .push_back(serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?);
        }
        match answer.last_evaluated_key {
            Some(key) => {
                reading.frontier = Some(position_of_key(&key).map_err(|source| self.unreadable(source))?);
                reading.query = reading.query.clone().set_exclusive_start_key(Some(key));
            }
            None => reading.ended = true,
        }
        Ok(())
    }

    /// The queries that together find all of a filter's anomalies, newest first, each with its metric's place.
    fn queries(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        after: Option<&Position>,
        now: Timestamp,
    ) -> Vec<(usize, QueryFluentBuilder)> {
        let (from, until) = filter.bounds();
        // A bound that is relative to now may have moved on past the position, and then nothing is left; DynamoDB would
        // refuse to begin there.
        if from >= until || after.is_some_and(|after| after.detected_at < from) {
            return Vec::new();
        }
        if let Some(customer) = &filter.customer {
            let start = after.map(|after| {
                HashMap::from([
                    ("pk".to_owned(), AttributeValue::S(partition_key(customer))),
                    ("sk".to_owned(), AttributeValue::S(sort_key(after.detected_at, &after.metric))),
                ])
            });
            let query = self
                .filtered(filter, filter.metric.as_ref(), now)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
                .expression_attribute_values(":pk", AttributeValue::S(partition_key(customer)))
                // Without the metric at its end, a key lies before all keys of its millisecond.
                .expression_attribute_values(":from", AttributeValue::S(format!("ANOMALY#{from}")))
                .expression_attribute_values(":until", AttributeValue::S(format!("ANOMALY#{until}")))
                .set_exclusive_start_key(start);
            return vec![(0, query)];
        }
        let wanted = |metric: &&MetricName| filter.metric.as_ref().is_none_or(|wanted| wanted == *metric);
        let resumed = after.and_then(|after| metrics.iter().position(|metric| *metric == after.metric));
        let metrics = metrics.iter().enumerate().filter(|(_, metric)| wanted(metric));
        metrics
            .filter_map(|(rank, metric)| {
                // Of the same time, the metrics before the last one shown were shown, and those after it were not.
                let last = match (after, resumed) {
                    (Some(after), Some(resumed)) if rank < resumed => (until - 1).min(after.detected_at - 1),
                    (Some(after), Some(resumed)) if rank > resumed => (until - 1).min(after.detected_at),
                    _ => until - 1,
                };
                let start = after.filter(|after| after.metric == *metric).map(key_in_index);
                let query = self
                    .filtered(filter, None, now)
                    .index_name(METRIC_INDEX)
                    .key_condition_expression("metric = :metric AND detected_at BETWEEN :from AND :last")
                    .expression_attribute_values(":metric", AttributeValue::S(metric.to_string()))
                    .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
                    .expression_attribute_values(":last", AttributeValue::N(last.to_string()))
                    .set_exclusive_start_key(start);
                (from <= last).then_some((rank, query))
            })
            .collect()
    }

    fn filtered(
        &self,
        filter: &AnomalyFilter,
        metric: Option<&MetricName>,
        now: Timestamp,
    ) -> QueryFluentBuilder {
        let mut query = self.client.query().table_name(&self.table).scan_index_forward(false);
        let mut conditions = vec!["#ttl >= :now"];
        query = query
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()));
        for (condition, name, value) in [
            ("metric = :wanted_metric", ":wanted_metric", metric.map(MetricName::as_str)),
            ("severity = :severity", ":severity", filter.severity.map(Severity::as_str)),
            ("direction = :direction", ":direction", filter.direction.map(Direction::as_str)),
            ("#state = :state", ":state", filter.state.map(State::as_str)),
        ] {
            let Some(value) = value else { continue };
            query = query.expression_attribute_values(name, AttributeValue::S(value.to_owned()));
            conditions.push(condition);
        }
        if let Some(state) = filter.state {
            query = query.expression_attribute_names("#state", "state");
            // An anomaly that nobody has touched has no state yet.
            if state.is_open() {
                conditions.pop();
                conditions.push("(attribute_not_exists(#state) OR #state = :state)");
            }
        }
        query.filter_expression(conditions.join(" AND "))
    }
}

impl AnomalyFilter {
    /// The bounds of the list in Unix milliseconds, `[from, until)`, open ones filled in.
    pub fn bounds(&self) -> (i64, i64) {
        (millisecond(self.from, EARLIEST_MS), millisecond(self.until, LATEST_MS))
    }
}

impl Position {
    pub fn of(anomaly: &AnomalyItem) -> Self {
        Self {
            detected_at: anomaly.detected_at,
            metric: anomaly.metric.clone(),
            customer_id: anomaly.customer_id.clone(),
        }
    }
}

impl Reading {
    fn is_over(&self) -> bool {
        self.buffer.is_empty() && self.ended
    }

    /// Where its next anomaly stands at best: the greatest place comes first. What was not begun could be anywhere.
    fn place(&self) -> (i64, std::cmp::Reverse<usize>) {
        let next = self.buffer.front().map(|anomaly| anomaly.detected_at);
        let at = next.or_else(|| self.frontier.as_ref().map(|frontier| frontier.detected_at));
        (at.unwrap_or(i64::MAX), std::cmp::Reverse(self.rank))
    }
}

fn key_in_index(position: &Position) -> Attributes {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(partition_key(&position.customer_id))),
        ("sk".to_owned(), AttributeValue::S(sort_key(position.detected_at, &position.metric))),
        ("metric".to_owned(), AttributeValue::S(position.metric.to_string())),
        ("detected_at".to_owned(), AttributeValue::N(position.detected_at.to_string())),
    ])
}

fn position_of_key(key: &Attributes) -> Result<Position, serde_dynamo::Error> {
    #[derive(Deserialize)]
    struct Key {
        pk: String,
        sk: String,
    }
    let broken = |detail: String| <serde_dynamo::Error as serde::de::Error>::custom(detail);
    let Key { pk, sk } = serde_dynamo::from_item(key.clone())?;
    let customer = pk.strip_prefix("CUSTOMER#").and_then(|id| CustomerId::new(id).ok());
    let (time, metric) =
        sk.strip_prefix("ANOMALY#").and_then(|rest| rest.split_once('#')).unwrap_or_default();
    match (customer, time.parse(), MetricName::new(metric)) {
        (Some(customer_id), Ok(detected_at), Ok(metric)) => Ok(Position { detected_at, metric, customer_id }),
        _ => Err(broken(format!("`{sk}` is not the key of an anomaly"))),
    }
}

/// The range of a filter in parts of a day, so that they can be read at the same time.
fn days_of(filter: &AnomalyFilter) -> Vec<(Timestamp, Timestamp)> {
    let (from, until) = filter.bounds();
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let starts =
        std::iter::successors(Some(from), |start| Some(start + DAY_MS)).take_while(|start| *start < until);
    starts.map(|start| (at(start), at((start + DAY_MS).min(until)))).collect()
}

/// A bound within what sort keys can express; one that lies before it is rounded up to a whole millisecond.
fn millisecond(bound: Option<Timestamp>, open: i64) -> i64 {
    let Some(bound) = bound else { return open };
    let rounded_up = bound.as_millisecond() + i64::from(bound.subsec_nanosecond() % 1_000_000 > 0);
    rounded_up.clamp(EARLIEST_MS, LATEST_MS)
}
