//! The opinion of one detector about a series. One type serves all detectors. A new detector is a file, a variant of
//! [`Detail`] and its words.

use serde::{Deserialize, Serialize};

/// A detector's opinion about the current window. Every number in it is finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Distance of the value from the expected values, in spreads. Negative below, at most [`Opinion::CAP`] either way.
    pub score: f64,
    pub expected: Expected,
    pub detail: Detail,
}

/// The usual values, in the metric's unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    pub low: f64,
    pub high: f64,
}

/// The detector, and the values that only it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "detector", rename_all = "snake_case")]
pub enum Detail {
    ZScore {
        /// The earlier windows have no meaningful spread, so other rules decided.
        constant_baseline: bool,
    },
    /// A window of so many hours beside the same local hours of the days before.
    Seasonal { hours: u8 },
    /// An hour beside the hour before.
    Autoregressive,
    /// The first use of a metric by a customer that is known for longer.
    NewUsage,
}

impl Opinion {
    /// No stored or shown score is beyond this, so one odd series cannot dwarf a chart.
    pub const CAP: f64 = 100.0;

    pub fn is_finite(&self) -> bool {
        [self.score, self.expected.low, self.expected.high].iter().all(|number| number.is_finite())
    }
}

impl Expected {
    /// The range of `reach` around `middle`. Not below zero for values that cannot be negative.
    pub fn around(middle: f64, reach: f64, never_negative: bool) -> Self {
        let low = middle - reach;
        Self { low: if never_negative { low.max(0.0) } else { low }, high: middle + reach }
    }

    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}
