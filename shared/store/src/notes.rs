//! Notes of work that somebody waits for, and plain items.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys::Key;
use super::{AnomalyStore, Attributes, StoreError};

/// How long a note is kept.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// The state of a run or backtest on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// The detector has the request and has not begun.
    Queued,
    Running,
    Completed,
    /// The run failed. The detector repeats it by itself, up to two times.
    Failed,
}

/// A new note.
pub(super) struct Note<'a> {
    /// The type of its item.
    pub(super) kind: &'static str,
    pub(super) id: &'a str,
    /// Unix milliseconds.
    pub(super) requested_at: i64,
}

impl AnomalyStore {
    /// Stores a note.
    pub(super) async fn add_note(
        &self,
        of: &impl Serialize,
        key: Key,
        Note { kind, id, requested_at }: Note<'_>,
    ) -> Result<(), StoreError> {
        let mut item: Attributes = serde_dynamo::to_item(of).map_err(|source| self.unreadable(source))?;
        let kept = i64::try_from(RETENTION.as_secs()).unwrap_or(i64::MAX);
        item.extend(key.attributes());
        item.insert("type".to_owned(), AttributeValue::S(kind.to_owned()));
        item.insert("ttl".to_owned(), number(requested_at / 1_000 + kept));
        self.put_plain(item, id, None).await
    }

    /// A note, unless it is missing or expired.
    pub(super) async fn note<T: DeserializeOwned>(
        &self,
        key: Key,
        what: &'static str,
        now: Timestamp,
    ) -> Result<Option<T>, StoreError> {
        let Some(item) = self.get_plain(key, what).await? else { return Ok(None) };
        let expiry: i64 = item.get("ttl").and_then(|ttl| ttl.as_n().ok()?.parse().ok()).unwrap_or(i64::MAX);
        let note = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
        Ok((expiry >= now.as_second()).then_some(note))
    }

    pub(super) fn status(&self, status: RunStatus) -> Result<AttributeValue, StoreError> {
        serde_dynamo::to_attribute_value(status).map_err(|source| self.unreadable(source))
    }

    /// Changes a note that exists. `#status` names its status.
    pub(super) async fn update_plain(
        &self,
        key: Key,
        expression: &str,
        values: &[(&str, AttributeValue)],
    ) -> Result<(), StoreError> {
        let name = format!("the run {}", key.pk);
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .update_expression(expression)
            // An update must not create a note that nobody asked for.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#status", "status");
        for (name, value) in values {
            update = update.expression_attribute_values(*name, value.clone());
        }
        let updated = update.send().await.map(drop);
        updated.map_err(|source| self.unchanged("update", name, source))
    }

    pub(super) async fn get_plain(
        &self,
        key: Key,
        what: &'static str,
    ) -> Result<Option<Attributes>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .consistent_read(true);
        Ok(get.send().await.map_err(|source| self.unread(what, source))?.item)
    }

    /// Puts an item. If `window_end` is given, the put does not replace an item of a later window.
    pub(super) async fn put_plain(
        &self,
        item: Attributes,
        id: &str,
        window_end: Option<i64>,
    ) -> Result<(), StoreError> {
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        if let Some(window_end) = window_end {
            put = put
                .condition_expression("attribute_not_exists(window_end) OR window_end <= :window_end")
                .expression_attribute_values(":window_end", AttributeValue::N(window_end.to_string()));
        }
        match put.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(self.unstored(format!("the run {id}"), error)),
        }
    }
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
