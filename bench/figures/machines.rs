//! Metric values of machines: how many a second are rolled up and judged, and the memory of a run of the packaged detector.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::World;
use e2e::world::timestamp;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use bench::figure::{Figure, Goal};

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

/// Windows that detectors look at, and hours that tell the season.
const MINUTES: u64 = 288;
const HOURS: u64 = 30 * 24;

/// The preset's delay.
const DELAY: SignedDuration = SignedDuration::from_mins(1);

const TABLE: &str = include_str!("../../infra/clickhouse/machines_otel.sql");

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    eprintln!("making 30 days of {MACHINES} machines …");
    let machines = Machines::new().await?;
    machines.insert_past("hour", HOURS, 3_600).await?;
    machines.insert_past("minute", MINUTES - 1, 60).await?;
    eprintln!("inserting a minute of values …");
    let rolled_up = machines.insert_minute().await?;
    eprintln!("judging the minute …");
    let (judged, memory) = machines.judge().await?;
    machines.drop().await?;

    let values = (MACHINES * METRICS.len() as u64 * VALUES) as f64;
    let a_second = |time: Duration| values / time.as_secs_f64();
    let made_of = format!(
        "{MACHINES} machines, a minute of {values} values: rolled up in {:.1} s, judged in {:.1} s",
        rolled_up.as_secs_f64(),
        judged.as_secs_f64()
    );
    let figure = |name: &str, value, unit, goal| Figure::new(name, value, unit, goal, made_of.clone());
    let mut figures = vec![
        figure(
            "machines: values rolled up and judged",
            a_second(rolled_up + judged),
            "/s",
            Goal::AtLeast(VALUES_A_SECOND),
        ),
        figure("machines: votes", MACHINES as f64 / judged.as_secs_f64(), "/s", Goal::AtLeast(100.0)),
    ];
    figures.extend(
        memory.map(|memory| figure("machines: memory of the run", memory, "MB", Goal::AtMost(128.0))),
    );
    Ok(figures)
}

struct Machines {
    world: World,
    /// The rollup of minutes keeps three days, so the newest minute is one of today.
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
        Ok(Self { world, end: Timestamp::from_second(before - before.rem_euclid(60))? })
    }

    /// Rows of a rollup: so many windows of so many seconds before the newest minute.
    async fn insert_past(&self, rollup: &str, windows: u64, seconds: u64) -> Result<()> {
        let table = if rollup == "hour" { "machines_hourly" } else { "machines_minute" };
        let newest = self.end.as_second() - 60;
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
                 SELECT concat('acme', char(31), 'machine-', toString(machine)), {metrics:?}[metric + 1],
                     toDateTime({start} - {seconds} * toInt64(ago), 'UTC'), events, events * value, value, value,
                     map(toInt16(floor(log(value) / log(1.05))), toUInt64(events))
                 FROM numbers({rows})
                 SETTINGS max_insert_threads = 2",
                metrics = METRICS.map(|name| name.to_owned()),
                rows = MACHINES * 7 * count,
            )
            .replace('"', "'"))
            .await?;
        }
        Ok(())
    }

    /// The values of the newest minute, a second at a time, as a collector inserts them. Views roll them up.
    async fn insert_minute(&self) -> Result<Duration> {
        let started = Instant::now();
        for second in 0..60_i64 {
            self.run(&format!(
                "INSERT INTO otel_metrics_gauge (ResourceAttributes, MetricName, Attributes, TimeUnix, Value)
                 SELECT map('service.namespace', 'acme', 'host.name', concat('machine-', toString(machine))), metric.1,
                     map('state', metric.2, 'device', 'eth0'), fromUnixTimestamp64Nano(toInt64({time}) * 1000000000),
                     metric.3 * (0.95 + (cityHash64(machine, metric.1, {second}) % 1000) / 1e4)
                         * if(machine % {ODD} = {FIRST_ODD} AND metric.2 = 'idle', 0.05, 1)
                 FROM (SELECT number AS machine, arrayJoin({COLLECTED}) AS metric FROM numbers({MACHINES}) WHERE number % 10 = {second} % 10)",
                time = self.end.as_second() - 60 + second,
            ))
            .await?;
        }
        Ok(started.elapsed())
    }

    /// The time of a run of the packaged detector, and its peak memory in megabytes, if the system reports it.
    async fn judge(&self) -> Result<(Duration, Option<f64>)> {
        let aws = aws().await?;
        let own = [("AWS_ENDPOINT_URL", aws.url.as_str()), ("CATALOG_PATH", "preset:machines")];
        let mut variables = self.world.variables(&own);
        let credentials =
            [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];
        variables.extend(credentials.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let event = json!({ "time": self.end + DELAY, "detail": { "source": "machines" } });
        let runtime_api = runtime_api(Some(event), RUN_TIME).await?;
        let mut running = Running::start(&detector(&target_folder())?, runtime_api, &variables)?;
        let summary = running.request("/response", RUN_TIME).await?.json();
        let of = |name: &str| {
            summary[name].as_u64().with_context(|| format!("a summary without {name}: {summary}"))
        };
        anyhow::ensure!(of("checked")? == MACHINES * 7, "not all series were judged: {summary}");
        let (found, odd) = (of("anomalies_found")?, MACHINES.div_ceil(ODD));
        anyhow::ensure!(found == odd, "{found} anomalies were found, and {odd} machines are odd: {summary}");
        Ok((Duration::from_millis(of("duration_ms")?), most_memory(running.process.id())))
    }

    async fn drop(self) -> Result<()> {
        self.run(&format!("DROP DATABASE `{}`", self.world.database)).await
    }

    async fn run(&self, text: &str) -> Result<()> {
        self.world.clickhouse.query_raw(text).execute().await.with_context(|| text.to_owned())
    }
}
