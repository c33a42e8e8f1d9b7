//! Alerts that wait for a channel. They wait for other alerts, for a throttle, or for a receiver that is down.
//!
//! An alert waits from the moment that its event arrived. So nothing is lost if a process dies. One process at a time
//! leads a channel and sends its waiting alerts. A lead ends by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, ReturnValue, TransactWriteItem, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Delivery, DeliveryError, DeliveryStore, RETENTION, expiry, key_of, millis, number, text, what};
use crate::conflicts::{BRIEFLY, Conflict, again_after_conflicts, is_refused};
use crate::keys;

/// An alert that waits for a channel. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub alert_id: String,
    /// The alert's JSON text.
    pub message: String,
    /// When the wait began.
    pub since: i64,
    /// The alert is not sent before this time.
    pub due_at: i64,
    /// Number of failed tries.
    pub tries: u32,
    /// The alert was given up and is in the queue of failures. Later alerts of the same incident go there as well.
    #[serde(default)]
    pub parked: bool,
}

/// The result of handing an alert to its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    Waits,
    /// An earlier copy of the event was sent or is in the queue of failures.
    Done,
}

/// How a waiting delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    Sent,
    /// Nobody needs the alert any more.
    Over,
}

/// The knowledge that leaders of a channel hand on. Times are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lead {
    /// The receiver asked for silence until this time.
    pub paused_until: i64,
    /// The end of the throttle by metric and severity.
    pub throttles: BTreeMap<String, i64>,
}

impl DeliveryStore {
    /// Lets an alert wait for its channel, unless the alert has been there before.
    pub async fn accept(
        &self,
        delivery: Delivery<'_>,
        message: &str,
        now: Timestamp,
    ) -> Result<Accepted, DeliveryError> {
        let since = now.as_millisecond();
        let waiting = Waiting {
            alert_id: delivery.alert_id.to_owned(),
            message: message.to_owned(),
            since,
            due_at: since,
            tries: 0,
            parked: false,
        };
        let mut item: crate::Attributes = serde_dynamo::to_item(&waiting)
            .map_err(|source| DeliveryError::Item { what: what(delivery), source })?;
        item.extend(keys::waiting(delivery.channel, delivery.alert_id).attributes());
        item.insert("type".to_owned(), text("waiting_alert"));
        item.insert("ttl".to_owned(), number(expiry(now, RETENTION)));
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
        let put = put.map_err(|source| self.unwritten("accept", what(delivery), source))?;
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(key_of(delivery).attributes()))
            .update_expression(
                "SET #state = :waiting, alert_id = :alert, #type = :type, #ttl = :ttl REMOVE claim_until",
            )
            // A claim belongs to a process of an earlier version, which sent alerts singly.
            .condition_expression(
                "attribute_not_exists(pk) OR #ttl < :seconds OR (#state = :claimed AND claim_until < :now)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#type", "type")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":waiting", text("waiting"))
            .expression_attribute_values(":claimed", text("claimed"))
            .expression_attribute_values(":alert", text(delivery.alert_id))
            .expression_attribute_values(":type", text("delivery"))
            .expression_attribute_values(":ttl", number(expiry(now, RETENTION)))
            .expression_attribute_values(":seconds", number(now.as_second()))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .build()
            .map_err(|source| self.unwritten("accept", what(delivery), source))?;
        let items = vec![
            TransactWriteItem::builder().update(update).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        match self.transact(items).await {
            Ok(()) => Ok(Accepted::Waits),
            Err(TransactWriteItemsError::TransactionCanceledException(refusal)) if is_refused(&refusal) => {
                let item = self.get(key_of(delivery), "a delivery").await?.unwrap_or_default();
                let state = item.get("state").and_then(|state| state.as_s().ok()).map(String::as_str);
                match state {
                    Some("waiting") => Ok(Accepted::Waits),
                    Some("claimed") | None => {
                        Err(DeliveryError::Lost { what: what(delivery), table: self.table.clone() })
                    }
                    Some(_) => Ok(Accepted::Done),
                }
            }
            Err(error) => Err(self.unwritten("accept", what(delivery), error)),
        }
    }

    /// All alerts that wait for a channel, and the given-up alerts that may still be sent again.
    pub async fn waiting(&self, channel: &str) -> Result<Vec<Waiting>, DeliveryError> {
        let keys::Key { pk, sk } = keys::waiting(channel, "");
        let items =
            self.all(self.with_prefix(&pk, &sk).consistent_read(true), "the alerts that wait").await?;
        let read = |item| {
            let what = format!("an alert that waits for {channel}");
            serde_dynamo::from_item(item).map_err(|source| DeliveryError::Item { what, source })
        };
        items.into_iter().map(read).collect()
    }

    /// Lets an alert wait on after a failed try.
    pub async fn postpone(
        &self,
        delivery: Delivery<'_>,
        tries: u32,
        due_at: Timestamp,
    ) -> Result<(), DeliveryError> {
        let update = self
            .update(keys::waiting(delivery.channel, delivery.alert_id))
            .update_expression("SET tries = :tries, due_at = :due")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":tries", number(tries))
            .expression_attribute_values(":due", number(due_at.as_millisecond()));
        self.of_attempt("postpone", delivery, update).await
    }

    /// Ends a delivery that waited, in one transaction. Otherwise the alert could wait on after it was sent.
    pub async fn finish(
        &self,
        delivery: Delivery<'_>,
        finished: Finished,
        now: Timestamp,
    ) -> Result<(), DeliveryError> {
        let state = match finished {
            Finished::Sent => "sent",
            Finished::Over => "over",
        };
        let key = keys::waiting(delivery.channel, delivery.alert_id);
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key.attributes())).build();
        let delete = delete.map_err(|source| self.unwritten("end", what(delivery), source))?;
        let items = vec![
            TransactWriteItem::builder().update(self.ending(delivery, state, now)?).build(),
            TransactWriteItem::builder().delete(delete).build(),
        ];
        self.transact(items).await.map_err(|error| self.unwritten("end", what(delivery), error))
    }

    /// Notes that an alert is in the queue of failures. It can be sent again from there.
    pub async fn park(&self, delivery: Delivery<'_>, now: Timestamp) -> Result<(), DeliveryError> {
        let parked = Update::builder()
            .table_name(&self.table)
            .set_key(Some(keys::waiting(delivery.channel, delivery.alert_id).attributes()))
            .update_expression("SET parked = :true")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .build()
            .map_err(|source| self.unwritten("park", what(delivery), source))?;
        let items = vec![
            TransactWriteItem::builder().update(self.ending(delivery, "queued", now)?).build(),
            TransactWriteItem::builder().update(parked).build(),
        ];
        self.transact(items).await.map_err(|error| self.unwritten("park", what(delivery), error))
    }

    /// Removes the note of a given-up alert after the alert was sent again.
    pub async fn forget(&self, delivery: Delivery<'_>) -> Result<(), DeliveryError> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.set_key(Some(keys::waiting(delivery.channel, delivery.alert_id).attributes()));
        let deleted = delete.send().await.map(drop);
        deleted.map_err(|source| self.unwritten("forget", what(delivery), source))
    }

    /// Takes the lead of a channel for the time `hold`. None while another process has the lead.
    pub async fn lead(
        &self,
        channel: &str,
        attempt: &str,
        now: Timestamp,
        hold: Duration,
    ) -> Result<Option<Lead>, DeliveryError> {
        let update = self
            .update(keys::lead(channel))
            .update_expression("SET lead_until = :until, lead_by = :attempt, #type = :type")
            .condition_expression(
                "attribute_not_exists(lead_until) OR lead_until < :now OR lead_by = :attempt",
            )
            .expression_attribute_names("#type", "type")
            .expression_attribute_values(":type", text("lead"))
            .expression_attribute_values(":until", number(now.as_millisecond() + millis(hold)))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .expression_attribute_values(":attempt", text(attempt))
            .return_values(ReturnValue::AllNew);
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                let time = |value: &AttributeValue| value.as_n().ok()?.parse::<i64>().ok();
                let throttles = item.get("throttles").and_then(|map| map.as_m().ok());
                let throttles = throttles.into_iter().flatten();
                Ok(Some(Lead {
                    paused_until: item.get("paused_until").and_then(time).unwrap_or(0),
                    throttles: throttles
                        .filter_map(|(series, until)| Some((series.clone(), time(until)?)))
                        .collect(),
                }))
            }
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
            Err(error) => Err(self.unwritten("take", format!("the lead of {channel}"), error)),
        }
    }

    /// Gives the lead of a channel back, with the knowledge for the next leader.
    pub async fn leave(&self, channel: &str, attempt: &str, lead: &Lead) -> Result<(), DeliveryError> {
        let throttles = lead.throttles.iter().map(|(series, until)| (series.clone(), number(until)));
        let update = self
            .update(keys::lead(channel))
            .update_expression(
                "SET throttles = :throttles, paused_until = :paused REMOVE lead_until, lead_by",
            )
            .condition_expression("lead_by = :attempt")
            .expression_attribute_values(":throttles", AttributeValue::M(throttles.collect()))
            .expression_attribute_values(":paused", number(lead.paused_until))
            .expression_attribute_values(":attempt", text(attempt));
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(self.unwritten("leave", format!("the lead of {channel}"), error)),
        }
    }

    /// The page that stands for all incidents of a customer that opened in one window, and which of them are open.
    /// `joins` adds the incident to the page. Otherwise the incident leaves the page. Returns the page's key and the
    /// number of open incidents.
    pub async fn page_of(
        &self,
        channel: &str,
        page: &str,
        incident_id: &str,
        joins: bool,
        now: Timestamp,
    ) -> Result<(String, usize), DeliveryError> {
        let incident = AttributeValue::Ss(vec![keys::short(incident_id)]);
        let update = self
            .update(keys::page(channel, page))
            .expression_attribute_values(":incident", incident)
            .return_values(ReturnValue::AllNew);
        let update = match joins {
            true => update
                .update_expression(
                    "SET page_key = if_not_exists(page_key, :key), #type = :type, #ttl = :ttl ADD incidents :incident",
                )
                .expression_attribute_names("#type", "type")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":key", text(incident_id))
                .expression_attribute_values(":type", text("page"))
                .expression_attribute_values(":ttl", number(expiry(now, PAGE_RETENTION))),
            false => update
                .update_expression("DELETE incidents :incident")
                .condition_expression("attribute_exists(page_key)"),
        };
        match update.send().await.map_err(SdkError::into_service_error) {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                let key = item.get("page_key").and_then(|key| key.as_s().ok());
                let open = item.get("incidents").and_then(|set| set.as_ss().ok()).map_or(0, Vec::len);
                Ok((key.map_or(incident_id, String::as_str).to_owned(), open))
            }
            // The incident was paged before pages were shared.
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok((incident_id.to_owned(), 0)),
            Err(error) => Err(self.unwritten("change", format!("a page of {channel}"), error)),
        }
    }

    fn ending(&self, delivery: Delivery<'_>, state: &str, now: Timestamp) -> Result<Update, DeliveryError> {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(key_of(delivery).attributes()))
            .update_expression("SET #state = :state, ended_at = :now")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(state))
            .expression_attribute_values(":now", number(now.as_millisecond()))
            .build()
            .map_err(|source| self.unwritten("end", what(delivery), source))
    }

    async fn transact(&self, items: Vec<TransactWriteItem>) -> Result<(), TransactWriteItemsError> {
        let write = self.client.transact_write_items().set_transact_items(Some(items));
        let write = || async { write.clone().send().await.map_err(SdkError::into_service_error) };
        again_after_conflicts(BRIEFLY, TransactWriteItemsError::passes, write).await.map(drop)
    }
}

/// Longer than an incident is kept open or can come back.
const PAGE_RETENTION: Duration = Duration::from_secs(120 * 86_400);
