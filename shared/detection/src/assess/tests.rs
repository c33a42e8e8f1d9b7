use super::*;
use crate::calendar::TimeZone;
use crate::hours::Aggregate;
use crate::{AnomalyKind, Thresholds};

fn hour() -> Hour {
    Hour::holding("2026-11-24T05:00:00Z".parse().unwrap())
}

/// The assessment of a series whose first events are these, the newest last, of a customer of so many days.
fn of_first_events(values: &[f64], customer_days: i64) -> Assessment {
    let first = hour().plus(1 - values.len() as i64);
    let values: Vec<_> = values.iter().copied().map(Some).collect();
    let hours = Hours::new(Aggregate::Sum, true, first, &values);
    let calendar = Calendar::new(&TimeZone::utc(), hour().plus(-5));
    let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
    assess(&hours, hour(), hour().plus(-24 * customer_days), &calendar, &Profile::FLAT, &settings)
}

#[test]
fn a_large_first_use_by_a_known_customer_is_worth_a_look() {
    let found = of_first_events(&[400.0, 0.0, 600.0], 20);
    let Verdict::Anomalous(finding) = found.verdict else { panic!("{found:?}") };
    assert_eq!((finding.severity, finding.comparison.current), (Severity::Warning, 1_000.0));
    assert_eq!(AnomalyKind::of(&finding.comparison, None), AnomalyKind::NewUsage);
}

#[test]
fn a_small_first_use_or_one_by_a_new_customer_is_not() {
    for (values, days) in [(&[400.0, 599.0][..], 20), (&[400.0, 600.0], 6)] {
        let verdict = of_first_events(values, days).verdict;
        assert_eq!(verdict, Verdict::Undetermined(Reason::InsufficientData), "{values:?}");
    }
}

#[test]
fn an_hour_of_another_day_has_no_verdict() {
    let hours = Hours::new(Aggregate::Sum, true, hour(), &[Some(1.0)]);
    let calendar = Calendar::new(&TimeZone::utc(), hour().plus(-24));
    let settings = Settings::new(Thresholds::default()).unwrap();
    let found = assess(&hours, hour(), hour(), &calendar, &Profile::FLAT, &settings);
    assert_eq!(found.verdict, Verdict::Undetermined(Reason::InsufficientData));
}

/// A month of 100 an hour, and 1,000 in the last hours, whose places count from the newest hour back.
fn month(busy: &[i64]) -> Hours {
    let first = hour().plus(1 - 33 * 24);
    let value =
        |place: i64| if busy.contains(&(33 * 24 - 1 - place)) { 1_000.0 } else { 100.0 + (place % 7) as f64 };
    let values: Vec<_> = (0..33 * 24).map(|place| Some(value(place))).collect();
    Hours::new(Aggregate::Sum, true, first, &values)
}

fn verdict(hours: &Hours) -> Verdict {
    let calendar = Calendar::new(&TimeZone::utc(), hour().plus(-5));
    let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
    let since = hour().plus(-33 * 24);
    assess(hours, hour(), since, &calendar, &Profile::FLAT, &settings).verdict
}

#[test]
fn a_muted_event_shows_while_it_goes_on_and_not_after_it() {
    let is_of_event = |hour: Hour, places: &[i64]| places.contains(&self::hour().since(hour));
    let of_event = |busy: &[i64], muted: &[i64]| verdict(&month(busy).muted(|hour| is_of_event(hour, muted)));
    assert!(matches!(of_event(&[0, 1], &[0, 1]), Verdict::Anomalous(_)), "the event goes on");
    assert!(matches!(of_event(&[1, 2], &[]), Verdict::Anomalous(_)), "the event is not muted");
    for ago in 1..23 {
        let after = of_event(&[ago, ago + 1], &[ago, ago + 1]);
        assert!(matches!(after, Verdict::Normal(_)), "{ago}: {after:?}");
        // A leak in the hour after the event.
        assert!(matches!(of_event(&[0, ago, ago + 1], &[ago, ago + 1]), Verdict::Anomalous(_)), "{ago}");
    }
}

#[test]
fn muted_hours_say_what_is_usual_if_there_are_no_others() {
    for busy in [&[][..], &[0]] {
        let raw = verdict(&month(busy));
        assert_eq!(verdict(&month(busy).muted(|_| true)), raw);
        let before_today = month(busy).muted(|other| hour().since(other) >= 24);
        assert_eq!(verdict(&before_today), raw);
        assert_eq!(matches!(raw, Verdict::Anomalous(_)), !busy.is_empty());
    }
}
