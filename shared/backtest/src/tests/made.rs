//! Usage that tests make.

use catalog::Catalog;
use detection::{CustomerId, Hour, MetricName, Policy, Severity, TimeZone};
use jiff::SignedDuration;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Poisson};

use crate::{Cell, Configuration, Deployment, Flagged, Replay, Report, Rows, Tally, Usage};

/// Days of history, and days that are judged.
pub(super) const HISTORY: usize = 31;
pub(super) const JUDGED: u16 = 8;
pub(super) const HOURS: usize = (HISTORY + JUDGED as usize) * 24;
/// The place of the first judged hour, a Tuesday at midnight.
pub(super) const FIRST: usize = HISTORY * 24;

pub(super) const CATALOG: &str = r#"
    [[metric]]
    name = "calls"
    unit = "calls"
    aggregate = "count"
    missing = "zero"
    min_change = 100
    [[metric]]
    name = "traffic"
    unit = "bytes"
    value = "value"
    aggregate = "sum"
    missing = "zero"
    min_change = 1000
"#;

/// Saturday, 2026-10-17, so that the first judged hour is a Tuesday.
pub(super) fn start() -> Hour {
    Hour::holding("2026-10-17T00:00:00Z".parse().unwrap())
}

pub(super) fn catalog() -> Catalog {
    Catalog::parse(CATALOG, "tests").unwrap()
}

/// A deployment that sets nothing.
pub(super) fn deployment() -> Deployment {
    Deployment::from_env(&environment::Env::of(&[])).unwrap()
}

pub(super) fn configuration(policy: &str) -> Configuration {
    let policy: Policy = serde_json::from_str(policy).unwrap();
    Configuration::new(catalog(), Some(policy), deployment(), Some(TimeZone::utc())).unwrap()
}

pub(super) fn id(name: &str) -> CustomerId {
    CustomerId::new(name).unwrap()
}

/// Hours of a customer by place, Poisson noise around `rate`. An hour of nothing has no row.
pub(super) fn add(rows: &mut Rows, customer: &str, metric: &str, seed: u64, rate: impl Fn(usize) -> f64) {
    add_hours(rows, customer, metric, HOURS, seed, rate);
}

pub(super) fn add_hours(
    rows: &mut Rows,
    customer: &str,
    metric: &str,
    hours: usize,
    seed: u64,
    rate: impl Fn(usize) -> f64,
) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for place in 0..hours {
        let rate = rate(place);
        let value = if rate > 0.0 { Poisson::new(rate).unwrap().sample(&mut random) } else { 0.0 };
        if value > 0.0 {
            let cell = Cell { hour: start().plus(place as i64), value, line: place as u64 + 2 };
            rows.push(id(customer), MetricName::new(metric).unwrap(), cell);
        }
    }
}

/// About 100 calls an hour, more by day than by night.
pub(super) fn usual(place: usize) -> f64 {
    if (8..20).contains(&(place % 24)) { 150.0 } else { 60.0 }
}

pub(super) fn usage(rows: &Rows) -> Usage {
    rows.usage(&catalog(), JUDGED).unwrap()
}

pub(super) fn report(rows: &Rows, configuration: &Configuration) -> Report {
    report_of(&usage(rows), configuration)
}

pub(super) fn report_of(usage: &Usage, configuration: &Configuration) -> Report {
    let peers = usage.peers(configuration.metrics());
    let replay = Replay::new(usage.span, configuration, &peers);
    let mut tally = Tally::new(usage.span, configuration);
    usage.customers.iter().for_each(|customer| tally.add(customer, replay.customer(customer)));
    tally.report()
}

/// The places of the hours that paged about a customer.
pub(super) fn paged(report: &Report, customer: &str) -> Vec<usize> {
    let pages = report.pages.iter().filter(|page| page.customer.as_str() == customer);
    pages.map(|page| (Hour::holding(page.at).since(start()) - 1) as usize).collect()
}

/// The odd hours of one series by place.
pub(super) fn flagged<'a>(report: &'a Report, customer: &str, metric: usize) -> Vec<(usize, &'a Flagged)> {
    let series = report.judged.iter().find(|of| of.customer.as_str() == customer && of.metric == metric);
    let place = |of: &Flagged| (Hour::holding(of.at).since(start()) - 1) as usize;
    series.map(|judged| judged.flagged.iter().map(|of| (place(of), of)).collect()).unwrap_or_default()
}

#[test]
fn the_rules_are_those_of_a_deployment_that_sets_none() {
    let rules = deployment().rules;
    assert_eq!((rules.resolve_after, rules.min_severity), (3, Severity::Critical));
    assert_eq!(rules.accept_after, SignedDuration::from_hours(72));
}
