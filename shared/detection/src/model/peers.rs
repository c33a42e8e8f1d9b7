//! The first days of a series: the shape of its peers' days times its own level.

use super::cell::Cell;
use super::robust::{median_size, size_key};
use super::transform::Transform;
use crate::Distribution;
use crate::calendar::{Calendar, Local};
use crate::hours::{Aggregate, LENGTHS, windows};
use crate::sorted::MAD_TO_SPREAD;

/// The usual shape of a day: the share of each local hour, with a mean of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile([f64; 24]);

/// The spread of a new series counts so many times, for little is known of it.
const CAUTION: f64 = 2.0;

/// Hours that must be known for a level.
const FEWEST_HOURS: usize = 24;

impl Profile {
    /// No hour is special.
    pub const FLAT: Self = Self([1.0; 24]);

    /// The profile of amounts by local hour, of all customers of a metric. `None` if they have no positive sum, or one
    /// of them is negative or no number.
    pub fn of(amounts: [f64; 24]) -> Option<Self> {
        let mean = amounts.iter().sum::<f64>() / 24.0;
        let is_amount = |amount: &f64| amount.is_finite() && *amount >= 0.0;
        (mean > 0.0 && mean.is_finite() && amounts.iter().all(is_amount))
            .then(|| Self(amounts.map(|amount| amount / mean)))
    }

    fn at(&self, local: Local) -> f64 {
        self.0[usize::from(local.hour) % 24]
    }
}

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
    let shape: Vec<f64> =
        calendar.span().iter().chain(calendar.served()).map(|local| profile.at(*local)).collect();
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
