//! A simulation of incident handling over thousands of schedules, in which every run can be killed, repeated, overtaken
//! or left without an answer at every single call. The code that runs is the detector's own, from the reading of the
//! outbox to the marking of the last alert; what it runs on is a model.
//!
//! * [`world`]: customers, their usage hour by hour, rules, caps and planned events of a seed.
//! * [`story`]: which runs there are and what becomes of each call, all drawn from the seed.
//! * [`desk`]: the ledger of a run, whose calls wait until fate takes them up.
//! * [`table`]: the table, its indexes and the topic, under the conditions that the store states.
//! * [`invariants`]: what must hold.
//! * [`bugs`]: mistakes planted on purpose, each of which must be found.
//!
//! A seed that fails is told as a story; `SIMULATION_SEED=123 cargo test -p detector simulation -- --nocapture` tells
//! that of any seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use adapters::config::Env;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::App;
use bugs::Bug;
use invariants::{Rule, Violation};
use story::Story;
use world::World;

mod bugs;
mod desk;
mod invariants;
mod kills;
mod story;
mod table;
mod world;

/// Seeds within which each planted bug must be found.
const SEEDS_FOR_A_BUG: u64 = 2_000;

#[test]
fn ten_thousand_seeds_without_a_violation() {
    let seeds = match seed_of_environment() {
        Some(seed) => seed..seed + 1,
        None => 0..10_000,
    };
    let failed = first(seeds, None, |violations| !violations.is_empty());
    if let Some((seed, violations)) = failed {
        tell(seed);
        panic!("seed {seed}: {violations:#?}");
    }
    if let Some(seed) = seed_of_environment() {
        tell(seed);
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

fn seed_of_environment() -> Option<u64> {
    std::env::var("SIMULATION_SEED").ok().map(|seed| seed.parse().expect("SIMULATION_SEED is a number"))
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

#[test]
#[ignore]
fn survey() {
    let n: u64 = std::env::var("SURVEY").unwrap().parse().unwrap();
    let mut app = app();
    let started = std::time::Instant::now();
    let mut kinds: BTreeMap<(Rule, String), (u64, u64, String)> = BTreeMap::new();
    for seed in 0..n {
        let (violations, _) = play(&mut app, seed, None, false);
        for v in violations.into_iter().take(1) {
            let key: String = v
                .what
                .split_whitespace()
                .filter(|w| w.len() < 14 && !w.contains(|c: char| c.is_ascii_digit()))
                .take(8)
                .collect::<Vec<_>>()
                .join(" ");
            let e = kinds.entry((v.rule, key)).or_insert((0, seed, v.what));
            e.0 += 1;
        }
    }
    println!("{:?}", started.elapsed());
    for ((rule, key), (count, seed, what)) in kinds {
        println!("{count} x {rule:?} [{key}] seed {seed}: {}", what.chars().take(300).collect::<String>());
    }
}
