use jiff::SignedDuration;

use super::*;
use crate::model::Profile;
use crate::{Aggregate, Calendar, Hour, Hours, Model, Settings, Severity, Thresholds, TimeZone, ensemble};

/// The assessments of the hours of a day, for usage of about 100 calls an hour times a factor by hour.
fn day(factor: impl Fn(usize) -> f64) -> Vec<Assessment> {
    let calendar = Calendar::new(&TimeZone::utc(), Hour::holding("2026-11-24T00:00:00Z".parse().unwrap()));
    let value = |at: usize| {
        let factor = at.checked_sub(Calendar::SPAN).map_or(1.0, &factor);
        Some((factor * (100 + at * 37 % 23) as f64).round())
    };
    let values: Vec<_> = (0..Calendar::SPAN + 24).map(value).collect();
    let hours = Hours::new(Aggregate::Count, true, calendar.begin(), &values);
    let model = Model::fit(&hours, &calendar, &Profile::FLAT);
    let judge =
        |(hour, row)| ensemble::judge(&hours.recent(calendar.day().plus(hour as i64)), row, &settings());
    model.rows.iter().enumerate().map(judge).collect()
}

fn settings() -> Settings {
    Settings::new(Thresholds::default()).unwrap()
}

/// What an incident sees that was seen by windows of so many hours, as a change of its usual value.
fn of(assessment: &Assessment, direction: Direction, seen_by: u8, change: Option<f64>) -> Seen {
    let course = Course {
        opened_at: end(0),
        last_seen: end(0),
        over_at: None,
        seen_by,
        change,
        severity: Severity::Critical,
    };
    of_open(assessment, &settings(), direction, &course, 1)
}

#[test]
fn an_hour_after_a_burst_of_an_hour_is_calm() {
    // Ten times the usual calls from 06:00 to 09:00.
    let hours = day(|hour| if (6..9).contains(&hour) { 10.0 } else { 1.0 });
    let seen = |seen_by| -> Vec<_> {
        hours.iter().map(|hour| of(hour, Direction::Spike, seen_by, Some(9.0))).collect()
    };
    assert_eq!(seen(1)[6..9], [Seen::Anomalous(Severity::Critical); 3]);
    assert_eq!(seen(1)[9..], [Seen::Inside; 15]);
    // An incident that the window of three hours saw lasts until that window is calm.
    assert_eq!(seen(3)[6..11], [Seen::Anomalous(Severity::Critical); 5]);
    assert_eq!(seen(3)[11..], [Seen::Inside; 13]);
    // The windows of 24 hours go on to flag.
    assert!(hours[11..].iter().all(|hour| matches!(hour.verdict, Verdict::Anomalous(_))));
    // They are no news.
    assert!((11..24).all(|hour| !is_news(&hours[hour], Direction::Spike, hour - 9)));
    assert!(is_news(&hours[6], Direction::Spike, 1));
    assert!(!is_news(&hours[6], Direction::Drop, 1));
}

#[test]
fn an_incident_of_the_other_direction_is_not_over() {
    let hours = day(|hour| if hour >= 6 { 0.0 } else { 1.0 });
    assert_eq!(of(&hours[8], Direction::Drop, 1, Some(1.0)), Seen::Anomalous(Severity::Critical));
    assert_eq!(of(&hours[8], Direction::Spike, 1, Some(1.0)), Seen::Inside);
}

#[test]
fn an_hour_that_could_not_show_the_deviation_is_not_calm() {
    let hours = day(|_| 1.0);
    let view = hours[5].views[0];
    for direction in Direction::BOTH {
        let shows_from = view.shows_from(direction, &settings());
        assert!((0.1..1.0).contains(&shows_from), "{shows_from}");
        let seen = |factor: f64| of(&hours[5], direction, 1, Some(factor * shows_from));
        assert_eq!((seen(0.9), seen(1.1)), (Seen::Hidden, Seen::Inside));
        // Old incidents do not know their change.
        assert_eq!(of(&hours[5], direction, 1, None), Seen::Inside);
    }
    // A warning would not page, and shows nevertheless.
    let shows_from = view.shows_from(Direction::Spike, &settings());
    let of_warning = |factor: f64| {
        let change = Some(factor * shows_from);
        let severity = Severity::Warning;
        let course =
            Course { opened_at: end(0), last_seen: end(0), over_at: None, seen_by: 1, change, severity };
        of_open(&hours[5], &settings(), Direction::Spike, &course, 1)
    };
    assert_eq!((of_warning(0.6), of_warning(0.8)), (Seen::Hidden, Seen::Inside));
    // A window of a day shows any deviation that it saw.
    assert_eq!(of(&hours[5], Direction::Spike, 24, Some(0.01)), Seen::Inside);
    // After a week nobody waits for such an hour any more.
    let course = Course {
        opened_at: end(0),
        last_seen: end(0),
        over_at: None,
        seen_by: 1,
        change: Some(0.05),
        severity: Severity::Critical,
    };
    let seen = |hours_since| of_open(&hours[5], &settings(), Direction::Spike, &course, hours_since);
    assert_eq!((seen(192), seen(193)), (Seen::Hidden, Seen::Inside));
}

#[test]
fn an_incident_knows_the_change_of_the_shortest_window_that_speaks() {
    let hours = day(|hour| if hour == 6 { 10.0 } else { 1.0 });
    let of = |hour: usize, direction| {
        Observation::of_assessment(&hours[hour], &settings(), end(hour), direction, None)
    };
    let first = of(6, Direction::Spike);
    let view = &hours[6].views[0];
    assert_eq!((first.seen_by, first.change), (1, Some(view.value / view.expected - 1.0)));
    assert!((7.0..11.0).contains(&first.change.unwrap()));
    let third = of(8, Direction::Spike);
    assert_eq!(third.seen_by, 3);
    assert!((2.0..4.0).contains(&third.change.unwrap()));
    assert_eq!((of(6, Direction::Drop).seen_by, of(6, Direction::Drop).change), (24, None));
}

#[test]
fn a_slow_leak_goes_on_while_the_long_window_sees_it() {
    // Too little for an hour, and too much for a day.
    let hours = day(|_| 1.23);
    let flags = |view: &&View| view.standing == Standing::Flags;
    let last = &hours[23];
    assert_eq!(last.views.iter().filter(flags).map(View::hours).min(), Some(6), "{last:?}");
    assert!(matches!(of(last, Direction::Spike, 6, None), Seen::Anomalous(_)));
}

#[test]
fn without_a_value_nothing_is_over() {
    let hours = day(|hour| if hour == 3 { f64::NAN } else { 1.0 });
    assert_eq!(of(&hours[3], Direction::Spike, 1, None), Seen::Undetermined);
}

/// The end of the windows that close with an hour of the day.
fn end(hour: usize) -> Timestamp {
    "2026-11-24T01:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour as i64)
}

#[test]
fn a_window_that_holds_an_incident_that_is_over_opens_no_other_one() {
    let hours = day(|hour| if (6..9).contains(&hour) { 10.0 } else { 1.0 });
    let seen = |hour: usize, latest: Option<&Course>| {
        let of = Observation::of_assessment(&hours[hour], &settings(), end(hour), Direction::Spike, latest);
        (of.seen, of.seen_by)
    };
    assert_eq!(seen(6, None), (Seen::Anomalous(Severity::Critical), 1));
    // Only windows of 6 and 24 hours flag, or only those of 24.
    assert_eq!(seen(12, None), (Seen::Anomalous(Severity::Critical), 6));
    assert_eq!(seen(20, None), (Seen::Anomalous(Severity::Critical), 24));
    let over = Course {
        opened_at: end(6),
        last_seen: end(10),
        over_at: Some(end(12)),
        seen_by: 1,
        change: Some(9.0),
        severity: Severity::Critical,
    };
    let open = Course { over_at: None, ..over };
    for hour in 13..24 {
        assert_eq!(seen(hour, Some(&over)).0, Seen::Between, "{hour}");
        assert_eq!(seen(hour, Some(&open)).0, Seen::Inside, "{hour}");
    }
    // A window that is judged again is judged as before.
    for hour in 6..=12 {
        assert_eq!(seen(hour, Some(&over)), seen(hour, Some(&open)), "{hour}");
    }
    assert_eq!(seen(8, Some(&over)).0, Seen::Anomalous(Severity::Critical));
    // A window before the opening knows nothing of the incident.
    let later = Course { opened_at: end(7), ..over };
    assert_eq!(seen(6, Some(&later)).0, Seen::Anomalous(Severity::Critical));
}

#[test]
fn a_new_cause_after_the_end_is_news() {
    let hours = day(|hour| if hour == 6 || hour == 15 { 10.0 } else { 1.0 });
    let over = Course {
        opened_at: end(6),
        last_seen: end(8),
        over_at: Some(end(10)),
        seen_by: 1,
        change: None,
        severity: Severity::Critical,
    };
    let of = Observation::of_assessment(&hours[15], &settings(), end(15), Direction::Spike, Some(&over));
    assert_eq!((of.seen, of.seen_by), (Seen::Anomalous(Severity::Critical), 1));
    assert_eq!(of.figures.current_value, hours[15].views[0].value);
}

#[test]
fn a_window_is_judged_the_same_again_after_a_later_hour_showed_the_incident_in_a_shorter_one() {
    // Too little for an hour, and too much for a day. Then everything stops.
    let hours = day(|hour| if hour == 12 { 0.0 } else { 0.8 });
    let seen = |hour: usize, latest: Option<&Course>| {
        let of = Observation::of_assessment(&hours[hour], &settings(), end(hour), Direction::Drop, latest);
        (of.seen, of.seen_by)
    };
    let first = seen(11, None);
    assert!(matches!(first, (Seen::Anomalous(_), 2..)), "{first:?}");
    assert_eq!(seen(12, None), (Seen::Anomalous(Severity::Critical), 1));
    let open = Course {
        opened_at: end(11),
        last_seen: end(12),
        over_at: None,
        seen_by: 1,
        change: Some(1.0),
        severity: Severity::Critical,
    };
    for course in [open, Course { over_at: Some(end(15)), ..open }] {
        assert_eq!(seen(11, Some(&course)), first);
        assert_eq!(seen(12, Some(&course)), seen(12, None));
    }
}
