//! The 24 hours that are judged, and the earlier windows they are judged against.
//!
//! Windows are never calendar days. A check at 13:00 compares 13:00-to-13:00 with 13:00-to-13:00, so that every
//! window holds the same hours of the day. All of it is UTC: a day is always 24 hours long.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Length of a window.
pub const HOURS: i64 = 24;

const HOUR_SECONDS: i64 = 3_600;
const WINDOW_SECONDS: i64 = HOURS * HOUR_SECONDS;

/// The half-open range `[start, end)` of 24 hours, closed on a full hour in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
}

/// A time so far from today that its windows cannot be expressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the window that closes at {at} is out of range: it and its baseline must lie between 1970 and 2106")]
pub struct WindowError {
    at: Timestamp,
}

impl Window {
    /// The window that closes at the last full hour at or before `at`.
    ///
    /// # Errors
    ///
    /// When the window or a year before it lies outside 1970 to 2106, the range of the hours in the usage rollup.
    pub fn closing_at(at: Timestamp) -> Result<Self, WindowError> {
        let out_of_range = || WindowError { at };
        let floored = at.as_second().div_euclid(HOUR_SECONDS) * HOUR_SECONDS;
        let year = 365 * WINDOW_SECONDS;
        if floored - year < 0 || floored > i64::from(u32::MAX) {
            return Err(out_of_range());
        }
        let end = Timestamp::from_second(floored).map_err(|_| out_of_range())?;
        Ok(Self { start: end - SignedDuration::from_hours(HOURS), end })
    }

    /// First instant inside the window.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// First instant after the window. It is also the anomaly's time of detection, so that a re-run makes the same key.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// Start of the oldest of `baseline_days` earlier windows: where reading has to begin.
    pub fn baseline_start(&self, baseline_days: u16) -> Timestamp {
        self.start - SignedDuration::from_hours(HOURS * i64::from(baseline_days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn closes_on_the_full_hour_at_or_before() {
        for (input, start, end) in [
            ("2026-11-21T13:00:00Z", "2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z"),
            ("2026-11-21T13:59:59.999Z", "2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z"),
            ("2026-03-01T00:10:00Z", "2026-02-28T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("2024-03-01T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            let window = Window::closing_at(at(input)).unwrap();
            assert_eq!((window.start(), window.end()), (at(start), at(end)), "{input}");
        }
    }

    #[test]
    fn baseline_reaches_back_whole_windows() {
        let window = Window::closing_at(at("2026-11-21T13:00:00Z")).unwrap();
        assert_eq!(window.baseline_start(30), at("2026-10-21T13:00:00Z"));
    }

    #[test]
    fn refuses_times_that_the_rollup_cannot_hold() {
        for input in [
            "1969-12-31T23:00:00Z",
            "1970-06-01T00:00:00Z",
            "2200-01-01T00:00:00Z",
            "-000500-01-01T00:00:00Z",
        ] {
            assert!(Window::closing_at(at(input)).is_err(), "{input}");
        }
    }
}
