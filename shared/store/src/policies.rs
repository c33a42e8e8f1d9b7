//! The operators' policies: one document for all customers, and one for each customer with settings of its own. All are
//! in one partition, so a run reads them with one query.
//!
//! A document has a version. A change names the version that its author saw, or is refused. Each version is kept beside
//! the document with its author and time, in the same transaction.

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use catalog::StoredPolicy;
use detection::{CustomerId, Policy};
use jiff::Timestamp;
use platform::telemetry::error_chain;
use serde::{Deserialize, Serialize};

use super::conflicts::{is_conflict, is_refused};
use super::keys::{self, Key, POLICIES};
use super::{AnomalyStore, Attributes, StoreError};

/// The result of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyChange {
    Stored(StoredPolicy),
    /// Somebody else changed the policy meanwhile.
    Overtaken,
}

#[derive(Debug, Serialize, Deserialize)]
struct PolicyItem {
    pk: String,
    sk: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_id: Option<CustomerId>,
    version: u64,
    /// JSON text. It keeps numbers exactly as their author wrote them.
    policy: String,
    updated_at: i64,
    updated_by: String,
}

impl AnomalyStore {
    /// The policy for all customers, or the policy of one customer.
    pub async fn policy(&self, of: Option<&CustomerId>) -> Result<StoredPolicy, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(keys::policy(of).attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|source| self.unread("the policy", source))?;
        match answer.item {
            Some(item) => Ok(self.stored_policy(item)?.1),
            None => Ok(StoredPolicy::default()),
        }
    }

    /// All policies: the one for all customers, and those of single customers.
    pub async fn policies(&self) -> Result<(StoredPolicy, Vec<(CustomerId, StoredPolicy)>), StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(POLICIES.to_owned()))
            .into_paginator()
            .items()
            .send();
        let (mut global, mut customers) = (StoredPolicy::default(), Vec::new());
        while let Some(item) = pages.next().await {
            let item = item.map_err(|source| self.unread("the policies", source))?;
            match self.stored_policy(item) {
                Ok((Some(customer), policy)) => customers.push((customer, policy)),
                Ok((None, policy)) => global = policy,
                // A policy of a newer version must not keep all customers from being checked.
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::error!(
                        error,
                        db.table = self.table,
                        "a policy cannot be read: it is not applied"
                    );
                }
            }
        }
        Ok((global, customers))
    }

    /// Replaces version `seen` of a policy, and keeps the new one in its history.
    pub async fn put_policy(
        &self,
        of: Option<&CustomerId>,
        policy: &Policy,
        seen: u64,
        actor: &str,
        now: Timestamp,
    ) -> Result<PolicyChange, StoreError> {
        let unwritable = |source| StoreError::Policy { of: name(of), table: self.table.clone(), source };
        let Key { pk, sk } = keys::policy(of);
        let item = PolicyItem {
            pk,
            sk,
            kind: "policy".to_owned(),
            customer_id: of.cloned(),
            version: seen.saturating_add(1),
            policy: serde_json::to_string(policy).map_err(unwritable)?,
            updated_at: now.as_millisecond(),
            updated_by: actor.to_owned(),
        };
        let Key { pk, sk } = keys::policy_version(of, item.version);
        let history = PolicyItem {
            pk,
            sk,
            kind: "policy_version".to_owned(),
            policy: item.policy.clone(),
            customer_id: of.cloned(),
            updated_by: actor.to_owned(),
            ..item
        };
        let condition = match seen {
            0 => "attribute_not_exists(pk)",
            _ => "version = :seen",
        };
        let mut current = self.put_of(&item)?.condition_expression(condition);
        if seen > 0 {
            current = current.expression_attribute_values(":seen", AttributeValue::N(seen.to_string()));
        }
        let puts = [current, self.put_of(&history)?.condition_expression("attribute_not_exists(pk)")];
        let mut transaction = self.client.transact_write_items();
        for put in puts {
            let put = put.build().map_err(|source| self.unwritten(of, source.into()))?;
            transaction = transaction.transact_items(TransactWriteItem::builder().put(put).build());
        }
        match transaction.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Ok(PolicyChange::Stored(StoredPolicy {
                version: item.version,
                policy: policy.clone(),
                updated_at: Some(now),
                updated_by: Some(actor.to_owned()),
            })),
            Err(TransactWriteItemsError::TransactionCanceledException(refusal))
                if is_refused(&refusal) || is_conflict(&refusal) =>
            {
                // A conflict is another change of the same document at this moment.
                Ok(PolicyChange::Overtaken)
            }
            Err(error) => Err(self.unwritten(of, error.into())),
        }
    }

    fn put_of(&self, item: &PolicyItem) -> Result<aws_sdk_dynamodb::types::builders::PutBuilder, StoreError> {
        let item = serde_dynamo::to_item(item).map_err(|source| self.unreadable(source))?;
        Ok(Put::builder().table_name(&self.table).set_item(Some(item)))
    }

    pub(super) fn stored_policy(
        &self,
        item: Attributes,
    ) -> Result<(Option<CustomerId>, StoredPolicy), StoreError> {
        let item: PolicyItem = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
        let policy = serde_json::from_str(&item.policy).map_err(|source| StoreError::Policy {
            of: name(item.customer_id.as_ref()),
            table: self.table.clone(),
            source,
        })?;
        let stored = StoredPolicy {
            version: item.version,
            policy,
            updated_at: Timestamp::from_millisecond(item.updated_at).ok(),
            updated_by: Some(item.updated_by),
        };
        Ok((item.customer_id, stored))
    }

    fn unwritten(&self, of: Option<&CustomerId>, source: aws_sdk_dynamodb::Error) -> StoreError {
        self.unstored(format!("the policy of {}", name(of)), source)
    }
}

fn name(of: Option<&CustomerId>) -> String {
    of.map_or_else(|| "all customers".to_owned(), |customer| format!("customer {customer:?}"))
}
