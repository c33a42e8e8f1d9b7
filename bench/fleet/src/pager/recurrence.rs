//! What happened before at the same time of the day, of the week or of the month, and is no news.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::usage::{Month, SeriesKey, Subject};

/// The incidents so far of one subject.
pub(super) struct Recurrence<'a> {
    month: &'a Month,
    zone: TimeZone,
    seen: Vec<(SeriesKey, DateTime, Timestamp, f64)>,
}

/// So many earlier incidents make a habit.
const HABIT: usize = 2;
const WITHIN_DAYS: i64 = 100;
/// Within so many days, incidents of any day at the same hour are alike.
const EACH_DAY: i64 = 4;
/// An incident may be larger than those before by so much, in logarithms.
const SAME_SIZE: f64 = 0.7;

impl<'a> Recurrence<'a> {
    pub(super) fn of(month: &'a Month, subject: Subject) -> Option<Self> {
        let declared = subject.customer().and_then(|place| month.customers[place].time_zone);
        let zone = declared.map_or(Ok(TimeZone::UTC), |name| TimeZoneDatabase::bundled().get(name)).ok()?;
        Some(Self { month, zone, seen: Vec::new() })
    }

    /// Whether an incident of this size that opens then is a habit. Notes it.
    pub(super) fn recurs(&mut self, series: SeriesKey, end: usize, size: f64) -> bool {
        let at = self.month.at(end - 1);
        let local = self.zone.to_datetime(at);
        let is_alike = |(of, then, time, known): &&(SeriesKey, DateTime, Timestamp, f64)| {
            let days = at.duration_since(*time).as_hours() / 24;
            let apart = (i32::from(local.hour()) - i32::from(then.hour())).rem_euclid(24);
            *of == series
                && days <= WITHIN_DAYS
                && size.abs() - known.abs() <= SAME_SIZE
                && [0, 1, 23].contains(&apart)
                && (days <= EACH_DAY || local.weekday() == then.weekday() || local.day() == then.day())
        };
        let habit = self.seen.iter().filter(is_alike).count() >= HABIT;
        self.seen.push((series, local, at, size));
        habit
    }
}

#[cfg(test)]
mod tests {
    use detection::Direction;

    use super::*;
    use crate::generate::generate_jobs;

    #[test]
    fn the_third_time_at_the_same_hour_of_the_week_or_month_is_a_habit() {
        let month = generate_jobs(1).unwrap();
        let series = SeriesKey { subject: Subject::Customer(0), metric: 0, direction: Direction::Spike };
        let recurs = |ends: [usize; 3], sizes: [f64; 3]| {
            let mut known = Recurrence::of(&month, series.subject).unwrap();
            ends.into_iter().zip(sizes).map(|(end, size)| known.recurs(series, end, size)).collect::<Vec<_>>()
        };
        let week = 7 * 24;
        assert_eq!(recurs([100, 100 + week, 101 + 2 * week], [2.0, 2.5, 2.0]), [false, false, true]);
        assert_eq!(recurs([100, 100 + week, 102 + 2 * week], [2.0; 3]), [false; 3], "two hours apart");
        assert_eq!(recurs([100, 100 + week, 100 + 2 * week], [2.0, 2.0, 3.0]), [false; 3], "larger");
        assert_eq!(recurs([100, 124, 148], [2.0; 3]), [false, false, true], "each day");
        // The 10th of August, September and October.
        assert_eq!(recurs([9, 9 + 31 * 24, 9 + 61 * 24], [2.0; 3]), [false, false, true]);
        assert_eq!(recurs([9, 9 + 30 * 24, 9 + 61 * 24], [2.0; 3]), [false; 3], "another day");
        assert_eq!(recurs([9, 9 + 7 * 24, 9 + 112 * 24], [2.0; 3]), [false; 3], "long ago");
    }
}
