//! Expressions that a migration refuses.

use std::fmt;

/// A refused expression or table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file of the catalog.
    pub origin: String,
    pub metric: String,
    pub field: &'static str,
    pub expression: String,
    /// In one line.
    pub reason: String,
    /// The next step for the author of the catalog.
    pub advice: Option<String>,
    /// The statement, and ClickHouse's whole text about it.
    pub details: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, metric, field, expression, reason, advice, .. } = self;
        write!(f, "{origin}: metric `{metric}`: {field} = {expression:?}: {reason}")?;
        advice.iter().try_for_each(|advice| write!(f, ". {advice}"))
    }
}
