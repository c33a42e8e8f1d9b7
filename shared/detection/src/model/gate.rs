//! The gate for irregular customers: how far a day's most unusual window usually rises, at whatever hour.
//!
//! A burst at an odd hour is no news for a customer that bursts at odd hours each week. For a customer that keeps to its
//! hours, a burst at night is news, even if days have larger windows.

use crate::calendar::Calendar;

/// Days that count.
const DAYS: usize = 28;

/// The third-largest of the daily maxima of windows, newest 28 days. `None` below three days with a value.
///
/// * `windows`: a figure of the windows that end with each hour of the span, NaN for those without.
pub(super) fn third_largest(windows: &[f64]) -> Option<f64> {
    let mut largest = [f64::NEG_INFINITY; 3];
    for day in windows.rchunks(Calendar::HOURS).take(DAYS) {
        let mut maximum = day.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for rank in &mut largest {
            if maximum > *rank {
                std::mem::swap(&mut maximum, rank);
            }
        }
    }
    largest[2].is_finite().then_some(largest[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_odd_days_move_nothing() {
        let mut windows = vec![f64::NAN; 31 * 24];
        assert_eq!(third_largest(&windows), None);
        for day in 0..31 {
            windows[day * 24 + day % 24] = day as f64;
        }
        assert_eq!(third_largest(&windows), Some(28.0));
        windows[10 * 24 + 5] = 1e9;
        windows[10 * 24 + 6] = 1e9;
        windows[30 * 24] = 1e9;
        assert_eq!(third_largest(&windows), Some(29.0), "of a day only the largest counts");
        // Older than 28 days.
        windows[2 * 24] = 1e9;
        assert_eq!(third_largest(&windows), Some(29.0));
        windows[3 * 24] = 1e9;
        assert_eq!(third_largest(&windows), Some(1e9));
        assert_eq!(third_largest(&[1.0; 48]), None, "of two days there is no third");
    }
}
