//! The routes that workflow systems know: each answer in its exact shape.

use anyhow::{Context, Result};
use e2e::World;
use e2e::api::NOW;
use e2e::workflows::WITH_WORKFLOWS;
use e2e::world::at;
use serde_json::{Value, json};

use super::world;

#[tokio::test]
async fn the_anomalies_of_a_workspace_have_their_shape() -> Result<()> {
    let (_world, api) = world().await?;
    let path = "/api/v1/workspaces/acme/anomalies";
    let query = format!("{path}?workflow_id=nightly&severity=high&from=now-1d&to=now");
    let critical = api.as_customer("acme").read(&query).await?;
    let own =
        api.read("/v1/anomalies?customer_id=acme&entity=nightly&severity=critical&times=rfc3339").await?;
    let own = own["anomalies"].as_array().context("anomalies")?;
    assert!(!own.is_empty());
    let expected: Vec<Value> = own
        .iter()
        .map(|own| {
            json!({
                "id": own["anomaly_id"], "workflow_id": "nightly", "execution_id": "slow", "type": own["type"],
                "severity": "critical", "description": own["description"], "metric": own["metric"],
                "value": own["current_value"], "baseline_value": own["baseline_mean"],
                "deviation_factor": own["deviation_factor"], "node_key": null, "detected_at": own["detected_at"],
            })
        })
        .collect();
    assert_eq!(critical, json!({ "anomalies": expected, "total": own.len(), "complete": true }));
    assert_eq!(own.len(), 2);
    let output = &critical["anomalies"][0];
    let output_is_exact = output["value"] == 0.0 && output["type"] == "output_size_drop";
    assert!(
        output_is_exact && output["detected_at"].as_str().is_some_and(|at| at.ends_with('Z')),
        "{output}"
    );

    for (query, total) in [
        ("", 4),
        ("severity=info", 1),
        ("workflow_id=nightly", 2),
        ("workflow_id=etl/daily", 2),
        ("workflow_id=other", 0),
        ("to=now-1d", 0),
        ("from=2026-11-21T12:00:00Z&to=2026-11-21T13:00:00Z", 4),
        ("from=2026-11-21T13:00:00Z", 0),
    ] {
        let found = api.read(&format!("{path}?{query}")).await?;
        assert_eq!(found["total"], total, "{query}: {found}");
        assert_eq!(found["anomalies"].as_array().map(Vec::len), Some(total), "{query}");
    }
    let numbers = api.read(&format!("{path}?times=milliseconds")).await?;
    assert!(numbers["anomalies"][0]["detected_at"].is_i64(), "{numbers}");

    let globex = api.as_customer("globex");
    globex.get(path).await?.assert_problem(404, "a foreign workspace");
    let nothing = json!({ "anomalies": [], "total": 0, "complete": true });
    assert_eq!(globex.read("/api/v1/workspaces/globex/anomalies").await?, nothing);
    for (query, parameter) in [
        ("severity=fatal", "severity"),
        ("from=x", "from"),
        ("workflow=a", "workflow"),
        ("from=now-93d", "from"),
    ] {
        let answer = api.get(&format!("{path}?{query}")).await?;
        answer.assert_problem(400, query);
        assert_eq!(answer.json["parameter"], parameter, "{query}: {}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn the_baselines_of_a_workflow_have_their_shape() -> Result<()> {
    let world = World::with_workflows().await?;
    let api = world.api_with(&[WITH_WORKFLOWS], &world.aws).await?;
    let path = "/api/v1/workspaces/acme/workflows/nightly/baselines";
    let found = api.as_customer("acme").read(path).await?;
    let own = api.read("/v1/sources/executions/entities/nightly/baselines?customer_id=acme").await?;
    let of_node = async |node: &str| -> Result<Value> {
        let path =
            format!("/v1/sources/execution_nodes/entities/nightly%2F{node}/baselines?customer_id=acme");
        let own = api.read(&path).await?["baselines"][0].clone();
        assert!(own["mean"].is_f64(), "{own}");
        Ok(json!({ "mean": own["mean"], "p95": own["p95"] }))
    };
    let duration = &own["baselines"][0];
    assert_eq!((&duration["metric"], &own["sample_count"]), (&json!("execution_duration"), &json!(720)));
    let expected = json!({
        "workflow_id": "nightly",
        "computed_at": at(NOW).to_string(),
        "metrics": {
            "total_duration_ms": {
                "mean": duration["mean"], "p50": duration["p50"], "p95": duration["p95"], "p99": duration["p99"],
            },
            "node_durations": { "extract": of_node("extract").await?, "load": of_node("load").await? },
            "success_rate": own["success_rate"],
            "sample_count": 720,
        },
    });
    assert_eq!(found, expected);
    assert_eq!(found["metrics"]["node_durations"]["load"]["mean"], 30_000.0);

    let unknown = api.read("/api/v1/workspaces/acme/workflows/other/baselines").await?;
    let nothing = json!({
        "total_duration_ms": { "mean": null, "p50": null, "p95": null, "p99": null }, "node_durations": {},
        "success_rate": null, "sample_count": 0,
    });
    assert_eq!(unknown["metrics"], nothing);
    // A name with a slash, and one that begins like another.
    let slash = api.read("/api/v1/workspaces/acme/workflows/~ZXRsL2RhaWx5/baselines").await?;
    assert_eq!(
        (&slash["workflow_id"], &slash["metrics"]["sample_count"]),
        (&json!("etl/daily"), &json!(720))
    );
    let begins = api.read("/api/v1/workspaces/acme/workflows/night/baselines").await?;
    assert_eq!(begins["metrics"]["node_durations"], json!({}));

    api.as_customer("globex").get(path).await?.assert_problem(404, "a foreign workspace");
    api.get(&format!("{path}?days=3")).await?.assert_problem(400, "a parameter");
    // A catalog without workflows.
    let answer = world.api().await?.get(path).await?;
    answer.assert_problem(409, "no workflows");
    assert_eq!(answer.json["code"], "no_sources");
    Ok(())
}
