//! Usage of days of the past for a backtest, some customers at a time. So neither side ever holds the usage of all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use backtest::{Customer, Series, Span, SpanError};
use catalog::{Catalog, Shard};
use detection::model::Peers;
use detection::{CustomerId, Hour, Window, WindowError};
use jiff::Timestamp;

use crate::usage::{HoursRequest, Patience, Tries, UsageError, UsageReader};

/// Days of the past in the rollup.
pub struct Past<'a> {
    reader: &'a UsageReader,
    catalog: &'a Catalog,
    span: Span,
    /// The span in periods that one query may read.
    periods: Vec<Window>,
    /// The beginning of the names of its queries in ClickHouse's own logs.
    name: String,
    /// Queries so far. ClickHouse refuses a second query of the same name.
    queries: AtomicUsize,
    deadline: Instant,
}

/// What is asked of the rollup.
#[derive(Clone, Debug)]
pub struct PastRequest<'a> {
    pub catalog: &'a Catalog,
    /// Days to judge.
    pub days: u16,
    /// Fewer days will do if the rollup does not hold so many.
    pub or_fewer: bool,
    /// The first hour after the last one that may be judged. Usually the present hour, which is not over.
    pub until: Hour,
    /// The beginning of the names of the queries.
    pub name: String,
    /// All reading ends by this time.
    pub deadline: Instant,
}

#[derive(Debug, thiserror::Error)]
pub enum PastError {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(
        "the usage rollup holds nothing of the metrics of {origin} before {until}: has `meterflow migrate` been run with this \
         catalog, and do events arrive? `meterflow doctor` tells"
    )]
    Empty { origin: String, until: Timestamp },
    #[error("the usage rollup holds too little")]
    Span(#[source] SpanError),
    #[error("the days are out of range")]
    Range(#[source] WindowError),
}

/// Customers that one query reads.
pub const CUSTOMERS_AT_ONCE: usize = 200;

/// Days that one query reads.
const DAYS_AT_ONCE: i64 = 90;

impl<'a> Past<'a> {
    /// Finds out which days the rollup holds. The judged days end with the last hour that has usage.
    pub async fn find(reader: &'a UsageReader, request: PastRequest<'a>) -> Result<Self, PastError> {
        let PastRequest { catalog, days, or_fewer, until, name, deadline } = request;
        let held = tried(reader, format!("{name}-held"), deadline, async |query_id| {
            reader.held(catalog, until, query_id).await
        });
        let (first, last) = held
            .await?
            .ok_or_else(|| PastError::Empty { origin: catalog.origin().to_owned(), until: until.start() })?;
        let span = if or_fewer { Span::of_days_at_most } else { Span::of_days };
        let span = span(first, last.plus(1), days).map_err(PastError::Span)?;
        let periods = periods(span).map_err(PastError::Range)?;
        Ok(Self { reader, catalog, span, periods, name, queries: AtomicUsize::new(0), deadline })
    }

    pub fn span(&self) -> Span {
        self.span
    }

    /// The customers of a shard that have usage in these days, in the order of their ids.
    pub async fn customers(&self, shard: Shard) -> Result<Vec<CustomerId>, UsageError> {
        let mut all = Vec::new();
        for period in &self.periods {
            let customers = self
                .tried(async |query_id| self.reader.customers(self.catalog, period, shard, query_id).await);
            all.extend(customers.await?);
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// The shapes of days of all customers, for series in their first days.
    pub async fn peers(&self) -> Result<Peers, UsageError> {
        let mut peers = Peers::default();
        for week in self.span.peer_weeks() {
            let how = (&*self.next_name(), Patience::OF_A_RUN);
            peers.insert(week, self.reader.made_profiles(self.catalog, week, how, self.deadline).await?);
        }
        Ok(peers)
    }

    /// The number of customers with usage in the newest of these days.
    pub async fn number_of_customers(&self) -> Result<u64, UsageError> {
        let Some(period) = self.periods.last() else { return Ok(0) };
        self.tried(async |query_id| {
            self.reader.count_customers_with_hours(&self.request(period, &[], query_id)).await
        })
        .await
    }

    /// The usage of some customers, at most [`CUSTOMERS_AT_ONCE`] at once, in the order of their ids. Customers without
    /// usage in these days are left out.
    pub async fn usage(&self, customers: &[CustomerId]) -> Result<Vec<Customer>, UsageError> {
        if customers.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = BTreeMap::new();
        for period in &self.periods {
            let read =
                self.tried(async |query_id| self.read(&self.request(period, customers, query_id)).await);
            let begin = Hour::holding(period.start()).since(self.span.first);
            let begin = usize::try_from(begin).unwrap_or(usize::MAX);
            for (customer, series) in read.await? {
                let known: &mut Vec<Vec<f64>> = all.entry(customer).or_insert_with(|| {
                    vec![vec![f64::NAN; self.span.hours()]; self.catalog.modelled().len()]
                });
                for (known, values) in known.iter_mut().zip(series) {
                    known.iter_mut().skip(begin).zip(values).for_each(|(known, value)| *known = value);
                }
            }
        }
        let customer = |(id, series): (CustomerId, Vec<Vec<f64>>)| {
            let series = series.into_iter().enumerate().map(|(metric, values)| Series { metric, values });
            let has_value = |series: &Series| series.values.iter().any(|value| !value.is_nan());
            Customer { id, series: series.filter(has_value).collect() }
        };
        let customers = all.into_iter().map(customer);
        Ok(customers.filter(|customer| !customer.series.is_empty()).collect())
    }

    async fn tried<T>(&self, read: impl AsyncFn(&str) -> Result<T, UsageError>) -> Result<T, UsageError> {
        tried(self.reader, self.next_name(), self.deadline, read).await
    }

    fn next_name(&self) -> String {
        // Only the number itself matters, so no other memory needs an order.
        format!("{}-{}", self.name, self.queries.fetch_add(1, Ordering::Relaxed))
    }

    fn request<'b>(
        &'b self,
        period: &Window,
        customers: &'b [CustomerId],
        query_id: &'b str,
    ) -> HoursRequest<'b> {
        HoursRequest {
            period: *period,
            catalog: self.catalog,
            customers,
            shard: Shard::WHOLE,
            in_order: false,
            query_id,
            deadline: self.deadline,
        }
    }

    /// The hours of each customer by metric.
    async fn read(&self, request: &HoursRequest<'_>) -> Result<Vec<(CustomerId, Vec<Vec<f64>>)>, UsageError> {
        let (mut stream, mut all) = (self.reader.hours(request).await?, Vec::new());
        while let Some(customer) = stream.next().await? {
            let id = std::str::from_utf8(&customer.customer_id).ok().and_then(|id| CustomerId::new(id).ok());
            if let Some(id) = id {
                all.push((id, customer.series().map(<[f64]>::to_vec).collect()));
            }
        }
        if stream.may_be_cut() {
            match self.reader.count_customers_with_hours(request).await? {
                0 => {}
                declared => return Err(self.reader.truncated(request.query_id, declared)),
            }
        }
        Ok(all)
    }
}

/// The tries of one query.
async fn tried<T>(
    reader: &UsageReader,
    name: String,
    deadline: Instant,
    read: impl AsyncFn(&str) -> Result<T, UsageError>,
) -> Result<T, UsageError> {
    let mut tries = Tries::new(reader, name, Patience::OF_A_RUN, deadline);
    loop {
        match read(&tries.query_id()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => tries.again(error, false).await?,
        }
    }
}

/// The periods of a span, oldest first.
fn periods(span: Span) -> Result<Vec<Window>, WindowError> {
    let starts = (0..span.end.since(span.first)).step_by(24 * DAYS_AT_ONCE as usize);
    starts
        .map(|start| {
            let from = span.first.plus(start);
            Window::between(from.start(), from.plus(24 * DAYS_AT_ONCE).min(span.end).start())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_follow_each_other() {
        let first = Hour::holding("2026-01-01T05:00:00Z".parse().unwrap());
        for hours in [1, 24 * 63, 24 * 90, 24 * 90 + 1, 24 * 399] {
            let span = Span { first, judged: first, end: first.plus(hours) };
            let periods = periods(span).unwrap();
            assert_eq!(periods[0].start(), first.start());
            assert_eq!(periods.last().unwrap().end(), span.end.start());
            assert!(periods.windows(2).all(|pair| pair[0].end() == pair[1].start()), "{hours}");
            assert_eq!(periods.len() as i64, (hours + 24 * 90 - 1) / (24 * 90), "{hours}");
        }
    }
}
