//! What people may know of deliveries: who was told of an alert, and how a channel is doing.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::{DeliveryError, DeliveryStore};
use crate::{Attributes, keys};

/// The delivery of one alert to one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub channel: String,
    pub state: ToldState,
    /// When the delivery ended, in Unix milliseconds. None while the alert waits.
    pub ended_at: Option<i64>,
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DeliveryState))]
#[serde(rename_all = "lowercase")]
pub enum ToldState {
    /// The alert waits for other alerts, for a throttle, or for a receiver that is down.
    Waiting,
    Sent,
    /// The receiver did not take the alert. It is in the queue of failures.
    Failed,
    /// Nobody needed the alert any more, so it was not sent.
    Unneeded,
}

/// How a channel is doing. Times are Unix milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelHealth {
    /// When its receiver said that it is gone. The channel sends nothing until its address changes or somebody enables it.
    pub disabled_at: Option<i64>,
    /// Alerts that wait.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<i64>,
    /// Alerts that were given up and are in the queue of failures.
    pub failed: u64,
}

impl ToldState {
    fn of_item(item: &Attributes) -> Option<Self> {
        match item.get("state")?.as_s().ok()?.as_str() {
            "waiting" | "claimed" => Some(Self::Waiting),
            "sent" => Some(Self::Sent),
            "queued" => Some(Self::Failed),
            "over" => Some(Self::Unneeded),
            _ => None,
        }
    }
}

impl DeliveryStore {
    /// The deliveries of an alert, by channel.
    pub async fn told(&self, alert_id: &str) -> Result<Vec<Told>, DeliveryError> {
        let keys::Key { pk, sk } = keys::delivery(alert_id, "");
        let items = self.all(self.with_prefix(&pk, &sk), "the deliveries of an alert").await?;
        let told = items.into_iter().filter_map(|item| {
            let channel = item.get("sk")?.as_s().ok()?.strip_prefix(&sk)?.to_owned();
            Some(Told { channel, state: ToldState::of_item(&item)?, ended_at: time(&item, "ended_at") })
        });
        Ok(told.collect())
    }

    /// How a channel is doing.
    pub async fn health(&self, channel: &str) -> Result<ChannelHealth, DeliveryError> {
        let keys::Key { pk, sk } = keys::waiting(channel, "");
        let waiting = self.with_prefix(&pk, &sk).projection_expression("since, parked").consistent_read(true);
        let (disabled, waiting) = futures::try_join!(
            self.get(keys::disabled_channel(channel), "whether a channel is disabled"),
            self.all(waiting, "the alerts that wait"),
        )?;
        let disabled = disabled.filter(|item| item.contains_key("url_sha256"));
        let is_parked =
            |item: &Attributes| item.get("parked").and_then(|parked| parked.as_bool().ok()) == Some(&true);
        let (parked, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_parked);
        Ok(ChannelHealth {
            disabled_at: disabled.and_then(|item| time(&item, "disabled_at")),
            waiting: waiting.len() as u64,
            waiting_since: waiting.iter().filter_map(|item| time(item, "since")).min(),
            failed: parked.len() as u64,
        })
    }

    pub(super) fn with_prefix(&self, pk: &str, sk: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()))
    }

    pub(super) async fn all(
        &self,
        query: QueryFluentBuilder,
        what: &str,
    ) -> Result<Vec<Attributes>, DeliveryError> {
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        items.map_err(|source| self.unread(what, source))
    }
}

fn time(item: &Attributes, attribute: &str) -> Option<i64> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}
