//! The runs that have ended, newest first: how long they took, what they checked, and which failed.
//!
//! Each run of all customers or a shard leaves one note when it ends. A run of one hour that is repeated leaves a note each
//! time. Each source has a partition of its own, because a source of minutes has 60 times as many runs as others.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use jiff::Timestamp;

use super::conditions::Conditions;
use super::keys::{self, ENDED_PREFIX};
use super::notes::number;
use super::{AnomalyStore, Attributes, LastRun, StoreError};

/// How long the note of an ended run is kept.
const RETENTION: Duration = Duration::from_secs(7 * 86_400);

impl AnomalyStore {
    /// Notes a run that has ended.
    pub(crate) async fn note_ended(&self, run: &LastRun) -> Result<(), StoreError> {
        let mut item: Attributes = serde_dynamo::to_item(run).map_err(|source| self.unreadable(source))?;
        item.extend(keys::ended_run(&run.source, run.finished_at, &run.run_id).attributes());
        item.insert("type".to_owned(), AttributeValue::S("ended_run".to_owned()));
        let kept = i64::try_from(RETENTION.as_secs()).unwrap_or(i64::MAX);
        item.insert("ttl".to_owned(), number(run.finished_at / 1_000 + kept));
        self.put_plain(item, &run.run_id, None).await
    }

    /// At most `limit` ended runs of these sources, newest first.
    ///
    /// * `before`: only runs that ended before this time, in Unix milliseconds.
    pub async fn ended_runs(
        &self,
        sources: &[&str],
        before: i64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<LastRun>, StoreError> {
        let of_each = sources.iter().map(|source| self.ended_runs_of(source, (None, before), limit, now));
        let mut runs = try_join_all(of_each).await?.concat();
        runs.sort_by(|a, b| (b.finished_at, &b.run_id).cmp(&(a.finished_at, &a.run_id)));
        runs.truncate(limit);
        Ok(runs)
    }

    /// The runs of a source that ended at `from` or later, newest first.
    ///
    /// * `from`: in Unix milliseconds.
    pub async fn runs_since(
        &self,
        source: &str,
        from: i64,
        now: Timestamp,
    ) -> Result<Vec<LastRun>, StoreError> {
        let before = now.as_millisecond().saturating_add(1);
        self.ended_runs_of(source, (Some(from), before), usize::MAX, now).await
    }

    async fn ended_runs_of(
        &self,
        source: &str,
        (from, before): (Option<i64>, i64),
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<LastRun>, StoreError> {
        // A key without the run's id at its end lies before all keys of its millisecond.
        let keys::Key { pk, sk } = keys::ended_run(source, before, "");
        let first = from.map_or_else(|| ENDED_PREFIX.to_owned(), |from| keys::ended_run(source, from, "").sk);
        let query = Conditions::alive(now)
            .filter(self.client.query().table_name(&self.table))
            .scan_index_forward(false)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":first", AttributeValue::S(first))
            .expression_attribute_values(":last", AttributeValue::S(sk));
        let mut items = query.into_paginator().items().send();
        let mut runs = Vec::new();
        while runs.len() < limit
            && let Some(item) = items.next().await
        {
            let item = item.map_err(|source| self.unread("the ended runs", source))?;
            runs.push(serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?);
        }
        Ok(runs)
    }
}
