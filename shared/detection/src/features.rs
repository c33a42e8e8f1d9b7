//! The features of an hour of an entity, for detectors that look at all metrics together.

use smallvec::SmallVec;

/// What one hour of a series looks like beside what is usual for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesFeatures {
    /// The values of the windows of 1, 3, 6 and 24 hours over their expectations, from -100 to 100.
    ratios: [f64; 4],
    /// How like the last 24 hours are to those of their weekday, from -1 to 1.
    cosine: f64,
}

/// One hour of an entity.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    hour: u8,
    weekday: u8,
    series: SmallVec<[SeriesFeatures; 4]>,
}

/// No ratio is larger, whatever was expected.
const LARGEST_RATIO: f64 = 100.0;

const HOURS: u8 = 24;
const WEEKDAYS: u8 = 7;

impl SeriesFeatures {
    /// * `values`, `expected`: of the windows of 1, 3, 6 and 24 hours that end with the hour.
    /// * `cosine`: of the last 24 hours. `None` for a series without a shape.
    ///
    /// A value or an expectation that is not finite counts as usual.
    pub fn new(values: [f64; 4], expected: [f64; 4], cosine: Option<f64>) -> Self {
        let ratios = std::array::from_fn(|place| ratio(values[place], expected[place]));
        let cosine = cosine.filter(|cosine| !cosine.is_nan()).map_or(1.0, |cosine| cosine.clamp(-1.0, 1.0));
        Self { ratios, cosine }
    }
}

impl Features {
    /// * `hour`: the local hour of the day, 0 to 23.
    /// * `weekday`: 0 for Monday to 6 for Sunday.
    /// * `series`: all metrics of the entity, always in the same order.
    pub fn new(hour: u8, weekday: u8, series: &[SeriesFeatures]) -> Self {
        Self { hour: hour % HOURS, weekday: weekday % WEEKDAYS, series: series.into() }
    }

    /// The features as finite numbers: hour, weekday, then the series one by one.
    ///
    /// Hours and weekdays are turned so that those of `newest` are in the middle. Otherwise the last hour of a Sunday
    /// would seem strange, as it lies at the end of both.
    pub(crate) fn numbers_seen_from(&self, newest: &Self) -> Vec<f32> {
        let turned = |own: u8, middle: u8, around: u8| (own + around + around / 2 - middle) % around;
        let time = [turned(self.hour, newest.hour, HOURS), turned(self.weekday, newest.weekday, WEEKDAYS)];
        let of_series =
            self.series.iter().flat_map(|series| series.ratios.into_iter().chain([series.cosine]));
        time.into_iter().map(f32::from).chain(of_series.map(|number| number as f32)).collect()
    }
}

/// A value over its expectation. Nothing where nothing is expected is usual.
fn ratio(value: f64, expected: f64) -> f64 {
    if value == expected || !value.is_finite() || !expected.is_finite() {
        return 1.0;
    }
    let ratio = value / expected;
    // A value over nothing is as large as can be, with the sign of the value.
    if expected == 0.0 { LARGEST_RATIO.copysign(value) } else { ratio.clamp(-LARGEST_RATIO, LARGEST_RATIO) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ratios_of_usual_and_odd_windows() {
        for (value, expected, ratio) in [
            (30.0, 20.0, 1.5),
            (0.0, 20.0, 0.0),
            (0.0, 0.0, 1.0),
            (5.0, 0.0, 100.0),
            (-5.0, 0.0, -100.0),
            (1e9, 1e-9, 100.0),
            (f64::NAN, 20.0, 1.0),
            (20.0, f64::INFINITY, 1.0),
        ] {
            assert_eq!(super::ratio(value, expected), ratio, "{value} over {expected}");
        }
    }

    #[test]
    fn an_hour_lists_its_time_and_then_its_series() {
        let one = SeriesFeatures::new([2.0, 6.0, 6.0, 24.0], [1.0, 3.0, 6.0, 48.0], Some(0.75));
        let two = SeriesFeatures::new([f64::NAN; 4], [0.0; 4], None);
        let of_series = [2.0, 2.0, 1.0, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0];
        let newest = Features::new(23, 6, &[one, two]);
        for (hour, weekday, time) in
            [(23, 6, [12.0, 3.0]), (0, 0, [13.0, 4.0]), (11, 3, [0.0, 0.0]), (10, 2, [23.0, 6.0])]
        {
            let numbers = Features::new(hour, weekday, &[one, two]).numbers_seen_from(&newest);
            assert_eq!(
                (&numbers[..2], &numbers[2..]),
                (&time[..], &of_series[..]),
                "hour {hour}, weekday {weekday}"
            );
        }
    }

    proptest! {
        #[test]
        fn all_are_finite(values in any::<[f64; 4]>(), expected in any::<[f64; 4]>(), cosine in any::<Option<f64>>()) {
            let features = Features::new(1, 2, &[SeriesFeatures::new(values, expected, cosine)]);
            prop_assert!(features.numbers_seen_from(&features).iter().all(|number| number.is_finite()));
        }
    }
}
