//! The first days of a series: the shape of its peers' days times its own level.

use super::cell::Cell;
use super::profile::Profile;
use super::robust::{median_size, size_key};
use super::transform::Transform;
use crate::Distribution;
use crate::calendar::Calendar;
use crate::hours::{Aggregate, LENGTHS, windows};
use crate::sorted::MAD_TO_SPREAD;

/// The spread of a new series counts so many times, for little is known of it.
const CAUTION: f64 = 2.0;

/// Hours that must be known for a level.
const FEWEST_HOURS: usize = 24;

/// The cells of a new series: for each length of the windows, by hour of the model's day.
///
/// * `hours`: the hours of the span.
/// * `transformed`: the windows' values, transformed.
pub(super) fn fit(
    hours: &[f64],
    transformed: &[f64],
    length: usize,
    aggregate: Aggregate,
    transform: Transform,
    calendar: &Calendar,
    profile: &Profile,
) -> Option<Vec<Cell>> {
    let hours_of_shape = 0..(Calendar::SPAN + Calendar::HOURS) as i64;
    let shape: Vec<f64> = hours_of_shape.map(|at| profile.at(calendar.begin().plus(at))).collect();
    let level = level(hours, &shape)?;
    let place = LENGTHS.iter().position(|known| *known == length)?;
    let expected = &windows(aggregate, &shape)[place];
    let expected = |at: usize| transform.apply(level * expected[at]);
    let mut sizes: Vec<u64> = transformed
        .iter()
        .enumerate()
        .filter(|(at, value)| !value.is_nan() && *at + 1 >= length)
        .map(|(at, value)| size_key(value - expected(at)))
        .collect();
    if sizes.is_empty() {
        return None;
    }
    let spread = CAUTION * MAD_TO_SPREAD * median_size(&mut sizes);
    let known = hours.iter().filter(|value| !value.is_nan()).count();
    let samples = (known as f64 / length as f64).max(1.0);
    let variance = spread * spread;
    let cell =
        |at: usize| Cell { expected: expected(at), variance, samples, spread_samples: samples, apart: 0.0 };
    Some((Calendar::SPAN..Calendar::SPAN + Calendar::HOURS).map(cell).collect())
}

/// The median over the known days of a day's sum over that of the shape. So one absurd day moves little. `None` below
/// 24 known hours.
fn level(hours: &[f64], shape: &[f64]) -> Option<f64> {
    if hours.iter().filter(|value| !value.is_nan()).count() < FEWEST_HOURS {
        return None;
    }
    let of_day = |(hours, shape): (&[f64], &[f64])| {
        let known = hours.iter().zip(shape).filter(|(value, _)| !value.is_nan());
        let (sum, of_shape) =
            known.fold((0.0, 0.0), |(sum, of_shape), (value, shape)| (sum + value, of_shape + shape));
        (of_shape > 0.0).then(|| sum / of_shape)
    };
    let days = hours.rchunks(Calendar::HOURS).zip(shape[..hours.len()].rchunks(Calendar::HOURS));
    Some(Distribution::of(days.filter_map(of_day))?.quantile(0.5))
}
