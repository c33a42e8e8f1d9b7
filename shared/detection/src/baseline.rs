//! Mean and standard deviation of the earlier windows, in one pass and without loss of digits.
//!
//! Source of the recurrence: B. P. Welford, "Note on a Method for Calculating Corrected Sums of Squares and Products",
//! Technometrics 4 (1962). It is applied to the values less the first one of them (the "shifted data" of T. F. Chan,
//! G. H. Golub, R. J. LeVeque, "Algorithms for Computing the Sample Variance", 1983): values near 1e15 that differ by
//! one would otherwise lose their difference in the rounding of the mean, for that difference of two near values is
//! exact while the mean is not.

use serde::{Deserialize, Serialize};

/// What is usual: mean and sample standard deviation (n - 1) of the counted baseline windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    mean: f64,
    stddev: f64,
    sample_count: usize,
    /// The mean in two parts, `origin + offset`, so that a deviation from it can be exact where the mean is rounded.
    origin: f64,
    offset: f64,
}

impl Baseline {
    /// Relative spread below which a baseline counts as constant and a z-score would only measure rounding.
    pub const CONSTANT_SPREAD: f64 = 1e-9;

    /// The baseline of `values`, in any order; `None` below two values, which have no standard deviation.
    ///
    /// The parts are finite for finite values up to 1e100; beyond that the squares may overflow, and
    /// [`Baseline::is_finite`] says so.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values = values.into_iter();
        let origin = values.next()?;
        let (mut count, mut offset, mut squares) = (1_usize, 0.0_f64, 0.0_f64);
        for value in values {
            count += 1;
            let shifted = value - origin;
            let delta = shifted - offset;
            offset += delta / count as f64;
            squares += delta * (shifted - offset);
        }
        if count < 2 {
            return None;
        }
        let stddev = (squares / (count - 1) as f64).sqrt();
        Some(Self { mean: origin + offset, stddev, sample_count: count, origin, offset })
    }

    /// Arithmetic mean, in the metric's unit.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Sample standard deviation (n - 1), in the metric's unit; never negative.
    pub fn stddev(&self) -> f64 {
        self.stddev
    }

    /// How many windows were counted.
    pub fn sample_count(&self) -> usize {
        self.sample_count
    }

    /// `value - mean`, in the metric's unit.
    pub fn deviation(&self, value: f64) -> f64 {
        (value - self.origin) - self.offset
    }

    /// Whether the spread is no more than rounding, so that a z-score has no meaning.
    pub fn is_constant(&self) -> bool {
        self.stddev <= Self::CONSTANT_SPREAD * self.mean.abs()
    }

    /// Whether no part of it overflowed.
    pub fn is_finite(&self) -> bool {
        self.mean.is_finite() && self.stddev.is_finite()
    }
}

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
    fn rounding_noise_is_constant() {
        assert!(Baseline::of([0.0, 0.0, 0.0]).unwrap().is_constant());
        assert!(Baseline::of([0.1 + 0.2, 0.3, 0.3]).unwrap().is_constant());
        assert!(!Baseline::of([1.0, 1.0, 1.0 + 1e-6]).unwrap().is_constant());
    }
}
