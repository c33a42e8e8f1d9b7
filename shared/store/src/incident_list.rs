//! Lists of incidents. The incidents that changed last come first.
//!
//! A customer has few incidents. They are read from the table and sorted here. The list of all customers is a merge of
//! the parts of the index. Within one time, parts come in their order, and each part has the order of the index. In a
//! storm all incidents have the same time, so any other order would read all of them for each list page. The last
//! incident of a list page is all that the next list page needs.
//!
//! Items past their `ttl` are never shown, although DynamoDB may keep them for days.

use std::cmp::Reverse;
use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{AnomalyKind, CustomerId, Direction, EntityPath, IncidentState, MetricName, Severity};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use super::keys::{self, INCIDENT_PARTS, INCIDENT_PREFIX, INCIDENTS_INDEX, Key, incident_part};
use super::merge::{Listed, Readable, Source, broken_key, newest_left};
use super::search::{SearchText, Searched};
use super::{AnomalyStore, Attributes, IncidentItem, ListPage, StoreError};

/// Times of lists without bounds, in Unix milliseconds.
const EARLIEST_MS: i64 = 0;
const LATEST_MS: i64 = 9_999_999_999_999;

/// Items that one query reads. This is more than its share of a list page, because a filter leaves some out.
const READ_AT_ONCE: i32 = 100;

/// The incidents that a list shows.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    pub customer: Option<CustomerId>,
    /// Only of these metrics.
    pub metrics: Option<Vec<MetricName>>,
    /// Only of the entity with exactly these names.
    pub entity: Option<EntityPath>,
    pub severity: Option<Severity>,
    pub direction: Option<Direction>,
    pub state: Option<IncidentState>,
    /// Only of this type. Incidents of earlier versions have none.
    pub kind: Option<AnomalyKind>,
    /// Only those that say this text somewhere.
    pub text: Option<SearchText>,
    /// The list begins at this end of the newest window that changed the incident.
    pub from: Option<Timestamp>,
    /// The list ends before this end.
    pub until: Option<Timestamp>,
}

/// A place in the list: right after this incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncidentPosition {
    pub last_window: i64,
    pub customer_id: CustomerId,
    /// The sort key of the incident.
    pub key: String,
}

impl AnomalyStore {
    /// At most `limit` incidents after a position.
    ///
    /// A list page is full if there are enough incidents. At the deadline it ends at the place that reading has
    /// reached.
    pub async fn list_incidents(
        &self,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        limit: usize,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<ListPage<IncidentItem>, StoreError> {
        match &filter.customer {
            Some(customer) => self.list_of_customer(customer, filter, after, limit, now).await,
            None => self.merge(self.parts(filter, after, now), limit, deadline).await,
        }
    }

    async fn list_of_customer(
        &self,
        customer: &CustomerId,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        limit: usize,
        now: Timestamp,
    ) -> Result<ListPage<IncidentItem>, StoreError> {
        let (from, until) = filter.bounds();
        let mut pages = self.of_customer(customer, filter, now).into_paginator().items().send();
        let mut incidents = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|source| self.unread("the incidents", source))?;
            incidents.extend(self.incident_of(item).map(|item| (item.position(), item)));
        }
        incidents.retain(|(place, item)| {
            (from..until).contains(&place.last_window)
                && filter.text.as_ref().is_none_or(|text| item.says(text))
                && after.is_none_or(|after| place.order() > after.order())
        });
        incidents.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
        let next = (incidents.len() > limit).then(|| limit.checked_sub(1)).flatten();
        let next = next.and_then(|last| incidents.get(last)).map(|(place, _)| place.clone());
        let incidents = incidents.into_iter().take(limit).map(|(_, item)| item).collect();
        Ok(ListPage { items: incidents, next })
    }

    /// The parts of the index that may hold incidents after a position.
    fn parts(
        &self,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        now: Timestamp,
    ) -> Vec<Source<IncidentItem>> {
        let queries = self.queries_of_parts(filter, after, now).into_iter();
        let source = |(part, query): (usize, QueryFluentBuilder)| {
            Source::new(part, query.limit(READ_AT_ONCE), after).saying(filter.text.as_ref())
        };
        queries.map(source).collect()
    }

    /// The queries of the parts of the index, each with the number of its part.
    fn queries_of_parts(
        &self,
        filter: &IncidentFilter,
        after: Option<&IncidentPosition>,
        now: Timestamp,
    ) -> Vec<(usize, QueryFluentBuilder)> {
        let (from, until) = filter.bounds();
        let resumed = after.map(|after| (usize::from(incident_part(&after.customer_id)), after.last_window));
        let queries = (0..usize::from(INCIDENT_PARTS)).filter_map(|part| {
            let last = newest_left(part, resumed, until - 1);
            let start = after.filter(|_| resumed.is_some_and(|(resumed, _)| resumed == part));
            let query = self
                .kept(filter, now)
                .index_name(INCIDENTS_INDEX)
                .scan_index_forward(false)
                .key_condition_expression("incident_shard = :part AND last_window BETWEEN :from AND :last")
                .expression_attribute_values(":part", AttributeValue::S(part.to_string()))
                .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
                .expression_attribute_values(":last", AttributeValue::N(last.to_string()))
                .set_exclusive_start_key(start.map(key_in_index));
            (from <= last).then_some((part, query))
        });
        queries.collect()
    }

    /// The queries that find all of a filter's incidents. Those of a customer find incidents out of the filter's times, too.
    pub(crate) fn queries_of(&self, filter: &IncidentFilter, now: Timestamp) -> Vec<QueryFluentBuilder> {
        match &filter.customer {
            Some(customer) => vec![self.of_customer(customer, filter, now)],
            None => self.queries_of_parts(filter, None, now).into_iter().map(|(_, query)| query).collect(),
        }
    }

    /// The query of a customer's incidents, whenever they changed.
    fn of_customer(
        &self,
        customer: &CustomerId,
        filter: &IncidentFilter,
        now: Timestamp,
    ) -> QueryFluentBuilder {
        self.kept(filter, now)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :incident)")
            .expression_attribute_values(":pk", AttributeValue::S(keys::customer(customer)))
            .expression_attribute_values(":incident", AttributeValue::S(INCIDENT_PREFIX.to_owned()))
    }

    /// A query with the filter's conditions except times, and without expired items.
    fn kept(&self, filter: &IncidentFilter, now: Timestamp) -> QueryFluentBuilder {
        let mut conditions = Conditions::alive(now);
        conditions.metrics(filter.metrics.as_deref());
        conditions.entity(filter.entity.as_ref());
        conditions.equal("severity", filter.severity.map(Severity::as_str));
        conditions.equal("direction", filter.direction.map(Direction::as_str));
        conditions.equal("state", filter.state.map(IncidentState::as_str));
        conditions.equal("anomaly_type", filter.kind.map(AnomalyKind::as_str));
        conditions.filter(self.client.query().table_name(&self.table))
    }
}

impl IncidentFilter {
    /// The bounds of the list in Unix milliseconds, `[from, until)`. Open bounds are filled in.
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
    /// Whether an incident could have this position. DynamoDB refuses to begin anywhere else.
    pub fn is_possible(&self) -> bool {
        self.key.starts_with(INCIDENT_PREFIX) && self.key.len() <= 200
    }

    /// The sort order of a customer's incidents.
    fn order(&self) -> (Reverse<i64>, &str) {
        (Reverse(self.last_window), &self.key)
    }
}

impl Listed for IncidentItem {
    type Position = IncidentPosition;

    const NAME: &'static str = "the incidents";

    fn position(&self) -> IncidentPosition {
        IncidentPosition {
            last_window: self.incident.last_window.as_millisecond(),
            customer_id: self.incident.subject.customer_id.clone(),
            key: self.key().sk,
        }
    }

    fn time(position: &IncidentPosition) -> i64 {
        position.last_window
    }
}

impl Searched for IncidentItem {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let subject = &self.incident.subject;
        let entity = subject.entity.iter().flat_map(|entity| entity.names().iter().map(String::as_str));
        [subject.customer_id.as_str(), subject.metric.as_str(), &self.description].into_iter().chain(entity)
    }
}

impl Readable for IncidentItem {
    fn read(store: &AnomalyStore, item: Attributes) -> Option<Self> {
        store.incident_of(item)
    }

    fn position_of_key(key: &Attributes) -> Result<IncidentPosition, serde_dynamo::Error> {
        #[derive(Deserialize)]
        struct Names {
            pk: String,
            sk: String,
            last_window: i64,
        }
        let Names { pk, sk, last_window } = serde_dynamo::from_item(key.clone())?;
        match keys::customer_of(&pk) {
            Some(customer_id) => Ok(IncidentPosition { last_window, customer_id, key: sk }),
            None => Err(broken_key(format!("`{pk}` is not the key of a customer"))),
        }
    }
}

fn key_in_index(position: &IncidentPosition) -> Attributes {
    let part = incident_part(&position.customer_id);
    let key = Key { pk: keys::customer(&position.customer_id), sk: position.key.clone() };
    let mut key = key.attributes();
    key.insert("incident_shard".to_owned(), AttributeValue::S(part.to_string()));
    key.insert("last_window".to_owned(), AttributeValue::N(position.last_window.to_string()));
    key
}
