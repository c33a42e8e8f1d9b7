//! How the values of many events are distributed, in buckets that are five percent wide.
//!
//! A mean and a standard deviation do not tell a percentile, and percentiles of hours cannot be added to those of a
//! month. Counts by bucket can: a histogram of a month is the sum of its hours, in any order. It also tells how many
//! events lie above a limit.
//!
//! A bucket holds the values from `1.05^k` to `1.05^(k + 1)`, and `k` is its key. A percentile is the
//! geometric middle of its bucket, which is at most 2.5 % off: the method of C. Masson, J. E. Rim, H. K. Lee, "DDSketch: A Fast and
//! Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", PVLDB 12 (2019).

use std::collections::BTreeMap;

/// Numbers of events by the bucket of their value, as `Map(Int16, UInt64)` in ClickHouse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(BTreeMap<i16, u64>);

impl Histogram {
    /// How many times as large as its lowest value a bucket's end is.
    pub const BASE: f64 = 1.05;
    /// The key of zero.
    pub const ZERO: i16 = -32_767;
    /// The key of all values below zero.
    pub const NEGATIVE: i16 = -32_768;
    /// The key of NaN and the infinities.
    pub const NOT_FINITE: i16 = 32_767;

    /// The percentile of a share in [0, 1] by the nearest rank: the geometric middle of the bucket that holds the event
    /// of rank `ceil(share * count)`. So at least this share of the events is in this bucket or below. The true value is
    /// within 2.5 % of it, and zero is exact.
    ///
    /// `None` without events, and for a share that is NaN. A share outside of the range counts as its nearest end.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 || share.is_nan() {
            return None;
        }
        let rank = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count);
        let mut seen: u64 = 0;
        let bucket = self.usable().find(|(_, events)| {
            seen = seen.saturating_add(*events);
            seen >= rank
        });
        bucket.map(|(key, _)| middle(key))
    }

    /// Number of events with a usable value: zero or above, and finite.
    pub fn count(&self) -> u64 {
        total(self.usable())
    }

    /// Number of events whose value is negative or not finite. No percentile knows of them.
    pub fn broken(&self) -> u64 {
        self.of(Self::NEGATIVE).saturating_add(self.of(Self::NOT_FINITE))
    }

    /// Number of events whose value is exactly zero.
    pub fn zeros(&self) -> u64 {
        self.of(Self::ZERO)
    }

    /// Number of events in the buckets above the one that holds `limit`. Events of the same bucket do not count, so it
    /// never tells too many. Zero if the limit is NaN.
    pub fn above(&self, limit: f64) -> u64 {
        total(self.usable().filter(|(key, _)| *key > Self::key(limit)))
    }

    /// Adds the events of another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.extend(other.0.iter().map(|(key, events)| (*key, *events)));
    }

    /// The lowest and the highest value that share the bucket of a value. Of two values of a bucket, a histogram cannot tell
    /// which is larger.
    pub(crate) fn bucket(value: f64) -> (f64, f64) {
        let key = Self::key(value);
        if [Self::ZERO, Self::NEGATIVE, Self::NOT_FINITE].contains(&key) {
            return (value, value);
        }
        let end = |key: f64| (key * Self::BASE.ln()).exp().min(f64::MAX);
        (end(f64::from(key)), end(f64::from(key) + 1.0))
    }

    /// The key of the bucket of a value.
    pub fn key(value: f64) -> i16 {
        if !value.is_finite() {
            Self::NOT_FINITE
        } else if value < 0.0 {
            Self::NEGATIVE
        } else if value == 0.0 {
            Self::ZERO
        } else {
            // From -15,258 for the smallest number to 14,547 for the largest.
            (value.ln() / Self::BASE.ln()).floor() as i16
        }
    }

    /// The standard deviation of the events (n - 1), by the middles of their buckets. `None` below two events, or if it
    /// is not finite.
    pub(crate) fn stddev(&self) -> Option<f64> {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for (key, events) in self.usable() {
            let (events, delta) = (events as f64, middle(key) - mean);
            count += events;
            mean += delta * (events / count);
            squares += events * delta * (middle(key) - mean);
        }
        let stddev = (squares / (count - 1.0)).sqrt();
        (count >= 2.0 && stddev.is_finite()).then_some(stddev)
    }

    /// Whether the values of a bucket are usable: zero or above, and finite.
    pub fn is_usable(key: i16) -> bool {
        key != Self::NEGATIVE && key != Self::NOT_FINITE
    }

    fn usable(&self) -> impl Iterator<Item = (i16, u64)> + '_ {
        self.0.iter().map(|(key, events)| (*key, *events)).filter(|(key, _)| Self::is_usable(*key))
    }

    fn of(&self, key: i16) -> u64 {
        self.0.get(&key).copied().unwrap_or(0)
    }
}

impl Extend<(i16, u64)> for Histogram {
    fn extend<T: IntoIterator<Item = (i16, u64)>>(&mut self, pairs: T) {
        for (key, events) in pairs.into_iter().filter(|(_, events)| *events > 0) {
            let sum = self.0.entry(key).or_default();
            *sum = sum.saturating_add(events);
        }
    }
}

/// From keys with their counts, in any order. The counts of a key that is there twice are added.
impl FromIterator<(i16, u64)> for Histogram {
    fn from_iter<T: IntoIterator<Item = (i16, u64)>>(pairs: T) -> Self {
        let mut histogram = Self::default();
        histogram.extend(pairs);
        histogram
    }
}

/// From the values of single events.
impl FromIterator<f64> for Histogram {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        values.into_iter().map(|value| (Self::key(value), 1)).collect()
    }
}

fn middle(key: i16) -> f64 {
    if key == Histogram::ZERO {
        return 0.0;
    }
    // A key that no number has is that of the largest one.
    ((f64::from(key) + 0.5) * Histogram::BASE.ln()).exp().min(f64::MAX)
}

/// The sum of the counts. It stays at the largest number instead of overflowing.
fn total(buckets: impl Iterator<Item = (i16, u64)>) -> u64 {
    buckets.fold(0, |sum, (_, events)| sum.saturating_add(events))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Histogram {
        values.into_iter().collect()
    }

    #[test]
    fn keys_as_clickhouse_computes_them() {
        // SELECT toInt16(floor(log(value) / log(1.05)))
        for (value, key) in [
            (1.0, 0),
            (1.04, 0),
            (1.06, 1),
            (0.99, -1),
            (100.0, 94),
            (1_000.0, 141),
            (1e-9, -425),
            (f64::MAX, 14_547),
            (f64::from_bits(1), -15_258),
            (0.0, Histogram::ZERO),
            (-0.0, Histogram::ZERO),
            (-1e-300, Histogram::NEGATIVE),
            (f64::NAN, Histogram::NOT_FINITE),
            (f64::INFINITY, Histogram::NOT_FINITE),
            (f64::NEG_INFINITY, Histogram::NOT_FINITE),
        ] {
            assert_eq!(Histogram::key(value), key, "{value}");
        }
    }

    #[test]
    fn a_bucket_holds_its_value_and_begins_where_another_ends() {
        let (low, high) = Histogram::bucket(10_000.0);
        assert!(low < 10_000.0 && high > 10_000.0 && (high / low / Histogram::BASE - 1.0).abs() < 1e-9);
        assert!((Histogram::bucket(high * 1.01).0 / high - 1.0).abs() < 1e-9);
        assert_eq!(Histogram::bucket(0.0), (0.0, 0.0));
        assert!(Histogram::bucket(f64::MAX).1.is_finite());
    }

    #[test]
    fn percentiles_by_the_nearest_rank() {
        let hundred = of((1..=100).map(f64::from));
        assert_eq!(hundred.count(), 100);
        for (share, exact) in [(0.0, 1.0), (0.05, 5.0), (0.5, 50.0), (0.95, 95.0), (1.0, 100.0), (7.0, 100.0)]
        {
            let percentile = hundred.percentile(share).unwrap();
            assert!((percentile / exact - 1.0).abs() < 0.025, "{share}: {percentile}");
        }
        assert_eq!(hundred.percentile(f64::NAN), None);
        assert_eq!(of([]).percentile(0.5), None);
        assert_eq!(of([0.0, 0.0, 9.0]).percentile(0.5), Some(0.0));
    }

    #[test]
    fn broken_values_are_counted_apart() {
        let histogram = of([-1.0, f64::NAN, 0.0, 0.0, 5.0]);
        assert_eq!((histogram.count(), histogram.broken(), histogram.zeros()), (3, 2, 2));
        assert_eq!(histogram.above(-1.0), 3);
        assert_eq!(of([-1.0, f64::NAN]).percentile(0.5), None);
    }

    #[test]
    fn events_above_a_limit_are_those_of_higher_buckets() {
        let histogram = of((1..=100).map(f64::from));
        assert_eq!(histogram.above(0.0), 100);
        assert_eq!(histogram.above(90.0), 7, "91 to 93 share the bucket of 90");
        assert_eq!(histogram.above(200.0), 0);
        assert_eq!([f64::NAN, f64::INFINITY].map(|limit| histogram.above(limit)), [0, 0]);
    }

    #[test]
    fn the_spread_is_that_of_the_values() {
        let exact = crate::Baseline::of((1..=1_000).map(f64::from)).unwrap().stddev();
        let stddev = of((1..=1_000).map(f64::from)).stddev().unwrap();
        assert!((stddev / exact - 1.0).abs() < 0.01, "{stddev} and {exact}");
        assert_eq!(of([4.0]).stddev(), None);
    }

    #[test]
    fn counts_that_overflow_stay_at_the_largest() {
        let mut histogram: Histogram = [(3, u64::MAX), (3, 1), (4, 7), (5, 0)].into_iter().collect();
        histogram.merge(&histogram.clone());
        assert_eq!(histogram.count(), u64::MAX);
        assert!(histogram.percentile(1.0).is_some());
        assert_eq!(histogram.0.len(), 2, "an empty bucket is none");
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_its_error(
            mut values in prop::collection::vec(1e-9..1e12_f64, 1..200),
            share in 0.0..=1.0_f64,
        ) {
            let percentile = of(values.iter().copied()).percentile(share).unwrap();
            values.sort_by(f64::total_cmp);
            let rank = ((share * values.len() as f64).ceil() as usize).clamp(1, values.len());
            prop_assert!((percentile / values[rank - 1] - 1.0).abs() <= 0.025);
        }

        #[test]
        fn any_map_gives_finite_answers(
            pairs in prop::collection::vec((any::<i16>(), any::<u64>()), 0..40),
            share in any::<f64>(),
        ) {
            let histogram: Histogram = pairs.iter().copied().collect();
            prop_assert!(histogram.percentile(share).is_none_or(f64::is_finite));
            prop_assert!(histogram.stddev().is_none_or(f64::is_finite));
            prop_assert!(histogram.above(share) <= histogram.count());
        }

        #[test]
        fn merging_is_adding_in_any_order(
            one in prop::collection::vec(-1.0..1e6_f64, 0..40),
            other in prop::collection::vec(-1.0..1e6_f64, 0..40),
        ) {
            let (mut forth, mut back) = (of(one.clone()), of(other.clone()));
            forth.merge(&of(other.clone()));
            back.merge(&of(one.clone()));
            prop_assert_eq!(&forth, &back);
            prop_assert_eq!(forth, of(one.into_iter().chain(other)));
        }
    }
}
