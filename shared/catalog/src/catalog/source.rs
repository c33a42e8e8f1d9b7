//! Sources: tables that several metrics are made from.

use std::fmt;

use detection::MetricName;
use serde::Deserialize;

use super::{MetricSpec, default_customer_column, default_time_column};
use crate::expression;

/// A table with the columns and the condition that all metrics of the source share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    name: SourceName,
    table: String,
    #[serde(default = "default_customer_column")]
    tenant: String,
    #[serde(default = "default_time_column")]
    time: String,
    filter: Option<String>,
}

/// The name of a source: letters, digits and `_` as in the name of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SourceName(String);

/// What a metric has from its source. An entry that says it itself is refused.
const OF_SOURCE: [&str; 3] = ["table", "customer_column", "time_column"];

/// Gives each metric what its source says. A metric without a source stays as it is.
///
/// * `entries`: those of the metrics as they stand in the file.
///
/// # Errors
///
/// The name of the entry that is refused, and the reason.
pub(super) fn resolve(
    sources: &[Source],
    metrics: &mut [MetricSpec],
    entries: &[toml::Table],
) -> Result<(), (String, String)> {
    for (index, source) in sources.iter().enumerate() {
        let refused = |reason: String| Err((source.name.to_string(), reason));
        if let Err(reason) = source.validate() {
            return refused(reason);
        }
        if sources[..index].iter().any(|earlier| earlier.name == source.name) {
            return refused("another source has the same name".to_owned());
        }
        if !metrics.iter().any(|metric| metric.source.as_ref() == Some(&source.name)) {
            return refused("no [[metric]] has this source, so nothing of it would be checked".to_owned());
        }
    }
    for (metric, entry) in metrics.iter_mut().zip(entries) {
        let Some(name) = metric.source.clone() else { continue };
        let filled = match sources.iter().find(|source| source.name == name) {
            Some(source) => source.fill(metric, entry),
            None => Err(format!("there is no [[source]] `{name}`")),
        };
        filled.map_err(|reason| (metric.name.to_string(), reason))?;
    }
    Ok(())
}

impl TryFrom<String> for SourceName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match MetricName::new(name) {
            Ok(name) => Ok(Self(name.to_string())),
            Err(_) => {
                Err("the name of a source is a lower-case letter, then up to 63 of a-z, 0-9 and _".to_owned())
            }
        }
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Source {
    fn validate(&self) -> Result<(), String> {
        expression::check_table(&self.table)?;
        for (key, text) in
            [("tenant", Some(&self.tenant)), ("time", Some(&self.time)), ("filter", self.filter.as_ref())]
        {
            if let Some(text) = text {
                expression::check(text).map_err(|reason| format!("`{key}` {reason}"))?;
            }
        }
        Ok(())
    }

    /// Gives a metric of the source what the entry leaves out.
    ///
    /// * `entry`: the metric's entry as it stands in the file.
    fn fill(&self, metric: &mut MetricSpec, entry: &toml::Table) -> Result<(), String> {
        if let Some(key) = OF_SOURCE.into_iter().find(|key| entry.contains_key(*key)) {
            return Err(format!(
                "`{key}` is said by the source `{}`: leave it out, or take another source",
                self.name
            ));
        }
        if let Some(own) = &metric.filter {
            // In parentheses, a text that closes one too many would look right.
            expression::check(own).map_err(|reason| format!("`filter` {reason}"))?;
        }
        metric.table.clone_from(&self.table);
        metric.customer_column.clone_from(&self.tenant);
        metric.time_column.clone_from(&self.time);
        metric.filter = match (&self.filter, metric.filter.take()) {
            (Some(of_source), Some(own)) => Some(format!("({of_source}) AND ({own})")),
            (of_source, own) => own.or_else(|| of_source.clone()),
        };
        Ok(())
    }
}
