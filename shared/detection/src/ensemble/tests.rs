use super::*;
use crate::Thresholds;
use crate::calendar::{Calendar, TimeZone};
use crate::hour::Hour;
use crate::hours::{Aggregate, Hours};
use crate::model::{Model, Profile};

#[test]
fn a_burst_of_an_hour_is_found_by_the_window_of_an_hour() {
    let day = Hour::holding("2026-11-24T00:00:00Z".parse().unwrap());
    let calendar = Calendar::new(&TimeZone::utc(), day);
    let mut values: Vec<_> = (0..800_u32).map(|at| Some(f64::from(100 + 7 * at % 13))).collect();
    values[Calendar::SPAN + 5] = Some(900.0);
    let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
    let model = Model::fit(&hours, &calendar, &Profile::FLAT);
    let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
    let at = |hour: i64| {
        let newest = day.plus(hour);
        judge(&hours.recent(newest), model.row(newest).unwrap(), &settings)
    };
    let found = at(5);
    let Verdict::Anomalous(finding) = found.verdict else { panic!("{found:?}") };
    assert_eq!((found.hours, finding.severity, finding.direction), (1, Severity::Critical, Direction::Spike));
    assert_eq!(finding.comparison.current, 900.0);
    assert_eq!(found.trust, Trust::Known);
    assert!(matches!(at(4).verdict, Verdict::Normal(_)), "{:?}", at(4));
}

/// The last hour of a month by a model of the days before.
fn last_hour(values: impl Fn(usize) -> f64) -> Assessment {
    let day = Hour::holding("2026-11-24T00:00:00Z".parse().unwrap());
    let calendar = Calendar::new(&TimeZone::utc(), day);
    let values: Vec<_> = (0..=Calendar::SPAN).map(|at| Some(values(at))).collect();
    let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
    let model = Model::fit(&hours, &calendar, &Profile::FLAT);
    let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
    judge(&hours.recent(day), model.row(day).unwrap(), &settings)
}

#[test]
fn a_leak_at_night_is_found_though_days_are_busier() {
    let is_last = |at: usize| at == Calendar::SPAN;
    let by_day = |at: usize| if (8..18).contains(&(at % 24)) { 1_000.0 } else { 50.0 } + (7 * at % 11) as f64;
    let found = last_hour(|at| if is_last(at) { 600.0 } else { by_day(at) });
    assert!(matches!(found.verdict, Verdict::Anomalous(_)), "{found:?}");
    // Bursts of that size are usual at whatever hour.
    let bursty = |at: usize| if at % 37 == 5 { 1_000.0 } else { 50.0 } + (7 * at % 11) as f64;
    let usual = last_hour(|at| if is_last(at) { 900.0 } else { bursty(at) });
    assert!(matches!(usual.verdict, Verdict::Normal(_)), "{usual:?}");
    assert!(usual.views.iter().any(|view| view.standing == Standing::UsualAtOtherHours), "{usual:?}");
}
