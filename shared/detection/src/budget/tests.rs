use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::incident::{Event, Incident, IncidentState, Step};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hour(text: &str) -> Hour {
    Hour::holding(at(text))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::named(name).unwrap()
}

fn budget(text: &str) -> Budget {
    serde_json::from_str(text).unwrap()
}

fn quota(text: &str) -> Quota {
    budget(text).quota(Price::new(0.5)).unwrap().unwrap()
}

fn november() -> Month {
    Month::holding(hour("2026-11-15T12:00:00Z"), &TimeZone::utc()).unwrap()
}

#[test]
fn a_month_is_that_of_the_zone() {
    for (at, name, first, end, of) in [
        ("2026-11-30T23:00:00Z", "UTC", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z", "2026-11"),
        // The clocks change within October and March.
        ("2026-10-31T22:00:00Z", "Europe/Berlin", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", "2026-10"),
        ("2026-10-31T23:00:00Z", "Europe/Berlin", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z", "2026-11"),
        ("2026-12-31T16:00:00Z", "Asia/Tokyo", "2026-12-31T15:00:00Z", "2027-01-31T15:00:00Z", "2027-01"),
        // Midnight is at half past. The hour of UTC belongs to the day in which it starts.
        ("2026-10-31T18:00:00Z", "Asia/Kolkata", "2026-09-30T19:00:00Z", "2026-10-31T19:00:00Z", "2026-10"),
        ("2028-02-29T12:00:00Z", "UTC", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z", "2028-02"),
    ] {
        let month = Month::holding(hour(at), &zone(name)).unwrap();
        let found = (month.name.as_str(), month.first.start(), month.end.start());
        assert_eq!(found, (of, self::at(first), self::at(end)), "{at} {name}");
    }
}

#[test]
fn a_budget_has_one_limit_and_sane_marks() {
    let marks = |text: &str| quota(text).marks().to_vec();
    assert_eq!(marks(r#"{"quota": 1000}"#), [Mark::Share(80), Mark::Share(100), Mark::Pace]);
    let own = r#"{"quota": 1000, "shares": [1.5, 0.5, 0.5], "days_before_end": 0}"#;
    assert_eq!(marks(own), [Mark::Share(50), Mark::Share(150)]);
    assert_eq!(marks(r#"{"quota": 1, "shares": []}"#), [Mark::Pace]);
    let money = quota(r#"{"cost": 500}"#);
    assert_eq!((money.amount, money.amount_of(Mark::Share(80)), money.least()), (1_000.0, 800.0, 800.0));
    assert_eq!(budget(r#"{"unlimited": true}"#).quota(None), Ok(None));
    for (text, field) in [
        ("{}", "quota: exactly one of"),
        (r#"{"quota": 5, "cost": 5}"#, "quota: exactly one of"),
        (r#"{"quota": 5, "unlimited": true}"#, "quota: exactly one of"),
        (r#"{"quota": 0}"#, "quota: an amount above 0"),
        (r#"{"quota": -5}"#, "quota: an amount above 0"),
        (r#"{"quota": 1e30}"#, "quota: an amount above 0"),
        (r#"{"cost": 0}"#, "cost: an amount above 0"),
        (r#"{"cost": 5}"#, "cost: only for a metric with a price"),
        (r#"{"quota": 5, "shares": [0]}"#, "shares: at most 5"),
        (r#"{"quota": 5, "shares": [0.805]}"#, "shares: at most 5"),
        (r#"{"quota": 5, "shares": [11]}"#, "shares: at most 5"),
        (r#"{"quota": 5, "shares": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}"#, "shares: at most 5"),
        (r#"{"quota": 5, "days_before_end": 28}"#, "days_before_end: whole days"),
    ] {
        let fault = budget(text).quota(None).unwrap_err().to_string();
        assert!(fault.starts_with(field), "{text}: {fault}");
    }
    let infinite = Budget { quota: Some(f64::NAN), ..Budget::default() };
    assert!(infinite.quota(None).is_err());
}

#[test]
fn the_pace_is_that_of_the_last_week() {
    let month = november();
    // 20 days of November are over. 168 an hour were used in the last week: 4,032 a day.
    let newest = hour("2026-11-20T23:00:00Z");
    let used = |in_month: f64| Used { in_month, in_week: 168.0 * 168.0 };
    let quota = quota(r#"{"quota": 100000}"#);
    // 70,000 are left: 17 days and 8 hours.
    assert_eq!(quota.exhausted(&used(30_000.0), newest), Some(hour("2026-12-08T08:00:00Z")));
    let reached = |in_month: f64| quota.level(Mark::Pace, &used(in_month), &month, newest).is_reached;
    // 7 days before the threshold of 3 days: 28,224.
    assert_eq!([30_000.0, 71_700.0, 71_900.0, 99_999.0].map(reached), [false, false, true, true]);
    assert!(!reached(100_000.0), "what is used up has its own mark");
    assert_eq!(quota.hours_of_pace(&month, newest), 7 * 24);
    // In the last three days of the month, the pace says nothing new.
    assert!(!quota.level(Mark::Pace, &used(99_999.0), &month, hour("2026-11-28T00:00:00Z")).is_reached);
    let still = Used { in_month: 99_999.0, in_week: 0.0 };
    assert_eq!(quota.exhausted(&still, newest), None);
    assert!(!quota.level(Mark::Pace, &still, &month, newest).is_reached);
}

fn subject(mark: Mark) -> Subject {
    let (customer, metric) = (CustomerId::new("acme").unwrap(), MetricName::new("api_calls").unwrap());
    mark.subject(customer, metric, &november()).unwrap()
}

#[test]
fn a_subject_names_month_and_mark() {
    for (mark, name) in [(Mark::Share(80), "80 %"), (Mark::Share(100), "100 %"), (Mark::Pace, "pace")] {
        let subject = subject(mark);
        assert_eq!(subject.entity.as_ref().unwrap().to_string(), format!("budget / 2026-11 / {name}"));
        assert_eq!(Mark::of_subject(&subject), Some(("2026-11", mark)));
    }
    for names in [
        vec!["nightly"],
        vec!["budget", "2026-11"],
        vec!["budget", "2026-11", "much"],
        vec!["a", "b", "pace"],
    ] {
        let names = names.into_iter().map(str::to_owned).collect();
        assert_eq!(Mark::of_entity(&EntityPath::new(names).unwrap()), None);
    }
}

/// Hour of the month, amount, used, reached. Without a level the month is over.
type Hours<'a> = &'a [(i64, Option<(f64, f64, bool)>)];

/// Plays windows `(hour of the month, amount, used, reached)` and returns the pages as `hour event`.
fn play(mark: Mark, start: Option<Incident>, windows: Hours<'_>) -> (Option<Incident>, String) {
    let (mut incident, mut pages) = (start, Vec::new());
    for (number, level) in windows {
        let end = november().first.plus(*number).start();
        let level = level.map(|(amount, used, is_reached)| Level { amount, used, is_reached });
        if let Step::Become { incident: mut next, page } =
            decide(incident.as_ref(), &subject(mark), mark, level.as_ref(), end)
        {
            if let Some(event) = page {
                let noted = level.unwrap_or(Level { amount: 0.0, used: 0.0, is_reached: false });
                next.note_page(event, true, &noted.observation(mark.severity(), end));
                pages.push(format!("{number} {}", event.as_str()));
            }
            incident = Some(*next);
        }
    }
    (incident, pages.join(", "))
}

#[test]
fn a_mark_is_told_once_a_month() {
    let share = Mark::Share(80);
    let (incident, pages) = play(
        share,
        None,
        &[
            (1, Some((800.0, 700.0, false))),
            (2, Some((800.0, 810.0, true))),
            (2, Some((800.0, 810.0, true))),
            (3, Some((800.0, 900.0, true))),
            (700, Some((800.0, 5_000.0, true))),
            (721, None),
            (722, None),
        ],
    );
    assert_eq!(pages, "2 opened, 721 resolved");
    let incident = incident.unwrap();
    assert_eq!(
        (incident.state, incident.anomalies, incident.severity),
        (IncidentState::Resolved, 1, Severity::Warning)
    );
    assert_eq!(Mark::Share(100).severity(), Severity::Critical);
}

#[test]
fn raising_the_quota_ends_it_and_the_raised_quota_counts() {
    let (incident, pages) = play(
        Mark::Share(80),
        None,
        &[
            (2, Some((800.0, 810.0, true))),
            (3, Some((1_600.0, 820.0, false))),
            (4, Some((1_600.0, 830.0, false))),
            (9, Some((1_600.0, 1_700.0, true))),
            (9, Some((1_600.0, 1_700.0, true))),
            (10, Some((1_600.0, 1_800.0, true))),
        ],
    );
    assert_eq!(pages, "2 opened, 3 resolved, 9 reopened");
    let incident = incident.unwrap();
    assert_eq!((incident.opened_at, incident.anomalies), (november().first.plus(2).start(), 2));
    assert!(incident.is_open());
}

#[test]
fn what_a_person_closed_stays_closed_until_the_quota_is_raised_and_used_up() {
    let (incident, _) = play(Mark::Share(80), None, &[(2, Some((800.0, 810.0, true)))]);
    let mut closed = incident.unwrap();
    (closed.state, closed.alerting, closed.notified) = (IncidentState::Resolved, false, None);
    let windows = [
        (3, Some((800.0, 900.0, true))),
        (4, Some((1_600.0, 950.0, false))),
        (5, Some((1_600.0, 1_601.0, true))),
    ];
    assert_eq!(play(Mark::Share(80), Some(closed), &windows).1, "5 reopened");
}

#[test]
fn a_pace_that_slows_down_is_told_no_second_time() {
    let windows = [
        (2, Some((1_000.0, 300.0, true))),
        (3, Some((1_000.0, 310.0, false))),
        (4, Some((1_000.0, 330.0, true))),
        (5, Some((1_000.0, 1_100.0, false))),
        (6, Some((2_000.0, 1_100.0, false))),
        (721, None),
    ];
    assert_eq!(play(Mark::Pace, None, &windows).1, "2 opened, 6 resolved");
}

proptest! {
    #[test]
    fn any_usage_gives_a_level_and_no_panic(
        in_month in any::<f64>(), in_week in any::<f64>(), amount in 1e-9..1e24_f64, newest in 0_i64..800
    ) {
        let quota = Budget { quota: Some(amount), ..Budget::default() }.quota(None).unwrap().unwrap();
        let used = Used { in_month, in_week };
        for mark in quota.marks() {
            let level = quota.level(*mark, &used, &november(), november().first.plus(newest));
            prop_assert!(level.amount.is_finite());
            let opens = matches!(
                decide(None, &subject(*mark), *mark, Some(&level), at("2026-11-15T00:00:00Z")),
                Step::Become { page: Some(Event::Opened), .. }
            );
            prop_assert_eq!(opens, level.is_reached);
        }
    }
}
