use catalog::Catalog;
use detection::rules::HourOfDay;
use detection::{Baseline, Histogram};
use warehouse::usage::DistinctTexts;

use super::*;

pub(super) fn spec(aggregate: &str, more: &str, rule: &str) -> MetricSpec {
    let text = format!(
        "[[source]]\nname = \"jobs\"\ntable = \"runs\"\nentity = \"job\"\nbad = \"failed\"\n[[metric]]\nname = \"m\"\nsource = \"jobs\"\n\
         unit = \"runs\"\nmissing = \"gap\"\nmin_change = 1\naggregate = \"{aggregate}\"\n{more}\n[[metric.rule]]\n{rule}"
    );
    Catalog::parse(&text, "a").unwrap().find("m").unwrap().clone()
}

/// The severity, or the reason why there is none.
fn shown(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Anomalous(finding) => finding.severity.as_str(),
        Verdict::Normal(_) => "normal",
        Verdict::Undetermined(reason) => reason.as_str(),
    }
}

fn of_window(spec: &MetricSpec, now: &EventFigures, beside: &Beside) -> &'static str {
    shown(&verdict((spec, &spec.rules), Judged::Window(now), &EventFigures::default(), beside, 1.0))
}

#[test]
fn a_limit_on_a_ratio_is_one_on_the_quotient_of_its_window() {
    let spec = spec(
        "ratio",
        "value = \"a\"\nper = \"b\"",
        "type = \"threshold\"\nwarning = 0.5\ndirection = \"below\"",
    );
    for (ratio, expected) in
        [(0.4, "warning"), (0.6, "normal"), (f64::NAN, "no_data"), (f64::INFINITY, "no_data")]
    {
        let now = EventFigures { events: 5, ratio, ..EventFigures::default() };
        assert_eq!(of_window(&spec, &now, &Beside::default()), expected, "{ratio}");
    }
    let of_event = verdict(
        (&spec, &spec.rules),
        Judged::Event(Some(0.1)),
        &EventFigures::default(),
        &Beside::default(),
        1.0,
    );
    assert_eq!(shown(&of_event), "no_data", "a ratio is of many events");
}

#[test]
fn a_limit_on_a_level_is_one_on_its_newest_value() {
    let spec = spec("last", "value = \"a\"", "type = \"threshold\"\nwarning = -10\ndirection = \"below\"");
    for (newest, values, expected) in [
        (-11.0, vec![-11.0, 90.0], "warning"),
        (90.0, vec![-11.0, 90.0], "normal"),
        (-11.0, vec![f64::NAN], "no_data"),
        (0.0, vec![], "no_data"),
    ] {
        let shape = values.iter().map(|value| (Histogram::key(*value), 1)).collect();
        let now = EventFigures { events: values.len() as u64, newest, shape, ..EventFigures::default() };
        assert_eq!(of_window(&spec, &now, &Beside::default()), expected, "{values:?}");
    }
    let of_event = verdict(
        (&spec, &spec.rules),
        Judged::Event(Some(-11.0)),
        &EventFigures::default(),
        &Beside::default(),
        1.0,
    );
    assert_eq!(shown(&of_event), "warning", "the value of an event is a level too");
}

#[test]
fn different_texts_are_compared_with_those_of_earlier_windows() {
    let growth = spec("distinct", "value = \"a\"", "type = \"distinct_growth\"");
    let limit = spec("distinct", "value = \"a\"", "type = \"threshold\"\nwarning = 50.0");
    let now = EventFigures { events: 200, ..EventFigures::default() };
    let usual = Baseline::of((0..20).map(|n| f64::from(n % 5)));
    for (distinct, before, of_growth, of_limit) in [
        (141, usual, "critical", "warning"),
        (9, usual, "normal", "normal"),
        (141, None, "insufficient_data", "warning"),
    ] {
        let distinct = Some(DistinctTexts { key: Vec::new(), metric: 0, now: distinct, before });
        let beside = Beside { distinct, ..Beside::default() };
        assert_eq!(of_window(&growth, &now, &beside), of_growth, "{beside:?}");
        assert_eq!(of_window(&limit, &now, &beside), of_limit, "{beside:?}");
    }
    assert_eq!(of_window(&growth, &now, &Beside::default()), "no_data");
}

#[test]
fn an_hour_is_compared_with_the_same_hour_of_the_days_before() {
    let spec = spec("count", "", "type = \"off_hours\"");
    let now = EventFigures { events: 2, ..EventFigures::default() };
    for (usual_events, expected) in [(0, "warning"), (1, "normal")] {
        let hour = Some(HourOfDay { hour: 3, events: 2, usual_events, active_days: 30 });
        assert_eq!(of_window(&spec, &now, &Beside { hour, ..Beside::default() }), expected);
    }
    assert_eq!(of_window(&spec, &now, &Beside::default()), "no_data");
}

#[test]
fn a_window_within_an_hour_deviates_from_both_pasts_until_an_incident_is_open() {
    let spec = spec("rate", "", "type = \"rate\"");
    let counts = |events, bad| EventFigures { events, bad, ..EventFigures::default() };
    let beside_days = |before: EventFigures, recent: Option<EventFigures>, active: bool| {
        let figures = EntityFigures {
            key: Vec::new(),
            metric: 0,
            now: counts(40, 14),
            earlier: Vec::new(),
            recent,
            before,
        };
        shown(&lasting((&spec, &spec.rules), &figures, &Beside::default(), 1.0, |_| active))
    };
    let judged = |recent, active| beside_days(counts(400, 2), recent, active);
    assert_eq!(judged(None, false), "critical", "windows of an hour have one past");
    assert_eq!(judged(Some(counts(960, 5)), false), "critical");
    assert_eq!(judged(Some(counts(960, 320)), false), "normal", "it failed for two hours");
    assert_eq!(judged(Some(counts(960, 320)), true), "critical", "an open incident goes on");
    assert_eq!(judged(Some(counts(5, 5)), false), "critical", "too few events to say no");
    assert_eq!(beside_days(counts(5, 0), Some(counts(960, 5)), false), "critical", "a young entity");
    assert_eq!(beside_days(counts(5, 0), Some(counts(5, 0)), false), "insufficient_data");
}

#[test]
fn a_burst_of_failures_and_a_success_after_them() {
    let attempts = spec("rate", "", "type = \"burst\"\nevents = 10");
    for (bad, failures_before_success, expected) in
        [(9, 0, "normal"), (10, 0, "warning"), (10, 9, "warning"), (3, 10, "critical")]
    {
        let now = EventFigures { events: 50, bad, ..EventFigures::default() };
        let beside = Beside { failures_before_success, ..Beside::default() };
        assert_eq!(of_window(&attempts, &now, &beside), expected, "{bad} {failures_before_success}");
    }
    let count = spec("count", "", "type = \"burst\"\nevents = 10");
    let now = EventFigures { events: 10, ..EventFigures::default() };
    assert_eq!(of_window(&count, &now, &Beside::default()), "warning", "a count counts all events");
}

#[test]
fn values_that_are_none_or_below_zero_are_no_part_of_a_mean() {
    let odd = vec![(Histogram::NEGATIVE, 1), (Histogram::NOT_FINITE, 1)];
    let usable = [4.0, 10.0].map(|value| (Histogram::key(value), 1)).to_vec();
    let figures = EventFigures {
        events: 4,
        total: 14.0,
        shape: [usable, odd.clone()].concat(),
        ..EventFigures::default()
    };
    assert_eq!(value_of(Aggregate::Avg, &figures), Some(7.0));
    let nothing = EventFigures { events: 2, shape: odd, ..EventFigures::default() };
    assert_eq!((value_of(Aggregate::Avg, &nothing), value_of(Aggregate::Sum, &nothing)), (None, None));
}
