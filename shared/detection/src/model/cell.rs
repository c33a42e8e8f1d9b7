//! The usual value of one window: a weighted mean of the same local hours of earlier days, in three levels.
//!
//! All days are few, those of a class (working days or weekend) fewer, and those of a weekday four. Each level
//! moves the expectation as far as its difference is more than noise. This is empirical Bayes: B. Efron, C. Morris,
//! "Stein's Estimation Rule and its Competitors", Journal of the American Statistical Association 68 (1973).
//!
//! One step of Huber's estimator takes the weight from odd days: P. J. Huber, "Robust Estimation of a Location
//! Parameter", Annals of Mathematical Statistics 35 (1964).

use smallvec::SmallVec;

use super::robust::{NORMAL_MAD, median_size};
use crate::calendar::{Calendar, Earlier};

/// What a window with a certain local hour and length is like, in the transformed scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) expected: f64,
    /// Variance of one value about its expectation.
    pub(super) variance: f64,
    /// The number of values of equal weight that would give as good an expectation.
    pub(super) samples: f64,
    /// How many days have a value.
    pub(super) days: usize,
}

/// One earlier day.
#[derive(Clone, Copy)]
struct Day {
    value: f64,
    weight: f64,
    residual: f64,
    place: usize,
    same_class: bool,
    same_weekday: bool,
}

type Days = SmallVec<[Day; Calendar::COMPARED_DAYS]>;

/// Fewer days tell nothing about their spread.
pub(super) const FEWEST_DAYS: usize = 5;

/// A day loses half of its weight in so many days.
const HALF_LIFE: f64 = 14.0;

/// By their weights, the days of a class count as 0.7 times as many.
const DAYS_WORTH: f64 = 0.7;

/// Residuals beyond so many spreads are clipped.
const CLIP: f64 = 2.5;

/// The variance of a normal value is that of its residuals clipped at 2.5 spreads times this.
const CLIPPED: f64 = 1.023;

/// The weights of days by their age.
pub(super) fn weights() -> [f64; Calendar::COMPARED_DAYS + 1] {
    std::array::from_fn(|age| (-(age as f64) / HALF_LIFE).exp2())
}

/// The cell of the window whose earlier windows are `earlier`. `None` if too few have a value.
///
/// * `values`: the transformed values by place, NaN for a gap.
/// * `residuals`: gets the distance of each of the earlier values from what is usual for its day, by place.
pub(super) fn fit(
    earlier: &[Earlier],
    values: &[f64],
    weights: &[f64],
    residuals: &mut [f64],
) -> Option<Cell> {
    let mut days: Days = earlier
        .iter()
        .filter(|earlier| !values[earlier.place].is_nan())
        .map(|earlier| Day {
            value: values[earlier.place],
            weight: weights[earlier.age],
            residual: 0.0,
            place: earlier.place,
            same_class: earlier.same_class,
            same_weekday: earlier.same_weekday,
        })
        .collect();
    let count = days.len();
    if count < FEWEST_DAYS {
        return None;
    }
    let lost = count as f64 / (count - 2) as f64;

    let all = mean(&days, |day| day.weight);
    let (own_mean, other_mean) = (class_mean(&days, true), class_mean(&days, false));
    let class_mean = |day: &Day| if day.same_class { own_mean } else { other_mean }.unwrap_or(all);
    let total: f64 = days.iter().map(|day| day.weight).sum();
    let squares: f64 = days.iter().map(|day| day.weight * square(day.value - class_mean(day))).sum();
    let within = squares / total * lost;

    let own_days = days.iter().filter(|day| day.same_class).count();
    let other_days = count - own_days;
    let (mut expected, mut other, mut apart) = (all, all, 0.0);
    if let (Some(own_mean), Some(other_mean)) = (own_mean, other_mean) {
        let noise = within / DAYS_WORTH * ((own_days as f64).recip() + (other_days as f64).recip());
        apart = share_of_signal(square(own_mean - other_mean), noise, noise);
        expected += apart * (own_mean - all);
        other += apart * (other_mean - all);
    }

    for day in &mut days {
        day.residual = day.value - if day.same_class { expected } else { other };
    }
    let mut sizes: SmallVec<[f64; Calendar::COMPARED_DAYS]> =
        days.iter().map(|day| day.residual.abs()).collect();
    let limit = CLIP * (NORMAL_MAD * median_size(&mut sizes)).max(0.4 * within.sqrt());
    let clipped = |day: &Day| day.residual.clamp(-limit, limit);
    let clipped_mean: f64 = days.iter().map(|day| day.weight * clipped(day)).sum::<f64>() / total;
    let clipped_squares: f64 = days.iter().map(|day| day.weight * square(clipped(day) - clipped_mean)).sum();
    let mut variance = clipped_squares / total * lost * CLIPPED;
    let shared =
        |day: &Day, own: bool| if day.same_class == own { day.weight } else { day.weight * (1.0 - apart) };
    let shift = |own: bool| {
        let weight: f64 = days.iter().map(|day| shared(day, own)).sum();
        let moved: f64 = days.iter().map(|day| shared(day, own) * clipped(day)).sum();
        if weight > 0.0 { moved / weight } else { 0.0 }
    };
    expected += shift(true);
    other += shift(false);
    let mut noise_of_mean = {
        let weight: f64 = days.iter().map(|day| shared(day, true)).sum();
        let squares: f64 = days.iter().map(|day| square(shared(day, true))).sum();
        squares / square(weight)
    };

    let usual = expected;
    let weekday = days.iter().filter(|day| day.same_weekday).count();
    if weekday >= 2 {
        let of_weekday = |day: &Day| if day.same_weekday { day.weight } else { 0.0 };
        let own = mean(&days, of_weekday);
        let weight: f64 = days.iter().map(of_weekday).sum();
        let squares: f64 = days.iter().map(|day| of_weekday(day) * square(day.value - own)).sum();
        let number = weekday as f64;
        let own_variance = squares / weight * number / (number - 1.0);
        let mixed = (own_variance * (number - 1.0) + within) / number;
        let moves = share_of_signal(square(own - expected), within / number, mixed / number);
        expected += moves * (own - expected);
        noise_of_mean = (1.0 - moves) * noise_of_mean + moves / number;
        if moves > 0.5 {
            variance = (1.0 - moves) * variance + moves * mixed;
        }
    }
    for day in &days {
        let centre = match (day.same_weekday, day.same_class) {
            (true, _) => expected,
            (false, true) => usual,
            (false, false) => other,
        };
        residuals[day.place] = day.value - centre;
    }
    Some(Cell { expected, variance, samples: noise_of_mean.recip(), days: count })
}

/// How far an expectation moves: the part of a squared difference that is more than its noise, over itself and the
/// noise that remains.
fn share_of_signal(squared: f64, noise: f64, remaining: f64) -> f64 {
    let signal = squared - noise;
    if signal > 0.0 { signal / (signal + remaining) } else { 0.0 }
}

fn class_mean(days: &Days, own: bool) -> Option<f64> {
    let of_class = |day: &Day| if day.same_class == own { day.weight } else { 0.0 };
    days.iter().any(|day| day.same_class == own).then(|| mean(days, of_class))
}

/// About the first value, so that large values that differ by little keep their digits.
fn mean(days: &Days, weight: impl Fn(&Day) -> f64) -> f64 {
    let origin = days[0].value;
    let total: f64 = days.iter().map(&weight).sum();
    let sum: f64 = days.iter().map(|day| weight(day) * (day.value - origin)).sum();
    origin + sum / total
}

fn square(value: f64) -> f64 {
    value * value
}
