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

impl fmt::Display for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, why, events, customers, from, to } = self;
        let of = metric
            .as_deref()
            .map_or_else(|| "all metrics".to_owned(), |name| format!("`{}`", name.escape_debug()));
        write!(f, "the hours of {of} from {from} to {to} ({events} events of {customers} customers): {why}")
    }
}
