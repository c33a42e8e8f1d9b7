//! Sources: tables that several metrics are made from.

use std::fmt;

use detection::{EntityPath, MetricName};
use serde::Deserialize;

use super::{Entities, Ids, MetricSpec, default_customer_column, default_time_column};
use crate::expression;

/// A table with the columns and the condition that all metrics of the source share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) name: SourceName,
    table: String,
    #[serde(default = "default_customer_column")]
    tenant: String,
    #[serde(default = "default_time_column")]
    time: String,
    filter: Option<String>,
    /// The names of what has a normal of its own below the tenant, the widest first.
    #[serde(default)]
    entity: Names,
    /// The condition on failed events.
    bad: Option<String>,
    id: Option<String>,
    #[serde(default)]
    ids: Ids,
}

/// One expression, or several of them.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Names {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
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

impl SourceName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Names {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// Names of ids that an anomaly may carry.
const IDS: [&str; 6] = ["execution_id", "trace_id", "span_id", "node_key", "connector_key", "ticket_id"];

impl Source {
    /// Its entities. `None` if its series are of customers.
    pub(super) fn entities(&self) -> Option<Entities> {
        let names = self.entity.as_slice();
        (!names.is_empty()).then(|| Entities {
            source: self.name.clone(),
            names: names.to_vec(),
            bad: self.bad.clone(),
            filter: self.filter.clone(),
            id: self.id.clone(),
            ids: self.ids.clone(),
        })
    }

    fn validate(&self) -> Result<(), String> {
        expression::check_table(&self.table)?;
        let names = self.entity.as_slice();
        let fields = [
            ("tenant", Some(&self.tenant)),
            ("time", Some(&self.time)),
            ("filter", self.filter.as_ref()),
            ("bad", self.bad.as_ref()),
            ("id", self.id.as_ref()),
        ];
        let fields = fields.into_iter().filter_map(|(key, text)| Some((key, text?)));
        let of_entity = names.iter().map(|name| ("entity", name));
        let ids = self.ids.values().map(|id| ("ids", id));
        for (key, text) in fields.chain(of_entity).chain(ids) {
            expression::check(text).map_err(|reason| format!("`{key}` {reason}"))?;
        }
        if self.name.as_str().contains("_hourly") {
            return Err("the name of a source must not hold `_hourly`, which stands in the names of tables"
                .to_owned());
        }
        if matches!(&self.entity, Names::Many(names) if names.is_empty()) {
            return Err("`entity` is empty: leave it out for a source of customers".to_owned());
        }
        if names.len() > EntityPath::MAX_NAMES {
            return Err(format!(
                "`entity` has {} expressions, and {} are allowed",
                names.len(),
                EntityPath::MAX_NAMES
            ));
        }
        if let Some(unknown) = self.ids.keys().find(|name| !IDS.contains(&name.as_str())) {
            return Err(format!("`ids.{unknown}` is no id of an anomaly: it carries {}", IDS.join(", ")));
        }
        if names.is_empty() {
            for (key, is_there) in
                [("bad", self.bad.is_some()), ("id", self.id.is_some()), ("ids", !self.ids.is_empty())]
            {
                if is_there {
                    return Err(format!("`{key}` has no use without `entity`"));
                }
            }
        } else if self.name.as_str() == super::USAGE {
            return Err("`usage` is the name of the source without entities: take another".to_owned());
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
        metric.entities = self.entities();
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
