//! The values of earlier windows, which the rule `deviation` compares with.

use catalog::{Aggregate, MetricSpec};
use detection::{Baseline, Missing, Window};
use warehouse::usage::{EventFigures, WindowsBefore};

use super::value_of;

/// The values of a metric of an entity in earlier windows. `None` with fewer than two of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct PastWindows {
    /// At the same hour of the days before.
    pub(crate) days: Option<Baseline>,
    /// In the two hours before, for windows shorter than an hour.
    pub(crate) recent: Option<Baseline>,
}

/// Seconds of a day.
const DAY: i64 = 86_400;

impl PastWindows {
    /// * `window`: that which is judged. The hour of a day counts as the mean of such windows.
    /// * `windows`: how many of the newest windows are no past.
    pub(super) fn of(spec: &MetricSpec, before: &WindowsBefore, (window, windows): (&Window, usize)) -> Self {
        let length = window.length().as_secs();
        let within_an_hour = (3_600 / length).max(1);
        let is_added_up = matches!(spec.aggregate, Aggregate::Count | Aggregate::Sum);
        let share = if is_added_up { within_an_hour as f64 } else { 1.0 };
        let of_days = before.days.iter().filter_map(|(_, figures)| Some(level(spec, figures)? / share));
        let of_recent = before.recent.iter().filter_map(|figures| level(spec, figures));
        let (mut days, mut recent): (Vec<f64>, Vec<f64>) = (of_days.collect(), of_recent.collect());
        if spec.missing == Missing::Zero {
            // Since its first event the entity had none on the other days.
            let known = before.days.iter().map(|(ago, _)| *ago).max().unwrap_or_default();
            let left_out = if length >= DAY { windows - 1 } else { 0 };
            let of_past = usize::try_from(known).unwrap_or_default().saturating_sub(left_out);
            days.resize(days.len().max(of_past), 0.0);
            if known > 0 && within_an_hour > 1 {
                recent.resize(recent.len().max(2 * within_an_hour as usize), 0.0);
            }
        }
        Self { days: Baseline::of(days), recent: Baseline::of(recent) }
    }
}

/// The value of a window. `None` for a gap.
pub(super) fn level(spec: &MetricSpec, figures: &EventFigures) -> Option<f64> {
    value_of(spec.aggregate, figures).or((spec.missing == Missing::Zero).then_some(0.0))
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;

    fn window(minutes: i64) -> Window {
        let end: jiff::Timestamp = "2026-11-21T13:00:00Z".parse().unwrap();
        Window::between(end - jiff::SignedDuration::from_mins(minutes), end).unwrap()
    }

    fn events(events: u64) -> EventFigures {
        EventFigures { events, ..EventFigures::default() }
    }

    fn past(missing: &str, minutes: i64) -> [Option<(f64, usize)>; 2] {
        let spec = MetricSpec {
            missing: if missing == "zero" { Missing::Zero } else { Missing::Gap },
            ..spec("count", "", "type = \"deviation\"")
        };
        let before = WindowsBefore {
            key: Vec::new(),
            metric: 0,
            days: vec![(1, events(1_200)), (4, events(600))],
            recent: vec![events(90), events(150)],
        };
        let PastWindows { days, recent } = PastWindows::of(&spec, &before, (&window(minutes), 3));
        [days, recent].map(|of| of.map(|of| (of.mean(), of.sample_count())))
    }

    #[test]
    fn the_hour_of_a_day_is_many_windows() {
        assert_eq!(past("gap", 5), [Some((75.0, 2)), Some((120.0, 2))]);
        assert_eq!(past("gap", 60)[0], Some((900.0, 2)));
    }

    #[test]
    fn what_is_missing_is_zero_as_long_as_the_entity_is_known() {
        assert_eq!(past("zero", 5), [Some((37.5, 4)), Some((10.0, 24))]);
        assert_eq!(past("zero", 1)[1], Some((2.0, 120)));
        assert_eq!(past("zero", 60), [Some((450.0, 4)), Some((120.0, 2))]);
        // Of four days, the two newest are windows themselves.
        assert_eq!(past("zero", 24 * 60)[0], Some((900.0, 2)));
    }
}
