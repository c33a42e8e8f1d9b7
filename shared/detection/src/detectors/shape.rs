//! The detector of shapes: today's 24 hours are distributed over the day in another way than usual. The volume may be
//! equal, as when day and night change places.
//!
//! The measure is the cosine between today's hours and the usual ones of this weekday, both less their mean. The usual
//! hours are the medians of up to four earlier days of the same weekday. The same measure of each earlier day, against
//! the other days of its weekday, tells how alike the days of this series usually are.
//!
//! A cosine of values less their mean is a correlation. Its distribution is skewed: no cosine exceeds 1. R. A. Fisher's
//! transform `atanh` makes it nearly normal ("On the Probable Error of a Coefficient of Correlation", Metron 1, 1921).
//! So the distance from the usual is measured in this scale, as a Student's t that is converted to a normal score. On
//! noise that halves the false flags of the plain difference.

use crate::hour::Hour;
use crate::hours::Hours;
use crate::opinion::{Detail, Expected, Opinion, SecondOpinion};
use crate::sorted::{MAD_TO_SPREAD, median, median_deviation};
use crate::student::{normal_of_t, t_of_normal};
use crate::thresholds::{SettingsError, require};

const HOURS: usize = 24;
const WEEK: usize = 7;
/// Today and the four weeks before it.
const DAYS: usize = 1 + 4 * WEEK;
/// Least number of hours of a day, and of days, that a measure needs.
const LEAST_HOURS: usize = 18;
const LEAST_DAYS: usize = 6;
const LEAST_WEEKS_TODAY: usize = 3;
const LEAST_WEEKS: usize = 2;

/// Fisher's standard error of a transformed correlation of 24 pairs: 1 / sqrt(24 - 3). No spread is less.
const LEAST_SPREAD: f64 = 0.218_217_890_235_992_4;
/// A correlation of 24 pairs that chance exceeds in one case of twenty. Days that are usually less alike have no shape.
const CHANCE: f64 = 0.344;
/// The largest cosine that is told apart from one, which has no finite transform.
const LARGEST_COSINE: f64 = 0.999_9;
/// Values beyond this are broken, as in a check.
const LARGEST_VALUE: f64 = 1e100;
/// A spread below this share of the values is rounding.
const ROUNDING: f64 = 1e-9;

/// The limits of the detector. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    cosine: f64,
    spreads: f64,
}

impl Parameters {
    /// * `cosine`: the shape is only another one below this, from -1 to 1.
    /// * `spreads`: and only this many spreads below the usual cosine, above 0 and at most 100.
    pub fn new(cosine: f64, spreads: f64) -> Result<Self, SettingsError> {
        require((-1.0..=1.0).contains(&cosine), "cosine", cosine, "a cosine from -1 to 1")?;
        require(spreads > 0.0 && spreads <= 100.0, "spreads", spreads, "a number above 0 and at most 100")?;
        Ok(Self { cosine, spreads })
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self { cosine: 0.9, spreads: 3.0 }
    }
}

/// The opinion on the shape of the 24 hours that end with `newest`, beside the 28 days before them.
///
/// At least three earlier days of the same weekday are needed. The score is negative where today is less like its
/// weekday than usual. It tells the cosine.
///
/// `None` if too little is known, or if the series has no shape: its days are constant, or no more alike than chance.
pub fn judge(hours: &Hours, newest: Hour, parameters: &Parameters) -> Option<SecondOpinion> {
    let mut values = [f64::NAN; DAYS * HOURS];
    hours.copy(newest.plus(1 - values.len() as i64), &mut values);
    judge_values(&values, parameters)
}

/// The same on the values hour by hour, oldest first, NaN for gaps.
fn judge_values(hours: &[f64], parameters: &Parameters) -> Option<SecondOpinion> {
    let days: Vec<&[f64]> = hours.rchunks_exact(HOURS).take(DAYS).collect();
    let today = likeness(&days, 0, LEAST_WEEKS_TODAY)?;
    let mut usual: Vec<f64> = (1..days.len())
        .filter_map(|age| likeness(&days, age, LEAST_WEEKS))
        .filter(|other| other.is_comparable_to(&today))
        .map(|other| fisher(other.cosine))
        .collect();
    usual.sort_by(f64::total_cmp);
    let count = usual.len();
    let middle = median(&usual).filter(|middle| count >= LEAST_DAYS && *middle >= fisher(CHANCE))?;
    let spread = (MAD_TO_SPREAD * median_deviation(&usual, middle)?).max(LEAST_SPREAD);
    let (spread, freedom) = (spread * (1.0 + 1.0 / count as f64).sqrt(), (count - 1) as f64);
    let score = normal_of_t((fisher(today.cosine) - middle) / spread, freedom);
    let low = (middle - t_of_normal(parameters.spreads, freedom) * spread).tanh();
    let opinion = Opinion {
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: Expected { low: low.min(parameters.cosine), high: 1.0 },
        detail: Detail::Shape { cosine: today.cosine, usual: middle.tanh() },
    };
    let flags = today.cosine < parameters.cosine && score <= -parameters.spreads;
    opinion.is_finite().then_some(SecondOpinion { opinion, flags })
}

/// How like a day is to the usual one of its weekday.
struct Likeness {
    /// From -1 to 1.
    cosine: f64,
    /// The length of the usual day less its mean: how much shape there is to be like.
    strength: f64,
}

impl Likeness {
    /// Whether the shape of this weekday is about as strong as that of another. The quiet Sundays of an office say
    /// nothing of its Mondays: their cosines are noise.
    fn is_comparable_to(&self, other: &Self) -> bool {
        (other.strength / 2.0..=other.strength * 2.0).contains(&self.strength)
    }
}

/// The likeness of the day of an age. Today is no part of what is usual, and no day is compared with itself.
fn likeness(days: &[&[f64]], age: usize, least_weeks: usize) -> Option<Likeness> {
    let day = days.get(age)?;
    let first = if age.is_multiple_of(WEEK) { WEEK } else { age % WEEK };
    let others = || (first..days.len()).step_by(WEEK).filter(|other| *other != age).map(|other| days[other]);
    let mut pairs = [(0.0, 0.0); HOURS];
    let mut count = 0;
    for (hour, value) in day.iter().enumerate().filter(|(_, value)| is_sound(**value)) {
        let mut values = [0.0; DAYS];
        let mut known = 0;
        for other in others().map(|other| other[hour]).filter(|other| is_sound(*other)) {
            values[known] = other;
            known += 1;
        }
        if known < least_weeks {
            continue;
        }
        values[..known].sort_unstable_by(f64::total_cmp);
        pairs[count] = (*value, median(&values[..known])?);
        count += 1;
    }
    Some(&pairs[..count]).filter(|_| count >= LEAST_HOURS).and_then(compare)
}

/// The cosine of both sides of the pairs, less their means. `None` if a side is constant.
fn compare(pairs: &[(f64, f64)]) -> Option<Likeness> {
    let count = pairs.len() as f64;
    let mean = pairs.iter().fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0 / count, sum.1 + pair.1 / count));
    let (mut squares, mut largest, mut product) = ((0.0, 0.0), (0.0_f64, 0.0_f64), 0.0);
    for (day, usual) in pairs {
        let (a, b) = (day - mean.0, usual - mean.1);
        squares = (squares.0 + a * a, squares.1 + b * b);
        largest = (largest.0.max(day.abs()), largest.1.max(usual.abs()));
        product += a * b;
    }
    let (day, strength) = (squares.0.sqrt(), squares.1.sqrt());
    let has_shape = day > ROUNDING * largest.0 && strength > ROUNDING * largest.1;
    let cosine = product / day / strength;
    (has_shape && cosine.is_finite()).then(|| Likeness { cosine: cosine.clamp(-1.0, 1.0), strength })
}

fn fisher(cosine: f64) -> f64 {
    cosine.clamp(-LARGEST_COSINE, LARGEST_COSINE).atanh()
}

fn is_sound(value: f64) -> bool {
    value.abs() <= LARGEST_VALUE
}

#[cfg(test)]
mod tests;
