//! Closes the anomalies of an incident that has ended.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{Incident, State};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::conflicts::{BRIEFLY, Conflict, again_after_conflicts};
use super::{AnomalyStore, Attributes, StoreError, keys};

/// Updates in flight at once. An incident has a few dozen anomalies.
const CONCURRENT_UPDATES: usize = 16;

/// How far an anomaly that was judged late may lie before the opening of its incident, in milliseconds.
const LATE: i64 = 31 * 86_400_000;

impl AnomalyStore {
    /// Resolves all anomalies of an incident. A repetition changes nothing.
    pub async fn close_anomalies(&self, incident: &Incident) -> Result<(), StoreError> {
        let open = self.open_anomalies(incident).await?;
        let resolving = open.into_iter().map(|key| self.resolve(key));
        stream::iter(resolving).buffer_unordered(CONCURRENT_UPDATES).try_collect().await
    }

    /// The keys of the anomalies that are not resolved.
    async fn open_anomalies(&self, incident: &Incident) -> Result<Vec<Attributes>, StoreError> {
        let mut keys = self
            .anomalies_of(incident)
            .filter_expression("incident_id = :id AND (attribute_not_exists(#state) OR #state <> :resolved)")
            .projection_expression("pk, sk")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":resolved", AttributeValue::S(State::Resolved.as_str().to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(key) = keys.next().await {
            found.push(key.map_err(|source| self.unread("the anomalies of an incident", source))?);
        }
        Ok(found)
    }

    /// The query of all anomalies of an incident.
    pub(crate) fn anomalies_of(&self, incident: &Incident) -> QueryFluentBuilder {
        let text = AttributeValue::S;
        let from = keys::anomalies_from(incident.opened_at.as_millisecond() - LATE);
        let to = keys::anomalies_from(incident.last_window.max(incident.last_seen).as_millisecond() + 1);
        self.client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .filter_expression("incident_id = :id")
            .expression_attribute_values(":pk", text(keys::customer(&incident.subject.customer_id)))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":to", text(to))
            .expression_attribute_values(":id", text(incident.id().to_string()))
    }

    async fn resolve(&self, key: Attributes) -> Result<(), StoreError> {
        let id = key.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key))
            .update_expression("SET #state = :resolved")
            // An update must not create an item that has expired meanwhile.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":resolved", AttributeValue::S(State::Resolved.as_str().to_owned()));
        let write = || async { update.clone().send().await.map_err(SdkError::into_service_error) };
        match again_after_conflicts(BRIEFLY, UpdateItemError::passes, write).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(self.unchanged("resolve", &id, error)),
        }
    }
}
