//! The usual value of one window: a weighted mean of the same local hours of earlier days, in three levels.
//!
//! All days are few, those of a class (working days, weekend, or from one into the other) fewer, and those of a weekday
//! four. Each level moves the expectation as far as its difference is more than noise. This is empirical Bayes: B. Efron, C. Morris,
//! "Stein's Estimation Rule and its Competitors", Journal of the American Statistical Association 68 (1973).
//!
//! One step of Huber's estimator takes the weight from odd days: P. J. Huber, "Robust Estimation of a Location
//! Parameter", Annals of Mathematical Statistics 35 (1964).

use smallvec::SmallVec;

use super::robust::median_size;
use crate::calendar::{CLASSES, Calendar, Class, Earlier};
use crate::sorted::MAD_TO_SPREAD;

/// What a window with a certain local hour and length is like, in the transformed scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell {
    pub(super) expected: f64,
    /// Variance of one value about its expectation.
    pub(super) variance: f64,
    /// The number of values of equal weight that would give as good an expectation.
    pub(super) samples: f64,
    /// The number of values of equal weight that would give as good a variance.
    pub(super) spread_samples: f64,
    /// How far the class of the window stands apart from the other classes, from 0 to 1.
    pub(super) apart: f64,
}

/// The windows to compare with: their values and what the calendar says of them.
pub(super) struct Past<'a> {
    pub(super) earlier: &'a [Earlier],
    /// The place of the windows' length among all lengths.
    pub(super) length: usize,
    /// The class of the window that is to be judged.
    pub(super) class: Class,
    /// The transformed values by place, NaN for a gap.
    pub(super) values: &'a [f64],
    /// The same with those that no expectation is made of.
    pub(super) all: &'a [f64],
}

/// One earlier day.
#[derive(Clone, Copy)]
struct Day {
    value: f64,
    weight: f64,
    residual: f64,
    place: usize,
    class: Class,
    same_weekday: bool,
    /// Days to the weekday of the day at hand, 0 to 6.
    weekday: usize,
}

type Days = SmallVec<[Day; Calendar::COMPARED_DAYS]>;

/// What is usual for the days of each class, and how far the class of the day at hand stands apart.
struct Classes {
    expected: [f64; CLASSES],
    /// Variance about the means of the classes.
    within: f64,
    /// From 0 for a class that is like all days, to 1 for one of its own.
    apart: f64,
    /// Days of other classes than the one at hand.
    other_days: f64,
}

/// Fewer days tell nothing about their spread.
pub(super) const FEWEST_DAYS: usize = 5;

/// A day loses half of its weight in so many days.
const HALF_LIFE: f64 = 14.0;

/// By their weights, the days of a class count as 0.7 times as many.
const DAYS_WORTH: f64 = 0.7;

/// Residuals beyond so many spreads are clipped.
const CLIP: f64 = 2.5;

/// The variance of a value about its expectation is that of the clipped residuals times this. The clipping takes a
/// part, and the choice of the levels another. The factor makes scores of pure noise standard normal.
const CLIPPED: f64 = 1.17;

/// Days of classes that stand apart count for the spread as if they were so many, because a class may have few.
const BORROWED_DAYS: f64 = 4.0;

/// The weights of days by their age.
pub(super) fn weights() -> [f64; Calendar::COMPARED_DAYS + 1] {
    std::array::from_fn(|age| (-(age as f64) / HALF_LIFE).exp2())
}

/// The cell of a window. `None` if too few earlier days have a value.
///
/// * `residuals`: gets the distance of each of the earlier values from what is usual for its day, by place.
pub(super) fn fit(past: &Past<'_>, weights: &[f64], residuals: &mut [f64]) -> Option<Cell> {
    let mut days: Days = past.days(weights).collect();
    if days.len() < FEWEST_DAYS {
        return None;
    }
    let classes = Classes::of(&days, past.class);
    for day in &mut days {
        day.residual = day.value - classes.expected[usize::from(day.class)];
    }
    // Days of classes that stand apart have less of a say, or none.
    let shared = |day: &Day| day.weight * if day.class == past.class { 1.0 } else { 1.0 - classes.apart };
    let borrowed = (BORROWED_DAYS / classes.other_days.max(1.0)).min(1.0);
    let foreign = 1.0 - classes.apart * (1.0 - borrowed);
    let spreading = |day: &Day| day.weight * if day.class == past.class { 1.0 } else { foreign };

    let raw: f64 = weighted(&days, spreading, |day| square(day.residual));
    let limit = CLIP * typical_size(&days, past.class, classes.apart).max(0.4 * raw.sqrt());
    let clipped = |day: &Day| day.residual.clamp(-limit, limit);
    let middle = weighted(&days, spreading, clipped);
    let number = count(&days, spreading);
    let lost = number / (number - 1.0);
    let mut variance = weighted(&days, spreading, |day| square(clipped(day) - middle)) * lost * CLIPPED;
    let usual = classes.expected[usize::from(past.class)] + weighted(&days, shared, clipped);
    let mut expected = usual;
    let mut noise = count(&days, shared).recip();

    if let Some(weekday) = Weekday::of(&days) {
        let moves = share_of_signal(
            square(weekday.mean - usual),
            classes.within / weekday.days,
            weekday.mixed(classes.within) / weekday.days,
        );
        expected += moves * (weekday.mean - usual);
        noise = (1.0 - moves) * noise + moves / weekday.days;
        if moves > 0.5 {
            variance = (1.0 - moves) * variance + moves * weekday.mixed(variance);
        }
    }
    let weekdays = weekdays(&days, classes.within);
    let residual = |weekday: usize, same_weekday: bool, value: f64, class: Class| {
        let of_class = classes.expected[usize::from(class)] + weekdays[weekday];
        value - if same_weekday { expected } else { of_class }
    };
    for day in &days {
        residuals[day.place] = residual(day.weekday, day.same_weekday, day.value, day.class);
    }
    for earlier in past.taken_out() {
        let value = past.all[earlier.place];
        residuals[earlier.place] =
            residual(earlier.age % 7, earlier.same_weekday, value, earlier.class[past.length]);
    }
    Some(Cell { expected, variance, samples: noise.recip(), spread_samples: number, apart: classes.apart })
}

impl Past<'_> {
    /// The days whose values no expectation is made of.
    fn taken_out(&self) -> impl Iterator<Item = &Earlier> {
        self.earlier
            .iter()
            .filter(|earlier| self.values[earlier.place].is_nan() && !self.all[earlier.place].is_nan())
    }

    fn days(&self, weights: &[f64]) -> impl Iterator<Item = Day> {
        self.earlier.iter().filter(|earlier| !self.values[earlier.place].is_nan()).map(|earlier| Day {
            value: self.values[earlier.place],
            weight: weights[earlier.age],
            residual: 0.0,
            place: earlier.place,
            class: earlier.class[self.length],
            same_weekday: earlier.same_weekday,
            weekday: earlier.age % 7,
        })
    }
}

impl Classes {
    fn of(days: &Days, own: Class) -> Self {
        // About the first value, so that large values that differ by little keep their digits.
        let origin = days[0].value;
        let (mut counts, mut weights, mut sums) = ([0.0; CLASSES], [0.0; CLASSES], [0.0; CLASSES]);
        for day in days {
            let class = usize::from(day.class);
            counts[class] += 1.0;
            weights[class] += day.weight;
            sums[class] += day.weight * (day.value - origin);
        }
        let count = days.len() as f64;
        let (weight, sum): (f64, f64) = (weights.iter().sum(), sums.iter().sum());
        let means: [f64; CLASSES] = std::array::from_fn(|class| sums[class] / weights[class]);
        let squares: f64 = days
            .iter()
            .map(|day| day.weight * square((day.value - origin) - means[usize::from(day.class)]))
            .sum();
        let within = squares / weight * count / (count - 2.0);
        let all = sum / weight;
        let mut apart = [0.0; CLASSES];
        let mut expected = [origin + all; CLASSES];
        for class in 0..CLASSES {
            let others = count - counts[class];
            if counts[class] == 0.0 || others == 0.0 {
                continue;
            }
            let rest = (sum - sums[class]) / (weight - weights[class]);
            let noise = within / DAYS_WORTH * (counts[class].recip() + others.recip());
            apart[class] = share_of_signal(square(means[class] - rest), noise, noise);
            expected[class] += apart[class] * (means[class] - all);
        }
        let own = usize::from(own);
        Self { expected, within, apart: apart[own], other_days: count - counts[own] }
    }
}

/// The days with the weekday of the day at hand.
struct Weekday {
    days: f64,
    mean: f64,
    variance: f64,
}

impl Weekday {
    /// `None` below two days.
    fn of(days: &Days) -> Option<Self> {
        let number = days.iter().filter(|day| day.same_weekday).count();
        if number < 2 {
            return None;
        }
        let number = number as f64;
        let weight = |day: &Day| if day.same_weekday { day.weight } else { 0.0 };
        let origin = days[0].value;
        let mean = origin + weighted(days, weight, |day| day.value - origin);
        let variance = weighted(days, weight, |day| square(day.value - mean)) * number / (number - 1.0);
        Some(Self { days: number, mean, variance })
    }

    /// The variance of the weekday, mixed with one of all days.
    fn mixed(&self, variance: f64) -> f64 {
        (self.variance * (self.days - 1.0) + variance) / self.days
    }
}

/// How far each weekday stands apart from its class.
fn weekdays(days: &Days, within: f64) -> [f64; 7] {
    let mut sums = [(0.0, 0.0, 0.0); 7];
    for day in days {
        let (count, sum, squares) = &mut sums[day.weekday];
        *count += 1.0;
        *sum += day.residual;
        *squares += square(day.residual);
    }
    sums.map(|(count, sum, squares): (f64, f64, f64)| {
        if count < 2.0 {
            return 0.0;
        }
        let mean = sum / count;
        let weekday =
            Weekday { days: count, mean, variance: (squares - mean * sum).max(0.0) / (count - 1.0) };
        let moves = share_of_signal(square(mean), within / count, weekday.mixed(within) / count);
        moves * mean
    })
}

/// The robust spread of the residuals: of the class at hand if it stands apart, and otherwise of all days.
fn typical_size(days: &Days, class: Class, apart: f64) -> f64 {
    let counts = |day: &&Day| apart <= 0.5 || day.class == class;
    let mut sizes: SmallVec<[f64; Calendar::COMPARED_DAYS]> =
        days.iter().filter(counts).map(|day| day.residual.abs()).collect();
    MAD_TO_SPREAD * median_size(&mut sizes)
}

/// How far an expectation moves: the part of a squared difference that is more than its noise, over itself and the
/// noise that remains.
fn share_of_signal(squared: f64, noise: f64, remaining: f64) -> f64 {
    let signal = squared - noise;
    if signal > 0.0 { signal / (signal + remaining) } else { 0.0 }
}

/// A weighted mean. 0 if nothing has a weight.
fn weighted(days: &Days, weight: impl Fn(&Day) -> f64, value: impl Fn(&Day) -> f64) -> f64 {
    let (mut total, mut sum) = (0.0, 0.0);
    for day in days {
        let weight = weight(day);
        total += weight;
        sum += weight * value(day);
    }
    if total > 0.0 { sum / total } else { 0.0 }
}

/// The number of values of equal weight that give a mean with as little noise.
fn count(days: &Days, weight: impl Fn(&Day) -> f64) -> f64 {
    let (mut total, mut squares) = (0.0, 0.0);
    for day in days {
        let weight = weight(day);
        total += weight;
        squares += weight * weight;
    }
    total * total / squares
}

fn square(value: f64) -> f64 {
    value * value
}
