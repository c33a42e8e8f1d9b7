//! Notes of the detector's runs. Runs on demand have an id each. The last runs of all kinds show whether the system is
//! alive.
//!
//! A note never fails its run.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use catalog::Shard;
use detection::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, COMPLETED_PREFIX, Key, STATUS};
use super::{AnomalyStore, Attributes, StoreError};

/// How long a run on demand is kept.
const RUN_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// The state of a run on demand.
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

/// A run on demand. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionRun {
    pub detection_id: String,
    pub status: RunStatus,
    pub dry_run: bool,
    /// The customers of the run. An empty list means all.
    #[serde(default)]
    pub customer_ids: Vec<CustomerId>,
    /// The window closes at the last full hour at or before this time.
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
    /// The answer of the run, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// How a run for all customers or a shard ended. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastRun {
    pub run_id: String,
    /// The shard of the run.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    pub completed: bool,
    pub finished_at: i64,
    /// The end of the run's window, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_end: Option<i64>,
    /// The answer of the run, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

impl AnomalyStore {
    /// Stores the note of a run on demand.
    pub async fn add_run(&self, run: &DetectionRun) -> Result<(), StoreError> {
        let mut item: Attributes = serde_dynamo::to_item(run).map_err(|source| self.unreadable(source))?;
        let expiry = run.requested_at / 1_000 + i64::try_from(RUN_RETENTION.as_secs()).unwrap_or(i64::MAX);
        item.extend(keys::run(&run.detection_id).attributes());
        item.insert("type".to_owned(), AttributeValue::S("detection_run".to_owned()));
        item.insert("ttl".to_owned(), AttributeValue::N(expiry.to_string()));
        self.put_plain(item, &run.detection_id, None).await.map(drop)
    }

    /// A run on demand, unless its note is missing or expired.
    pub async fn run(&self, detection_id: &str, now: Timestamp) -> Result<Option<DetectionRun>, StoreError> {
        let Some(item) = self.get_plain(keys::run(detection_id), "the run").await? else { return Ok(None) };
        let expiry: i64 = item.get("ttl").and_then(|ttl| ttl.as_n().ok()?.parse().ok()).unwrap_or(i64::MAX);
        let run = serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?;
        Ok((expiry >= now.as_second()).then_some(run))
    }

    /// Notes that the detector has begun a run.
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

    /// Notes that the detector has finished a run. `summary` is its answer. No summary means failure.
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

    /// Notes how a run ended. The last completed run is the one with the newest window, whenever it ran. Each shard has
    /// its own.
    pub async fn note_run(&self, run: &LastRun) -> Result<(), StoreError> {
        let item = |key: Key| -> Result<Attributes, StoreError> {
            let mut item: Attributes =
                serde_dynamo::to_item(run).map_err(|source| self.unreadable(source))?;
            item.extend(key.attributes());
            item.insert("type".to_owned(), AttributeValue::S("last_run".to_owned()));
            Ok(item)
        };
        self.put_plain(item(keys::last_run())?, &run.run_id, None).await?;
        if run.completed
            && let Some(window_end) = run.window_end
        {
            self.put_plain(item(keys::last_completed(run.shard))?, &run.run_id, Some(window_end)).await?;
        }
        Ok(())
    }

    /// The last run, and the completed run with the newest window that was checked for all customers.
    pub async fn last_runs(&self) -> Result<(Option<LastRun>, Option<LastRun>), StoreError> {
        let last = async {
            let item = self.get_plain(keys::last_run(), "the last run").await?;
            item.map(serde_dynamo::from_item).transpose().map_err(|source| self.unreadable(source))
        };
        let completed = async {
            let query = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
                .expression_attribute_values(":pk", AttributeValue::S(STATUS.to_owned()))
                .expression_attribute_values(":sk", AttributeValue::S(COMPLETED_PREFIX.to_owned()))
                .consistent_read(true);
            let mut items = query.into_paginator().items().send();
            let mut runs = Vec::new();
            while let Some(item) = items.next().await {
                let item = item.map_err(|source| self.unread("the completed runs", source))?;
                runs.push(serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?);
            }
            Ok(newest_for_all(runs))
        };
        futures::future::try_join(last, completed).await
    }

    pub(super) fn status(&self, status: RunStatus) -> Result<AttributeValue, StoreError> {
        serde_dynamo::to_attribute_value(status).map_err(|source| self.unreadable(source))
    }

    /// The end of the last window before which every hour is judged. None if nothing was noted.
    pub async fn judged_until(&self, shard: Shard) -> Result<Option<Timestamp>, StoreError> {
        let item = self.get_plain(keys::judged(shard), "which hours are judged").await?;
        let end = item.and_then(|item| item.get("window_end")?.as_n().ok()?.parse().ok());
        Ok(end.and_then(|end| Timestamp::from_millisecond(end).ok()))
    }

    /// Notes that every hour is judged up to the window that ends then. A later note is not replaced.
    pub async fn note_judged(&self, shard: Shard, window_end: Timestamp) -> Result<(), StoreError> {
        let end = window_end.as_millisecond();
        let mut item = keys::judged(shard).attributes();
        item.insert("type".to_owned(), AttributeValue::S("judged_hours".to_owned()));
        item.insert("window_end".to_owned(), AttributeValue::N(end.to_string()));
        self.put_plain(item, "that judged the last hour", Some(end)).await
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

    async fn update_run(
        &self,
        detection_id: &str,
        expression: &str,
        values: &[(&str, AttributeValue)],
    ) -> Result<(), StoreError> {
        self.update_plain(keys::run(detection_id), expression, values).await
    }

    /// Changes the note of a run that exists. `#status` names its status.
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
            // An update must not create the note of a run that nobody asked for.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#status", "status");
        for (name, value) in values {
            update = update.expression_attribute_values(*name, value.clone());
        }
        let updated = update.send().await.map(drop);
        updated.map_err(|source| self.unchanged("update", name, source))
    }
}

/// The run that tells how far all customers are checked. The input is each shard's newest completed run.
///
/// One shard says nothing about the customers of the others. If all shards of a division are there, the one furthest
/// behind counts. If one is missing, the division does not count. So shards of an earlier division are left out.
fn newest_for_all(runs: Vec<LastRun>) -> Option<LastRun> {
    let mut divisions: BTreeMap<u8, Vec<LastRun>> = BTreeMap::new();
    for run in runs {
        divisions.entry(run.shard.of()).or_default().push(run);
    }
    let complete = divisions.into_iter().filter(|(of, runs)| runs.len() == usize::from(*of));
    let furthest_behind = |(_, runs): (u8, Vec<LastRun>)| {
        runs.into_iter().min_by_key(|run| (run.window_end, Reverse(run.finished_at)))
    };
    complete.filter_map(furthest_behind).max_by_key(|run| (run.window_end, run.finished_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A completed run of a shard whose window ends at this hour.
    fn run(number: u8, of: u8, hour: i64) -> LastRun {
        LastRun {
            run_id: format!("{number} of {of}"),
            shard: Shard::new(number, of).unwrap(),
            completed: true,
            finished_at: hour * 3_600_000 + i64::from(number),
            window_end: Some(hour * 3_600_000),
            summary: None,
        }
    }

    fn newest(runs: &[LastRun]) -> Option<String> {
        newest_for_all(runs.to_vec()).map(|run| run.run_id)
    }

    #[test]
    fn a_window_is_checked_when_the_last_of_its_shards_is() {
        let shards = [run(0, 4, 13), run(1, 4, 12), run(2, 4, 13), run(3, 4, 13)];
        assert_eq!(newest(&shards).as_deref(), Some("1 of 4"), "the others are ahead");
        assert_eq!(newest(&shards[1..]), None, "nobody has checked the customers of the first");
        let all = [0, 1, 2, 3].map(|number| run(number, 4, 13));
        assert_eq!(newest(&all).as_deref(), Some("3 of 4"), "it ended last");
        assert_eq!(newest(&[]), None);
    }

    #[test]
    fn a_division_that_was_given_up_does_not_hide_what_runs_now() {
        let runs = [run(0, 1, 12), run(0, 2, 13), run(1, 2, 13), run(0, 8, 14), run(1, 8, 14)];
        assert_eq!(
            newest(&runs[..2]).as_deref(),
            Some("0 of 1"),
            "half of the customers of the newest window"
        );
        assert_eq!(newest(&runs).as_deref(), Some("1 of 2"));
        assert_eq!(newest(&[run(0, 1, 15), run(0, 2, 13), run(1, 2, 13)]).as_deref(), Some("0 of 1"));
    }

    #[test]
    fn runs_that_were_noted_before_there_were_shards_are_read_as_before() {
        let text = r#"{"run_id":"a","completed":true,"finished_at":1,"window_end":1}"#;
        let run: LastRun = serde_json::from_str(text).unwrap();
        assert_eq!((run.shard, serde_json::to_string(&run).unwrap().as_str()), (Shard::WHOLE, text));
    }
}
