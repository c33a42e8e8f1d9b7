//! The labels against a second, plain implementation of the check.

use std::collections::{BTreeMap, BTreeSet};

use super::events::{Event, EventType};
use super::labels::{Direction, Kind, Metric, Severity};
use super::plan::{self, World};
use super::{make, scenario};

const METRICS: [Metric; 4] = [Metric::ApiCalls, Metric::Bandwidth, Metric::StoragePeak, Metric::ComputeTime];
const DAY_MS: i64 = 24 * 3_600_000;
/// Monday, 2026-11-16T00:00Z.
const MONDAY: i64 = 498_552;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Finding {
    customer: u64,
    metric: Metric,
    direction: Direction,
    severity: Severity,
}

/// The value of a metric in each window; `None` is a gap. Index 0 is the current window.
type Windows = Vec<Option<f64>>;

/// The window of the first event of each metric.
type Firsts = [Option<usize>; 4];

/// Values from the events alone, by their timestamps.
fn windows_of_events(events: &[Event], end_ms: i64) -> (Vec<Windows>, Firsts) {
    let mut windows = vec![vec![Some(0.0); 31], vec![Some(0.0); 31], vec![None; 31], vec![Some(0.0); 31]];
    let mut firsts = Firsts::default();
    for event in events {
        let age = (end_ms - 1 - event.timestamp).div_euclid(DAY_MS) as usize;
        if age > 30 {
            continue;
        }
        let mut first_use = |metric: usize| firsts[metric] = firsts[metric].max(Some(age));
        let amount = event.amount as f64;
        match event.event_type {
            EventType::ApiRequest => {
                first_use(0);
                first_use(1);
                add(&mut windows[0][age], 1.0);
                add(&mut windows[1][age], amount);
            }
            EventType::Storage => {
                first_use(2);
                let peak = &mut windows[2][age];
                *peak = Some(peak.map_or(amount / 1000.0, |peak: f64| peak.max(amount / 1000.0)));
            }
            EventType::Compute => {
                first_use(3);
                add(&mut windows[3][age], amount);
            }
        }
    }
    (windows, firsts)
}

fn add(value: &mut Option<f64>, amount: f64) {
    *value = Some(value.unwrap_or(0.0) + amount);
}

/// Values from the plan, which is faster. Another test shows that the events add up to the plan.
fn windows_of_plan(plan: &plan::CustomerPlan) -> (Vec<Windows>, Firsts) {
    let usage = &plan.usage;
    let take =
        |values: &[u64], unit: f64| values[..31].iter().map(|&v| Some(v as f64 / unit)).collect::<Windows>();
    let peaks = (0..31)
        .map(|w| (usage.storage.events[w] > 0).then_some(usage.storage.amounts[w] as f64 / 1000.0))
        .collect();
    let windows = vec![
        take(&usage.api.events, 1.0),
        take(&usage.api.amounts, 1.0),
        peaks,
        take(&usage.compute.amounts, 1.0),
    ];
    let first = |events: &[u64]| (0..31).rev().find(|window| events[*window] > 0);
    let of_api = first(&usage.api.events);
    (windows, [of_api, of_api, first(&usage.storage.events), first(&usage.compute.events)])
}

struct Score {
    z_score: f64,
    change: f64,
    relative: f64,
    direction: Direction,
    severity: Option<Severity>,
}

/// The definition, in two passes. `None` without a verdict.
fn check(metric: Metric, windows: &Windows, firsts: &Firsts) -> Option<Score> {
    let min_change = match metric {
        Metric::ApiCalls => 100.0,
        Metric::Bandwidth => 1_000_000.0,
        Metric::StoragePeak => 1.0,
        Metric::ComputeTime => 60_000.0,
    };
    let current = windows[0]?;
    let counted = |first: usize| if first == 30 { 30 } else { first.saturating_sub(1) };
    let of_customer = firsts.iter().flatten().max().map_or(0, |first| counted(*first));
    let first_use = firsts[metric as usize];
    if first_use == Some(0) && of_customer >= 7 && current >= 10.0 * min_change {
        let (change, severity) = (current / min_change, Some(Severity::Warning));
        return Some(Score { z_score: 100.0, change, relative: 1.0, direction: Direction::Spike, severity });
    }
    // A level has gaps and not zeros, so its first use decides nothing.
    let oldest = first_use.filter(|_| metric != Metric::StoragePeak).map_or(of_customer, counted);
    let baseline: Vec<f64> = windows[1..=oldest].iter().flatten().copied().collect();
    if baseline.len() < 7 {
        return None;
    }
    let count = baseline.len() as f64;
    let mean = baseline.iter().sum::<f64>() / count;
    let stddev = (baseline.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    let change = (current - mean).abs();
    let relative = change / mean.abs().max(f64::MIN_POSITIVE);
    let moved = change >= min_change && change >= 0.1 * mean.abs();
    let (z_score, severity) = if stddev <= 1e-9 * mean.abs() {
        let critical = change >= mean.abs() && change >= 10.0 * min_change;
        (100.0, moved.then_some(if critical { Severity::Critical } else { Severity::Warning }))
    } else {
        let z_score = (current - mean).abs() / stddev;
        let severity = if z_score >= 5.0 { Severity::Critical } else { Severity::Warning };
        (z_score, (moved && z_score >= 3.0).then_some(severity))
    };
    let direction = if current > mean { Direction::Spike } else { Direction::Drop };
    Some(Score { z_score, change: change / min_change, relative, direction, severity })
}

fn found(customer: u64, windows: &[Windows], firsts: &Firsts) -> Vec<Finding> {
    METRICS
        .iter()
        .zip(windows)
        .filter_map(|(&metric, windows)| {
            let score = check(metric, windows, firsts)?;
            Some(Finding { customer, metric, direction: score.direction, severity: score.severity? })
        })
        .collect()
}

fn planted(plan: &plan::CustomerPlan) -> Vec<Finding> {
    plan.planted
        .iter()
        .filter_map(|planted| {
            Some(Finding {
                customer: plan.number,
                metric: planted.metric,
                direction: planted.kind.direction(),
                severity: planted.severity?,
            })
        })
        .collect()
}

#[test]
fn the_check_on_the_events_finds_what_is_planted_and_nothing_else() {
    for (seed, weekday, hour) in
        [(1, 0, 0), (2, 1, 7), (3, 2, 13), (4, 3, 23), (5, 4, 0), (6, 5, 7), (7, 6, 13), (42, 0, 23)]
    {
        let world =
            World { seed, end_hour: MONDAY + 24 * weekday + hour, days: if seed == 3 { 40 } else { 31 } };
        let end_ms = world.end_hour * 3_600_000;
        let (mut expected, mut actual) = (BTreeSet::new(), BTreeSet::new());
        for number in 1..=60 {
            let plan = plan::plan(world, number);
            expected.extend(planted(&plan));
            let by_plan = windows_of_plan(&plan);
            let events = make(world, number).events;
            assert_eq!(events.len() as u64, plan.usage.event_count());
            let start_ms = end_ms - DAY_MS * world.days as i64;
            assert!(events.iter().all(|event| (start_ms..end_ms).contains(&event.timestamp)));
            let (windows, firsts) = windows_of_events(&events, end_ms);
            assert_eq!((&windows, firsts), (&by_plan.0, by_plan.1), "seed {seed}, customer {number}");
            actual.extend(found(number, &windows, &firsts));
        }
        assert_eq!(actual, expected, "seed {seed}, weekday {weekday}, hour {hour}");
    }
}

#[test]
fn ordinary_usage_is_far_from_the_thresholds_and_planted_usage_far_beyond() {
    let mut seed = 100;
    for weekday in 0..7 {
        for hour in [0, 7, 13, 23] {
            seed += 1;
            let world = World { seed, end_hour: MONDAY + 24 * weekday + hour, days: 31 };
            for number in 1..=1000 {
                assert_margins(world, number);
            }
        }
    }
}

fn assert_margins(world: World, number: u64) {
    let plan = plan::plan(world, number);
    let (windows, firsts) = windows_of_plan(&plan);
    for (&metric, windows) in METRICS.iter().zip(&windows) {
        let label = plan.planted.iter().find(|planted| planted.metric == metric);
        let score = check(metric, windows, &firsts);
        let place = format!("seed {}, end {}, {} {metric:?}", world.seed, world.end_hour, plan.id);
        match (label.map(|label| label.severity), score) {
            (None | Some(None), None) => {}
            (None | Some(None), Some(score)) => assert!(
                score.z_score <= 2.85 || score.change <= 0.8 || score.relative <= 0.095,
                "{place}: z {}, {} of min_change, {} of the mean",
                score.z_score,
                score.change,
                score.relative
            ),
            (Some(Some(_)), None) => panic!("{place} cannot be judged"),
            (Some(Some(severity)), Some(score)) => {
                assert_eq!(score.severity, Some(severity), "{place}");
                assert!(score.change >= 1.1 && score.relative >= 0.12, "{place}");
                let sure = match severity {
                    Severity::Warning => (3.5..4.5).contains(&score.z_score) || score.z_score == 100.0,
                    Severity::Critical => score.z_score > 6.0,
                };
                assert!(sure, "{place}: z {} is too near to a threshold", score.z_score);
            }
        }
    }
}

#[test]
fn the_first_forty_customers_have_every_kind_on_every_metric() {
    for seed in 0..20 {
        let world = World { seed, end_hour: MONDAY, days: 31 };
        let mut kinds: BTreeMap<(Metric, Kind), bool> = BTreeMap::new();
        for number in 1..=40 {
            for planted in plan::plan(world, number).planted {
                *kinds.entry((planted.metric, planted.kind)).or_default() |= planted.severity.is_some();
            }
        }
        for metric in METRICS {
            for kind in [Kind::Spike, Kind::Drop, Kind::DropToZero, Kind::FromZero] {
                assert_eq!(kinds.get(&(metric, kind)), Some(&true), "{metric:?} {kind:?}");
            }
        }
    }
}

#[test]
fn two_hundred_customers_have_a_month_of_one_to_three_million_events() {
    for seed in [1, 2, 42] {
        let world = World { seed, end_hour: MONDAY, days: 31 };
        let plans: Vec<_> = (1..=200).map(|number| plan::plan(world, number)).collect();
        let events: u64 = plans.iter().map(|plan| plan.usage.event_count()).sum();
        assert!((1_000_000..3_000_000).contains(&events), "{events}");
        let critical =
            plans.iter().flat_map(planted).filter(|found| found.severity == Severity::Critical).count();
        assert!(critical < 60, "{critical}");
    }
}

#[test]
fn one_customer_in_twenty_has_a_scenario_in_the_long_run() {
    let with = (1..=10_000).filter(|&number| scenario::of(9, number).is_some()).count();
    assert_eq!(with, 27 + 249 * 2);
}

/// The first bytes of a seed are part of its promise: the same rows on any machine, in any version.
#[test]
fn the_rows_of_a_seed_stay_the_same() {
    let world = World { seed: 42, end_hour: MONDAY, days: 31 };
    let events = make(world, 7).events;
    let digest = events.iter().fold(0xcbf2_9ce4_8422_2325_u64, |digest, event| {
        let fields = [event.event_type as u64, event.timestamp as u64, event.amount];
        fields.iter().fold(digest, |digest, field| (digest ^ field).wrapping_mul(0x0100_0000_01b3))
    });
    assert_eq!((events.len(), digest), (7774, 11_793_841_849_826_374_535));
}
