//! The rules that stand beside the detector's, one file each: a score of each hour from the hours before it. `unseen_shape` is the
//! product's own, and scores samples of machines only.

use crate::pager::Scorer;

mod cut_forest;
mod hour_of_day;
mod models;
mod robust_profile;
mod seasonal_hybrid;
mod today;
mod unseen_shape;

pub use cut_forest::CutForest;
pub(crate) use cut_forest::{Forest, LENGTH};
pub use hour_of_day::HourOfDay;
pub use models::{Models, assess};
pub use robust_profile::RobustProfile;
pub(crate) use seasonal_hybrid::Season;
pub use seasonal_hybrid::SeasonalHybrid;
pub use today::Today;
pub(crate) use unseen_shape::unseen_shape;

/// All but the detector's own.
pub const PEERS: [&dyn Scorer; 5] = [&Today, &HourOfDay, &RobustProfile, &SeasonalHybrid, &CutForest];

/// Days of history that a rule looks at, and days that it needs at least.
const DAYS: usize = 28;
const LEAST_DAYS: usize = 7;

/// Hours before the first use. They are no history.
fn before_first_use(values: &[f64]) -> usize {
    values.iter().position(|value| *value != 0.0).unwrap_or(values.len())
}

/// Each gap has the value before it.
pub(crate) fn filled(values: &[f64]) -> Vec<f64> {
    let mut last = values.iter().copied().find(|value| value.is_finite()).unwrap_or(0.0);
    let fill = |value: &f64| {
        last = if value.is_finite() { *value } else { last };
        last
    };
    values.iter().map(fill).collect()
}

/// The median; zero of nothing. The order of the values changes.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let (middle, is_odd) = (values.len() / 2, values.len() % 2 == 1);
    let (lower, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_odd {
        return *upper;
    }
    (lower.iter().copied().fold(f64::NEG_INFINITY, f64::max) + *upper) / 2.0
}

/// The spread of a normal distribution whose values have this median of absolute deviations: times 1.4826.
fn spread_of_deviations(deviations: &mut [f64]) -> f64 {
    deviations.iter_mut().for_each(|deviation| *deviation = deviation.abs());
    1.4826 * median(deviations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers_of_values() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [5.0]), 5.0);
        assert_eq!(median(&mut []), 0.0);
        assert!((spread_of_deviations(&mut [-1.0, 2.0, -3.0]) - 2.9652).abs() < 1e-12);
    }

    #[test]
    fn gaps_have_the_value_before() {
        assert_eq!(filled(&[f64::NAN, 2.0, f64::NAN, 3.0]), [2.0, 2.0, 2.0, 3.0]);
    }

    #[test]
    fn history_begins_with_the_first_use() {
        assert_eq!(before_first_use(&[0.0, 0.0, 3.0, 0.0]), 2);
        assert_eq!(before_first_use(&[0.0, 0.0]), 2);
    }
}
