//! Metric values of machines: how many a second are rolled up and judged, and the memory of a run of the packaged detector.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::World;
use e2e::world::timestamp;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use bench::figure::{Figure, Goal};

use warehouse::usage::BLOCK;

use crate::program::{Running, detector, most_memory, runtime_api, target_folder};
use crate::run::aws;
use crate::usage::RUN_TIME;

/// With seven metrics and a value each ten seconds they make 5,000 values a second.
const MACHINES: u64 = 7_143;

/// The metrics of the preset.
const METRICS: [&str; 7] = [
    "machine_cpu",
    "machine_memory",
    "machine_bandwidth",
    "machine_latency",
    "machine_jitter",
    "machine_packet_loss",
    "machine_error_rate",
];

/// Name, state and usual value of what these are made of.
const COLLECTED: &str = "[('system.cpu.utilization', 'idle', 0.6), ('system.memory.utilization', 'used', 0.5), ('system.network.io', '', 2e6),
    ('ping.rtt.avg', '', 12.), ('ping.rtt.stddev', '', 2.), ('ping.loss.ratio', '', 0.001), ('system.network.errors', '', 0.1)]";

const VALUES_A_SECOND: f64 = 5_000.0;

/// The processor of one machine of so many is busy in the newest minute: of the one with this number.
const ODD: u64 = 100;
const FIRST_ODD: u64 = 7;

/// Values of a machine and metric in a minute.
const VALUES: u64 = 6;

/// Minutes before the judged ones, and hours that tell the season. The minutes fill the blocks of samples that a run compares.
const MINUTES: u64 = 6 * 60 + 5;
const HOURS: u64 = 30 * 24;

const BLOCK_SECONDS: i64 = 300 * BLOCK as i64;

/// Blocks of samples that runs have kept, with that of the judged sample.
const BLOCKS: u64 = 14 * 6 + 2;

/// Minutes from one run that judges shapes to the next.
const FIVE: u32 = 5;

/// The preset's delay.
const DELAY: SignedDuration = SignedDuration::from_mins(1);

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

const TABLE: &str = include_str!("../../infra/clickhouse/machines_otel.sql");

/// How long a minute of values took, and what the run over it took.
struct Judged {
    rolled_up: Duration,
    judged: Duration,
    /// Peak memory in megabytes, if the system reports it.
    memory: Option<f64>,
    /// From the start of the program to its first alert and to its last one.
    alerts: [Duration; 2],
}

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    eprintln!("making 30 days of {MACHINES} machines …");
    let machines = Machines::new().await?;
    machines.insert_past("hour", HOURS, 3_600).await?;
    machines.insert_past("minute", MINUTES, 60).await?;
    eprintln!("keeping their samples of two weeks …");
    machines.keep_samples().await?;
    let usual = machines.minute(machines.end - MINUTE).await?;
    let full = machines.minute(machines.end).await?;
    machines.drop().await?;

    let values = (MACHINES * METRICS.len() as u64 * VALUES) as f64;
    let both = |of: &Judged| of.rolled_up + of.judged;
    let seconds = |time: Duration| time.as_secs_f64();
    let told = |of: &Judged| {
        let (rolled_up, judged) = (seconds(of.rolled_up), seconds(of.judged));
        format!("a minute of {values} values: rolled up in {rolled_up:.1} s, judged in {judged:.1} s")
    };
    let five = (FIVE - 1) * both(&usual) + both(&full);
    let of_five = format!(
        "{} usual minutes of {:.1} s and a full five of {:.1} s, {} s of values",
        FIVE - 1,
        seconds(both(&usual)),
        seconds(both(&full)),
        60 * FIVE
    );
    // The first value of a window waits for the end of the window, and then for the preset's delay.
    let waits = Duration::try_from(MINUTE + DELAY)?;
    let alerts = full.alerts.map(|after| seconds(waits + after));
    let alert = format!("{} s until the run, {:.1} s in it", waits.as_secs(), seconds(full.alerts[1]));
    let figure = |name: &str, value, unit, goal, made_of: &str| {
        Figure::new(name, value, unit, goal, made_of.to_owned())
    };
    let a_second = |values: f64, time| values / seconds(time);
    let goal = Goal::AtLeast(VALUES_A_SECOND);
    let mut figures = vec![
        figure(
            "machines: values rolled up and judged, with shapes",
            a_second(f64::from(FIVE) * values, five),
            "/s",
            goal,
            &of_five,
        ),
        figure(
            "machines: the same in a usual minute",
            a_second(values, both(&usual)),
            "/s",
            goal,
            &told(&usual),
        ),
        figure(
            "machines: the same at a full five",
            a_second(values, both(&full)),
            "/s",
            Goal::Stated,
            &told(&full),
        ),
        figure(
            "machines: votes",
            MACHINES as f64 / seconds(usual.judged),
            "/s",
            Goal::AtLeast(100.0),
            &told(&usual),
        ),
        figure("machines: from a value to its alert at most", alerts[1], "s", Goal::AtMost(180.0), &alert),
        figure("machines: from a value to the first alert at most", alerts[0], "s", Goal::Stated, &alert),
    ];
    for (name, of) in [("a usual run", &usual), ("the run at a full five", &full)] {
        let figure = |memory| {
            figure(&format!("machines: memory of {name}"), memory, "MB", Goal::AtMost(128.0), &told(of))
        };
        figures.extend(of.memory.map(figure));
    }
    Ok(figures)
}

struct Machines {
    world: World,
    /// The end of the newest minute, in which shapes are judged. The rollup of minutes keeps three days, so that minute is one of today.
    end: Timestamp,
}

impl Machines {
    async fn new() -> Result<Self> {
        let world = World::without_migration().await?;
        let admin = world.clickhouse.clone().with_database("system");
        admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
        world.clickhouse.query_raw(TABLE.trim_end().trim_end_matches(';')).execute().await?;
        let app = world.app_with(&[("CATALOG_PATH", "preset:machines")], &world.aws).await?;
        for source in app.catalog.all() {
            e2e::warehouse::migrate(&world.clickhouse, &world.database, source).await?;
        }
        let before = timestamp().as_second();
        Ok(Self { world, end: Timestamp::from_second(before - before.rem_euclid(300))? })
    }

    /// Rolls up a minute of values, and judges it.
    async fn minute(&self, end: Timestamp) -> Result<Judged> {
        eprintln!("inserting the minute of values to {end} …");
        let rolled_up = self.insert_minute(end).await?;
        eprintln!("judging the minute …");
        self.judge(end, rolled_up).await
    }

    /// What runs have kept: blocks of noise, and in the newest ones the means of the rollup of minutes, which a run compares.
    async fn keep_samples(&self) -> Result<()> {
        let newest = (self.end.as_second() - 1).div_euclid(BLOCK_SECONDS);
        let first = self.end.as_second() - 60 * (MINUTES as i64 + 2);
        // Blocks that begin since then are made of minutes.
        let rolled_up = (first + BLOCK_SECONDS - 1).div_euclid(BLOCK_SECONDS);
        let oldest = newest + 1 - BLOCKS as i64;
        // A day at a time is a part of the table, as after its merges.
        for begin in (oldest..rolled_up).step_by(6) {
            let count = (rolled_up - begin).min(6);
            self.run(&format!(
                "INSERT INTO machines_samples (customer_id, metric, block, version, means, two_hours, four_hours)
                 WITH {begin} + number % {count} AS block, intDiv(number, {count}) AS series, series % 7 AS metric,
                     intDiv(series, 7) AS machine, [40., 50., 2e6, 12., 2., 0.1, 0.1][metric + 1] AS usual
                 SELECT concat('acme', char(31), 'machine-', toString(machine)), {metrics}[metric + 1],
                     toDateTime(block * {BLOCK_SECONDS}, 'UTC'), (block + 1) * {BLOCK_SECONDS},
                     arrayMap(n -> usual * (0.95 + (cityHash64(machine, metric, block, n) % 1000) / 1e4), range({BLOCK})),
                     arrayMap(n -> usual * (0.028 + (cityHash64(machine, metric, block, n, 2) % 1000) / 2e5), range({BLOCK})),
                     arrayMap(n -> usual * (0.028 + (cityHash64(machine, metric, block, n, 4) % 1000) / 2e5), range({BLOCK}))
                 FROM numbers({rows})
                 SETTINGS max_insert_threads = 2",
                metrics = names(),
                rows = MACHINES * 7 * count as u64,
            ))
            .await?;
        }
        self.run(&format!(
            "INSERT INTO machines_samples (customer_id, metric, block, version, means, two_hours, four_hours)
             SELECT customer_id, metric, toDateTime(block * {BLOCK_SECONDS}, 'UTC'), {version}, arraySort(groupArray((slot, mean))).2 AS means,
                 arrayMap(mean -> mean * 0.03, means), arrayMap(mean -> mean * 0.03, means)
             FROM
             (
                 SELECT customer_id, metric, intDiv(toUnixTimestamp(minute), 300) AS slot, intDiv(slot, {BLOCK}) AS block,
                     avg(of_minute) AS mean
                 FROM
                 (
                     SELECT customer_id, metric, minute, sum(total) / sum(events) AS of_minute
                     FROM machines_minute GROUP BY customer_id, metric, minute
                 )
                 WHERE minute >= toDateTime({since}, 'UTC') AND minute < toDateTime({version}, 'UTC')
                 GROUP BY customer_id, metric, slot
             )
             GROUP BY customer_id, metric, block",
            since = rolled_up * BLOCK_SECONDS,
            // The judged sample is not kept yet.
            version = self.end.as_second() - 300,
        ))
        .await
    }

    /// Rows of a rollup: so many windows of so many seconds before the two judged minutes.
    async fn insert_past(&self, rollup: &str, windows: u64, seconds: u64) -> Result<()> {
        let table = if rollup == "hour" { "machines_hourly" } else { "machines_minute" };
        let newest = self.end.as_second() - 120;
        let start = newest - newest.rem_euclid(i64::try_from(seconds)?);
        // An hour at a time is a part of the table, as if the values had come one after the other.
        let step = 24;
        for first in (1..=windows).step_by(step) {
            let count = (windows + 1 - first).min(step as u64);
            self.run(&format!(
                "INSERT INTO {table} (customer_id, metric, {rollup}, events, total, peak, low, shape)
                 WITH {first} + number % {count} AS ago, intDiv(number, {count}) AS series,
                     series % 7 AS metric, intDiv(series, 7) AS machine,
                     [40., 50., 2e6, 12., 2., 0.1, 0.1][metric + 1]
                         * (0.95 + (cityHash64(machine, metric, ago) % 1000) / 1e4) AS value,
                     intDiv({seconds}, 10) AS events
                 SELECT concat('acme', char(31), 'machine-', toString(machine)), {metrics}[metric + 1],
                     toDateTime({start} - {seconds} * toInt64(ago), 'UTC'), events, events * value, value, value,
                     map(toInt16(floor(log(value) / log(1.05))), toUInt64(events))
                 FROM numbers({rows})
                 SETTINGS max_insert_threads = 2",
                metrics = names(),
                rows = MACHINES * 7 * count,
            ))
            .await?;
        }
        Ok(())
    }

    /// The values of a minute, a second at a time, as a collector inserts them. Views roll them up.
    async fn insert_minute(&self, end: Timestamp) -> Result<Duration> {
        let started = Instant::now();
        for second in 0..60_i64 {
            self.run(&format!(
                "INSERT INTO otel_metrics_gauge (ResourceAttributes, MetricName, Attributes, TimeUnix, Value)
                 SELECT map('service.namespace', 'acme', 'host.name', concat('machine-', toString(machine))), metric.1,
                     map('state', metric.2, 'device', 'eth0'), fromUnixTimestamp64Nano(toInt64({time}) * 1000000000),
                     metric.3 * (0.95 + (cityHash64(machine, metric.1, {second}) % 1000) / 1e4)
                         * if(machine % {ODD} = {FIRST_ODD} AND metric.2 = 'idle', 0.05, 1)
                 FROM (SELECT number AS machine, arrayJoin({COLLECTED}) AS metric FROM numbers({MACHINES}) WHERE number % 10 = {second} % 10)",
                time = end.as_second() - 60 + second,
            ))
            .await?;
        }
        Ok(started.elapsed())
    }

    /// A run of the packaged detector.
    async fn judge(&self, end: Timestamp, rolled_up: Duration) -> Result<Judged> {
        let aws = aws().await?;
        let own = [("AWS_ENDPOINT_URL", aws.url.as_str()), ("CATALOG_PATH", "preset:machines")];
        let mut variables = self.world.variables(&own);
        let credentials =
            [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];
        variables.extend(credentials.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let event = json!({ "time": end + DELAY, "detail": { "source": "machines" } });
        let runtime_api = runtime_api(Some(event), RUN_TIME).await?;
        let started = Instant::now();
        let mut running = Running::start(&detector(&target_folder())?, runtime_api, &variables)?;
        let summary = running.request("/response", RUN_TIME).await?.json();
        let of = |name: &str| {
            summary[name].as_u64().with_context(|| format!("a summary without {name}: {summary}"))
        };
        anyhow::ensure!(of("checked")? == MACHINES * 7, "not all series were judged: {summary}");
        let (found, odd) = (of("anomalies_found")?, MACHINES.div_ceil(ODD));
        anyhow::ensure!(found == odd, "{found} anomalies were found, and {odd} machines are odd: {summary}");
        let requests = aws.requests().into_iter();
        let mut alerts =
            requests.filter(|request| request.body.contains("Action=Publish")).map(|alert| alert.at);
        let first = alerts.next().context("no alert was sent")?;
        Ok(Judged {
            rolled_up,
            judged: Duration::from_millis(of("duration_ms")?),
            memory: most_memory(running.process.id()),
            alerts: [first, alerts.last().unwrap_or(first)].map(|at| at.duration_since(started)),
        })
    }

    async fn drop(self) -> Result<()> {
        self.run(&format!("DROP DATABASE `{}`", self.world.database)).await
    }

    async fn run(&self, text: &str) -> Result<()> {
        self.world.clickhouse.query_raw(text).execute().await.with_context(|| text.to_owned())
    }
}

/// The names of the metrics as a list of SQL.
fn names() -> String {
    format!("{METRICS:?}").replace('"', "'")
}
