//! The input: usage of some customers hour by hour.

use detection::model::Profile;
use detection::{Calendar, CustomerId, Hour, TimeZone};

/// Usage hour by hour, and the part of it that is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// The first hour of all series.
    pub first: Hour,
    /// The first hour that is judged. The hours before are history.
    pub judged: Hour,
    /// The first hour after the last one.
    pub end: Hour,
    /// Ordered by id.
    pub customers: Vec<Customer>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Customer {
    pub id: CustomerId,
    /// The series that have a value, in the order of their metrics.
    pub series: Vec<Series>,
}

/// One metric of one customer.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The metric's place in the catalog.
    pub metric: usize,
    /// Hour by hour from [`Usage::first`] on, NaN for an hour without a value. Missing hours at the end are such hours too.
    pub values: Vec<f64>,
}

impl Usage {
    /// Days that are judged.
    pub fn days(&self) -> i64 {
        self.end.since(self.judged) / Calendar::HOURS as i64
    }

    /// The number of series.
    pub fn series(&self) -> usize {
        self.customers.iter().map(|customer| customer.series.len()).sum()
    }

    /// The hours that are judged.
    pub fn judged_hours(&self) -> impl Iterator<Item = Hour> + use<> {
        let first = self.judged;
        (0..self.end.since(first).max(0)).map(move |hour| first.plus(hour))
    }

    /// The hour of a place in the values.
    pub fn hour(&self, place: usize) -> Hour {
        self.first.plus(i64::try_from(place).unwrap_or(i64::MAX))
    }

    /// The shape of a day of all customers of a metric before the judged days: for customers in their first days.
    pub fn profile(&self, metric: usize, zone: &TimeZone) -> Profile {
        let history = usize::try_from(self.judged.since(self.first)).unwrap_or(0);
        let since = history.saturating_sub(WEEKS * 7 * Calendar::HOURS);
        let local: Vec<usize> =
            (since..history).map(|place| usize::from(zone.local(self.hour(place)).hour)).collect();
        let (mut sums, mut counts) = ([0.0; Calendar::HOURS], [0.0; Calendar::HOURS]);
        let series = self.customers.iter().flat_map(|customer| &customer.series);
        for series in series.filter(|series| series.metric == metric) {
            let values = series.values.get(since..).unwrap_or_default();
            for (hour, value) in local.iter().zip(values).filter(|(_, value)| value.is_finite()) {
                sums[*hour] += value;
                counts[*hour] += 1.0;
            }
        }
        let mean = |hour: usize| if counts[hour] > 0.0 { sums[hour] / counts[hour] } else { 0.0 };
        Profile::of(std::array::from_fn(mean)).unwrap_or(Profile::FLAT)
    }
}

impl Customer {
    /// The place of the customer's first hour with a value.
    pub(crate) fn first_known(&self) -> usize {
        let first = |series: &Series| series.values.iter().position(|value| !value.is_nan());
        self.series.iter().filter_map(first).min().unwrap_or(0)
    }
}

/// Weeks that the shape of a day is made of.
const WEEKS: usize = 4;
