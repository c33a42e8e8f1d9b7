//! The spread of a baseline's values as quantiles and extremes, for people who choose thresholds.

/// The values of some windows in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution(Vec<f64>);

impl Distribution {
    /// `None` without values, or with one that is not finite.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        values.sort_by(f64::total_cmp);
        Some(Self(values))
    }

    pub fn min(&self) -> f64 {
        self.0[0]
    }

    pub fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    /// The quantile of a share in [0, 1], interpolated between the two nearest values: type 7 of R. J. Hyndman and
    /// Y. Fan, "Sample Quantiles in Statistical Packages" (1996), the one that R, NumPy and Excel use by default.
    ///
    /// A share outside of the range counts as its nearest end.
    pub fn quantile(&self, share: f64) -> f64 {
        let position = share.clamp(0.0, 1.0) * (self.0.len() - 1) as f64;
        let (below, above) = (self.0[position.floor() as usize], self.0[position.ceil() as usize]);
        // With these weights nothing overflows, and equal neighbours give their own value.
        let weight = position.fract();
        below * (1.0 - weight) + above * weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_as_r_and_numpy_have_them() {
        let one_to_ten = Distribution::of((1..=10).rev().map(f64::from)).unwrap();
        for (share, expected) in
            [(0.0, 1.0), (0.25, 3.25), (0.5, 5.5), (0.95, 9.55), (0.99, 9.91), (1.0, 10.0)]
        {
            assert!((one_to_ten.quantile(share) - expected).abs() < 1e-12, "{share}");
        }
        assert_eq!((one_to_ten.min(), one_to_ten.max()), (1.0, 10.0));
    }

    #[test]
    fn one_value_is_every_quantile() {
        let single = Distribution::of([7.0]).unwrap();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| single.quantile(share)), [7.0; 4]);
    }

    #[test]
    fn nothing_comes_of_nothing_or_of_broken_values() {
        assert_eq!(Distribution::of([]), None);
        assert_eq!(Distribution::of([1.0, f64::NAN]), None);
        assert_eq!(Distribution::of([1.0, f64::INFINITY]), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let huge = Distribution::of([f64::MAX, f64::MAX, f64::MAX]).unwrap();
        assert!(huge.quantile(0.3).is_finite());
    }
}
