//! What some rules need beside the figures of a metric. Only the queries of rules that the catalog has are made.

use std::collections::HashMap;

use detection::rules::HourOfDay;
use detection::{Baseline, Hour, Window};
use jiff::{SignedDuration, Timestamp};
use warehouse::usage::{DistinctTexts, FailedInARow, Outcomes};

use super::past::PastWindows;
use super::{NEWEST, STREAK_HOURS, needs_outcomes, read, windows};
use crate::pass::Pass;

/// What rules need of one metric of an entity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Beside {
    /// The newest events that failed in a row. None without an event in the newest hour.
    pub(crate) streak: Option<FailedInARow>,
    /// Failures of the hour before a success of the window.
    pub(crate) failures_before_success: u64,
    /// How many different texts there are.
    pub(crate) distinct: Option<DistinctTexts>,
    pub(crate) hour: Option<HourOfDay>,
    /// The values of earlier windows.
    pub(crate) past: PastWindows,
}

/// By the place of the metric and the key of the entity.
type ByEntity<T> = HashMap<(usize, Vec<u8>), T>;

/// What rules need of all entities of a pass.
pub(super) struct AllBeside {
    /// The first instant of the window.
    start: Timestamp,
    /// The end of the time that the window is compared with. The failures of a streak are taken out of that time.
    before: Timestamp,
    /// The hour of the day that this time is of, if it is not of all hours.
    of_day: Option<u8>,
    outcomes: ByEntity<Outcomes>,
    distinct: ByEntity<DistinctTexts>,
    hours: ByEntity<HourOfDay>,
    past: ByEntity<PastWindows>,
}

impl AllBeside {
    /// * `hours`: those before the window that it is compared with.
    pub(super) async fn read(pass: Pass<'_>, window: Window, hours: i64) -> anyhow::Result<Self> {
        let usage = &pass.app.usage;
        let mut outcomes = HashMap::new();
        let ruled = pass.app.catalog.ruled().iter().enumerate();
        for (place, spec) in ruled.filter(|(_, spec)| needs_outcomes(spec)) {
            let name = format!("streaks-{place}");
            let of_metric = read(pass, window, STREAK_HOURS, &name, async |request| {
                usage.outcomes(request, spec, NEWEST).await
            });
            outcomes.extend(of_metric.await?.into_iter().map(|found| ((place, found.key.clone()), found)));
        }
        let distinct =
            read(pass, window, hours, "texts", async |request| usage.distinct_texts(request).await).await?;
        let of_day =
            read(pass, window, hours, "off-hours", async |request| usage.entity_hours(request).await).await?;
        let before =
            read(pass, window, hours, "windows", async |request| usage.windows_before(request).await).await?;
        let newest = windows(pass.app.catalog.ruled());
        let past = before.into_iter().filter_map(|found| {
            let spec = pass.app.catalog.ruled().get(found.metric)?;
            let past = PastWindows::of(spec, &found, (&window, newest));
            Some(((found.metric, found.key), past))
        });
        Ok(Self {
            past: past.collect(),
            start: window.start(),
            of_day: is_within_an_hour(&window).then(|| Hour::holding(window.start()).of_day()),
            before: end_of_before(&window, newest),
            outcomes,
            distinct: distinct.into_iter().map(|found| ((found.metric, found.key.clone()), found)).collect(),
            hours: of_day.into_iter().map(|found| ((found.metric, found.key), found.hour)).collect(),
        })
    }

    pub(super) fn of(&self, metric: usize, key: &[u8]) -> Beside {
        let place = (metric, key.to_vec());
        let newest = self.outcomes.get(&place);
        Beside {
            streak: newest.map(|newest| newest.streak(self.before, self.of_day)),
            failures_before_success: newest.map_or(0, |newest| newest.failures_before_success(self.start)),
            distinct: self.distinct.get(&place).cloned(),
            hour: self.hours.get(&place).copied(),
            past: self.past.get(&place).copied().unwrap_or_default(),
        }
    }
}

impl Beside {
    /// The same, with the last hours in the place of the days before.
    pub(super) fn recently(&self) -> Self {
        let past = PastWindows { days: self.past.recent, recent: None };
        Self { past, ..self.clone() }
    }

    /// The values that a window is compared with.
    pub(super) fn values(&self) -> Option<Baseline> {
        self.past.days
    }
}

/// The end of the time before some windows that end with this one. Windows shorter than an hour are compared with full hours.
fn end_of_before(window: &Window, windows: usize) -> Timestamp {
    let earlier = i32::try_from(windows.saturating_sub(1)).unwrap_or(i32::MAX);
    let first = window.start() - window.length() * earlier;
    if is_within_an_hour(window) { Hour::holding(first).start() } else { first }
}

fn is_within_an_hour(window: &Window) -> bool {
    window.length() < SignedDuration::from_hours(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_windows_themselves_are_no_past_of_a_streak() {
        let window = |start: &str, end: &str| {
            Window::between(
                format!("2026-11-21T{start}:00Z").parse().unwrap(),
                format!("2026-11-21T{end}:00Z").parse().unwrap(),
            )
            .unwrap()
        };
        for (start, end, windows, expected) in [
            ("12:00", "13:00", 1, "12:00"),
            ("12:00", "13:00", 3, "10:00"),
            ("12:55", "13:00", 1, "12:00"),
            ("13:05", "13:10", 3, "12:00"),
        ] {
            let before = end_of_before(&window(start, end), windows);
            assert_eq!(before.to_string(), format!("2026-11-21T{expected}:00Z"), "{start} {windows}");
        }
    }
}
