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
