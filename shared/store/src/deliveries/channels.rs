//! The memory of a channel: whether its receiver is gone, and its threads.

use std::time::Duration;

use jiff::Timestamp;

use super::{DeliveryError, DeliveryStore, RETENTION, expiry, number, text};
use crate::{Attributes, keys};

/// How long an address stays disabled.
const DISABLED_RETENTION: Duration = Duration::from_secs(365 * 86_400);

/// A channel's thread about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub conversation: String,
    pub thread: String,
}

impl DeliveryStore {
    /// Whether the receiver at this address said that it is gone.
    pub async fn is_disabled(&self, channel: &str, url: &str) -> Result<bool, DeliveryError> {
        let item = self.get(keys::disabled_channel(channel), "whether a channel is disabled").await?;
        Ok(item.is_some_and(|item| {
            item.get("url_sha256")
                .and_then(|hash| hash.as_s().ok())
                .is_some_and(|hash| *hash == keys::sha256(url))
        }))
    }

    /// Remembers that the receiver at this address is gone.
    pub async fn disable(&self, channel: &str, url: &str, now: Timestamp) -> Result<(), DeliveryError> {
        let mut item = keys::disabled_channel(channel).attributes();
        item.extend([
            ("type".to_owned(), text("disabled_channel")),
            ("url_sha256".to_owned(), text(&keys::sha256(url))),
            ("disabled_at".to_owned(), number(now.as_millisecond())),
            ("ttl".to_owned(), number(expiry(now, DISABLED_RETENTION))),
        ]);
        self.put(item, "disable", channel).await
    }

    /// Forgets that a channel is disabled.
    pub async fn enable(&self, channel: &str) -> Result<(), DeliveryError> {
        let update = self.update(keys::disabled_channel(channel)).update_expression("REMOVE url_sha256");
        let enabled = update.send().await.map(drop);
        enabled.map_err(|source| self.unwritten("enable", format!("the channel {channel}"), source))
    }

    /// The thread that a channel has about an incident.
    pub async fn thread(&self, channel: &str, incident_id: &str) -> Result<Option<Thread>, DeliveryError> {
        let Some(item) = self.get(keys::thread(channel, incident_id), "a thread").await? else {
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
        let mut item = keys::thread(channel, incident_id).attributes();
        item.extend([
            ("type".to_owned(), text("thread")),
            ("conversation".to_owned(), text(&thread.conversation)),
            ("thread".to_owned(), text(&thread.thread)),
            ("ttl".to_owned(), number(expiry(now, RETENTION))),
        ]);
        self.put(item, "keep a thread of", channel).await
    }

    pub(super) async fn put(
        &self,
        item: Attributes,
        operation: &'static str,
        channel: &str,
    ) -> Result<(), DeliveryError> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let written = put.send().await.map(drop);
        written.map_err(|source| self.unwritten(operation, format!("the channel {channel}"), source))
    }
}
