//! When a cause shows: the hour by whose end somebody who knows the customer perfectly would see the change.
//!
//! The judge here knows the expected usage with and without the cause, and the customer's noise. The change shows from
//! the first hour in which the sum of some number of last hours, 1 to 24, has changed
//!
//! * by four standard deviations of that sum, in logarithms, with one more call on either side,
//! * by a quarter of the expected sum, and
//! * by the least change that matters, as the metric states it.
//!
//! A silence that begins on a day off shows when work is due, however few the calls of that day are. Growth shows on the day on which it stands out.

use std::ops::Range;

use super::rates::{Rates, Shape};
use crate::usage::{Metric, WINDOW};

const DEVIATIONS: f64 = 4.0;
const SHARE: f64 = 0.25;

/// The first of these hours of a cause in which the change shows. `None` if it never does.
pub(crate) fn first_visible(
    shape: &Shape,
    usual: &Rates,
    changed: &Rates,
    metrics: &[Metric],
    of: &[usize],
    hours: &Range<usize>,
) -> Option<usize> {
    hours.clone().find(|last| {
        of.iter().any(|metric| shows(shape, usual, changed, metrics, *metric, hours.start, *last))
    })
}

fn shows(
    shape: &Shape,
    usual: &Rates,
    changed: &Rates,
    metrics: &[Metric],
    metric: usize,
    start: usize,
    last: usize,
) -> bool {
    let (mut expected, mut found, mut calls) = (0.0, 0.0, 0.0);
    for (before, hour) in (0..=last).rev().take(WINDOW).take_while(|hour| *hour >= start).enumerate() {
        expected += usual.sums(hour)[metric];
        found += changed.sums(hour)[metric];
        calls += usual.calls[hour];
        let change = (found - expected).abs();
        let of_call = [1.0, usual.bytes[hour], usual.milliseconds[hour]][metric];
        let share = expected / (expected + of_call);
        let variance = (share * share * shape.relative_variance(metric, before + 1, calls)).ln_1p();
        let deviation = ((found + of_call) / (expected + of_call)).ln().abs();
        let stands_out = deviation >= DEVIATIONS * variance.sqrt();
        if stands_out && change >= SHARE * expected && change >= metrics[metric].min_change {
            return true;
        }
    }
    false
}
