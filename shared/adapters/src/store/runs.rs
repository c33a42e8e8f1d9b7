//! What is remembered of the detector's runs: those that somebody asked for, each under its id, and the last ones of
//! all, for whoever wants to know whether the system is alive.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use detection::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AnomalyStore, Attributes, PENDING_INDEX, StoreError, item};

/// How long a run that was asked for is remembered.
const RUN_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Handed to the detector, which has not begun yet.
    Queued,
    Running,
    Completed,
    /// It failed; the detector tries it again by itself, up to two times.
    Failed,
}

/// A run that somebody asked for. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionRun {
    pub detection_id: String,
    pub status: RunStatus,
    pub dry_run: bool,
    /// Only these customers; all where it is empty.
    #[serde(default)]
    pub customer_ids: Vec<CustomerId>,
    /// The hour at or before this time is where the window closes.
    pub time: i64,
    pub requested_by: String,
    pub requested_at: i64,
    /// The run's id in the detector's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<i64>,
    /// What the run answered, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// How a whole run ended. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    pub run_id: String,
    pub completed: bool,
    pub finished_at: i64,
    /// Where the window of the run closes, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_end: Option<i64>,
    /// What the run answered, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl AnomalyStore {
    /// Remembers a run that was asked for.
    pub async fn add_run(&self, run: &DetectionRun) -> Result<(), StoreError> {
        let mut item: Attributes = serde_dynamo::to_item(run).map_err(|source| self.unreadable(source))?;
        let expiry = run.requested_at / 1_000 + i64::try_from(RUN_RETENTION.as_secs()).unwrap_or(i64::MAX);
        item.extend(run_key(&run.detection_id));
        item.insert("type".to_owned(), AttributeValue::S("detection_run".to_owned()));
        item.insert("ttl".to_owned(), AttributeValue::N(expiry.to_string()));
        self.put_plain(item, &run.detection_id, None).await.map(drop)
    }

    /// A run that was asked for, unless it is missing or forgotten.
    pub async fn run(&self, detection_id: &str, now: Timestamp) -> Result<Option<DetectionRun>, StoreError> {
        let Some(item) = self.get_plain(run_key(detection_id), "the run").await? else { return Ok(None) };
        let expiry: i64 = item.get("ttl").and_then(|ttl| ttl.as_n().ok()?.parse().ok()).unwrap_or(i64::MAX);
        let run = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
        Ok((expiry >= now.as_second()).then_some(run))
    }

    /// The detector has begun with a run.
    pub async fn run_started(
        &self,
        detection_id: &str,
        run_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.update_run(
            detection_id,
            "SET #status = :status, run_id = :run, started_at = :now REMOVE finished_at, summary",
            &[
                (":status", self.status(RunStatus::Running)?),
                (":run", AttributeValue::S(run_id.to_owned())),
                (":now", AttributeValue::N(now.as_millisecond().to_string())),
            ],
        )
        .await
    }

    /// The detector is through with a run. `summary` is what it answered; none is a failure.
    pub async fn run_finished(
        &self,
        detection_id: &str,
        summary: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let now = AttributeValue::N(now.as_millisecond().to_string());
        match summary {
            Some(summary) => {
                self.update_run(
                    detection_id,
                    "SET #status = :status, finished_at = :now, summary = :summary",
                    &[
                        (":status", self.status(RunStatus::Completed)?),
                        (":now", now),
                        (":summary", AttributeValue::S(summary)),
                    ],
                )
                .await
            }
            None => {
                self.update_run(
                    detection_id,
                    "SET #status = :status, finished_at = :now",
                    &[(":status", self.status(RunStatus::Failed)?), (":now", now)],
                )
                .await
            }
        }
    }

    /// Remembers how a whole run ended. The last completed one is that of the newest window, whenever it ran.
    pub async fn note_run(&self, run: &LastRun) -> Result<(), StoreError> {
        let item = |sk: &str| -> Result<Attributes, StoreError> {
            let mut item: Attributes =
                serde_dynamo::to_item(run).map_err(|source| self.unreadable(source))?;
            item.extend(status_key(sk));
            item.insert("type".to_owned(), AttributeValue::S("last_run".to_owned()));
            Ok(item)
        };
        self.put_plain(item("LAST_RUN")?, &run.run_id, None).await?;
        if run.completed
            && let Some(window_end) = run.window_end
        {
            self.put_plain(item("LAST_COMPLETED")?, &run.run_id, Some(window_end)).await?;
        }
        Ok(())
    }

    /// The last whole run, and the completed one of the newest window.
    pub async fn last_runs(&self) -> Result<(Option<LastRun>, Option<LastRun>), StoreError> {
        let read = async |sk| -> Result<Option<LastRun>, StoreError> {
            let item = self.get_plain(status_key(sk), "the last run").await?;
            item.map(serde_dynamo::from_item).transpose().map_err(|source| self.unreadable(source))
        };
        futures::future::try_join(read("LAST_RUN"), read("LAST_COMPLETED")).await
    }

    /// How many alerts wait, and when the anomaly of the oldest was complete, in Unix milliseconds.
    pub async fn pending_alerts(&self) -> Result<(u64, Option<i64>), StoreError> {
        let query = || {
            self.client
                .query()
                .table_name(&self.table)
                .index_name(PENDING_INDEX)
                .key_condition_expression("pending_alert = :pending")
                .expression_attribute_values(":pending", AttributeValue::S(item::PENDING.to_owned()))
        };
        let unread = |source| self.unread("the pending alerts", source);
        let mut count = 0;
        let mut pages = query().select(Select::Count).into_paginator().send();
        while let Some(page) = pages.next().await {
            count += u64::try_from(page.map_err(unread)?.count).unwrap_or(0);
        }
        let oldest = query()
            .limit(1)
            .send()
            .await
            .map_err(|source| self.unread("the oldest pending alert", source))?;
        let detected_at = oldest.items().first().and_then(|item| item.get("detected_at"));
        Ok((count, detected_at.and_then(|at| at.as_n().ok()?.parse().ok())))
    }

    fn status(&self, status: RunStatus) -> Result<AttributeValue, StoreError> {
        serde_dynamo::to_attribute_value(status).map_err(|source| self.unreadable(source))
    }

    async fn get_plain(&self, key: Attributes, what: &'static str) -> Result<Option<Attributes>, StoreError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key)).consistent_read(true);
        Ok(get.send().await.map_err(|source| self.unread(what, source))?.item)
    }

    /// Puts an item; where `window_end` is given, not over one of a later window.
    async fn put_plain(&self, item: Attributes, id: &str, window_end: Option<i64>) -> Result<(), StoreError> {
        let mut put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        if let Some(window_end) = window_end {
            put = put
                .condition_expression("attribute_not_exists(window_end) OR window_end <= :window_end")
                .expression_attribute_values(":window_end", AttributeValue::N(window_end.to_string()));
        }
        match put.send().await.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
            Ok(_) => Ok(()),
            Err(error) if error.is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(StoreError::Put {
                id: format!("the run {id}"),
                table: self.table.clone(),
                source: Box::new(error.into()),
            }),
        }
    }

    async fn update_run(
        &self,
        detection_id: &str,
        expression: &str,
        values: &[(&str, AttributeValue)],
    ) -> Result<(), StoreError> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(run_key(detection_id)))
            .update_expression(expression)
            // Nothing is made of an id that nobody asked for.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#status", "status");
        for (name, value) in values {
            update = update.expression_attribute_values(*name, value.clone());
        }
        update.send().await.map(drop).map_err(|source| StoreError::Update {
            operation: "update",
            id: format!("the run {detection_id}"),
            table: self.table.clone(),
            source: Box::new(source.into()),
        })
    }
}

fn run_key(detection_id: &str) -> Attributes {
    key(format!("RUN#{detection_id}"), "RUN")
}

fn status_key(sk: &str) -> Attributes {
    key("STATUS".to_owned(), sk)
}

fn key(pk: String, sk: &str) -> Attributes {
    Attributes::from([
        ("pk".to_owned(), AttributeValue::S(pk)),
        ("sk".to_owned(), AttributeValue::S(sk.to_owned())),
    ])
}
