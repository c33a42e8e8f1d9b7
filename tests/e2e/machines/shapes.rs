//! Shapes never seen: a course of hours that no single sample tells.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use catalog::Shard;
use detection::Window;
use detector::Request;
use e2e::warehouse::make_tables;
use e2e::world::{END, hourly, now, run, text};
use jiff::SignedDuration;
use serde_json::json;
use warehouse::usage::EntitiesRequest;

use super::{A_MINUTE, DELAY, Machines, PRESET};

/// For an hour and a half the processor of the second machine is busier by eight percent. The vote takes no change below ten for one.
const BUSIER: &str = "if(minute < 90 AND machine = 2 AND name = 'system.cpu.utilization', 0.86, 1)";

impl Machines {
    async fn with_a_busier_one() -> Result<Self> {
        let machines = Self::of_five_minutes(PRESET).await?;
        machines.insert(2, A_MINUTE, BUSIER).await?;
        Ok(machines)
    }

    /// How many samples runs have kept.
    async fn kept(&self) -> Result<u64> {
        let count = "SELECT sum(arrayCount(mean -> isFinite(mean), means)) FROM machines_samples FINAL";
        Ok(self.world.clickhouse.query_raw(count).fetch_one().await?)
    }

    /// The sample of the processor of a machine that ended so many minutes before the end: its mean and its distance of two hours.
    async fn sample(&self, machine: u8, minutes: i64) -> Result<(f32, f32)> {
        let text = format!(
            "SELECT mean, distance
             FROM machines_samples FINAL ARRAY JOIN means AS mean, two_hours AS distance, arrayEnumerate(means) AS number
             WHERE metric = 'machine_cpu' AND endsWith(customer_id, 'web-{machine}')
                 AND toUnixTimestamp(block) + 300 * number = {}",
            self.end.as_second() - 60 * minutes
        );
        Ok(self.world.clickhouse.query_raw(&text).fetch_one().await?)
    }
}

#[tokio::test]
async fn a_course_that_was_never_seen_is_told_at_full_five_minutes() -> Result<()> {
    let machines = Machines::with_a_busier_one().await?;
    let minutes = SignedDuration::from_mins;
    // All that the rollup holds is kept by the first run: 42 metrics, and two days but for the newest 100 minutes.
    assert_eq!(machines.found(machines.end - minutes(100)).await?, BTreeSet::new(), "before it is busier");
    assert_eq!(machines.kept().await?, 42 * (2 * 288 - 20));
    // A minute that ends no sample judges no shape.
    assert_eq!(machines.found(machines.end - minutes(1)).await?, BTreeSet::new(), "between two samples");
    assert_eq!(machines.kept().await?, 42 * (2 * 288 - 20));

    let expected: BTreeSet<_> = [["machine_cpu", "web-2", "spike"].map(str::to_owned)].into();
    assert_eq!(machines.found(machines.end).await?, expected);
    assert_eq!(machines.kept().await?, 42 * 2 * 288, "the samples since then are kept, too");
    let items = machines.world.all_items().await?;
    let anomaly = items.iter().find(|item| text(item, "sk").starts_with("ANOMALY")).context("the anomaly")?;
    let said = text(anomaly, "description");
    assert!(said.contains("the last 2 hours are like none of the two weeks before"), "{said}");
    // The same run again changes nothing.
    assert_eq!(machines.found(machines.end).await?, expected);
    assert_eq!((machines.world.incidents().await?.len(), machines.kept().await?), (1, 42 * 2 * 288));

    // What is kept of a metric goes when the metric means something else.
    std::fs::write(machines.file.path(), PRESET.replace("100 * (1 - Value)", "100 * Value"))?;
    let path = machines.file.path().to_str().context("a path")?;
    let changed = machines.world.app_with(&[("CATALOG_PATH", path)], &machines.world.aws).await?;
    let source = changed.of_source("machines")?;
    make_tables(&machines.world.clickhouse, &machines.world.database, &source.catalog).await?;
    assert_eq!(machines.kept().await?, 36 * 2 * 288);
    Ok(())
}

#[tokio::test]
async fn a_policy_moves_the_threshold_and_a_trial_keeps_nothing() -> Result<()> {
    let machines = Machines::with_a_busier_one().await?;
    let path = machines.file.path().to_str().context("a path")?;
    let api = machines.world.api_at(now, &[("CATALOG_PATH", path)], &machines.world.aws).await?;
    let app = machines.app.of_source("machines")?;
    let time = machines.end + DELAY;
    let trial = Request { source: Some("machines".to_owned()), time, dry_run: true, ..hourly(END) };
    let found = async || {
        let found = run(&app, &trial).await?.findings.into_iter();
        anyhow::Ok(found.map(|found| found.metric.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(found().await?, ["machine_cpu"]);
    assert_eq!(machines.kept().await?, 0);
    let rule = json!({ "threshold": 40, "critical_threshold": 50 });
    let policy = json!({ "rules": { "machine_cpu": { "unseen_shape": rule } } });
    let answer = api.put("/v1/config", "\"0\"", &policy).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(found().await?, Vec::<String>::new());
    Ok(())
}

/// A metric that a known machine did not have is judged by all that the rollup holds, as the metrics of a new machine are.
#[tokio::test]
async fn a_new_metric_of_a_known_machine_brings_its_days() -> Result<()> {
    let machines = Machines::of_five_minutes(PRESET).await?;
    let is_latency_of_three = "(machine = 3 AND name = 'ping.rtt.avg')";
    machines.insert_some(2, A_MINUTE, "1", &format!("NOT {is_latency_of_three}")).await?;
    machines.found(machines.end - SignedDuration::from_mins(5)).await?;
    assert_eq!(machines.kept().await?, 41 * (2 * 288 - 1));
    machines.insert_some(2, A_MINUTE, "1", is_latency_of_three).await?;
    machines.found(machines.end).await?;
    assert_eq!(machines.kept().await?, 42 * 2 * 288);
    Ok(())
}

/// Values that come late correct the sample that an earlier run kept, and all distances since.
#[tokio::test]
async fn a_late_value_corrects_the_sample_that_was_kept() -> Result<()> {
    let machines = Machines::of_five_minutes(PRESET).await?;
    let is_late = "(machine = 3 AND name = 'system.cpu.utilization' AND minute IN (62, 63))";
    machines
        .insert_some(2, A_MINUTE, "if(minute BETWEEN 60 AND 64, 0.2, 1)", &format!("NOT {is_late}"))
        .await?;
    machines.found(machines.end - SignedDuration::from_mins(5)).await?;
    let (wrong, far) = machines.sample(3, 60).await?;
    assert!((87.0..90.0).contains(&wrong), "{wrong}");
    let (_, after) = machines.sample(3, 45).await?;
    // They are lower by far, so the processor was less busy.
    machines.insert_some(2, A_MINUTE, "1.6", is_late).await?;
    machines.found(machines.end).await?;
    let (right, near) = machines.sample(3, 60).await?;
    assert!((52.0..56.0).contains(&right), "{right}");
    assert!(near < far && machines.sample(3, 45).await?.1 < after, "{near} is below {far}");
    assert_eq!(machines.kept().await?, 42 * 2 * 288);
    Ok(())
}

/// A migration drops the table of a version that kept a row for each sample. The next run keeps all samples anew.
#[tokio::test]
async fn a_table_of_single_samples_is_made_anew() -> Result<()> {
    let machines = Machines::of_five_minutes(PRESET).await?;
    machines.insert(1, A_MINUTE, "1").await?;
    machines.found(machines.end).await?;
    let client = &machines.world.clickhouse;
    let comment: String = client
        .query_raw("SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'machines_samples'")
        .fetch_one()
        .await?;
    client.query_raw("DROP TABLE machines_samples").execute().await?;
    let single = format!(
        "CREATE TABLE machines_samples (customer_id String, metric String, sample DateTime('UTC'), value Float32)
         ENGINE = ReplacingMergeTree ORDER BY (customer_id, metric, sample) COMMENT '{comment}'"
    );
    client.query_raw(&single).execute().await?;
    let source = machines.app.of_source("machines")?;
    make_tables(client, &machines.world.database, &source.catalog).await?;
    assert_eq!(machines.kept().await?, 0);
    machines.found(machines.end).await?;
    assert_eq!(machines.kept().await?, 42 * 288);
    Ok(())
}

/// The machine is silent after its incident has opened. Nobody can judge the shape any more, nor any other rule.
#[tokio::test]
async fn an_incident_that_nobody_judges_for_a_day_is_stale() -> Result<()> {
    let mut machines = Machines::of_five_minutes(PRESET).await?;
    machines.end -= SignedDuration::from_hours(25);
    machines.insert(2, A_MINUTE, BUSIER).await?;
    let minutes = SignedDuration::from_mins;
    assert_eq!(machines.found(machines.end).await?.len(), 1);
    let states = async || {
        let incidents = machines.world.incidents().await?;
        anyhow::Ok(incidents.iter().map(|incident| text(incident, "state")).collect::<Vec<_>>())
    };
    for after in [10, 24 * 60] {
        machines.found(machines.end + minutes(after)).await?;
        assert_eq!(states().await?, ["open"], "after {after} minutes");
    }
    machines.found(machines.end + minutes(24 * 60 + 10)).await?;
    assert_eq!(states().await?, ["stale"]);
    let items = machines.world.all_items().await?;
    let said: Vec<_> = items.iter().map(|item| text(item, "description")).collect();
    let says = "machine_cpu could not be judged for 24 hours, so the incident is closed as stale";
    assert!(said.iter().any(|said| said.contains(says)), "{said:?}");
    Ok(())
}

/// Without the table the vote judges still, and the error says what to do.
#[tokio::test]
async fn a_table_that_is_missing_stops_no_run() -> Result<()> {
    let machines = Machines::with_a_busier_one().await?;
    machines.world.clickhouse.query_raw("DROP TABLE machines_samples").execute().await?;
    assert_eq!(machines.found(machines.end).await?, BTreeSet::new());
    let source = machines.app.of_source("machines")?;
    let request = EntitiesRequest {
        catalog: &source.catalog,
        window: Window::between(machines.end - SignedDuration::from_mins(1), machines.end)?,
        windows: 1,
        from: machines.end,
        keys: &[],
        shard: Shard::WHOLE,
        query_id: "samples-of-a-test",
        deadline: Instant::now() + Duration::from_secs(30),
    };
    let error = source.usage.kept_samples(&request, 24, |_| ()).await.err().context("an error")?.to_string();
    assert!(
        error.contains("no table machines_samples") && error.contains("run `meterflow migrate`"),
        "{error}"
    );
    Ok(())
}
