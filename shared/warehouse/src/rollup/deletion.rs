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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_says_what_would_go() {
        let deletion = Deletion {
            metric: Some("api_calls".to_owned()),
            why: "the catalog has no such metric",
            events: 12,
            customers: 3,
            from: "2026-01-01".to_owned(),
            to: "2026-02-01".to_owned(),
        };
        assert_eq!(
            deletion.to_string(),
            "the hours of `api_calls` from 2026-01-01 to 2026-02-01 (12 events of 3 customers): the catalog has no such metric"
        );
    }
}
