//! The input: usage of some customers hour by hour.

use catalog::MetricSpec;
use detection::CustomerId;
use detection::model::{Peers, Shapes};

use crate::span::Span;

/// Usage hour by hour, and the part of it that is judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    pub span: Span,
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
    /// Hour by hour from [`Span::first`] on, NaN for an hour without a value. Missing hours at the end are such hours too.
    pub values: Vec<f64>,
}

impl Usage {
    /// The shapes of days of all customers, for series in their first days.
    pub fn peers(&self, metrics: &[MetricSpec]) -> Peers {
        let mut peers = Peers::default();
        for week in self.span.peer_weeks() {
            let mut shapes = vec![Shapes::default(); metrics.len()];
            for customer in &self.customers {
                let since = self.span.hour(customer.first_known());
                for Series { metric, values } in &customer.series {
                    if let Some((spec, shapes)) = metrics.get(*metric).zip(shapes.get_mut(*metric)) {
                        shapes.add(&spec.hours(self.span.first, values, since), week);
                    }
                }
            }
            peers.insert(week, shapes.iter().map(Shapes::profile).collect());
        }
        peers
    }

    /// The number of series.
    pub fn series(&self) -> usize {
        self.customers.iter().map(|customer| customer.series.len()).sum()
    }
}

impl Customer {
    /// The place of the customer's first hour with a value.
    pub(crate) fn first_known(&self) -> usize {
        let first = |series: &Series| series.values.iter().position(|value| !value.is_nan());
        self.series.iter().filter_map(first).min().unwrap_or(0)
    }
}
