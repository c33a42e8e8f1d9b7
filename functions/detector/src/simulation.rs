//! A simulation of incident handling over thousands of schedules, in which every run can be killed, repeated, overtaken
//! or left without an answer at every single call. The code that runs is the detector's own, from the reading of the
//! outbox to the marking of the last alert; what it runs on is a model.
//!
//! * [`world`]: customers, their usage hour by hour, rules, caps and planned events of a seed.
//! * [`story`]: which runs there are and what becomes of each call, all drawn from the seed.
//! * [`people`]: those who acknowledge, resolve and reopen incidents meanwhile.
//! * [`desk`]: the ledger of a run, whose calls wait until fate takes them up.
//! * [`table`]: the table, its indexes and the topic, under the conditions that the store states.
//! * [`invariants`]: what must hold.
//! * [`kills`]: one run, killed at each of its calls in turn.
//! * [`bugs`]: mistakes planted on purpose, each of which must be found.
//!
//! Two things of the store are not modelled: calls that take longer than the claim on an alert, which the outbox itself
//! guards against by the time that has passed, and items that DynamoDB has removed because they expired.
//!
//! A seed that fails is told as a story; `SIMULATION_SEED=123 cargo test -p detector simulation -- --nocapture` tells
//! that of any seed, and `SIMULATION_SEEDS=100000` plays more of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use environment::Env;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::App;
use bugs::Bug;
use invariants::Violation;
use story::Story;
use world::World;

mod bugs;
mod desk;
mod invariants;
mod kills;
mod people;
mod story;
mod table;
mod telling;
mod world;

/// Seeds within which each planted bug must be found.
const SEEDS_FOR_A_BUG: u64 = 2_000;

#[test]
fn ten_thousand_seeds_without_a_violation() {
    let chosen = number_of_environment("SIMULATION_SEED");
    let seeds = match chosen {
        Some(seed) => seed..seed + 1,
        None => 0..number_of_environment("SIMULATION_SEEDS").unwrap_or(10_000),
    };
    let failed = first(seeds, None, |violations| !violations.is_empty());
    if let Some(seed) = failed.as_ref().map(|(seed, _)| *seed).or(chosen) {
        tell(seed);
    }
    if let Some((seed, violations)) = failed {
        panic!("seed {seed}: {violations:#?}");
    }
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for (bug, rule) in Bug::ALL {
        let breaks = |violations: &[Violation]| violations.iter().any(|violation| violation.rule == rule);
        match first(0..SEEDS_FOR_A_BUG, Some(bug), breaks) {
            Some((seed, _)) => println!("{bug:?} breaks the rule {rule:?} in seed {seed}"),
            None => missed.push(bug),
        }
    }
    assert_eq!(missed, [], "{SEEDS_FOR_A_BUG} seeds did not find everything");
}

#[test]
fn a_run_killed_at_any_call_and_run_again_ends_as_an_undisturbed_one() {
    let mut app = app();
    let kills: Result<Vec<usize>, String> =
        (0..100).map(|seed| kills::at_every_call(&mut app, seed)).collect();
    let kills: usize = kills.unwrap().iter().sum();
    assert!(kills > 3_000, "only {kills} kills");
    println!("{kills} kills");
}

#[test]
fn an_incident_is_read_again_only_for_its_texts() {
    let mut app = app();
    let mut quiet = 0;
    for seed in 0..100 {
        let (read_again, quiet_changes) = kills::reads_again(&mut app, seed);
        assert_eq!(read_again, quiet_changes, "seed {seed}");
        quiet += quiet_changes;
    }
    assert!(quiet > 100, "only {quiet} changes without an anomaly");
}

/// The first seed whose violations are such, and what they are.
fn first(
    seeds: Range<u64>,
    bug: Option<Bug>,
    are_such: impl Fn(&[Violation]) -> bool + Sync,
) -> Option<(u64, Vec<Violation>)> {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(BTreeMap::new());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            threads.spawn(|| {
                let mut app = app();
                while found.lock().unwrap().is_empty() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let violations = play(&mut app, seed, bug, false).0;
                    if are_such(&violations) {
                        found.lock().unwrap().insert(seed, violations);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap().into_iter().next()
}

fn play(app: &mut App, seed: u64, bug: Option<Bug>, told: bool) -> (Vec<Violation>, Vec<String>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let world = World::new(&mut rng, app);
    world.rule(app);
    let mut story = Story::new(app, &world, rng, bug);
    story.told = told.then(Vec::new);
    story.play();
    (std::mem::take(&mut story.watch.violations), story.told.take().unwrap_or_default())
}

fn tell(seed: u64) {
    let (violations, told) = play(&mut app(), seed, None, true);
    println!("seed {seed}");
    told.iter().for_each(|line| println!("{line}"));
    violations.iter().for_each(|violation| println!("{:?}: {}", violation.rule, violation.what));
}

fn number_of_environment(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a whole number"))
}

/// A detector whose clients are never used.
fn app() -> App {
    let env = Env::of(&[
        ("CLICKHOUSE_URL", "http://localhost:1"),
        ("ANOMALIES_TABLE", "simulated"),
        ("ALERT_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:simulated"),
    ]);
    let aws =
        aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let mut making = Box::pin(App::from_env(&env, &aws, || SystemTime::UNIX_EPOCH));
    match making.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(app) => app.expect("the settings are right"),
        std::task::Poll::Pending => unreachable!("nothing is read from anywhere"),
    }
}
