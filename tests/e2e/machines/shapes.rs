//! Shapes never seen: a course of hours that no single sample tells.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use detector::Request;
use e2e::warehouse::make_tables;
use e2e::world::{END, hourly, now, run, text};
use jiff::SignedDuration;
use serde_json::json;

use super::{A_MINUTE, DELAY, Machines, PRESET};

/// For an hour and a half the processor of the second machine is busier by eight percent. The vote takes no change below ten for one.
const BUSIER: &str = "if(minute < 90 AND machine = 2 AND name = 'system.cpu.utilization', 0.86, 1)";

impl Machines {
    async fn with_a_busier_one() -> Result<Self> {
        let machines = Self::of_five_minutes(PRESET).await?;
        machines.insert(2, A_MINUTE, BUSIER).await?;
        Ok(machines)
    }

    async fn kept(&self) -> Result<u64> {
        let count = "SELECT count() FROM machines_samples FINAL";
        Ok(self.world.clickhouse.query_raw(count).fetch_one().await?)
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

/// Without the table the vote judges still.
#[tokio::test]
async fn a_table_that_is_missing_stops_no_run() -> Result<()> {
    let machines = Machines::with_a_busier_one().await?;
    machines.world.clickhouse.query_raw("DROP TABLE machines_samples").execute().await?;
    assert_eq!(machines.found(machines.end).await?, BTreeSet::new());
    Ok(())
}
