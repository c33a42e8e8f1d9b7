//! Anomalies in DynamoDB, each stored once, each its own outbox.
//!
//! An item's key is made of customer, metric and window, so the second run of a window meets the items of the first
//! and writes nothing. It is stored together with what it makes of its incident. An item that has to be alerted is born
//! `pending` and stays in a sparse index until its alert was published and marked `sent`; a run that dies on the way
//! leaves it there for the next one. A short claim before publishing keeps two runs at the same time from sending the
//! same alert.
//!
//! Whether something is alerted is decided by the item's state and never by "my put won": the SDK repeats a put whose
//! answer was lost, and the repetition loses against the item it made itself.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use platform::aws;
use tokio::time::sleep;

mod anomalies;
mod config;
pub mod deliveries;
mod handling;
mod incident_list;
mod incidents;
mod item;
mod lifecycle;
mod notice;
mod policies;
mod runs;

pub use anomalies::{AnomalyFilter, Page, Position, Seen};
pub use config::StoreConfig;
pub use handling::Handled;
pub use incident_list::{IncidentFilter, IncidentPage, IncidentPosition};
pub use incidents::{Change, Changed, Former, IncidentItem};
pub use item::{
    Alert, AlertItem, AlertState, AnomalyItem, Digest, DigestEntry, HistoryEntry, JudgedBy, Totals,
};
pub use lifecycle::{Acted, MAX_HISTORY};
pub use notice::Notice;
pub use policies::PolicyChange;
pub use runs::{DetectionRun, LastRun, RunStatus};

type Attributes = HashMap<String, AttributeValue>;

/// Name of the sparse index of alerts that wait.
const PENDING_INDEX: &str = "pending-alerts-index";

/// How long a run may take from claiming an alert to marking it. A run that dies in between leaves the claim behind,
/// so this is also how soon the alert can be sent again; the first asynchronous retry of a Lambda comes after a minute.
pub const CLAIM: Duration = Duration::from_secs(30);

/// Tries of a write against a transaction that has the same item in hand, which the SDK does not try again; and the
/// pause before the first one, which grows.
const CONFLICTS: u32 = 6;
const CONFLICT_PAUSE: Duration = Duration::from_millis(25);

/// Stores anomalies and keeps track of their alerts.
pub struct AnomalyStore {
    client: Client,
    table: String,
    retention: Duration,
}

/// Who writes, and when. A new one for each run, also when a run is repeated.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// How a run knows its own writes again.
    pub run_id: &'a str,
    pub now: Timestamp,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// It was stored by this run; otherwise an earlier run, or one at the same time, had stored it.
    pub new: bool,
    /// The state of the stored item's alert.
    pub alert_state: AlertState,
    /// The stored item, where its alert waits.
    pub pending: Option<AlertItem>,
}

impl Recorded {
    /// Stored just now.
    pub fn of(alert: AlertItem) -> Self {
        let alert_state = alert.state();
        Self { new: true, alert_state, pending: Some(alert).filter(|_| alert_state == AlertState::Pending) }
    }
}

/// Alerts that wait.
#[derive(Debug)]
pub struct Pending {
    /// Oldest first.
    pub alerts: Vec<AlertItem>,
    /// Items in the index that are no alert as this version knows it.
    pub unreadable: u64,
}

/// What became of the attempt to claim an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The alert is this run's to publish.
    Won,
    /// Another run holds it, and may or may not be alive.
    Held,
    /// It was published, or is gone.
    Done,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot store {id} in {table}")]
    Put {
        id: String,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("cannot {operation} {id} in {table}")]
    Update {
        operation: &'static str,
        id: String,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("cannot read {what} in {table}")]
    Read {
        what: &'static str,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("an item of {table} cannot be written or read")]
    Item {
        table: String,
        #[source]
        source: serde_dynamo::Error,
    },
    #[error("the policy of {of} in {table} cannot be read")]
    Policy {
        of: String,
        table: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{id} in {table} was changed by others again and again; try once more")]
    Contended { id: String, table: String },
}

impl AnomalyStore {
    pub fn new(config: &StoreConfig, sdk: &aws::SdkConfig) -> Self {
        let retries = aws::unlimited_retries("anomaly-store");
        let config_of_client = aws_sdk_dynamodb::config::Builder::from(sdk).retry_partition(retries).build();
        Self {
            client: Client::from_conf(config_of_client),
            table: config.table.clone(),
            retention: Duration::from_secs(u64::from(config.retention_days) * 86_400),
        }
    }

    /// How long an item is kept.
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// Stores an anomaly unless it is stored already.
    pub async fn record(&self, item: AnomalyItem, writer: Writer<'_>) -> Result<Recorded, StoreError> {
        self.put(AlertItem::Anomaly(Box::new(item)), writer).await
    }

    /// Stores the digest of a run unless it is stored already.
    pub async fn record_digest(&self, digest: Digest, writer: Writer<'_>) -> Result<Recorded, StoreError> {
        let item = digest.stamped(self.retention, writer.run_id);
        self.put(AlertItem::Digest(Box::new(item)), writer).await
    }

    /// All alerts that wait, oldest first, at most `limit`.
    pub async fn pending(&self, limit: usize) -> Result<Pending, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(PENDING_INDEX)
            .key_condition_expression("pending_alert = :pending")
            .expression_attribute_values(":pending", AttributeValue::S(item::PENDING.to_owned()))
            .into_paginator()
            .page_size(100)
            .items()
            .send();
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

    /// Takes the right to publish an alert, for as long as [`CLAIM`] from `writer.now`.
    pub async fn claim(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<Claim, StoreError> {
        let until = writer.now.as_second() + i64::try_from(CLAIM.as_secs()).unwrap_or(i64::MAX);
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

    /// Gives a claim back after a publish that failed, so that the next run need not wait for it to end.
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
        let mut conflicts = 0;
        loop {
            match put.clone().send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
                Ok(_) => return Ok(Recorded::of(alert)),
                Err(PutItemError::ConditionalCheckFailedException(refusal)) => {
                    return Ok(self.already(refusal.item.unwrap_or_default(), writer));
                }
                Err(PutItemError::TransactionConflictException(_)) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    sleep(CONFLICT_PAUSE * conflicts).await;
                }
                Err(error) => {
                    return Err(StoreError::Put {
                        id: alert.id().to_owned(),
                        table: self.table.clone(),
                        source: Box::new(error.into()),
                    });
                }
            }
        }
    }

    fn update(
        &self,
        alert: &AlertItem,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        let (pk, sk) = alert.key();
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
    }

    /// Runs a conditional update; where its condition did not hold, returns the item as it is.
    async fn conditional(
        &self,
        operation: &'static str,
        alert: &AlertItem,
        update: aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder,
    ) -> Result<Option<Attributes>, StoreError> {
        let update =
            update.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let mut conflicts = 0;
        loop {
            match update.clone().send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
                Ok(_) => return Ok(None),
                Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    return Ok(Some(refusal.item.unwrap_or_default()));
                }
                Err(UpdateItemError::TransactionConflictException(_)) if conflicts < CONFLICTS => {
                    conflicts += 1;
                    sleep(CONFLICT_PAUSE * conflicts).await;
                }
                Err(error) => {
                    return Err(StoreError::Update {
                        operation,
                        id: alert.id().to_owned(),
                        table: self.table.clone(),
                        source: Box::new(error.into()),
                    });
                }
            }
        }
    }

    /// What a refused put found in its place.
    fn already(&self, found: Attributes, writer: Writer<'_>) -> Recorded {
        let new = holds(&found, "run_id", writer.run_id);
        if !holds(&found, "alert_state", AlertState::Pending.as_str()) {
            let sent = holds(&found, "alert_state", AlertState::Sent.as_str());
            let alert_state = if sent { AlertState::Sent } else { AlertState::None };
            return Recorded { new, alert_state, pending: None };
        }
        let pending = AlertItem::from_item(found)
            // It is in the index as well, and counts there.
            .inspect_err(|error| tracing::error!(error = %error, db.table = self.table, "a stored item cannot be read"))
            .ok();
        Recorded { new, alert_state: AlertState::Pending, pending }
    }

    fn unread(&self, what: &'static str, source: impl Into<aws_sdk_dynamodb::Error>) -> StoreError {
        StoreError::Read { what, table: self.table.clone(), source: Box::new(source.into()) }
    }

    fn unreadable(&self, source: serde_dynamo::Error) -> StoreError {
        StoreError::Item { table: self.table.clone(), source }
    }
}

/// The condition under which an alert's item is put, with its names and values.
///
/// An expired item that DynamoDB has not removed yet must not block its successor. An item that would be born expired,
/// from a re-run of a window of long ago, is no successor: it would page again each time.
fn unless_stored(
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
