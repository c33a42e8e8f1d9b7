//! How many times as much as usual: one number that reads the same for rises and drops.

/// The value in multiples of the baseline for a rise, and the baseline in multiples of the value, negated, for a drop:
/// 3.18 for 12,400 after 3,900, and -175 for 0 after 175. A drop below one unit counts as one to one unit, unless the baseline
/// itself is not more.
///
/// A baseline that is not positive has no multiples. There it is the distance in units. Always finite, at most 1e100
/// either way, and 0 for a number that is none.
pub fn deviation_factor(value: f64, baseline: f64) -> f64 {
    let factor = if baseline <= 0.0 {
        value - baseline
    } else if value >= baseline {
        value / baseline
    } else {
        // A baseline below one, such as a rate, knows no unit that a value could be less than.
        -(baseline / if baseline > 1.0 { value.max(1.0) } else { value })
    };
    if factor.is_nan() || value.is_nan() || baseline.is_nan() { 0.0 } else { factor.clamp(-MOST, MOST) }
}

/// A database takes no numbers of 1e126 and more.
const MOST: f64 = 1e100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rises_and_drops() {
        for (value, baseline, expected) in [
            (12_400.0, 3_900.0, 12_400.0 / 3_900.0),
            (0.0, 175.0, -175.0),
            (50.0, 100.0, -2.0),
            (7.0, 7.0, 1.0),
            (0.35, 0.02, 0.35 / 0.02),
            (0.1, 0.9, -9.0),
            (40.0, 0.0, 40.0),
            (0.0, 0.0, 0.0),
            (-8.0, -5.0, -3.0),
            (1.0, 1e-300, 1e100),
            (f64::NAN, 1.0, 0.0),
            (1.0, f64::NAN, 0.0),
            (f64::INFINITY, f64::INFINITY, 0.0),
        ] {
            assert_eq!(deviation_factor(value, baseline), expected, "{value} after {baseline}");
        }
        assert_eq!(format!("{:.2}", deviation_factor(12_400.0, 3_900.0)), "3.18");
    }

    proptest! {
        #[test]
        fn always_finite(value: f64, baseline: f64) {
            prop_assert!(deviation_factor(value, baseline).is_finite());
        }
    }
}
