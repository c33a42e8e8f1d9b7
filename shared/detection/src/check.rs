//! The check: one series and its settings in, one verdict out.
//!
//! The score is the classic z-score, `(current - mean) / stddev`, with the sample standard deviation of the customer's
//! own earlier windows. Alone it would page for every tiny customer that does anything unusual, so a change must also
//! pass two floors, one in the metric's unit and one relative to the mean.

use serde::{Deserialize, Serialize};

use crate::baseline::Values;
use crate::incident::Rules;
use crate::{Baseline, Series, Settings};

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

    /// Whether a value that is no anomaly is far enough from being one for an incident of `direction` to be over: its
    /// z-score is well below the threshold, or the change is too small to matter.
    pub fn is_inside(&self, settings: &Settings, direction: Direction) -> bool {
        let deviation = self.baseline.deviation(self.current);
        let score = match direction {
            Direction::Spike => self.z_score,
            Direction::Drop => -self.z_score,
        };
        score < Rules::INSIDE * settings.threshold() || !passes_floors(deviation.abs(), self, settings)
    }
}

/// The square of a larger value may not fit a double.
const LARGEST: f64 = 1e100;

/// Compares the current window of `series` with its baseline.
///
/// Total: any input gives a verdict. The order of the baseline windows does not matter.
pub fn check(series: &Series<'_>, settings: &Settings) -> Verdict {
    let (current, values): (_, Values) = (series.current(), series.baseline().collect());
    if let Some(reason) = broken(current, &values, series.never_negative()) {
        return Verdict::Undetermined(reason);
    }
    let Some(current) = current else {
        return Verdict::Undetermined(Reason::NoData);
    };
    let excluded_windows = series.excluded_windows(settings.min_samples());
    let baseline = match excluded_windows {
        0 => Baseline::of_slice(&values),
        _ => Baseline::of(series.baseline_without(excluded_windows)),
    };
    let Some(baseline) = baseline.filter(|baseline| baseline.sample_count() >= settings.min_samples()) else {
        return Verdict::Undetermined(Reason::InsufficientData);
    };
    let Some(comparison) = compare(current, baseline, settings.threshold(), series.never_negative()) else {
        return Verdict::Undetermined(Reason::OutOfRange);
    };
    classify(Comparison { excluded_windows, ..comparison }, settings)
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

/// What is wrong with a value, the current one first, then the newest.
fn broken(current: Option<f64>, values: &[f64], never_negative: bool) -> Option<Reason> {
    let least = if never_negative { 0.0 } else { -LARGEST };
    let is_sound = |value: f64| value >= least && value <= LARGEST;
    // All of them at a time, and one by one only where one is not sound.
    if current.is_none_or(is_sound) && values.iter().fold(true, |sound, value| sound & is_sound(*value)) {
        return None;
    }
    current.into_iter().chain(values.iter().copied()).find_map(|value| {
        if !value.is_finite() {
            Some(Reason::NotFinite)
        } else if value < 0.0 && never_negative {
            Some(Reason::Negative)
        } else if value.abs() > LARGEST {
            Some(Reason::OutOfRange)
        } else {
            None
        }
    })
}

/// `None` when a result would not be finite.
fn compare(current: f64, baseline: Baseline, threshold: f64, never_negative: bool) -> Option<Comparison> {
    let constant_baseline = baseline.is_constant();
    let z_score = if constant_baseline { 0.0 } else { baseline.deviation(current) / baseline.stddev() };
    let reach = threshold * baseline.stddev();
    let low = baseline.mean() - reach;
    let comparison = Comparison {
        current,
        baseline,
        z_score: z_score.clamp(-Comparison::Z_CAP, Comparison::Z_CAP),
        expected_low: if never_negative { low.max(0.0) } else { low },
        expected_high: baseline.mean() + reach,
        constant_baseline,
        excluded_windows: 0,
    };
    let finite = baseline.is_finite()
        && !z_score.is_nan()
        && comparison.expected_low.is_finite()
        && comparison.expected_high.is_finite();
    finite.then_some(comparison)
}

fn classify(comparison: Comparison, settings: &Settings) -> Verdict {
    let deviation = comparison.baseline.deviation(comparison.current);
    let (change, mean) = (deviation.abs(), comparison.baseline.mean().abs());
    let passes_floors = passes_floors(change, &comparison, settings);
    let direction = if deviation > 0.0 { Direction::Spike } else { Direction::Drop };

    if comparison.constant_baseline {
        // Rounding noise around a constant is no change, also where both floors are zero.
        if !passes_floors || change <= Baseline::CONSTANT_SPREAD * mean {
            return Verdict::Normal(comparison);
        }
        let critical = change >= mean && change >= 10.0 * settings.min_change();
        return Verdict::Anomalous(Finding {
            comparison: Comparison { z_score: Comparison::Z_CAP.copysign(deviation), ..comparison },
            severity: if critical { Severity::Critical } else { Severity::Warning },
            direction,
        });
    }
    let score = comparison.z_score.abs();
    if score < settings.threshold() || !passes_floors {
        return Verdict::Normal(comparison);
    }
    let critical = score >= settings.critical_threshold();
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Verdict::Anomalous(Finding { comparison, severity, direction })
}

fn passes_floors(change: f64, comparison: &Comparison, settings: &Settings) -> bool {
    let mean = comparison.baseline.mean().abs();
    change >= settings.min_change() && change >= settings.min_relative_change() * mean
}

#[cfg(test)]
mod tests;
