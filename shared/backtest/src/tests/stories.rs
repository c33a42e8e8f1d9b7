//! The incidents of a customer in one direction are one story.

use detection::incident::Event;

use super::made::{FIRST, add, add_hours, configuration, flagged, paged, report, report_of, usual};
use crate::{Outcome, Report, Rows};

/// A customer whose two metrics have ten times the usual usage in some hours.
fn bursts(calls: impl Fn(usize) -> bool, traffic: impl Fn(usize) -> bool) -> Report {
    let mut rows = Rows::default();
    let burst = |place: usize, is_burst: bool| usual(place) * if is_burst { 10.0 } else { 1.0 };
    add(&mut rows, "acme", "calls", 7, |place| burst(place, calls(place)));
    add(&mut rows, "acme", "traffic", 8, |place| 100.0 * burst(place, traffic(place)));
    report(&rows, &configuration("{}"))
}

#[test]
fn metrics_that_burst_together_are_one_page_and_one_end() {
    let at = FIRST + 2 * 24 + 13;
    // The second one is over hours after the first one.
    let report = bursts(|place| place == at, |place| (at..at + 5).contains(&place));
    assert_eq!(paged(&report, "acme"), [at]);
    assert_eq!((report.pages[0].entries.len(), report.totals.ends, report.totals.reminders), (2, 1, 0));
    let ends: Vec<_> = report.judged.iter().map(|series| series.ends.clone()).collect();
    assert_eq!((ends[0].len(), &ends[0]), (1, &ends[1]));
}

#[test]
fn a_metric_that_follows_is_told_with_the_page_of_the_first_one() {
    let at = FIRST + 2 * 24 + 13;
    let report = bursts(|place| (at..at + 6).contains(&place), |place| (at + 2..at + 8).contains(&place));
    assert_eq!(paged(&report, "acme"), [at]);
    assert_eq!(report.totals.ends, 1);
    let hours = flagged(&report, "acme", 1);
    assert_eq!((hours[0].0, &hours[0].1.outcome), (at + 2, &Outcome::WithAnother));
    assert!(hours[0].1.is_stored() && !hours[0].1.is_page());
    // The first one waits for the other.
    let last = |metric: usize| report.judged[metric].ends.last().copied();
    assert!(
        last(1).is_none()
            && last(0).is_some_and(|end| end > super::made::start().plus(at as i64 + 8).start())
    );
}

#[test]
fn a_metric_that_follows_after_the_end_pages() {
    let at = FIRST + 2 * 24 + 13;
    let report = bursts(|place| place == at, |place| place == at + 8);
    assert_eq!((paged(&report, "acme"), report.totals.ends), (vec![at, at + 8], 2));
}

#[test]
fn directions_are_stories_of_their_own() {
    let at = FIRST + 2 * 24 + 13;
    let mut rows = Rows::default();
    let during = |place: usize| (at..at + 4).contains(&place);
    add(&mut rows, "acme", "calls", 7, |place| usual(place) * if during(place) { 10.0 } else { 1.0 });
    add(&mut rows, "acme", "traffic", 8, |place| if during(place) { 0.0 } else { 9_000.0 });
    let report = report(&rows, &configuration("{}"));
    let first = |metric: usize| flagged(&report, "acme", metric)[0].1.outcome.clone();
    assert_eq!([first(0), first(1)], [Event::Opened; 2].map(|event| Outcome::Paged { event }));
}

#[test]
fn a_weekly_job_of_two_metrics_pages_twice() {
    // Thursdays at 3 or 4, in three judged weeks. An hour later the models do not know the job yet.
    let hours = FIRST + 21 * 24;
    let jobs = [(0, 3), (1, 4), (2, 4)].map(|(week, hour)| FIRST + (2 + 7 * week) * 24 + hour);
    let mut rows = Rows::default();
    for (seed, metric, share) in [(7, "calls", 1.0), (8, "traffic", 100.0)] {
        let rate = |place: usize| share * (usual(place) + if jobs.contains(&place) { 900.0 } else { 0.0 });
        add_hours(&mut rows, "acme", metric, hours, seed, rate);
    }
    let usage = rows.usage(&super::made::catalog(), 21).unwrap();
    let report = report_of(&usage, &configuration("{}"));
    assert_eq!((paged(&report, "acme"), report.totals.ends), (jobs[..2].to_vec(), 2));
    for metric in 0..2 {
        let hours = flagged(&report, "acme", metric);
        let third = hours.iter().find(|(place, _)| *place == jobs[2]).map(|(_, of)| &of.outcome);
        assert_eq!(third, Some(&Outcome::Recurring { earlier: 2 }));
    }
}
