//! From rows in any order to usage hour by hour.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Catalog;
use detection::{CustomerId, Hour, MetricName};

use crate::span::{Span, SpanError};
use crate::usage::{Customer, Series, Usage};

/// Rows of usage as a file holds them. Their order does not matter.
#[derive(Clone, Debug, Default)]
pub struct Rows(BTreeMap<CustomerId, BTreeMap<MetricName, Vec<Cell>>>);

/// The value of one hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub hour: Hour,
    /// In the metric's unit, finite.
    pub value: f64,
    /// Where it stands in the file, for errors.
    pub line: u64,
}

/// Two rows for the same hour of a series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: {customer:?} has a second value of {metric} for {hour}; the first one is on line {first}",
    customer = customer.as_str(),
    hour = hour.start()
)]
pub struct Duplicate {
    pub customer: CustomerId,
    pub metric: MetricName,
    pub hour: Hour,
    pub first: u64,
    pub line: u64,
}

impl Rows {
    pub fn push(&mut self, customer: CustomerId, metric: MetricName, cell: Cell) {
        self.0.entry(customer).or_default().entry(metric).or_default().push(cell);
    }

    pub fn customers(&self) -> usize {
        self.0.len()
    }

    /// The metrics that rows name.
    pub fn metrics(&self) -> BTreeSet<&MetricName> {
        self.0.values().flat_map(BTreeMap::keys).collect()
    }

    /// The first and the last hour. `None` without a row.
    pub fn span(&self) -> Option<(Hour, Hour)> {
        let hours = || self.cells().map(|cell| cell.hour);
        hours().min().zip(hours().max())
    }

    /// The cells of a metric by customer.
    pub(crate) fn of_metric<'a>(&'a self, metric: &'a MetricName) -> impl Iterator<Item = &'a [Cell]> {
        self.0.values().filter_map(move |metrics| Some(metrics.get(metric)?.as_slice()))
    }

    /// The first two rows, by their lines, for the same hour of a series.
    ///
    /// # Errors
    ///
    /// When there are such rows.
    pub fn refuse_duplicates(&mut self) -> Result<(), Duplicate> {
        let mut found: Option<Duplicate> = None;
        for (customer, metrics) in &mut self.0 {
            for (metric, cells) in metrics {
                cells.sort_unstable_by_key(|cell| (cell.hour, cell.line));
                let same = cells.windows(2).filter(|pair| pair[0].hour == pair[1].hour);
                let Some([one, two]) =
                    same.min_by_key(|pair| pair[1].line).and_then(|pair| pair.first_chunk())
                else {
                    continue;
                };
                if found.as_ref().is_none_or(|found| two.line < found.line) {
                    let (customer, metric) = (customer.clone(), metric.clone());
                    let (hour, first, line) = (two.hour, one.line, two.line);
                    found = Some(Duplicate { customer, metric, hour, first, line });
                }
            }
        }
        found.map_or(Ok(()), Err)
    }

    /// The usage whose last `days` days are judged. Rows of metrics that the catalog does not have are left out, and so are
    /// hours that no model of these days reaches back to.
    ///
    /// # Errors
    ///
    /// When there are no rows, or there is no week of history before the days.
    pub fn usage(&self, catalog: &Catalog, days: u16) -> Result<Usage, SpanError> {
        let (first, last) = self.span().ok_or(SpanError::Empty)?;
        let span = Span::of_days(first, last.plus(1), days)?;
        let hours = span.hours();
        let series = |(metric, cells): (&MetricName, &Vec<Cell>)| {
            let metric = catalog.metrics().iter().position(|spec| spec.name == *metric)?;
            let mut values = vec![f64::NAN; hours];
            for cell in cells {
                if let Some(value) =
                    usize::try_from(cell.hour.since(span.first)).ok().and_then(|place| values.get_mut(place))
                {
                    *value = cell.value;
                }
            }
            values.iter().any(|value| !value.is_nan()).then_some(Series { metric, values })
        };
        let customer = |(id, metrics): (&CustomerId, &BTreeMap<MetricName, Vec<Cell>>)| {
            let mut series: Vec<Series> = metrics.iter().filter_map(series).collect();
            series.sort_by_key(|series| series.metric);
            (!series.is_empty()).then(|| Customer { id: id.clone(), series })
        };
        Ok(Usage { span, customers: self.0.iter().filter_map(customer).collect() })
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.0.values().flat_map(BTreeMap::values).flatten()
    }
}
