//! The work of each caller of the API per minute: one item per caller and minute. It expires by itself. A request that may
//! come again is noted beside it.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};

use super::{AnomalyStore, StoreError, keys};

/// How long the count of a minute is kept, in seconds.
const RETENTION_SECONDS: i64 = 3_600;

/// The work that a caller may use in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub requests: u64,
    /// Time of work of all requests together.
    pub work: Duration,
}

impl AnomalyStore {
    /// Takes one request and `work` from a caller's allowance for the minute of `now`. Returns `false` if the allowance
    /// is used up.
    ///
    /// A request that needs more than the whole allowance is granted in a minute without other requests.
    pub async fn take_work(
        &self,
        caller: &str,
        work: Duration,
        allowance: Allowance,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let number = |number: u128| AttributeValue::N(number.to_string());
        let room = allowance.work.saturating_sub(work);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::work(caller, now).attributes()))
            .update_expression("SET #type = :type, #ttl = :ttl ADD #requests :one, work_ms :work")
            .condition_expression("attribute_not_exists(pk) OR (#requests < :requests AND work_ms <= :room)")
            .expression_attribute_names("#type", "type")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_names("#requests", "requests")
            .expression_attribute_values(":type", AttributeValue::S("work".to_owned()))
            .expression_attribute_values(
                ":ttl",
                AttributeValue::N((now.as_second() + RETENTION_SECONDS).to_string()),
            )
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":requests", number(allowance.requests.into()))
            .expression_attribute_values(":work", number(work.as_millis()))
            .expression_attribute_values(":room", number(room.as_millis()));
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            Err(error) => Err(self.unchanged("count", "the work of a caller", error)),
        }
    }

    /// Notes that a request of this name is carried out, for the time `kept`. Returns `false` if it was noted before.
    pub async fn take_once(
        &self,
        name: &str,
        kept: SignedDuration,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            // A name has one key for all time, unlike the work of a caller.
            .set_key(Some(keys::work(name, Timestamp::UNIX_EPOCH).attributes()))
            .update_expression("SET #type = :type, #ttl = :ttl")
            .condition_expression("attribute_not_exists(pk)")
            .expression_attribute_names("#type", "type")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":type", AttributeValue::S("once".to_owned()))
            .expression_attribute_values(
                ":ttl",
                AttributeValue::N((now.as_second() + kept.as_secs()).to_string()),
            );
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(true),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            Err(error) => Err(self.unchanged("note", "a request that is carried out once", error)),
        }
    }

    /// Replaces the work that was `taken` at `at` by the work that was used.
    pub async fn settle_work(
        &self,
        caller: &str,
        taken: Duration,
        used: Duration,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let milliseconds = |of: Duration| i64::try_from(of.as_millis()).unwrap_or(i64::MAX / 2);
        let difference = milliseconds(used) - milliseconds(taken);
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::work(caller, at).attributes()))
            .update_expression("ADD work_ms :difference")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":difference", AttributeValue::N(difference.to_string()));
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(self.unchanged("count", "the work of a caller", error)),
        }
    }
}
