//! Pages of incidents, those first that changed last.
//!
//! A customer's incidents are read from the table and sorted here, for they are few. All of them are a merge of the parts
//! of the index; of the same time the parts go in their order, and within a part the index has its own, which goes on
//! where a page ended. Sorting them by anything else would mean to read all incidents of a time for each page, and in a
//! storm they all are of the same one. So the last incident of a page is all that the next page needs to know.
//! Items past their `ttl` are never shown, although DynamoDB may keep them for days.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{CustomerId, Direction, IncidentState, MetricName, Severity};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::incidents::{INCIDENTS_INDEX, SHARDS, shard_of};
use super::item::partition_key;
use super::{AnomalyStore, Attributes, IncidentItem, StoreError};

/// Times of lists without bounds, in Unix milliseconds.
const EARLIEST_MS: i64 = 0;
const LATEST_MS: i64 = 9_999_999_999_999;

/// Items that one query looks at: more than its share of a page, since a filter leaves some out.
const READ_AT_ONCE: i32 = 100;

/// First part of the keys of incidents.
const KEY_PREFIX: &str = "INCIDENT#";

/// Which incidents.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    pub customer: Option<CustomerId>,
    pub metric: Option<MetricName>,
    pub severity: Option<Severity>,
    pub direction: Option<Direction>,
    pub state: Option<IncidentState>,
    /// First time of the newest window that changed it.
    pub from: Option<Timestamp>,
    /// First such time that is too late.
    pub until: Option<Timestamp>,
}

/// A place in the list: right after this incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentPosition {
    pub last_window: i64,
    pub customer_id: CustomerId,
    /// Its key among the customer's items.
    pub key: String,
}

/// Some incidents, those first that changed last.
#[derive(Debug)]
pub struct IncidentPage {
    pub incidents: Vec<IncidentItem>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<IncidentPosition>,
}

/// One part of the index, whose pages are fetched as they are needed.
struct Reading {
    query: QueryFluentBuilder,
    shard: u8,
    buffer: VecDeque<IncidentItem>,
    /// Up to where it was read.
    frontier: Option<IncidentPosition>,
    ended: bool,
}

impl AnomalyStore {
    /// At most `limit` incidents after a position.
    ///
    /// A page is filled as far as there are incidents; at the deadline it ends where reading got to.
    pub async fn list_incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        limit: usize,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<IncidentPage, StoreError> {
        match &filter.customer {
            Some(customer) => self.list_of_customer(customer, filter, after, limit, now).await,
            None => self.list_of_all(filter, after, limit, now, deadline).await,
        }
    }

    async fn list_of_customer(
        &self,
        customer: &CustomerId,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        limit: usize,
        now: Timestamp,
    ) -> Result<IncidentPage, StoreError> {
        let (from, until) = filter.bounds();
        let mut pages = self
            .kept(filter, now)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :incident)")
            .expression_attribute_values(":pk", AttributeValue::S(partition_key(customer)))
            .expression_attribute_values(":incident", AttributeValue::S(KEY_PREFIX.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut incidents = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|source| self.unread("the incidents", source))?;
            incidents.extend(self.incident_of(item).map(|item| (IncidentPosition::of(&item), item)));
        }
        incidents.retain(|(place, _)| {
            (from..until).contains(&place.last_window)
                && after.is_none_or(|after| place.order() > after.order())
        });
        incidents.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        let next = (incidents.len() > limit).then(|| limit.checked_sub(1)).flatten();
        let next = next.and_then(|last| incidents.get(last)).map(|(place, _)| place.clone());
        let incidents = incidents.into_iter().take(limit).map(|(_, item)| item).collect();
        Ok(IncidentPage { incidents, next })
    }

    async fn list_of_all(
        &self,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        limit: usize,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<IncidentPage, StoreError> {
        let mut readings = self.parts(filter, after, now);
        let mut page = IncidentPage { incidents: Vec::new(), next: None };
        let (mut in_time, mut looked_on) = (true, false);
        loop {
            if in_time {
                let starved =
                    readings.iter_mut().filter(|reading| reading.buffer.is_empty() && !reading.ended);
                try_join_all(starved.map(|reading| self.read_on(reading))).await?;
                in_time = Instant::now() < deadline;
            }
            let newest = readings.iter_mut().filter(|reading| !reading.is_over()).max_by_key(|r| r.place());
            let Some(reading) = newest else { return Ok(page) };
            if page.incidents.len() == limit {
                // As in lists of anomalies: one more look is worth it, to spare an empty page.
                if reading.buffer.is_empty() && in_time && !looked_on {
                    looked_on = true;
                    continue;
                }
                page.next = page.incidents.last().map(IncidentPosition::of);
                return Ok(page);
            }
            match reading.buffer.pop_front() {
                Some(incident) => page.incidents.push(incident),
                // Nothing newer is left to show, and what comes next was not read yet.
                None if !in_time => {
                    let shown = || page.incidents.last().map(IncidentPosition::of);
                    page.next = reading.frontier.clone().or_else(shown);
                    return Ok(page);
                }
                None => {}
            }
        }
    }

    /// The parts of the index that may hold anything of a list after a position.
    fn parts(
        &self,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        now: Timestamp,
    ) -> Vec<Reading> {
        let (from, until) = filter.bounds();
        let resumed = after.map(|after| (after, shard_of(&after.customer_id)));
        let parts = (0..SHARDS).filter_map(|shard| {
            // Of the same time, the parts before the one of the last incident shown were shown, those after it were not.
            let last = match resumed {
                Some((after, resumed)) if shard < resumed => (until - 1).min(after.last_window - 1),
                Some((after, resumed)) if shard > resumed => (until - 1).min(after.last_window),
                _ => until - 1,
            };
            let start =
                resumed.filter(|(_, resumed)| *resumed == shard).map(|(after, _)| key_in_index(after));
            let query = self
                .kept(filter, now)
                .index_name(INCIDENTS_INDEX)
                .scan_index_forward(false)
                .limit(READ_AT_ONCE)
                .key_condition_expression("incident_shard = :shard AND last_window BETWEEN :from AND :last")
                .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
                .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
                .expression_attribute_values(":last", AttributeValue::N(last.to_string()))
                .set_exclusive_start_key(start);
            let (buffer, frontier) = (VecDeque::new(), after.cloned());
            (from <= last).then_some(Reading { query, shard, buffer, frontier, ended: false })
        });
        parts.collect()
    }

    /// The next page of a part into its buffer.
    async fn read_on(&self, reading: &mut Reading) -> Result<(), StoreError> {
        let answer = reading.query.clone().send().await;
        let answer = answer.map_err(|source| self.unread("the incidents", source))?;
        let items = answer.items.unwrap_or_default().into_iter();
        reading.buffer.extend(items.filter_map(|item| self.incident_of(item)));
        match answer.last_evaluated_key {
            Some(key) => {
                reading.frontier = Some(position_of_key(&key).map_err(|source| self.unreadable(source))?);
                reading.query = reading.query.clone().set_exclusive_start_key(Some(key));
            }
            None => reading.ended = true,
        }
        Ok(())
    }

    /// A query that leaves out what the filter does, times apart, and what has expired.
    fn kept(&self, filter: &IncidentFilter, now: Timestamp) -> QueryFluentBuilder {
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()));
        let mut conditions = vec!["#ttl >= :now"];
        for (condition, name, value) in [
            ("metric = :metric", ":metric", filter.metric.as_ref().map(MetricName::as_str)),
            ("severity = :severity", ":severity", filter.severity.map(Severity::as_str)),
            ("direction = :direction", ":direction", filter.direction.map(Direction::as_str)),
            ("#state = :state", ":state", filter.state.map(IncidentState::as_str)),
        ] {
            let Some(value) = value else { continue };
            query = query.expression_attribute_values(name, AttributeValue::S(value.to_owned()));
            conditions.push(condition);
        }
        if filter.state.is_some() {
            query = query.expression_attribute_names("#state", "state");
        }
        query.filter_expression(conditions.join(" AND "))
    }
}

impl IncidentFilter {
    /// The bounds of the list in Unix milliseconds, `[from, until)`, open ones filled in.
    pub fn bounds(&self) -> (i64, i64) {
        let millisecond = |bound: Option<Timestamp>, open: i64| {
            let Some(bound) = bound else { return open };
            let rounded_up = bound.as_millisecond() + i64::from(bound.subsec_nanosecond() % 1_000_000 > 0);
            rounded_up.clamp(EARLIEST_MS, LATEST_MS)
        };
        (millisecond(self.from, EARLIEST_MS), millisecond(self.until, LATEST_MS))
    }
}

impl IncidentPosition {
    pub fn of(item: &IncidentItem) -> Self {
        Self {
            last_window: item.incident.last_window.as_millisecond(),
            customer_id: item.incident.subject.customer_id.clone(),
            key: item.sort_key(),
        }
    }

    /// Whether it is one that an incident could have: DynamoDB refuses to begin anywhere else.
    pub fn is_possible(&self) -> bool {
        self.key.starts_with(KEY_PREFIX) && self.key.len() <= 200
    }

    /// What a customer's incidents are sorted by.
    fn order(&self) -> (Reverse<i64>, &str) {
        (Reverse(self.last_window), &self.key)
    }
}

impl Reading {
    fn is_over(&self) -> bool {
        self.buffer.is_empty() && self.ended
    }

    /// Where its next incident stands at best: the greatest place comes first. What was not begun could be anywhere.
    fn place(&self) -> (i64, Reverse<u8>) {
        let next = self.buffer.front().map(|item| item.incident.last_window.as_millisecond());
        let at = next.or_else(|| self.frontier.as_ref().map(|frontier| frontier.last_window));
        (at.unwrap_or(i64::MAX), Reverse(self.shard))
    }
}

fn key_in_index(position: &IncidentPosition) -> Attributes {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(partition_key(&position.customer_id))),
        ("sk".to_owned(), AttributeValue::S(position.key.clone())),
        ("incident_shard".to_owned(), AttributeValue::S(shard_of(&position.customer_id).to_string())),
        ("last_window".to_owned(), AttributeValue::N(position.last_window.to_string())),
    ])
}

fn position_of_key(key: &Attributes) -> Result<IncidentPosition, serde_dynamo::Error> {
    #[derive(Deserialize)]
    struct Key {
        pk: String,
        sk: String,
        last_window: i64,
    }
    let Key { pk, sk, last_window } = serde_dynamo::from_item(key.clone())?;
    let customer = pk.strip_prefix("CUSTOMER#").and_then(|id| CustomerId::new(id).ok());
    let customer_id = customer.ok_or_else(|| {
        <serde_dynamo::Error as serde::de::Error>::custom(format!("`{pk}` is not the key of a customer"))
    })?;
    Ok(IncidentPosition { last_window, customer_id, key: sk })
}
