//! The scale in which a series has about the same noise everywhere.
//!
//! The square root makes the variance of counts constant (M. S. Bartlett, "The Square Root Transformation in Analysis
//! of Variance", 1936). The inverse hyperbolic sine is linear near zero and a logarithm far from zero, for values of
//! either sign.
//!
//! A root ends at zero, so a silence is never farther than the expected root. That is too near to tell a noisy customer that
//! fell silent. Over several hours a distance below half of the expected root is therefore that of the logarithm, which goes
//! on from there with the same value and the same slope.

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

/// Windows of so many hours hold usage of any customer that still is one, so their falls count by the logarithm.
const HOURS_OF_FALLS: usize = 6;

/// The logarithm of a fall ends at this share of the expected root, and for counts at one event.
const LEAST_SHARE: f64 = 1.0 / 40.0;

/// Sizes beyond this have no inverse that is a number.
const LARGEST_ASINH: f64 = 600.0;

/// The logarithm of a fall.
struct Falls {
    /// Half of the expected root, from which on it counts.
    half: f64,
    /// Is added to each value, so that zero has a logarithm. Above zero.
    least: f64,
}

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

    /// How far the value of a window of some hours lies from a transformed expectation, in this scale.
    pub(crate) fn distance(self, value: f64, expected: f64, hours: usize, aggregate: Aggregate) -> f64 {
        let distance = self.apply(value) - expected;
        match self.falls(expected, hours, aggregate) {
            Some(Falls { half, least }) => {
                let root = (value.max(0.0) + least).sqrt();
                if root < half { distance.min(-half * (1.0 + (half / root).ln())) } else { distance }
            }
            None => distance,
        }
    }

    /// The value at a [`distance`](Self::distance) from a transformed expectation. Zero if every value is nearer.
    pub(crate) fn at_distance(self, distance: f64, expected: f64, hours: usize, aggregate: Aggregate) -> f64 {
        let value = self.inverse(expected + distance);
        match self.falls(expected, hours, aggregate) {
            Some(Falls { half, least }) if distance < -half => {
                let root = half * (1.0 + distance / half).exp();
                value.max(root * root - least)
            }
            _ => value,
        }
    }

    /// How falls below half of an expected root count. `None` where they count as in this scale.
    fn falls(self, expected: f64, hours: usize, aggregate: Aggregate) -> Option<Falls> {
        if self != Self::Root || hours < HOURS_OF_FALLS || expected <= 0.0 {
            return None;
        }
        let least = (LEAST_SHARE * expected).powi(2);
        let least = if aggregate == Aggregate::Count { least.max(1.0) } else { least };
        Some(Falls { half: expected / 2.0, least })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGGREGATES: [Aggregate; 2] = [Aggregate::Count, Aggregate::Sum];

    #[test]
    fn a_silence_of_many_hours_is_farther_than_the_root_of_its_expectation() {
        // 400 are expected. Half of the root is 10, and ln 10 and ln 20 are 2.303 and 2.996.
        let distance = |value, hours, aggregate| Transform::Root.distance(value, 20.0, hours, aggregate);
        for hours in [6, 24] {
            assert!((distance(0.0, hours, Aggregate::Count) + 33.026).abs() < 1e-3);
            assert!((distance(0.0, hours, Aggregate::Sum) + 39.957).abs() < 1e-3);
            assert!((distance(24.0, hours, Aggregate::Count) + 16.931).abs() < 1e-3);
            // Down to a quarter of the expectation, and above it, the distance is that of roots.
            assert_eq!(distance(100.0, hours, Aggregate::Sum), -10.0);
            assert_eq!(distance(900.0, hours, Aggregate::Sum), 10.0);
        }
        for hours in [1, 3] {
            assert_eq!(distance(0.0, hours, Aggregate::Count), -20.0);
        }
        let asinh = Transform::Asinh { scale: 2.0 };
        assert_eq!(asinh.distance(0.0, 3.0, 24, Aggregate::Sum), -3.0);
        assert_eq!(Transform::Plain.distance(0.0, 3.0, 24, Aggregate::Sum), -3.0);
    }

    proptest! {
        #[test]
        fn a_distance_grows_with_its_value_and_leads_back_to_it(
            expected in 0.0..1e4, one in 0.0..1e8, other in 0.0..1e8, place in 0_usize..4, counts: bool,
        ) {
            let (hours, aggregate) = (crate::hours::LENGTHS[place], AGGREGATES[usize::from(counts)]);
            let distance = |value| Transform::Root.distance(value, expected, hours, aggregate);
            prop_assert!((one < other) == (distance(one) < distance(other)) || (one - other).abs() < 1e-6);
            let back = Transform::Root.at_distance(distance(one), expected, hours, aggregate);
            prop_assert!((back - one).abs() <= 1e-6 * one.max(expected * expected).max(1.0), "{back}");
        }

        #[test]
        fn every_distance_has_a_value(expected in 0.0..1e150, distance in -1e150..1e150, counts: bool) {
            let value = Transform::Root.at_distance(distance, expected, 24, AGGREGATES[usize::from(counts)]);
            prop_assert!(value >= 0.0 && value.is_finite(), "{value}");
        }
    }
}
