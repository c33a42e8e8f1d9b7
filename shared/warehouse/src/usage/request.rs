//! Requests to the reader, and the answer in steps.

use std::time::{Duration, Instant};

use catalog::{Catalog, MetricSpec, Shard};
use detection::{BaselineDays, CustomerId, Window};
use jiff::Timestamp;

/// A sweep to read.
#[derive(Clone, Copy, Debug)]
pub struct SweepRequest<'a> {
    pub window: Window,
    pub baseline_days: BaselineDays,
    pub catalog: &'a Catalog,
    /// Only these customers. An empty list means all.
    pub customers: &'a [CustomerId],
    /// Only the customers of this shard.
    pub shard: Shard,
    /// The name of the query in ClickHouse's own logs.
    pub query_id: &'a str,
    /// All parts of the sweep end by this time.
    pub deadline: Instant,
}

/// Hours of customers to read.
#[derive(Clone, Copy, Debug)]
pub struct HoursRequest<'a> {
    /// Full hours.
    pub period: Window,
    pub catalog: &'a Catalog,
    /// Only these customers. An empty list means all.
    pub customers: &'a [CustomerId],
    /// Only the customers of this shard.
    pub shard: Shard,
    /// Whether customers come in the order of their buckets, and of their ids within a bucket. Sorting holds the whole answer
    /// in ClickHouse's memory.
    pub in_order: bool,
    /// The name of the query in ClickHouse's own logs.
    pub query_id: &'a str,
    /// The answer is complete by this time.
    pub deadline: Instant,
}

/// One customer's usage of one metric, step by step.
#[derive(Clone, Copy, Debug)]
pub struct StepsRequest<'a> {
    pub customer: &'a CustomerId,
    pub metric: &'a MetricSpec,
    /// A full hour, the first instant of the first step.
    pub start: Timestamp,
    /// A full hour, the first instant after the last step.
    pub end: Timestamp,
    /// Length of a step: whole hours.
    pub step: Duration,
    pub query_id: &'a str,
}

/// The usage of one step, in the metric's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UsageStep {
    /// `None` without events.
    pub value: Option<f64>,
    /// The sum of the negative values. Zero without any.
    pub corrections: f64,
}
