//! Deliveries of alerts to channels, stored in the table of anomalies.
//!
//! * A delivery is one alert to one channel. It waits before it is sent and is finished afterwards. A process that dies
//!   in between delays the alert and does not lose it. If the process died after sending, the alert comes once more.
//! * Alerts that are sent singly (a redrive, the daily digest) are claimed instead. A claim ends by itself.
//! * One process at a time leads a channel, with its throttles.
//! * One page of a pager stands for all incidents of a customer that opened together.
//! * A channel is disabled when its receiver says that it is gone. It stays so until its address changes or somebody
//!   enables it.
//! * A thread is the place of the earlier messages of an incident.
//!
//! All these items expire by themselves.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use jiff::Timestamp;
use platform::aws;

use super::Attributes;
use super::keys::{self, Key, short};

mod channels;
mod told;
mod waiting;

pub use channels::Thread;
pub use told::{ChannelHealth, Told, ToldState};
pub use waiting::{Accepted, Finished, Lead, Waiting};

/// Keeps track of deliveries.
pub struct DeliveryStore {
    client: Client,
    table: String,
}

/// One alert to one channel, and the attempt that works on it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub alert_id: &'a str,
    pub channel: &'a str,
    /// The name by which an attempt recognises its own writes.
    pub attempt: &'a str,
}

/// The result of a try to claim a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryClaim {
    /// This attempt has the claim.
    Won,
    /// Another attempt has the claim. It may be alive or dead.
    Held,
    /// The delivery waits, was sent, or is in the queue of failures.
    Done,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Sent,
    /// The delivery is in the queue of failures. It can be claimed again from there.
    Queued,
}

#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("cannot {operation} {what} in {table}")]
    Write {
        operation: &'static str,
        what: String,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("cannot read {what} in {table}")]
    Read {
        what: String,
        table: String,
        #[source]
        source: Box<aws_sdk_dynamodb::Error>,
    },
    #[error("{what} in {table} was taken over by another attempt")]
    Lost { what: String, table: String },
    #[error("{what} cannot be written or read as an item")]
    Item {
        what: String,
        #[source]
        source: serde_dynamo::Error,
    },
}

/// Longer than a queue of failures keeps its messages (14 days). So a redrive knows which alerts were sent.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// Longest time of a call with all its tries. Deliveries have little time.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);

impl DeliveryStore {
    pub fn new(table: &str, sdk: &aws::SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(2))
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_dynamodb::config::Builder::from(sdk)
            .retry_partition(aws::unlimited_retries("deliveries"))
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), table: table.to_owned() }
    }

    /// Takes the right to send for the time `hold`. With `again`, the claim also takes deliveries from the queue of
    /// failures.
    pub async fn claim(
        &self,
        delivery: Delivery<'_>,
        now: Timestamp,
        hold: Duration,
        again: bool,
    ) -> Result<DeliveryClaim, DeliveryError> {
        let until = now.as_millisecond() + millis(hold);
        let free = "attribute_not_exists(pk) OR #ttl < :seconds \
                    OR (#state = :claimed AND (claim_until < :now OR claim_by = :attempt))";
        let mut update = self
            .update(key_of(delivery))
            .update_expression(
                "SET #state = :claimed, claim_until = :until, claim_by = :attempt, alert_id = :alert, #type = :type, \
                 #ttl = :ttl",
            )
            .condition_expression(if again { format!("{free} OR #state = :queued") } else { free.to_owned() })
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#type", "type")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":until", number(until))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":seconds", number(now.as_second()))
            .expression_attribute_values(":attempt", text(delivery.attempt))
            .expression_attribute_values(":alert", text(delivery.alert_id))
            .expression_attribute_values(":type", text("delivery"))
            .expression_attribute_values(":ttl", number(expiry(now, RETENTION)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if again {
            update = update.expression_attribute_values(":queued", text("queued"));
        }
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(DeliveryClaim::Won),
            Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                let item = refusal.item.unwrap_or_default();
                let in_hand = item.get("state").and_then(|state| state.as_s().ok());
                Ok(if in_hand.is_some_and(|state| state == "claimed") {
                    DeliveryClaim::Held
                } else {
                    DeliveryClaim::Done
                })
            }
            Err(error) => Err(self.unwritten("claim", what(delivery), error)),
        }
    }

    /// Notes how a delivery ended.
    pub async fn end(
        &self,
        delivery: Delivery<'_>,
        ended: Ended,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let state = match ended {
            Ended::Sent => "sent",
            Ended::Queued => "queued",
        };
        let update = self
            .update(key_of(delivery))
            .update_expression("SET #state = :state, ended_at = :now REMOVE claim_until")
            .condition_expression("claim_by = :attempt")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":attempt", text(delivery.attempt));
        self.of_attempt("mark", delivery, update).await
    }

    /// Gives a claim back. The next attempt need not wait for the end of the claim.
    pub async fn release(&self, delivery: Delivery<'_>) -> Result<(), DeliveryError> {
        let update = self
            .update(key_of(delivery))
            .update_expression("SET claim_until = :past")
            .condition_expression("claim_by = :attempt AND attribute_exists(claim_until)")
            .expression_attribute_values(":past", number(0))
            .expression_attribute_values(":attempt", text(delivery.attempt));
        self.of_attempt("release", delivery, update).await
    }

    fn update(&self, key: Key) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key.attributes()))
    }

    async fn of_attempt(
        &self,
        operation: &'static str,
        delivery: Delivery<'_>,
        update: UpdateItemFluentBuilder,
    ) -> Result<(), DeliveryError> {
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => {
                Err(DeliveryError::Lost { what: what(delivery), table: self.table.clone() })
            }
            Err(error) => Err(self.unwritten(operation, what(delivery), error)),
        }
    }

    async fn get(&self, key: Key, what: &str) -> Result<Option<Attributes>, DeliveryError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .consistent_read(true);
        Ok(get.send().await.map_err(|source| self.unread(what, source))?.item)
    }

    fn unwritten(
        &self,
        operation: &'static str,
        what: String,
        source: impl Into<aws_sdk_dynamodb::Error>,
    ) -> DeliveryError {
        let table = self.table.clone();
        DeliveryError::Write { operation, what, table, source: Box::new(source.into()) }
    }

    fn unread(&self, what: &str, source: impl Into<aws_sdk_dynamodb::Error>) -> DeliveryError {
        let (what, table) = (what.to_owned(), self.table.clone());
        DeliveryError::Read { what, table, source: Box::new(source.into()) }
    }
}

/// The key of a delivery.
fn key_of(delivery: Delivery<'_>) -> Key {
    keys::delivery(delivery.alert_id, delivery.channel)
}

fn what(delivery: Delivery<'_>) -> String {
    format!("the delivery of {} to {}", short(delivery.alert_id), delivery.channel)
}

fn expiry(now: Timestamp, retention: Duration) -> i64 {
    now.as_second() + i64::try_from(retention.as_secs()).unwrap_or(i64::MAX / 2)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
