//! From rows in any order to usage hour by hour.

use std::collections::{BTreeMap, BTreeSet};

use catalog::Catalog;
use detection::{Calendar, CustomerId, Hour, MetricName};

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

/// Rows that cannot be divided into history and days to judge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("there is no row")]
    Empty,
    #[error(
        "the rows span {hours} hours, and {days} days are to be judged after at least {least} days of history: {advice}",
        least = Rows::LEAST_HISTORY
    )]
    TooShort { hours: i64, days: u16, advice: String },
}

impl Rows {
    /// Days of history without which nothing can be judged.
    pub const LEAST_HISTORY: i64 = 7;

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
        let (end, day) = (last.plus(1), Calendar::HOURS as i64);
        let judged = end.plus(-day * i64::from(days));
        if judged.since(first) < Self::LEAST_HISTORY * day {
            return Err(too_short(end.since(first), days));
        }
        let first = first.max(judged.plus(-(Calendar::SPAN as i64) - day));
        let hours = usize::try_from(end.since(first)).unwrap_or(0);
        let series = |(metric, cells): (&MetricName, &Vec<Cell>)| {
            let metric = catalog.metrics().iter().position(|spec| spec.name == *metric)?;
            let mut values = vec![f64::NAN; hours];
            for cell in cells {
                if let Some(value) =
                    usize::try_from(cell.hour.since(first)).ok().and_then(|place| values.get_mut(place))
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
        Ok(Usage { first, judged, end, customers: self.0.iter().filter_map(customer).collect() })
    }

    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.0.values().flat_map(BTreeMap::values).flatten()
    }
}

fn too_short(hours: i64, days: u16) -> SpanError {
    let most = hours / Calendar::HOURS as i64 - Rows::LEAST_HISTORY;
    let advice = match most {
        ..1 => "more hours are needed".to_owned(),
        1 => "at most 1 day can be judged".to_owned(),
        most => format!("at most {most} days can be judged"),
    };
    SpanError::TooShort { hours, days, advice }
}
