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
}

impl<'a> Series<'a> {
    /// * `windows`: values by age, `None` where the window holds no event of the metric.
    /// * `counted`: how many of the earlier windows count, the newest ones; see [`crate::Window::counted`].
    /// * `never_negative`: whether a negative value can only be broken data, as for counts and sums.
    pub fn new(windows: &'a [Option<f64>], counted: usize, missing: Missing, never_negative: bool) -> Self {
        Self { windows, counted, missing, never_negative }
    }

    /// The value of the current window, or `None` where it is a gap.
    pub fn current(&self) -> Option<f64> {
        self.missing.value(self.windows.first().copied().flatten())
    }

    /// The values of the counted baseline windows, newest first, gaps left out.
    pub fn baseline(&self) -> impl Iterator<Item = f64> {
        self.windows.iter().skip(1).take(self.counted).filter_map(|value| self.missing.value(*value))
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
    fn no_windows_at_all_is_a_gap_and_not_a_panic() {
        let series = Series::new(&[], 0, Missing::Gap, true);
        assert_eq!((series.current(), series.baseline().count()), (None, 0));
    }
}
