//! Reading anomalies: one by its id, and lists of them.
//!
//! A customer's anomalies are read from the table, those of an entity or an execution from the index of each (`by_index`), and
//! a metric's anomalies from the index by metric (`metric_index`). The list of all customers is a merge of the lists of its keys. Its
//! order is newest first, then the order of the metrics, then that of a metric's parts. A customer's own list uses the order of the
//! keys within one time. Each order is total, so the last anomaly of a list page is all
//! that the next list page needs.
//!
//! Items past their `ttl` are never shown, although DynamoDB may keep them for days.

use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{AnomalyKind, AnomalyPlace, CustomerId, Direction, EntityPath, MetricName, Severity, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::conditions::Conditions;
use super::keys::{self, Key};
use super::merge::{Listed, Readable, Source, broken_key, newest_left};
use super::search::{SearchText, Searched};
use super::{AnomalyItem, AnomalyStore, Attributes, ListPage, StoreError};

/// First millisecond with thirteen digits (9 September 2001). From here on, sort keys sort like numbers.
const EARLIEST_MS: i64 = 1_000_000_000_000;
/// Last millisecond with thirteen digits.
const LATEST_MS: i64 = 9_999_999_999_999;

/// Items that one query of a list reads. This is more than a list page, because a filter leaves some out.
const READ_AT_ONCE: i32 = 200;

/// The anomalies that a list shows.
#[derive(Clone, Debug, Default)]
pub struct AnomalyFilter {
    pub customer: Option<CustomerId>,
    /// Only of these metrics.
    pub metrics: Option<Vec<MetricName>>,
    /// Only of these types. Empty for all.
    pub kinds: Vec<AnomalyKind>,
    /// Only of the entity with exactly these names.
    pub entity: Option<EntityPath>,
    /// Only of entities with this first name.
    pub first_name: Option<String>,
    /// Only of the execution with this id.
    pub execution_id: Option<String>,
    pub severity: Option<Severity>,
    pub direction: Option<Direction>,
    pub state: Option<State>,
    /// Only those that say this text somewhere.
    pub text: Option<SearchText>,
    /// First time of detection.
    pub from: Option<Timestamp>,
    /// The list ends before this time of detection.
    pub until: Option<Timestamp>,
}

/// A place in the list: right after this anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnomalyPosition {
    pub detected_at: i64,
    pub metric: MetricName,
    pub customer_id: CustomerId,
    /// The hash of its entity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
}

impl AnomalyStore {
    /// An anomaly, unless it is missing or expired.
    pub async fn anomaly(
        &self,
        place: &AnomalyPlace,
        now: Timestamp,
    ) -> Result<Option<AnomalyItem>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(keys::anomaly(place).attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|source| self.unread("the anomaly", source))?;
        let Some(item) = answer.item else { return Ok(None) };
        let item: AnomalyItem = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
        Ok((item.ttl >= now.as_second()).then_some(item))
    }

    /// At most `limit` anomalies after a position. `metrics` are the metrics of the catalog, in its order.
    pub async fn list(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        after: Option<&AnomalyPosition>,
        limit: usize,
        now: Timestamp,
        deadline: Instant,
    ) -> Result<ListPage<AnomalyItem>, StoreError> {
        let (from, until) = filter.bounds();
        let is_left = from < until && after.is_none_or(|after| after.detected_at >= from);
        if let Some(query) = self.by_index(filter, after, (from, until - 1), now).filter(|_| is_left) {
            let source = Source::new(0, query.limit(READ_AT_ONCE), after).saying(filter.text.as_ref());
            let sources = vec![source];
            match self.merge(sources, limit, deadline).await {
                Err(error) if error.is_missing_index() => {
                    tracing::warn!(db.table = self.table, "an index is missing: deploy Terraform's update");
                }
                page => return page,
            }
        }
        let queries = self.queries(filter, metrics, after, now).into_iter();
        let at_once = match filter.customer {
            Some(_) => READ_AT_ONCE,
            None => READ_AT_ONCE / i32::from(self.metric_index.parts()),
        };
        let sources = queries
            .map(|(rank, query)| Source::new(rank, query.limit(at_once), after).saying(filter.text.as_ref()));
        self.merge(sources.collect(), limit, deadline).await
    }

    /// The queries that find all of a filter's anomalies, newest first. Each carries the place of its key of the index.
    pub(crate) fn queries(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        after: Option<&AnomalyPosition>,
        now: Timestamp,
    ) -> Vec<(usize, QueryFluentBuilder)> {
        let (from, until) = filter.bounds();
        // A bound that is relative to now may have moved past the position. Then nothing is left, and DynamoDB would
        // refuse to begin there.
        if from >= until || after.is_some_and(|after| after.detected_at < from) {
            return Vec::new();
        }
        if let Some(customer) = &filter.customer {
            let start = after.map(|after| key(after).attributes());
            let query = self
                .filtered(filter, filter.metrics.as_deref(), now)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
                .expression_attribute_values(":pk", AttributeValue::S(keys::customer(customer)))
                // A key without the metric at its end lies before all keys of its millisecond.
                .expression_attribute_values(":from", AttributeValue::S(keys::anomalies_from(from)))
                .expression_attribute_values(":until", AttributeValue::S(keys::anomalies_from(until)))
                .set_exclusive_start_key(start);
            return vec![(0, query)];
        }
        let wanted =
            |metric: &MetricName| filter.metrics.as_ref().is_none_or(|wanted| wanted.contains(metric));
        let index = self.metric_index;
        let rank = |metric: usize, part: u8| metric * usize::from(index.parts()) + usize::from(part);
        let resumed = after.and_then(|after| {
            let metric = metrics.iter().position(|metric| *metric == after.metric)?;
            Some((rank(metric, index.part(&after.customer_id)), after.detected_at))
        });
        let metrics = metrics.iter().enumerate().filter(|(_, metric)| wanted(metric));
        let keys = metrics.flat_map(|(place, metric)| {
            (0..index.parts()).map(move |part| (rank(place, part), index.key(metric, part)))
        });
        let (name, attribute) = (index.name(), index.attribute());
        keys.filter_map(|(rank, key)| {
            let last = newest_left(rank, resumed, until - 1);
            let start = after.filter(|_| resumed.is_some_and(|(resumed, _)| resumed == rank));
            let start = start.map(|after| key_in_index(after, attribute, &key));
            let query = self
                .filtered(filter, None, now)
                .index_name(name)
                .key_condition_expression(format!(
                    "{attribute} = :key AND detected_at BETWEEN :from AND :last"
                ))
                .expression_attribute_values(":key", AttributeValue::S(key))
                .expression_attribute_values(":from", AttributeValue::N(from.to_string()))
                .expression_attribute_values(":last", AttributeValue::N(last.to_string()))
                .set_exclusive_start_key(start);
            (from <= last).then_some((rank, query))
        })
        .collect()
    }

    /// * `metrics`: only these. A query of the index is of one metric, and takes no condition on it.
    pub(crate) fn filtered(
        &self,
        filter: &AnomalyFilter,
        metrics: Option<&[MetricName]>,
        now: Timestamp,
    ) -> QueryFluentBuilder {
        let mut conditions = Conditions::alive(now);
        conditions.metrics(metrics);
        let kinds: Vec<_> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
        conditions.one_of("type", &kinds);
        conditions.entity(filter.entity.as_ref());
        conditions.first_name(filter.first_name.as_deref());
        conditions.entry("ids", "execution_id", filter.execution_id.as_deref());
        conditions.equal("severity", filter.severity.map(Severity::as_str));
        conditions.equal("direction", filter.direction.map(Direction::as_str));
        match filter.state {
            // An anomaly that nobody has touched has no state attribute.
            Some(state) if state.is_open() => conditions.equal_or_absent("state", state.as_str()),
            state => conditions.equal("state", state.map(State::as_str)),
        }
        conditions.filter(self.client.query().table_name(&self.table).scan_index_forward(false))
    }
}

impl AnomalyFilter {
    /// The bounds of the list in Unix milliseconds, `[from, until)`. Open bounds are filled in.
    pub fn bounds(&self) -> (i64, i64) {
        (millisecond(self.from, EARLIEST_MS), millisecond(self.until, LATEST_MS))
    }
}

impl Listed for AnomalyItem {
    type Position = AnomalyPosition;

    const NAME: &'static str = "anomalies";

    fn position(&self) -> AnomalyPosition {
        AnomalyPosition {
            detected_at: self.detected_at,
            metric: self.metric.clone(),
            customer_id: self.customer_id.clone(),
            entity: self.entity_path.as_ref().map(keys::entity_hash),
        }
    }

    fn time(position: &AnomalyPosition) -> i64 {
        position.detected_at
    }
}

impl Searched for AnomalyItem {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = [self.customer_id.as_str(), self.metric.as_str(), self.description.as_str()];
        texts.into_iter().chain(self.entity.as_deref())
    }
}

impl Readable for AnomalyItem {
    fn read(store: &AnomalyStore, item: Attributes) -> Option<Self> {
        serde_dynamo::from_item(item)
            .inspect_err(|error| {
                tracing::error!(error = %error, db.table = store.table, "an anomaly cannot be read");
            })
            .ok()
    }

    fn position_of_key(key: &Attributes) -> Result<AnomalyPosition, serde_dynamo::Error> {
        #[derive(Deserialize)]
        struct Names {
            pk: String,
            sk: String,
        }
        let Names { pk, sk } = serde_dynamo::from_item(key.clone())?;
        match keys::customer_of(&pk).zip(keys::anomaly_of(&sk)) {
            Some((customer_id, (detected_at, metric, entity))) => {
                Ok(AnomalyPosition { detected_at, metric, customer_id, entity })
            }
            None => Err(broken_key(format!("`{sk}` is not the key of an anomaly"))),
        }
    }
}

fn key(position: &AnomalyPosition) -> Key {
    let AnomalyPosition { detected_at, metric, customer_id, entity } = position;
    keys::anomaly_key(customer_id, *detected_at, metric, entity.as_deref())
}

/// The key of an anomaly in an index by time.
///
/// * `attribute`, `value`: the first part of the key of the index.
pub(crate) fn key_in_index(position: &AnomalyPosition, attribute: &str, value: &str) -> Attributes {
    let mut key = key(position).attributes();
    key.insert(attribute.to_owned(), AttributeValue::S(value.to_owned()));
    key.insert("detected_at".to_owned(), AttributeValue::N(position.detected_at.to_string()));
    key
}

/// A bound within the range of sort keys. A bound between two milliseconds is rounded up.
fn millisecond(bound: Option<Timestamp>, open: i64) -> i64 {
    let Some(bound) = bound else { return open };
    let rounded_up = bound.as_millisecond() + i64::from(bound.subsec_nanosecond() % 1_000_000 > 0);
    rounded_up.clamp(EARLIEST_MS, LATEST_MS)
}
