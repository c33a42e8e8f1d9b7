//! The scale in which a series has about the same noise everywhere.
//!
//! The square root makes the variance of counts constant (M. S. Bartlett, "The Square Root Transformation in Analysis
//! of Variance", 1936). The inverse hyperbolic sine is linear near zero and a logarithm far from zero, for values of
//! either sign.

use serde::{Deserialize, Serialize};

use crate::hours::Aggregate;

/// A function that grows with its argument, and has an inverse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// The value itself.
    Plain,
    /// The square root. Only for values that are never negative.
    Root,
    /// asinh(value / scale). The scale is above zero, in the metric's unit.
    Asinh { scale: f64 },
}

/// Sizes beyond this have no inverse that is a number.
const LARGEST_ASINH: f64 = 600.0;

impl Transform {
    pub fn apply(self, value: f64) -> f64 {
        match self {
            Self::Plain => value,
            Self::Root => value.max(0.0).sqrt(),
            Self::Asinh { scale } => (value / scale).asinh(),
        }
    }

    /// The value of a transformed one. A root below zero is the value zero.
    pub fn inverse(self, transformed: f64) -> f64 {
        match self {
            Self::Plain => transformed,
            Self::Root => transformed.max(0.0) * transformed.max(0.0),
            Self::Asinh { scale } => {
                (scale * transformed.clamp(-LARGEST_ASINH, LARGEST_ASINH).sinh()).clamp(f64::MIN, f64::MAX)
            }
        }
    }

    /// A spread in the metric's unit at a transformed level, in this scale: times the slope of the function there.
    ///
    /// The spread is a function of the level in the metric's unit.
    pub(crate) fn spread_at(self, transformed: f64, spread: impl Fn(f64) -> f64) -> f64 {
        let level = self.inverse(transformed);
        match self {
            Self::Plain => spread(level),
            Self::Root if transformed <= 0.0 => 0.0,
            Self::Root => spread(level) / (2.0 * transformed),
            Self::Asinh { scale } => spread(level) / level.hypot(scale),
        }
    }

    /// The least spread of one value in this scale: a share of the expected level, and the noise of a count.
    pub(crate) fn least_spread(self, expected: f64, aggregate: Aggregate, share: f64) -> f64 {
        let relative = self.spread_at(expected, |level| share * level.abs());
        let of_count = match (aggregate, self) {
            (Aggregate::Count, Self::Root) => 0.5,
            (Aggregate::Count, _) => self.spread_at(expected, |level| level.abs().sqrt()),
            _ => 0.0,
        };
        relative.max(of_count)
    }
}
