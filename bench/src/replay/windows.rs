//! The windows of a month, as the rollup would give them to a run.

use anyhow::{Context, ensure};
use catalog::Aggregate;
use detection::{BaselineDays, Window};
use detector::App;
use fleet::usage::{Metric, Month, WINDOW};
use jiff::Timestamp;

pub(super) struct Windows<'a> {
    pub(super) month: &'a Month,
    /// Of each metric of the month, the place in the catalog.
    pub(super) metrics: Vec<usize>,
    customers: Vec<Customer>,
}

struct Customer {
    /// By metric: the usage before each hour.
    sums: Vec<Vec<f64>>,
    /// The first hour with usage from each hour on.
    next_use: Vec<Option<usize>>,
}

impl<'a> Windows<'a> {
    pub(super) fn of(month: &'a Month, app: &App) -> anyhow::Result<Self> {
        let specs = app.catalog.metrics();
        let place = |Metric { name: metric, .. }: &Metric| {
            let place = specs.iter().position(|spec| spec.name == *metric);
            let place = place.with_context(|| format!("the catalog has no metric {metric}"))?;
            let is_sum = matches!(specs[place].aggregate, Aggregate::Count | Aggregate::Sum);
            ensure!(is_sum, "{metric} is no count and no sum: hours of it cannot be added");
            Ok(place)
        };
        let metrics = month.metrics.iter().map(place).collect::<anyhow::Result<_>>()?;
        let customers = month.customers.iter().map(|customer| Customer::of(&customer.usage, month.hours));
        Ok(Self { month, metrics, customers: customers.collect() })
    }

    /// The values by age of the windows that end with `end`, as far as usage has arrived by then; none of before the
    /// month.
    pub(super) fn values(
        &self,
        customer: usize,
        metric: usize,
        end: usize,
        count: usize,
    ) -> Vec<Option<f64>> {
        let sums = &self.customers[customer].sums[metric];
        let arrived = end.saturating_sub(self.month.customers[customer].delay);
        let value = |age: usize| {
            let end = end.checked_sub(WINDOW * age)?;
            Some(sums[end.min(arrived)] - sums[end.checked_sub(WINDOW)?.min(arrived)])
        };
        (0..count).map(value).collect()
    }

    /// The customer's first event in what a run for the window reads; none without any.
    pub(super) fn first_event(
        &self,
        customer: usize,
        window: &Window,
        baseline_days: BaselineDays,
    ) -> Option<Timestamp> {
        let from = self.month.number(window.baseline_start(baseline_days)).unwrap_or(0);
        let first = *self.customers[customer].next_use.get(from)?;
        first.map(|hour| self.month.at(hour)).filter(|first| *first < window.end())
    }
}

impl Customer {
    fn of(usage: &[Vec<f64>], hours: usize) -> Self {
        let sums = |values: &Vec<f64>| {
            let sums = values.iter().scan(0.0, |sum, value| {
                *sum += value;
                Some(*sum)
            });
            std::iter::once(0.0).chain(sums).collect()
        };
        let mut next_use = vec![None; hours];
        let mut next = None;
        for hour in (0..hours).rev() {
            if usage.iter().any(|values| values[hour] > 0.0) {
                next = Some(hour);
            }
            next_use[hour] = next;
        }
        Self { sums: usage.iter().map(sums).collect(), next_use }
    }
}
