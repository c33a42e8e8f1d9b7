use jiff::SignedDuration;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn rule(text: &str) -> Recurrence {
    Recurrence::try_from(text.to_owned()).unwrap()
}

/// What python-dateutil says; see `tools/vectors/recurrence.py`.
#[derive(Deserialize)]
struct Case {
    rule: String,
    zone: String,
    first: Timestamp,
    from: Timestamp,
    to: Timestamp,
    starts: Vec<Timestamp>,
}

#[test]
fn occurrences_are_those_of_another_implementation() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(cases.len() >= 300 && cases.iter().filter(|case| case.starts.len() > 3).count() > 150);
    for Case { rule: text, zone, first, from, to, starts } in cases {
        let found = rule(&text).starts(first, &TimeZone::named(&zone).unwrap(), from, to);
        assert_eq!(found, starts, "{text} in {zone} from {first}");
    }
}

#[test]
fn a_skipped_hour_is_later_and_a_repeated_one_is_its_first_pass() {
    let berlin = TimeZone::named("Europe/Berlin").unwrap();
    let starts =
        |from, to| rule("FREQ=DAILY;BYHOUR=2").starts(at("2026-01-01T01:30:00Z"), &berlin, at(from), at(to));
    // 02:30 does not exist on 29 March. On 25 October it comes twice.
    assert_eq!(
        starts("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"].map(at)
    );
    assert_eq!(
        starts("2026-10-24T23:00:00Z", "2026-10-26T23:00:00Z"),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"].map(at)
    );
}

#[test]
fn a_wrong_rule_is_refused_with_its_part() {
    for (text, expected) in [
        ("", "`` is no part of a rule"),
        ("DAILY", "`DAILY` is no part"),
        ("BYHOUR=2", "FREQ is missing"),
        ("FREQ=YEARLY", "FREQ=YEARLY: DAILY, WEEKLY or MONTHLY"),
        ("FREQ=DAILY;INTERVAL=2", "`INTERVAL=2` is no part"),
        ("FREQ=DAILY;COUNT=2", "`COUNT=2` is no part"),
        ("FREQ=DAILY;", "`` is no part"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ is given twice"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR=24: hours from 0 to 23"),
        ("FREQ=DAILY;BYHOUR=2,", "BYHOUR=2,: hours"),
        ("FREQ=DAILY;BYHOUR=-1", "BYHOUR=-1: hours"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY=0: days from"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY=32: days"),
        ("FREQ=WEEKLY;BYDAY=MON", "BYDAY=MON: MO, TU"),
        ("FREQ=WEEKLY;BYDAY=é", "BYDAY=é: MO, TU"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY=6MO: MO"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY=0MO: MO"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY with a number goes with FREQ=MONTHLY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY does not go with FREQ=WEEKLY"),
        ("FREQ=DAILY;UNTIL=20261231", "UNTIL=20261231: a time in UTC"),
        ("FREQ=DAILY;UNTIL=20261331T000000Z", "UNTIL=20261331T000000Z: a time"),
    ] {
        let refusal = Recurrence::try_from(text.to_owned()).unwrap_err().to_string();
        assert!(refusal.starts_with(expected), "{text}: {refusal}");
    }
    let text = "FREQ=MONTHLY;BYDAY=1MO,-1FR;BYMONTHDAY=1,-1;BYHOUR=0,23;UNTIL=20261231T235959Z";
    assert_eq!(String::from(rule(text)), text);
}

proptest! {
    #[test]
    fn any_text_is_a_rule_or_refused(text in "[A-Z0-9=;,é-]{0,40}", seconds in -99_999_999_i64..9_999_999_999) {
        if let Ok(rule) = Recurrence::try_from(text) {
            let first = Timestamp::from_second(seconds).unwrap();
            let to = first + SignedDuration::from_hours(24 * 40);
            rule.starts(first, &TimeZone::utc(), Timestamp::MIN, to);
        }
    }

    /// A longer period holds the occurrences of its parts.
    #[test]
    fn a_period_has_the_occurrences_of_its_parts(
        frequency in prop::sample::select(vec!["DAILY", "WEEKLY", "MONTHLY"]),
        hours in prop::collection::vec(0..24_u8, 1..4),
        start in 0..4_000_i64,
        cut in 0..2_000_i64,
    ) {
        let hours: Vec<_> = hours.iter().map(u8::to_string).collect();
        let rule = rule(&format!("FREQ={frequency};BYHOUR={}", hours.join(",")));
        let zone = TimeZone::named("America/New_York").unwrap();
        let first = at("2026-01-01T00:00:00Z");
        let [from, middle, to] = [start, start + cut, start + 2_000].map(|hours| first + SignedDuration::from_hours(hours));
        let mut parts = rule.starts(first, &zone, from, middle);
        parts.extend(rule.starts(first, &zone, middle, to));
        prop_assert_eq!(rule.starts(first, &zone, from, to), parts);
    }
}
