//! The last day of a series as figures for a picture: the value of each hour, and what is usual at that hour.
//!
//! Usual is the middle of the values that the same hour of the day had in the four weeks before: four of five of them lie
//! within. It decides nothing. Models also know weekdays, trends and levels, so their range can be another one.

use serde::{Deserialize, Serialize};

use crate::hour::Hour;
use crate::hours::{Hours, Recent};

const HOURS: usize = 24;
const DAYS: usize = 28;

/// Fewer known days say nothing of what is usual.
const FEWEST_DAYS: usize = 5;

/// The share of the values that lies below the usual ones, and above them.
const OUTSIDE: f64 = 0.1;

/// Hour by hour, the oldest first. All three lists have the same length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// `None` for an hour without a known value.
    pub values: Vec<Option<f64>>,
    /// The lowest usual value. `None` where too little is known.
    pub low: Vec<Option<f64>>,
    /// The highest usual value.
    pub high: Vec<Option<f64>>,
}

impl Chart {
    pub(crate) fn of(hours: &Hours, recent: &Recent) -> Self {
        let mut past = [f64::NAN; DAYS * HOURS];
        let first: Hour = recent.newest.plus(1 - ((DAYS + 1) * HOURS) as i64);
        hours.copy(first, &mut past);
        let usual = (0..HOURS).map(|hour| usual(past.iter().skip(hour).step_by(HOURS).copied()));
        let (low, high) = usual.map(Option::unzip).unzip();
        Self { values: recent.known_values().map(|value| value.and_then(short)).to_vec(), low, high }
    }
}

fn usual(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut known: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    if known.len() < FEWEST_DAYS {
        return None;
    }
    known.sort_unstable_by(f64::total_cmp);
    let last = known.len() - 1;
    let outside = (last as f64 * OUTSIDE).round() as usize;
    short(known[outside]).zip(short(known[last - outside]))
}

/// A value with four digits. A picture shows no more, and a message stays short.
fn short(value: f64) -> Option<f64> {
    format!("{value:.3e}").parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aggregate;

    /// The chart of the day that ends with the last of these values.
    fn chart(values: &[Option<f64>]) -> Chart {
        let first = Hour::holding("2026-10-01T00:00:00Z".parse().unwrap());
        let hours = Hours::new(Aggregate::Mean, true, first, values);
        Chart::of(&hours, &hours.recent(first.plus(values.len() as i64 - 1)))
    }

    #[test]
    fn values_and_what_is_usual_at_their_hours() {
        // Each day has its own level, and each hour adds a thousand. The newest hour is a burst.
        let mut values: Vec<_> = (0..29 * 24).map(|at| Some((at % 24 * 1_000 + at / 24) as f64)).collect();
        *values.last_mut().unwrap() = Some(123_456.0);
        let chart = chart(&values);
        assert_eq!(chart.values[..2], [Some(28.0), Some(1_028.0)]);
        assert_eq!(chart.values[23], Some(123_500.0), "four digits");
        // Of the days 0 to 27, three lie below and three above.
        assert_eq!((chart.low[0], chart.high[0]), (Some(3.0), Some(24.0)));
        assert_eq!((chart.low[23], chart.high[23]), (Some(23_000.0), Some(23_020.0)));
    }

    #[test]
    fn gaps_and_short_histories() {
        let day = |day: usize| (0..24).map(move |hour| (day != 27 || hour != 5).then_some(7.0));
        let short: Vec<_> = (24..28).flat_map(day).collect();
        let chart_of_short = chart(&short);
        assert_eq!((chart_of_short.values[5], chart_of_short.values[6]), (None, Some(7.0)));
        assert!(chart_of_short.low.iter().chain(&chart_of_short.high).all(Option::is_none));
        assert_eq!(chart_of_short.values.len(), 24);
        let longer: Vec<_> = (22..28).flat_map(day).collect();
        assert_eq!(chart(&longer).low[5], Some(7.0));
    }
}
