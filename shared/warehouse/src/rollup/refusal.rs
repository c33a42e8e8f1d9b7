//! Expressions that a migration refuses.

use std::fmt;

/// An expression that is refused, or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The file of the catalog.
    pub origin: String,
    pub metric: String,
    pub field: &'static str,
    pub expression: String,
    /// In one line.
    pub reason: String,
    /// What to write instead.
    pub advice: Option<String>,
    /// The statement and the whole of what ClickHouse said of it.
    pub details: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, metric, field, expression, reason, advice, .. } = self;
        write!(f, "{origin}: metric `{metric}`: {field} = {expression:?}: {reason}")?;
        advice.iter().try_for_each(|advice| write!(f, ". {advice}"))
    }
}
