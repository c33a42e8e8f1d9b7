//! Local hours of the generated customers, and profiles of a local week.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A time zone: its IANA name, and its rule in the form of POSIX, which needs no data base.
///
/// Source of the rules: the footers of the IANA time zone data base, release 2025b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) name: &'static str,
    posix: &'static str,
}

pub(crate) const UTC: Zone = Zone { name: "UTC", posix: "UTC0" };
pub(crate) const NEW_YORK: Zone = Zone { name: "America/New_York", posix: "EST5EDT,M3.2.0,M11.1.0" };
pub(crate) const BERLIN: Zone = Zone { name: "Europe/Berlin", posix: "CET-1CEST,M3.5.0,M10.5.0/3" };
pub(crate) const LONDON: Zone = Zone { name: "Europe/London", posix: "GMT0BST,M3.5.0/1,M10.5.0" };
pub(crate) const KOLKATA: Zone = Zone { name: "Asia/Kolkata", posix: "IST-5:30" };
pub(crate) const SYDNEY: Zone = Zone { name: "Australia/Sydney", posix: "AEST-10AEDT,M10.1.0,M4.1.0/3" };

/// Hours of a week.
const WEEK: usize = 7 * 24;

/// The local time in which an hour begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Local {
    /// Days since 1970 by the local calendar.
    pub(crate) day: i64,
    /// Monday is 0.
    pub(crate) weekday: usize,
    pub(crate) day_of_month: usize,
    pub(crate) hour: usize,
}

/// The local times of consecutive hours.
#[derive(Clone, Debug)]
pub(crate) struct Calendar(Vec<Local>);

impl Calendar {
    /// # Errors
    ///
    /// When the rule of the zone is refused.
    pub(crate) fn of(zone: Zone, start: Timestamp, hours: usize) -> Result<Self, jiff::Error> {
        let time_zone = TimeZone::posix(zone.posix)?;
        let local = |number: usize| {
            let time = start + SignedDuration::from_hours(number as i64);
            let offset = i64::from(time_zone.to_offset(time).seconds());
            let civil = time_zone.to_datetime(time);
            Local {
                day: (time.as_second() + offset).div_euclid(86_400),
                weekday: usize::from(civil.weekday().to_monday_zero_offset().unsigned_abs()),
                day_of_month: usize::from(civil.day().unsigned_abs()),
                hour: usize::from(civil.hour().unsigned_abs()),
            }
        };
        Ok(Self((0..hours).map(local).collect()))
    }

    pub(crate) fn at(&self, hour: usize) -> Local {
        self.0[hour]
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The hours in which a local day or hour of this description begins.
    pub(crate) fn find(&self, is_wanted: impl Fn(Local) -> bool) -> Vec<usize> {
        (0..self.0.len()).filter(|hour| is_wanted(self.0[*hour])).collect()
    }
}

/// How usual hours of a local week differ, with the mean 1.
#[derive(Clone, Debug)]
pub(crate) struct Week(Vec<f64>);

impl Week {
    /// From weights by weekday, Monday is 0, and hour.
    pub(crate) fn of(weight: impl Fn(usize, usize) -> f64) -> Self {
        let weights: Vec<f64> = (0..WEEK).map(|hour| weight(hour / 24, hour % 24)).collect();
        let mean = weights.iter().sum::<f64>() / WEEK as f64;
        Self(weights.into_iter().map(|weight| weight / mean).collect())
    }

    pub(crate) fn at(&self, local: Local) -> f64 {
        self.0[local.weekday * 24 + local.hour]
    }

    /// The busiest hour's share.
    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}

/// Busy by day and quiet at night: 1 at the peak, which is at 14:00, down to `night`.
pub(crate) fn awake(hour: usize, night: f64) -> f64 {
    let angle = std::f64::consts::TAU * (hour as f64 - 14.0) / 24.0;
    night + (1.0 - night) * (1.0 + angle.cos()) / 2.0
}

pub(crate) fn is_weekend(weekday: usize) -> bool {
    weekday >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(zone: Zone, time: &str) -> Local {
        Calendar::of(zone, time.parse().unwrap(), 1).unwrap().at(0)
    }

    #[test]
    fn clocks_change_on_the_days_of_their_zone() {
        let hour = |zone, time| local(zone, time).hour;
        for (zone, before, after) in [
            (BERLIN, ("2026-10-25T00:00:00Z", 2), ("2026-10-25T01:00:00Z", 2)),
            (LONDON, ("2026-10-25T00:00:00Z", 1), ("2026-10-25T01:00:00Z", 1)),
            (NEW_YORK, ("2026-11-01T05:00:00Z", 1), ("2026-11-01T06:00:00Z", 1)),
            (SYDNEY, ("2026-10-03T15:00:00Z", 1), ("2026-10-03T16:00:00Z", 3)),
            (KOLKATA, ("2026-10-25T00:00:00Z", 5), ("2026-10-25T01:00:00Z", 6)),
            (UTC, ("2026-10-25T00:00:00Z", 0), ("2026-10-25T01:00:00Z", 1)),
        ] {
            assert_eq!((hour(zone, before.0), hour(zone, after.0)), (before.1, after.1), "{zone:?}");
        }
    }

    #[test]
    fn days_are_local_ones() {
        let sydney = local(SYDNEY, "2026-08-30T14:00:00Z");
        assert_eq!((sydney.weekday, sydney.day_of_month, sydney.hour), (0, 31, 0));
        assert_eq!(sydney.day, local(UTC, "2026-08-31T14:00:00Z").day);
        assert!(!is_weekend(sydney.weekday) && is_weekend(local(UTC, "2026-08-30T14:00:00Z").weekday));
    }

    #[test]
    fn a_profile_has_the_mean_one() {
        let week = Week::of(|day, hour| if is_weekend(day) { 0.0 } else { awake(hour, 0.2) });
        let calendar = Calendar::of(UTC, "2026-08-10T00:00:00Z".parse().unwrap(), WEEK).unwrap();
        let mean = (0..WEEK).map(|hour| week.at(calendar.at(hour))).sum::<f64>() / WEEK as f64;
        assert!((mean - 1.0).abs() < 1e-12);
        assert_eq!((week.at(calendar.at(5 * 24 + 12)), week.at(calendar.at(14))), (0.0, week.most()));
        assert!((week.at(calendar.at(2)) / week.at(calendar.at(14)) - 0.2).abs() < 1e-12);
        assert_eq!(calendar.find(|local| local.weekday == 2 && local.hour == 7), [55]);
    }
}
