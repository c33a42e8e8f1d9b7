//! The result of a check: normal, anomalous, or undetermined with a reason.

use serde::{Deserialize, Serialize};

use crate::{Baseline, Detail, Opinion};

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
    /// Spreads from the mean, capped to +-[`Opinion::CAP`]. For a constant baseline 0 or +-cap.
    pub z_score: f64,
    /// Earlier windows that were left out because an incident was in them.
    pub excluded_windows: usize,
    /// The opinion that decided.
    pub opinion: Opinion,
}

/// An anomaly's comparison with its classification.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub comparison: Comparison,
    pub severity: Severity,
    pub direction: Direction,
}

/// Critical anomalies are alerted. Warnings are alerted only if the deployment says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AnomalySeverity))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    Critical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Spike,
    Drop,
}

/// The reason why a series could not be judged. `no_data`: no data in the period. `insufficient_data`: too few earlier
/// values. `not_finite`, `negative`, `out_of_range`: the data is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = Undetermined))]
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
    /// A value beyond 1e100. Its square does not fit a double.
    OutOfRange,
}

impl Verdict {
    /// The finding of an anomaly.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Self::Anomalous(finding) => Some(finding),
            Self::Normal(_) | Self::Undetermined(_) => None,
        }
    }

    /// The figures of a verdict. `None` without one.
    pub fn comparison(&self) -> Option<&Comparison> {
        match self {
            Self::Normal(comparison) | Self::Anomalous(Finding { comparison, .. }) => Some(comparison),
            Self::Undetermined(_) => None,
        }
    }
}

impl Comparison {
    /// Whether the earlier windows have no meaningful spread, so that other rules decided.
    pub fn constant_baseline(&self) -> bool {
        matches!(self.opinion.detail, Detail::ZScore { constant_baseline: true })
    }

    /// Whether it is a first use, which has no earlier windows to compare with.
    pub fn is_new_usage(&self) -> bool {
        self.opinion.detail == Detail::NewUsage
    }

    /// Whether it is of all customers together.
    pub fn is_of_all_customers(&self) -> bool {
        matches!(self.opinion.detail, Detail::Together { .. })
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

    /// The direction of a deviation from the mean.
    pub fn of(deviation: f64) -> Self {
        if deviation > 0.0 { Self::Spike } else { Self::Drop }
    }

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

/// The square of a larger value may not fit a double.
const LARGEST: f64 = 1e100;

impl Reason {
    /// Why a value is broken, if it is. `never_negative`: a negative value can only be broken data.
    pub(crate) fn of_broken(value: f64, never_negative: bool) -> Option<Self> {
        let least = if never_negative { 0.0 } else { -LARGEST };
        if value >= least && value <= LARGEST {
            None
        } else if !value.is_finite() {
            Some(Self::NotFinite)
        } else if value < 0.0 && never_negative {
            Some(Self::Negative)
        } else {
            Some(Self::OutOfRange)
        }
    }

    /// Whether the data itself is broken. Then somebody should check its source, not the customer.
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
