//! The classical detector: the z-score, `(current - mean) / stddev`, with the sample standard deviation of the customer's
//! own earlier windows. Alone it would page for every tiny customer that does anything unusual, so a change must also
//! pass two floors, one in the metric's unit and one relative to the mean.

use crate::baseline::Values;
use crate::{Baseline, Comparison, Direction, Finding, Reason, Series, Settings, Severity, Verdict};

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
    let passes_floors = settings.passes_floors(change, mean);
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

#[cfg(test)]
mod tests;
