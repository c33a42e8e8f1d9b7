//! The table in DynamoDB: anomalies, incidents, policies, feedback, runs, and deliveries of alerts.
//!
//! Each anomaly is stored once. Its key is made of customer, metric and window. So the second run of a window meets the
//! items of the first run and writes nothing. An anomaly and its effect on the incident are one write. The item is its
//! own outbox (`outbox`).
//!
//! `keys` makes all keys, `conflicts` repeats writes that meet other writes, `merge` makes one list of many.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use platform::aws;

mod alert;
mod alert_state;
mod anomalies;
mod anomaly_actions;
mod anomaly_closing;
mod anomaly_count;
mod anomaly_item;
mod backtests;
mod by_index;
mod conditions;
mod config;
mod conflicts;
mod counting;
mod customer_items;
pub mod deliveries;
mod digest;
mod ended_runs;
mod error;
mod feedback;
mod history;
mod incident_actions;
mod incident_alerts;
mod incident_changes;
mod incident_count;
mod incident_item;
mod incident_list;
mod incident_sort;
mod incidents;
mod keys;
mod merge;
mod metric_index;
mod notes;
mod notice;
mod outbox;
mod parked;
mod policies;
mod policy_versions;
mod runs;
mod search;
mod work;

pub use alert::AlertItem;
pub use alert_state::AlertState;
pub use anomalies::{AnomalyFilter, AnomalyPosition};
pub use anomaly_count::CountedAnomaly;
pub use anomaly_item::{Alert, AnomalyItem, JudgedBy};
pub use backtests::BacktestRun;
pub use config::StoreConfig;
pub use counting::Extent;
pub use customer_items::{CustomerItems, Naming};
pub use digest::{Digest, DigestEntry, Totals};
pub use error::StoreError;
pub use feedback::Judgement;
pub use history::{Acted, HistoryEntry, MAX_HISTORY};
pub use incident_alerts::IncidentAlert;
pub use incident_changes::{Change, Changed};
pub use incident_count::CountedIncident;
pub use incident_item::{Former, IncidentItem, Previous};
pub use incident_list::{IncidentFilter, IncidentPosition};
pub use incident_sort::{IncidentOrder, Sorted, SortedPosition};
pub use keys::ItemKind;
pub use merge::{ListPage, Listed};
pub use metric_index::MetricIndex;
pub use notes::RunStatus;
pub use notice::Notice;
pub use outbox::{Claim, Pending, PendingAlerts, Recorded};
pub use policies::PolicyChange;
pub use runs::{DetectionRun, LastRun};
pub use search::SearchText;
pub use work::Allowance;

type Attributes = HashMap<String, AttributeValue>;

/// Stores anomalies and keeps track of their alerts.
pub struct AnomalyStore {
    client: Client,
    table: String,
    retention: Duration,
    metric_index: MetricIndex,
}

/// The run that writes, and its time. Each try of a run is a new writer.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The name by which a run recognises its own writes.
    pub run_id: &'a str,
    pub now: Timestamp,
}

impl AnomalyStore {
    pub fn new(config: &StoreConfig, sdk: &aws::SdkConfig) -> Self {
        let retries = aws::unlimited_retries("anomaly-store");
        let config_of_client = aws_sdk_dynamodb::config::Builder::from(sdk).retry_partition(retries).build();
        Self {
            client: Client::from_conf(config_of_client),
            table: config.table.clone(),
            retention: Duration::from_secs(u64::from(config.retention_days) * 86_400),
            metric_index: config.metric_index,
        }
    }

    /// How long an item is kept.
    pub fn retention(&self) -> Duration {
        self.retention
    }
}
