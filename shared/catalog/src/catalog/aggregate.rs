//! How the events of a window become one value.

use serde::{Deserialize, Serialize};

use super::MetricSpec;

/// How the events of a window become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    Count,
    Sum,
    Max,
    Min,
    Avg,
    /// The value that half of the events do not exceed. Percentiles are within 2.5 % of the exact ones.
    P50,
    P95,
    P99,
    /// The share of failed events, from 0 to 1.
    Rate,
    /// The sum of `value` divided by the sum of `per`. None where `per` sums to zero.
    Ratio,
    /// The value of the newest event: a level.
    Last,
    /// The number of different texts of `value`, within 2 %.
    Distinct,
    /// The texts of `value` that were not seen before.
    Novel,
}

impl Aggregate {
    /// How the hours of a window make its value.
    pub(crate) fn of_hours(self) -> detection::Aggregate {
        match self {
            Self::Count => detection::Aggregate::Count,
            Self::Sum => detection::Aggregate::Sum,
            Self::Max => detection::Aggregate::Max,
            Self::Min => detection::Aggregate::Min,
            Self::Last => detection::Aggregate::Last,
            // No model judges a percentile, a rate, a ratio or texts.
            Self::Avg
            | Self::P50
            | Self::P95
            | Self::P99
            | Self::Rate
            | Self::Ratio
            | Self::Distinct
            | Self::Novel => detection::Aggregate::Mean,
        }
    }

    /// Whether rules must judge a metric of it: models do not.
    pub fn needs_rules(self) -> bool {
        self.percentile().is_some() || matches!(self, Self::Rate | Self::Ratio) || self.is_of_texts()
    }

    /// Whether the sizes of single values mean something: not those of texts, nor of the parts of a ratio.
    pub fn has_sizes(self) -> bool {
        !self.is_of_texts() && self != Self::Ratio
    }

    /// Whether the value of a window lies among those of its events. So the smallest and the largest one of them say what it reached.
    pub fn is_among_values(self) -> bool {
        matches!(self, Self::Avg | Self::Last)
    }

    /// Whether its `value` is a text.
    pub fn is_of_texts(self) -> bool {
        matches!(self, Self::Distinct | Self::Novel)
    }

    /// Whether only the rollup of a source with entities holds what it needs.
    pub fn needs_entities(self) -> bool {
        self.is_of_texts() || matches!(self, Self::Ratio | Self::Last)
    }

    /// The share of events at or below a percentile.
    pub fn percentile(self) -> Option<f64> {
        match self {
            Self::P50 => Some(0.5),
            Self::P95 => Some(0.95),
            Self::P99 => Some(0.99),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Max => "max",
            Self::Min => "min",
            Self::Avg => "avg",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Rate => "rate",
            Self::Ratio => "ratio",
            Self::Last => "last",
            Self::Distinct => "distinct",
            Self::Novel => "novel",
        }
    }
}

impl MetricSpec {
    /// An aggregate has the expressions that it needs, and no others.
    pub(super) fn validate_aggregate(&self) -> Result<(), String> {
        let name = self.aggregate.as_str();
        match (self.aggregate, &self.value) {
            (Aggregate::Count, Some(_)) => Err("a count has no `value`: it counts events".to_owned()),
            (Aggregate::Rate, Some(_)) => Err("a rate has no `value`: it counts failed events".to_owned()),
            (Aggregate::Count | Aggregate::Rate, None) => Ok(()),
            (_, None) => Err("`value` is missing: say which expression is aggregated".to_owned()),
            (_, Some(_)) => Ok(()),
        }?;
        match (self.aggregate, &self.per) {
            // Of a counter it is the rate per second.
            (Aggregate::Ratio, None) if self.counter => Ok(()),
            (Aggregate::Ratio, None) => {
                Err("`per` is missing: say by which expression a ratio divides".to_owned())
            }
            (Aggregate::Ratio, Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => Err(format!("`per` has no use for `aggregate = \"{name}\"`: it is of a ratio")),
        }?;
        if self.aggregate.needs_entities() && self.entities.is_none() {
            return Err(format!("`aggregate = \"{name}\"` needs a `source` that has an `entity`"));
        }
        Ok(())
    }
}
