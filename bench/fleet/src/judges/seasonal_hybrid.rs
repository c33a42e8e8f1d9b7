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

/// What is usual in the coming season, and the spread of what remains.
pub(crate) struct Season {
    /// By place in the season.
    season: Vec<f64>,
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
                known.unwrap_or_else(|| (day, of_weeks(&series.values[first.min(DAY * day)..DAY * day])));
            let season = of_day.insert(known).1.as_ref()?;
            let (found, expected) = (series.values[last], season.expected(last % DAY));
            Some(Score::of(series, 1, season.distance(last % DAY, found), found, expected))
        };
        (series.first_end..=series.values.len()).map(|end| score(end - 1).unwrap_or_default()).collect()
    }
}

/// The season of the week, from the hours before a day. `None` of a customer who is too new.
fn of_weeks(before: &[f64]) -> Option<Season> {
    let weeks = (before.len() / WEEK).min(WEEKS);
    Season::of(&before[before.len() - weeks * WEEK..], WEEK).filter(|_| weeks >= LEAST_WEEKS)
}

impl Season {
    /// From whole seasons of values. `None` if there are fewer than two.
    pub(crate) fn of(values: &[f64], length: usize) -> Option<Self> {
        let fitted = stlrs::Stl::params().robust(true).fit(values, length).ok()?;
        let season = fitted.seasonal();
        let mut rest: Vec<f64> = values.iter().zip(season).map(|(value, season)| value - season).collect();
        let middle = median(&mut rest);
        let mut deviations: Vec<f64> = rest.iter().map(|rest| rest - middle).collect();
        let spread = spread_of_deviations(&mut deviations);
        // That of the last one.
        Some(Self { season: season[season.len() - length..].to_vec(), middle, spread })
    }

    fn expected(&self, place: usize) -> f64 {
        self.season[place] + self.middle
    }

    /// How far a value at a place of the season is from what is expected there, in spreads.
    pub(crate) fn distance(&self, place: usize, value: f64) -> f64 {
        (value - self.expected(place)) / self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_season_is_that_of_a_week() {
        let usage = |hour: usize| if hour / DAY % 7 == 2 { 500.0 } else { 100.0 + (hour * 37 % 11) as f64 };
        let values: Vec<f64> = (0..5 * WEEK + 2 * DAY).map(usage).collect();
        let of_day = |day: usize| of_weeks(&values[..DAY * day]).unwrap();
        let (busy, usual) = (of_day(37), of_day(36));
        assert!((busy.expected(5) - 500.0).abs() < 20.0, "{}", busy.expected(5));
        assert!((usual.expected(5) - 105.0).abs() < 20.0, "{}", usual.expected(5));
        assert!((1.0..10.0).contains(&usual.spread), "{}", usual.spread);
        assert!(of_weeks(&values[..13 * DAY]).is_none());
    }
}
