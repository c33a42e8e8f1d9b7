//! A backtest and the runs of a detector tell the same of the same month.

use std::collections::BTreeSet;

use backtest::{Cell, Configuration, Deployment, Outcome, Replay, Rows};
use catalog::Catalog;
use detection::{CustomerId, Hour, MetricName};
use environment::Env;
use fleet::usage::{Customer, Metric, Month};
use jiff::Timestamp;

use super::{Rule, replay};

const DAY: usize = 24;
const HISTORY: usize = 33 * DAY;
const DAYS: usize = 24;

/// The hour in which two metrics burst together. The second one goes on for longer. Both burst again in the evening.
const BURST: usize = HISTORY + 2 * DAY + 13;

/// The hours of a weekly job.
const JOBS: [usize; 3] = [HISTORY + 5 * DAY + 3, HISTORY + 12 * DAY + 4, HISTORY + 19 * DAY + 4];

/// A level that lasts for days, in one metric and a few hours later in the other one.
const LEVEL: usize = HISTORY + 20 * DAY + 9;

/// The level is reminded of before it is accepted.
const REMINDERS: (&str, &str) = ("REPEAT_INTERVAL_HOURS", "48");

/// So much usage in an hour, and so much of it in the second metric.
fn usage(metric: usize, hour: usize) -> f64 {
    let usual = if (8..20).contains(&(hour % DAY)) { 150.0 } else { 60.0 };
    let noise = 1.0 + ((hour * (7 + 4 * metric)) % 23) as f64 / 100.0;
    let burst = BURST..BURST + if metric == 0 { 1 } else { 6 };
    let again = BURST + 9 + metric..BURST + 11;
    let level = LEVEL + 4 * metric..HISTORY + DAYS * DAY;
    let factor = if burst.contains(&hour) || again.contains(&hour) {
        10.0
    } else if level.contains(&hour) {
        12.0
    } else {
        1.0
    };
    let job = if JOBS.contains(&hour) { 900.0 } else { 0.0 };
    [1.0, 20_000.0][metric] * ((usual * noise * factor).round() + job)
}

/// One customer. The models of its day begin at midnight, and so do those of the backtest.
fn month() -> Month {
    let hours = HISTORY + DAYS * DAY;
    let metric = |name: &str| Metric::new(MetricName::new(name).unwrap(), 100.0);
    let of_metric = |metric: usize| (0..hours).map(|hour| usage(metric, hour)).collect();
    Month {
        start: "2026-09-05T00:00:00Z".parse().unwrap(),
        hours,
        history: HISTORY,
        metrics: vec![metric("api_calls"), metric("bandwidth")],
        customers: vec![Customer {
            id: CustomerId::new("acme").unwrap(),
            kind: "steady".to_owned(),
            time_zone: None,
            delay: 0,
            usage: (0..2).map(of_metric).collect(),
        }],
        causes: Vec::new(),
    }
}

/// A message: its hour, the metric, and the event. All ends are alike.
type Message = (Timestamp, String, &'static str);

fn of_runs(month: &Month) -> BTreeSet<Message> {
    let (name, value) = REMINDERS;
    let variables = vec![(name.to_owned(), value.to_owned())];
    let record = replay(month, &Rule { name: "usual".to_owned(), variables }).unwrap();
    let message = |of: &fleet::record::Notification| {
        let metric = month.metrics[of.incident.series.metric].name.to_string();
        (month.at(of.end), metric, of.event.as_str())
    };
    record.notifications.iter().map(message).collect()
}

fn of_backtest(month: &Month) -> BTreeSet<Message> {
    let catalog = Catalog::built_in().unwrap();
    let deployment = Deployment::from_env(&Env::of(&[REMINDERS])).unwrap();
    let configuration = Configuration::new(catalog.clone(), None, deployment, None).unwrap();
    let mut rows = Rows::default();
    for customer in &month.customers {
        for (metric, values) in month.metrics.iter().zip(&customer.usage) {
            for (place, value) in values.iter().enumerate() {
                let hour = Hour::holding(month.at(place));
                rows.push(customer.id.clone(), metric.name.clone(), Cell { hour, value: *value, line: 0 });
            }
        }
    }
    let usage = rows.usage(&catalog, DAYS as u16).unwrap();
    let peers = usage.peers(configuration.metrics());
    let judge = Replay::new(usage.span, &configuration, &peers);
    let mut messages = BTreeSet::new();
    for judged in usage.customers.iter().flat_map(|customer| judge.customer(customer)) {
        let metric = catalog.metrics()[judged.metric].name.to_string();
        for of in &judged.flagged {
            if let Outcome::Paged { event } = of.outcome {
                messages.insert((of.at, metric.clone(), event.as_str()));
            }
        }
        messages.extend(judged.ends.iter().map(|end| (*end, metric.clone(), "resolved")));
    }
    messages
}

#[test]
fn a_backtest_tells_what_runs_of_the_detector_tell() {
    let month = month();
    let (runs, backtest) = (of_runs(&month), of_backtest(&month));
    let of = |hour: usize, event: &str| {
        let at = month.at(hour + 1);
        runs.iter().filter(|(time, _, told)| (*time, *told) == (at, event)).count()
    };
    // Otherwise the month holds nothing to compare.
    assert_eq!((of(BURST, "opened"), of(LEVEL, "opened"), of(LEVEL + 4, "opened")), (2, 1, 0), "{runs:?}");
    assert_eq!(JOBS.map(|job| of(job, "opened")), [2, 2, 0], "{runs:?}");
    for event in ["reopened", "resolved", "reminder"] {
        assert!(runs.iter().any(|(.., told)| *told == event), "{event}: {runs:?}");
    }
    assert_eq!(backtest, runs);
}
