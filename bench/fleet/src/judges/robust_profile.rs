//! The distance of the last hour from the median of its hour of the day, in spreads of all such distances by the median
//! of absolute deviations (MAD). The profile is made anew each day from the 28 days before.
//!
//! Source: the robust statistics of Hochenbaum, Vallis, Kejariwal, "Automatic Anomaly Detection in the Cloud Via
//! Statistical Learning" (2017), with medians of hours in the place of the decomposition.

use super::{DAYS, LEAST_DAYS, before_first_use, median, spread_of_deviations};
use crate::pager::{Score, Scorer, Usage};

pub struct RobustProfile;

/// What is usual at each hour of the day, and the spread of the differences from it.
struct Profile {
    hours: [f64; 24],
    spread: f64,
}

impl Scorer for RobustProfile {
    fn name(&self) -> &str {
        "MAD of a robust profile"
    }

    fn scores(&self, series: &Usage<'_>) -> Vec<Score> {
        let first = before_first_use(series.values);
        let mut of_day: Option<(usize, Option<Profile>)> = None;
        let mut score = |last: usize| {
            let day = last / 24;
            let known = of_day.take().filter(|(of, _)| *of == day);
            let known = known.unwrap_or_else(|| (day, Profile::of(series.values, first, day)));
            let profile = of_day.insert(known).1.as_ref()?;
            let (found, expected) = (series.values[last], profile.hours[last % 24]);
            Some(Score::of(series, 1, (found - expected) / profile.spread, found, expected))
        };
        (series.first_end..=series.values.len()).map(|end| score(end - 1).unwrap_or_default()).collect()
    }
}

impl Profile {
    /// From the days before this one; none of a customer who is too new.
    fn of(values: &[f64], first: usize, day: usize) -> Option<Self> {
        let from = day.saturating_sub(DAYS).max(first.div_ceil(24));
        if day < from + LEAST_DAYS {
            return None;
        }
        let of_hour = |hour: usize| (from..day).map(move |day| values[24 * day + hour]);
        let hours = std::array::from_fn(|hour| median(&mut of_hour(hour).collect::<Vec<_>>()));
        let differences = (0..24).flat_map(|hour| of_hour(hour).map(move |value| value - hours[hour]));
        let spread = spread_of_deviations(&mut differences.collect::<Vec<_>>());
        Some(Self { hours, spread })
    }
}
