//! Sources: tables that several metrics are made from.

use std::fmt;

use detection::{EntityPath, MetricName, Severity};
use serde::Deserialize;

use super::metric::{default_customer_column, default_time_column};
use super::pace;
use super::sample::{Sample, needs_all};
use super::{Entities, Every, Feed, Ids, MetricSpec, Nouns, Pace, SourceWindow};
use crate::expression;

/// A table with the columns and the condition that all metrics of the source share.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
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
    #[serde(default)]
    feed: Feed,
    /// How many events one row stands for.
    weight: Option<String>,
    sampling_by: Option<String>,
    sampling_ratio: Option<f64>,
    #[serde(default)]
    window: SourceWindow,
    every: Option<Every>,
    delay: Option<String>,
    baseline: Option<String>,
    max_entities: Option<u32>,
    #[cfg_attr(feature = "json-schema", schemars(with = "Option<String>"))]
    alert_min_severity: Option<Severity>,
    tenant_noun: Option<String>,
    entity_noun: Option<String>,
}

/// One expression, or several of them.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
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

    fn as_mut_slice(&mut self) -> &mut [String] {
        match self {
            Self::None => &mut [],
            Self::One(name) => std::slice::from_mut(name),
            Self::Many(names) => names,
        }
    }
}

/// Names of ids that an anomaly may carry.
pub(super) const IDS: [&str; 6] =
    ["execution_id", "trace_id", "span_id", "node_key", "connector_key", "ticket_id"];

impl Source {
    /// Its entities, and how they are fed. `None` if the views of usage feed it.
    pub(super) fn entities(&self) -> Option<Entities> {
        self.has_own_tables().then(|| Entities {
            source: self.name.clone(),
            names: self.entity.as_slice().to_vec(),
            bad: self.bad.clone(),
            filter: self.filter.clone(),
            id: self.id.clone(),
            ids: self.ids.clone(),
            feed: self.feed,
            counts_steps: false,
            weight: self.weight.clone(),
            // A refused one never comes here.
            sample: self.sample().unwrap_or_default(),
            // A refused text never comes here.
            pace: self.pace().unwrap_or_default(),
            most: self.max_entities.unwrap_or(Entities::DEFAULT_MOST),
            overflow: None,
            alert_min_severity: self.alert_min_severity,
            nouns: Nouns::new(self.tenant_noun.as_ref(), self.entity_noun.as_ref()),
        })
    }

    /// Whether it has tables of its own: because of its entities, or because rows are replaced in them.
    fn has_own_tables(&self) -> bool {
        !self.entity.as_slice().is_empty() || self.feed == Feed::Poll
    }

    fn pace(&self) -> Result<Pace, String> {
        Ok(Pace {
            window: self.window,
            every: self.every,
            delay: self.delay.as_deref().map(pace::delay).transpose()?,
            baseline: self.baseline.as_deref().map(pace::baseline).transpose()?,
        })
    }

    /// The events that are rolled up, if these are not all.
    fn sample(&self) -> Result<Option<Sample>, String> {
        match (&self.sampling_by, self.sampling_ratio) {
            (None, None) => Ok(None),
            (Some(by), Some(ratio)) => Sample::new(by, ratio).map(Some),
            (Some(_), None) => Err("`sampling_by` needs `sampling_ratio`: the share of the events, such as 0.1".to_owned()),
            (None, Some(_)) => {
                Err("`sampling_ratio` needs `sampling_by`: the expression whose hash chooses, such as the id of a trace".to_owned())
            }
        }
    }

    /// The expressions that may hold functions of the catalog.
    pub(super) fn expressions_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.entity.as_mut_slice().iter_mut().chain(&mut self.filter).chain(&mut self.bad)
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
            ("weight", self.weight.as_ref()),
            ("sampling_by", self.sampling_by.as_ref()),
        ];
        let fields = fields.into_iter().filter_map(|(key, text)| Some((key, text?)));
        let of_entity = names.iter().map(|name| ("entity", name));
        let ids = self.ids.values().map(|id| ("ids", id));
        for (key, text) in fields.chain(of_entity).chain(ids) {
            expression::check(text).map_err(|reason| format!("`{key}` {reason}"))?;
        }
        if let Some(part) = ["_hourly", "_minute"].into_iter().find(|part| self.name.as_str().contains(part))
        {
            return Err(format!(
                "the name of a source must not hold `{part}`, which stands in the names of tables"
            ));
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
        if self.feed == Feed::Poll && self.id.is_none() {
            return Err(
                "`feed = \"poll\"` needs `id`: it tells which rows are versions of one event".to_owned()
            );
        }
        if self.feed == Feed::Poll && self.window.needs_minutes() {
            return Err(format!(
                "`window = \"{}\"` needs `feed = \"view\"`: a poll reads three days of the table each time",
                self.window.as_str()
            ));
        }
        if self.max_entities == Some(0) {
            return Err("`max_entities` must be at least 1".to_owned());
        }
        for (key, noun) in [("tenant_noun", &self.tenant_noun), ("entity_noun", &self.entity_noun)] {
            if noun.as_ref().is_some_and(|noun| noun.trim().is_empty() || noun.chars().any(char::is_control))
            {
                return Err(format!("`{key}` must be a word such as \"workflow\""));
            }
        }
        self.pace()?.validate()?;
        self.sample()?;
        self.validate_use()
    }

    /// Refuses what would have no effect.
    fn validate_use(&self) -> Result<(), String> {
        let (has_entities, has_tables) = (!self.entity.as_slice().is_empty(), self.has_own_tables());
        if has_tables && self.name.as_str() == super::USAGE {
            return Err("`usage` is the name of the source without entities: take another".to_owned());
        }
        for (key, is_there, is_of_use, need) in [
            ("bad", self.bad.is_some(), has_tables, "`entity`"),
            ("ids", !self.ids.is_empty(), has_tables, "`entity`"),
            ("id", self.id.is_some(), has_tables, "`entity` or `feed = \"poll\"`"),
            ("weight", self.weight.is_some(), has_tables, "`entity` or `feed = \"poll\"`"),
            ("sampling_ratio", self.sampling_ratio.is_some(), has_tables, "`entity` or `feed = \"poll\"`"),
            ("window", self.window != SourceWindow::default(), has_tables, "`entity`"),
            ("every", self.every.is_some(), has_tables, "`entity`"),
            ("delay", self.delay.is_some(), has_tables, "`entity` or `feed = \"poll\"`"),
            ("baseline", self.baseline.is_some(), has_tables, "`entity`"),
            ("max_entities", self.max_entities.is_some(), has_entities, "`entity`"),
            ("alert_min_severity", self.alert_min_severity.is_some(), has_tables, "`entity`"),
            ("entity_noun", self.entity_noun.is_some(), has_entities, "`entity`"),
            ("tenant_noun", self.tenant_noun.is_some(), has_tables, "`entity`"),
        ] {
            if is_there && !is_of_use {
                return Err(format!("`{key}` has no use without {need}"));
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
        let counts_steps = metric.counter && self.feed == Feed::View;
        metric.entities = self.entities().map(|entities| Entities { counts_steps, ..entities });
        // Neither is a sample of the rows of a counter one of the counter.
        if (needs_all(&metric.rules) || metric.counter)
            && let Some(entities) = &mut metric.entities
        {
            entities.sample = None;
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
