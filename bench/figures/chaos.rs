//! Runs that are killed at random times, while engines fail: what they leave behind, beside runs that nothing disturbs.
//!
//! Both judge the same hours of the same usage, each with a table, a topic and a queue of its own. After the kills of an hour one
//! run of it completes. At the end the items of both tables must be equal, and so must the alerts.
//!
//! A second fleet of runs also misses hours, and judges some of them late. Missed hours page nobody, so there the anomalies and
//! the facts of the incidents must be equal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use detector::App;
use e2e::World;
use e2e::engine::Engine;
use e2e::kills::traces;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::warehouse::make_tables;
use e2e::world::{END, at, hourly, run, text, variable};
use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use bench::figure::{Figure, Goal};

const CUSTOMERS: u64 = 60;

/// Hours that are judged.
const HOURS: i64 = 30;

/// Kills of each hour. With both fleets these are 300.
const KILLS: usize = 5;

/// Tries of an hour at most. A try that completes before its kill counts as none.
const TRIES: usize = 40;

/// The clocks of two runs at once differ by twice this at most.
const CLOCK_OFF: SignedDuration = SignedDuration::from_mins(4);

/// From one try to the next. The claims of a killed run on alerts end meanwhile.
const BETWEEN_TRIES: SignedDuration = SignedDuration::from_secs(80);

const SEED: u64 = 300;

/// The time of day, in Unix seconds.
static NOW: AtomicI64 = AtomicI64::new(0);

/// What happened, and what differs.
#[derive(Default)]
struct Tally {
    killed: u64,
    at_once: u64,
    engines_killed: u64,
    missed: u64,
    late: u64,
    faults: u64,
    /// Items that differ from those of undisturbed runs, or are missing, or are too many.
    different: u64,
    /// Alerts that only one side sent.
    lost_or_made_up: u64,
    /// Alerts that came more than once. The notifier drops the second one.
    repeated: u64,
    /// Items of the undisturbed runs.
    items: u64,
    alerts: u64,
}

/// What disturbs a fleet of runs.
#[derive(Clone, Copy, PartialEq)]
enum Disturbed {
    No,
    ByKills,
    ByKillsAndMissedHours,
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let mut engine = Engine::in_zone("UTC").await?;
    let usage = World::on(engine.url.clone()).await?;
    make_tables(&usage.clickhouse, &usage.database, &Catalog::built_in()?).await?;
    usage.clickhouse.query_raw(&usage_of_fleet()).execute().await?;
    let calm = usage.sibling().await?;
    let mut tally = Tally::default();
    eprintln!("judging {HOURS} hours undisturbed …");
    judge(&calm, &mut engine, Disturbed::No, &mut tally).await?;
    let (items, facts, alerts) = (traces(&calm).await?, facts(&calm).await?, calm.alert_counts().await?);
    (tally.items, tally.alerts) = (items.len() as u64, alerts.len() as u64);

    eprintln!("killing {} runs of the same hours …", KILLS as i64 * HOURS);
    let killed = usage.sibling().await?;
    judge(&killed, &mut engine, Disturbed::ByKills, &mut tally).await?;
    let (left, told) = (traces(&killed).await?, killed.alert_counts().await?);
    let is_in = |all: &[_], item| all.contains(item);
    let gone = items.iter().filter(|item| !is_in(&left, item)).count();
    tally.different += (gone + left.iter().filter(|item| !is_in(&items, item)).count()) as u64;
    let ids = |alerts: &BTreeMap<String, usize>| alerts.keys().cloned().collect::<BTreeSet<_>>();
    tally.lost_or_made_up += ids(&alerts).symmetric_difference(&ids(&told)).count() as u64;
    tally.repeated += told.values().filter(|count| **count > 1).count() as u64;

    eprintln!("killing {} more, and missing hours …", KILLS as i64 * HOURS);
    let missing = usage.sibling().await?;
    judge(&missing, &mut engine, Disturbed::ByKillsAndMissedHours, &mut tally).await?;
    tally.different += facts.symmetric_difference(&self::facts(&missing).await?).count() as u64;
    Ok(tally.figures())
}

impl Tally {
    fn figures(&self) -> Vec<Figure> {
        let made_of = format!(
            "{} items; {} faults of engines, {} kills of ClickHouse, {} tries of two runs at once with clocks up to {} minutes off, \
             {} hours missed, {} of them late",
            self.items,
            self.faults,
            self.engines_killed,
            self.at_once,
            2 * CLOCK_OFF.as_mins(),
            self.missed,
            self.late,
        );
        let figure =
            |name: &str, value: u64, goal, made_of| Figure::new(name, value as f64, "", goal, made_of);
        let of_alerts = format!("{} alerts", self.alerts);
        vec![
            figure("chaos: runs that were killed", self.killed, Goal::AtLeast(300.0), String::new()),
            figure(
                "chaos: items that differ from undisturbed runs",
                self.different,
                Goal::AtMost(0.0),
                made_of,
            ),
            figure(
                "chaos: alerts lost or made up",
                self.lost_or_made_up,
                Goal::AtMost(0.0),
                of_alerts.clone(),
            ),
            figure("chaos: alerts sent more than once", self.repeated, Goal::Stated, of_alerts),
        ]
    }
}

/// A month of each customer. One in three has a burst of some hours among those that are judged, and one in three falls silent.
fn usage_of_fleet() -> String {
    let days = 34;
    format!(
        "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
         WITH number % {CUSTOMERS} AS customer, intDiv(number, {CUSTOMERS}) AS hour, toInt64(hour) - 24 * {days} AS judged,
             toInt64(cityHash64(customer) % 20) AS begins, begins + 1 + cityHash64(customer, 'long') % 8 AS ends,
             judged >= begins AND judged < ends AS is_odd,
             multiIf(is_odd AND customer % 3 = 0, 12, is_odd AND customer % 3 = 1, 0, 1) AS times
         SELECT toString(number), concat('customer ', toString(customer)), 'compute',
             fromUnixTimestamp64Milli(toInt64({first} + toInt64(hour) * 3600000 + 1800000)),
             concat('{{\"cpu_ms\": ', toString(times * (900000 + cityHash64(customer, hour) % 200000)), '}}')
         FROM numbers({rows}) WHERE times > 0",
        first = (at(END) - SignedDuration::from_hours(24 * days)).as_millisecond(),
        rows = CUSTOMERS as i64 * (24 * days + HOURS),
    )
}

/// Judges the hours one after the other.
async fn judge(world: &World, engine: &mut Engine, disturbed: Disturbed, tally: &mut Tally) -> Result<()> {
    let mut draw = ChaCha8Rng::seed_from_u64(SEED + disturbed as u64);
    let app = with_clock(world.app().await?, on_time);
    let mut last_took = Duration::from_millis(500);
    let mut late = Vec::new();
    for hour in 1..=HOURS {
        let end = at(END) + SignedDuration::from_hours(hour);
        NOW.store(end.as_second() + 5, Ordering::Relaxed);
        if disturbed != Disturbed::No {
            kill_some(world, engine, end, last_took, &mut draw, tally).await?;
        }
        // The last hour closes all gaps.
        if disturbed == Disturbed::ByKillsAndMissedHours && hour < HOURS && draw.random_bool(0.3) {
            tally.missed += 1;
            late.push(end);
            continue;
        }
        let began = Instant::now();
        complete(&app, end).await?;
        last_took = began.elapsed();
        // The event of a missed hour comes after the hours behind it.
        for end in late.drain(..).filter(|_| draw.random_bool(0.5)) {
            tally.late += 1;
            complete(&app, end).await?;
        }
    }
    Ok(())
}

/// A run of an hour that is repeated until it completes, as Lambda repeats it.
async fn complete(app: &App, end: Timestamp) -> Result<()> {
    let mut last = None;
    for _ in 0..3 {
        match run(app, &hourly(&end.to_string())).await {
            Ok(_) => return Ok(()),
            Err(error) => last = Some(error),
        }
        pass(BETWEEN_TRIES);
    }
    Err(last.context("no try")?).with_context(|| format!("the hour to {end} does not complete"))
}

/// Kills runs of an hour at random times, while the engines fail at random.
async fn kill_some(
    world: &World,
    engine: &mut Engine,
    end: Timestamp,
    usual: Duration,
    draw: &mut ChaCha8Rng,
    tally: &mut Tally,
) -> Result<()> {
    let faults = Faults::new(draw.random());
    let aws = Proxy::start(&variable("AWS_ENDPOINT_URL")?, Faults::decide(&faults)).await?;
    let clickhouse = Proxy::start(&engine.url, Faults::decide(&faults)).await?;
    let config = world.aws_at(&aws.url).await;
    let through_proxy = [("CLICKHOUSE_URL", clickhouse.url.as_str())];
    let one = with_clock(world.app_with(&through_proxy, &config).await?, ahead);
    let other = with_clock(world.app_with(&through_proxy, &config).await?, behind);
    let request = hourly(&end.to_string());
    let mut killed = 0;
    for _ in 0..TRIES {
        if killed == KILLS {
            break;
        }
        let until = usual.mul_f64(draw.random_range(0.0..1.2));
        let at_once = draw.random_bool(0.3);
        faults.unreachable.store(draw.random_bool(0.05), Ordering::Relaxed);
        let runs = async {
            if at_once {
                let (one, other) = tokio::join!(run(&one, &request), run(&other, &request));
                one.and(other)
            } else {
                run(&one, &request).await
            }
        };
        // A run that fails by itself before its kill was disturbed by a fault alone.
        let ended = tokio::time::timeout(until, runs).await;
        killed += usize::from(ended.is_err());
        tally.killed += u64::from(ended.is_err());
        tally.at_once += u64::from(at_once);
        if draw.random_bool(0.02) {
            engine.restart().await?;
            tally.engines_killed += 1;
        }
        pass(BETWEEN_TRIES);
    }
    tally.faults += faults.count.load(Ordering::Relaxed);
    ensure!(killed == KILLS, "only {killed} runs of the hour to {end} could be killed");
    Ok(())
}

/// Faults of an engine, drawn request by request.
struct Faults {
    draw: Mutex<ChaCha8Rng>,
    count: AtomicU64,
    /// Whether nothing is answered at all.
    unreachable: AtomicBool,
}

impl Faults {
    fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self {
            draw: Mutex::new(ChaCha8Rng::seed_from_u64(seed)),
            count: AtomicU64::new(0),
            unreachable: AtomicBool::new(false),
        })
    }

    fn decide(faults: &Arc<Self>) -> impl Fn(&Seen) -> Action + Send + Sync + 'static {
        let faults = Arc::clone(faults);
        move |_| {
            let drawn = faults.draw.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..1_000);
            let action = match drawn {
                _ if faults.unreachable.load(Ordering::Relaxed) => {
                    Action::Answer(503, String::from("nobody is here"))
                }
                0..10 => Action::LoseAnswer,
                10..20 => Action::Answer(500, String::from("broken on purpose")),
                20..25 => Action::CutAfter(10),
                25..28 => Action::FreezeBefore,
                28..31 => Action::FreezeAfter,
                31..60 => Action::Delay(Duration::from_millis(30)),
                _ => return Action::Forward,
            };
            faults.count.fetch_add(1, Ordering::Relaxed);
            action
        }
    }
}

/// Anomalies and incidents without what depends on when people were told.
async fn facts(world: &World) -> Result<BTreeSet<Vec<String>>> {
    let of_anomaly = ["anomaly_id", "severity", "z_score", "excluded_windows", "incident_id", "state"];
    let of_incident = [
        "incident_id",
        "state",
        "anomalies",
        "severity",
        "peak_z_score",
        "last_seen",
        "over_at",
        "opened_at",
    ];
    let facts = |item: &_, names: &[&str]| names.iter().map(|name| text(item, name)).collect::<Vec<_>>();
    let anomalies = world.items().await?;
    let incidents = world.incidents().await?;
    let anomalies = anomalies.iter().map(|item| facts(item, &of_anomaly));
    Ok(anomalies.chain(incidents.iter().map(|item| facts(item, &of_incident))).collect())
}

fn with_clock(app: App, clock: fn() -> SystemTime) -> App {
    App { clock, ..app }
}

/// Lets time go on.
fn pass(time: SignedDuration) {
    NOW.fetch_add(time.as_secs(), Ordering::Relaxed);
}

fn on_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.load(Ordering::Relaxed).unsigned_abs())
}

fn ahead() -> SystemTime {
    on_time() + CLOCK_OFF.unsigned_abs()
}

fn behind() -> SystemTime {
    on_time() - CLOCK_OFF.unsigned_abs()
}
