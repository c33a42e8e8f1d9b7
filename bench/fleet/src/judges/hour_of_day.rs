//! A plain z-score of the last hour among the same hours of the days before.

use detection::Baseline;

use super::{DAYS, LEAST_DAYS, before_first_use};
use crate::pager::{Score, Scorer, Usage};

pub struct HourOfDay;

impl Scorer for HourOfDay {
    fn name(&self) -> &str {
        "hour-of-day z"
    }

    fn scores(&self, series: &Usage<'_>) -> Vec<Score> {
        let first = before_first_use(series.values);
        let score = |last: usize| {
            let earlier =
                (1..=DAYS).map_while(|age| last.checked_sub(24 * age).filter(|hour| *hour >= first));
            let baseline = Baseline::of(earlier.map(|hour| series.values[hour]))?;
            if baseline.sample_count() < LEAST_DAYS {
                return None;
            }
            let (found, mean) = (series.values[last], baseline.mean());
            Some(Score::of(series, 1, (found - mean) / baseline.stddev(), found, mean))
        };
        (series.first_end..=series.values.len()).map(|end| score(end - 1).unwrap_or_default()).collect()
    }
}
