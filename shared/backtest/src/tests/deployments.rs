//! Policies of a deployment, and many customers.

use detection::TimeZone;

use super::made::{
    FIRST, add, catalog, configuration, deployment, flagged, id, paged, report, report_of, usual,
};
use crate::{Configuration, Deployment, Replay, Report, Rows, Tally};

#[test]
fn a_customers_own_policy_comes_before_that_of_all() {
    let at = FIRST + 2 * 24 + 13;
    let mut rows = Rows::default();
    for (seed, name) in ["acme", "mild", "muted"].into_iter().enumerate() {
        let leak = |place: usize| usual(place) * if place == at { 10.0 } else { 1.0 };
        add(&mut rows, name, "calls", seed as u64, leak);
    }
    let own = |name: &str, text: &str| {
        (
            id(name),
            catalog::StoredPolicy { policy: serde_json::from_str(text).unwrap(), ..Default::default() },
        )
    };
    let customers = vec![
        own("mild", r#"{"metrics": {"calls": {"min_change": 1000000}}}"#),
        own("muted", r#"{"mutes": [{"reason": "load test"}]}"#),
    ];
    let of_deployment = Deployment { customers, ..deployment() };
    let configuration = Configuration::new(catalog(), None, of_deployment, Some(TimeZone::utc())).unwrap();
    let report_of_all = report(&rows, &configuration);
    assert_eq!(paged(&report_of_all, "acme"), [at]);
    assert_eq!((paged(&report_of_all, "mild"), paged(&report_of_all, "muted")), (vec![], vec![]));
    // Another sensitivity of all leaves them what they have.
    let lax = configuration.with_sensitivity(detection::Sensitivity::new(0.9).unwrap());
    assert_eq!(paged(&report(&rows, &lax), "mild").len(), 0);
}

#[test]
fn settings_of_a_customers_metric_hold() {
    let at = FIRST + 2 * 24 + 13;
    let policies = [
        ("acme", "{}"),
        ("mild", r#"{"metrics": {"calls": {"sensitivity": 5}}}"#),
        ("varied", r#"{"metrics": {"calls": {"min_relative_spread": 1.0}}}"#),
        ("classical", r#"{"metrics": {"calls": {"detectors": "z_score"}}}"#),
        (
            "other",
            r#"{"sensitivity": 5, "metrics": {"calls": {"sensitivity": "medium"}, "traffic": {"sensitivity": 5}}}"#,
        ),
    ];
    let (mut rows, mut customers) = (Rows::default(), Vec::new());
    for (seed, (name, text)) in policies.into_iter().enumerate() {
        let burst = |place: usize| usual(place) * if place == at { 2.5 } else { 1.0 };
        add(&mut rows, name, "calls", seed as u64, burst);
        let policy = serde_json::from_str(text).unwrap();
        customers.push((id(name), catalog::StoredPolicy { policy, ..Default::default() }));
    }
    let of_deployment = Deployment { customers, ..deployment() };
    let configuration = Configuration::new(catalog(), None, of_deployment, Some(TimeZone::utc())).unwrap();
    let report = report(&rows, &configuration);
    for (name, _) in policies {
        let expected: &[usize] = if matches!(name, "acme" | "other") { &[at] } else { &[] };
        assert_eq!(paged(&report, name), expected, "{name}");
    }
}

#[test]
fn a_stored_policy_that_contradicts_the_catalog_is_not_applied_and_a_given_one_is_refused() {
    let policy = || serde_json::from_str(r#"{"metrics": {"gone": {}, "calls": {"threshold": 9}}}"#).unwrap();
    let stored = catalog::StoredPolicy { policy: policy(), ..Default::default() };
    let of_deployment = Deployment { policy: stored, ..deployment() };
    let configuration = Configuration::new(catalog(), None, of_deployment, None).unwrap();
    assert_eq!(configuration.settings(), super::made::configuration("{}").settings());
    let refusal = Configuration::new(catalog(), Some(policy()), deployment(), None).unwrap_err();
    assert!(refusal.to_string().starts_with("metrics.gone"), "{refusal}");
}

#[test]
fn a_report_of_many_customers_keeps_the_odd_hours_of_one() {
    let at = FIRST + 2 * 24 + 13;
    let mut rows = Rows::default();
    for (seed, name) in ["a", "b", "c"].into_iter().enumerate() {
        add(&mut rows, name, "calls", seed as u64, |place| {
            usual(place) * if place == at && name != "c" { 10.0 } else { 1.0 }
        });
    }
    let (usage, configuration) = (super::made::usage(&rows), configuration("{}"));
    let whole = report_of(&usage, &configuration);
    let peers = usage.peers(configuration.metrics());
    let replay = Replay::new(usage.span, &configuration, &peers);
    let mut tally = Tally::new(usage.span, &configuration).showing(Some(id("b")));
    usage.customers.iter().rev().for_each(|customer| tally.add(customer, replay.customer(customer)));
    let small = tally.report();
    let of = |report: &Report, name: &str| flagged(report, name, 0).len();
    assert!(of(&small, "a") < of(&whole, "a") && of(&small, "b") == of(&whole, "b"));
    assert_eq!(Report { judged: Vec::new(), ..small }, Report { judged: Vec::new(), ..whole });
}
