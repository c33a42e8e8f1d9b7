//! The outbox: stored alerts that wait until they are published and marked `sent`.
//!
//! An alert is born `pending`, in the write of its item. It stays in a sparse index until it was published and marked
//! `sent`. If a run dies before that, the next run finds the alert there. A short claim before publishing keeps two
//! runs at the same time from sending the same alert.
//!
//! The item's state decides whether to alert, never "my put won". The SDK repeats a put whose answer was lost, and the
//! repetition loses against its own item.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Select};
use tokio::time::timeout_at;

use super::alert_state::PENDING;
use super::conflicts::{BRIEFLY, Conflict, again_after_conflicts};
use super::keys::PENDING_INDEX;
use super::{
    AlertItem, AlertState, AnomalyItem, AnomalyStore, Attributes, Digest, Extent, StoreError, Writer,
};

/// The result of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// This run stored the item. Otherwise an earlier or simultaneous run did.
    pub new: bool,
    /// The state of the stored item's alert.
    pub alert_state: AlertState,
    /// The stored item, if its alert is pending.
    pub pending: Option<AlertItem>,
}

impl Recorded {
    /// An item that was stored just now.
    pub fn of(alert: AlertItem) -> Self {
        let alert_state = alert.state();
        Self { new: true, alert_state, pending: Some(alert).filter(|_| alert_state == AlertState::Pending) }
    }
}

/// Pending alerts.
#[derive(Debug)]
pub struct Pending {
    /// Oldest first.
    pub alerts: Vec<AlertItem>,
    /// Items in the index that this version cannot read as alerts.
    pub unreadable: u64,
}

/// How many alerts are pending.
#[derive(Clone, Copy, Debug)]
pub struct PendingAlerts {
    /// Those that were counted.
    pub count: u64,
    /// The time of the oldest one's anomaly in Unix milliseconds.
    pub oldest: Option<i64>,
    pub extent: Extent,
}

/// The result of a try to claim an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This run may publish the alert.
    Won,
    /// Another run has the claim. It may be alive or dead.
    Held,
    /// The alert was published, or its item is gone.
    Done,
}

impl AnomalyStore {
    /// Stores an anomaly unless it is stored already.
    pub async fn record(&self, item: AnomalyItem, writer: Writer<'_>) -> Result<Recorded, StoreError> {
        self.put(AlertItem::Anomaly(Box::new(item)), writer).await
    }

    /// Stores the digest of a run unless it is stored already.
    pub async fn record_digest(&self, digest: Digest, writer: Writer<'_>) -> Result<Recorded, StoreError> {
        let item = digest.stamped(self.retention, writer.run_id);
        self.put(AlertItem::Digest(Box::new(item)), writer).await
    }

    /// All pending alerts, oldest first, at most `limit`.
    pub async fn pending(&self, limit: usize) -> Result<Pending, StoreError> {
        self.indexed(PENDING, limit).await
    }

    /// The alerts of one part of the index, oldest first, at most `limit`.
    pub(crate) async fn indexed(&self, part: &str, limit: usize) -> Result<Pending, StoreError> {
        let mut pages = self.part(part).into_paginator().page_size(100).items().send();
        let mut pending = Pending { alerts: Vec::new(), unreadable: 0 };
        while pending.alerts.len() < limit
            && let Some(item) = pages.next().await
        {
            let item = item.map_err(|source| self.unread("the pending alerts", source))?;
            match AlertItem::from_item(item) {
                Ok(alert) => pending.alerts.push(alert),
                // One unreadable item must not keep all other alerts from being sent.
                Err(error) => {
                    tracing::error!(error = %error, db.table = self.table, "a pending alert cannot be read");
                    pending.unreadable += 1;
                }
            }
        }
        Ok(pending)
    }

    /// Counts the pending alerts until the deadline.
    pub async fn pending_alerts(&self, deadline: Instant) -> Result<PendingAlerts, StoreError> {
        let oldest = self.part(PENDING).limit(1).send().await;
        let oldest = oldest.map_err(|source| self.unread("the oldest pending alert", source))?;
        let detected_at = oldest.items().first().and_then(|item| item.get("detected_at"));
        let oldest = detected_at.and_then(|at| at.as_n().ok()?.parse().ok());
        let mut pages = self.part(PENDING).select(Select::Count).into_paginator().send();
        let (mut count, mut has_read) = (0, false);
        loop {
            let Ok(page) = timeout_at(deadline.into(), pages.next()).await else {
                return Ok(PendingAlerts { count, oldest, extent: Extent::at_deadline(has_read) });
            };
            let Some(page) = page else {
                return Ok(PendingAlerts { count, oldest, extent: Extent::Whole });
            };
            let page = page.map_err(|source| self.unread("the pending alerts", source))?;
            count += u64::try_from(page.count).unwrap_or(0);
            has_read = true;
        }
    }

    /// Takes the right to publish an alert, for as long as `hold` from `writer.now`.
    pub async fn claim(
        &self,
        alert: &AlertItem,
        hold: Duration,
        writer: Writer<'_>,
    ) -> Result<Claim, StoreError> {
        let until = writer.now.as_second().saturating_add(i64::try_from(hold.as_secs()).unwrap_or(i64::MAX));
        let update = self
            .update(alert)
            .update_expression("SET alert_claim_until = :until, alert_claim_by = :run")
            .condition_expression(
                "alert_state = :pending AND \
                 (attribute_not_exists(alert_claim_until) OR alert_claim_until < :now OR alert_claim_by = :run)",
            )
            .expression_attribute_values(":until", AttributeValue::N(until.to_string()))
            .expression_attribute_values(":now", AttributeValue::N(writer.now.as_second().to_string()))
            .expression_attribute_values(":run", AttributeValue::S(writer.run_id.to_owned()))
            .expression_attribute_values(":pending", AttributeValue::S(AlertState::Pending.as_str().to_owned()));
        Ok(match self.conditional("claim", alert, update).await? {
            None => Claim::Won,
            Some(found) if holds(&found, "alert_state", AlertState::Pending.as_str()) => Claim::Held,
            Some(_) => Claim::Done,
        })
    }

    /// Gives a claim back after a failed publish. The next run need not wait for the end of the claim.
    pub async fn release(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), StoreError> {
        let update = self
            .update(alert)
            .update_expression("REMOVE alert_claim_until, alert_claim_by")
            .condition_expression("alert_claim_by = :run")
            .expression_attribute_values(":run", AttributeValue::S(writer.run_id.to_owned()));
        self.conditional("release", alert, update).await.map(drop)
    }

    /// Marks an alert as published and takes it out of the outbox.
    pub async fn mark_sent(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<(), StoreError> {
        let update = self
            .update(alert)
            .update_expression(
                "SET alert_state = :sent, alerted_at = :now REMOVE pending_alert, alert_claim_until, alert_claim_by",
            )
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":sent", AttributeValue::S(AlertState::Sent.as_str().to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(writer.now.as_millisecond().to_string()));
        self.conditional("mark", alert, update).await.map(drop)
    }

    async fn put(&self, alert: AlertItem, writer: Writer<'_>) -> Result<Recorded, StoreError> {
        let item = alert.to_item().map_err(|source| self.unreadable(source))?;
        let (condition, names, values) = unless_stored(&alert, writer);
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let write = || async { put.clone().send().await.map_err(SdkError::into_service_error) };
        match again_after_conflicts(BRIEFLY, PutItemError::passes, write).await {
            Ok(_) => Ok(Recorded::of(alert)),
            Err(PutItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(self.already(refusal.item.unwrap_or_default(), writer))
            }
            Err(error) => Err(self.unstored(alert.id(), error)),
        }
    }

    /// A part of the index of alerts, oldest first: the pending ones, or the parked ones.
    fn part(&self, part: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .index_name(PENDING_INDEX)
            .key_condition_expression("pending_alert = :pending")
            .expression_attribute_values(":pending", AttributeValue::S(part.to_owned()))
    }

    pub(crate) fn update(&self, alert: &AlertItem) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(alert.key().attributes()))
    }

    /// Runs a conditional update. Returns the item if the condition did not hold.
    pub(crate) async fn conditional(
        &self,
        operation: &'static str,
        alert: &AlertItem,
        update: UpdateItemFluentBuilder,
    ) -> Result<Option<Attributes>, StoreError> {
        let update =
            update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let write = || async { update.clone().send().await.map_err(SdkError::into_service_error) };
        match again_after_conflicts(BRIEFLY, UpdateItemError::passes, write).await {
            Ok(_) => Ok(None),
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(Some(refusal.item.unwrap_or_default()))
            }
            Err(error) => Err(self.unchanged(operation, alert.id(), error)),
        }
    }

    /// The item that a refused put found in its place.
    pub(crate) fn already(&self, found: Attributes, writer: Writer<'_>) -> Recorded {
        let new = holds(&found, "run_id", writer.run_id);
        if !holds(&found, "alert_state", AlertState::Pending.as_str()) {
            let known = [AlertState::Sent, AlertState::Parked];
            let alert_state = known.into_iter().find(|state| holds(&found, "alert_state", state.as_str()));
            let alert_state = alert_state.unwrap_or(AlertState::None);
            return Recorded { new, alert_state, pending: None };
        }
        let pending = AlertItem::from_item(found)
            // The item is in the index as well, and is counted there.
            .inspect_err(|error| tracing::error!(error = %error, db.table = self.table, "a stored item cannot be read"))
            .ok();
        Recorded { new, alert_state: AlertState::Pending, pending }
    }
}

/// The condition for the put of an alert's item, with its names and values.
///
/// - An expired item that DynamoDB has not removed yet does not block its successor.
/// - An item that would be born expired, from a re-run of an old window, replaces nothing. Otherwise it would page
///   again each time.
pub(crate) fn unless_stored(
    alert: &AlertItem,
    writer: Writer<'_>,
) -> (&'static str, Option<HashMap<String, String>>, Option<Attributes>) {
    if alert.ttl() < writer.now.as_second() {
        return ("attribute_not_exists(pk)", None, None);
    }
    let now = AttributeValue::N(writer.now.as_second().to_string());
    (
        "attribute_not_exists(pk) OR #ttl < :now",
        Some(HashMap::from([("#ttl".to_owned(), "ttl".to_owned())])),
        Some(HashMap::from([(":now".to_owned(), now)])),
    )
}

/// Whether a text attribute has this value.
fn holds(item: &Attributes, name: &str, text: &str) -> bool {
    item.get(name).and_then(|value| value.as_s().ok()).is_some_and(|value| value == text)
}
