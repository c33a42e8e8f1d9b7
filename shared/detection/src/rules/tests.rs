use serde::Deserialize;
use serde_json::{Value, json};

use super::testing::severity_of;
use super::*;
use crate::text::describe;
use crate::{Anomaly, AnomalyKind, CustomerId, Detail, MetricName, Opinion, Severity, Verdict, Window};

fn read(rule: Value) -> Result<Rule, String> {
    serde_json::from_value(rule).map_err(|error| error.to_string())
}

const TYPES: [&str; 11] = [
    "rate",
    "streak",
    "percentile",
    "ratio",
    "threshold",
    "novelty",
    "burst",
    "distinct_growth",
    "off_hours",
    "deviation",
    "unseen_shape",
];

#[test]
fn every_type_is_read_by_its_name_and_has_sane_defaults() {
    for name in TYPES {
        let rule = read(json!({ "type": name })).unwrap();
        assert_eq!(rule.name(), name);
        // A threshold has no limit by default.
        assert_eq!(rule.validate().is_ok(), name != "threshold", "{name}");
    }
}

#[test]
fn parameters_replace_defaults() {
    let rule = read(json!({ "type": "rate", "factor": 3, "min_events": 50 })).unwrap();
    assert_eq!(rule, Rule::Rate(Rate { factor: 3.0, min_events: 50, ..Rate::default() }));
    let rule = read(json!({ "type": "percentile", "of": "window", "both": true })).unwrap();
    let Rule::Percentile(rule) = rule else { panic!("{rule:?}") };
    assert_eq!((rule.of, rule.both, rule.factor(), rule.min_events()), (Of::Window, true, 1.2, 20));
    let rule = read(json!({ "type": "threshold", "warning": 10, "direction": "below" })).unwrap();
    let low = Threshold { warning: Some(10.0), critical: None, direction: Side::Below };
    assert_eq!(rule, Rule::Threshold(low));
}

#[test]
fn what_a_rule_does_not_know_is_refused_by_name() {
    for name in TYPES {
        let error = read(json!({ "type": name, "facktor": 2 })).unwrap_err();
        assert!(error.contains("unknown field `facktor`, expected"), "{name}: {error}");
    }
    assert!(
        read(json!({ "type": "rates" }))
            .unwrap_err()
            .contains("unknown variant `rates`, expected one of `rate`")
    );
    assert!(read(json!({ "tail": 1e-4 })).unwrap_err().contains("missing field `type`"));
}

/// A rule in an entry that has fields of its own.
#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    #[serde(default, rename = "for")]
    lasts: Persistence,
    #[serde(flatten)]
    rule: Rule,
}

#[test]
fn it_may_be_a_part_of_an_entry() {
    let entry = json!({ "name": "slow", "for": "3 of 3", "type": "percentile", "of": "window" });
    let entry: Entry = serde_json::from_value(entry).unwrap();
    assert_eq!((entry.name.as_str(), entry.rule.name()), ("slow", "percentile"));
    assert_eq!(entry.lasts, Persistence::new(3, 3).unwrap());
    let unknown = json!({ "name": "slow", "type": "percentile", "facktor": 2 });
    let error = serde_json::from_value::<Entry>(unknown).unwrap_err().to_string();
    assert!(error.contains("unknown field `facktor`"), "{error}");
    let error = json!({ "name": "slow", "for": "3", "type": "rate" });
    let error = serde_json::from_value::<Entry>(error).unwrap_err().to_string();
    assert!(error.contains("as in `3 of 3`"), "{error}");
}

#[test]
fn an_opinion_is_written_under_the_name_of_its_rule() {
    let verdict = Rate::default().judge(Counts { events: 40, bad: 14 }, Counts { events: 98, bad: 1 });
    let Verdict::Anomalous(finding) = verdict else { panic!() };
    let opinion = finding.comparison.opinion;
    let json = serde_json::to_value(opinion).unwrap();
    assert_eq!((&json["detail"]["detector"], opinion.detail.name()), (&json!("rate"), "rate"));
    assert_eq!(serde_json::from_value::<Opinion>(json).unwrap(), opinion);
    assert!(opinion.detail.is_rule() && !Detail::NewUsage.is_rule());
}

#[test]
fn a_finding_of_a_rule_makes_an_anomaly_with_its_sentence() {
    let verdict = Streak::default().judge(5, Counts { events: 98, bad: 1 });
    let Verdict::Anomalous(finding) = verdict else { panic!() };
    let anomaly = Anomaly::new(
        (CustomerId::new("workspace_1").unwrap(), None),
        MetricName::new("consecutive_failures").unwrap(),
        "executions",
        Vec::new(),
        Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap(),
        &finding,
        None,
    );
    assert_eq!((anomaly.kind, anomaly.severity), (AnomalyKind::UsageAnomaly, Severity::Critical));
    assert_eq!(anomaly.description, describe::sentence("consecutive_failures", "executions", &finding));
    assert!(anomaly.description.contains("5 executions in a row failed"), "{}", anomaly.description);
}

#[test]
fn a_cautious_rate_is_never_zero() {
    assert_eq!(Counts::default().cautious_rate(), 0.5);
    assert_eq!(Counts { events: 98, bad: 1 }.cautious_rate(), 0.02);
    let chronic = Counts { events: u64::MAX, bad: u64::MAX };
    assert!(chronic.cautious_odds().is_finite());
    assert!(chronic.ln_cautious_rate() < 0.0, "not even there a failure is certain");
    assert_eq!(severity_of(Streak::default().judge(1_000_000, chronic)), None);
}
