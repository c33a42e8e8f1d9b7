//! What people may know of deliveries: who was told of an alert, and how a channel is doing.

use std::time::Instant;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;

use super::{DeliveryError, DeliveryStore};
use crate::{Attributes, Extent, keys};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelHealth {
    /// When its receiver said that it is gone. The channel sends nothing until its address changes or somebody enables it.
    pub disabled_at: Option<i64>,
    /// Alerts that wait.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub waiting_since: Option<i64>,
    /// Alerts that were given up and are in the queue of failures.
    pub failed: u64,
    /// How many of the alerts were counted.
    pub extent: Extent,
}

impl Default for ChannelHealth {
    /// A channel without alerts.
    fn default() -> Self {
        Self { disabled_at: None, waiting: 0, waiting_since: None, failed: 0, extent: Extent::Whole }
    }
}

impl ChannelHealth {
    fn add(&mut self, item: &Attributes) {
        if item.get("parked").and_then(|parked| parked.as_bool().ok()) == Some(&true) {
            self.failed += 1;
            return;
        }
        self.waiting += 1;
        self.waiting_since = [self.waiting_since, time(item, "since")].into_iter().flatten().min();
    }
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

    /// How a channel is doing. Its alerts are counted until the deadline.
    pub async fn health(&self, channel: &str, deadline: Instant) -> Result<ChannelHealth, DeliveryError> {
        let disabled = self.get(keys::disabled_channel(channel), "whether a channel is disabled");
        let (disabled, counted) = futures::try_join!(disabled, self.waiting_of(channel, deadline))?;
        let disabled = disabled.filter(|item| item.contains_key("url_sha256"));
        Ok(ChannelHealth { disabled_at: disabled.and_then(|item| time(&item, "disabled_at")), ..counted })
    }

    /// The alerts of a channel that wait or were given up.
    async fn waiting_of(&self, channel: &str, deadline: Instant) -> Result<ChannelHealth, DeliveryError> {
        let keys::Key { pk, sk } = keys::waiting(channel, "");
        let query = self.with_prefix(&pk, &sk).projection_expression("since, parked").consistent_read(true);
        let mut pages = query.into_paginator().send();
        let (mut health, mut has_read) = (ChannelHealth::default(), false);
        loop {
            let Ok(page) = timeout_at(deadline.into(), pages.next()).await else {
                return Ok(ChannelHealth { extent: Extent::at_deadline(has_read), ..health });
            };
            let Some(page) = page else { return Ok(health) };
            let page = page.map_err(|source| self.unread("the alerts that wait", source))?;
            page.items().iter().for_each(|item| health.add(item));
            has_read = true;
        }
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
