//! Counting anomalies: a few attributes of each, with many days read at the same time.

use std::time::Instant;

use detection::{CustomerId, Direction, MetricName, Severity};
use jiff::Timestamp;
use serde::Deserialize;

use super::{AnomalyFilter, AnomalyStore, Attributes, StoreError};

const DAY_MS: i64 = 86_400_000;

/// The attributes that a count reads.
#[derive(Clone, Debug, Deserialize)]
pub struct CountedAnomaly {
    pub detected_at: i64,
    pub customer_id: CustomerId,
    pub metric: MetricName,
    pub severity: Severity,
    pub direction: Direction,
    #[serde(rename = "type")]
    pub kind: String,
    /// The detector or rule that decided. `None` in items of earlier versions.
    #[serde(default)]
    pub detector: Option<String>,
    /// How sure it is, from 0 to 1. `None` where nothing is known of chance.
    #[serde(default)]
    pub confidence: Option<f64>,
}

impl AnomalyStore {
    /// Hands every anomaly from `filter.from` to `filter.until` to `see`, in any order. Returns `false` if the deadline
    /// came first.
    pub async fn count(
        &self,
        filter: &AnomalyFilter,
        metrics: &[MetricName],
        now: Timestamp,
        deadline: Instant,
        mut see: impl FnMut(CountedAnomaly),
    ) -> Result<bool, StoreError> {
        let days = days_of(filter).into_iter().flat_map(|(from, until)| {
            let of_day = AnomalyFilter { from: Some(from), until: Some(until), ..filter.clone() };
            self.queries(&of_day, metrics, None, now).into_iter().map(|(_, query)| query)
        });
        let queries = days
            .map(|query| {
                query
                    .projection_expression(
                        "detected_at, customer_id, metric, severity, direction, detector, confidence, #type",
                    )
                    .expression_attribute_names("#type", "type")
            })
            .collect();
        let read = |item: Attributes| {
            see(serde_dynamo::from_item(item).map_err(|source| self.unreadable(source))?);
            Ok(())
        };
        self.see_all(queries, deadline, read).await
    }
}

/// The range of a filter in parts of a day, which can be read at the same time.
fn days_of(filter: &AnomalyFilter) -> Vec<(Timestamp, Timestamp)> {
    let (from, until) = filter.bounds();
    let at = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default();
    let starts =
        std::iter::successors(Some(from), |start| Some(start + DAY_MS)).take_while(|start| *start < until);
    starts.map(|start| (at(start), at((start + DAY_MS).min(until)))).collect()
}
