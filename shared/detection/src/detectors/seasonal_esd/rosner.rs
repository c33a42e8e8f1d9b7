//! The generalised ESD test: how many of the values farthest from the middle are outliers.
//!
//! Source: B. Rosner, "Percentage Points for a Generalized ESD Many-Outlier Procedure", Technometrics 25 (1983). The
//! farthest value is taken away again and again. The number of outliers is that of the last step at which the farthest
//! distance, in spreads, exceeded the critical value of the step. So outliers cannot hide each other.

use distrs::StudentsT;

use crate::sorted::{MAD_TO_SPREAD, median, median_deviation};

/// Values in order without those that were taken away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rosner<'a> {
    /// The values that are no outliers, in ascending order.
    pub(super) kept: &'a [f64],
    pub(super) outliers: usize,
    /// Median of the kept values.
    pub(super) middle: f64,
    /// Their median absolute deviation, as that of normal values.
    pub(super) spread: f64,
    /// The distance in spreads beyond which the farthest of them would be an outlier.
    pub(super) critical: f64,
}

impl<'a> Rosner<'a> {
    /// The test on values in ascending order. `None` if there are too few.
    ///
    /// * `most`: how many outliers are looked for.
    /// * `significance`: the probability that normal noise has any.
    /// * `rounding`: a spread of at most this is none, and no value is far in such spreads.
    pub(super) fn of(sorted: &'a [f64], most: usize, significance: f64, rounding: f64) -> Option<Self> {
        // The deviation says nothing when most values are taken away.
        if sorted.len() < 2 * most + 3 {
            return None;
        }
        let mut step = Self::step(sorted, 0, significance)?;
        let mut found = step;
        for outliers in 1..=most {
            let exceeds = step.spread > rounding && step.farthest() > step.critical * step.spread;
            step = Self::step(step.without_farthest(), outliers, significance)?;
            if exceeds {
                found = step;
            }
        }
        Some(found)
    }

    /// Whether a value is no outlier.
    pub(super) fn keeps(&self, value: f64) -> bool {
        self.kept.first().is_some_and(|lowest| *lowest <= value)
            && self.kept.last().is_some_and(|highest| *highest >= value)
    }

    fn step(kept: &'a [f64], outliers: usize, significance: f64) -> Option<Self> {
        let middle = median(kept)?;
        let spread = MAD_TO_SPREAD * median_deviation(kept, middle)?;
        Some(Self { kept, outliers, middle, spread, critical: critical(kept.len(), significance) })
    }

    /// The distances of the smallest and the largest value.
    fn distances(&self) -> (f64, f64) {
        let lowest = self.kept.first().map_or(0.0, |lowest| self.middle - lowest);
        let highest = self.kept.last().map_or(0.0, |highest| highest - self.middle);
        (lowest, highest)
    }

    fn farthest(&self) -> f64 {
        let (lowest, highest) = self.distances();
        lowest.max(highest)
    }

    fn without_farthest(&self) -> &'a [f64] {
        let (lowest, highest) = self.distances();
        match self.kept {
            [_, rest @ ..] if lowest > highest => rest,
            [rest @ .., _] => rest,
            [] => &[],
        }
    }
}

/// The critical value of a step with `count` values left.
fn critical(count: usize, significance: f64) -> f64 {
    let count = count as f64;
    let t = StudentsT::ppf(1.0 - significance / (2.0 * count), count - 2.0);
    (count - 1.0) * t / ((count - 2.0 + t * t) * count).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        values: Vec<f64>,
        /// The farthest distance in spreads, step by step.
        statistics: Vec<f64>,
        critical: Vec<f64>,
        /// The outliers, the farthest first.
        outliers: Vec<f64>,
    }

    #[test]
    fn a_public_implementation_comes_to_the_same_steps() {
        let vectors: Vec<Vector> = serde_json::from_str(include_str!("rosner.json")).unwrap();
        for Vector { name, mut values, statistics, critical, mut outliers } in vectors {
            values.sort_by(f64::total_cmp);
            let found = Rosner::of(&values, statistics.len(), 0.05, 0.0).unwrap();
            assert_eq!(found.outliers, outliers.len(), "{name}");
            let mut taken: Vec<f64> = values.iter().copied().filter(|value| !found.keeps(*value)).collect();
            taken.sort_by(f64::total_cmp);
            outliers.sort_by(f64::total_cmp);
            assert_eq!(taken, outliers, "{name}");
            let mut step = Rosner::step(&values, 0, 0.05).unwrap();
            for (statistic, critical) in statistics.iter().zip(&critical) {
                let farthest = step.farthest() / step.spread;
                assert!((farthest - statistic).abs() < 1e-9 * statistic, "{name}: {farthest} {statistic}");
                assert!((step.critical - critical).abs() < 1e-6, "{name}: {} {critical}", step.critical);
                step = Rosner::step(step.without_farthest(), step.outliers + 1, 0.05).unwrap();
            }
        }
    }

    /// The table of Rosner's own example: NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.5.17.3.
    #[test]
    fn critical_values_of_the_handbook() {
        let found: Vec<f64> = (0..10).map(|step| critical(54 - step, 0.05)).collect();
        let table = [3.159, 3.151, 3.144, 3.136, 3.128, 3.120, 3.112, 3.103, 3.094, 3.085];
        for (found, table) in found.iter().zip(table) {
            assert!((found - table).abs() < 6e-4, "{found} {table}");
        }
    }

    #[test]
    fn outliers_do_not_hide_each_other() {
        let values: Vec<f64> = (0..40).map(f64::from).chain([500.0, 501.0, 502.0]).collect();
        let found = Rosner::of(&values, 10, 0.05, 0.0).unwrap();
        assert_eq!((found.outliers, found.kept.len()), (3, 40));
        assert_eq!(Rosner::of(&values[..22], 10, 0.05, 0.0), None);
        let constant = [7.0; 40];
        assert_eq!(Rosner::of(&constant, 10, 0.05, 0.0).unwrap().outliers, 0);
    }

    proptest! {
        #[test]
        fn scale_shift_and_sign_change_no_outlier(
            values in prop::collection::vec(-100.0..100.0, 30..90),
            scale in prop_oneof![0.01..100.0_f64, -100.0..-0.01_f64],
            shift in -1e3..1e3,
        ) {
            let mut one = values.clone();
            one.extend([900.0, -800.0]);
            let mut other: Vec<f64> = one.iter().map(|value| value * scale + shift).collect();
            one.sort_by(f64::total_cmp);
            other.sort_by(f64::total_cmp);
            let (one, other) = (Rosner::of(&one, 10, 0.05, 0.0).unwrap(), Rosner::of(&other, 10, 0.05, 0.0).unwrap());
            prop_assert!(one.outliers >= 2);
            prop_assert_eq!(one.outliers, other.outliers);
            prop_assert!((one.spread * scale.abs() - other.spread).abs() < 1e-6 * other.spread);
        }
    }
}
