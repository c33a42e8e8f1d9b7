//! The gate for irregular customers: how far windows of a series usually rise, at whatever hour.
//!
//! A burst at an odd hour is no news for a customer that bursts at odd hours each week. For a customer that keeps to its
//! hours, a burst at night is news, even if days have larger windows. A job of the month is no news on its day.
//!
//! * A regular series must rise beyond the third-largest daily maximum of its residuals.
//! * A series bursts if three days had windows that could have paged. The largest of four weeks is exceeded about once
//!   in four weeks by nature. So such a series must rise clearly beyond the largest. This holds for the last 24 hours, too.
//!   Bursts of one size differ in length: a window of some hours must also be larger than if the busiest hour had lasted.
//! * A window must also rise twice as far as the same one of the month before, if that one stood out.

use std::ops::Range;

use super::cell::Cell;
use super::transform::Transform;
use crate::calendar::Calendar;

const WEEK: usize = 7 * Calendar::HOURS;

/// Days that count.
const DAYS: usize = 28;

/// A window beyond so many spreads is a burst.
const BURST: f64 = 5.0;

/// How many times as far as the third-largest a window must rise.
const BEYOND_USUAL: f64 = 1.15;

/// How many times as far as the largest a window must rise in a series that bursts: twice as many calls, in the scale of
/// the square root.
const BEYOND_BURSTS: f64 = 1.42;

/// How many times as far as a month ago a window must rise: a job of the month is not always equally large.
const BEYOND_MONTH: f64 = 2.0;

/// The windows of one length on the way to their gate.
pub(super) struct Gate<'a> {
    calendar: &'a Calendar,
    /// The windows' values by place, in the metric's unit.
    values: &'a [f64],
    transform: Transform,
    /// How far windows of the series rise at any hour, transformed.
    rises: Option<f64>,
    /// The value of a window in which the busiest hour of a series with bursts lasts. None of other series.
    lasting: Option<f64>,
    bursts: bool,
}

impl<'a> Gate<'a> {
    /// * The place of the length among all lengths, and the length.
    /// * The windows' values in the metric's unit, and their scale.
    /// * `residuals`: by place, transformed, NaN for windows without one.
    /// * `cells`: by hour of the day, with the spread of the windows.
    /// * `busiest`: the value of a window in which the busiest hour lasts, if hours of the series burst.
    pub(super) fn new(
        calendar: &'a Calendar,
        (place, length): (usize, usize),
        (values, transform): (&'a [f64], Transform),
        residuals: &[f64],
        cells: &[Option<(Cell, f64)>],
        busiest: Option<f64>,
    ) -> Self {
        // A burst of an hour is in the longer windows of two days.
        let bursts = (length == 1 || busiest.is_some()) && bursts(calendar, place, residuals, cells);
        let rises = largest(residuals).and_then(|[largest, _, third]| {
            if bursts {
                Some(BEYOND_BURSTS * largest.max(0.0))
            } else {
                Some(BEYOND_USUAL * third.max(0.0)).filter(|_| length < Calendar::HOURS)
            }
        });
        let lasting = busiest.filter(|_| (2..Calendar::HOURS).contains(&length));
        Self { calendar, values, transform, rises, lasting, bursts }
    }

    pub(super) fn bursts(&self) -> bool {
        self.bursts
    }

    /// How far a window that ends with an hour of the day must rise above its expectation, transformed.
    pub(super) fn at(&self, hour: usize, expected: f64, spread: f64) -> Option<f64> {
        let month_ago = self.calendar.month_ago(hour);
        let week_later = month_ago.start + WEEK..month_ago.end + WEEK;
        let largest = |hours: Range<usize>| {
            let values = self.values.get(hours).unwrap_or(&[]);
            values.iter().copied().reduce(f64::max).filter(|largest| largest.is_finite())
        };
        // Another weekday may be busier. So the day of the month before must stand out of its own weekday.
        let of_month = largest(month_ago).zip(largest(week_later)).and_then(|(then, later)| {
            let usual = self.transform.inverse(expected);
            let stood_out = self.transform.apply(then) - self.transform.apply(later) > BURST * spread;
            let rises = self.transform.apply(usual + BEYOND_MONTH * (then - later)) - expected;
            Some(rises).filter(|rises| stood_out && rises.is_finite())
        });
        let lasting = self.lasting.map(|value| self.transform.apply(value) - expected);
        [self.rises, of_month, lasting].into_iter().flatten().reduce(f64::max)
    }
}

/// Whether three of the days had a window far above what is usual at its hour, among days of the same kind.
fn bursts(calendar: &Calendar, place: usize, residuals: &[f64], cells: &[Option<(Cell, f64)>]) -> bool {
    let mut scores = vec![f64::NAN; residuals.len()];
    for (hour, (cell, spread)) in cells.iter().enumerate().filter_map(|(hour, of)| Some((hour, of.as_ref()?)))
    {
        let class = calendar.class(hour, place);
        let alike = |class_then| cell.apart <= 0.5 || class_then == class;
        for earlier in calendar.earlier(hour).iter().filter(|earlier| alike(earlier.class[place])) {
            scores[earlier.place] = residuals[earlier.place] / spread;
        }
    }
    largest(&scores).is_some_and(|[_, _, third]| third > BURST)
}

/// The third-largest of the daily maxima of windows, newest 28 days. `None` below three days with a value.
///
/// * `windows`: a figure of the windows that end with each hour of the span, NaN for those without.
pub(super) fn third_largest(windows: &[f64]) -> Option<f64> {
    largest(windows).map(|[_, _, third]| third)
}

/// The largest of the daily maxima.
pub(super) fn busiest(windows: &[f64]) -> Option<f64> {
    largest(windows).map(|[largest, ..]| largest)
}

/// The three largest of the daily maxima, the largest one first.
fn largest(windows: &[f64]) -> Option<[f64; 3]> {
    let mut largest = [f64::NEG_INFINITY; 3];
    for day in windows.rchunks(Calendar::HOURS).take(DAYS) {
        let mut maximum = maximum(day);
        for rank in &mut largest {
            if maximum > *rank {
                std::mem::swap(&mut maximum, rank);
            }
        }
    }
    largest[2].is_finite().then_some(largest)
}

/// The largest value, below all numbers if there is none.
fn maximum(values: &[f64]) -> f64 {
    // A processor compares so many numbers at a time. NaN is larger than nothing.
    const LANES: usize = 4;
    let larger = |one: f64, other: f64| if other > one { other } else { one };
    let (rounds, rest) = values.as_chunks::<LANES>();
    let mut lanes = [f64::NEG_INFINITY; LANES];
    for round in rounds {
        for (lane, value) in lanes.iter_mut().zip(round) {
            *lane = larger(*lane, *value);
        }
    }
    lanes.iter().chain(rest).copied().fold(f64::NEG_INFINITY, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_odd_days_move_nothing() {
        let mut windows = vec![f64::NAN; 31 * 24];
        assert_eq!(third_largest(&windows), None);
        for day in 0..31 {
            windows[day * 24 + day % 24] = day as f64;
        }
        assert_eq!(third_largest(&windows), Some(28.0));
        windows[10 * 24 + 5] = 1e9;
        windows[10 * 24 + 6] = 1e9;
        windows[30 * 24] = 1e9;
        assert_eq!(third_largest(&windows), Some(29.0), "of a day only the largest counts");
        // Older than 28 days.
        windows[2 * 24] = 1e9;
        assert_eq!(third_largest(&windows), Some(29.0));
        windows[3 * 24] = 1e9;
        assert_eq!(third_largest(&windows), Some(1e9));
        assert_eq!(third_largest(&[1.0; 48]), None, "of two days there is no third");
    }
}
