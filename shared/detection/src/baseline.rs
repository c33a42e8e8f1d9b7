//! Mean and standard deviation of the earlier windows, without loss of digits.
//!
//! Source: T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for Computing the Sample Variance", The American
//! Statistician 37 (1983). This is the corrected two-pass algorithm on shifted data: the first value is subtracted from
//! all values. So values near 1e15 that differ by one keep their spread. Two passes over a month of windows take a
//! third of the time of the recurrence that needs one pass.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// Values of a baseline that need no heap memory: three months of days.
pub(crate) const INLINE: usize = 96;

/// The values of a baseline.
pub(crate) type Values = SmallVec<[f64; INLINE]>;

/// The usual usage: mean and sample standard deviation (n - 1) of the counted baseline windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    mean: f64,
    stddev: f64,
    sample_count: usize,
    /// The mean in two parts, `origin + offset`. So a deviation can be exact even if the mean is rounded.
    origin: f64,
    offset: f64,
}

impl Baseline {
    /// Relative spread below which a baseline counts as constant. A z-score would only measure rounding there.
    pub const CONSTANT_SPREAD: f64 = 1e-9;

    /// Of no window at all.
    pub(crate) const NONE: Self = Self { mean: 0.0, stddev: 0.0, sample_count: 0, origin: 0.0, offset: 0.0 };

    /// The baseline of `values`, in any order. `None` below two values, which have no standard deviation.
    ///
    /// The parts are finite for finite values up to 1e100. Beyond that the squares may overflow, and
    /// [`Baseline::is_finite`] says so.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        Self::of_slice(&values.into_iter().collect::<Values>())
    }

    /// The same for a slice of values.
    pub fn of_slice(values: &[f64]) -> Option<Self> {
        let (origin, count) = (*values.first()?, values.len());
        if count < 2 {
            return None;
        }
        let [sum] = sums(values, |value| [value - origin]);
        let offset = sum / count as f64;
        let [squares, rest] = sums(values, |value| {
            let delta = (value - origin) - offset;
            [delta * delta, delta]
        });
        // Corrects the rounding of the offset.
        let squares = (squares - rest * rest / count as f64).max(0.0);
        let stddev = (squares / (count - 1) as f64).sqrt();
        Some(Self { mean: origin + offset, stddev, sample_count: count, origin, offset })
    }

    /// The baseline with these figures, which may be rounded. `None` if they are no figures of two or more values.
    pub(crate) fn of_figures(mean: f64, stddev: f64, sample_count: usize) -> Option<Self> {
        let is_one = mean.is_finite() && stddev.is_finite() && stddev >= 0.0 && sample_count >= 2;
        is_one.then_some(Self { mean, stddev, sample_count, origin: mean, offset: 0.0 })
    }

    /// The baseline of whole numbers, from their number, their sum and the sum of their squares. `None` below two of them. It is
    /// exact, because whole numbers lose nothing in a sum.
    pub fn of_whole_numbers(count: u64, sum: u64, squares: u128) -> Option<Self> {
        let (n, total) = (u128::from(count), u128::from(sum));
        // The variance times count times count less one.
        let spread = n.checked_mul(squares)?.checked_sub(total.checked_mul(total)?)?;
        let variance = (count >= 2).then(|| spread as f64 / (n * (n - 1)) as f64)?;
        Self::of_figures(sum as f64 / count as f64, variance.sqrt(), usize::try_from(count).ok()?)
    }

    /// What a rule compares with: a usual value, its spread, and the number of earlier events or windows that they are of.
    /// Unlike a baseline of windows, it may be of one or none.
    pub(crate) fn of_reference(mean: f64, stddev: f64, events: u64) -> Self {
        let sample_count = usize::try_from(events).unwrap_or(usize::MAX);
        Self { mean, stddev, sample_count, origin: mean, offset: 0.0 }
    }

    /// Arithmetic mean, in the metric's unit.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Sample standard deviation (n - 1), in the metric's unit; never negative.
    pub fn stddev(&self) -> f64 {
        self.stddev
    }

    /// Number of counted windows.
    pub fn sample_count(&self) -> usize {
        self.sample_count
    }

    /// `value - mean`, in the metric's unit.
    pub fn deviation(&self, value: f64) -> f64 {
        (value - self.origin) - self.offset
    }

    /// Whether the spread is only rounding, so that a z-score has no meaning.
    pub fn is_constant(&self) -> bool {
        self.stddev <= Self::CONSTANT_SPREAD * self.mean.abs()
    }

    /// Whether no part overflowed.
    pub fn is_finite(&self) -> bool {
        self.mean.is_finite() && self.stddev.is_finite()
    }
}

/// Sums over all values, made of four partial sums. A processor adds the four at a time. With one sum it would wait for
/// each addition.
fn sums<const N: usize>(values: &[f64], terms: impl Fn(f64) -> [f64; N]) -> [f64; N] {
    let mut lanes = [[0.0; LANES]; N];
    let mut add = |lane: usize, value: f64| {
        for (lanes, term) in lanes.iter_mut().zip(terms(value)) {
            lanes[lane] += term;
        }
    };
    let (fours, rest) = values.as_chunks::<LANES>();
    for four in fours {
        four.iter().enumerate().for_each(|(lane, value)| add(lane, *value));
    }
    rest.iter().enumerate().for_each(|(lane, value)| add(lane, *value));
    lanes.map(|[a, b, c, d]| (a + b) + (c + d))
}

const LANES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_values() {
        let baseline = Baseline::of([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(baseline.mean(), 5.0);
        assert!((baseline.stddev() - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        assert_eq!(baseline.sample_count(), 8);
        assert_eq!(Baseline::of([]), None);
        assert_eq!(Baseline::of([1.0]), None);
    }

    #[test]
    fn large_values_that_differ_by_one_keep_their_spread() {
        for base in [0.0, 1e9, 1e12, 1e15] {
            let baseline = Baseline::of([base, base + 1.0, base + 2.0]).unwrap();
            assert_eq!((baseline.mean(), baseline.stddev()), (base + 1.0, 1.0), "base {base}");
            assert_eq!(baseline.deviation(base + 11.0), 10.0, "base {base}");
        }
    }

    #[test]
    fn sums_of_whole_numbers_are_enough() {
        let of = |values: &[u64]| {
            let squares = values.iter().map(|value| u128::from(value * value)).sum();
            Baseline::of_whole_numbers(values.len() as u64, values.iter().sum(), squares)
        };
        for values in [&[2, 4, 4, 4, 5, 5, 7, 9][..], &[0, 0], &[1_000_000_000, 1_000_000_001, 1_000_000_002]]
        {
            let expected = Baseline::of(values.iter().map(|value| *value as f64)).unwrap();
            let found = of(values).unwrap();
            assert!((found.mean() - expected.mean()).abs() < 1e-6, "{values:?}");
            assert!((found.stddev() - expected.stddev()).abs() < 1e-9, "{values:?}");
            assert_eq!(found.sample_count(), values.len());
        }
        assert_eq!((of(&[]), of(&[7])), (None, None));
        assert_eq!(Baseline::of_whole_numbers(2, u64::MAX, 1), None, "no such numbers");
    }

    #[test]
    fn rounding_noise_is_constant() {
        assert!(Baseline::of([0.0, 0.0, 0.0]).unwrap().is_constant());
        assert!(Baseline::of([0.1 + 0.2, 0.3, 0.3]).unwrap().is_constant());
        assert!(!Baseline::of([1.0, 1.0, 1.0 + 1e-6]).unwrap().is_constant());
    }
}
