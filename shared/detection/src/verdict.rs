//! The result of a check: normal, anomalous, or undetermined with a reason.

use serde::{Deserialize, Serialize};

use crate::{Baseline, Settings};

/// The result of a check. Flat usage, no history and broken data are ordinary verdicts and not errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Normal(Comparison),
    Anomalous(Finding),
    Undetermined(Reason),
}

/// The current window beside its baseline. Every number in it is finite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Usage in the current window, in the metric's unit.
    pub current: f64,
    pub baseline: Baseline,
    /// Standard deviations from the mean, capped to +-[`Comparison::Z_CAP`]. For a constant baseline 0 or +-cap.
    pub z_score: f64,
    /// `mean - threshold * stddev`, not below 0 where a value cannot be negative.
    pub expected_low: f64,
    /// `mean + threshold * stddev`.
    pub expected_high: f64,
    /// The earlier windows were all alike, so the z-score has no meaning and other rules decided.
    pub constant_baseline: bool,
    /// Earlier windows that were left out, because an incident was in them.
    #[serde(default)]
    pub excluded_windows: usize,
}

/// An anomaly's comparison with its classification.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub comparison: Comparison,
    pub severity: Severity,
    pub direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Spike,
    Drop,
}

/// Why a series could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The current window is a gap.
    NoData,
    /// Fewer baseline values than `min_samples`.
    InsufficientData,
    /// A value is NaN or infinite: broken data.
    NotFinite,
    /// A count or sum is negative: broken data.
    Negative,
    /// Values beyond 1e100: their squares do not fit a double.
    OutOfRange,
}

impl Comparison {
    /// No z-score that is stored or shown is beyond this, so that one odd series cannot dwarf a chart.
    pub const Z_CAP: f64 = 100.0;

    /// A value is back inside below this share of the threshold, so that an incident does not flicker around it.
    pub const INSIDE: f64 = 0.7;

    /// Whether a value that is no anomaly is far enough from being one for an incident of `direction` to be over: its
    /// z-score is well below the threshold, or the change is too small to matter.
    pub fn is_inside(&self, settings: &Settings, direction: Direction) -> bool {
        let deviation = self.baseline.deviation(self.current);
        let score = match direction {
            Direction::Spike => self.z_score,
            Direction::Drop => -self.z_score,
        };
        let share = Self::INSIDE * settings.threshold();
        score < share || !settings.passes_floors(deviation, self.baseline.mean())
    }
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Direction {
    pub const BOTH: [Self; 2] = [Self::Spike, Self::Drop];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Drop => "drop",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|direction| direction.as_str() == text)
    }
}

impl Reason {
    /// Whether the data itself is broken and somebody should look at its source, not at the customer.
    pub fn is_quarantine(self) -> bool {
        matches!(self, Self::NotFinite | Self::Negative | Self::OutOfRange)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::InsufficientData => "insufficient_data",
            Self::NotFinite => "not_finite",
            Self::Negative => "negative",
            Self::OutOfRange => "out_of_range",
        }
    }
}
