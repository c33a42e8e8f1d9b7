//! What counts as a storm.

use std::time::Duration;

/// When a run has no time for all that it does for a few.
#[derive(Clone, Copy, Debug)]
pub struct Storm {
    /// More customers that look odd, or more candidates, are one.
    pub most: usize,
    /// The time that a run keeps for storing an anomaly.
    pub storing: Duration,
}

impl Default for Storm {
    /// A key of an index takes 1,000 writes a second, and the anomalies of one metric have one key.
    fn default() -> Self {
        Self { most: 5_000, storing: Duration::from_millis(1) }
    }
}
