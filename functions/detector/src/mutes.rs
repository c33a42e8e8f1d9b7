//! The muted hours of a run.

use std::collections::HashMap;

use catalog::{MetricSpec, Policies};
use detection::{CustomerId, Hour, Hours};

/// The muted hours of a run. Those of customers without mutes of their own are found out once: one such mute may hold for a
/// million customers.
pub(crate) struct Mutes<'a> {
    policies: &'a Policies,
    metrics: &'a [MetricSpec],
    /// By first hour and number of hours: of each metric.
    of_all: HashMap<(Hour, usize), Vec<Muted>>,
}

/// Marks of muted hours. `None` if none is muted, or all are.
pub(crate) type Muted = Option<Vec<bool>>;

impl<'a> Mutes<'a> {
    pub(crate) fn new(policies: &'a Policies, metrics: &'a [MetricSpec]) -> Self {
        Self { policies, metrics, of_all: HashMap::new() }
    }

    /// The muted hours from `first` on, by metric, of customers without mutes of their own.
    pub(crate) fn of_all(&mut self, first: Hour, count: usize) -> &[Muted] {
        let Self { policies, metrics, of_all } = self;
        let of = |spec: &MetricSpec| policies.muted_hours_of_all(&spec.name, first, count);
        of_all.entry((first, count)).or_insert_with(|| metrics.iter().map(of).collect())
    }

    /// A customer's hours of the metric at this place of the catalog, with the muted ones from `first` until `newest`.
    pub(crate) fn apply(
        &mut self,
        hours: Hours,
        customer: &CustomerId,
        metric: usize,
        first: Hour,
        newest: Hour,
    ) -> Hours {
        let count = usize::try_from(newest.since(first) + 1).unwrap_or(0);
        if self.policies.has_own_mutes(customer) {
            let name = self.metrics.get(metric).map(|spec| &spec.name);
            let own = name.and_then(|name| self.policies.muted_hours(customer, name, first, count));
            return marked(hours, first, own.as_deref());
        }
        marked(hours, first, self.of_all(first, count).get(metric).and_then(Option::as_deref))
    }
}

fn marked(hours: Hours, first: Hour, muted: Option<&[bool]>) -> Hours {
    match muted {
        None => hours,
        Some(muted) => hours.muted_at(first, muted),
    }
}
