//! What pages, and what becomes of the rest.

use catalog::StoredPolicy;
use detection::ensemble::Condition;
use detection::incident::Event;
use detection::{Direction, Policy, TimeZone};

use super::made::{
    FIRST, HOURS, add, add_hours, catalog, configuration, deployment, flagged, id, paged, report, report_of,
    start, usual,
};
use crate::{Configuration, Deployment, Outcome, Replay, Rows};

/// A customer with ten times the usual calls in the hours that `is_leak` names.
fn leak(is_leak: impl Fn(usize) -> bool) -> Rows {
    let mut rows = Rows::default();
    add(&mut rows, "acme", "calls", 7, |place| usual(place) * if is_leak(place) { 10.0 } else { 1.0 });
    rows
}

#[test]
fn a_leak_of_an_hour_pages_within_its_hour() {
    let at = FIRST + 2 * 24 + 13;
    let report = report(&leak(|place| place == at), &configuration("{}"));
    assert_eq!(paged(&report, "acme"), [at]);
    let entry = &report.pages[0].entries[0];
    assert_eq!((entry.event, entry.direction, entry.hours), (Event::Opened, Direction::Spike, 1));
    assert!(
        entry.sentence.contains("between 13:00 and 14:00")
            && entry.sentence.contains("are usual on Thursdays at this hour")
    );
    assert_eq!(report.pages[0].at, start().plus(at as i64 + 1).start());
    assert_eq!((report.totals.ends, report.totals.reminders), (1, 0));
}

#[test]
fn a_leak_that_lasts_is_one_page_and_its_later_hours_go_on() {
    let from = FIRST + 2 * 24 + 13;
    let report = report(&leak(|place| (from..from + 5).contains(&place)), &configuration("{}"));
    assert_eq!(paged(&report, "acme"), [from]);
    let hours = flagged(&report, "acme", 0);
    for place in from + 1..from + 5 {
        let (_, of) = hours.iter().find(|(at, _)| *at == place).unwrap();
        assert_eq!(of.outcome, Outcome::GoesOn, "{place}");
    }
    // The window of a day still holds the leak when its incident is over.
    let (_, last) = hours.last().unwrap();
    assert_eq!((last.outcome.clone(), last.hours), (Outcome::StillHolds, 24));
    assert!(!last.is_stored() && !last.is_page());
}

#[test]
fn the_silence_of_a_weekly_customer_pages() {
    // Mondays from 8 to 18 only. The judged Monday has nothing.
    let rate = |place: usize| {
        let (day, hour) = (place / 24, place % 24);
        // The first day is a Saturday.
        let is_due = day % 7 == 2 && (8..18).contains(&hour);
        if is_due && place < FIRST { 400.0 } else { 0.0 }
    };
    let mut rows = Rows::default();
    add(&mut rows, "weekly", "calls", 11, rate);
    add(&mut rows, "other", "calls", 12, usual);
    let report = report(&rows, &configuration("{}"));
    let due = FIRST + 6 * 24 + 8;
    let pages = paged(&report, "weekly");
    assert_eq!(pages.len(), 1, "{pages:?}");
    assert!((due..due + 3).contains(&pages[0]), "{pages:?}, due at {due}");
    assert_eq!(report.pages[0].entries[0].direction, Direction::Drop);
    assert!(report.pages[0].entries[0].sentence.starts_with("nothing between"));
}

#[test]
fn a_quiet_fleet_has_no_page() {
    let mut rows = Rows::default();
    for seed in 0..12 {
        let factor = 0.3 * (1 + seed) as f64;
        add(&mut rows, &format!("c{seed}"), "calls", seed, |place| factor * usual(place));
    }
    let report = report(&rows, &configuration("{}"));
    assert_eq!(report.pages, []);
    assert_eq!(
        (report.totals.customers, report.totals.series, report.totals.pages_a_customer_month),
        (12, 12, 0.0)
    );
}

#[test]
fn metrics_of_one_customer_in_one_hour_are_one_page() {
    let at = FIRST + 50;
    let mut rows = Rows::default();
    for (metric, seed) in [("calls", 1), ("traffic", 2)] {
        add(&mut rows, "acme", metric, seed, |place| 100.0 * if place == at { 10.0 } else { 1.0 });
        add(&mut rows, "other", metric, seed + 2, |_| 100.0);
    }
    let policy = r#"{"metrics": {"traffic": {"min_change": 100}}}"#;
    let report = report(&rows, &configuration(policy));
    assert_eq!(paged(&report, "acme"), [at]);
    assert_eq!(report.pages[0].entries.len(), 2);
    let counts: Vec<_> = report.by_metric.iter().map(|of| (of.name.as_str(), of.pages)).collect();
    assert_eq!(counts, [("calls", 1), ("traffic", 1)]);
    let of_customers: Vec<_> = report.by_customer.iter().map(|of| (of.name.as_str(), of.pages)).collect();
    assert_eq!(of_customers, [("acme", 1)]);
    // One page of two customers in eight days.
    let rates = [report.totals.pages_a_customer_month, report.by_customer[0].pages_a_customer_month];
    assert!((rates[0] - 30.0 / 16.0).abs() < 1e-9 && (rates[1] - 30.0 / 8.0).abs() < 1e-9, "{rates:?}");
}

#[test]
fn a_job_that_recurs_pages_twice() {
    // Thursdays at 3 or 4, in three judged weeks. An hour later the models do not know the job yet.
    let hours = FIRST + 21 * 24;
    let jobs = [(0, 3), (1, 4), (2, 4)].map(|(week, hour)| FIRST + (2 + 7 * week) * 24 + hour);
    let mut rows = Rows::default();
    add_hours(&mut rows, "acme", "calls", hours, 7, |place| {
        usual(place) + if jobs.contains(&place) { 900.0 } else { 0.0 }
    });
    let usage = rows.usage(&super::made::catalog(), 21).unwrap();
    let report = report_of(&usage, &configuration("{}"));
    let pages = paged(&report, "acme");
    assert_eq!(pages, jobs[..2], "{pages:?}");
    let third: Vec<_> =
        flagged(&report, "acme", 0).into_iter().filter(|(place, _)| *place == jobs[2]).collect();
    assert_eq!(third[0].1.outcome, Outcome::Recurring { earlier: 2 });
    assert!(third[0].1.is_stored());
}

#[test]
fn a_mute_covers_its_hours_and_no_later_window() {
    let at = FIRST + 2 * 24 + 13;
    let mute = |from: usize| {
        let [from, until] = [from, from + 1].map(|place| start().plus(place as i64).start());
        format!(r#"{{"mutes": [{{"from": "{from}", "until": "{until}", "reason": "load test"}}]}}"#)
    };
    let rows = leak(|place| place == at);
    let report = report(&rows, &configuration(&mute(at)));
    assert_eq!(report.pages, []);
    let hours = flagged(&report, "acme", 0);
    // The hour counts in no later window.
    assert_eq!(hours.len(), 1, "{hours:?}");
    assert_eq!(hours[0].1.outcome, Outcome::Muted { reason: "load test".to_owned() });
    // The hour of the leak is its own window. A planned event before does not cover it.
    let report = super::made::report(&rows, &configuration(&mute(at - 8)));
    assert_eq!(paged(&report, "acme"), [at]);
}

#[test]
fn a_change_below_the_floor_is_told_and_nothing_more() {
    let at = FIRST + 2 * 24 + 13;
    let policy = r#"{"metrics": {"calls": {"min_change": 1000000}}}"#;
    let report = report(&leak(|place| place == at), &configuration(policy));
    assert_eq!((report.pages.len(), report.totals.anomalies), (0, 0));
    let hours = flagged(&report, "acme", 0);
    let (_, of) = hours.iter().find(|(place, _)| *place == at).unwrap();
    assert_eq!(of.outcome, Outcome::TooSmall);
    let nearest = of.nearest.unwrap();
    assert_eq!(nearest.condition, Condition::MinChange);
    assert!(nearest.figure > 1_000.0 && nearest.figure < nearest.limit, "{nearest:?}");
    assert!(of.score > 1.0 && of.sentence.contains("are usual on Thursdays at this hour"), "{of:?}");
}

#[test]
fn a_mild_change_is_a_warning_that_pages_nobody() {
    // The sensitivity lies where the change is between a warning and a page.
    let mut rows = Rows::default();
    let at = FIRST + 2 * 24 + 13;
    add(&mut rows, "acme", "calls", 7, |place| usual(place) * if place == at { 2.5 } else { 1.0 });
    let usual = configuration("{}");
    let score = flagged(&report(&rows, &usual), "acme", 0)[0].1.score;
    let at_score = |share: f64| {
        let sensitivity = detection::Sensitivity::new(score / share).unwrap();
        report(&rows, &usual.clone().with_sensitivity(sensitivity))
    };
    let warned = at_score(0.9);
    assert_eq!((warned.pages.len(), warned.by_metric[0].warnings), (0, warned.totals.warnings));
    assert!(warned.totals.warnings >= 1);
    assert_eq!(flagged(&warned, "acme", 0)[0].1.outcome, Outcome::Warning);
    assert_eq!(at_score(0.7).totals.anomalies, 0);
}

#[test]
fn a_leak_on_the_next_day_is_another_page() {
    let at = FIRST + 2 * 24 + 13;
    let report = report(&leak(|place| place == at || place == at + 24), &configuration("{}"));
    assert_eq!(paged(&report, "acme"), [at, at + 24]);
}

#[test]
fn a_level_that_lasts_becomes_the_new_normal() {
    let at = FIRST + 24;
    let often = environment::Env::of(&[("REPEAT_INTERVAL_HOURS", "48")]);
    let reminding = Deployment::from_env(&often).unwrap();
    let configuration = Configuration::new(catalog(), None, reminding, Some(TimeZone::utc())).unwrap();
    let report = report(&leak(|place| place >= at), &configuration);
    let hours = flagged(&report, "acme", 0);
    let told: Vec<_> = hours
        .iter()
        .filter_map(|(place, of)| match of.outcome {
            Outcome::Paged { event } => Some((*place, event)),
            _ => None,
        })
        .collect();
    let events: Vec<Event> = told.iter().map(|(_, event)| *event).collect();
    assert_eq!(events, [Event::Opened, Event::Reminder, Event::Accepted], "{told:?}");
    assert_eq!((report.pages.len(), report.totals.reminders, report.totals.ends), (1, 1, 1));
}

#[test]
fn a_metric_that_the_catalog_lacks_is_left_out() {
    let rows = leak(|_| false);
    let mut usage = super::made::usage(&rows);
    usage.customers[0].series[0].metric = 9;
    let configuration = configuration("{}");
    let peers = usage.peers(configuration.metrics());
    assert_eq!(Replay::new(usage.span, &configuration, &peers).customer(&usage.customers[0]), []);
    assert_eq!(usage.customers[0].id, id("acme"));
    assert_eq!(usage.span.judged_hours().count(), HOURS - FIRST);
}

#[test]
fn the_clocks_of_a_customer_without_a_declared_zone_may_have_changed() {
    // The clocks of America went back on 1 November, 15 days after the first hour of the file.
    let opens = |place: usize| if place < 15 * 24 { 13 } else { 14 };
    let works =
        |place: usize| (place / 24 + 5) % 7 < 5 && (opens(place)..opens(place) + 9).contains(&(place % 24));
    let mut rows = Rows::default();
    add_hours(&mut rows, "acme", "calls", 20 * 24, 5, |place| if works(place) { 300.0 } else { 0.5 });
    let usage = rows.usage(&catalog(), 5).unwrap();
    let pages = |zone: Option<&str>| {
        let zone = zone.map(|name| TimeZone::named(name).unwrap());
        let configuration = Configuration::new(catalog(), None, deployment(), zone).unwrap();
        paged(&report_of(&usage, &configuration), "acme").len()
    };
    assert!(pages(Some("UTC")) > 0, "a declared zone is believed");
    assert_eq!((pages(None), pages(Some("America/Chicago"))), (0, 0));
    // The zone of the customer's policy wins over that of the policy for all.
    let policy =
        |zone: &str| serde_json::from_str::<Policy>(&format!(r#"{{"time_zone": "{zone}"}}"#)).unwrap();
    let pages = |of_all: &str, own: &str| {
        let stored = StoredPolicy { policy: policy(own), ..StoredPolicy::default() };
        let of_deployment = Deployment { customers: vec![(id("acme"), stored)], ..deployment() };
        let configuration = Configuration::new(catalog(), Some(policy(of_all)), of_deployment, None).unwrap();
        assert_eq!(configuration.zone().to_string(), of_all);
        paged(&report_of(&usage, &configuration), "acme").len()
    };
    assert!(pages("America/Chicago", "UTC") > 0);
    assert_eq!(pages("UTC", "America/Chicago"), 0);
}

#[test]
fn the_first_use_of_a_metric_is_told_and_pages_nobody() {
    let first = FIRST + 2 * 24 + 13;
    let mut rows = leak(|_| false);
    add(&mut rows, "acme", "traffic", 3, |place| if place >= first { 20_000.0 } else { 0.0 });
    let report = report(&rows, &configuration("{}"));
    assert_eq!(report.pages, []);
    let hours = flagged(&report, "acme", 1);
    let uses: Vec<_> = hours.iter().filter(|(_, of)| of.outcome == Outcome::FirstUse).collect();
    assert_eq!((uses[0].0, uses[0].1.hours), (first, 24));
    assert!(uses[0].1.sentence.contains("the customer's first usage of this metric"), "{:?}", uses[0]);
    assert!(uses.len() <= 24 && report.totals.warnings >= uses.len(), "{}", uses.len());
}
