//! What is asked of the reader.

use std::time::{Duration, Instant};

use catalog::{Catalog, MetricSpec, Shard};
use detection::{BaselineDays, CustomerId, Window};
use jiff::Timestamp;

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct SweepRequest<'a> {
    pub window: Window,
    pub baseline_days: BaselineDays,
    pub catalog: &'a Catalog,
    /// Only these customers; all where it is empty.
    pub customers: &'a [CustomerId],
    /// Only the customers of this part of a run.
    pub shard: Shard,
    /// Names the query in ClickHouse's own logs.
    pub query_id: &'a str,
    /// No part of the sweep may take longer than until here.
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
