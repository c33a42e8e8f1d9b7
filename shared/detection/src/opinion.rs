//! What one detector says about a series: one type for all detectors, so that the next one is a file, a variant of
//! [`Detail`] and its words.

use serde::{Deserialize, Serialize};

/// What a detector says of the current window. Every number in it is finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// How far the value is from what is expected, in spreads: negative below, at most [`Opinion::CAP`] either way.
    pub score: f64,
    pub expected: Expected,
    pub detail: Detail,
}

/// The values that are usual, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub low: f64,
    pub high: f64,
}

/// Which detector it was, and what only this detector knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "detector", rename_all = "snake_case")]
pub enum Detail {
    ZScore {
        /// The earlier windows have no spread that means anything, so other rules decided.
        constant_baseline: bool,
    },
}

impl Opinion {
    /// No score that is stored or shown is beyond this, so that one odd series cannot dwarf a chart.
    pub const CAP: f64 = 100.0;

    pub fn is_finite(&self) -> bool {
        [self.score, self.expected.low, self.expected.high].iter().all(|number| number.is_finite())
    }
}

impl Expected {
    /// So far from `middle` either way; not below zero where a value cannot be.
    pub fn around(middle: f64, reach: f64, never_negative: bool) -> Self {
        let low = middle - reach;
        Self { low: if never_negative { low.max(0.0) } else { low }, high: middle + reach }
    }

    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
