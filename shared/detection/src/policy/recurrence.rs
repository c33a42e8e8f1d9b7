//! When a planned event repeats: the part of the recurrence rules of RFC 5545 that maintenance needs.
//!
//! A rule has `FREQ` (`DAILY`, `WEEKLY` or `MONTHLY`) and may have `BYDAY`, `BYMONTHDAY`, `BYHOUR` and `UNTIL`. Its parts
//! mean what section 3.3.10 of the RFC says. An occurrence keeps minute and second of the first event. A local time that
//! the clocks skip is that much later, and of a local time that they repeat, the first pass counts.
//!
//! The crate `rrule` (0.14.0, of April 2025) finds the same occurrences in all recorded vectors. It is not used for these
//! reasons:
//!
//! - It iterates from the first event on. A daily rule of ten years takes 0.9 ms, and a rule without any occurrence, such
//!   as `FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1`, takes 48 ms. Runs ask for the same rules many times. Here the cost depends
//!   on the days asked for alone.
//! - It brings `chrono` and `chrono-tz`, whose time zones are older than those of `jiff`, and `regex`: 2.9 MB more in each
//!   function that reads policies.

mod read;

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use serde::{Deserialize, Serialize};

use crate::calendar::TimeZone;

pub use read::RecurrenceError;

/// A rule by its text, such as `FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Recurrence {
    text: String,
    frequency: Frequency,
    /// Empty without `BYDAY`.
    weekdays: Vec<Day>,
    /// 1 to 31, or -1 to -31 from the end of the month. Empty without `BYMONTHDAY`.
    month_days: Vec<i8>,
    /// 0 to 23. Empty without `BYHOUR`.
    hours: Vec<i8>,
    /// No occurrence begins later.
    until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frequency {
    Daily,
    Weekly,
    Monthly,
}

/// A weekday: all of a month, or the one of this number, from its beginning or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    weekday: Weekday,
    number: Option<i8>,
}

impl Recurrence {
    /// The beginnings of the occurrences from `from` until `to`, without `to`, in their order.
    ///
    /// * `first`: the beginning of the first event. No occurrence is earlier. It is one itself only if the rule says so.
    /// * `zone`: the zone of the rule's days and hours.
    pub(crate) fn starts(
        &self,
        first: Timestamp,
        zone: &TimeZone,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Timestamp> {
        let begin = zone.datetime(first);
        // A day of local time begins and ends within a day of any of its instants.
        let days = zone.datetime(from.max(first)).date().yesterday().unwrap_or(Date::MIN);
        let last = zone.datetime(to).date().tomorrow().unwrap_or(Date::MAX);
        let own_hour = [begin.hour()];
        let hours = if self.hours.is_empty() { &own_hour[..] } else { &self.hours };
        let of_day = |date: Date| {
            let times = hours.iter().map(move |hour| date.at(*hour, begin.minute(), begin.second(), 0));
            times.filter_map(|time| zone.timestamp(time))
        };
        let is_within = |start: &Timestamp| {
            (from.max(first)..to).contains(start) && self.until.is_none_or(|until| *start <= until)
        };
        let dates = std::iter::successors(Some(days), |date| date.tomorrow().ok());
        let dates = dates.take_while(|date| *date <= last).filter(|date| self.holds(*date, begin.date()));
        let mut starts: Vec<Timestamp> = dates.flat_map(of_day).filter(is_within).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    /// Whether occurrences begin on a day.
    fn holds(&self, date: Date, first: Date) -> bool {
        let of_month = || self.month_days.iter().any(|day| is_day_of_month(date, *day));
        let of_week = || self.weekdays.iter().any(|day| day.is_of(date));
        let (any_month_day, any_weekday) = (self.month_days.is_empty(), self.weekdays.is_empty());
        match self.frequency {
            Frequency::Weekly if any_weekday => date.weekday() == first.weekday(),
            Frequency::Monthly if any_weekday && any_month_day => date.day() == first.day(),
            Frequency::Daily | Frequency::Weekly | Frequency::Monthly => {
                (any_month_day || of_month()) && (any_weekday || of_week())
            }
        }
    }
}

impl Day {
    fn is_of(self, date: Date) -> bool {
        let number = match self.number {
            None => return date.weekday() == self.weekday,
            Some(number) if number > 0 => (date.day() - 1) / 7 + 1 == number,
            Some(number) => (date.days_in_month() - date.day()) / 7 + 1 == -number,
        };
        number && date.weekday() == self.weekday
    }
}

/// Whether a date is a day of its month, counted from the end if negative.
fn is_day_of_month(date: Date, day: i8) -> bool {
    if day > 0 { date.day() == day } else { date.day() - date.days_in_month() - 1 == day }
}

#[cfg(test)]
mod tests;
