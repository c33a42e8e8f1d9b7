//! The routes that users of monitoring systems of machines know: each answer in its exact shape.

use anyhow::{Context, Result};
use detector::Request;
use e2e::World;
use e2e::world::{END, at, hourly, now, run};
use jiff::SignedDuration;
use serde_json::{Value, json};

const CATALOG: &str = r#"
[[source]]
name = "machines"
table = "node_metrics"
tenant = "team"
entity = "host"
time = "at"

[[metric]]
name = "cpu_usage"
source = "machines"
# Traces have anomalies of this type, too.
type = "traffic_spike"
unit = "%"
aggregate = "max"
value = "cpu"
missing = "gap"
min_change = 5

[[metric.rule]]
type = "threshold"
warning = 80
critical = 95
"#;

const STATUS: &str = "/api/v1/monitoring/anomaly/status";
const RECENT: &str = "/api/v1/monitoring/anomaly/recent";
const DETECT: &str = "/api/v1/monitoring/anomaly/detect";

/// Three machines in the hour until END: one as usual, one busy, one too busy.
async fn world() -> Result<World> {
    let world = World::without_migration().await?;
    let admin = world.clickhouse.clone().with_database("system");
    admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    let table = "CREATE TABLE node_metrics (team String, host String, at DateTime('UTC'), cpu Float64) ENGINE = MergeTree ORDER BY at";
    world.clickhouse.query_raw(table).execute().await?;
    Ok(world)
}

#[tokio::test]
async fn machines_are_judged_listed_and_watched() -> Result<()> {
    let (world, folder) = (world().await?, tempfile::tempdir()?);
    let path = folder.path().join("machines.toml");
    std::fs::write(&path, CATALOG)?;
    let setting = ("CATALOG_PATH", path.to_str().context("a path in UTF-8")?);
    let app = world.app_with(&[setting], &world.aws).await?.of_source("machines")?;
    e2e::warehouse::make_tables(&world.clickhouse, &world.database, &app.catalog).await?;
    let rows = format!(
        "INSERT INTO node_metrics SELECT 'ops', host, toDateTime({} - 600, 'UTC'), cpu FROM
         (SELECT ['web-1', 'web-2', 'db-1'] AS hosts, [40., 85., 99.] AS cpus) ARRAY JOIN hosts AS host, cpus AS cpu",
        at(END).as_second()
    );
    world.clickhouse.query_raw(&rows).execute().await?;
    // The runs end at the time of day.
    let api = world.api_at(now, &[setting], &world.aws).await?;

    let idle = json!({
        "status": "idle", "anomalies_24h": { "warning": 0, "critical": 0 }, "complete": true,
        "sources": [{
            "source": "machines", "metrics": ["cpu_usage"], "last_run_at": null, "last_run_completed": null,
            "judged_until": null, "lag_seconds": null,
        }],
    });
    assert_eq!(api.read(STATUS).await?, idle);
    let request = Request { source: Some("machines".to_owned()), ..hourly(END) };
    run(&app, &request).await?;
    let status = api.read(STATUS).await?;
    assert_eq!(
        (&status["status"], &status["sources"][0]["last_run_completed"]),
        (&json!("healthy"), &json!(true))
    );
    assert_eq!(status["sources"][0]["judged_until"], json!(END), "{status}");
    assert!(status["sources"][0]["lag_seconds"].as_i64().is_some_and(|lag| lag > 0), "{status}");
    // A window that is not over fails.
    let future = Request { time: at(END) + SignedDuration::from_hours(24 * 3_650), ..request };
    assert!(run(&app, &future).await.is_err());
    assert_eq!(api.read(STATUS).await?["status"], "degraded");

    let own =
        api.read("/v1/anomalies?times=rfc3339").await?["anomalies"].as_array().context("a list")?.clone();
    let shape = |own: &Value| {
        json!({
            "id": own["anomaly_id"], "host": own["entity_path"][0], "metric": "cpu_usage", "value": own["current_value"],
            "expected_value": own["baseline_mean"], "unit": "%", "score": own["z_score"], "confidence": own["confidence"],
            "severity": own["severity"], "detector": "threshold", "description": own["description"],
            "recommended_actions": own["investigation_steps"], "status": "open", "detected_at": own["detected_at"],
        })
    };
    let mut shapes: Vec<Value> = own.iter().map(shape).collect();
    assert_eq!(shapes.len(), 2);
    // They are none of traces.
    let id = own[0]["anomaly_id"].as_str().context("an id")?;
    api.get(&format!("/api/anomalies/{id}")).await?.assert_problem(404, "a machine");
    assert_eq!(api.read("/api/anomalies").await?["anomalies"], json!([]));
    // The anomalies are of END, which is further back than a day.
    let all = api.read(&format!("{RECENT}?duration=92d")).await?;
    assert_eq!((&all["anomalies"], &all["total"]), (&json!(shapes), &json!(2)));
    assert!(all["from"].as_str().is_some_and(|from| from.ends_with('Z')), "{all}");
    let at_end = world.api_with(&[setting], &world.aws).await?;
    let recent = at_end.read(RECENT).await?;
    assert_eq!((&recent["anomalies"], &recent["from"]), (&json!(shapes), &json!("2026-11-20T13:30:00Z")));
    assert_eq!(at_end.read(&format!("{RECENT}?duration=15m")).await?["total"], 0);
    let counted = at_end.read(STATUS).await?["anomalies_24h"].clone();
    assert_eq!(counted, json!({ "warning": 1, "critical": 1 }));
    shapes.retain(|shape| shape["host"] == "db-1");
    assert_eq!(shapes[0]["severity"], "critical");
    assert_eq!(at_end.as_customer("ops").read(RECENT).await?["total"], 2);
    assert_eq!(at_end.as_customer("other").read(RECENT).await?["total"], 0);

    api.get(&format!("{RECENT}?duration=1w")).await?.assert_invalid(
        "duration",
        "a number with m, h or d",
        "weeks",
    );
    api.as_customer("ops").get(STATUS).await?.assert_problem(403, "a customer");
    // The function of the detector does not exist here.
    api.post(DETECT, &json!({})).await?.assert_problem(503, "a run");
    api.post(DETECT, &json!({ "source": "machines" })).await?.assert_problem(400, "another field");
    Ok(())
}
