//! How the events of a window become one value.

use serde::{Deserialize, Serialize};

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
}

impl Aggregate {
    /// How the hours of a window make its value.
    pub(crate) fn of_hours(self) -> detection::Aggregate {
        match self {
            Self::Count => detection::Aggregate::Count,
            Self::Sum => detection::Aggregate::Sum,
            Self::Max => detection::Aggregate::Max,
            Self::Min => detection::Aggregate::Min,
            // No model judges a percentile or a rate.
            Self::Avg | Self::P50 | Self::P95 | Self::P99 | Self::Rate => detection::Aggregate::Mean,
        }
    }

    /// Whether rules must judge a metric of it: models do not.
    pub fn needs_rules(self) -> bool {
        self.percentile().is_some() || self == Self::Rate
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
        }
    }
}
