//! The metric catalog: which metrics exist, and how each is computed from events.
//!
//! The catalog is a TOML file of the operator. It is checked as a whole when it is loaded. One wrong entry refuses the
//! file, with the file, the entry and the reason. No query contains a text from anywhere else.

use detection::rules::Rule;
use detection::{
    AnomalyKind, CustomerId, Direction, EntityPath, Hour, Hours, MetricName, Missing, Settings,
    SettingsError, Thresholds,
};
use environment::{ConfigError, Env, TextSource};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{DetectionConfig, expression};

mod aggregate;
mod entities;
mod error;
mod file;
mod presets;
mod rules;
mod source;
mod steps;

pub use aggregate::Aggregate;
pub use entities::{Entities, Ids};
pub use error::CatalogError;
pub use presets::PRESETS;
pub use source::SourceName;

use source::Source;

/// A loaded catalog: the metrics of customers, and a catalog of each source with entities. A value of this type is valid.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Those that models judge, and then those that rules judge.
    metrics: Vec<MetricSpec>,
    /// How many of them models judge.
    modelled: usize,
    /// The source, if its series are of entities.
    entities: Option<Entities>,
    sources: Vec<Catalog>,
    version: String,
    origin: String,
}

/// One metric: where its events are, and how its value is computed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSpec {
    #[serde(deserialize_with = "metric_name")]
    pub name: MetricName,
    pub unit: String,
    /// What its anomalies are called. Without it they have the type that their verdict says.
    #[serde(rename = "type")]
    pub kind: Option<AnomalyKind>,
    /// The source that says table, customer and time, and a part of the filter. All of them are filled in here.
    pub source: Option<SourceName>,
    #[serde(default = "default_table")]
    pub table: String,
    #[serde(default = "default_customer_column")]
    pub customer_column: String,
    #[serde(default = "default_time_column")]
    pub time_column: String,
    pub filter: Option<String>,
    pub value: Option<String>,
    pub aggregate: Aggregate,
    /// The fixed conditions that judge the metric. Without any, models judge it.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// The entities of its source. Filled in here.
    #[serde(skip)]
    pub entities: Option<Entities>,
    pub missing: Missing,
    pub min_change: f64,
    pub threshold: Option<f64>,
    pub critical_threshold: Option<f64>,
    pub min_relative_change: Option<f64>,
    pub min_relative_spread: Option<f64>,
    /// What to look at first, for people: after a change in any direction, and in one direction only.
    #[serde(default)]
    pub steps: Vec<String>,
    #[serde(default)]
    pub spike_steps: Vec<String>,
    #[serde(default)]
    pub drop_steps: Vec<String>,
    pub import: Option<ImportRule>,
}

/// How `meterflow import` writes a value of a metric as an event.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportRule {
    pub event_type: String,
    /// The JSON property that holds the value. None for counts, because the event itself is the value.
    pub property: Option<String>,
}

/// The default catalog.
const BUILT_IN: &str = include_str!("../catalog.toml");

impl Catalog {
    /// The places of the parts of the catalog. Without variables it is the built-in catalog.
    ///
    /// `CATALOG_PATH`: files and presets such as `preset:executions`, with commas between them. `CATALOG_SSM_PARAMETER`: an
    /// SSM parameter that holds the file's text.
    pub fn source(env: &Env<'_>) -> Result<Vec<TextSource>, ConfigError> {
        match (env.get("CATALOG_PATH"), env.get("CATALOG_SSM_PARAMETER")) {
            (Some(_), Some(_)) => {
                Err(ConfigError::Conflict { first: "CATALOG_PATH", second: "CATALOG_SSM_PARAMETER" })
            }
            (Some(paths), None) => paths.split(',').map(|path| presets::source(path.trim())).collect(),
            (None, Some(parameter)) => Ok(vec![TextSource::SsmParameter(parameter)]),
            (None, None) => Ok(vec![TextSource::Inline {
                text: BUILT_IN.to_owned(),
                origin: "the built-in catalog".to_owned(),
            }]),
        }
    }

    /// The catalog of files and presets, with commas between them.
    pub fn from_files(paths: &str) -> Result<Self, CatalogError> {
        let read = |path: &str| match presets::text(path.trim()) {
            Some(text) => Ok((text.to_owned(), path.trim().to_owned())),
            None if presets::is_named(path.trim()) => {
                Err(CatalogError::Preset { path: path.trim().to_owned(), known: presets::known() })
            }
            None => match std::fs::read_to_string(path.trim()) {
                Ok(text) => Ok((text, path.trim().to_owned())),
                Err(source) => Err(CatalogError::Read { path: path.trim().to_owned(), source }),
            },
        };
        Self::parse_all(&paths.split(',').map(read).collect::<Result<Vec<_>, _>>()?)
    }

    /// The catalog that is compiled in.
    pub fn built_in() -> Result<Self, CatalogError> {
        Self::parse(BUILT_IN, "the built-in catalog")
    }

    /// Parses and validates `text`; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, CatalogError> {
        Self::parse_all(&[(text.to_owned(), origin.to_owned())])
    }

    /// Parses and validates the parts of a catalog: texts with the names that they have in errors. A source of one part may
    /// have metrics in another.
    pub fn parse_all(parts: &[(String, String)]) -> Result<Self, CatalogError> {
        let mut read = file::Entries::default();
        for (text, origin) in parts {
            read.add(text, origin)?;
        }
        let origin = parts.iter().map(|(_, origin)| origin.as_str()).collect::<Vec<_>>().join(", ");
        let file::Entries { sources, mut metrics, tables, origins } = read;
        if metrics.is_empty() {
            return Err(CatalogError::Empty { origin });
        }
        let refused = |entry: String, reason| {
            let origin = origins.get(&entry).unwrap_or(&origin).clone();
            CatalogError::Entry { origin, entry, reason }
        };
        source::resolve(&sources, &mut metrics, &tables).map_err(|(entry, reason)| refused(entry, reason))?;
        for (index, metric) in metrics.iter().enumerate() {
            metric.validate().map_err(|reason| refused(metric.name.to_string(), reason))?;
            if metrics[..index].iter().any(|earlier| earlier.name == metric.name) {
                return Err(refused(metric.name.to_string(), "another entry has the same name".to_owned()));
            }
        }
        let mut digest = Sha256::new();
        parts.iter().for_each(|(text, _)| digest.update(text));
        let version = hex::encode(&digest.finalize()[..6]);
        let with = |entities: Option<&Entities>, sources: Vec<Self>| {
            let is_of_it = |metric: &&MetricSpec| metric.source_of_entities() == entities.map(Entities::name);
            let (modelled, ruled): (Vec<_>, Vec<_>) =
                metrics.iter().filter(is_of_it).cloned().partition(|metric| metric.rules.is_empty());
            Self {
                modelled: modelled.len(),
                metrics: [modelled, ruled].concat(),
                entities: entities.cloned(),
                sources,
                version: version.clone(),
                origin: origin.clone(),
            }
        };
        let of_entities = sources.iter().filter_map(Source::entities);
        let sources = of_entities.map(|entities| with(Some(&entities), Vec::new())).collect();
        Ok(with(None, sources))
    }

    /// The name of its source, and the beginning of the names of its tables: `usage` for the metrics of customers.
    pub fn name(&self) -> &str {
        self.entities.as_ref().map_or(USAGE, |entities| entities.name().as_str())
    }

    /// The source of its metrics, if they are of entities.
    pub fn entities(&self) -> Option<&Entities> {
        self.entities.as_ref()
    }

    /// The metrics of customers, and the sources with entities. Those without a metric are left out.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.sources).filter(|catalog| !catalog.metrics.is_empty())
    }

    /// The catalog of a source.
    pub fn of(&self, source: &str) -> Option<&Self> {
        self.all().find(|catalog| catalog.name() == source)
    }

    /// A metric of any source.
    pub fn find(&self, name: &str) -> Option<&MetricSpec> {
        self.all().find_map(|catalog| catalog.get(name))
    }

    /// The customer, and the entity, that a key of the rollup stands for.
    pub fn who(&self, key: &CustomerId) -> (CustomerId, Option<EntityPath>) {
        if self.entities.is_some() { key.split() } else { (key.clone(), None) }
    }

    /// The metrics that models judge.
    pub fn modelled(&self) -> &[MetricSpec] {
        &self.metrics[..self.modelled]
    }

    /// The metrics that rules judge. Their places come after those of the others.
    pub fn ruled(&self) -> &[MetricSpec] {
        &self.metrics[self.modelled..]
    }

    /// Its metrics, those that models judge before those that rules judge, each in the order of the file.
    pub fn metrics(&self) -> &[MetricSpec] {
        &self.metrics
    }

    pub fn get(&self, name: &str) -> Option<&MetricSpec> {
        self.metrics.iter().find(|metric| metric.name.as_str() == name)
    }

    /// Twelve hexadecimal digits that change with every change of the file. Each anomaly carries them.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The file, or another name of the place that the text came from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The settings of each metric, in the order of [`Catalog::metrics`]. A value of the entry replaces the
    /// deployment's value.
    pub fn settings(&self, defaults: &DetectionConfig) -> Result<Vec<Settings>, CatalogError> {
        let with_defaults = |spec: &MetricSpec| {
            spec.settings(defaults).map_err(|error| CatalogError::Entry {
                origin: "the catalog together with the deployment's settings".to_owned(),
                entry: spec.name.to_string(),
                reason: error.to_string(),
            })
        };
        self.metrics.iter().map(with_defaults).collect()
    }
}

impl MetricSpec {
    /// The name of its source, and the beginning of the names of its tables: `usage` for a metric of customers.
    pub fn source_name(&self) -> &str {
        self.source_of_entities().map_or(USAGE, SourceName::as_str)
    }

    fn source_of_entities(&self) -> Option<&SourceName> {
        self.entities.as_ref().map(Entities::name)
    }

    /// Counts and sums of usage cannot be below zero. A negative one is broken data.
    pub fn never_negative(&self) -> bool {
        matches!(self.aggregate, Aggregate::Count | Aggregate::Sum)
    }

    /// A customer's hours of the metric, from the values that the warehouse reads: NaN for an hour without events,
    /// infinity for broken data. A metric that the customer never used has the zeros of the customer. A level has gaps and no
    /// zeros, so that its first use decides nothing.
    pub fn hours(&self, first: Hour, values: &[f64], customer_since: Hour) -> Hours {
        let value = |value: &f64| Some(*value).filter(|value| !value.is_nan());
        let values: Vec<_> = values.iter().map(value).collect();
        let hours = Hours::new(self.aggregate.of_hours(), self.never_negative(), first, &values);
        let has_zeros = self.missing == Missing::Zero;
        if has_zeros && hours.first_known().is_some() { hours } else { hours.known_since(customer_since) }
    }

    /// The customer of an event, as SQL. With entities the key of the rollup: customer and names of the entity, with a
    /// separator between them.
    pub fn customer_sql(&self) -> String {
        let customer = self.tenant_sql();
        match &self.entities {
            None => customer,
            Some(entities) => entities.key_sql(&customer),
        }
    }

    /// The customer of an event alone, as SQL.
    pub fn tenant_sql(&self) -> String {
        expression::sql(&self.customer_column)
    }

    /// The time of an event, as SQL.
    pub fn time_sql(&self) -> String {
        expression::sql(&self.time_column)
    }

    /// What to look at first after a change in this direction. The steps of one direction come first.
    pub fn steps_for(&self, direction: Direction) -> Vec<String> {
        let own = match direction {
            Direction::Spike => &self.spike_steps,
            Direction::Drop => &self.drop_steps,
        };
        own.iter().chain(&self.steps).cloned().collect()
    }

    fn settings(&self, defaults: &DetectionConfig) -> Result<Settings, SettingsError> {
        let usual = defaults.thresholds;
        let settings = Settings::new(Thresholds {
            threshold: self.threshold.unwrap_or(usual.threshold),
            critical_threshold: self.critical_threshold.unwrap_or(usual.critical_threshold),
            min_samples: usual.min_samples,
            min_change: self.min_change,
            min_relative_change: self.min_relative_change.unwrap_or(usual.min_relative_change),
            min_relative_spread: self.min_relative_spread.unwrap_or(usual.min_relative_spread),
        })?;
        Ok(settings.with_detectors(defaults.detectors))
    }

    fn validate(&self) -> Result<(), String> {
        // The widest critical threshold. `Catalog::settings` checks the deployment's own defaults.
        let thresholds = Thresholds { critical_threshold: 100.0, ..Thresholds::default() };
        let widest = DetectionConfig { thresholds, ..DetectionConfig::default() };
        self.settings(&widest).map_err(|error| error.to_string())?;
        if self.unit.trim().is_empty() || self.unit.chars().any(char::is_control) {
            return Err("`unit` must be a word such as \"calls\" or \"bytes\"".to_owned());
        }
        expression::check_table(&self.table)?;
        for (key, text) in [
            ("customer_column", Some(&self.customer_column)),
            ("time_column", Some(&self.time_column)),
            ("filter", self.filter.as_ref()),
            ("value", self.value.as_ref()),
        ] {
            if let Some(text) = text {
                expression::check(text).map_err(|reason| format!("`{key}` {reason}"))?;
            }
        }
        self.validate_steps()?;
        match (self.aggregate, &self.value) {
            (Aggregate::Count, Some(_)) => Err("a count has no `value`: it counts events".to_owned()),
            (Aggregate::Rate, Some(_)) => Err("a rate has no `value`: it counts failed events".to_owned()),
            (Aggregate::Count | Aggregate::Rate, None) => Ok(()),
            (_, None) => Err("`value` is missing: say which expression is aggregated".to_owned()),
            (_, Some(_)) => Ok(()),
        }?;
        self.validate_rules()?;
        match (&self.import, self.aggregate) {
            (Some(ImportRule { property: Some(_), .. }), Aggregate::Count) => {
                Err("`import.property` has no use for a count".to_owned())
            }
            (Some(ImportRule { property: None, .. }), aggregate) if aggregate != Aggregate::Count => {
                Err("`import.property` is missing: say which property holds the value".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The name of the source whose series are of customers.
const USAGE: &str = "usage";

fn metric_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<MetricName, D::Error> {
    let text = String::deserialize(deserializer)?;
    MetricName::new(text).map_err(serde::de::Error::custom)
}

fn default_table() -> String {
    "events".to_owned()
}

fn default_customer_column() -> String {
    "customer_id".to_owned()
}

fn default_time_column() -> String {
    "timestamp".to_owned()
}

#[cfg(test)]
mod tests;
