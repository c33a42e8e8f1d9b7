//! Reading incidents: one by its id, all of a customer, and all that a run needs.
//!
//! A run finds incidents by the last window that changed them, in an index of 16 parts. The index may be behind when
//! the run writes. The version in the condition of the write detects that.

use aws_sdk_dynamodb::types::AttributeValue;
use detection::CustomerId;
use detection::incident::Subject;
use futures::stream::{self, TryStreamExt};
use jiff::Timestamp;

use super::keys::{self, INCIDENT_PARTS, INCIDENT_PREFIX, INCIDENTS_INDEX, Key};
use super::{AnomalyStore, Attributes, IncidentItem, StoreError};

/// Items per query when all parts are read at once. An item of a kilobyte takes five in memory until it is parsed. Full
/// answers of all parts would need more memory than the rest of a run.
const READ_AT_ONCE: i32 = 100;

impl AnomalyStore {
    /// Hands every incident that a window from `from` on changed to `see`: active incidents, and incidents that
    /// baselines may have to leave out. Incidents that were expired at `now` are left out.
    ///
    /// Memory holds at most one answer per part of the index. All incidents of a customer are in one part. They come in
    /// the order of their last windows.
    pub async fn incidents_since(
        &self,
        from: Timestamp,
        now: Timestamp,
        mut see: impl FnMut(IncidentItem),
    ) -> Result<(), StoreError> {
        let parts = (0..INCIDENT_PARTS).map(|part| {
            let pages = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(INCIDENTS_INDEX)
                .key_condition_expression("incident_shard = :part AND last_window >= :from")
                .expression_attribute_values(":part", AttributeValue::S(part.to_string()))
                .expression_attribute_values(":from", AttributeValue::N(from.as_millisecond().to_string()))
                .limit(READ_AT_ONCE)
                .into_paginator()
                .send();
            Box::pin(stream::try_unfold(pages, async |mut pages| {
                let page = pages.try_next().await.map_err(|source| self.unread("the incidents", source))?;
                Ok::<_, StoreError>(page.map(|page| (page, pages)))
            }))
        });
        let mut pages = stream::select_all(parts);
        while let Some(page) = pages.try_next().await? {
            let items = page.items.unwrap_or_default().into_iter().filter_map(|item| self.incident_of(item));
            items.filter(|incident| incident.ttl >= now.as_second()).for_each(&mut see);
        }
        Ok(())
    }

    /// All incidents of a customer, in the order of their keys.
    pub async fn incidents_of(
        &self,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<Vec<IncidentItem>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :incident)")
            .expression_attribute_values(":pk", AttributeValue::S(keys::customer(customer)))
            .expression_attribute_values(":incident", AttributeValue::S(INCIDENT_PREFIX.to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut incidents = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|source| self.unread("the incidents", source))?;
            incidents.extend(self.incident_of(item).filter(|incident| incident.ttl >= now.as_second()));
        }
        Ok(incidents)
    }

    /// The latest incident of a subject: the open one, or else the one that was opened last.
    pub async fn latest_incident(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Option<IncidentItem>, StoreError> {
        if let Some(open) = self.incident_at(keys::open_incident(subject), now).await? {
            return Ok(Some(open));
        }
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(1)
            .key_condition_expression("pk = :pk AND begins_with(sk, :closed)")
            .expression_attribute_values(":pk", AttributeValue::S(keys::customer(&subject.customer_id)))
            .expression_attribute_values(":closed", AttributeValue::S(keys::closed_incidents(subject)))
            .send()
            .await
            .map_err(|source| self.unread("the latest incident", source))?;
        let latest = answer.items.unwrap_or_default().into_iter().next();
        Ok(latest.and_then(|item| self.incident_of(item)).filter(|incident| incident.ttl >= now.as_second()))
    }

    /// The closed incidents of a subject that were opened from `since` on and before `until`, oldest first.
    pub async fn closed_incidents(
        &self,
        subject: &Subject,
        since: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<IncidentItem>, StoreError> {
        let [from, last] = [since.as_millisecond(), until.as_millisecond() - 1]
            .map(|opened_at| keys::closed_incident(subject, opened_at));
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(keys::customer(&subject.customer_id)))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":last", AttributeValue::S(last))
            .into_paginator()
            .items()
            .send();
        let mut incidents = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|source| self.unread("the earlier incidents", source))?;
            incidents.extend(self.incident_of(item).filter(|incident| incident.ttl >= now.as_second()));
        }
        Ok(incidents)
    }

    /// The incident of an id, unless it is missing or expired.
    pub async fn incident(
        &self,
        subject: &Subject,
        opened_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<IncidentItem>, StoreError> {
        let open = self.incident_at(keys::open_incident(subject), now).await?;
        if let Some(open) = open.filter(|open| open.incident.opened_at == opened_at) {
            return Ok(Some(open));
        }
        self.incident_at(keys::incident(subject, false, opened_at), now).await
    }

    async fn incident_at(&self, key: Key, now: Timestamp) -> Result<Option<IncidentItem>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key.attributes()));
        let answer = get.consistent_read(true).send().await;
        let item = answer.map_err(|source| self.unread("the incident", source))?.item;
        Ok(item.and_then(|item| self.incident_of(item)).filter(|incident| incident.ttl >= now.as_second()))
    }

    /// An item that cannot be read was written by a newer version. It must not stop all others.
    pub(crate) fn incident_of(&self, item: Attributes) -> Option<IncidentItem> {
        serde_dynamo::from_item(item)
            .inspect_err(|error| {
                tracing::error!(error = %error, db.table = self.table, "an incident cannot be read");
            })
            .ok()
    }
}
