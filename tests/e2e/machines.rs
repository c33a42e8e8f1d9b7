//! Machines in the collector's own table: a fault of one metric among seven is told, and what many days had is not.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use detector::{App, Request};
use e2e::World;
use e2e::world::{END, hourly, run, text, timestamp};
use jiff::{SignedDuration, Timestamp};

const TABLE: &str = include_str!("../../infra/clickhouse/machines_otel.sql");

/// The preset's `delay`.
const DELAY: SignedDuration = SignedDuration::from_mins(1);

struct Machines {
    world: World,
    app: App,
    /// The end of the newest minute.
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
        let now = (timestamp() - DELAY).as_second() - 2;
        Ok(Self { world, app, end: Timestamp::from_second(now - now.rem_euclid(60))? })
    }

    /// Five days of six machines with seven metrics, a sample a minute. `factor` is SQL of `machine`, `name` and `minute`: how many
    /// times the usual value a sample is, so many minutes before the newest.
    async fn insert(&self, factor: &str) -> Result<()> {
        let statement = format!(
            "INSERT INTO otel_metrics_gauge (ResourceAttributes, MetricName, Attributes, TimeUnix, Value)
             SELECT map('service.namespace', 'acme', 'host.name', concat('web-', toString(machine))), name,
                 map('state', metric.2, 'device', 'eth0'), fromUnixTimestamp64Nano(toInt64({end} - 30 - 60 * minute) * 1000000000),
                 metric.3 * (0.95 + (cityHash64(machine, name, minute) % 1000) / 1e4) * ({factor})
             FROM
             (
                 SELECT number AS minute, arrayJoin(range(1, 7)) AS machine, metric.1 AS name, arrayJoin([
                     ('system.cpu.utilization', 'idle', 0.6), ('system.memory.utilization', 'used', 0.5), ('system.network.io', '', 2e6),
                     ('ping.rtt.avg', '', 12.), ('ping.rtt.stddev', '', 2.), ('ping.loss.ratio', '', 0.001), ('system.network.errors', '', 0.1)
                 ]) AS metric
                 FROM numbers(7200)
             )",
            end = self.end.as_second()
        );
        Ok(self.world.clickhouse.query_raw(&statement).execute().await?)
    }

    /// What a run finds that judges the minute until a time: metric, machine and direction.
    async fn found(&self, end: Timestamp) -> Result<BTreeSet<[String; 3]>> {
        let request = Request { source: Some("machines".to_owned()), time: end + DELAY, ..hourly(END) };
        run(&self.app.of_source("machines")?, &request).await.context("the run")?;
        let items = self.world.all_items().await?;
        let anomalies = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY"));
        Ok(anomalies.map(|item| ["metric", "entity", "direction"].map(|name| text(item, name))).collect())
    }
}

#[tokio::test]
async fn faults_of_machines_are_told_and_nothing_else() -> Result<()> {
    let machines = Machines::new().await?;
    // The processor of one machine is busy, and the latency of another one explodes. A third one sends as much as on four days before.
    machines
        .insert(
            "multiIf(minute = 0 AND machine = 2 AND name = 'system.cpu.utilization', 0.05,
                     minute = 0 AND machine = 3 AND name = 'ping.rtt.avg', 8,
                     minute IN (0, 1740, 3180, 4620, 6060) AND machine = 4 AND name = 'system.network.io', 6, 1)",
        )
        .await?;
    // A data point without a value says so, and is no silence.
    let stale = format!(
        "INSERT INTO otel_metrics_gauge (ResourceAttributes, MetricName, Attributes, TimeUnix, Value, Flags)
         SELECT map('service.namespace', 'acme', 'host.name', 'web-5'), 'ping.rtt.avg', map(),
             fromUnixTimestamp64Nano(toInt64({} - 20) * 1000000000), 900, 1",
        machines.end.as_second()
    );
    machines.world.clickhouse.query_raw(&stale).execute().await?;
    let before = machines.found(machines.end - SignedDuration::from_mins(1)).await?;
    assert_eq!(before, BTreeSet::new(), "a minute before the faults");
    let expected = [["machine_cpu", "web-2", "spike"], ["machine_latency", "web-3", "spike"]];
    assert_eq!(machines.found(machines.end).await?, expected.map(|of| of.map(str::to_owned)).into());

    let items = machines.world.all_items().await?;
    let slow = items
        .iter()
        .find(|item| text(item, "sk").starts_with("ANOMALY") && text(item, "metric") == "machine_latency")
        .context("the anomaly")?;
    let said = text(slow, "description");
    assert!(said.contains("of 3 detectors flag it") && said.contains("usually 12"), "{said}");
    Ok(())
}
