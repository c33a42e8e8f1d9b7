//! What recurs is no news: a job that runs each week or each month deviates each time.
//!
//! At its opening, an incident is compared with those of the same series before. Two or more that are alike make it a
//! recurring one. A recurring incident is stored with their number, and nobody is paged for a day.

use jiff::{SignedDuration, Timestamp};

use super::model::Incident;
use super::observation::Observation;
use crate::Direction;
use crate::calendar::{Local, TimeZone};
use crate::hour::Hour;

/// The beginning of a deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occurrence {
    /// End of the first anomalous window.
    pub opened_at: Timestamp,
    pub direction: Direction,
    /// Distance from the usual value, in the metric's unit.
    pub size: f64,
}

/// Earlier incidents of this time count.
pub const REACH: SignedDuration = SignedDuration::from_hours(100 * 24);

/// So many earlier ones make an incident a recurring one.
const FEWEST: u32 = 2;

/// An earlier one counts if it was at least half as large: if the logarithms differ by no more.
const LOG_SIZE: f64 = 0.7;

/// Within so many days, occurrences of any day are alike.
const EACH_DAY: i64 = 4;

/// How many hours of the day an occurrence may be early or late.
const HOURS: i64 = 1;

impl Occurrence {
    pub fn of(incident: &Incident) -> Self {
        Self { opened_at: incident.opened_at, direction: incident.subject.direction, size: incident.level }
    }

    /// Of an incident that an observation opens.
    pub fn opening(observation: &Observation, direction: Direction) -> Self {
        Self { opened_at: observation.window_end, direction, size: observation.figures.deviation() }
    }
}

/// How many earlier incidents of the series the opening of one repeats. `None` if it is no recurring one.
///
/// * `earlier`: the earlier incidents of the series, and whether a person confirmed them as real. One that is alike and
///   confirmed makes the opening no recurring one: people want to know.
pub fn recurs(
    opening: &Occurrence,
    earlier: impl IntoIterator<Item = (Occurrence, bool)>,
    zone: &TimeZone,
) -> Option<u32> {
    let mut count = 0;
    for (occurrence, is_confirmed) in earlier {
        if is_alike(opening, &occurrence, zone) {
            if is_confirmed {
                return None;
            }
            count += 1;
        }
    }
    (count >= FEWEST).then_some(count)
}

fn is_alike(opening: &Occurrence, earlier: &Occurrence, zone: &TimeZone) -> bool {
    let since = opening.opened_at.duration_since(earlier.opened_at);
    let local = |occurrence: &Occurrence| zone.local(Hour::holding(occurrence.opened_at));
    since > SignedDuration::ZERO
        && since <= REACH
        && earlier.direction == opening.direction
        && earlier.size >= opening.size * (-LOG_SIZE).exp()
        && is_same_time(local(opening), local(earlier), since.as_hours() / 24 <= EACH_DAY)
}

/// Whether both lie at about the same hour, and are recent or of the same weekday, of the same day of a month, or of a
/// month's last day.
fn is_same_time(one: Local, other: Local, is_recent: bool) -> bool {
    let apart = (i64::from(one.hour) - i64::from(other.hour)).rem_euclid(24);
    // An occurrence that is early or late may fall on the day before or after.
    let shift = match apart {
        0..=HOURS => i64::from(one.hour < other.hour),
        apart if apart >= 24 - HOURS => -i64::from(one.hour > other.hour),
        _ => return false,
    };
    let other = Local { day: other.day + shift, ..other };
    is_recent
        || one.weekday() == other.weekday()
        || one.day_of_month() == other.day_of_month()
        || one.is_last_of_month() && other.is_last_of_month()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str, size: f64) -> Occurrence {
        Occurrence { opened_at: time.parse().unwrap(), direction: Direction::Spike, size }
    }

    fn count(opening: Occurrence, earlier: &[Occurrence], zone: &str) -> Option<u32> {
        let earlier = earlier.iter().map(|occurrence| (*occurrence, false));
        recurs(&opening, earlier, &TimeZone::named(zone).unwrap())
    }

    #[test]
    fn a_weekly_job_recurs_from_its_third_time_on() {
        // Mondays.
        let (one, two) = (at("2026-11-02T03:00:00Z", 900.0), at("2026-11-09T04:00:00Z", 1_100.0));
        let now = at("2026-11-16T03:00:00Z", 1_000.0);
        assert_eq!(count(now, &[one, two], "UTC"), Some(2));
        assert_eq!(count(now, &[one], "UTC"), None);
        assert_eq!(
            count(now, &[one, two, at("2026-11-04T03:00:00Z", 1_000.0)], "UTC"),
            Some(2),
            "a Wednesday"
        );
        assert_eq!(count(now, &[one, at("2026-11-09T05:00:00Z", 1_100.0)], "UTC"), None, "two hours late");
        assert_eq!(count(now, &[one, at("2026-11-09T03:00:00Z", 480.0)], "UTC"), None, "less than half");
        assert_eq!(count(now, &[one, at("2026-11-09T03:00:00Z", 510.0)], "UTC"), Some(2));
        assert_eq!(count(now, &[one, at("2026-11-09T03:00:00Z", 9_000.0)], "UTC"), Some(2), "larger");
        let leak = Occurrence { size: 10_000.0, ..now };
        assert_eq!(count(leak, &[one, two], "UTC"), None, "far larger than all before");
        assert_eq!(
            count(leak, &[one, two, at("2026-11-09T03:00:00Z", 9_000.0)], "UTC"),
            None,
            "only one was"
        );
        assert_eq!(count(now, &[one, at("2026-08-03T03:00:00Z", 900.0)], "UTC"), None, "105 days ago");
        assert_eq!(count(now, &[one, now, at("2026-11-23T03:00:00Z", 900.0)], "UTC"), None, "not earlier");
        let drop = Occurrence { direction: Direction::Drop, ..two };
        assert_eq!(count(now, &[one, drop], "UTC"), None);
    }

    #[test]
    fn a_monthly_job_recurs_on_its_day_of_the_month() {
        let of = |days: [&str; 3]| {
            let [one, two, now] = days.map(|day| at(&format!("{day}T02:00:00Z"), 500.0));
            count(now, &[one, two], "UTC")
        };
        assert_eq!(of(["2026-09-01", "2026-10-01", "2026-11-01"]), Some(2));
        assert_eq!(of(["2026-08-31", "2026-09-30", "2026-10-31"]), Some(2), "last days");
        assert_eq!(of(["2026-09-02", "2026-10-05", "2026-11-01"]), None);
    }

    #[test]
    fn a_local_hour_recurs_across_a_change_of_clocks_and_around_midnight() {
        // 03:00 of Berlin on Mondays: summer time ended on 25 October.
        let hours = ["2026-10-12T01:00:00Z", "2026-10-19T01:00:00Z", "2026-10-26T02:00:00Z"];
        let [one, two, now] = hours.map(|hour| at(hour, 500.0));
        assert_eq!(count(now, &[one, two], "Europe/Berlin"), Some(2));
        // A job of Monday midnight that sometimes starts on Sunday at 23:00.
        let [early, late, now] = ["2026-11-01T23:00:00Z", "2026-11-09T00:00:00Z", "2026-11-16T00:00:00Z"]
            .map(|hour| at(hour, 500.0));
        assert_eq!(count(now, &[early, late], "UTC"), Some(2));
        let now = at("2026-11-15T23:00:00Z", 500.0);
        assert_eq!(count(now, &[early, late], "UTC"), Some(2));
        let saturday = at("2026-10-31T23:00:00Z", 500.0);
        assert_eq!(count(now, &[saturday, late], "UTC"), None);
    }

    #[test]
    fn people_who_confirmed_one_want_to_know_of_the_next() {
        let earlier = ["2026-10-26T03:00:00Z", "2026-11-02T03:00:00Z", "2026-11-09T03:00:00Z"];
        let now = at("2026-11-16T03:00:00Z", 500.0);
        let with = |confirmed: &str| {
            let earlier = earlier.map(|time| (at(time, 500.0), time == confirmed));
            recurs(&now, earlier, &TimeZone::utc())
        };
        assert_eq!(with(""), Some(3));
        assert_eq!(with(earlier[1]), None);
    }
}
