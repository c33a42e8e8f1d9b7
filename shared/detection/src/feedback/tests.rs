use proptest::prelude::*;

use super::*;
use crate::incident::{Around, Figures, IncidentState, Observation, Rules, Seen, Step, advance};
use crate::rules::{Rate, Streak, Threshold};
use crate::{
    CustomerId, Detail, Direction, Expected, MetricName, Mute, Opinion, Policy, Rule, Settings, Severity,
    Thresholds, TimeZone, Verdict, Window, describe,
};

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn subject() -> Subject {
    Subject {
        customer_id: CustomerId::new("c").unwrap(),
        entity: None,
        metric: MetricName::new("api_calls").unwrap(),
        direction: Direction::Spike,
    }
}

/// A spike from 12:00 to 14:00 on Saturday, 21 November.
fn feedback(kind: FeedbackKind) -> Feedback {
    Feedback {
        about: "an incident".to_owned(),
        subject: subject(),
        kind,
        from: at("2026-11-21T12:00:00Z"),
        opened_at: at("2026-11-21T13:00:00Z"),
        to: at("2026-11-21T14:00:00Z"),
        excess: Some(1.2),
        detectors: vec!["seasonal".to_owned()],
        until: None,
        given_at: at("2026-11-21T14:30:00Z"),
        given_by: "ada".to_owned(),
        note: None,
    }
}

/// A false alarm of this excess, given on a day counted from the first.
fn false_alarm(day: i64, excess: f64) -> Feedback {
    let given_at = at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * day);
    Feedback { given_at, excess: Some(excess), ..feedback(FeedbackKind::FalseAlarm) }
}

fn raised(false_alarms: &[Feedback], day: i64) -> Option<Raised> {
    Effects::of(false_alarms, at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * day)).raised
}

#[test]
fn two_false_alarms_raise_the_threshold_just_above_the_larger_one() {
    let (one, two) = (false_alarm(0, 1.1), false_alarm(10, 1.2));
    assert_eq!(raised(std::slice::from_ref(&one), 10), None, "one says nothing");
    let found = raised(&[two.clone(), one.clone()], 10).unwrap();
    assert_eq!(found.factor, 1.01 * 1.2);
    assert_eq!(found.given_at, [one.given_at, two.given_at]);
    assert_eq!(raised(&[one.clone(), false_alarm(10, 7.0)], 10).unwrap().factor, 1.5, "at most by half");
    let unknown = Feedback { excess: None, ..false_alarm(11, 1.0) };
    assert_eq!(raised(&[one, unknown], 11), None, "no threshold had to do with it");
    let confirmed = Feedback { kind: FeedbackKind::Confirmed, ..false_alarm(11, 1.3) };
    assert_eq!(raised(&[two, confirmed], 11), None);
}

#[test]
fn false_alarms_are_forgotten_after_ninety_days_without_another() {
    let (one, two) = (false_alarm(0, 1.1), false_alarm(90, 1.2));
    assert_eq!(raised(&[one.clone(), false_alarm(91, 1.2)], 91), None, "91 days apart");
    let both = [one.clone(), two.clone()];
    assert_eq!(raised(&both, 90).unwrap().factor, 1.01 * 1.2, "90 days apart");
    assert!(raised(&both, 179).is_some());
    assert_eq!(raised(&both, 180), None);
    // A third one holds for longer, and the first one is too old to count with it.
    let third = [one.clone(), two.clone(), false_alarm(170, 1.05)];
    let found = raised(&third, 259).unwrap();
    assert_eq!((found.factor, found.given_at.len()), (1.01 * 1.2, 2));
    assert_eq!(raised(&third, 260), None);
    // What still counts is kept for so long.
    assert_eq!(two.forgotten_at(), at("2026-01-01T00:00:00Z") + SignedDuration::from_hours(24 * 270));
    // A window that is judged late.
    assert!(raised(&both, 60).is_some());
}

#[test]
fn a_raised_threshold_is_that_of_all_detectors() {
    let settings = Settings::new(Thresholds::default()).unwrap();
    assert_eq!(settings.with_raised(1.25).factor(), 1.25);
    let low = settings.with_sensitivity(crate::Sensitivity::LOW);
    assert_eq!(low.with_raised(1.5).factor(), 1.4 * 1.5);
    assert_eq!(settings.with_raised(0.5).factor(), 1.0, "feedback lowers nothing");
}

#[test]
fn confirmed_hours_are_left_out_for_good() {
    let effects = Effects::of(&[feedback(FeedbackKind::Confirmed)], at("2027-11-21T14:00:00Z"));
    let hour = |time: &str| Hour::holding(at(time));
    assert_eq!(effects.left_out, [hour("2026-11-21T12:00:00Z")..hour("2026-11-21T14:00:00Z")]);
    assert!(effects.has_hours() && effects.planned.is_empty());
    for kind in [FeedbackKind::FalseAlarm, FeedbackKind::NewNormal] {
        assert!(!Effects::of(&[feedback(kind)], at("2026-11-21T15:00:00Z")).has_hours(), "{kind:?}");
    }
    // An event between two full hours.
    let of_event = Feedback {
        from: at("2026-11-21T11:17:00.5Z"),
        to: at("2026-11-21T12:17:00.5Z"),
        ..feedback(FeedbackKind::Confirmed)
    };
    assert_eq!(of_event.hours(), hour("2026-11-21T11:00:00Z")..hour("2026-11-21T13:00:00Z"));
}

fn incident(opened_at: &str) -> Incident {
    let observation = Observation {
        window_end: at(opened_at),
        seen: Seen::Anomalous(Severity::Critical),
        figures: Figures { current_value: 100.0, ..Figures::NONE },
        seen_by: 1,
        change: None,
        cost: None,
    };
    let rules = Rules {
        resolve_after: 2,
        reopen_within: SignedDuration::from_hours(6),
        accept_after: SignedDuration::from_hours(72),
        repeat_interval: SignedDuration::ZERO,
        min_severity: Severity::Critical,
    };
    match advance(None, &subject(), &observation, &Around::default(), &rules) {
        Step::Become { incident, .. } => *incident,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_confirmed_incident_that_goes_on_is_left_out_as_a_whole() {
    let effects = Effects::of(&[feedback(FeedbackKind::Confirmed)], at("2026-11-22T14:00:00Z"));
    let hour = |time: &str| Hour::holding(at(time));
    let mut grown = incident("2026-11-21T13:00:00Z");
    grown.last_seen = at("2026-11-21T20:00:00Z");
    let hours = hour("2026-11-21T12:00:00Z")..hour("2026-11-21T20:00:00Z");
    assert_eq!(effects.confirmed_hours(&grown), Some(hours));
    // A level that became normal counts from then on.
    (grown.state, grown.closed_at) = (IncidentState::Accepted, Some(at("2026-11-21T16:00:00Z")));
    let until = hour("2026-11-21T12:00:00Z")..hour("2026-11-21T16:00:00Z");
    assert_eq!(effects.confirmed_hours(&grown), Some(until));
    assert_eq!(effects.confirmed_hours(&incident("2026-11-21T15:00:00Z")), None, "another one");
    let mut drop = incident("2026-11-21T13:00:00Z");
    drop.subject.direction = Direction::Drop;
    assert_eq!(effects.confirmed_hours(&drop), None);
}

fn expected(until: &str) -> Mute {
    let feedback = Feedback {
        until: Some(at(until)),
        note: Some("backup".to_owned()),
        ..feedback(FeedbackKind::Expected)
    };
    Effects::of(&[feedback], at("2026-11-21T15:00:00Z")).planned.remove(0)
}

#[test]
fn what_is_expected_is_muted_at_its_hours_of_the_week() {
    let mute = expected("2026-12-06T00:00:00Z");
    assert_eq!(mute.reason, "expected by ada until 2026-12-06T00:00:00Z: backup");
    let policy = Policy { mutes: vec![mute], ..Policy::default() };
    assert_eq!(policy.validate_mutes(), Ok(()));
    let muted = |metric: &str, end: &str| {
        let window = Window::between(at(end) - SignedDuration::from_hours(1), at(end)).unwrap();
        policy.mute(&MetricName::new(metric).unwrap(), &window).is_some()
    };
    for (end, is_muted) in [
        ("2026-11-21T12:00:00Z", false),
        ("2026-11-21T13:00:00Z", true),
        ("2026-11-21T14:00:00Z", true),
        ("2026-11-21T15:00:00Z", false),
        ("2026-11-22T13:00:00Z", false),
        ("2026-11-28T13:00:00Z", true),
        ("2026-12-05T14:00:00Z", true),
        ("2026-12-12T13:00:00Z", false),
    ] {
        assert_eq!(muted("api_calls", end), is_muted, "{end}");
    }
    assert!(!muted("bandwidth", "2026-11-28T13:00:00Z"), "another metric");
}

#[test]
fn hours_of_the_week_are_local_ones() {
    // In New York, clocks go back on 1 November. 12:00 is 16:00 UTC before and 17:00 UTC after.
    let feedback = Feedback {
        from: at("2026-10-31T16:00:00Z"),
        to: at("2026-10-31T17:00:00Z"),
        until: Some(at("2026-11-30T00:00:00Z")),
        ..feedback(FeedbackKind::Expected)
    };
    let mutes = Effects::of(&[feedback], at("2026-10-31T18:00:00Z")).planned;
    let zone = TimeZone::named("America/New_York").ok();
    let policy = Policy { mutes, time_zone: zone, ..Policy::default() };
    let muted = |begin: &str| {
        let window = Window::between(at(begin), at(begin) + SignedDuration::from_hours(1)).unwrap();
        policy.mute(&subject().metric, &window).is_some()
    };
    assert!(muted("2026-11-07T17:00:00Z") && !muted("2026-11-07T16:00:00Z"));
}

#[test]
fn a_long_event_is_muted_for_a_week_at_most() {
    let long = Feedback {
        to: at("2026-12-03T12:00:00Z"),
        until: Some(at("2027-01-01T00:00:00Z")),
        ..feedback(FeedbackKind::Expected)
    };
    let mute = Effects::of(&[long], at("2026-12-03T12:00:00Z")).planned.remove(0);
    assert_eq!(mute.until, Some(at("2026-11-28T12:00:00Z")));
    assert_eq!(Policy { mutes: vec![mute], ..Policy::default() }.validate_mutes(), Ok(()));
}

#[test]
fn a_level_is_accepted_where_it_began() {
    let effects = Effects::of(&[feedback(FeedbackKind::NewNormal)], at("2026-11-21T15:00:00Z"));
    assert!(effects.accepts(&incident("2026-11-21T13:00:00Z")));
    assert!(!effects.accepts(&incident("2026-11-21T15:00:00Z")), "it began after the feedback");
    assert!(effects.raised.is_none() && !effects.has_hours());
}

#[test]
fn the_past_is_looked_at_as_if_the_feedback_were_older() {
    let earlier = feedback(FeedbackKind::Expected).weeks_earlier(4);
    let [from, to] = ["2026-10-24T12:00:00Z", "2026-10-24T14:00:00Z"].map(at);
    assert_eq!((earlier.from, earlier.to), (from, to));
}

#[test]
fn feedback_is_kept_as_long_as_it_counts() {
    let of = |kind, until: Option<&str>| {
        let feedback =
            Feedback { until: until.map(at), given_at: at("2026-01-01T00:00:00Z"), ..feedback(kind) };
        feedback.forgotten_at().to_string()
    };
    assert_eq!(of(FeedbackKind::Confirmed, None), "2026-04-01T00:00:00Z");
    assert_eq!(of(FeedbackKind::FalseAlarm, None), "2026-06-30T00:00:00Z");
    assert_eq!(of(FeedbackKind::Expected, Some("2026-01-02T00:00:00Z")), "2026-04-01T00:00:00Z");
    assert_eq!(of(FeedbackKind::Expected, Some("2026-06-01T00:00:00Z")), "2026-07-11T00:00:00Z");
}

#[test]
fn rules_have_a_limit_that_can_be_raised() {
    let rule = Rule::Threshold(Threshold { warning: Some(10.0), ..Threshold::default() });
    let verdict = |value: f64| Threshold { warning: Some(10.0), ..Threshold::default() }.judge(value);
    let anomalous =
        |value: f64, factor: f64| matches!(rule.raised(verdict(value), factor), Verdict::Anomalous(_));
    assert!(anomalous(12.0, 1.0) && anomalous(12.0, 1.2) && !anomalous(12.0, 1.21));
    assert_eq!(rule.raised(verdict(5.0), 1.5), verdict(5.0));
    let Verdict::Anomalous(found) = verdict(12.0) else { panic!() };
    let (excess, least) = excess(&found.comparison.opinion, None, &[rule], 1.2).unwrap();
    assert!((excess - 1.2).abs() < 1e-12 && least == 1.0, "{excess} {least}");
    // The normal quantiles of 1 % and 0.1 %.
    let least = |rule: Rule| rule.least_score().unwrap();
    assert!((least(Rule::Rate(Rate::default())) - 2.326).abs() < 1e-3);
    assert!((least(Rule::Streak(Streak::default())) - 3.090).abs() < 1e-3);
    assert_eq!(Rule::Novelty(crate::rules::Novelty::default()).least_score(), None);
    let unknown =
        Opinion { score: 5.0, expected: Expected { low: 0.0, high: 1.0 }, detail: Detail::NewUsage };
    assert_eq!(super::excess(&unknown, None, &[rule], 1.0), None, "a first use has no threshold");
}

#[test]
fn an_anomaly_says_by_whose_feedback_its_threshold_is_raised() {
    let of = |days: &[i64]| {
        let given_at = days.iter().map(|day| false_alarm(*day, 1.2).given_at).collect();
        describe::raised("api_calls was 9", 6.08, &Raised { factor: 1.5, given_at })
    };
    assert_eq!(
        of(&[0, 10]),
        "api_calls was 9; its threshold was raised from 6.1 to 9.1 by feedback of 2026-01-01 and 2026-01-11"
    );
    assert!(of(&[0, 1, 2]).ends_with("of 2026-01-01, 2026-01-02 and 2026-01-03"));
}

#[test]
fn precision_is_the_confirmed_share_of_ninety_days() {
    let of = |kind, day: i64, detectors: &[&str]| Feedback {
        detectors: detectors.iter().map(|name| (*name).to_owned()).collect(),
        ..Feedback { kind, ..false_alarm(day, 1.0) }
    };
    use FeedbackKind::{Confirmed, Expected, FalseAlarm, NewNormal};
    let all = [
        of(Confirmed, 0, &["seasonal"]),
        of(Confirmed, 10, &["seasonal"]),
        of(Confirmed, 20, &["seasonal", "rate"]),
        of(FalseAlarm, 30, &["rate"]),
        of(Expected, 30, &["rate"]),
        of(NewNormal, 30, &["rate"]),
    ];
    let precisions = Precisions::of(&all, false_alarm(90, 1.0).given_at);
    let share = |precision: &Precision| (precision.share(), precision.total());
    assert_eq!(share(&precisions.by_metric[&subject().metric]), (2.0 / 3.0, 3), "the first is 90 days old");
    assert_eq!(share(&precisions.by_detector["seasonal"]), (1.0, 2));
    assert_eq!(share(&precisions.by_detector["rate"]), (0.5, 2));
    assert_eq!(Precisions::of(&all[4..], all[4].given_at), Precisions::default());
    assert_eq!(Precision::default().share(), 0.0);
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let full = Feedback {
        until: Some(at("2026-12-06T00:00:00Z")),
        note: Some("backup".to_owned()),
        ..feedback(FeedbackKind::Expected)
    };
    let bare = Feedback { excess: None, detectors: Vec::new(), ..feedback(FeedbackKind::Confirmed) };
    for feedback in [full, bare] {
        let text = serde_json::to_string(&feedback).unwrap();
        assert_eq!(serde_json::from_str::<Feedback>(&text).unwrap(), feedback, "{text}");
    }
}

proptest! {
    /// Whatever is said, a threshold is raised by half at most, and never lowered.
    #[test]
    fn any_feedback_raises_within_bounds(
        said in proptest::collection::vec((0..400_i64, -10.0..1e9_f64), 0..20), day in -10..500_i64,
    ) {
        let all: Vec<_> = said.into_iter().map(|(day, excess)| false_alarm(day, excess)).collect();
        if let Some(raised) = raised(&all, day) {
            prop_assert!(raised.factor > 1.0 && raised.factor <= MOST_RAISED);
            prop_assert!(raised.given_at.len() >= 2 && raised.given_at.is_sorted());
        }
    }
}
