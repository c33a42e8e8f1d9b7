//! Changes of incidents. An incident changes in one transaction with its anomaly or notice, and only from the version
//! that the change was decided from. So no anomaly is counted twice, and no page is lost between decision and storage.
//! Of two overlapping runs, the later one decides again.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::PutBuilder;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use super::conflicts::{PATIENTLY, again_after_conflicts, is_conflict, is_refused, is_throttled};
use super::outbox::unless_stored;
use super::{AlertItem, AnomalyStore, Attributes, Former, IncidentItem, Recorded, StoreError, Writer};

/// A new state of an incident, and its anomaly or notice.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The latest incident of the subject that the change was decided from. If `to` is another incident, this one is
    /// closed and stays unchanged.
    pub from: Option<&'a Former>,
    pub to: &'a IncidentItem,
    /// The anomaly of the incident, or a notice about it.
    pub alert: Option<&'a AlertItem>,
    /// Another incident that must be open, because its page tells of this one.
    pub told_by: Option<&'a Former>,
}

/// The result of a change.
#[derive(Debug)]
pub enum Changed {
    /// It is stored.
    Done,
    /// The anomaly or notice was stored before, together with the incident.
    Already(Recorded),
    /// The incident has changed since the decision.
    Overtaken,
}

impl AnomalyStore {
    /// Carries out a change as a whole, or not at all.
    pub async fn change(&self, change: Change<'_>, writer: Writer<'_>) -> Result<Changed, StoreError> {
        match change.alert {
            None if is_in_place(change) && change.told_by.is_none() => {
                self.put_in_place(change, writer).await
            }
            _ => self.transact(change, writer).await,
        }
    }

    /// A change of one item only needs no transaction.
    async fn put_in_place(&self, change: Change<'_>, writer: Writer<'_>) -> Result<Changed, StoreError> {
        let put = self.put_of_incident(change, writer)?.build().map_err(|e| self.undone(change, e.into()))?;
        let put = self
            .client
            .put_item()
            .table_name(put.table_name)
            .set_item(Some(put.item))
            .set_condition_expression(put.condition_expression)
            .set_expression_attribute_names(put.expression_attribute_names)
            .set_expression_attribute_values(put.expression_attribute_values);
        match put.send().await.map_err(SdkError::into_service_error) {
            Ok(_) => Ok(Changed::Done),
            Err(
                PutItemError::ConditionalCheckFailedException(_)
                | PutItemError::TransactionConflictException(_),
            ) => Ok(Changed::Overtaken),
            Err(error) => Err(self.undone(change, error.into())),
        }
    }

    async fn transact(&self, change: Change<'_>, writer: Writer<'_>) -> Result<Changed, StoreError> {
        let mut items = Vec::new();
        if let Some(alert) = change.alert {
            let put = self.put_of_alert(alert, writer)?;
            let put = put.build().map_err(|source| self.undone(change, source.into()))?;
            items.push(TransactWriteItem::builder().put(put).build());
        }
        let put = self.put_of_incident(change, writer)?;
        let put = put.build().map_err(|source| self.undone(change, source.into()))?;
        items.push(TransactWriteItem::builder().put(put).build());
        if let Some(from) = moved(change) {
            let delete = Delete::builder()
                .table_name(&self.table)
                .set_key(Some(from.key().attributes()))
                .condition_expression(UNCHANGED)
                .set_expression_attribute_values(Some(as_read(from)))
                .build()
                .map_err(|source| self.undone(change, source.into()))?;
            items.push(TransactWriteItem::builder().delete(delete).build());
        }
        let checks = [
            succeeded(change).map(|closed| (closed, UNCHANGED, as_read(closed))),
            change.told_by.map(|other| (other, IS_OPEN, HashMap::from([id_of(other)]))),
        ];
        for (other, condition, values) in checks.into_iter().flatten() {
            let check = ConditionCheck::builder()
                .table_name(&self.table)
                .set_key(Some(other.key().attributes()))
                .condition_expression(condition)
                .set_expression_attribute_values(Some(values))
                .build()
                .map_err(|source| self.undone(change, source.into()))?;
            items.push(TransactWriteItem::builder().condition_check(check).build());
        }
        let transaction = self.client.transact_write_items().set_transact_items(Some(items));
        let write = || async { transaction.clone().send().await.map_err(SdkError::into_service_error) };
        match again_after_conflicts(PATIENTLY, is_only_throttled, write).await {
            Ok(_) => Ok(Changed::Done),
            Err(TransactWriteItemsError::TransactionInProgressException(_)) => Ok(Changed::Overtaken),
            Err(TransactWriteItemsError::TransactionCanceledException(refusal))
                if is_refused(&refusal) || is_conflict(&refusal) =>
            {
                Ok(match change.alert.and_then(|_| stored_before(&refusal)) {
                    Some(found) => Changed::Already(self.already(found, writer)),
                    None => Changed::Overtaken,
                })
            }
            Err(error) => Err(self.undone(change, error.into())),
        }
    }

    fn put_of_incident(&self, change: Change<'_>, writer: Writer<'_>) -> Result<PutBuilder, StoreError> {
        let item = change.to.to_item().map_err(|source| self.unreadable(source))?;
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        Ok(match change.from {
            Some(from) if is_in_place(change) => {
                put.condition_expression(UNCHANGED).set_expression_attribute_values(Some(as_read(from)))
            }
            // An expired item that is still there blocks nothing. The same holds for anomalies.
            _ => put
                .condition_expression("attribute_not_exists(pk) OR #ttl < :now")
                .expression_attribute_names("#ttl", "ttl")
                .expression_attribute_values(":now", AttributeValue::N(writer.now.as_second().to_string())),
        })
    }

    fn put_of_alert(&self, alert: &AlertItem, writer: Writer<'_>) -> Result<PutBuilder, StoreError> {
        let item = alert.to_item().map_err(|source| self.unreadable(source))?;
        let (condition, names, values) = unless_stored(alert, writer);
        Ok(Put::builder()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }

    fn undone(&self, change: Change<'_>, source: aws_sdk_dynamodb::Error) -> StoreError {
        let id = change.alert.map_or_else(|| change.to.id().to_string(), |alert| alert.id().to_owned());
        self.unstored(id, source)
    }
}

/// A throttled transaction is tried again unchanged. After a conflict the change has to be decided again.
fn is_only_throttled(error: &TransactWriteItemsError) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(refusal) = error else { return false };
    is_throttled(refusal) && !is_refused(refusal) && !is_conflict(refusal)
}

/// Whether the incident keeps its key.
fn is_in_place(change: Change<'_>) -> bool {
    change
        .from
        .is_some_and(|from| from.is(&change.to.incident) && from.is_open == change.to.incident.is_open())
}

/// The item under the key that the incident leaves.
fn moved(change: Change<'_>) -> Option<&Former> {
    change.from.filter(|from| from.is(&change.to.incident) && !is_in_place(change))
}

/// The closed incident before a new one. A late run must not have reopened or joined it meanwhile.
fn succeeded(change: Change<'_>) -> Option<&Former> {
    change.from.filter(|from| !from.is(&change.to.incident))
}

/// Holds if an item is unchanged since it was read. The version alone is not enough: a later incident may have the key.
const UNCHANGED: &str = "version = :version AND incident_id = :incident";

/// Holds for the item of an open incident while the incident is open. Closing moves it to another key.
const IS_OPEN: &str = "incident_id = :incident";

fn as_read(former: &Former) -> Attributes {
    let version = (":version".to_owned(), AttributeValue::N(former.version.to_string()));
    Attributes::from([version, id_of(former)])
}

fn id_of(former: &Former) -> (String, AttributeValue) {
    (":incident".to_owned(), AttributeValue::S(former.id().to_string()))
}

/// The alert that a transaction found in the place of its own alert. The alert is the transaction's first item.
fn stored_before(refusal: &TransactionCanceledException) -> Option<Attributes> {
    let first = refusal.cancellation_reasons().first()?;
    (first.code() == Some("ConditionalCheckFailed")).then(|| first.item.clone().unwrap_or_default())
}
