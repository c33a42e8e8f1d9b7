//! The windows of customers, one by one: what a check of a chosen period compares.

use clickhouse::Row;
use detection::Window;
use jiff::Timestamp;
use serde::Deserialize;

use super::error::UsageError;
use super::request::SweepRequest;
use super::rows::{Declaring, Rows};

/// The windows of customers, as they come from the rollup or from the events.
pub struct Sweep {
    rows: Rows<UsageRow<'static>>,
    window: Window,
    windows: usize,
    metrics: usize,
    /// Its buffers are used again for each customer.
    customer: CustomerUsage,
}

/// One customer's usage by window.
#[derive(Debug)]
pub struct CustomerUsage {
    /// The id in the table: any bytes.
    pub customer_id: Vec<u8>,
    /// The customer's first event, of any metric, in the time read. It is less than a day off, within the same window.
    pub first_event: Timestamp,
    /// Metrics that are in the rollup and not in the catalog.
    pub unknown_metrics: Vec<String>,
    window: Window,
    windows: usize,
    /// In Unix milliseconds by metric, if windows leave time between them. Otherwise empty: the values give it.
    first_uses_ms: Vec<i64>,
    /// By metric and age.
    values: Vec<Option<f64>>,
}

#[derive(Row, Deserialize)]
pub(super) struct UsageRow<'a> {
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    first_event_ms: i64,
    /// The first event of each metric, or zero, if windows leave time between them. Otherwise empty.
    first_uses_ms: Vec<i64>,
    /// Metrics that are not in the catalog.
    unknown: Vec<String>,
    /// The values of all metrics for each window, the newest first. The queries define the special values.
    values: Vec<f64>,
}

impl Declaring for UsageRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl Sweep {
    pub(super) fn new(rows: Rows<UsageRow<'static>>, request: &SweepRequest<'_>) -> Self {
        let windows = request.window.baseline_windows(request.baseline_days) + 1;
        let metrics = request.catalog.modelled().len();
        let customer = CustomerUsage {
            customer_id: Vec::new(),
            first_event: Timestamp::UNIX_EPOCH,
            unknown_metrics: Vec::new(),
            window: request.window,
            windows,
            first_uses_ms: Vec::new(),
            values: vec![None; windows * metrics],
        };
        Self { rows, window: request.window, windows, metrics, customer }
    }

    /// The next customer, or `None` at a clean and complete end.
    pub async fn next(&mut self) -> Result<Option<&CustomerUsage>, UsageError> {
        let Some(row) = self.rows.next().await? else { return Ok(None) };
        let UsageRow { customer_id, first_event_ms, first_uses_ms, unknown, values, .. } = row;
        let (windows, metrics, customer) = (self.windows, self.metrics, &mut self.customer);
        customer.customer_id.clear();
        customer.customer_id.extend_from_slice(customer_id);
        customer.first_event = Timestamp::from_millisecond(first_event_ms).unwrap_or(self.window.start());
        customer.first_uses_ms = first_uses_ms;
        customer.unknown_metrics = unknown;
        if values.len() != windows * metrics {
            let detail = format!("{} values of {metrics} metrics in {windows} windows", values.len());
            return Err(self.rows.shape(detail));
        }
        for (age, of_window) in values.chunks_exact(metrics.max(1)).enumerate() {
            let of_age = customer.values[age..].iter_mut().step_by(windows);
            for (place, value) in of_age.zip(of_window) {
                *place = Some(*value).filter(|value| !value.is_nan());
            }
        }
        Ok(Some(&self.customer))
    }

    /// Whether the stream may have been cut before its first row.
    pub fn may_be_cut(&self) -> bool {
        self.rows.received() == 0
    }
}

impl CustomerUsage {
    /// The values of each metric by age, in the order of the catalog.
    pub fn series(&self) -> impl Iterator<Item = &[Option<f64>]> {
        self.values.chunks_exact(self.windows)
    }

    /// The first event of each metric in the time read, in the order of the catalog; `None` without any. It is off by less
    /// than a day, within the same window.
    pub fn first_uses(&self) -> impl Iterator<Item = Option<Timestamp>> {
        self.series().enumerate().map(|(metric, values)| match self.first_uses_ms.get(metric) {
            Some(first_ms) => Timestamp::from_millisecond(*first_ms).ok().filter(|_| *first_ms > 0),
            None => self.window.first_use(values),
        })
    }
}
