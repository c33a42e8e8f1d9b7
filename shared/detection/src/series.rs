//! One customer's usage of one metric, window by window.

/// What a counted window without events of a metric means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Nothing was used: the window's value is zero. Right for counts and sums.
    Zero,
    /// Nothing is known: the window has no value. Right for levels, such as the storage in use.
    Gap,
}

impl Missing {
    /// The value of a window that counts, given that of its events.
    pub fn value(self, of_events: Option<f64>) -> Option<f64> {
        // Adding zero turns a negative zero into a plain one, which would otherwise show as "-0".
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
    missing: Missing,
    never_negative: bool,
    excluded: Excluded,
}

/// Earlier windows that a baseline leaves out as far as it can do without them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excluded(u128);

impl Excluded {
    /// Leaves out the window of this age.
    pub fn mark(&mut self, age: usize) {
        // No baseline has as many windows as there are bits.
        self.0 |= u32::try_from(age).ok().and_then(|age| 1_u128.checked_shl(age)).unwrap_or(0);
    }

    pub fn holds(self, age: usize) -> bool {
        u32::try_from(age).ok().and_then(|age| self.0.checked_shr(age)).is_some_and(|bits| bits & 1 == 1)
    }
}

impl<'a> Series<'a> {
    /// * `windows`: values by age, `None` where the window holds no event of the metric.
    /// * `counted`: how many of the earlier windows count, the newest ones; see [`crate::Window::counted`].
    /// * `never_negative`: whether a negative value can only be broken data, as for counts and sums.
    pub fn new(windows: &'a [Option<f64>], counted: usize, missing: Missing, never_negative: bool) -> Self {
        Self { windows, counted, missing, never_negative, excluded: Excluded::default() }
    }

    /// The same without the windows that incidents were in.
    pub fn excluding(self, excluded: Excluded) -> Self {
        Self { excluded, ..self }
    }

    /// The value of the current window, or `None` where it is a gap.
    pub fn current(&self) -> Option<f64> {
        self.missing.value(self.windows.first().copied().flatten())
    }

    /// The values of the counted baseline windows, newest first, gaps left out.
    pub fn baseline(&self) -> impl Iterator<Item = f64> + Clone {
        self.by_age().map(|(_, value)| value)
    }

    /// How many of the excluded windows are left out: all, or as many as still leave `min_samples` values.
    pub fn excluded_windows(&self, min_samples: usize) -> usize {
        if self.excluded == Excluded::default() {
            return 0;
        }
        let excluded = self.by_age().filter(|(age, _)| self.excluded.holds(*age)).count();
        excluded.min(self.by_age().count().saturating_sub(min_samples))
    }

    /// The values of the baseline without the newest `excluded_windows` of those excluded.
    pub fn baseline_without(&self, excluded_windows: usize) -> impl Iterator<Item = f64> + Clone {
        let mut left_out = 0;
        self.by_age().filter_map(move |(age, value)| {
            if left_out < excluded_windows && self.excluded.holds(age) {
                left_out += 1;
                return None;
            }
            Some(value)
        })
    }

    fn by_age(&self) -> impl Iterator<Item = (usize, f64)> + Clone {
        let counted = self.windows.iter().enumerate().skip(1).take(self.counted);
        counted.filter_map(|(age, value)| Some((age, self.missing.value(*value)?)))
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
        (series.current(), series.baseline().collect())
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
        let mut excluded = Excluded::default();
        for age in [0, 2, 3, 4, 8, 200] {
            excluded.mark(age);
        }
        let series = Series::new(&windows, 9, Missing::Gap, true).excluding(excluded);
        // The gap at 4 has no value to leave out, and 0 is the current window.
        for (min_samples, count, left) in [
            (5, 3, vec![1.0, 5.0, 6.0, 7.0, 9.0]),
            (7, 1, vec![1.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
            (9, 0, vec![1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0]),
        ] {
            assert_eq!(series.excluded_windows(min_samples), count);
            assert_eq!(series.baseline_without(count).collect::<Vec<_>>(), left);
        }
        assert_eq!(series.current(), Some(0.0));
    }

    #[test]
    fn no_windows_at_all_is_a_gap_and_not_a_panic() {
        let series = Series::new(&[], 0, Missing::Gap, true);
        assert_eq!((series.current(), series.baseline().count()), (None, 0));
    }
}
