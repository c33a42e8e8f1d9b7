//! What became of alerts on their way to channels, in the table of anomalies.
//!
//! * A delivery is one alert to one channel. It is claimed before it is sent and marked after. A claim ends by itself, so
//!   a process that dies in between delays the alert and does not lose it; if it died after sending, the alert comes
//!   once more.
//! * A throttle lets one page of a metric and severity through and counts the others until it opens again.
//! * A channel whose receiver said that it is gone is disabled until its address changes or somebody enables it.
//! * A thread is where the earlier messages of an incident are.
//!
//! All these items expire by themselves.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use jiff::{SignedDuration, Timestamp};
use platform::aws;
use sha2::{Digest, Sha256};

type Attributes = HashMap<String, AttributeValue>;

/// Keeps track of deliveries.
pub struct DeliveryStore {
    client: Client,
    table: String,
}

/// One alert to one channel, and who works on it.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub alert_id: &'a str,
    pub channel: &'a str,
    /// How an attempt knows its own writes again.
    pub attempt: &'a str,
}

/// What became of the try to claim a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryClaim {
    /// The delivery is this attempt's. An earlier one may have learned how many pages were held back before it.
    Won { held_back: u64 },
    /// Another attempt has it in hand, and may or may not be alive.
    Held,
    /// It was sent, held back, or given to the queue of failures.
    Done,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Sent,
    /// In the queue of failures, from where it can be claimed again.
    Queued {
        held_back: u64,
    },
}

/// What a throttle says of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttled {
    /// It may be sent, and tells how many before it were not.
    Pass {
        held_back: u64,
    },
    Hold,
}

/// A channel's thread about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub conversation: String,
    pub thread: String,
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
    #[error("{what} in {table} is changed by too many at once")]
    Contended { what: String, table: String },
}

/// Longer than a queue of failures keeps its messages (14 days), so that a redrive knows what was sent.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// How long an address stays disabled.
const DISABLED_RETENTION: Duration = Duration::from_secs(365 * 86_400);

/// Longest time of a call with all its tries: deliveries have little of it.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(6);

/// Tries of a transaction against others that count on the same throttle.
const TRANSACTION_ATTEMPTS: u32 = 8;

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

    /// Takes the right to send, for as long as `hold`. `again` also takes what was given to the queue of failures.
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
            .update(delivery_key(delivery))
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
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if again {
            update = update.expression_attribute_values(":queued", text("queued"));
        }
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                Ok(DeliveryClaim::Won { held_back: count(&item, "held_back") })
            }
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
        let (state, held_back) = match ended {
            Ended::Sent => ("sent", 0),
            Ended::Queued { held_back } => ("queued", held_back),
        };
        let update = self
            .update(delivery_key(delivery))
            .update_expression("SET #state = :state, ended_at = :now, held_back = :held REMOVE claim_until")
            .condition_expression("claim_by = :attempt")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state))
            .expression_attribute_values(":held", number(held_back))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":attempt", text(delivery.attempt));
        self.of_attempt("mark", delivery, update).await
    }

    /// Gives a claim back, so that the next attempt need not wait for it to end.
    pub async fn release(&self, delivery: Delivery<'_>, held_back: u64) -> Result<(), DeliveryError> {
        let update = self
            .update(delivery_key(delivery))
            .update_expression("SET claim_until = :past, held_back = :held")
            .condition_expression("claim_by = :attempt AND attribute_exists(claim_until)")
            .expression_attribute_values(":past", number(0))
            .expression_attribute_values(":held", number(held_back))
            .expression_attribute_values(":attempt", text(delivery.attempt));
        self.of_attempt("release", delivery, update).await
    }

    /// Asks the throttle of a channel, metric and severity about a page. Asking again for the same page gives the same
    /// answer while the throttle is closed.
    pub async fn throttle(
        &self,
        delivery: Delivery<'_>,
        series: &str,
        window: Duration,
        now: Timestamp,
    ) -> Result<Throttled, DeliveryError> {
        let until = now.as_millisecond() + millis(window);
        let what = || format!("the throttle {series} of {}", delivery.channel);
        for attempt in 1..=TRANSACTION_ATTEMPTS {
            let update = self
                .update(throttle_key(delivery.channel, series))
                .update_expression(
                    "SET open_at = :until, passed = :alert, reported = if_not_exists(held_back, :none), \
                     held_back = :none, #type = :type, #ttl = :ttl",
                )
                .condition_expression("attribute_not_exists(open_at) OR open_at <= :now")
                .expression_attribute_names("#type", "type")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":until", number(until))
                .expression_attribute_values(":now", number(now.as_millisecond()))
                .expression_attribute_values(":alert", text(&short(delivery.alert_id)))
                .expression_attribute_values(":none", number(0))
                .expression_attribute_values(":type", text("throttle"))
                .expression_attribute_values(":ttl", number(expiry(now, RETENTION)))
                .return_values(ReturnValue::AllNew)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            match update.send().await.map_err(SdkError::into_service_error) {
                Ok(answer) => {
                    let item = answer.attributes.unwrap_or_default();
                    return Ok(Throttled::Pass { held_back: count(&item, "reported") });
                }
                Err(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    let item = refusal.item.unwrap_or_default();
                    let passed = item.get("passed").and_then(|passed| passed.as_s().ok());
                    return Ok(if passed.is_some_and(|passed| *passed == short(delivery.alert_id)) {
                        Throttled::Pass { held_back: count(&item, "reported") }
                    } else {
                        Throttled::Hold
                    });
                }
                Err(UpdateItemError::TransactionConflictException(_)) => pause(attempt).await,
                Err(error) => return Err(self.unwritten("ask", what(), error)),
            }
        }
        Err(DeliveryError::Contended { what: what(), table: self.table.clone() })
    }

    /// Ends a delivery as held back, and counts it: for the next page that passes, and for the hour. All or nothing,
    /// so that no page is counted twice.
    pub async fn hold_back(
        &self,
        delivery: Delivery<'_>,
        series: &str,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let counting = |key: Attributes, counter: &str| {
            self.part(key)
                .update_expression("SET #type = :type, #ttl = :ttl ADD #counter :one")
                .expression_attribute_names("#type", "type")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_names("#counter", counter)
                .expression_attribute_values(":type", text("throttle"))
                .expression_attribute_values(":ttl", number(expiry(now, RETENTION)))
                .expression_attribute_values(":one", number(1))
        };
        let (day, hour) = hour(now);
        let ending = self
            .part(delivery_key(delivery))
            .update_expression("SET #state = :state, ended_at = :now REMOVE claim_until")
            .condition_expression("claim_by = :attempt AND #state = :claimed")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text("held_back"))
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":attempt", text(delivery.attempt));
        let parts = [
            counting(throttle_key(delivery.channel, series), "held_back"),
            counting(throttle_key(delivery.channel, &day), &hour),
            ending,
        ];
        let mut items = Vec::new();
        for part in parts {
            let part = part.build().map_err(|source| self.unwritten("end", what(delivery), source))?;
            items.push(TransactWriteItem::builder().update(part).build());
        }
        for attempt in 1..=TRANSACTION_ATTEMPTS {
            let write = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            match write.send().await.map_err(SdkError::into_service_error) {
                Ok(_) => return Ok(()),
                Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    let is = |code| {
                        cancelled.cancellation_reasons().iter().any(|reason| reason.code() == Some(code))
                    };
                    if is("ConditionalCheckFailed") {
                        return Err(DeliveryError::Lost { what: what(delivery), table: self.table.clone() });
                    }
                    let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
                    if !passing.into_iter().any(is) {
                        let error = TransactWriteItemsError::TransactionCanceledException(cancelled);
                        return Err(self.unwritten("hold back", what(delivery), error));
                    }
                    pause(attempt).await;
                }
                Err(error) => return Err(self.unwritten("hold back", what(delivery), error)),
            }
        }
        Err(DeliveryError::Contended { what: what(delivery), table: self.table.clone() })
    }

    /// How many pages a channel's throttles held back in the hours from `from` until before `to`, which is at most a
    /// day later.
    pub async fn held_back_between(
        &self,
        channel: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<u64, DeliveryError> {
        let mut hours = Vec::new();
        let mut at = from;
        while at < to && hours.len() < 25 {
            hours.push(hour(at));
            at = at.checked_add(SignedDuration::from_hours(1)).unwrap_or(to);
        }
        let mut days: Vec<&String> = hours.iter().map(|(day, _)| day).collect();
        days.dedup();
        let mut total = 0;
        for day in days {
            let item = self.get(throttle_key(channel, day), "the throttles").await?.unwrap_or_default();
            let of_day = hours.iter().filter(|(other, _)| other == day);
            total += of_day.map(|(_, hour)| count(&item, hour)).sum::<u64>();
        }
        Ok(total)
    }

    /// Whether the receiver at this address said that it is gone.
    pub async fn is_disabled(&self, channel: &str, url: &str) -> Result<bool, DeliveryError> {
        let item = self.get(disabled_key(channel), "whether a channel is disabled").await?;
        Ok(item.is_some_and(|item| {
            item.get("url_sha256").and_then(|hash| hash.as_s().ok()).is_some_and(|hash| *hash == digest(url))
        }))
    }

    /// Remembers that the receiver at this address is gone.
    pub async fn disable(&self, channel: &str, url: &str, now: Timestamp) -> Result<(), DeliveryError> {
        let mut item = disabled_key(channel);
        item.extend([
            ("type".to_owned(), text("disabled_channel")),
            ("url_sha256".to_owned(), text(&digest(url))),
            ("disabled_at".to_owned(), number(now.as_millisecond())),
            ("ttl".to_owned(), number(expiry(now, DISABLED_RETENTION))),
        ]);
        self.put(item, "disable", channel).await
    }

    /// Forgets that a channel is disabled.
    pub async fn enable(&self, channel: &str) -> Result<(), DeliveryError> {
        let update = self.update(disabled_key(channel)).update_expression("REMOVE url_sha256");
        let enabled = update.send().await.map(drop);
        enabled.map_err(|source| self.unwritten("enable", format!("the channel {channel}"), source))
    }

    /// The thread that a channel has about an incident.
    pub async fn thread(&self, channel: &str, incident_id: &str) -> Result<Option<Thread>, DeliveryError> {
        let Some(item) = self.get(thread_key(channel, incident_id), "a thread").await? else {
            return Ok(None);
        };
        let of = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        Ok(of("conversation").zip(of("thread")).map(|(conversation, thread)| Thread { conversation, thread }))
    }

    /// Remembers the thread of an incident.
    pub async fn keep_thread(
        &self,
        channel: &str,
        incident_id: &str,
        thread: &Thread,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let mut item = thread_key(channel, incident_id);
        item.extend([
            ("type".to_owned(), text("thread")),
            ("conversation".to_owned(), text(&thread.conversation)),
            ("thread".to_owned(), text(&thread.thread)),
            ("ttl".to_owned(), number(expiry(now, RETENTION))),
        ]);
        self.put(item, "keep a thread of", channel).await
    }

    fn update(&self, key: Attributes) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key))
    }

    /// A part of a transaction.
    fn part(&self, key: Attributes) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder().table_name(&self.table).set_key(Some(key))
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

    async fn get(&self, key: Attributes, what: &str) -> Result<Option<Attributes>, DeliveryError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        Ok(get.send().await.map_err(|source| self.unread(what, source))?.item)
    }

    async fn put(
        &self,
        item: Attributes,
        operation: &'static str,
        channel: &str,
    ) -> Result<(), DeliveryError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let written = put.send().await.map(drop);
        written.map_err(|source| self.unwritten(operation, format!("the channel {channel}"), source))
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

fn what(delivery: Delivery<'_>) -> String {
    format!("the delivery of {} to {}", short(delivery.alert_id), delivery.channel)
}

fn delivery_key(delivery: Delivery<'_>) -> Attributes {
    key(format!("DELIVERY#{}", short(delivery.alert_id)), format!("CHANNEL#{}", delivery.channel))
}

fn throttle_partition(channel: &str) -> String {
    format!("THROTTLE#{channel}")
}

/// `sk` is a metric and severity, or a day.
fn throttle_key(channel: &str, sk: &str) -> Attributes {
    key(throttle_partition(channel), sk.to_owned())
}

/// The item that counts an hour of UTC, and the name of the hour in it. No metric begins with a capital letter.
fn hour(at: Timestamp) -> (String, String) {
    let at = at.to_zoned(jiff::tz::TimeZone::UTC);
    (format!("DAY#{}", at.date()), format!("hour_{:02}", at.hour()))
}

fn disabled_key(channel: &str) -> Attributes {
    key(format!("CHANNEL#{channel}"), "DISABLED".to_owned())
}

fn thread_key(channel: &str, incident_id: &str) -> Attributes {
    key(format!("CHANNEL#{channel}"), format!("THREAD#{}", short(incident_id)))
}

fn key(pk: String, sk: String) -> Attributes {
    Attributes::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk))])
}

/// An id as part of a key: DynamoDB takes 1,024 bytes of a sort key, and an id can be longer.
fn short(id: &str) -> String {
    if id.len() <= 512 { id.to_owned() } else { format!("sha256:{}", digest(id)) }
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn expiry(now: Timestamp, retention: Duration) -> i64 {
    now.as_second() + i64::try_from(retention.as_secs()).unwrap_or(i64::MAX / 2)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}

fn count(item: &Attributes, name: &str) -> u64 {
    item.get(name).and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or(0)
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Those who meet at one item meet again unless they wait for different times.
async fn pause(attempt: u32) {
    let random = RandomState::new().build_hasher().finish() % 40;
    tokio::time::sleep(Duration::from_millis(u64::from(attempt) * 20 + random)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_and_differ() {
        let long = |last: &str| format!("{}{last}", "x".repeat(3_000));
        let of = |alert_id: &str| {
            let key = delivery_key(Delivery { alert_id, channel: "slack", attempt: "a" });
            key["pk"].as_s().unwrap().clone()
        };
        assert_eq!(of("1.m.YQ"), "DELIVERY#1.m.YQ");
        assert!(of(&long("a")).len() < 100);
        assert_ne!(of(&long("a")), of(&long("b")));
        let sk = thread_key("slack", &long("a"))["sk"].as_s().unwrap().clone();
        assert!(sk.starts_with("THREAD#sha256:") && sk.len() < 100, "{sk}");
    }

    #[test]
    fn hours_are_those_of_utc() {
        for (at, expected) in [
            ("2026-11-21T00:00:00Z", ("DAY#2026-11-21", "hour_00")),
            ("2026-11-21T13:59:59.999Z", ("DAY#2026-11-21", "hour_13")),
        ] {
            let (day, hour) = hour(at.parse().unwrap());
            assert_eq!((day.as_str(), hour.as_str()), expected);
        }
    }
}
