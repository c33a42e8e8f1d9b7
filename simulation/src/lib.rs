//! A simulation of incident handling over thousands of schedules. At every single call a run can be killed, repeated,
//! overtaken or left without an answer. The code under test is the detector's own, from the reading of the outbox to
//! the marking of the last alert. The engines below it are a model.
//!
//! * [`world`]: customers, their usage hour by hour, rules, caps and planned events of a seed.
//! * [`story`]: the runs of a seed and the fate of each call, all drawn from the seed.
//! * [`people`]: people who acknowledge, resolve and reopen incidents meanwhile.
//! * [`stage`]: all actors of an hour, one call after the other in the order that [`fate`] picks.
//! * [`desk`]: the place where the calls of runs wait; [`books`]: the ledger of a run, whose calls go there.
//! * [`table`]: the table, its indexes and the topic, under the conditions that the store states.
//! * [`invariants`], [`changes`], [`stories`], [`at_rest`]: the rules that hold always, at each change, and at the end.
//! * [`kills`]: one run, killed at each of its calls in turn.
//! * [`gaps`]: days without a run.
//! * [`bugs`]: mistakes that are planted on purpose. Each must be found.
//!
//! The model leaves out two things:
//!
//! * Calls that take longer than the claim on an alert. The outbox itself guards against them by the time that has
//!   passed.
//! * Items that DynamoDB has removed because they expired.
//!
//! A failed seed is told as a story. `SIMULATION_SEED=123 cargo test -p simulation seeds -- --nocapture` tells the
//! story of any seed. `SIMULATION_SEEDS=100000` plays more seeds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use detector::App;
use environment::Env;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use story::Story;
use world::World;

mod at_rest;
mod books;
mod bugs;
mod changes;
mod desk;
mod fate;
pub mod gaps;
mod invariants;
pub mod kills;
mod people;
mod rule;
mod stage;
mod stories;
mod story;
pub mod table;
mod telling;
mod world;

pub use bugs::Bug;
pub use invariants::Violation;
pub use rule::Rule;

/// The first seed with a violation of this kind, and its violations.
pub fn first(
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

/// Prints the story of a seed.
pub fn tell(seed: u64) {
    let (violations, told) = play(&mut app(), seed, None, true);
    println!("seed {seed}");
    told.iter().for_each(|line| println!("{line}"));
    violations.iter().for_each(|violation| println!("{:?}: {}", violation.rule, violation.what));
}

/// A detector whose clients are never used. It judges by the classical rule, which needs no fit, so that thousands of
/// schedules take seconds.
pub fn app() -> App {
    app_with(&[("DETECTORS", "z_score")]).expect("the defaults are right")
}

/// The same with these variables and the defaults of all others.
///
/// # Errors
///
/// When a variable is refused.
pub fn app_with(variables: &[(&str, &str)]) -> anyhow::Result<App> {
    let needed = [
        ("CLICKHOUSE_URL", "http://localhost:1"),
        ("ANOMALIES_TABLE", "simulated"),
        ("ALERT_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:simulated"),
    ];
    let variables = [&needed[..], variables].concat();
    let env = Env::of(&variables);
    let aws =
        aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
    let mut making = Box::pin(App::from_env(&env, &aws, || SystemTime::UNIX_EPOCH));
    match making.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(app) => app,
        std::task::Poll::Pending => unreachable!("nothing is read from anywhere"),
    }
}
