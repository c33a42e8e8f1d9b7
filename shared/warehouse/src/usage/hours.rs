//! Hours of customers, one by one: what models are fitted from.

use catalog::{Aggregate, Catalog};
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
    /// By metric, in the order of the catalog.
    aggregates: Vec<Aggregate>,
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
    /// The place of each hour: `metric * hours + hour`.
    slots: Vec<u32>,
    values: Vec<f64>,
    /// Empty if no metric is an average.
    events: Vec<u64>,
}

impl Declaring for HoursRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl HoursOfCustomers {
    pub(super) fn new(rows: Rows<HoursRow<'static>>, hours: usize, catalog: &Catalog) -> Self {
        Self {
            rows,
            hours,
            aggregates: catalog.modelled().iter().map(|metric| metric.aggregate).collect(),
            ended: true,
            customer: CustomerHours { hours, ..CustomerHours::default() },
        }
    }

    /// The next customer, or `None` at a clean and complete end.
    pub async fn next(&mut self) -> Result<Option<&CustomerHours>, UsageError> {
        self.ended = true;
        let Some(row) = self.rows.next().await? else { return Ok(None) };
        let HoursRow { bucket, customer_id, unknown, slots, values, events, .. } = row;
        let customer = &mut self.customer;
        customer.customer_id.clear();
        customer.customer_id.extend_from_slice(customer_id);
        customer.bucket = bucket;
        customer.unknown_metrics = unknown;
        if !customer.fill(&self.aggregates, &slots, &values, &events) {
            let (metrics, hours) = (self.aggregates.len(), self.hours);
            let (places, values, events) = (slots.len(), values.len(), events.len());
            let detail = format!(
                "{values} values and {events} numbers of events at {places} places of {metrics} metrics in {hours} hours"
            );
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

    /// Puts the rows of hours in their places, and joins rows of the same hour. Returns whether the lists fit together.
    fn fill(&mut self, aggregates: &[Aggregate], slots: &[u32], values: &[f64], events: &[u64]) -> bool {
        let hours = self.hours.max(1);
        self.values.clear();
        self.values.resize(hours * aggregates.len(), f64::NAN);
        if values.len() != slots.len() {
            return false;
        }
        for (slot, value) in slots.iter().zip(values) {
            let slot = *slot as usize;
            let Some(of_hour) = self.values.get_mut(slot) else {
                // A metric that is not in the catalog.
                continue;
            };
            *of_hour =
                if of_hour.is_nan() { *value } else { joined(aggregates[slot / hours], *of_hour, *value) };
        }
        if aggregates.contains(&Aggregate::Avg) {
            if events.len() != slots.len() {
                return false;
            }
            let mut counts = vec![0.0; self.values.len()];
            for (slot, events) in slots.iter().zip(events) {
                if let Some(count) = counts.get_mut(*slot as usize) {
                    *count += *events as f64;
                }
            }
            for (place, value) in self.values.iter_mut().enumerate() {
                if aggregates[place / hours] == Aggregate::Avg && value.is_finite() {
                    *value /= counts[place];
                }
            }
        }
        true
    }

    /// The first hour with an event of any metric, counted from the hour `from` of those read. That hour itself without
    /// any event.
    fn first_hour_from(&self, from: usize) -> i64 {
        let first = |values: &[f64]| values.iter().skip(from).position(|value| !value.is_nan());
        self.series().filter_map(first).min().and_then(|hour| i64::try_from(hour).ok()).unwrap_or(0)
    }
}

/// One value of two rows of the same hour. A value that is joined with broken data is broken.
fn joined(aggregate: Aggregate, one: f64, other: f64) -> f64 {
    let joined = match aggregate {
        _ if !one.is_finite() || !other.is_finite() => f64::INFINITY,
        Aggregate::Count | Aggregate::Sum | Aggregate::Avg => one + other,
        // No model judges them, or the hours are read whole.
        Aggregate::P50
        | Aggregate::P95
        | Aggregate::P99
        | Aggregate::Rate
        | Aggregate::Ratio
        | Aggregate::Last
        | Aggregate::Distinct
        | Aggregate::Novel => f64::INFINITY,
        Aggregate::Max => one.max(other),
        Aggregate::Min => one.min(other),
    };
    if joined.is_finite() { joined } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE_HOURS: usize = 3;

    fn filled(aggregates: &[Aggregate], rows: &[(u32, f64, u64)]) -> Vec<f64> {
        let mut customer = CustomerHours { hours: THREE_HOURS, ..CustomerHours::default() };
        let slots: Vec<u32> = rows.iter().map(|row| row.0).collect();
        let values: Vec<f64> = rows.iter().map(|row| row.1).collect();
        let events: Vec<u64> = rows.iter().map(|row| row.2).collect();
        assert!(customer.fill(aggregates, &slots, &values, &events));
        customer.values
    }

    #[test]
    fn rows_of_an_hour_join_as_their_metric_does() {
        let aggregates = [Aggregate::Count, Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Min];
        // Two rows of the first hour of each metric, one of the second, none of the third, and two of an unknown metric.
        let of_metric = |metric: u32| {
            [(metric * 3, 2.0, 1), (metric * 3 + 1, 9.0, 3), (metric * 3, 10.0, 3), (15, 7.0, 1)]
        };
        let rows: Vec<_> = (0..5).flat_map(of_metric).collect();
        let expected = [12.0, 9.0, f64::NAN, 12.0, 9.0, f64::NAN, 3.0, 3.0, f64::NAN];
        let extremes = [10.0, 9.0, f64::NAN, 2.0, 9.0, f64::NAN];
        let found = filled(&aggregates, &rows);
        assert_eq!(format!("{found:?}"), format!("{:?}", [&expected[..], &extremes[..]].concat()));
    }

    #[test]
    fn broken_rows_break_their_hour_and_no_other() {
        let all = [Aggregate::Count, Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Min];
        for aggregate in all {
            for rows in [
                [(0, f64::INFINITY, 1), (0, 1.0, 1), (1, 4.0, 1)],
                [(0, 1.0, 1), (0, f64::INFINITY, 1), (1, 4.0, 1)],
            ] {
                let found = filled(&[aggregate], &rows);
                assert_eq!((found[0], found[1]), (f64::INFINITY, 4.0), "{aggregate:?}");
            }
        }
        // The sum of finite values may be too large. A negative one, too.
        for value in [f64::MAX, f64::MIN] {
            let rows = [(0, value, 1), (0, value, 1), (0, 1.0, 1), (1, 4.0, 2)];
            assert_eq!(filled(&[Aggregate::Sum], &rows)[..2], [f64::INFINITY, 4.0]);
            assert_eq!(filled(&[Aggregate::Avg], &rows)[..2], [f64::INFINITY, 2.0]);
        }
    }

    #[test]
    fn lists_of_several_lengths_are_refused() {
        let mut customer = CustomerHours { hours: THREE_HOURS, ..CustomerHours::default() };
        assert!(!customer.fill(&[Aggregate::Sum], &[0, 1], &[1.0], &[]));
        assert!(!customer.fill(&[Aggregate::Avg], &[0, 1], &[1.0, 2.0], &[1]));
        assert!(customer.fill(&[Aggregate::Sum], &[0, 1], &[1.0, 2.0], &[]));
    }
}
