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
