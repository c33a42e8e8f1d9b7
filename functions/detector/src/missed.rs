//! The hours that no run has judged, after a schedule that was off or an outage.
//!
//! A run of the schedule judges them before its own hour, the oldest first. So incidents become the same as without the
//! gap. Missed hours page nobody. Incidents that are active in the run's own hour are paged there, once. A long gap
//! takes several runs. Until the gap is closed, a run's own hour opens and continues incidents and ends none.

use std::time::{Duration, Instant};

use detection::Window;
use jiff::{SignedDuration, Timestamp};

/// How far back a run looks for missed hours.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(72);

/// Missed hours that one run judges at most.
const MOST: usize = 6;

/// Time for the index of incidents to follow the table.
pub(crate) const INDEX_TIME: Duration = Duration::from_secs(1);

/// The windows between the last judged window and the window of a run, the oldest first.
///
/// * `step`: the time between two runs of the source. Of windows shorter than an hour only those are missed that close on the
///   hour, which models judge too.
pub(crate) fn windows(judged_until: Option<Timestamp>, window: &Window, step: SignedDuration) -> Vec<Window> {
    let Some(judged_until) = judged_until else { return Vec::new() };
    let step = step.max(SignedDuration::from_hours(1));
    let mut missed = Vec::new();
    let mut end = window.end();
    while let Ok(before) = end.checked_sub(SignedDuration::from_millis(1))
        && let Ok(earlier) = Window::closing_at_step(before, step)
        && earlier.end() > judged_until
        && window.end().duration_since(earlier.end()) <= LOOKED_BACK
    {
        missed.push(earlier);
        end = earlier.end();
    }
    missed.reverse();
    missed
}

/// Whether a run begins another missed hour. Half of its time is kept for its own hour.
pub(crate) fn has_time(judged: usize, longest: Duration, deadline: Instant) -> bool {
    judged < MOST && deadline.saturating_duration_since(Instant::now()) > 3 * longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hours_of_a_gap_in_their_order() {
        let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
        let before = |hours: i64| window.end() - SignedDuration::from_hours(hours);
        for (judged_until, expected) in [
            (None, vec![]),
            (Some(before(-1)), vec![]),
            (Some(before(0)), vec![]),
            (Some(before(1)), vec![]),
            (Some(before(3)), vec![before(2), before(1)]),
            (Some(before(500)), (1..=72).rev().map(before).collect()),
        ] {
            let ends: Vec<_> = windows(judged_until, &window, SignedDuration::from_hours(1))
                .iter()
                .map(Window::end)
                .collect();
            assert_eq!(ends, expected, "{judged_until:?}");
        }
        let later = Instant::now() + Duration::from_secs(60);
        let second = Duration::from_secs(1);
        assert!(
            has_time(5, second, later) && !has_time(6, second, later) && !has_time(1, 30 * second, later)
        );
    }
}
