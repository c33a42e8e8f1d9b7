//! The versions of a policy, newest first. Each has its author and time.

use aws_sdk_dynamodb::types::AttributeValue;
use catalog::StoredPolicy;
use detection::CustomerId;

use super::keys::{self, VERSION_PREFIX};
use super::{AnomalyStore, StoreError};

impl AnomalyStore {
    /// At most `limit` versions of the policy for all customers, or of one customer's, newest first.
    ///
    /// * `before`: only versions older than this one.
    pub async fn policy_versions(
        &self,
        of: Option<&CustomerId>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<StoredPolicy>, StoreError> {
        let newest = before.map_or(u64::MAX, |before| before.saturating_sub(1));
        let last = keys::policy_version(of, newest);
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(last.pk))
            .expression_attribute_values(":first", AttributeValue::S(VERSION_PREFIX.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(last.sk))
            .consistent_read(true)
            .send()
            .await
            .map_err(|source| self.unread("the versions of a policy", source))?;
        let items = answer.items.unwrap_or_default().into_iter();
        items.map(|item| self.stored_policy(item).map(|(_, policy)| policy)).collect()
    }
}
