//! Notes of backtests that somebody waits for.

use aws_sdk_dynamodb::types::AttributeValue;
use detection::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::notes::{Note, RunStatus, number};
use super::{AnomalyStore, StoreError};

/// A backtest. Times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BacktestRun {
    pub backtest_id: String,
    pub status: RunStatus,
    pub days: u16,
    /// An empty list means all.
    #[serde(default)]
    pub customer_ids: Vec<CustomerId>,
    pub requested_by: String,
    pub requested_at: i64,
    /// The run's id in the detector's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<i64>,
    /// Customers that are judged so far, and all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customers: Option<u64>,
    /// Why it failed, for the requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The answer, as JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The incident or anomaly of a dry run of feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

impl AnomalyStore {
    /// Bytes of an answer that an item has room for, beside the ids of the asked customers. An item has at most 400 KB.
    pub fn backtest_bytes(customer_ids: &[CustomerId]) -> usize {
        // Each id of a list takes a byte more, and its length.
        let ids: usize = customer_ids.iter().map(|id| id.as_str().len() + 4).sum();
        Self::BACKTEST_BYTES.min(Self::BACKTEST_ITEM_BYTES.saturating_sub(ids))
    }

    const BACKTEST_BYTES: usize = 300_000;

    /// Bytes of an item, without its other attributes.
    const BACKTEST_ITEM_BYTES: usize = 390_000;

    /// Stores the note of a backtest.
    pub async fn add_backtest(&self, run: &BacktestRun) -> Result<(), StoreError> {
        let BacktestRun { backtest_id, requested_at, .. } = run;
        let note = Note { kind: "backtest", id: backtest_id, requested_at: *requested_at };
        self.add_note(run, keys::backtest(backtest_id), note).await
    }

    /// A backtest, unless its note is missing or expired.
    pub async fn backtest(&self, id: &str, now: Timestamp) -> Result<Option<BacktestRun>, StoreError> {
        self.note(keys::backtest(id), "the backtest", now).await
    }

    /// Notes that the detector has begun a backtest.
    pub async fn backtest_started(&self, id: &str, run_id: &str, now: Timestamp) -> Result<(), StoreError> {
        self.update_plain(
            keys::backtest(id),
            "SET #status = :status, run_id = :run, started_at = :now REMOVE finished_at, judged, customers, reason, answer",
            &[
                (":status", self.status(RunStatus::Running)?),
                (":run", AttributeValue::S(run_id.to_owned())),
                (":now", number(now.as_millisecond())),
            ],
        )
        .await
    }

    /// Notes how many customers of all are judged.
    pub async fn backtest_judged(&self, id: &str, judged: u64, customers: u64) -> Result<(), StoreError> {
        self.update_plain(
            keys::backtest(id),
            "SET #status = :status, judged = :judged, customers = :customers",
            &[
                (":status", self.status(RunStatus::Running)?),
                (":judged", number(judged)),
                (":customers", number(customers)),
            ],
        )
        .await
    }

    /// Notes how a backtest ended: with its answer as JSON text, or with the reason of its failure.
    pub async fn backtest_finished(
        &self,
        id: &str,
        answer: Result<String, String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (status, expression, text) = match answer {
            Ok(answer) => {
                (RunStatus::Completed, "SET #status = :status, finished_at = :now, answer = :text", answer)
            }
            Err(reason) => {
                (RunStatus::Failed, "SET #status = :status, finished_at = :now, reason = :text", reason)
            }
        };
        self.update_plain(
            keys::backtest(id),
            expression,
            &[
                (":status", self.status(status)?),
                (":now", number(now.as_millisecond())),
                (":text", AttributeValue::S(text)),
            ],
        )
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_leaves_room_for_the_ids_of_customers() {
        let ids = |number: usize, length: usize| vec![CustomerId::new("x".repeat(length)).unwrap(); number];
        assert_eq!(AnomalyStore::backtest_bytes(&[]), 300_000);
        assert_eq!(AnomalyStore::backtest_bytes(&ids(100, 36)), 300_000);
        let left = AnomalyStore::backtest_bytes(&ids(100, 2_000));
        assert!((150_000..=200_000).contains(&left), "{left}");
    }
}
