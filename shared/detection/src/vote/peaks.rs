//! What a metric reaches on many days, at whatever hour. To reach that once more is no news.
//!
//! Machines burst: a nightly job, a build, a backup at another hour of each day. Their samples stand out of the hours before them,
//! and of the same hour of other days. So a value must also lie beyond what was reached on three days of the last 28, by
//! 15 %. The gate of spikes of usage has the same numbers.

/// The values of the third farthest days, above and below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peaks {
    high: f64,
    low: f64,
}

/// A value that this many days reached is no news.
const REACHED: usize = 3;

/// Days that are looked at.
pub const DAYS: usize = 28;

/// How much farther a value must be, as a share of the peak.
const BEYOND: f64 = 0.15;

impl Peaks {
    /// * `days`: the least and the largest sample of each earlier day, oldest first. Days without a sample are not finite.
    ///
    /// `None` if fewer than three days are known.
    pub fn of(days: &[(f64, f64)]) -> Option<Self> {
        let newest = &days[days.len().saturating_sub(DAYS)..];
        let is_known = |(least, most): &&(f64, f64)| least.is_finite() && most.is_finite();
        let (mut lows, mut highs): (Vec<f64>, Vec<f64>) = newest.iter().filter(is_known).copied().unzip();
        lows.sort_unstable_by(f64::total_cmp);
        highs.sort_unstable_by(|one, other| other.total_cmp(one));
        Some(Self { high: *highs.get(REACHED - 1)?, low: *lows.get(REACHED - 1)? })
    }

    /// Whether a value lies beyond the peaks.
    pub fn is_news(&self, value: f64) -> bool {
        value > self.high + BEYOND * self.high.abs() || value < self.low - BEYOND * self.low.abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_three_days_reached_is_no_news() {
        let days = [(5.0, 90.0), (10.0, 100.0), (10.0, 20.0), (20.0, 80.0), (f64::NAN, f64::NAN)];
        let peaks = Peaks::of(&days).unwrap();
        assert_eq!(peaks, Peaks { high: 80.0, low: 10.0 });
        let news = [92.1, 92.0, 50.0, 8.5, 8.4, f64::NAN].map(|value| peaks.is_news(value));
        assert_eq!(news, [true, false, false, false, true, false]);
        assert_eq!(Peaks::of(&days[..2]), None);
    }

    #[test]
    fn only_the_newest_days_count_and_signs_do_not_matter() {
        let mut days = vec![(-900.0, 900.0); 5];
        days.extend([(-10.0, -1.0); DAYS]);
        let peaks = Peaks::of(&days).unwrap();
        assert_eq!([-0.8, -0.9, -11.4, -11.6].map(|value| peaks.is_news(value)), [true, false, false, true]);
    }
}
