//! The rule before models of the week: the z-score of a day's sum among the sums of the same hours of 30 earlier days.

use detection::Baseline;

use super::{LEAST_DAYS, before_first_use};
use crate::pager::{Score, Scorer, Usage};

pub struct Today;

const WINDOWS: usize = 30;
const MIN_RELATIVE_SPREAD: f64 = 0.04;

impl Scorer for Today {
    fn name(&self) -> &str {
        "z of 24 h"
    }

    fn scores(&self, series: &Usage<'_>) -> Vec<Score> {
        let first = before_first_use(series.values);
        let sum = |end: usize| series.values[end - 24..end].iter().sum::<f64>();
        let score = |end: usize| {
            let earlier =
                (1..=WINDOWS).map_while(|age| end.checked_sub(24 * age).filter(|end| *end >= first + 24));
            let baseline = Baseline::of(earlier.map(sum))?;
            if baseline.sample_count() < LEAST_DAYS {
                return None;
            }
            let (found, mean) = (sum(end), baseline.mean());
            let spread = baseline.stddev().max(MIN_RELATIVE_SPREAD * mean);
            Some(Score::of(series, 24, (found - mean) / spread, found, mean))
        };
        (series.first_end..=series.values.len()).map(|end| score(end).unwrap_or_default()).collect()
    }
}
