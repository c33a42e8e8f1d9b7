//! A running sweep: the stream of the hours, or of fresh windows beside a baseline, customer by customer.

use std::cmp::Ordering;

use clickhouse::Row;
use detection::{Age, Window};
use jiff::Timestamp;
use serde::Deserialize;

use super::error::UsageError;
use super::request::SweepRequest;
use super::rows::{Declaring, Rows};
use super::sql::UNKNOWN_TOLD;

/// A running sweep.
pub struct Sweep {
    fresh: Stream,
    /// Both streams come in the order of customers.
    baseline: Option<Stream>,
}

/// One customer's usage, borrowed from the sweep.
#[derive(Debug)]
pub struct CustomerUsage<'a> {
    /// The id in the table: any bytes.
    pub customer_id: &'a [u8],
    /// The customer's first event, of any metric, in the time read. It is less than a day off, within the same window.
    pub first_event: Timestamp,
    window: Window,
    windows: usize,
    of: &'a Customer,
}

/// The rows of one query.
pub(super) struct Stream {
    rows: Rows<UsageRow<'static>>,
    window: Window,
    windows: usize,
    metrics: usize,
    content: Content,
    next: Next,
    /// The next customer. It is spent after it was given out. Its buffers are used again for each customer.
    customer: Customer,
}

/// The windows of a stream.
pub(super) enum Content {
    /// All windows of a sweep.
    Whole,
    /// The windows of these ages.
    Fresh(Vec<u8>),
    /// The windows of a baseline without the fresh ones. They are `shift` days older now.
    Baseline { shift: u8, fresh: Vec<u8> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Spent,
    Ready,
    Ended,
}

#[derive(Debug, Default)]
struct Customer {
    bucket: u8,
    id: Vec<u8>,
    /// `None` without any window.
    first_event: Option<Timestamp>,
    /// In Unix milliseconds by metric, if windows leave time between them. Otherwise empty: the values give it.
    first_uses_ms: Vec<i64>,
    /// Names of metrics that are in the rollup and not in the catalog, once for each window with them.
    unknown: Vec<String>,
    /// By metric and age.
    values: Vec<Option<f64>>,
}

#[derive(Row, Deserialize)]
pub(super) struct UsageRow<'a> {
    bucket: u8,
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    declared: u64,
    /// Set only if all windows are read. Otherwise it is zero, and the ages give the time.
    first_event_ms: i64,
    /// The first event of each metric, or zero, if windows leave time between them. Otherwise empty.
    first_uses_ms: Vec<i64>,
    /// Metrics that are not in the catalog, with the ages of their windows.
    unknown: Vec<(u8, String)>,
    /// Ages of the existing windows. An array of bytes has the encoding of a text.
    #[serde(with = "serde_bytes")]
    ages: &'a [u8],
    /// The values of all metrics for each window. The queries define the special values.
    values: Vec<f64>,
}

impl Declaring for UsageRow<'_> {
    fn declared(&self) -> u64 {
        self.declared
    }
}

impl Sweep {
    pub(super) fn of_hours(hours: Stream) -> Self {
        Self { fresh: hours, baseline: None }
    }

    pub(super) fn beside(fresh: Stream, baseline: Stream) -> Self {
        Self { fresh, baseline: Some(baseline) }
    }

    /// The next customer, or `None` at a clean and complete end.
    pub async fn next(&mut self) -> Result<Option<CustomerUsage<'_>>, UsageError> {
        let Self { fresh, baseline } = self;
        let Some(baseline) = baseline else {
            fresh.fetch().await?;
            return Ok(fresh.give());
        };
        loop {
            // The baselines are requested when the fresh windows begin to come. A server that waits for its reader
            // hangs up after half a minute.
            fresh.fetch().await?;
            baseline.fetch().await?;
            let of_both = match (fresh.is_ready(), baseline.is_ready()) {
                (false, false) => return Ok(None),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (true, true) => fresh.customer.place().cmp(&baseline.customer.place()),
            };
            match of_both {
                Ordering::Less => return Ok(fresh.give()),
                Ordering::Equal => baseline.add(fresh),
                Ordering::Greater => {}
            }
            // A customer without any window is not part of this sweep. Its last usage has become too old.
            if baseline.customer.first_event.is_some() {
                return Ok(baseline.give());
            }
            baseline.next = Next::Spent;
        }
    }

    /// Whether the stream may have been cut before its first row: no row of the hours came.
    pub fn may_be_cut(&self) -> bool {
        self.fresh.rows.received() == 0
    }
}

impl Stream {
    pub(super) fn new(rows: Rows<UsageRow<'static>>, request: &SweepRequest<'_>, content: Content) -> Self {
        let windows = request.window.baseline_windows(request.baseline_days) + 1;
        let metrics = request.catalog.metrics().len();
        Self {
            rows,
            window: request.window,
            windows,
            metrics,
            content,
            next: Next::Spent,
            customer: Customer { values: vec![None; windows * metrics], ..Customer::default() },
        }
    }

    fn is_ready(&self) -> bool {
        self.next == Next::Ready
    }

    /// Makes the next customer ready, unless one is ready or none is left.
    async fn fetch(&mut self) -> Result<(), UsageError> {
        if self.next != Next::Spent {
            return Ok(());
        }
        let is_first = self.rows.received() == 0;
        let Some(row) = self.rows.next().await? else {
            self.next = Next::Ended;
            return Ok(());
        };
        let (windows, metrics) = (self.windows, self.metrics);
        let is_next = is_first || self.customer.place() < (row.bucket, row.customer_id);
        let (values, ages) = (row.values.len(), row.ages.len());
        if !is_next && !matches!(self.content, Content::Whole) {
            return Err(self.rows.shape("customers that are out of order, or come twice".to_owned()));
        }
        if values != metrics * ages {
            return Err(self.rows.shape(format!("{values} values for {metrics} metrics in {ages} windows")));
        }
        let customer = &mut self.customer;
        self.content.clear(&mut customer.values, windows);
        let mut oldest = None;
        for (age, of_window) in row.ages.iter().zip(row.values.chunks_exact(metrics.max(1))) {
            let Some(age) = self.content.age_now(*age).filter(|age| *age < windows) else { continue };
            oldest = oldest.max(Age::new(age));
            let of_age = customer.values[age..].iter_mut().step_by(windows);
            for (place, value) in of_age.zip(of_window) {
                *place = Some(*value).filter(|v| !v.is_nan());
            }
        }
        customer.bucket = row.bucket;
        customer.id.clear();
        customer.id.extend_from_slice(row.customer_id);
        customer.first_event = match self.content {
            Content::Whole => Timestamp::from_millisecond(row.first_event_ms).ok(),
            _ => oldest.map(|age| self.window.earlier(age).start()),
        };
        customer.first_uses_ms = row.first_uses_ms;
        customer.unknown.clear();
        let unknown = row.unknown.into_iter();
        let known_now =
            unknown.filter(|(age, _)| self.content.age_now(*age).is_some_and(|age| age < windows));
        customer.unknown.extend(known_now.map(|(_, name)| name));
        self.next = Next::Ready;
        Ok(())
    }

    /// Gives out the customer that is ready, and marks it as spent.
    fn give(&mut self) -> Option<CustomerUsage<'_>> {
        if self.next != Next::Ready {
            return None;
        }
        self.next = Next::Spent;
        let Self { customer, windows, window, .. } = self;
        customer.unknown.sort_unstable();
        customer.unknown.dedup();
        customer.unknown.truncate(UNKNOWN_TOLD);
        let first_event = customer.first_event.unwrap_or_default();
        Some(CustomerUsage {
            customer_id: &customer.id,
            first_event,
            window: *window,
            windows: *windows,
            of: customer,
        })
    }

    /// Adds the fresh windows to the customer of this baseline. The fresh windows are spent then.
    fn add(&mut self, fresh: &mut Self) {
        let Content::Fresh(ages) = &fresh.content else { return };
        let (customer, of_fresh) = (&mut self.customer, &mut fresh.customer);
        for start in (0..customer.values.len()).step_by(self.windows) {
            for age in ages {
                let place = start + usize::from(*age);
                customer.values[place] = of_fresh.values[place];
            }
        }
        customer.first_event = match (customer.first_event, of_fresh.first_event) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        customer.unknown.append(&mut of_fresh.unknown);
        fresh.next = Next::Spent;
    }
}

impl Content {
    /// The present age of a row's window. `None` for a window that is read fresh.
    fn age_now(&self, age: u8) -> Option<usize> {
        match self {
            Self::Whole | Self::Fresh(_) => Some(usize::from(age)),
            Self::Baseline { shift, fresh } => {
                let age = age.checked_add(*shift)?;
                (!fresh.contains(&age)).then_some(usize::from(age))
            }
        }
    }

    /// Clears the values that a row may have written.
    fn clear(&self, values: &mut [Option<f64>], windows: usize) {
        match self {
            Self::Whole | Self::Baseline { .. } => values.fill(None),
            Self::Fresh(ages) => {
                for of_metric in values.chunks_exact_mut(windows) {
                    ages.iter().for_each(|age| of_metric[usize::from(*age)] = None);
                }
            }
        }
    }
}

impl Customer {
    /// The place in the order of customers.
    fn place(&self) -> (u8, &[u8]) {
        (self.bucket, &self.id)
    }
}

impl CustomerUsage<'_> {
    /// The values of each metric by age, in the order of the catalog.
    pub fn series(&self) -> impl Iterator<Item = &[Option<f64>]> {
        self.of.values.chunks_exact(self.windows)
    }

    /// The first event of each metric in the time read, in the order of the catalog; `None` without any. It is off by less
    /// than a day, within the same window.
    pub fn first_uses(&self) -> impl Iterator<Item = Option<Timestamp>> {
        let told = &self.of.first_uses_ms;
        self.series().enumerate().map(|(metric, values)| match told.get(metric) {
            Some(first_ms) => Timestamp::from_millisecond(*first_ms).ok().filter(|_| *first_ms > 0),
            None => self.window.first_use(values),
        })
    }

    /// Metrics that are in the rollup and not in the catalog.
    pub fn unknown_metrics(&self) -> &[String] {
        &self.of.unknown
    }
}
