use super::*;
use crate::Detector;

fn metric(name: &str) -> MetricName {
    MetricName::new(name).unwrap()
}

fn of_metric(name: &str, change: Override) -> Policy {
    Policy { metrics: BTreeMap::from([(metric(name), change)]), ..Policy::default() }
}

fn settings() -> Settings {
    Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap()
}

#[test]
fn an_override_changes_what_it_names_and_nothing_else() {
    let change = Override {
        threshold: Some(4.0),
        min_change: Some(0.0),
        min_relative_spread: Some(0.08),
        ..Override::default()
    };
    let policy = of_metric("a", change);
    let changed = policy.settings(&metric("a"), &settings()).unwrap();
    let expected =
        Thresholds { threshold: 4.0, min_change: 0.0, min_relative_spread: 0.08, ..settings().thresholds() };
    assert_eq!(changed.thresholds(), expected);
    assert_eq!(policy.settings(&metric("b"), &settings()).unwrap(), settings());
}

#[test]
fn a_price_holds_until_a_narrower_policy_changes_it() {
    let price = |policy: &Policy, base: &Settings| policy.settings(&metric("a"), base).unwrap();
    let priced = of_metric("a", Override { price: Some(0.5), min_cost: Some(9.0), ..Override::default() });
    let of_all = price(&priced, &settings());
    assert_eq!((of_all.price().map(crate::Price::get), of_all.floors().least()), (Some(0.5), 100.0));
    assert_eq!(of_all.floors().costs_enough(), 18.0);
    assert_eq!(price(&Policy::default(), &of_all), of_all);
    // A customer that pays nothing has no floor in money either.
    let free = of_metric("a", Override { price: Some(0.0), ..Override::default() });
    assert!(free.settings(&metric("a"), &of_all).unwrap_err().to_string().contains("min_cost = 9"));
    let free = of_metric("a", Override { price: Some(0.0), min_cost: Some(0.0), ..Override::default() });
    assert_eq!(price(&free, &of_all).price(), None);
}

#[test]
fn sensitivity_and_detectors_of_a_metric_win_over_those_of_all() {
    let text = r#"{"sensitivity": "low", "detectors": "ensemble",
                   "metrics": {"a": {"sensitivity": 2, "detectors": ["z_score"]}, "b": {"threshold": 4}}}"#;
    let policy: Policy = serde_json::from_str(text).unwrap();
    let usual = settings().with_detectors(Detectors::new([Detector::Seasonal]).unwrap());
    let of = |name: &str| policy.settings(&metric(name), &usual).unwrap();
    let z_score = Detectors::new([Detector::ZScore]).unwrap();
    assert_eq!((of("a").sensitivity().factor(), of("a").detectors()), (2.0, z_score));
    assert_eq!((of("b").sensitivity(), of("b").detectors()), (Sensitivity::LOW, Detectors::default()));
    assert_eq!(of("b").thresholds().threshold, 4.0);
    assert_eq!(of("c"), usual.with_sensitivity(Sensitivity::LOW).with_detectors(Detectors::default()));
    // A policy that names neither changes neither, also beside thresholds.
    let policy = of_metric("a", Override { threshold: Some(4.0), ..Override::default() });
    let changed = policy.settings(&metric("a"), &of("a")).unwrap();
    assert_eq!((changed.sensitivity(), changed.detectors()), (of("a").sensitivity(), z_score));
}

#[test]
fn a_customer_is_judged_at_most_two_days_later() {
    let of = |hours: u8| policy(&format!(r#"{{"window_delay_hours":{hours}}}"#)).validate_delay();
    assert_eq!((of(0), of(48)), (Ok(()), Ok(())));
    assert!(of(49).unwrap_err().to_string().starts_with("window_delay_hours: 49 is out of range"));
}

#[test]
fn a_time_zone_is_read_by_its_name() {
    let text = r#"{"time_zone":"America/New_York","metrics":{},"mutes":[]}"#;
    let policy: Policy = serde_json::from_str(text).unwrap();
    assert_eq!(policy.time_zone.as_ref().map(TimeZone::name), Some("America/New_York"));
    assert_eq!(serde_json::to_string(&policy).unwrap(), text);
    let refusal = serde_json::from_str::<Policy>(r#"{"time_zone":"Berlin"}"#).unwrap_err().to_string();
    assert!(refusal.starts_with("`Berlin` is no time zone: give an IANA name"), "{refusal}");
}

#[test]
fn an_old_policy_reads_and_writes_as_before() {
    let text = r#"{"metrics":{"a":{"threshold":4.0}},"mutes":[{"reason":"release"}]}"#;
    let policy: Policy = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&policy).unwrap(), text);
    assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::default());
}

#[test]
fn overrides_that_do_not_fit_are_refused_with_their_place() {
    for (change, expected) in [
        (Override { threshold: Some(6.0), ..Override::default() }, "metrics.a: critical_threshold = 5"),
        (Override { threshold: Some(0.0), ..Override::default() }, "metrics.a: threshold = 0"),
        (Override { min_change: Some(-1.0), ..Override::default() }, "metrics.a: min_change = -1"),
        (Override { price: Some(-1.0), ..Override::default() }, "metrics.a: price = -1"),
        (Override { min_cost: Some(9.0), ..Override::default() }, "metrics.a: min_cost = 9"),
    ] {
        let policy = of_metric("a", change);
        let refusal = policy.settings(&metric("a"), &settings()).unwrap_err().to_string();
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn a_mute_covers_the_windows_that_touch_its_event() {
    let mute = |metric: Option<MetricName>, from: Option<&str>, until: Option<&str>| Policy {
        mutes: vec![Mute {
            metric,
            from: from.map(|time| time.parse().unwrap()),
            until: until.map(|time| time.parse().unwrap()),
            rrule: None,
            time_zone: None,
            reason: "load test".to_owned(),
        }],
        ..Policy::default()
    };
    // 20 November 13:00 to 21 November 13:00
    let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
    for (policy, covered) in [
        (mute(None, None, None), true),
        (mute(Some(metric("a")), None, None), true),
        (mute(Some(metric("b")), None, None), false),
        (mute(None, Some("2026-11-21T12:59:59Z"), None), true),
        (mute(None, Some("2026-11-21T13:00:00Z"), None), false),
        (mute(None, None, Some("2026-11-20T13:00:01Z")), true),
        (mute(None, None, Some("2026-11-20T13:00:00Z")), false),
        (mute(None, Some("2026-11-21T01:00:00Z"), Some("2026-11-21T02:00:00Z")), true),
    ] {
        assert_eq!(policy.mute(&metric("a"), &window).is_some(), covered, "{policy:?}");
    }
}

#[test]
fn mutes_need_a_reason_and_an_order() {
    let policy = |from: &str, until: &str, reason: &str| Policy {
        mutes: vec![Mute {
            metric: None,
            from: Some(from.parse().unwrap()),
            until: Some(until.parse().unwrap()),
            rrule: None,
            time_zone: None,
            reason: reason.to_owned(),
        }],
        ..Policy::default()
    };
    let (early, late) = ("2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z");
    assert_eq!(policy(early, late, "release").validate_mutes(), Ok(()));
    for (policy, field) in [
        (policy(late, early, "release"), "mutes[0].until"),
        (policy(early, early, "release"), "mutes[0].until"),
        (policy(early, late, " "), "mutes[0].reason"),
        (policy(early, late, &"x".repeat(501)), "mutes[0].reason"),
    ] {
        assert!(policy.validate_mutes().unwrap_err().to_string().starts_with(field), "{policy:?}");
    }
    let many = vec![policy(early, late, "release").mutes[0].clone(); 101];
    assert_eq!(Policy { mutes: many, ..Policy::default() }.validate_mutes(), Err(PolicyError::TooManyMutes));
}

fn policy(text: &str) -> Policy {
    serde_json::from_str(text).unwrap()
}

/// The places of the muted ones of 48 hours from midnight of Tuesday, 2026-11-24.
fn muted(policy: &Policy) -> Vec<usize> {
    let mut muted = [false; 48];
    let first = Hour::holding("2026-11-24T00:00:00Z".parse().unwrap());
    policy.mark_muted(&metric("a"), first, &mut muted);
    (0..48).filter(|place| muted[*place]).collect()
}

#[test]
fn a_mute_covers_the_hours_that_hold_a_part_of_it() {
    let of = |from: &str, until: &str| {
        muted(&policy(&format!(r#"{{"mutes":[{{"from":"{from}","until":"{until}","reason":"x"}}]}}"#)))
    };
    assert_eq!(of("2026-11-24T09:00:00Z", "2026-11-24T11:00:00Z"), [9, 10]);
    assert_eq!(of("2026-11-24T09:59:59Z", "2026-11-24T11:00:01Z"), [9, 10, 11]);
    assert_eq!(of("2026-11-20T00:00:00Z", "2026-11-24T02:00:00Z"), [0, 1]);
    assert_eq!(of("2026-11-25T22:30:00Z", "2026-12-24T02:00:00Z"), [46, 47]);
    assert_eq!(of("2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"), [0_usize; 0]);
    assert_eq!(muted(&policy(r#"{"mutes":[{"reason":"x"}]}"#)).len(), 48);
    assert_eq!(muted(&policy(r#"{"mutes":[{"metric":"b","reason":"x"}]}"#)), [0_usize; 0]);
}

#[test]
fn a_recurring_mute_covers_each_of_its_events() {
    let of = |rule: &str, zone: &str| {
        let mute = format!(
            r#"{{"from":"2026-11-03T08:30:00Z","until":"2026-11-03T10:30:00Z","rrule":"{rule}",{zone}"reason":"x"}}"#
        );
        policy(&format!(r#"{{"time_zone":"Asia/Kolkata","mutes":[{mute}]}}"#))
    };
    // 08:30 is 14:00 in Kolkata and 09:30 in Berlin. 3 November was a Tuesday, too.
    let berlin = r#""time_zone":"Europe/Berlin","#;
    assert_eq!(muted(&of("FREQ=WEEKLY", "")), [8, 9, 10]);
    assert_eq!(muted(&of("FREQ=DAILY;BYHOUR=14", "")), [8, 9, 10, 32, 33, 34]);
    assert_eq!(muted(&of("FREQ=DAILY;BYHOUR=14", berlin)), [13, 14, 15, 37, 38, 39]);
    assert_eq!(muted(&of("FREQ=DAILY;UNTIL=20261124T083000Z", "")), [8, 9, 10]);
    // The event of the evening before goes on after midnight.
    assert_eq!(muted(&of("FREQ=DAILY;BYDAY=MO,WE;BYHOUR=23", r#""time_zone":"UTC","#)), [0, 1, 47]);
    let window =
        |end: &str| Window::between("2026-11-24T07:00:00Z".parse().unwrap(), end.parse().unwrap()).unwrap();
    let of_week = of("FREQ=WEEKLY", "");
    assert!(of_week.mute(&metric("a"), &window("2026-11-24T08:30:01Z")).is_some());
    assert!(of_week.mute(&metric("a"), &window("2026-11-24T08:30:00Z")).is_none());
    assert_eq!(
        serde_json::to_string(&policy(&serde_json::to_string(&of_week).unwrap())).unwrap(),
        serde_json::to_string(&of_week).unwrap()
    );
}

#[test]
fn a_recurring_mute_needs_an_event_that_ends() {
    let refusal = |mute: &str| policy(&format!(r#"{{"mutes":[{{{mute},"reason":"x"}}]}}"#)).validate_mutes();
    let rule = r#""rrule":"FREQ=DAILY""#;
    let from = r#""from":"2026-11-03T08:30:00Z""#;
    assert_eq!(refusal(&format!(r#"{rule},{from},"until":"2026-11-10T08:30:00Z""#)), Ok(()));
    for (mute, field) in [
        (rule.to_owned(), "mutes[0].from: the time"),
        (format!(r#"{rule},"until":"2026-11-10T08:30:00Z""#), "mutes[0].from: the time"),
        (format!("{rule},{from}"), "mutes[0].until: at most 7 days"),
        (format!(r#"{rule},{from},"until":"2026-11-10T08:30:01Z""#), "mutes[0].until: at most 7 days"),
        (format!(r#"{from},"time_zone":"UTC""#), "mutes[0].time_zone: goes with `rrule`"),
    ] {
        let refusal = refusal(&mute).unwrap_err().to_string();
        assert!(refusal.starts_with(field), "{mute}: {refusal}");
    }
    // 3 November was a Tuesday, and 08:30 is 09:30 in Berlin.
    let of = |rule: &str, zone: &str| {
        refusal(&format!(r#"{from},"until":"2026-11-03T09:30:00Z","rrule":"{rule}"{zone}"#))
    };
    let berlin = r#","time_zone":"Europe/Berlin""#;
    for (rule, zone) in [
        ("FREQ=WEEKLY;BYDAY=TU", ""),
        ("FREQ=DAILY;BYHOUR=8", ""),
        ("FREQ=DAILY;BYHOUR=9", berlin),
        ("FREQ=MONTHLY;BYDAY=1TU", berlin),
    ] {
        assert_eq!(of(rule, zone), Ok(()), "{rule} {zone}");
    }
    for (rule, zone) in [
        ("FREQ=MONTHLY;BYDAY=5MO;BYMONTHDAY=1", ""),
        ("FREQ=WEEKLY;BYDAY=SU", ""),
        ("FREQ=DAILY;BYHOUR=9", ""),
        ("FREQ=DAILY;BYHOUR=8", berlin),
        ("FREQ=DAILY;UNTIL=20261103T082959Z", ""),
    ] {
        let refusal = of(rule, zone).unwrap_err().to_string();
        assert!(refusal.starts_with("mutes[0].from: a time that `rrule` names"), "{rule} {zone}: {refusal}");
    }
    let wrong = r#"{"mutes":[{"rrule":"FREQ=HOURLY","reason":"x"}]}"#;
    assert!(serde_json::from_str::<Policy>(wrong).unwrap_err().to_string().starts_with("FREQ=HOURLY: DAILY"));
}
