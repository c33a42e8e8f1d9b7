//! Customers whose clocks may have changed: rows of several calendars become rows of their mean.
//!
//! Each calendar is weighted by how well it explains the usage so far (Bayesian model averaging: J. A. Hoeting et al.,
//! Statistical Science 14, 1999). Right after a change nothing is known, and the hours at which a working day begins and
//! ends may be busy or quiet. A working day later the usage has told.

use super::{HourModel, WindowModel};
use crate::calendar::Calendar;

/// Hours that follow each other are alike. So many of them tell as much as one.
const ALIKE: f64 = 8.0;

/// A calendar that is less plausible than this does not count.
const LEAST: f64 = 0.01;

/// The plausibility of calendars, with a sum of one. The first one is half of what is believed at first.
///
/// * `values`: the transformed hours of the span, NaN for gaps.
pub(super) fn plausibilities(calendars: &[&Calendar], values: &[f64]) -> Vec<f64> {
    let misfits: Vec<(f64, f64)> = calendars.iter().map(|calendar| misfit(calendar, values)).collect();
    let least = misfits.iter().map(|(_, misfit)| *misfit).fold(f64::INFINITY, f64::min);
    let others = calendars.len().saturating_sub(1).max(1) as f64;
    let weigh = |(place, (count, misfit)): (usize, &(f64, f64))| {
        let prior = if place == 0 { 1.0 } else { others.recip() };
        // Usage that repeats exactly has no misfit.
        let ratio = if *misfit > 0.0 { least / misfit } else { 1.0 };
        prior * ratio.powf(0.5 * count / ALIKE)
    };
    let mut weights: Vec<f64> = misfits.iter().enumerate().map(weigh).collect();
    let all: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight = if *weight < LEAST * all { 0.0 } else { *weight });
    let all: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / all).collect()
}

/// The number of hours with a value, and their squared distances from the mean of the same local hour of working days
/// or of weekends.
fn misfit(calendar: &Calendar, values: &[f64]) -> (f64, f64) {
    let mut sums = [(0.0, 0.0); 48];
    let place = |at: usize| {
        let local = calendar.span()[at];
        2 * usize::from(local.hour) + usize::from(local.is_weekend())
    };
    let known = || values.iter().copied().enumerate().filter(|(_, value)| !value.is_nan());
    for (at, value) in known() {
        let (count, sum) = &mut sums[place(at)];
        *count += 1.0;
        *sum += value;
    }
    let square = |(at, value): (usize, f64)| {
        let (count, sum) = sums[place(at)];
        (value - sum / count).powi(2)
    };
    (sums.iter().map(|(count, _)| count).sum(), known().map(square).sum())
}

/// The mean of rows. A difference between their expectations widens the spread.
///
/// The rest of a row is that of the most plausible calendar.
pub(super) fn mixed(rows: &[(f64, HourModel)]) -> Option<HourModel> {
    let (_, most) = rows.iter().max_by(|one, other| one.0.total_cmp(&other.0))?;
    let mut mixed = *most;
    for (place, window) in mixed.windows.iter_mut().enumerate() {
        let windows: Vec<(f64, &WindowModel)> =
            rows.iter().filter_map(|(weight, row)| Some((*weight, row.windows[place].as_ref()?))).collect();
        if let Some(window) = window {
            (window.expected, window.spread) = moments(&windows);
        }
    }
    let known = rows.iter().filter_map(|(weight, row)| Some((*weight, row.before?)));
    let (all, sum) =
        known.fold((0.0, 0.0), |(all, sum), (weight, before)| (all + weight, sum + weight * before));
    mixed.before = (all > 0.0).then(|| sum / all);
    Some(mixed)
}

/// Mean and standard deviation of a mixture.
fn moments(windows: &[(f64, &WindowModel)]) -> (f64, f64) {
    let all: f64 = windows.iter().map(|(weight, _)| weight).sum();
    let mean = |of: &dyn Fn(&WindowModel) -> f64| {
        windows.iter().map(|(weight, window)| weight * of(window)).sum::<f64>() / all
    };
    let expected = mean(&|window| window.expected);
    let variance = mean(&|window| window.spread.powi(2) + (window.expected - expected).powi(2));
    (expected, variance.sqrt())
}
