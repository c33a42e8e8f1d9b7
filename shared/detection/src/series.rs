//! One customer's usage of one metric, window by window.

use jiff::Timestamp;

use crate::baseline::{INLINE, Values};
use crate::{Age, Excluded, Reason, Window};

/// The meaning of a counted window without events of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// No usage: the window's value is zero. Right for counts and sums.
    Zero,
    /// Unknown: the window has no value. Right for levels, such as the storage in use.
    Gap,
}

impl Missing {
    /// The value of a window that counts, from the value of its events.
    pub fn value(self, of_events: Option<f64>) -> Option<f64> {
        // Adding zero turns a negative zero into a plain one. Otherwise it would show as "-0".
        match self {
            Self::Zero => Some(of_events.unwrap_or(0.0) + 0.0),
            Self::Gap => of_events.map(|value| value + 0.0),
        }
    }
}

/// The values of one customer and metric by age: index 0 is the current window, index i the i-th earlier one.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    windows: &'a [Option<f64>],
    counted: usize,
    /// How many of the earlier windows count for the customer, whose other series may be older.
    counted_of_customer: usize,
    /// Whether the first event of the series lies in the current window.
    is_first_use: bool,
    missing: Missing,
    never_negative: bool,
    excluded: Excluded,
}

impl<'a> Series<'a> {
    /// * `windows`: values by age, `None` where the window holds no event of the metric.
    /// * `counted`: how many of the earlier windows count, the newest ones; see [`crate::Window::counted`].
    /// * `never_negative`: whether a negative value can only be broken data, as for counts and sums.
    pub fn new(windows: &'a [Option<f64>], counted: usize, missing: Missing, never_negative: bool) -> Self {
        Self {
            windows,
            counted,
            counted_of_customer: counted,
            is_first_use: false,
            missing,
            never_negative,
            excluded: Excluded::default(),
        }
    }

    /// The same for a series whose first event in the time read is this one. A series may be younger than its customer.
    ///
    /// * Zeros count from the first use of the series only.
    /// * Gaps have no value, so they need no such rule.
    /// * A series without any event has the zeros of its customer.
    pub fn used_since(self, first_use: Option<Timestamp>, window: &Window, oldest: Age) -> Self {
        let Some(first_use) = first_use else { return self };
        let counted = match self.missing {
            Missing::Zero => window.counted(first_use, oldest).min(self.counted),
            Missing::Gap => self.counted,
        };
        Self { counted, is_first_use: first_use >= window.start(), ..self }
    }

    /// The same without the windows that incidents were in.
    pub fn excluding(self, excluded: Excluded) -> Self {
        Self { excluded, ..self }
    }

    /// The value of the current window. `None` for a gap.
    pub fn current(&self) -> Option<f64> {
        self.missing.value(self.windows.first().copied().flatten())
    }

    /// How many of the earlier windows count.
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// Whether a customer that is known for `min_samples` windows uses the metric for the first time.
    pub fn is_first_use(&self, min_samples: usize) -> bool {
        self.is_first_use && self.counted_of_customer >= min_samples
    }

    /// The reason why the current window cannot be judged, if its value is broken.
    pub fn fault(&self) -> Option<Reason> {
        self.current().and_then(|value| self.fault_of(value))
    }

    /// How many of the counted windows have a value, broken or not.
    pub fn counted_values(&self) -> usize {
        match self.missing {
            Missing::Zero => self.counted.min(self.windows.len().saturating_sub(1)),
            Missing::Gap => self.windows.iter().skip(1).take(self.counted).flatten().count(),
        }
    }

    /// The counted baseline windows with broken values, newest first. They are left out, because one broken event must
    /// not keep a series from being judged for a month.
    pub fn broken_windows(&self) -> impl Iterator<Item = (Age, Reason)> {
        self.counted_windows().filter_map(|(age, value)| Some((age, self.fault_of(value)?)))
    }

    /// The counted baseline windows with a value, newest first.
    pub fn baseline(&self) -> impl Iterator<Item = (Age, f64)> + Clone {
        self.counted_windows().filter(|(_, value)| self.fault_of(*value).is_none())
    }

    /// How many excluded windows are left out: all, or as many as still leave `min_samples` values.
    pub fn excluded_windows(&self, min_samples: usize) -> usize {
        if self.excluded == Excluded::default() {
            return 0;
        }
        let excluded = self.baseline().filter(|(age, _)| self.excluded.holds(*age)).count();
        excluded.min(self.baseline().count().saturating_sub(min_samples))
    }

    /// The baseline without the newest `excluded_windows` of those excluded.
    pub fn baseline_without(&self, excluded_windows: usize) -> impl Iterator<Item = (Age, f64)> + Clone {
        let mut left_out = 0;
        self.baseline().filter(move |(age, _)| {
            let out = left_out < excluded_windows && self.excluded.holds(*age);
            left_out += usize::from(out);
            !out
        })
    }

    /// The values of [`baseline_without`](Self::baseline_without). Nearly no series has excluded windows.
    pub(crate) fn values_without(&self, excluded_windows: usize) -> Values {
        if excluded_windows > 0 {
            return self.baseline_without(excluded_windows).map(|(_, value)| value).collect();
        }
        let windows = self.windows.get(1..).unwrap_or_default();
        let counted = &windows[..self.counted.min(windows.len())];
        let mut values = [0.0; INLINE];
        if counted.len() > values.len() {
            return self.baseline().map(|(_, value)| value).collect();
        }
        // Each value is written, and kept if it is sound: a processor does that faster than it adds to a list.
        let mut sound = 0;
        for value in counted.iter().filter_map(|value| self.missing.value(*value)) {
            values[sound] = value;
            sound += usize::from(self.fault_of(value).is_none());
        }
        Values::from_buf_and_len(values, sound)
    }

    /// The counted windows without gaps.
    fn counted_windows(&self) -> impl Iterator<Item = (Age, f64)> + Clone {
        let counted = self.windows.iter().enumerate().skip(1).take(self.counted);
        counted.filter_map(|(age, value)| Some((Age::new(age)?, self.missing.value(*value)?)))
    }

    fn fault_of(&self, value: f64) -> Option<Reason> {
        Reason::of_broken(value, self.never_negative)
    }

    pub(crate) fn never_negative(&self) -> bool {
        self.never_negative
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(counted: usize, missing: Missing) -> (Option<f64>, Vec<f64>) {
        let windows = [None, Some(1.0), None, Some(3.0), Some(4.0)];
        let series = Series::new(&windows, counted, missing, true);
        (series.current(), series.baseline().map(|(_, value)| value).collect())
    }

    #[test]
    fn the_newest_windows_count() {
        assert_eq!(seen(4, Missing::Zero), (Some(0.0), vec![1.0, 0.0, 3.0, 4.0]));
        assert_eq!(seen(4, Missing::Gap), (None, vec![1.0, 3.0, 4.0]));
        assert_eq!(seen(2, Missing::Zero), (Some(0.0), vec![1.0, 0.0]));
        assert_eq!(seen(0, Missing::Zero), (Some(0.0), vec![]));
        assert_eq!(seen(9, Missing::Gap), (None, vec![1.0, 3.0, 4.0]));
    }

    #[test]
    fn excluded_windows_are_left_out_down_to_the_least_number() {
        let windows: Vec<_> = (0..10).map(|age| (age != 4).then(|| f64::from(age))).collect();
        let excluded = [0, 2, 3, 4, 8].into_iter().map(|age| Age::new(age).unwrap()).collect();
        let series = Series::new(&windows, 9, Missing::Gap, true).excluding(excluded);
        // The gap at 4 has no value to leave out, and 0 is the current window.
        for (min_samples, count, left) in [
            (5, 3, vec![1.0, 5.0, 6.0, 7.0, 9.0]),
            (7, 1, vec![1.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
            (9, 0, vec![1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
        ] {
            assert_eq!(series.excluded_windows(min_samples), count);
            let values: Vec<_> = series.baseline_without(count).map(|(_, value)| value).collect();
            assert_eq!(values, left);
        }
        assert_eq!(series.current(), Some(0.0));
    }

    #[test]
    fn no_windows_at_all_is_a_gap_and_not_a_panic() {
        let series = Series::new(&[], 0, Missing::Gap, true);
        assert_eq!((series.current(), series.baseline().count()), (None, 0));
    }

    #[test]
    fn broken_windows_are_left_out_and_told() {
        use Reason::{Negative, NotFinite, OutOfRange};
        let windows = [1.0, 2.0, f64::NAN, -4.0, f64::INFINITY, 1e308, 1e100, f64::NEG_INFINITY].map(Some);
        let series = |counted, never_negative| Series::new(&windows, counted, Missing::Zero, never_negative);
        let broken = |counted, never_negative| -> Vec<_> {
            series(counted, never_negative)
                .broken_windows()
                .map(|(age, reason)| (age.get(), reason))
                .collect()
        };
        let all = [(2, NotFinite), (3, Negative), (4, NotFinite), (5, OutOfRange), (7, NotFinite)];
        assert_eq!(broken(7, true), all);
        assert_eq!(broken(3, true), all[..2], "of windows that do not count nothing is told");
        assert_eq!(broken(7, false), [all[0], all[2], all[3], all[4]], "others may be negative");
        let values: Vec<_> = series(7, true).baseline().map(|(age, value)| (age.get(), value)).collect();
        assert_eq!(values, [(1, 2.0), (6, 1e100)]);
        assert_eq!(series(7, true).fault(), None);
        assert_eq!(Series::new(&windows[2..], 5, Missing::Gap, true).fault(), Some(NotFinite));
    }

    #[test]
    fn a_broken_window_takes_no_place_of_an_excluded_one() {
        let windows: Vec<_> = (0..10).map(|age| Some(if age == 3 { -1.0 } else { f64::from(age) })).collect();
        let excluded = [2, 3, 5].into_iter().map(|age| Age::new(age).unwrap()).collect();
        let series = Series::new(&windows, 9, Missing::Zero, true).excluding(excluded);
        // Eight are sound, and seven are needed.
        assert_eq!(series.excluded_windows(7), 1);
        let ages: Vec<_> = series.baseline_without(1).map(|(age, _)| age.get()).collect();
        assert_eq!(ages, [1, 4, 5, 6, 7, 8, 9]);
    }
}
