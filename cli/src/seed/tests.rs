//! The labels against the detector's own check.

use std::collections::{BTreeMap, BTreeSet};

use catalog::{Catalog, DetectionConfig};
use detection::model::Profile;
use detection::{Calendar, Hour, Verdict, assess};
use jiff::Timestamp;

use super::events::EventType;
use super::labels::{Direction, Kind, Metric, Severity};
use super::plan::{self, World};
use super::scenario::Scenario;
use super::{make, scenario};

const METRICS: [Metric; 4] = [Metric::ApiCalls, Metric::Bandwidth, Metric::StoragePeak, Metric::ComputeTime];
const NAMES: [&str; 4] = ["api_calls", "bandwidth", "storage_peak", "compute_time"];
const HOUR_MS: i64 = 3_600_000;
/// Monday, 2026-11-16T00:00Z.
const MONDAY: i64 = 498_552;
const DAYS: usize = 35;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Finding {
    customer: u64,
    metric: Metric,
    direction: Direction,
    severity: Severity,
    /// Whether the shape of the day is the anomaly.
    is_shape: bool,
}

/// The hours of each metric, oldest first. NaN is an hour without events.
fn hours_of_events(world: World, number: u64) -> [Vec<f64>; 4] {
    let start = world.end_hour - 24 * world.days as i64;
    let mut hours = [const { Vec::new() }; 4];
    hours.iter_mut().for_each(|values| values.resize(24 * world.days, f64::NAN));
    for event in make(world, number).events {
        let at = usize::try_from(event.timestamp.div_euclid(HOUR_MS) - start).expect("an hour of the usage");
        let amount = event.amount as f64;
        let mut add = |metric: usize, amount: f64| {
            let value = &mut hours[metric][at];
            *value = if value.is_nan() { amount } else { *value + amount };
        };
        match event.event_type {
            EventType::ApiRequest => {
                add(0, 1.0);
                add(1, amount);
            }
            EventType::Storage => hours[2][at] = hours[2][at].max(amount / 1000.0),
            EventType::Compute => add(3, amount),
        }
    }
    hours
}

/// What the run of the usage's end finds of a customer.
fn found(world: World, number: u64) -> Vec<Finding> {
    found_at(world, number, 0)
}

/// What the run so many hours before the usage's end finds of a customer.
fn found_at(world: World, number: u64, hours_ago: usize) -> Vec<Finding> {
    let catalog = Catalog::built_in().unwrap();
    let settings = catalog.settings(&DetectionConfig::default()).unwrap();
    let end = Hour::holding(Timestamp::from_second(world.end_hour * 3_600).unwrap());
    let newest = end.plus(-1 - hours_ago as i64);
    let calendar = Calendar::undeclared(newest.latest_at((number % 24) as u8));
    let first = end.plus(-24 * world.days as i64);
    let skipped = usize::try_from(calendar.begin().since(first)).unwrap_or(0);
    let until = 24 * world.days - hours_ago;
    let hours = hours_of_events(world, number).map(|values| values[..until].to_vec());
    let first_use = |values: &Vec<f64>| values[skipped..].iter().position(|value| !value.is_nan());
    let begin = first.plus(skipped as i64);
    let since = begin.plus(hours.iter().filter_map(first_use).min().unwrap_or(0) as i64);
    let mut found = Vec::new();
    for (place, metric) in METRICS.into_iter().enumerate() {
        let spec = catalog.metrics().iter().position(|spec| spec.name.as_str() == NAMES[place]).unwrap();
        let series = catalog.metrics()[spec].hours(begin, &hours[place][skipped..], since);
        let assessment = assess(&series, newest, since, &calendar, &Profile::FLAT, &settings[spec]);
        let is_shape = assessment.review.as_ref().is_some_and(|review| review.is_shape_change);
        let Verdict::Anomalous(finding) = assessment.verdict else { continue };
        let direction = match finding.direction {
            detection::Direction::Spike => Direction::Spike,
            detection::Direction::Drop => Direction::Drop,
        };
        let severity = match finding.severity {
            detection::Severity::Warning => Severity::Warning,
            detection::Severity::Critical => Severity::Critical,
        };
        found.push(Finding { customer: number, metric, direction, severity, is_shape });
    }
    found
}

fn planted(plan: &plan::CustomerPlan) -> Vec<Finding> {
    let finding = |planted: &super::labels::Planted| {
        Some(Finding {
            customer: plan.number,
            metric: planted.metric,
            direction: planted.kind.direction(),
            severity: planted.severity?,
            is_shape: planted.kind == Kind::Shape,
        })
    };
    plan.planted.iter().filter_map(finding).collect()
}

/// Six hours of a Sunday held about half of their usual jobs, when hours and jobs of the current window varied as those of others.
#[test]
fn few_jobs_on_a_sunday_are_no_drop_by_chance() {
    let world = World { seed: 42, end_hour: MONDAY + 24 * 13 + 16, days: DAYS };
    assert_eq!(planted(&plan::plan(world, 126)), []);
    assert_eq!(found(world, 126), []);
}

#[test]
fn a_run_finds_what_is_planted_and_nothing_else() {
    for (seed, weekday, hour) in [
        (1, 0, 0),
        (2, 1, 7),
        (3, 2, 13),
        (4, 3, 23),
        (5, 4, 0),
        (6, 5, 7),
        (7, 6, 13),
        (8, 5, 1),
        (9, 0, 1),
        (10, 6, 23),
        (42, 0, 23),
        (42, 3, 19),
    ] {
        let world = World { seed, end_hour: MONDAY + 24 * weekday + hour, days: DAYS };
        let (mut expected, mut actual) = (BTreeSet::new(), BTreeSet::new());
        for number in 1..=60 {
            expected.extend(planted(&plan::plan(world, number)));
            actual.extend(found(world, number));
        }
        let missing: Vec<_> = expected.difference(&actual).collect();
        let more: Vec<_> = actual.difference(&expected).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "seed {seed}, weekday {weekday}, hour {hour}: missing {missing:?}, not planted {more:?}"
        );
    }
}

#[test]
fn the_runs_of_earlier_weeks_find_the_weekly_job() {
    for (seed, weekday, hour) in [(1, 0, 0), (2, 1, 7), (3, 4, 13), (42, 3, 19), (42, 6, 23)] {
        let world = World { seed, end_hour: MONDAY + 24 * weekday + hour, days: DAYS };
        let has_job = |number: &u64| scenario::of(seed, *number) == Some(Scenario::WeeklyJob);
        let number = (1..=40).find(has_job).expect("a customer with a weekly job");
        let planted = plan::plan(world, number).planted;
        assert_eq!(planted.len(), 1);
        for &hours_ago in planted[0].earlier {
            let job = found_at(world, number, hours_ago);
            let keys: Vec<_> =
                job.iter().map(|found| (found.metric, found.direction, found.severity)).collect();
            assert_eq!(keys, [(Metric::Bandwidth, Direction::Spike, Severity::Critical)]);
        }
    }
}

#[test]
fn the_events_add_up_to_the_plan() {
    let world = World { seed: 3, end_hour: MONDAY + 13, days: DAYS };
    let start_ms = HOUR_MS * (world.end_hour - 24 * DAYS as i64);
    for number in 1..=60 {
        let plan = plan::plan(world, number);
        let events = make(world, number).events;
        assert_eq!(events.len() as u64, plan.usage.event_count());
        assert!(events.iter().all(|event| (start_ms..HOUR_MS * world.end_hour).contains(&event.timestamp)));
        let amounts = |series: &super::usage::Series| series.amounts.iter().sum::<u64>();
        for (event_type, planned) in [
            (EventType::ApiRequest, amounts(&plan.usage.api)),
            (EventType::Compute, amounts(&plan.usage.compute)),
        ] {
            let of_type = events.iter().filter(|event| event.event_type == event_type);
            assert_eq!(of_type.map(|event| event.amount).sum::<u64>(), planned, "customer {number}");
        }
    }
}

#[test]
fn the_first_forty_customers_have_every_kind_on_every_metric() {
    for seed in 0..20 {
        let world = World { seed, end_hour: MONDAY, days: DAYS };
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
        let world = World { seed, end_hour: MONDAY, days: DAYS };
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
    assert_eq!(with, 28 + 249 * 2);
}

/// The first bytes of a seed are part of its promise: the same rows on any machine, in any version.
#[test]
fn the_rows_of_a_seed_stay_the_same() {
    let world = World { seed: 42, end_hour: MONDAY, days: DAYS };
    let events = make(world, 7).events;
    let digest = events.iter().fold(0xcbf2_9ce4_8422_2325_u64, |digest, event| {
        let fields = [event.event_type as u64, event.timestamp as u64, event.amount];
        fields.iter().fold(digest, |digest, field| (digest ^ field).wrapping_mul(0x0100_0000_01b3))
    });
    assert_eq!((events.len(), digest), (8785, 6_335_276_534_049_856_725));
}
