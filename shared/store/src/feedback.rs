//! Feedback of people: one item for each incident with feedback, or anomaly without an incident. All are in one partition,
//! so a run reads them with one query, and customers without feedback cost nothing.
//!
//! A later feedback of the same incident takes the place of the earlier one. The history of the incident has both.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{CustomerId, Feedback, Incident};
use platform::telemetry::error_chain;
use serde::{Deserialize, Serialize};

use super::keys::{self, FEEDBACK, Key};
use super::{AnomalyStore, Attributes, StoreError};

#[derive(Debug, Serialize, Deserialize)]
struct FeedbackItem {
    pk: String,
    sk: String,
    #[serde(rename = "type")]
    kind_of_item: String,
    #[serde(flatten)]
    feedback: Feedback,
    /// Unix seconds.
    ttl: i64,
}

/// What the anomalies of an incident were judged by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// The largest score, in thresholds of an anomaly as they are configured. `None` if none is known.
    pub excess: Option<f64>,
    /// The names of the detectors and rules that decided.
    pub detectors: BTreeSet<String>,
}

/// The part of an anomaly that tells what it was judged by.
#[derive(Debug, Deserialize)]
struct Decided {
    #[serde(default)]
    excess: Option<f64>,
    #[serde(default)]
    detector: Option<String>,
}

impl AnomalyStore {
    /// Stores a feedback in the place of an earlier one of the same incident or anomaly.
    pub async fn put_feedback(&self, feedback: &Feedback) -> Result<(), StoreError> {
        let Key { pk, sk } = keys::feedback(&feedback.subject.customer_id, &feedback.about);
        let item = FeedbackItem {
            pk,
            sk,
            kind_of_item: "feedback".to_owned(),
            ttl: feedback.forgotten_at().as_second(),
            feedback: feedback.clone(),
        };
        let item = serde_dynamo::to_item(item).map_err(|source| self.unreadable(source))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let stored = put.send().await.map(drop);
        stored.map_err(|source| self.unstored(format!("the feedback of {}", feedback.about), source))
    }

    /// All feedback in force.
    pub async fn feedback(&self) -> Result<Vec<Feedback>, StoreError> {
        let query = self.client.query().key_condition_expression("pk = :pk");
        self.all_feedback(query).await
    }

    /// The feedback of one customer and its entities.
    pub async fn feedback_of(&self, customer: &CustomerId) -> Result<Vec<Feedback>, StoreError> {
        let of_customer = AttributeValue::S(keys::feedback_of(customer));
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":sk", of_customer);
        self.all_feedback(query).await
    }

    async fn all_feedback(&self, query: QueryFluentBuilder) -> Result<Vec<Feedback>, StoreError> {
        let mut items = query
            .table_name(&self.table)
            .consistent_read(true)
            .expression_attribute_values(":pk", AttributeValue::S(FEEDBACK.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut all = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|source| self.unread("the feedback", source))?;
            match serde_dynamo::from_item::<_, FeedbackItem>(item) {
                Ok(item) => all.push(item.feedback),
                // A feedback of a newer version must not keep all customers from being checked.
                Err(error) => tracing::error!(
                    error = error_chain(&error),
                    db.table = self.table,
                    "a feedback cannot be read: it is not applied"
                ),
            }
        }
        Ok(all)
    }

    /// What the anomalies of an incident were judged by.
    pub async fn judgement(&self, incident: &Incident) -> Result<Judgement, StoreError> {
        let anomalies = self.anomalies_of(incident).projection_expression("excess, detector");
        let mut items = anomalies.into_paginator().items().send();
        let mut judgement = Judgement::default();
        while let Some(item) = items.next().await {
            let item: Attributes =
                item.map_err(|source| self.unread("the anomalies of an incident", source))?;
            let decided: Decided = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
            judgement.excess = [judgement.excess, decided.excess].into_iter().flatten().reduce(f64::max);
            judgement.detectors.extend(decided.detector);
        }
        Ok(judgement)
    }
}
