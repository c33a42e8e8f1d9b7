//! Hours that a migration would delete.

use std::fmt;

/// Hours that leave the rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// `None` for all metrics.
    pub metric: Option<String>,
    pub why: &'static str,
    /// Events of these hours in the rollup.
    pub events: u64,
    /// Customers with events in these hours.
    pub customers: u64,
    /// First and last day, as "2026-11-21".
    pub from: String,
    pub to: String,
}

impl Deletion {
    /// Whether the other is about the same hours of other customers.
    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        self.metric == other.metric && self.why == other.why
    }

    /// Adds what another server would delete. A customer is on one server.
    pub(super) fn add(&mut self, other: Self) {
        self.events = self.events.saturating_add(other.events);
        self.customers = self.customers.saturating_add(other.customers);
        self.from = std::mem::take(&mut self.from).min(other.from);
        self.to = std::mem::take(&mut self.to).max(other.to);
    }
}

impl fmt::Display for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, why, events, customers, from, to } = self;
        let of = metric
            .as_deref()
            .map_or_else(|| "all metrics".to_owned(), |name| format!("`{}`", name.escape_debug()));
        write!(f, "the hours of {of} from {from} to {to} ({events} events of {customers} customers): {why}")
    }
}
