//! Incidents in DynamoDB: the open one of a subject under one key, the closed ones under keys of their own.
//!
//! An incident changes together with the anomaly or the notice that tells of the change, all or nothing, and only from
//! the version that the change was decided from. So no anomaly is counted twice, no page is lost between deciding and
//! storing, and of two runs that overlap one decides anew.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use detection::CustomerId;
use detection::incident::{Figures, Incident, IncidentId, Subject};
use futures::stream::{self, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use super::item::{HistoryEntry, expiry, partition_key};
use super::{AlertItem, AnomalyStore, Attributes, Recorded, StoreError, Writer};

/// Name of the index of incidents by the newest window that changed them.
pub(super) const INCIDENTS_INDEX: &str = "incidents-index";

/// Parts of that index: enough that no storm of incidents is more than one of them can take.
pub(super) const SHARDS: u8 = 16;

/// Items of a page where all parts are read at once. An item of a kilobyte takes five in memory before it is understood,
/// so that the full pages of all parts would be more than all else that a run needs.
const READ_AT_ONCE: i32 = 100;

/// Longest time of one change with all its tries against a throttled table: as long as any other call may take.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);

/// An incident as an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentItem {
    #[serde(flatten)]
    pub incident: Incident,
    /// Grows with each change.
    pub version: u64,
    /// Unit of the metric.
    pub unit: String,
    /// One English sentence about the newest anomaly.
    pub description: String,
    /// What people did with it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// Unix seconds.
    pub ttl: i64,
}

/// What becomes of an incident, and what tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The latest incident of the subject that the change was decided from. `to` may be another one: then this one is
    /// closed and stays as it is.
    pub from: Option<&'a Former>,
    pub to: &'a IncidentItem,
    /// The anomaly that belongs to it, or the notice of it.
    pub alert: Option<&'a AlertItem>,
}

/// An incident as a change found it: all that the conditions of the change ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    pub subject: Subject,
    pub opened_at: Timestamp,
    pub is_open: bool,
    pub version: u64,
}

/// What became of a change.
#[derive(Debug)]
pub enum Changed {
    /// It is stored.
    Done,
    /// The anomaly or notice was stored before, and the incident with it.
    Already(Recorded),
    /// The incident is no longer what the change was decided from.
    Overtaken,
}

impl IncidentItem {
    /// What follows `before`, which is the same incident at its previous version, or none.
    pub fn after(
        before: Option<&Self>,
        incident: Incident,
        unit: &str,
        description: Option<String>,
        retention: Duration,
    ) -> Self {
        let before = before.filter(|before| before.incident.id() == incident.id());
        let version = before.map_or(0, |before| before.version) + 1;
        let description = description.or_else(|| before.map(|b| b.description.clone())).unwrap_or_default();
        let history = before.map(|before| before.history.clone()).unwrap_or_default();
        Self::new(version, incident, unit, description, history, retention)
    }

    /// An incident at a version, as it is stored.
    pub fn new(
        version: u64,
        incident: Incident,
        unit: &str,
        description: String,
        history: Vec<HistoryEntry>,
        retention: Duration,
    ) -> Self {
        let ttl = expiry(incident.last_seen, retention);
        Self { incident: storable(incident), version, unit: unit.to_owned(), description, history, ttl }
    }

    pub fn id(&self) -> IncidentId {
        self.incident.id()
    }

    /// What a change of it asks for.
    pub fn former(&self) -> Former {
        Former {
            subject: self.incident.subject.clone(),
            opened_at: self.incident.opened_at,
            is_open: self.incident.is_open(),
            version: self.version,
        }
    }

    pub(super) fn sort_key(&self) -> String {
        sort_key(&self.incident.subject, self.incident.is_open(), self.incident.opened_at)
    }

    fn to_item(&self) -> Result<Attributes, serde_dynamo::Error> {
        let mut item: Attributes = serde_dynamo::to_item(self)?;
        let text = |text: String| AttributeValue::S(text);
        item.extend(key(&self.incident.subject.customer_id, self.sort_key()));
        item.insert("type".to_owned(), text("incident".to_owned()));
        item.insert("incident_id".to_owned(), text(self.id().to_string()));
        item.insert(
            "incident_shard".to_owned(),
            text(shard_of(&self.incident.subject.customer_id).to_string()),
        );
        Ok(item)
    }
}

impl Former {
    pub fn id(&self) -> IncidentId {
        IncidentId::of(self.opened_at, &self.subject)
    }

    /// Whether it is this one.
    pub fn is(&self, incident: &Incident) -> bool {
        self.opened_at == incident.opened_at && self.subject == incident.subject
    }

    fn key(&self) -> Attributes {
        key(&self.subject.customer_id, sort_key(&self.subject, self.is_open, self.opened_at))
    }
}

impl AnomalyStore {
    /// Hands every incident that a window from `from` on changed to `see`: those that are open, and those that baselines
    /// may have to leave out. Without those that were expired at `now`.
    ///
    /// No more than a page of each part of the index is in memory at once. Those of a customer are all in one part and
    /// come in its order, which is that of their last windows.
    pub async fn incidents_since(
        &self,
        from: Timestamp,
        now: Timestamp,
        mut see: impl FnMut(IncidentItem),
    ) -> Result<(), StoreError> {
        let parts = (0..SHARDS).map(|shard| {
            let pages = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(INCIDENTS_INDEX)
                .key_condition_expression("incident_shard = :shard AND last_window >= :from")
                .expression_attribute_values(":shard", AttributeValue::S(shard.to_string()))
                .expression_attribute_values(":from", AttributeValue::N(from.as_millisecond().to_string()))
                .limit(READ_AT_ONCE)
                .into_paginator()
                .send();
            Box::pin(stream::try_unfold(pages, async |mut pages| {
                let page = pages.try_next().await.map_err(|source| self.unread("the incidents", source))?;
                Ok::<_, StoreError>(page.map(|page| (page, pages)))
            }))
        });
        let mut pages = stream::select_all(parts);
        while let Some(page) = pages.try_next().await? {
            let items = page.items.unwrap_or_default().into_iter().filter_map(|item| self.incident_of(item));
            items.filter(|incident| incident.ttl >= now.as_second()).for_each(&mut see);
        }
        Ok(())
    }

    /// All incidents of a customer, in the order of their keys.
    pub async fn incidents_of(
        &self,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<Vec<IncidentItem>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :incident)")
            .expression_attribute_values(":pk", AttributeValue::S(partition_key(customer)))
            .expression_attribute_values(":incident", AttributeValue::S("INCIDENT#".to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut incidents = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|source| self.unread("the incidents", source))?;
            incidents.extend(self.incident_of(item).filter(|incident| incident.ttl >= now.as_second()));
        }
        Ok(incidents)
    }

    /// The latest incident of a subject: the open one, or else the one that was opened last.
    pub async fn latest_incident(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Option<IncidentItem>, StoreError> {
        if let Some(open) = self.incident_at(subject, open_key(subject), now).await? {
            return Ok(Some(open));
        }
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1)
            .key_condition_expression("pk = :pk AND begins_with(sk, :closed)")
            .expression_attribute_values(":pk", AttributeValue::S(partition_key(&subject.customer_id)))
            .expression_attribute_values(":closed", AttributeValue::S(format!("{}#", open_key(subject))))
            .send()
            .await
            .map_err(|source| self.unread("the latest incident", source))?;
        let latest = answer.items.unwrap_or_default().into_iter().next();
        Ok(latest.and_then(|item| self.incident_of(item)).filter(|incident| incident.ttl >= now.as_second()))
    }

    /// An incident by what its id names, unless it is missing or expired.
    pub async fn incident(
        &self,
        subject: &Subject,
        opened_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<IncidentItem>, StoreError> {
        let open = self.incident_at(subject, open_key(subject), now).await?;
        if let Some(open) = open.filter(|open| open.incident.opened_at == opened_at) {
            return Ok(Some(open));
        }
        self.incident_at(subject, closed_key(subject, opened_at), now).await
    }

    /// Carries out a change as a whole, or not at all.
    pub async fn change(&self, change: Change<'_>, writer: Writer<'_>) -> Result<Changed, StoreError> {
        let deadline = Instant::now() + CHANGE_TIMEOUT;
        let mut pause = Duration::from_millis(40);
        loop {
            let (tried, throttled) = match change.alert {
                None if is_in_place(change) => (self.put_in_place(change, writer).await?, None),
                _ => self.transact(change, writer).await?,
            };
            // The SDK tries again when a call is throttled, but not when one of the items of a transaction is.
            match throttled {
                None => return Ok(tried),
                Some(error) if Instant::now() + pause >= deadline => return Err(error),
                Some(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_secs(3));
        }
    }

    /// A change of one item only needs no transaction.
    async fn put_in_place(&self, change: Change<'_>, writer: Writer<'_>) -> Result<Changed, StoreError> {
        let put =
            self.put_of_incident(change, writer)?.build().map_err(|e| self.unchanged(change, e.into()))?;
        let put = self
            .client
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_expression_attribute_values(put.expression_attribute_values);
        match put.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Changed::Done),
            Err(
                PutItemError::ConditionalCheckFailedException(_)
                | PutItemError::TransactionConflictException(_),
            ) => Ok(Changed::Overtaken),
            Err(error) => Err(self.unchanged(change, error.into())),
        }
    }

    /// The second part is the error of a transaction that only was throttled.
    async fn transact(
        &self,
        change: Change<'_>,
        writer: Writer<'_>,
    ) -> Result<(Changed, Option<StoreError>), StoreError> {
        let mut items = Vec::new();
        if let Some(alert) = change.alert {
            let put = self.put_of_alert(alert, writer)?;
            let put = put.build().map_err(|source| self.unchanged(change, source.into()))?;
            items.push(TransactWriteItem::builder().put(put).build());
        }
        let put = self.put_of_incident(change, writer)?;
        let put = put.build().map_err(|source| self.unchanged(change, source.into()))?;
        items.push(TransactWriteItem::builder().put(put).build());
        if let Some(from) = moved(change) {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(from.key()))
                .condition_expression(UNCHANGED)
                .set_expression_attribute_values(Some(as_read(from)))
                .build()
                .map_err(|source| self.unchanged(change, source.into()))?;
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        if let Some(closed) = succeeded(change) {
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(closed.key()))
                .condition_expression(UNCHANGED)
                .set_expression_attribute_values(Some(as_read(closed)))
                .build()
                .map_err(|source| self.unchanged(change, source.into()))?;
            items.push(TransactWriteItem::builder().condition_check(check).build());
        }
        let transaction = self.client.transact_write_items().set_transact_items(Some(items));
        match transaction.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok((Changed::Done, None)),
            Err(TransactWriteItemsError::TransactionInProgressException(_)) => Ok((Changed::Overtaken, None)),
            Err(TransactWriteItemsError::TransactionCanceledException(refusal)) => {
                let overtaken = refused(&refusal, &["ConditionalCheckFailed", "TransactionConflict"]);
                if let Some(found) = change.alert.and_then(|_| stored_before(&refusal)) {
                    return Ok((Changed::Already(self.already(found, writer)), None));
                }
                if overtaken {
                    return Ok((Changed::Overtaken, None));
                }
                let throttled = refused(&refusal, &["ThrottlingError", "ProvisionedThroughputExceeded"]);
                let error =
                    self.unchanged(change, aws_sdk_dynamodb::Error::TransactionCanceledException(refusal));
                if throttled { Ok((Changed::Overtaken, Some(error))) } else { Err(error) }
            }
            Err(error) => Err(self.unchanged(change, error.into())),
        }
    }

    fn put_of_incident(
        &self,
        change: Change<'_>,
        writer: Writer<'_>,
    ) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, StoreError> {
        let item = change.to.to_item().map_err(|source| self.unreadable(source))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        Ok(match change.from {
            Some(from) if is_in_place(change) => {
                put.condition_expression(UNCHANGED).set_expression_attribute_values(Some(as_read(from)))
            }
            // As with anomalies, an expired item that is still there blocks nothing.
            _ => put
                .condition_expression("attribute_not_exists(pk) OR #ttl < :now")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":now", AttributeValue::N(writer.now.as_second().to_string())),
        })
    }

    fn put_of_alert(
        &self,
        alert: &AlertItem,
        writer: Writer<'_>,
    ) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, StoreError> {
        let item = alert.to_item().map_err(|source| self.unreadable(source))?;
        let (condition, names, values) = super::unless_stored(alert, writer);
        Ok(Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    async fn incident_at(
        &self,
        subject: &Subject,
        sk: String,
        now: Timestamp,
    ) -> Result<Option<IncidentItem>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(&subject.customer_id, sk)));
        let answer = get.consistent_read(true).send().await;
        let item = answer.map_err(|source| self.unread("the incident", source))?.item;
        Ok(item.and_then(|item| self.incident_of(item)).filter(|incident| incident.ttl >= now.as_second()))
    }

    /// One that cannot be read, because a newer version wrote it, must not stop all others.
    pub(super) fn incident_of(&self, item: Attributes) -> Option<IncidentItem> {
        serde_dynamo::from_item(item)
            .inspect_err(|error| {
                tracing::error!(error = %error, db.table = self.table, "an incident cannot be read");
            })
            .ok()
    }

    fn unchanged(&self, change: Change<'_>, source: aws_sdk_dynamodb::Error) -> StoreError {
        StoreError::Put {
            id: change.alert.map_or_else(|| change.to.id().to_string(), |alert| alert.id().to_owned()),
            table: self.table.clone(),
            source: Box::new(source),
        }
    }
}

/// Whether the incident keeps its key.
fn is_in_place(change: Change<'_>) -> bool {
    change
        .from
        .is_some_and(|from| from.is(&change.to.incident) && from.is_open == change.to.incident.is_open())
}

/// The incident under the key that it leaves.
fn moved(change: Change<'_>) -> Option<&Former> {
    change.from.filter(|from| from.is(&change.to.incident) && !is_in_place(change))
}

/// The closed incident that another one follows: a late run must not have reopened or joined it in the meantime.
fn succeeded(change: Change<'_>) -> Option<&Former> {
    change.from.filter(|from| !from.is(&change.to.incident))
}

/// Holds while an item is as it was read. The version alone would not tell: a later incident may have taken the key.
const UNCHANGED: &str = "version = :version AND incident_id = :incident";

fn as_read(former: &Former) -> Attributes {
    Attributes::from([
        (":version".to_owned(), AttributeValue::N(former.version.to_string())),
        (":incident".to_owned(), AttributeValue::S(former.id().to_string())),
    ])
}

fn refused(refusal: &TransactionCanceledException, codes: &[&str]) -> bool {
    let mut found = refusal.cancellation_reasons().iter().filter_map(|reason| reason.code());
    found.any(|code| codes.contains(&code))
}

/// The alert that a transaction found in place of its own, which is its first item.
fn stored_before(refusal: &TransactionCanceledException) -> Option<Attributes> {
    let first = refusal.cancellation_reasons().first()?;
    (first.code() == Some("ConditionalCheckFailed")).then(|| first.item.clone().unwrap_or_default())
}

fn key(customer: &CustomerId, sk: String) -> Attributes {
    Attributes::from([
        ("pk".to_owned(), AttributeValue::S(partition_key(customer))),
        ("sk".to_owned(), AttributeValue::S(sk)),
    ])
}

fn open_key(subject: &Subject) -> String {
    format!("INCIDENT#{}#{}", subject.metric, subject.direction.as_str())
}

/// The open incident of a subject has one key, so that there cannot be two; closed ones are kept beside it.
fn sort_key(subject: &Subject, is_open: bool, opened_at: Timestamp) -> String {
    if is_open { open_key(subject) } else { closed_key(subject, opened_at) }
}

pub(super) fn closed_key(subject: &Subject, opened_at: Timestamp) -> String {
    format!("{}#{}", open_key(subject), opened_at.as_millisecond())
}

pub(super) fn shard_of(customer: &CustomerId) -> u8 {
    Sha256::digest(customer.as_str().as_bytes())[0] % SHARDS
}

/// DynamoDB refuses numbers closer to zero than 1e-130; nobody's usage is, so such a one is zero.
fn storable(incident: Incident) -> Incident {
    let number = |value: f64| if value.abs() < 1e-100 { 0.0 } else { value };
    let Figures { current_value, baseline_mean, baseline_stddev, z_score } = incident.latest;
    Incident {
        level: number(incident.level),
        peak_z_score: number(incident.peak_z_score),
        latest: Figures {
            current_value: number(current_value),
            baseline_mean: number(baseline_mean),
            baseline_stddev: number(baseline_stddev),
            z_score: number(z_score),
        },
        ..incident
    }
}
