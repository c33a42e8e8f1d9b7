//! The check: one series and its settings in, one verdict out.

use crate::baseline::Values;
use crate::detectors::z_score;
use crate::{Baseline, Comparison, Direction, Finding, Reason, Series, Settings, Verdict};

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
    let judged =
        z_score::judge(current, &baseline, series.never_negative(), settings.z_score(), settings.floors());
    let Some((opinion, severity)) = judged else {
        return Verdict::Undetermined(Reason::OutOfRange);
    };
    let comparison = Comparison { current, baseline, z_score: opinion.score, excluded_windows, opinion };
    let direction = Direction::of(baseline.deviation(current));
    match severity {
        None => Verdict::Normal(comparison),
        Some(severity) => Verdict::Anomalous(Finding { comparison, severity, direction }),
    }
}

/// The square of a larger value may not fit a double.
const LARGEST: f64 = 1e100;

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

#[cfg(test)]
mod tests;
