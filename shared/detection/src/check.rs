//! The check: one series and its settings in, one verdict out.

use crate::detectors::{new_usage, z_score};
use crate::{Baseline, Comparison, Direction, Finding, Reason, Series, Settings, Severity, Verdict};

/// Compares the current window of `series` with its baseline.
///
/// Total: any input gives a verdict. The order of the baseline windows does not matter.
pub fn check(series: &Series<'_>, settings: &Settings) -> Verdict {
    let Some(current) = series.current() else {
        return Verdict::Undetermined(Reason::NoData);
    };
    if let Some(reason) = series.fault() {
        return Verdict::Undetermined(reason);
    }
    let excluded_windows = series.excluded_windows(settings.min_samples());
    let baseline = Baseline::of_slice(&series.values_without(excluded_windows));
    let Some(baseline) = baseline.filter(|baseline| baseline.sample_count() >= settings.min_samples()) else {
        return first_use(series, current, settings);
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

/// The verdict where too few windows count to compare with.
fn first_use(series: &Series<'_>, current: f64, settings: &Settings) -> Verdict {
    let opinion = new_usage::judge(current, series.never_negative(), settings.floors())
        .filter(|_| series.is_first_use(settings.min_samples()));
    let Some(opinion) = opinion else {
        return Verdict::Undetermined(Reason::InsufficientData);
    };
    let baseline = Baseline::NONE;
    let comparison = Comparison { current, baseline, z_score: opinion.score, excluded_windows: 0, opinion };
    let direction = Direction::of(current);
    Verdict::Anomalous(Finding { comparison, severity: Severity::Warning, direction })
}

#[cfg(test)]
mod tests;
