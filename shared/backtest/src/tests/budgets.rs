//! Settings within a budget.

use detection::SettingsError;

use super::made::{FIRST, add, configuration, report, usual};
use crate::{Budget, Configuration, Proposal, Report, Rows, propose};

fn budget(text: &str) -> Budget {
    text.parse().unwrap()
}

/// Leaks of six sizes, of a customer each, and other traffic that is quiet.
fn fleet() -> Rows {
    let mut rows = Rows::default();
    for (seed, factor) in (0..).zip([1.8, 2.0, 2.4, 4.0, 6.0, 10.0]) {
        let name = format!("c{seed}");
        add(&mut rows, &name, "calls", seed, |place| {
            let is_leak = (FIRST + 60..FIRST + 63).contains(&place);
            usual(place) * if is_leak { factor } else { 1.0 }
        });
        add(&mut rows, &name, "traffic", 100 + seed, |_| 1e4);
    }
    rows
}

fn proposed(text: &str) -> (Proposal, Report) {
    let (rows, configuration) = (fleet(), configuration("{}"));
    let present = report(&rows, &configuration);
    let run = |other: &Configuration| Ok::<_, SettingsError>(report(&rows, other));
    (propose(budget(text), &configuration, &present, run).unwrap(), present)
}

#[test]
fn a_budget_is_a_number_of_pages_and_a_time() {
    assert_eq!(budget("1 page a customer-month").allowed(12, 30), 12);
    assert_eq!(budget("1 page a customer-year").allowed(50, 30), 4);
    assert_eq!(budget("0.5 pages per customer-week").allowed(10, 28), 20);
    assert_eq!(budget("2 pages a customer-day").allowed(1, 7), 14);
    assert_eq!(budget("0 pages a customer-day").allowed(1, 7), 0);
    for text in [
        "",
        "1",
        "one page a customer-year",
        "1 page",
        "-1 pages a customer-day",
        "inf pages a customer-day",
        "1 page a month",
        "1 page a customer-hour",
    ] {
        let refusal = text.parse::<Budget>().unwrap_err().to_string();
        assert!(refusal.contains("1 page a customer-year"), "{refusal}");
    }
}

#[test]
fn pages_within_the_budget_need_no_remedy() {
    let (proposal, present) = proposed("9 pages a customer-week");
    assert!(present.pages.len() >= 5);
    assert_eq!((proposal.pages, proposal.pages_by_sensitivity), (present.pages.len(), present.pages.len()));
    assert_eq!(proposal.pages_by_min_change, present.pages.len());
    assert_eq!(proposal.remedies, []);
}

#[test]
fn the_loud_metric_gets_settings_that_keep_within_the_budget() {
    // Six customers and eight days: three pages.
    let (proposal, present) = proposed("2 pages a customer-month");
    assert_eq!(proposal.allowed, 3);
    assert!(proposal.pages_by_sensitivity <= 3 && proposal.pages_by_min_change <= 3, "{proposal:?}");
    let [remedy] = &proposal.remedies[..] else { panic!("{proposal:?}") };
    assert_eq!((remedy.metric.as_str(), remedy.pages), ("calls", present.by_metric[0].pages));
    assert!(remedy.sensitivity > 1.0 && remedy.min_change > 100.0, "{remedy:?}");
    // The settings do what they promise.
    let policy = format!(r#"{{"metrics": {{"calls": {{"min_change": {}}}}}}}"#, remedy.min_change);
    assert_eq!(report(&fleet(), &configuration(&policy)).pages.len(), remedy.pages_by_min_change);
    let sensitivity = detection::Sensitivity::new(remedy.sensitivity).unwrap();
    let strict = configuration("{}").with_sensitivity(sensitivity);
    assert_eq!(report(&fleet(), &strict).pages.len(), remedy.pages_by_sensitivity);
}

#[test]
fn a_budget_that_no_setting_keeps_is_told() {
    let (proposal, _) = proposed("0 pages a customer-year");
    assert_eq!(proposal.allowed, 0);
    assert_eq!(proposal.pages_by_min_change, 0, "a floor can keep out anything");
}
