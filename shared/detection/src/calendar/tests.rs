use super::*;

fn hour(text: &str) -> Hour {
    Hour::holding(text.parse().unwrap())
}

fn calendar(zone: &str, day: &str) -> Calendar {
    Calendar::new(&TimeZone::named(zone).unwrap(), hour(day))
}

/// The UTC hours that an hour of the day is compared with, newest first.
fn compared(calendar: &Calendar, hour_of_day: usize) -> Vec<String> {
    let begin = calendar.begin();
    let start = |earlier: &Earlier| begin.plus(earlier.place as i64).start().to_string();
    calendar.earlier(hour_of_day).iter().map(start).collect()
}

#[test]
fn without_a_change_of_clocks_the_same_hour_of_utc_is_compared() {
    for (zone, day) in [
        ("UTC", "2026-11-21T13:00:00Z"),
        ("Asia/Kolkata", "2026-11-21T13:00:00Z"),
        ("Asia/Kathmandu", "2026-11-21T07:00:00Z"),
        ("Pacific/Chatham", "2026-08-21T23:00:00Z"),
        ("America/New_York", "2026-08-21T00:00:00Z"),
    ] {
        let calendar = calendar(zone, day);
        for hour_of_day in 0..24 {
            let own = calendar.day().plus(hour_of_day as i64);
            let expected: Vec<_> = (1..=30).map(|age| own.plus(-24 * age).start().to_string()).collect();
            assert_eq!(compared(&calendar, hour_of_day), expected, "{zone} {hour_of_day}");
        }
    }
}

#[test]
fn a_nightly_job_stays_at_its_local_hour_when_the_clocks_change() {
    // The clocks of Berlin went back on 25 October 2026 at 03:00, which became 02:00.
    let winter = calendar("Europe/Berlin", "2026-10-26T00:00:00Z");
    // 04:00 of the 26th in Berlin is 03:00 of UTC; in summer time 02:00 of UTC.
    let hours = compared(&winter, 3);
    assert_eq!(hours[..3], ["2026-10-25T03:00:00Z", "2026-10-24T02:00:00Z", "2026-10-23T02:00:00Z"]);
    assert_eq!(hours.len(), 30);
    // The repeated hour of the 25th is compared by its first pass.
    assert_eq!(compared(&winter, 1)[..2], ["2026-10-25T00:00:00Z", "2026-10-24T00:00:00Z"]);
}

#[test]
fn a_window_in_which_the_clocks_change_is_torn() {
    let torn = |zone: &str, day: &str| -> Vec<(usize, usize)> {
        let calendar = calendar(zone, day);
        let is_torn = |(hour, length): &(usize, usize)| calendar.is_torn(*hour, *length);
        let hours = [0, 1, 2, 3, 5, 6, 23].into_iter();
        let all = hours.flat_map(|hour| (0..LENGTHS.len()).map(move |length| (hour, length)));
        all.filter(is_torn).map(|(hour, length)| (hour, LENGTHS[length])).collect()
    };
    // At 01:00 of UTC.
    let of_hours = [
        (1, 3),
        (1, 6),
        (1, 24),
        (2, 3),
        (2, 6),
        (2, 24),
        (3, 6),
        (3, 24),
        (5, 6),
        (5, 24),
        (6, 24),
        (23, 24),
    ];
    assert_eq!(torn("Europe/Berlin", "2026-10-25T00:00:00Z"), of_hours);
    assert_eq!(torn("Europe/Berlin", "2026-03-29T00:00:00Z"), of_hours);
    assert_eq!(torn("Europe/Berlin", "2026-10-26T01:00:00Z"), []);
    assert_eq!(torn("Asia/Kolkata", "2026-10-25T00:00:00Z"), []);
}

#[test]
fn a_skipped_local_hour_has_no_comparison_on_that_day() {
    // The clocks of Berlin went forward on 29 March 2026 at 02:00, which became 03:00.
    let summer = calendar("Europe/Berlin", "2026-03-30T00:00:00Z");
    // 02:00 of the 30th in Berlin is 00:00 of UTC.
    assert_eq!(compared(&summer, 0)[..2], ["2026-03-28T01:00:00Z", "2026-03-27T01:00:00Z"]);
    assert_eq!(compared(&summer, 1)[..2], ["2026-03-29T01:00:00Z", "2026-03-28T02:00:00Z"]);
}

#[test]
fn no_hour_of_its_own_day_is_compared() {
    // Every hour that a model is made of lies before its day, in zones whose clocks change.
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"] {
        for day in (0..366).step_by(5) {
            let calendar =
                Calendar::new(&TimeZone::named(zone).unwrap(), hour("2026-01-01T11:00:00Z").plus(24 * day));
            for hour_of_day in 0..24 {
                let earlier = calendar.earlier(hour_of_day);
                assert!(earlier.iter().all(|hour| hour.place < Calendar::SPAN), "{zone} {day}");
                assert!(earlier.len() >= 28, "{zone} {day}: {}", earlier.len());
                assert!(earlier.is_sorted_by(|newer, older| newer.place > older.place));
            }
        }
    }
}

#[test]
fn weekdays_are_local() {
    let auckland = TimeZone::named("Pacific/Auckland").unwrap();
    // Friday noon of UTC is Saturday in Auckland.
    let friday = hour("2026-11-20T12:00:00Z");
    assert_eq!((TimeZone::utc().local(friday).weekday(), auckland.local(friday).weekday()), (4, 5));
    assert!(auckland.local(friday).is_weekend() && !TimeZone::utc().local(friday).is_weekend());
    let calendar = Calendar::new(&auckland, friday);
    let first = calendar.earlier(0);
    let same: Vec<_> = first.iter().filter(|hour| hour.same_weekday).map(|hour| hour.age).collect();
    assert_eq!(same, [7, 14, 21, 28]);
    let own = calendar.class(0, 0);
    let weekend: Vec<_> = first.iter().filter(|hour| hour.class[0] == own).map(|hour| hour.age).collect();
    assert_eq!(weekend, [6, 7, 13, 14, 20, 21, 27, 28]);
}

#[test]
fn a_window_has_the_class_of_its_ends() {
    // Noon of a Saturday.
    let saturday = hour("2026-11-21T12:00:00Z");
    for (days, expected) in [(0, [3, 3, 3, 1]), (1, [3, 3, 3, 3]), (2, [0, 0, 0, 2]), (3, [0, 0, 0, 0])] {
        let calendar = Calendar::new(&TimeZone::utc(), saturday.plus(24 * days));
        assert_eq!([0, 1, 2, 3].map(|length| calendar.class(0, length)), expected, "{days} days later");
        let earlier = calendar.earlier(0);
        assert_eq!(earlier[6].class, expected, "a week before");
    }
    let calendar = Calendar::new(&TimeZone::utc(), hour("2026-11-23T00:00:00Z"));
    assert_eq!([0, 1, 2, 3].map(|length| calendar.class(3, length)), [0, 0, 2, 2], "03:00 of a Monday");
    assert_eq!(calendar.class_before(), 3);
}

#[test]
fn only_names_of_zones_are_taken() {
    for name in ["", "Berlin", "Europe/Atlantis", "+02:00", "../etc/passwd", "\0"] {
        assert_eq!(TimeZone::named(name), Err(UnknownTimeZone(name.to_owned())), "{name}");
    }
    assert_eq!(TimeZone::named("Europe/Berlin").unwrap().to_string(), "Europe/Berlin");
    assert_eq!(TimeZone::named("UTC").unwrap().to_string(), "UTC");
    assert_eq!(TimeZone::default().to_string(), "UTC");
}

#[test]
fn without_a_declared_zone_the_clocks_of_a_region_may_have_changed() {
    // The clocks of Australia changed on 3 October 2026, those of Europe on the 25th and those of America a week later.
    let others = |day: &str| Calendar::undeclared(hour(day)).others().len();
    let days = ["2026-09-20", "2026-10-10", "2026-10-24", "2026-11-02", "2026-11-20", "2026-12-20"];
    assert_eq!(days.map(|day| others(&format!("{day}T10:00:00Z"))), [0, 1, 2, 3, 2, 0]);
    let calendar = Calendar::undeclared(hour("2026-10-26T00:00:00Z"));
    let (utc, europe) = (compared(&calendar, 8), compared(&calendar.others()[0], 8));
    assert_eq!(utc[..2], ["2026-10-25T08:00:00Z", "2026-10-24T08:00:00Z"]);
    assert_eq!(europe[..2], ["2026-10-25T08:00:00Z", "2026-10-24T07:00:00Z"]);
}

#[test]
fn right_after_a_change_of_the_clocks_jobs_may_go_on_by_the_old_time() {
    let others = |day: &str| calendar("Europe/Berlin", day).others().len();
    for (day, number) in [
        ("2026-10-23T20:00:00Z", 0),
        ("2026-10-24T20:00:00Z", 1),
        ("2026-10-25T01:00:00Z", 1),
        ("2026-10-25T06:00:00Z", 1),
        ("2026-10-25T08:00:00Z", 0),
    ] {
        assert_eq!(others(day), number, "{day}");
    }
    let calendar = calendar("Europe/Berlin", "2026-10-25T00:00:00Z");
    // 02:00 of UTC is 03:00 of that morning, and was 04:00 of the day before.
    assert_eq!(compared(&calendar, 2)[0], "2026-10-24T01:00:00Z");
    assert_eq!(compared(&calendar.others()[0], 2)[0], "2026-10-24T02:00:00Z");
}

#[test]
fn a_month_ago_is_the_same_day_of_the_month() {
    for (day, hour_of_day, first) in [
        ("2026-11-24T00:00:00Z", 17, Some("2026-10-24T16:00:00Z")),
        ("2026-12-24T00:00:00Z", 17, Some("2026-11-24T16:00:00Z")),
        ("2026-03-01T22:00:00Z", 3, Some("2026-02-02T00:00:00Z")),
        ("2026-03-31T00:00:00Z", 5, Some("2026-02-28T04:00:00Z")),
    ] {
        let calendar = calendar("UTC", day);
        let places = calendar.month_ago(hour_of_day);
        let start =
            (places.len() == 3).then(|| calendar.begin().plus(places.start as i64).start().to_string());
        assert_eq!(start.as_deref(), first, "{day}");
    }
}
