//! What people do with anomalies: acknowledge, resolve, reopen. Each step is a conditional update on the state that it
//! was decided from, so that of two people at the same time none overwrites the other.
//!
//! Asking for the same twice is as good as once; a new note with it is kept.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use detection::{CustomerId, MetricName, Transition};
use jiff::Timestamp;

use super::item::{AnomalyItem, HistoryEntry, partition_key, sort_key};
use super::{AnomalyStore, StoreError};

/// Steps that an anomaly remembers. More are refused: with notes of 1,000 characters an item stays well below the
/// 400 KB that DynamoDB holds.
pub const MAX_HISTORY: usize = 50;

/// Tries against others who change the same anomaly or incident.
pub(super) const ATTEMPTS: usize = 5;

/// What became of an action.
#[derive(Debug)]
pub enum Acted {
    /// The anomaly as it is now: changed, or in the wanted state already.
    Done(Box<AnomalyItem>),
    /// The action makes no sense in the anomaly's state.
    Refused(Box<AnomalyItem>),
    /// It has been changed too often.
    HistoryFull,
    Missing,
}

impl AnomalyStore {
    /// Carries out an action on an anomaly, once however often it is asked for.
    pub async fn act(
        &self,
        customer: &CustomerId,
        detected_at: Timestamp,
        metric: &MetricName,
        entry: &HistoryEntry,
        now: Timestamp,
    ) -> Result<Acted, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(found) = self.anomaly(customer, detected_at, metric, now).await? else {
                return Ok(Acted::Missing);
            };
            match found.state.after(entry.action) {
                Transition::Already if !says_more(&found.history, entry) => {
                    return Ok(Acted::Done(Box::new(found)));
                }
                Transition::Refused => return Ok(Acted::Refused(Box::new(found))),
                _ if found.history.len() >= MAX_HISTORY => return Ok(Acted::HistoryFull),
                Transition::Already | Transition::To(_) => {}
            }
            if let Some(changed) = self.change_state(&found, entry).await? {
                return Ok(Acted::Done(Box::new(changed)));
            }
        }
        let id = sort_key(detected_at.as_millisecond(), metric);
        Err(StoreError::Contended { id, table: self.table.clone() })
    }

    /// `None` when somebody else was faster.
    async fn change_state(
        &self,
        found: &AnomalyItem,
        entry: &HistoryEntry,
    ) -> Result<Option<AnomalyItem>, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = serde_dynamo::to_attribute_value(entry).map_err(|source| self.unreadable(source))?;
        let condition = match found.history.is_empty() {
            true => "attribute_exists(pk) AND attribute_not_exists(history)",
            false => "attribute_exists(pk) AND size(history) = :steps",
        };
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(&partition_key(&found.customer_id)))
            .key("sk", text(&sort_key(found.detected_at, &found.metric)))
            .update_expression(
                "SET #state = :state, history = list_append(if_not_exists(history, :none), :entry)",
            )
            // Each change adds a step, so their number tells whether anybody changed it since it was read.
            .condition_expression(condition)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", text(entry.action.target().as_str()))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":entry", AttributeValue::L(vec![item]))
            .return_values(ReturnValue::AllNew);
        if !found.history.is_empty() {
            update = update
                .expression_attribute_values(":steps", AttributeValue::N(found.history.len().to_string()));
        }
        let answer = update.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error);
        match answer {
            Ok(answer) => serde_dynamo::from_item(answer.attributes.unwrap_or_default())
                .map(Some)
                .map_err(|source| self.unreadable(source)),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(None),
            Err(error) => Err(StoreError::Update {
                operation: entry.action.as_str(),
                id: found.anomaly_id.to_string(),
                table: self.table.clone(),
                source: Box::new(error.into()),
            }),
        }
    }
}

/// Whether a note comes with an action that changes nothing else, and was not kept before.
pub(super) fn says_more(history: &[HistoryEntry], entry: &HistoryEntry) -> bool {
    let same = |kept: &HistoryEntry| {
        (kept.action, &kept.actor, &kept.note) == (entry.action, &entry.actor, &entry.note)
    };
    entry.note.is_some() && !history.iter().any(same)
}
