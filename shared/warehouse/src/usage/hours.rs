//! Hours of customers, one by one: what models are fitted from.

use clickhouse::Row;
use detection::model::FIRST_DAYS;
use detection::{Calendar, Hour};
use serde::Deserialize;

use super::error::UsageError;
use super::rows::{Declaring, Rows};

/// The hours of customers, as they come from the rollup.
pub struct HoursOfCustomers {
    rows: Rows<HoursRow<'static>>,
    hours: usize,
    metrics: usize,
    /// Whether no customer is there.
    ended: bool,
    /// Its buffers are used again for each customer.
    customer: CustomerHours,
}

/// One customer's usage hour by hour.
#[derive(Debug, Default)]
pub struct CustomerHours {
    /// The id in the table: any bytes.
    pub customer_id: Vec<u8>,
    /// The hour of the day at which the customer's models begin, in UTC.
    pub bucket: u8,
    /// Names of metrics that are in the rollup and not in the catalog.
    pub unknown_metrics: Vec<String>,
    hours: usize,
    values: Vec<f64>,
}

#[derive(Row, Deserialize)]
pub(super) struct HoursRow<'a> {
    bucket: u8,
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    unknown: Vec<String>,
    values: Vec<f64>,
}

impl Declaring for HoursRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl HoursOfCustomers {
    pub(super) fn new(rows: Rows<HoursRow<'static>>, hours: usize, metrics: usize) -> Self {
        Self {
            rows,
            hours,
            metrics,
            ended: true,
            customer: CustomerHours { hours, ..CustomerHours::default() },
        }
    }

    /// The next customer, or `None` at a clean and complete end.
    pub async fn next(&mut self) -> Result<Option<&CustomerHours>, UsageError> {
        self.ended = true;
        let Some(row) = self.rows.next().await? else { return Ok(None) };
        let HoursRow { bucket, customer_id, unknown, values, .. } = row;
        let customer = &mut self.customer;
        customer.customer_id.clear();
        customer.customer_id.extend_from_slice(customer_id);
        customer.bucket = bucket;
        customer.unknown_metrics = unknown;
        customer.values = values;
        let (hours, metrics) = (self.hours, self.metrics);
        if customer.values.len() != hours * metrics {
            let detail = format!("{} values of {metrics} metrics in {hours} hours", customer.values.len());
            return Err(self.rows.shape(detail));
        }
        self.ended = false;
        Ok(Some(&self.customer))
    }

    /// The customer that [`next`](Self::next) gave last, or `None` at the end.
    pub fn current(&self) -> Option<&CustomerHours> {
        Some(&self.customer).filter(|_| !self.ended)
    }

    /// Whether the answer may have been cut before its first row.
    pub fn may_be_cut(&self) -> bool {
        self.rows.received() == 0
    }
}

/// The hours of a customer that a model knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHours {
    /// The first of them.
    pub first: Hour,
    /// The first one with an event of any metric. That hour itself without any event.
    pub customer_since: Hour,
    /// Hours before them that were read.
    pub skipped: usize,
}

impl CustomerHours {
    /// The hours that a model knows whose span begins with `begin`: none before, whatever was read from `read_from` on.
    pub fn known(&self, begin: Hour, read_from: Hour) -> KnownHours {
        let first = begin.max(read_from);
        let skipped = usize::try_from(first.since(read_from)).unwrap_or(0);
        KnownHours { first, customer_since: first.plus(self.first_hour_from(skipped)), skipped }
    }

    /// Whether a series begins so late that its peers stand for its past.
    ///
    /// * `day`: the first hour of the customer's models.
    pub fn has_young_series(&self, read_from: Hour, day: Hour) -> bool {
        let first_days = Calendar::HOURS as i64 * i64::from(FIRST_DAYS);
        let last_of_known = day.since(read_from) - first_days;
        let first_use = |values: &[f64]| values.iter().position(|value| !value.is_nan());
        self.series().filter_map(first_use).any(|place| place as i64 > last_of_known)
    }

    /// The hours of each metric in the order of the catalog, the oldest first. NaN is an hour without events, and
    /// infinity is broken data.
    pub fn series(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.hours.max(1))
    }

    /// The first hour with an event of any metric, counted from the hour `from` of those read. That hour itself without
    /// any event.
    fn first_hour_from(&self, from: usize) -> i64 {
        let first = |values: &[f64]| values.iter().skip(from).position(|value| !value.is_nan());
        self.series().filter_map(first).min().and_then(|hour| i64::try_from(hour).ok()).unwrap_or(0)
    }
}
