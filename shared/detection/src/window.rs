//! The judged period, and the earlier periods for comparison.
//!
//! Windows are never calendar days. A check at 13:00 compares 13:00-to-13:00 with 13:00-to-13:00, so every window holds
//! the same hours of the day. All times are UTC, so a day is always 24 hours long.
//!
//! The hourly sweep judges 24 hours that close on a full hour. A check on demand may judge a period of any length. Its
//! earlier periods have the same length and the same time of day. A stride of whole days keeps them from overlapping.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Age, BaselineDays};

/// Length of the sweep's window.
pub const HOURS: i64 = 24;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The half-open range `[start, end)`, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Window {
    start: Timestamp,
    end: Timestamp,
}

/// A window from outside. It may be impossible.
#[derive(Deserialize)]
struct Unchecked {
    start: Timestamp,
    end: Timestamp,
}

/// A period that cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    #[error(
        "the window that closes at {end} is out of range: it and its baseline must lie between 1970 and 2106"
    )]
    OutOfRange { end: Timestamp },
    #[error("the window from {start} to {end} is empty: it must start before it ends")]
    Empty { start: Timestamp, end: Timestamp },
    #[error("the window from {start} to {end} is longer than {} days", Window::MAX_DAYS)]
    TooLong { start: Timestamp, end: Timestamp },
}

impl Window {
    /// Longest window that can be judged.
    pub const MAX_DAYS: i64 = 92;

    /// The 24 hours that close at the last full hour at or before `at`.
    ///
    /// # Errors
    ///
    /// When the window or a year before it lies outside 1970 to 2106, the range of the hours in the usage rollup.
    pub fn closing_at(at: Timestamp) -> Result<Self, WindowError> {
        Self::closing_at_step(at, SignedDuration::from_hours(1))
    }

    /// The 24 hours that close at the last multiple of `step` since 1970 at or before `at`.
    ///
    /// # Errors
    ///
    /// As those of [`Window::closing_at`].
    pub fn closing_at_step(at: Timestamp, step: SignedDuration) -> Result<Self, WindowError> {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let end_ms = at.as_millisecond().div_euclid(step_ms) * step_ms;
        Self::in_range(end_ms.saturating_sub(DAY_MS), end_ms).ok_or(WindowError::OutOfRange { end: at })
    }

    /// Any period of up to [`Window::MAX_DAYS`] days; parts of a millisecond are cut off.
    ///
    /// # Errors
    ///
    /// When it is empty or too long, or lies outside 1970 to 2106 together with the year before it.
    pub fn between(start: Timestamp, end: Timestamp) -> Result<Self, WindowError> {
        let (start_ms, end_ms) = (start.as_millisecond(), end.as_millisecond());
        if start_ms >= end_ms {
            return Err(WindowError::Empty { start, end });
        }
        if end_ms - start_ms > Self::MAX_DAYS * DAY_MS {
            return Err(WindowError::TooLong { start, end });
        }
        Self::in_range(start_ms, end_ms).ok_or(WindowError::OutOfRange { end })
    }

    /// First instant inside the window.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// First instant after the window. It is also the anomaly's time of detection, so a re-run makes the same key.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    pub fn length(&self) -> SignedDuration {
        SignedDuration::from_millis(self.length_ms())
    }

    /// The time from one window to the next earlier one: the window's length in whole days, rounded up.
    pub fn stride(&self) -> SignedDuration {
        SignedDuration::from_millis(self.stride_ms())
    }

    /// The oldest window of a baseline that reaches back so many days. Age 0 if no earlier window fits.
    pub fn oldest(&self, baseline_days: BaselineDays) -> Age {
        baseline_days.oldest(u8::try_from(self.stride_ms() / DAY_MS).unwrap_or(u8::MAX))
    }

    /// Number of earlier windows within so many days.
    pub fn baseline_windows(&self, baseline_days: BaselineDays) -> usize {
        self.oldest(baseline_days).get()
    }

    /// The time at which reading has to begin: one stride before the end of the oldest earlier window.
    pub fn baseline_start(&self, baseline_days: BaselineDays) -> Timestamp {
        self.end
            - SignedDuration::from_millis(
                self.stride_ms() * (self.baseline_windows(baseline_days) as i64 + 1),
            )
    }

    /// The window of this age.
    pub fn earlier(&self, age: Age) -> Self {
        let back = SignedDuration::from_millis(self.stride_ms() * age.get() as i64);
        Self { start: self.start - back, end: self.end - back }
    }

    /// Its newest hours as a window of their own. `None` for no hours.
    pub fn newest_hours(&self, hours: usize) -> Option<Self> {
        let length = SignedDuration::from_hours(i64::try_from(hours).ok().filter(|hours| *hours > 0)?);
        Some(Self { start: self.end.checked_sub(length).ok()?, end: self.end })
    }

    /// Its newest part of this length as a window of its own. `None` if it is shorter.
    pub fn newest(&self, length: SignedDuration) -> Option<Self> {
        let start = self.end.checked_sub(length).ok()?;
        (self.start <= start && start < self.end).then_some(Self { start, end: self.end })
    }

    /// The window of the same length that closes an hour later.
    pub fn an_hour_later(&self) -> Self {
        let hour = SignedDuration::from_hours(1);
        Self { start: self.start + hour, end: self.end + hour }
    }

    /// The first use of a series with these values by age, newest first: the start of the oldest window with an event.
    /// It is exact enough for [`Window::counted`] if windows leave no time between them.
    pub fn first_use(&self, values: &[Option<f64>]) -> Option<Timestamp> {
        let oldest = values.iter().rposition(Option::is_some)?;
        Some(self.earlier(Age::new(oldest)?).start())
    }

    /// Whether windows follow each other without time between them.
    pub fn fills_its_stride(&self) -> bool {
        self.length_ms() == self.stride_ms()
    }

    /// How many earlier windows count for a customer or a series whose first event in the time read is `first_event`.
    ///
    /// A first event in the oldest stride means that the usage is older, so all windows count. Otherwise the usage is
    /// new. Only the windows after the one with its first event count, because that one was not used in full.
    pub fn counted(&self, first_event: Timestamp, oldest: Age) -> usize {
        let baseline_windows = oldest.get();
        let before_end =
            self.end.as_millisecond().saturating_sub(first_event.as_millisecond()).saturating_sub(1);
        let age = usize::try_from(before_end.div_euclid(self.stride_ms())).unwrap_or(0);
        let inside = before_end.rem_euclid(self.stride_ms()) < self.length_ms();
        if age >= baseline_windows {
            baseline_windows
        } else if inside {
            age.saturating_sub(1)
        } else {
            age
        }
    }

    /// Whether it begins and ends on full hours, like the hourly rollup.
    pub fn is_on_the_hour(&self) -> bool {
        self.start.as_millisecond() % HOUR_MS == 0 && self.end.as_millisecond() % HOUR_MS == 0
    }

    /// Whether it is the window of an hourly run: a day that ends on a full hour.
    pub fn is_of_a_run(&self) -> bool {
        self.is_on_the_hour() && self.length_ms() == DAY_MS
    }

    fn length_ms(&self) -> i64 {
        self.end.as_millisecond() - self.start.as_millisecond()
    }

    fn stride_ms(&self) -> i64 {
        (self.length_ms() + DAY_MS - 1) / DAY_MS * DAY_MS
    }

    fn in_range(start_ms: i64, end_ms: i64) -> Option<Self> {
        let (earliest_ms, latest_ms) = (365 * DAY_MS, i64::from(u32::MAX) * 1_000);
        let start = Timestamp::from_millisecond(start_ms).ok()?;
        let end = Timestamp::from_millisecond(end_ms).ok()?;
        (end_ms >= earliest_ms && end_ms <= latest_ms).then_some(Self { start, end })
    }
}

impl TryFrom<Unchecked> for Window {
    type Error = WindowError;

    fn try_from(Unchecked { start, end }: Unchecked) -> Result<Self, WindowError> {
        Self::between(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(days: u16) -> BaselineDays {
        BaselineDays::new(days).unwrap()
    }

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
        assert_eq!(window.baseline_start(days(30)), at("2026-10-21T13:00:00Z"));
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

    fn between(start: &str, end: &str) -> Window {
        Window::between(at(start), at(end)).unwrap()
    }

    #[test]
    fn earlier_windows_never_overlap_and_keep_the_time_of_day() {
        for (start, end, baseline, windows, stride_hours) in [
            ("2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z", 30, 30, 24),
            ("2026-11-21T12:00:00Z", "2026-11-21T14:00:00Z", 30, 30, 24),
            ("2026-11-20T12:59:59.999Z", "2026-11-21T13:00:00Z", 30, 15, 48),
            ("2026-11-14T13:00:00Z", "2026-11-21T13:00:00Z", 30, 4, 7 * 24),
            ("2026-08-21T13:00:00Z", "2026-11-21T13:00:00Z", 90, 0, 92 * 24),
            ("2026-11-21T13:00:00Z", "2026-11-21T13:00:00.001Z", 90, 90, 24),
        ] {
            let window = between(start, end);
            assert_eq!(window.baseline_windows(days(baseline)), windows, "{start} to {end}");
            assert_eq!(window.stride(), SignedDuration::from_hours(stride_hours), "{start} to {end}");
            let before = window.earlier(Age::new(1).unwrap());
            assert!(before.end() <= window.start(), "{start} to {end}");
            assert_eq!(before.length(), window.length());
            assert!(
                window.baseline_start(days(baseline)) <= window.earlier(Age::new(windows).unwrap()).start()
            );
        }
    }

    #[test]
    fn a_customer_counts_from_the_first_window_after_its_first_event() {
        let day = between("2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z");
        let two_hours = between("2026-11-21T11:00:00Z", "2026-11-21T13:00:00Z");
        let oldest = day.oldest(days(30));
        for (first_event, of_day, of_two_hours) in [
            ("2026-11-21T12:59:59.999Z", 0, 0),
            ("2026-11-21T10:59:59Z", 0, 0),
            ("2026-11-20T13:00:00Z", 0, 0),
            ("2026-11-20T12:00:00Z", 0, 0),
            // Between two windows: the next one was used in full.
            ("2026-11-20T10:00:00Z", 0, 1),
            ("2026-11-18T12:00:00Z", 2, 2),
            ("2026-11-18T10:00:00Z", 2, 3),
            ("2026-10-22T13:00:00Z", 28, 29),
            // The oldest of the strides read: the customer may be of any age.
            ("2026-10-22T12:59:59Z", 30, 30),
            ("2026-10-21T13:00:00Z", 30, 30),
            ("2026-09-01T00:00:00Z", 30, 30),
        ] {
            assert_eq!(day.counted(at(first_event), oldest), of_day, "24 hours, {first_event}");
            assert_eq!(two_hours.counted(at(first_event), oldest), of_two_hours, "2 hours, {first_event}");
        }
    }

    #[test]
    fn refuses_periods_that_cannot_be_judged() {
        let refusal = |start: &str, end: &str| Window::between(at(start), at(end)).unwrap_err();
        let (noon, one) = ("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z");
        assert!(matches!(refusal(one, noon), WindowError::Empty { .. }));
        assert!(matches!(refusal(noon, noon), WindowError::Empty { .. }));
        assert!(matches!(refusal(noon, "2026-11-21T12:00:00.0009Z"), WindowError::Empty { .. }));
        assert!(matches!(refusal("2026-08-21T12:59:59.999Z", one), WindowError::TooLong { .. }));
        assert!(matches!(
            refusal("1970-02-01T00:00:00Z", "1970-03-01T00:00:00Z"),
            WindowError::OutOfRange { .. }
        ));
    }

    #[test]
    fn knows_full_hours() {
        assert!(between("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z").is_on_the_hour());
        assert!(!between("2026-11-21T12:00:00.001Z", "2026-11-21T13:00:00Z").is_on_the_hour());
        assert!(!between("2026-11-21T12:00:00Z", "2026-11-21T12:30:00Z").is_on_the_hour());
    }

    #[test]
    fn what_is_read_from_json_is_a_window_or_an_error() {
        let read = |start: &str, end: &str| {
            serde_json::from_value::<Window>(serde_json::json!({ "start": start, "end": end }))
                .map_err(|error| error.to_string())
        };
        let (noon, one) = ("2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z");
        let window = read(noon, one).unwrap();
        assert_eq!(window, between(noon, one));
        assert_eq!(serde_json::from_str::<Window>(&serde_json::to_string(&window).unwrap()).unwrap(), window);
        for (start, end, expected) in [
            (one, noon, "is empty"),
            (noon, noon, "is empty"),
            ("2026-01-01T00:00:00Z", one, "is longer than 92 days"),
            ("1970-02-01T00:00:00Z", "1970-03-01T00:00:00Z", "is out of range"),
            ("9999-01-01T00:00:00Z", "9999-01-02T00:00:00Z", "is out of range"),
        ] {
            let refusal = read(start, end).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
