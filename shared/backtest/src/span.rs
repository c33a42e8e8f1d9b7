//! The time of a backtest: history, and the hours that are judged.

use std::collections::BTreeSet;

use detection::model::PeerWeek;
use detection::{Calendar, Hour};

/// History, and the hours after it that are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first hour of all series.
    pub first: Hour,
    /// The first hour that is judged. The hours before are history.
    pub judged: Hour,
    /// The first hour after the last one.
    pub end: Hour,
}

/// Usage that cannot be divided into history and days to judge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("there is no usage")]
    Empty,
    #[error(
        "the usage spans {hours} h, and {days} days are to be judged after at least {least} days of history: {advice}",
        least = Span::LEAST_HISTORY
    )]
    TooShort { hours: i64, days: u16, advice: String },
}

const DAY: i64 = Calendar::HOURS as i64;

impl Span {
    /// Days of history without which nothing can be judged.
    pub const LEAST_HISTORY: i64 = 7;

    /// Days of history that a model uses.
    pub const FULL_HISTORY: i64 = Calendar::SPAN as i64 / DAY;

    /// The last `days` days before `end` are judged. Hours that no model of these days reaches back to are left out.
    ///
    /// * `known`: the first hour with usage.
    ///
    /// # Errors
    ///
    /// When there is no week of history before the days.
    pub fn of_days(known: Hour, end: Hour, days: u16) -> Result<Self, SpanError> {
        let judged = end.plus(-DAY * i64::from(days));
        if judged.since(known) < Self::LEAST_HISTORY * DAY {
            return Err(too_short(end.since(known).max(0), days));
        }
        Ok(Self { first: known.max(judged.plus(-(Calendar::SPAN as i64) - DAY)), judged, end })
    }

    /// The same with fewer days, where there is no week of history before all of them.
    ///
    /// # Errors
    ///
    /// When there is no week of history before a single day.
    pub fn of_days_at_most(known: Hour, end: Hour, days: u16) -> Result<Self, SpanError> {
        let possible = end.since(known) / DAY - Self::LEAST_HISTORY;
        let judged = u16::try_from(possible).unwrap_or(1).clamp(1, days.max(1));
        Self::of_days(known, end, judged)
    }

    /// Days that are judged.
    pub fn days(&self) -> i64 {
        self.end.since(self.judged) / DAY
    }

    /// Whole days of history before the first judged hour that the models of its day can use.
    pub fn history_days(&self) -> i64 {
        (self.judged.since(self.first) / DAY).min(Self::FULL_HISTORY)
    }

    /// The number of all hours.
    pub fn hours(&self) -> usize {
        usize::try_from(self.end.since(self.first)).unwrap_or(0)
    }

    /// The hours that are judged.
    pub fn judged_hours(&self) -> impl Iterator<Item = Hour> + use<> {
        let first = self.judged;
        (0..self.end.since(first).max(0)).map(move |hour| first.plus(hour))
    }

    /// The weeks whose hours make the profiles for models of the judged days.
    pub fn peer_weeks(&self) -> BTreeSet<PeerWeek> {
        self.judged_hours().step_by(Calendar::HOURS).map(PeerWeek::of).collect()
    }

    /// The hour of a place in the values.
    pub fn hour(&self, place: usize) -> Hour {
        self.first.plus(i64::try_from(place).unwrap_or(i64::MAX))
    }
}

fn too_short(hours: i64, days: u16) -> SpanError {
    let most = hours / DAY - Span::LEAST_HISTORY;
    let advice = match most {
        ..1 => "more hours are needed".to_owned(),
        1 => "at most 1 day can be judged".to_owned(),
        most => format!("at most {most} days can be judged"),
    };
    SpanError::TooShort { hours, days, advice }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_days_are_judged_where_the_history_is_short() {
        let hour = |number: i64| Hour::holding(jiff::Timestamp::from_second(number * 3_600).unwrap());
        let known = hour(1_000);
        for (hours, days, judged) in [
            (35 * DAY, 30, Some(28)),
            (37 * DAY, 30, Some(30)),
            (400 * DAY, 30, Some(30)),
            (8 * DAY, 30, Some(1)),
            (8 * DAY - 1, 30, None),
            (0, 30, None),
        ] {
            let span = Span::of_days_at_most(known, known.plus(hours), days);
            assert_eq!(span.ok().map(|span| span.days()), judged, "{hours} h");
        }
    }
}
