//! What happened before at the same time of the day, of the week or of the month, and is no news.

use detection::TimeZone;
use detection::incident::{Occurrence, recurs};

use crate::usage::{Month, SeriesKey, Subject};

/// The incidents so far of one subject.
pub(super) struct Recurrence<'a> {
    month: &'a Month,
    zone: TimeZone,
    seen: Vec<(SeriesKey, Occurrence)>,
}

impl<'a> Recurrence<'a> {
    pub(super) fn of(month: &'a Month, subject: Subject) -> Option<Self> {
        let declared = subject.customer().and_then(|place| month.customers[place].time_zone);
        let zone = declared.map_or(Ok(TimeZone::utc()), TimeZone::named).ok()?;
        Some(Self { month, zone, seen: Vec::new() })
    }

    /// Whether an incident that opens then is a habit, so far from what is expected. Notes it.
    pub(super) fn recurs(&mut self, series: SeriesKey, end: usize, distance: f64) -> bool {
        let (opened_at, direction) = (self.month.at(end), series.direction);
        let opening = Occurrence { opened_at, direction, size: distance };
        let earlier = self.seen.iter().filter(|(of, _)| *of == series).map(|(_, earlier)| (*earlier, false));
        let is_habit = recurs(&opening, earlier, &self.zone).is_some();
        self.seen.push((series, opening));
        is_habit
    }
}

#[cfg(test)]
mod tests {
    use detection::Direction;

    use super::*;
    use crate::generate::generate_jobs;

    #[test]
    fn the_third_time_at_the_same_hour_of_the_week_is_a_habit_of_that_series() {
        let month = generate_jobs(1).unwrap();
        let series =
            |metric| SeriesKey { subject: Subject::Customer(0), metric, direction: Direction::Spike };
        let mut known = Recurrence::of(&month, Subject::Customer(0)).unwrap();
        let week = 7 * 24;
        let of = |known: &mut Recurrence<'_>, metric, weeks: usize| {
            known.recurs(series(metric), 100 + weeks * week, 20.0)
        };
        assert_eq!([0, 1, 2].map(|weeks| of(&mut known, 0, weeks)), [false, false, true]);
        assert_eq!([2, 3, 4].map(|weeks| of(&mut known, 1, weeks)), [false, false, true], "another metric");
        assert!(!known.recurs(series(0), 100 + 3 * week, 100.0), "larger");
    }
}
