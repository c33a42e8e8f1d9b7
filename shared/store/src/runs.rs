//! Notes of the detector's runs. Runs on demand have an id each. The last runs of all kinds show whether the system is
//! alive.
//!
//! A note never fails its run.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use catalog::{Shard, USAGE};
use detection::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::{self, COMPLETED_PREFIX, Key, STATUS};
use super::notes::{Note, RunStatus, number};
use super::{AnomalyStore, Attributes, StoreError};

/// A run on demand. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectionRun {
    pub detection_id: String,
    pub status: RunStatus,
    pub dry_run: bool,
    /// The source with entities that it judges. `None` for the usage of customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
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
    /// The name of its source.
    #[serde(default = "usage")]
    pub source: String,
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

/// Notes of earlier versions are of the usage of customers.
fn usage() -> String {
    USAGE.to_owned()
}

impl LastRun {
    /// Whether the run judged the usage of customers.
    fn is_of_usage(&self) -> bool {
        self.source == USAGE
    }
}

impl AnomalyStore {
    /// Stores the note of a run on demand.
    pub async fn add_run(&self, run: &DetectionRun) -> Result<(), StoreError> {
        let DetectionRun { detection_id, requested_at, .. } = run;
        let note = Note { kind: "detection_run", id: detection_id, requested_at: *requested_at };
        self.add_note(run, keys::run(detection_id), note).await
    }

    /// A run on demand, unless its note is missing or expired.
    pub async fn run(&self, detection_id: &str, now: Timestamp) -> Result<Option<DetectionRun>, StoreError> {
        self.note(keys::run(detection_id), "the run", now).await
    }

    /// Notes that the detector has begun a run.
    pub async fn run_started(
        &self,
        detection_id: &str,
        run_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.update_plain(
            keys::run(detection_id),
            "SET #status = :status, run_id = :run, started_at = :now REMOVE finished_at, summary",
            &[
                (":status", self.status(RunStatus::Running)?),
                (":run", AttributeValue::S(run_id.to_owned())),
                (":now", number(now.as_millisecond())),
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
        let (status, expression) = match summary {
            Some(_) => {
                (RunStatus::Completed, "SET #status = :status, finished_at = :now, summary = :summary")
            }
            None => (RunStatus::Failed, "SET #status = :status, finished_at = :now"),
        };
        let mut values = vec![(":status", self.status(status)?), (":now", number(now.as_millisecond()))];
        values.extend(summary.map(|summary| (":summary", AttributeValue::S(summary))));
        self.update_plain(keys::run(detection_id), expression, &values).await
    }

    /// Notes how a run ended. The last completed run is the one with the newest window, whenever it ran. Each shard has
    /// its own. The last runs are those of the usage of customers.
    pub async fn note_run(&self, run: &LastRun) -> Result<(), StoreError> {
        self.note_ended(run).await?;
        if !run.is_of_usage() {
            return Ok(());
        }
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

    /// The end of the last window before which every hour is judged. None if nothing was noted.
    ///
    /// * `source`: the name of the source. None for usage.
    pub async fn judged_until(
        &self,
        source: Option<&str>,
        shard: Shard,
    ) -> Result<Option<Timestamp>, StoreError> {
        let item = self.get_plain(keys::judged(source, shard), "which hours are judged").await?;
        let end = item.and_then(|item| item.get("window_end")?.as_n().ok()?.parse().ok());
        Ok(end.and_then(|end| Timestamp::from_millisecond(end).ok()))
    }

    /// Notes that every hour is judged up to the window that ends then. A later note is not replaced.
    pub async fn note_judged(
        &self,
        source: Option<&str>,
        shard: Shard,
        window_end: Timestamp,
    ) -> Result<(), StoreError> {
        let end = window_end.as_millisecond();
        let mut item = keys::judged(source, shard).attributes();
        item.insert("type".to_owned(), AttributeValue::S("judged_hours".to_owned()));
        item.insert("window_end".to_owned(), AttributeValue::N(end.to_string()));
        self.put_plain(item, "that judged the last hour", Some(end)).await
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
            source: usage(),
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
        assert_eq!((run.shard, run.source.as_str()), (Shard::WHOLE, USAGE));
        let written = text.replace(r#""a","#, r#""a","source":"usage","#);
        assert_eq!(serde_json::to_string(&run).unwrap(), written, "a run of all customers has no shard");
    }
}
