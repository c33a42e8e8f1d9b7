//! The usual value of one window: a weighted mean of the same local hours of earlier days, in three levels.
//!
//! All days are few, those of a class (working days, weekend, or from one into the other) fewer, and those of a weekday
//! four. Each level moves the expectation as far as its difference is more than noise. This is empirical Bayes: B. Efron, C. Morris,
//! "Stein's Estimation Rule and its Competitors", Journal of the American Statistical Association 68 (1973).
//!
//! One step of Huber's estimator takes the weight from odd days: P. J. Huber, "Robust Estimation of a Location
//! Parameter", Annals of Mathematical Statistics 35 (1964).

use super::robust::{median_size, size_key};
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

/// Places for the days of a cell: whole rounds of the lanes of [`sums`].
const PLACES: usize = Calendar::COMPARED_DAYS.next_multiple_of(LANES);

/// A processor adds so many numbers at a time. With one sum it would wait for each addition.
const LANES: usize = 4;

/// The earlier days with a value, by number. Places behind the last one have no weight, and a value of zero.
struct Days {
    number: usize,
    values: [f64; PLACES],
    weights: [f64; PLACES],
    residuals: [f64; PLACES],
    classes: [Class; PLACES],
    places: [usize; PLACES],
    same_weekday: [bool; PLACES],
    /// Days to the weekday of the day at hand, 0 to 6.
    weekdays: [usize; PLACES],
}

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
const CLIPPED: f64 = 1.25;

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
    let mut days = Days::of(past, weights);
    if days.number < FEWEST_DAYS {
        return None;
    }
    let classes = Classes::of(&days, past.class);
    for day in 0..days.number {
        days.residuals[day] = days.values[day] - classes.expected[usize::from(days.classes[day])];
    }
    // Days of classes that stand apart have less of a say, or none.
    let is_own = |day: usize| days.classes[day] == past.class;
    let foreign = 1.0 - classes.apart;
    let shared = |day: usize| days.weights[day] * if is_own(day) { 1.0 } else { foreign };
    let lent = (BORROWED_DAYS / classes.other_days.max(1.0)).min(1.0);
    let borrowed = 1.0 - classes.apart * (1.0 - lent);
    let spreading: [f64; PLACES] =
        std::array::from_fn(|day| days.weights[day] * if is_own(day) { 1.0 } else { borrowed });

    let [weight, squares] = sums(|day| [spreading[day], spreading[day] * square(days.residuals[day])]);
    let raw = ratio(squares, weight);
    let limit = CLIP * typical_size(&days, past.class, classes.apart).max(0.4 * raw.sqrt());
    let clipped = days.residuals.map(|residual| residual.clamp(-limit, limit));
    let [of_spread, squared_weights, of_share, squared_shares, of_shared] = sums(|day| {
        let (spreading, shared) = (spreading[day], shared(day));
        [spreading * clipped[day], square(spreading), shared, square(shared), shared * clipped[day]]
    });
    let middle = ratio(of_spread, weight);
    let number = square(weight) / squared_weights;
    let lost = number / (number - 1.0);
    let [squares] = sums(|day| [spreading[day] * square(clipped[day] - middle)]);
    let mut variance = ratio(squares, weight) * lost * CLIPPED;
    let usual = classes.expected[usize::from(past.class)] + ratio(of_shared, of_share);
    let mut expected = usual;
    let mut noise = (square(of_share) / squared_shares).recip();

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
    for day in 0..days.number {
        residuals[days.places[day]] =
            residual(days.weekdays[day], days.same_weekday[day], days.values[day], days.classes[day]);
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
}

impl Days {
    fn of(past: &Past<'_>, weights: &[f64]) -> Self {
        let mut days = Self {
            number: 0,
            values: [0.0; PLACES],
            weights: [0.0; PLACES],
            residuals: [0.0; PLACES],
            classes: [0; PLACES],
            places: [0; PLACES],
            same_weekday: [false; PLACES],
            weekdays: [0; PLACES],
        };
        for earlier in past.earlier.iter().take(PLACES) {
            let value = past.values[earlier.place];
            let day = days.number;
            days.values[day] = value;
            days.weights[day] = weights[earlier.age];
            days.classes[day] = earlier.class[past.length];
            days.places[day] = earlier.place;
            days.same_weekday[day] = earlier.same_weekday;
            days.weekdays[day] = earlier.age % 7;
            // The next one takes the place of a day without a value.
            days.number += usize::from(!value.is_nan());
        }
        if let Some((values, weights)) =
            days.values.get_mut(days.number).zip(days.weights.get_mut(days.number))
        {
            (*values, *weights) = (0.0, 0.0);
        }
        days
    }
}

impl Classes {
    fn of(days: &Days, own: Class) -> Self {
        // About the first value, so that large values that differ by little keep their digits.
        let origin = days.values[0];
        // By class: number, weight and weighted sum. Days that follow each other add to different sums, so that a
        // processor need not wait for the one before.
        let mut halves = [[[0.0; 4]; CLASSES]; 2];
        for day in 0..days.number {
            let weight = days.weights[day];
            let of_class = &mut halves[day % 2][usize::from(days.classes[day]) % CLASSES];
            add(of_class, [1.0, weight, weight * (days.values[day] - origin), 0.0]);
        }
        let [mut of_classes, other] = halves;
        of_classes.iter_mut().zip(other).for_each(|(one, other)| add(one, other));
        let counts = of_classes.map(|[count, ..]| count);
        let weights = of_classes.map(|[_, weight, ..]| weight);
        let of_class = of_classes.map(|[_, _, sum, _]| sum);
        let count = days.number as f64;
        let (weight, sum): (f64, f64) = (weights.iter().sum(), of_class.iter().sum());
        let means: [f64; CLASSES] = std::array::from_fn(|class| of_class[class] / weights[class]);
        let mut distances = [0.0; PLACES];
        for day in 0..days.number {
            let mean = means[usize::from(days.classes[day]) % CLASSES];
            distances[day] = (days.values[day] - origin) - mean;
        }
        let [squares] = sums(|day| [days.weights[day] * square(distances[day])]);
        let within = squares / weight * count / (count - 2.0);
        let all = sum / weight;
        let mut apart = [0.0; CLASSES];
        let mut expected = [origin + all; CLASSES];
        for class in 0..CLASSES {
            let others = count - counts[class];
            if counts[class] == 0.0 || others == 0.0 {
                continue;
            }
            let rest = (sum - of_class[class]) / (weight - weights[class]);
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
        let same = || (0..days.number).filter(|day| days.same_weekday[*day]);
        let number = same().count();
        if number < 2 {
            return None;
        }
        let number = number as f64;
        let mean_of = |value: &dyn Fn(usize) -> f64| {
            let of_day = |(weight, sum): (f64, f64), day: usize| {
                (weight + days.weights[day], sum + days.weights[day] * value(day))
            };
            let (weight, sum) = same().fold((0.0, 0.0), of_day);
            ratio(sum, weight)
        };
        let origin = days.values[0];
        let mean = origin + mean_of(&|day| days.values[day] - origin);
        let variance = mean_of(&|day| square(days.values[day] - mean)) * number / (number - 1.0);
        Some(Self { days: number, mean, variance })
    }

    /// The variance of the weekday, mixed with one of all days.
    fn mixed(&self, variance: f64) -> f64 {
        (self.variance * (self.days - 1.0) + variance) / self.days
    }
}

/// How far each weekday stands apart from its class.
fn weekdays(days: &Days, within: f64) -> [f64; 7] {
    let mut sums = [[0.0; 4]; 7];
    for day in 0..days.number {
        let residual = days.residuals[day];
        add(&mut sums[days.weekdays[day] % 7], [1.0, residual, square(residual), 0.0]);
    }
    sums.map(|[count, sum, squares, _]| {
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
    let mut sizes = [0; PLACES];
    let mut number = 0;
    for day in 0..days.number {
        sizes[number] = size_key(days.residuals[day]);
        number += usize::from(apart <= 0.5 || days.classes[day] == class);
    }
    MAD_TO_SPREAD * median_size(&mut sizes[..number])
}

/// How far an expectation moves: the part of a squared difference that is more than its noise, over itself and the
/// noise that remains.
fn share_of_signal(squared: f64, noise: f64, remaining: f64) -> f64 {
    let signal = squared - noise;
    if signal > 0.0 { signal / (signal + remaining) } else { 0.0 }
}

/// A sum over the sum of its weights. 0 if nothing has a weight.
fn ratio(sum: f64, weight: f64) -> f64 {
    if weight > 0.0 { sum / weight } else { 0.0 }
}

fn add<const N: usize>(sums: &mut [f64; N], terms: [f64; N]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

/// Sums over all places.
fn sums<const N: usize>(terms: impl Fn(usize) -> [f64; N]) -> [f64; N] {
    let mut lanes = [[0.0; LANES]; N];
    for first in (0..PLACES).step_by(LANES) {
        for lane in 0..LANES {
            for (lanes, term) in lanes.iter_mut().zip(terms(first + lane)) {
                lanes[lane] += term;
            }
        }
    }
    lanes.map(|[a, b, c, d]| (a + b) + (c + d))
}

fn square(value: f64) -> f64 {
    value * value
}
