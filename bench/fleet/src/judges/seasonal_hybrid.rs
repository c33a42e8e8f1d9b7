//! S-H-ESD: the distance of the last hour from its season and from the median, in spreads by the median of absolute
//! deviations (MAD). The decomposition is made anew each day, of the four weeks before.
//!
//! Source: Hochenbaum, Vallis, Kejariwal, "Automatic Anomaly Detection in the Cloud Via Statistical Learning" (2017).
//! The generalised ESD test flags what is beyond a critical value of these distances. Here the value is the threshold.

use super::{before_first_use, median, spread_of_deviations};
use crate::pager::{Score, Scorer, Usage};

pub struct SeasonalHybrid;

const DAY: usize = 24;
const WEEK: usize = 7 * DAY;
/// Whole weeks that are decomposed, and those needed at least.
const WEEKS: usize = 4;
const LEAST_WEEKS: usize = 2;

/// What is usual in the hours of the coming week, and the spread of what remains.
struct Season {
    hours: Vec<f64>,
    middle: f64,
    spread: f64,
}

impl Scorer for SeasonalHybrid {
    fn name(&self) -> &str {
        "S-H-ESD"
    }

    fn scores(&self, series: &Usage<'_>) -> Vec<Score> {
        let first = before_first_use(series.values);
        let mut of_day: Option<(usize, Option<Season>)> = None;
        let mut score = |last: usize| {
            let day = last / DAY;
            let known = of_day.take().filter(|(of, _)| *of == day);
            let known =
                known.unwrap_or_else(|| (day, Season::of(&series.values[first.min(DAY * day)..DAY * day])));
            let season = of_day.insert(known).1.as_ref()?;
            let (found, expected) = (series.values[last], season.hours[last % DAY] + season.middle);
            Some(Score::of(series, 1, (found - expected) / season.spread, found, expected))
        };
        (series.first_end..=series.values.len()).map(|end| score(end - 1).unwrap_or_default()).collect()
    }
}

impl Season {
    /// From the hours before a day. `None` of a customer who is too new.
    fn of(before: &[f64]) -> Option<Self> {
        let weeks = (before.len() / WEEK).min(WEEKS);
        if weeks < LEAST_WEEKS {
            return None;
        }
        let values = &before[before.len() - weeks * WEEK..];
        let fitted = stlrs::Stl::params().robust(true).fit(values, WEEK).ok()?;
        let season = fitted.seasonal();
        let mut rest: Vec<f64> = values.iter().zip(season).map(|(value, season)| value - season).collect();
        let middle = median(&mut rest);
        let mut deviations: Vec<f64> = rest.iter().map(|rest| rest - middle).collect();
        let spread = spread_of_deviations(&mut deviations);
        // The same hours of the last week.
        let hours = season[season.len() - WEEK..][..DAY].to_vec();
        Some(Self { hours, middle, spread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_season_is_that_of_a_week() {
        let usage = |hour: usize| if hour / DAY % 7 == 2 { 500.0 } else { 100.0 + (hour * 37 % 11) as f64 };
        let values: Vec<f64> = (0..5 * WEEK + 2 * DAY).map(usage).collect();
        let of_day = |day: usize| Season::of(&values[..DAY * day]).unwrap();
        let (busy, usual) = (of_day(37), of_day(36));
        assert!((busy.hours[5] + busy.middle - 500.0).abs() < 20.0, "{}", busy.hours[5] + busy.middle);
        assert!((usual.hours[5] + usual.middle - 105.0).abs() < 20.0, "{}", usual.hours[5] + usual.middle);
        assert!((1.0..10.0).contains(&usual.spread), "{}", usual.spread);
        assert!(Season::of(&values[..13 * DAY]).is_none());
    }
}
