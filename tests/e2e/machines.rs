//! Machines in the collector's own table: a fault of one metric among seven is told, and what many days had is not.

mod networks;
mod shapes;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use detector::{App, Request};
use e2e::World;
use e2e::world::{END, hourly, now, run, text, timestamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const PRESET: &str = include_str!("../../shared/catalog/presets/machines.toml");

const TABLE: &str = include_str!("../../infra/clickhouse/machines_otel.sql");

/// The preset's `delay`.
const DELAY: SignedDuration = SignedDuration::from_mins(1);

struct Machines {
    world: World,
    app: App,
    /// The end of the newest minute.
    end: Timestamp,
    file: tempfile::NamedTempFile,
}

/// One sample a minute.
const A_MINUTE: i64 = 60;

/// The seven metrics of a machine: name, attribute `state`, and usual value.
const METRICS: &str = "[('system.cpu.utilization', 'idle', 0.6), ('system.memory.utilization', 'used', 0.5), ('system.network.io', '', 2e6),
    ('ping.rtt.avg', '', 12.), ('ping.rtt.stddev', '', 2.), ('ping.loss.ratio', '', 0.001), ('system.network.errors', '', 0.1)]";

impl Machines {
    async fn new() -> Result<Self> {
        Self::with(PRESET).await
    }

    /// The newest minute is the last one of five in which shapes are judged. Runs in between end no incident.
    async fn of_five_minutes(catalog: &str) -> Result<Self> {
        let machines = Self::with(catalog).await?;
        let end = machines.end.as_second();
        Ok(Self { end: Timestamp::from_second(end - end.rem_euclid(300))?, ..machines })
    }

    /// A world with this catalog.
    async fn with(catalog: &str) -> Result<Self> {
        let world = World::without_migration().await?;
        let admin = world.clickhouse.clone().with_database("system");
        admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
        world.clickhouse.query_raw(TABLE.trim_end().trim_end_matches(';')).execute().await?;
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), catalog)?;
        let path = file.path().to_str().context("a path")?;
        let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
        for source in app.catalog.all() {
            e2e::warehouse::make_tables(&world.clickhouse, &world.database, source).await?;
        }
        let now = (timestamp() - DELAY).as_second() - 2;
        Ok(Self { world, app, end: Timestamp::from_second(now - now.rem_euclid(60))?, file })
    }

    /// Days of six machines with seven metrics. `factor` is SQL of `machine`, `name` and `minute`: how many times the usual
    /// value a sample is, so many minutes before the newest.
    ///
    /// * `step`: seconds from one sample to the next in the newest three hours. The newest one is half as many seconds before the
    ///   end. Earlier samples come each minute.
    async fn insert(&self, days: i64, step: i64, factor: &str) -> Result<()> {
        self.insert_some(days, step, factor, "true").await
    }

    /// Only those samples of them for which a condition of SQL holds.
    async fn insert_some(&self, days: i64, step: i64, factor: &str, condition: &str) -> Result<()> {
        let newest = 3 * 3_600 / step;
        let statement = format!(
            "INSERT INTO otel_metrics_gauge (ResourceAttributes, MetricName, Attributes, TimeUnix, Value)
             SELECT map('service.namespace', 'acme', 'host.name', concat('web-', toString(machine))), name,
                 map('state', metric.2, 'device', 'eth0'), fromUnixTimestamp64Nano(toInt64({end} - middle - ago) * 1000000000),
                 metric.3 * (0.95 + (cityHash64(machine, name, number) % 1000) / 1e4) * ({factor})
             FROM
             (
                 SELECT toInt64(n) AS number, if(number < {newest}, number * {step}, 10800 + 60 * (number - {newest})) AS ago,
                     if(number < {newest}, {step}, 60) / 2 AS middle, intDiv(ago, 60) AS minute,
                     arrayJoin(range(1, 7)) AS machine, metric.1 AS name, arrayJoin({METRICS}) AS metric
                 FROM (SELECT number AS n FROM numbers({count}))
             )
             WHERE {condition}",
            end = self.end.as_second(),
            count = newest + (days * 24 - 3) * 60,
        );
        Ok(self.world.clickhouse.query_raw(&statement).execute().await?)
    }

    /// One sample of each metric of each machine, of now. The processor of the second machine may be busy.
    async fn insert_now(&self, is_busy: bool) -> Result<Timestamp> {
        let now = timestamp();
        let statement = format!(
            "INSERT INTO otel_metrics_gauge (ResourceAttributes, MetricName, Attributes, TimeUnix, Value)
             SELECT map('service.namespace', 'acme', 'host.name', concat('web-', toString(machine))), metric.1,
                 map('state', metric.2, 'device', 'eth0'), fromUnixTimestamp64Nano(toInt64({now}) * 1000000),
                 metric.3 * (0.95 + (cityHash64(machine, metric.1, {now}) % 1000) / 1e4)
                     * if({is_busy} AND machine = 2 AND metric.1 = 'system.cpu.utilization', 0.05, 1)
             FROM (SELECT arrayJoin(range(1, 7)) AS machine, arrayJoin({METRICS}) AS metric)",
            now = now.as_millisecond()
        );
        self.world.clickhouse.query_raw(&statement).execute().await?;
        Ok(now)
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
            5,
            A_MINUTE,
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

/// Told means: the message is in the queue of a subscriber. The value is new in the table when it is read.
#[tokio::test]
async fn a_fault_is_told_within_thirty_seconds_of_its_first_value() -> Result<()> {
    let often = PRESET.replace("delay = \"1m\"", "every = \"10s\"\ndelay = \"2s\"");
    let mut machines = Machines::with(&often).await?;
    let (ten, now) = (SignedDuration::from_secs(10), timestamp().as_second());
    // A multiple of ten seconds, after the rows of a day are written.
    machines.end = Timestamp::from_second(now - now.rem_euclid(10))? + 4 * ten;
    machines.insert(1, 10, "1").await?;
    let start = machines.end;
    anyhow::ensure!(timestamp() < start, "the rows of a day took longer than half a minute");

    let app = machines.app.of_source("machines")?;
    let request = Request { source: Some("machines".to_owned()), time: start, ..hourly(END) };
    let checks = detector::run_all(&app, &request, Instant::now() + Duration::from_secs(300));
    // Each sample comes right after a check has closed its window, which is the worst time for a fault to begin.
    let samples = async {
        let mut first = None;
        for number in 0..5 {
            let time = start + ten * number + SignedDuration::from_millis(500);
            tokio::time::sleep(Duration::try_from(time.duration_since(timestamp()))?).await;
            let at = machines.insert_now(number >= 2).await?;
            first = first.or(Some(at).filter(|_| number >= 2));
        }
        first.context("a fault")
    };
    let told = async {
        loop {
            let alerts = machines.world.alerts().await?;
            if !alerts.is_empty() {
                return anyhow::Ok((timestamp(), alerts));
            }
        }
    };
    let (checks, samples, told) = tokio::join!(checks, samples, told);
    let (checks, first, (at, alerts)) = (checks?, samples?, told?);
    assert_eq!(checks.len(), 6, "{checks:?}");
    let told: Vec<_> = alerts.iter().map(|alert| (&alert["metric"], &alert["entity"])).collect();
    assert_eq!(told, [(&"machine_cpu".into(), &"web-2".into())], "{alerts:?}");
    let seconds = at.duration_since(first).as_millis() as f64 / 1e3;
    println!("told {seconds} s after the first value of the fault");
    assert!(seconds <= 30.0, "{seconds}");
    // Checks within the minute find the same fault, and it stays one incident.
    assert_eq!(machines.world.incidents().await?.len(), 1);
    assert!(machines.world.alerts().await?.is_empty());
    // A late event holds nothing up: of its checks only those of the whole minute and of the newest ten seconds are left.
    let minute = start.as_second() - start.as_second().rem_euclid(60) - 600;
    let late = Request { time: Timestamp::from_second(minute)?, ..request };
    let checks = detector::run_all(&app, &late, Instant::now() + Duration::from_secs(60)).await?;
    let ends = checks
        .iter()
        .map(|check| check.window.end.duration_since(late.time - SignedDuration::from_secs(2)).as_secs());
    assert_eq!(ends.collect::<Vec<_>>(), [2, 52], "{checks:?}");
    Ok(())
}

const CONFIG: &str = "/api/v1/monitoring/anomaly/config";

#[tokio::test]
async fn threshold_and_weights_of_the_vote_act() -> Result<()> {
    let machines = Machines::new().await?;
    machines
        .insert(3, A_MINUTE, "if(minute = 0 AND machine = 2 AND name = 'system.cpu.utilization', 0.05, 1)")
        .await?;
    let path = machines.file.path().to_str().context("a path")?;
    let api = machines.world.api_at(now, &[("CATALOG_PATH", path)], &machines.world.aws).await?;
    let app = machines.app.of_source("machines")?;
    let request = Request {
        source: Some("machines".to_owned()),
        time: machines.end + DELAY,
        dry_run: true,
        ..hourly(END)
    };
    let found = async || {
        let summary = run(&app, &request).await?;
        anyhow::Ok(summary.findings.into_iter().map(|found| found.metric.to_string()).collect::<Vec<_>>())
    };
    let weights = |forest: f64, network: f64| {
        let rest = (1.0 - forest - network) / 2.0;
        json!({ "isolation_forest": forest, "autoencoder": network, "rolling_z": rest, "seasonal_esd": rest })
    };
    let usual = json!({ "isolation_forest": 0.3, "autoencoder": 0.3, "rolling_z": 0.2, "seasonal_esd": 0.2 });
    let mut config = json!({ "threshold": 0.6, "weights": usual, "interval_seconds": 60, "version": 0, "updated_at": null });
    assert_eq!(api.read(CONFIG).await?, config);
    assert_eq!(found().await?, ["machine_cpu"]);

    // No score is 1. Then three detectors without a network have too little weight for a say.
    for (version, change, expected) in [
        (1, json!({ "threshold": 1.0 }), vec![]),
        (2, json!({ "threshold": 0.5 }), vec!["machine_cpu"]),
        (3, json!({ "weights": weights(0.25, 0.625) }), vec![]),
        (4, json!({ "weights": usual }), vec!["machine_cpu"]),
    ] {
        let answer = api.put(CONFIG, "", &change).await?;
        let mut stored = answer.json.clone();
        stored["updated_at"] = Value::Null;
        for (name, value) in change.as_object().context("an object")? {
            config[name] = value.clone();
        }
        config["version"] = json!(version);
        assert_eq!(stored, config, "{change}");
        assert_eq!(found().await?, expected, "{change}");
    }

    for (change, field, message, case) in [
        (json!({ "threshold": 0 }), "threshold", "above 0 and at most 1", "no threshold"),
        (json!({ "weights": weights(1.5, 0.0) }), "weights", "a weight from 0 to 1", "a weight"),
        (
            json!({ "weights": { "isolation_forest": 1, "autoencoder": 1, "rolling_z": 0, "seasonal_esd": 0 } }),
            "weights",
            "a sum of 1",
            "the sum",
        ),
        (json!({ "interval_seconds": 10 }), "interval_seconds", "`every` of the source", "the interval"),
        (json!({ "throttle_seconds": 10 }), "throttle_seconds", "each channel", "the throttle"),
    ] {
        api.put(CONFIG, "", &change).await?.assert_invalid(field, message, case);
    }
    api.put(CONFIG, "", &json!({ "sensitivity": 3 })).await?.assert_problem(400, "another field");
    assert_eq!(api.read(CONFIG).await?["version"], 4);
    Ok(())
}
