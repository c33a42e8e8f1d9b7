//! A metric of the catalog: what it counts, how its value is computed, and what it needs.

use detection::{
    AnomalyKind, Direction, Hour, Hours, MetricName, Missing, Settings, SettingsError, Thresholds,
};
use serde::Deserialize;

use super::{Aggregate, Entities, MetricRule, SourceName, USAGE};
use crate::{DetectionConfig, expression};

/// One metric: where its events are, and how its value is computed.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MetricSpec {
    #[serde(deserialize_with = "metric_name")]
    #[cfg_attr(feature = "json-schema", schemars(with = "SourceName"))]
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
    /// What the sum of `value` is divided by, summed up too. Only for ratios.
    pub per: Option<String>,
    /// Whether the value is a counter that only rises and begins again at zero. Its steps count then. `per` is a counter, too.
    #[serde(default)]
    pub counter: bool,
    /// Which counter of the entity a row is of.
    pub series: Option<String>,
    pub aggregate: Aggregate,
    /// The fixed conditions that judge the metric. Without any, models judge it.
    #[serde(default, rename = "rule")]
    pub rules: Vec<MetricRule>,
    /// The trained network that votes on the metric, by its name in the file of networks.
    #[serde(default, deserialize_with = "network_name")]
    #[cfg_attr(feature = "json-schema", schemars(with = "Option<SourceName>"))]
    pub network: Option<MetricName>,
    /// The entities of its source. Filled in here.
    #[serde(skip)]
    pub entities: Option<Entities>,
    pub missing: Missing,
    pub min_change: f64,
    pub threshold: Option<f64>,
    pub critical_threshold: Option<f64>,
    pub min_relative_change: Option<f64>,
    pub min_relative_spread: Option<f64>,
    /// The price of one unit.
    pub price: Option<f64>,
    /// Least cost of a change that matters, in the currency of the catalog.
    pub min_cost: Option<f64>,
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
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ImportRule {
    pub event_type: String,
    /// The JSON property that holds the value. None for counts, because the event itself is the value.
    pub property: Option<String>,
}

impl MetricSpec {
    /// The name of its source, and the beginning of the names of its tables: `usage` for a metric of customers.
    pub fn source_name(&self) -> &str {
        self.source_of_entities().map_or(USAGE, SourceName::as_str)
    }

    pub(super) fn source_of_entities(&self) -> Option<&SourceName> {
        self.entities.as_ref().map(Entities::name)
    }

    /// The expressions that may hold functions of the catalog.
    pub(super) fn expressions_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.value.iter_mut().chain(&mut self.per).chain(&mut self.filter)
    }

    /// Counts and sums of usage cannot be below zero. A negative one is broken data.
    pub fn never_negative(&self) -> bool {
        matches!(self.aggregate, Aggregate::Count | Aggregate::Sum)
    }

    /// Whether usage of the metric can be paid by the unit: the values of its hours add up.
    pub fn adds_up(&self) -> bool {
        self.never_negative() && self.rules.is_empty()
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

    pub(super) fn settings(&self, defaults: &DetectionConfig) -> Result<Settings, SettingsError> {
        let usual = defaults.thresholds;
        let settings = Settings::new(Thresholds {
            threshold: self.threshold.unwrap_or(usual.threshold),
            critical_threshold: self.critical_threshold.unwrap_or(usual.critical_threshold),
            min_samples: usual.min_samples,
            min_change: self.min_change,
            min_relative_change: self.min_relative_change.unwrap_or(usual.min_relative_change),
            min_relative_spread: self.min_relative_spread.unwrap_or(usual.min_relative_spread),
            price: self.price,
            min_cost: self.min_cost.unwrap_or(usual.min_cost),
        })?;
        Ok(settings.with_detectors(defaults.detectors))
    }

    pub(super) fn validate(&self) -> Result<(), String> {
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
            ("per", self.per.as_ref()),
            ("series", self.series.as_ref()),
        ] {
            if let Some(text) = text {
                expression::check(text).map_err(|reason| format!("`{key}` {reason}"))?;
            }
        }
        self.validate_steps()?;
        self.validate_aggregate()?;
        self.validate_counter()?;
        self.validate_rules()?;
        if self.price.is_some() && !self.adds_up() {
            return Err(format!("`price` {ADDS_UP}"));
        }
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

/// Which metrics have prices and budgets.
pub(crate) const ADDS_UP: &str =
    "needs a metric whose hours add up: of `aggregate` count or sum, and without rules";

fn metric_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<MetricName, D::Error> {
    let text = String::deserialize(deserializer)?;
    MetricName::new(text).map_err(serde::de::Error::custom)
}

fn network_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<MetricName>, D::Error> {
    metric_name(deserializer).map(Some)
}

fn default_table() -> String {
    "events".to_owned()
}

pub(super) fn default_customer_column() -> String {
    "customer_id".to_owned()
}

pub(super) fn default_time_column() -> String {
    "timestamp".to_owned()
}
