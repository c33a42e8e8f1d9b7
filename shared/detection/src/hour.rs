//! Hours of UTC, the grain of models.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const SECONDS: i64 = 3_600;

/// One hour of UTC, counted from the beginning of 1970. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(i64);

impl Hour {
    /// The hour that holds an instant.
    pub fn holding(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(SECONDS))
    }

    /// Its first instant. An hour beyond the range of time stamps starts at the range's nearest end.
    pub fn start(self) -> Timestamp {
        let end = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_second(self.0.saturating_mul(SECONDS)).unwrap_or(end)
    }

    /// The hour that is so many hours later, or earlier for a negative number.
    #[must_use]
    pub fn plus(self, hours: i64) -> Self {
        Self(self.0.saturating_add(hours))
    }

    /// The hour of the day in UTC, from 0 to 23.
    pub fn of_day(self) -> u8 {
        self.0.rem_euclid(24) as u8
    }

    /// The latest hour up to this one that begins at an hour of the day, in UTC.
    #[must_use]
    pub fn latest_at(self, hour_of_day: u8) -> Self {
        Self(self.0.saturating_sub(self.0.wrapping_sub(i64::from(hour_of_day)).rem_euclid(24)))
    }

    /// How many hours later it is than another.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_holds_its_instants() {
        for (at, start) in [
            ("2026-11-21T13:00:00Z", "2026-11-21T13:00:00Z"),
            ("2026-11-21T13:59:59.999Z", "2026-11-21T13:00:00Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z"),
        ] {
            let hour = Hour::holding(at.parse().unwrap());
            assert_eq!(hour.start(), start.parse().unwrap(), "{at}");
            assert_eq!((hour.plus(25).since(hour), hour.plus(-3).since(hour)), (25, -3));
            assert_eq!(hour.of_day(), start[11..13].parse::<u8>().unwrap(), "{at}");
        }
    }

    #[test]
    fn a_day_begins_at_any_hour() {
        let hour = Hour::holding("2026-11-21T13:30:00Z".parse().unwrap());
        for (hour_of_day, back) in [(13, 0), (12, 1), (0, 13), (14, 23), (23, 14)] {
            assert_eq!(hour.since(hour.latest_at(hour_of_day)), back, "{hour_of_day}");
        }
    }

    #[test]
    fn hours_far_away_are_no_panic() {
        assert_eq!(Hour(i64::MAX).plus(1).start(), Timestamp::MAX);
        assert_eq!(Hour(i64::MIN).plus(-1).start(), Timestamp::MIN);
        assert_eq!(Hour(i64::MIN).since(Hour(i64::MAX)), i64::MIN);
    }
}
