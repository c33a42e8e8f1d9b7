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

/// Hours of a day are alike up to this share of the noise's variance: 0.3 of its deviation.
const FLAT: f64 = 0.09;

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

/// Whether the hours of a day are about alike, so that a change of clocks moves no expectation by as much as the noise.
///
/// The deviation of the hours of a day among each other, without what noise gives their means, is compared with the noise
/// (random effects of one factor: S. R. Searle et al., "Variance Components", 1992).
pub(super) fn is_flat(calendar: &Calendar, values: &[f64]) -> bool {
    let days = Days::of(calendar, values);
    let (hours, misfit) = days.misfit(calendar, values);
    let noise = misfit / (hours - days.cells.len() as f64).max(1.0);
    let of_class = |class: usize| {
        let cells = || days.cells.iter().skip(class).step_by(2).filter(|(count, _)| *count > 0.0);
        let (cells_known, count, sum) = cells()
            .fold((0.0, 0.0, 0.0), |(cells, all, sums), (count, sum)| (cells + 1.0, all + count, sums + sum));
        let between = cells().map(|(of, total)| of * (total / of - sum / count).powi(2)).sum::<f64>();
        let of_hours = (between / (cells_known - 1.0) - noise) * cells_known / count;
        cells_known < 2.0 || of_hours <= FLAT * noise
    };
    (0..2).all(of_class)
}

/// The number of hours with a value, and their squared distances from the mean of the same local hour of working days
/// or of weekends.
fn misfit(calendar: &Calendar, values: &[f64]) -> (f64, f64) {
    Days::of(calendar, values).misfit(calendar, values)
}

/// Counts and sums of the local hours: of working days at even places, of weekends at odd ones.
struct Days {
    cells: [(f64, f64); 48],
}

impl Days {
    fn of(calendar: &Calendar, values: &[f64]) -> Self {
        let mut cells = [(0.0, 0.0); 48];
        for (at, value) in known(values) {
            let (count, sum) = &mut cells[cell_of(calendar, at)];
            *count += 1.0;
            *sum += value;
        }
        Self { cells }
    }

    fn misfit(&self, calendar: &Calendar, values: &[f64]) -> (f64, f64) {
        let square = |(at, value): (usize, f64)| {
            let (count, sum) = self.cells[cell_of(calendar, at)];
            (value - sum / count).powi(2)
        };
        (self.cells.iter().map(|(count, _)| count).sum(), known(values).map(square).sum())
    }
}

fn cell_of(calendar: &Calendar, at: usize) -> usize {
    let local = calendar.span()[at];
    2 * usize::from(local.hour) + usize::from(local.is_weekend())
}

fn known(values: &[f64]) -> impl Iterator<Item = (usize, f64)> {
    values.iter().copied().enumerate().filter(|(_, value)| !value.is_nan())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hour;

    /// Noise with a deviation of one, the same for each seed (splitmix64).
    fn noise(seed: usize, place: usize) -> f64 {
        let mixed = ((seed * 1_000 + place) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (f64::from((mixed ^ mixed >> 31) as u32) / f64::from(u32::MAX) - 0.5) * 12_f64.sqrt()
    }

    #[test]
    fn hours_of_a_day_are_alike_or_not() {
        let calendar = Calendar::undeclared(Hour::holding("2026-11-03T00:00:00Z".parse().unwrap()));
        let share = |shape: fn(usize) -> f64| {
            let of = |seed: usize| {
                let values: Vec<_> =
                    (0..Calendar::SPAN).map(|place| shape(place % 24) + noise(seed, place)).collect();
                is_flat(&calendar, &values)
            };
            (0..200).filter(|seed| of(*seed)).count()
        };
        assert!(share(|_| 20.0) >= 190, "{}", share(|_| 20.0));
        assert_eq!(share(|hour| if (8..18).contains(&hour) { 22.0 } else { 20.0 }), 0, "a working day");
        assert_eq!(share(|hour| if hour == 3 { 26.0 } else { 20.0 }), 0, "a nightly job");
        let of =
            |value: fn(usize) -> f64| is_flat(&calendar, &(0..Calendar::SPAN).map(value).collect::<Vec<_>>());
        assert!(of(|_| 5.0) && of(|_| f64::NAN));
        assert!(!of(|place| (place % 24) as f64), "without noise");
    }
}
