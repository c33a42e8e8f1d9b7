//! The routes in camelCase: each answer in its exact shape.

use anyhow::{Context, Result};
use e2e::World;
use e2e::api::NOW;
use e2e::checks::Checking;
use e2e::world::at;
use serde_json::{Value, json};

use super::{SLOW, world};

const ANOMALIES: &str = "/api/v1/ai/anomalies";

/// The anomaly that these routes make of that of another route.
fn shaped(own: &Value, kind: &str) -> Result<Value> {
    let number = |name: &str| own[name].as_f64().context("a number");
    let id = own["ids"]["execution_id"].clone();
    Ok(json!({
        "id": own["anomaly_id"], "anomalyType": kind, "severity": own["severity"], "description": own["description"],
        "workflowId": own["entity_path"][0], "workflowExecutionId": id, "affectedEntities": [id],
        "metrics": {
            "currentValue": own["current_value"], "baselineValue": own["baseline_mean"],
            "deviation": number("current_value")? - number("baseline_mean")?, "zScore": own["z_score"],
            "confidence": own["confidence"],
        },
        "recommendedActions": own["investigation_steps"], "detectedAt": own["detected_at"],
    }))
}

/// The anomalies of executions as another route lists them, newest first.
async fn own(api: &e2e::Api) -> Result<Vec<Value>> {
    let list = api.read("/v1/anomalies?source=executions&times=rfc3339").await?;
    Ok(list["anomalies"].as_array().context("anomalies")?.clone())
}

/// The type that these routes give an anomaly.
fn kind(own: &Value) -> &'static str {
    if own["type"] == "duration_spike" { "unusual_execution_time" } else { "pattern_deviation" }
}

#[tokio::test]
async fn the_list_has_its_shape_its_filters_and_its_pages() -> Result<()> {
    let (_world, api) = world().await?;
    for caller in [&api, &api.as_customer("acme")] {
        let own = own(caller).await?;
        let all: Vec<Value> = own.iter().map(|own| shaped(own, kind(own))).collect::<Result<_>>()?;
        assert_eq!(all.len(), 4, "and not that of the usage of customers");
        assert!(own.iter().all(|own| own["confidence"].as_f64().is_some_and(|sure| sure > 0.9)), "{own:?}");
        assert!(all[0]["detectedAt"].as_str().is_some_and(|at| at.ends_with('Z')));
        assert_eq!(caller.read(ANOMALIES).await?, json!({ "anomalies": all, "nextCursor": null }));
        let (mut found, mut cursor) = (Vec::new(), String::new());
        for _ in 0..5 {
            let page = caller.read(&format!("{ANOMALIES}?limit=1{cursor}")).await?;
            found.extend(page["anomalies"].as_array().context("anomalies")?.clone());
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
            let other = caller.get(&format!("{ANOMALIES}?severity=critical{cursor}")).await?;
            other.assert_invalid("cursor", "of the same query", "another query");
        }
        assert_eq!(found, all);
    }
    let foreign = api.as_customer("globex").read(ANOMALIES).await?;
    assert_eq!(foreign, json!({ "anomalies": [], "nextCursor": null }));
    for (query, count) in [
        ("type=unusual_execution_time", 2),
        ("type=pattern_deviation", 2),
        ("type=spike_in_failures", 0),
        ("severity=medium", 1),
        ("severity=critical&type=unusual_execution_time", 1),
        ("from=2026-11-21T12:00:00Z&to=2026-11-21T13:00:00Z", 4),
        ("to=now-1d", 0),
    ] {
        let found = api.read(&format!("{ANOMALIES}?{query}")).await?;
        assert_eq!(found["anomalies"].as_array().map(Vec::len), Some(count), "{query}: {found}");
    }
    let numbers = api.read(&format!("{ANOMALIES}?times=milliseconds")).await?;
    assert!(numbers["anomalies"][0]["detectedAt"].is_i64(), "{numbers}");
    for (query, parameter, detail) in [
        ("type=duration_spike", "type", "spike_in_failures, performance_degradation"),
        ("severity=fatal", "severity", "info"),
        ("from=now-93d&to=now", "from", "92 days"),
        ("limit=0", "limit", "from 1 to 100"),
        ("customer_id=acme", "customer_id", "there is no parameter"),
    ] {
        api.get(&format!("{ANOMALIES}?{query}")).await?.assert_invalid(parameter, detail, query);
    }
    Ok(())
}

#[tokio::test]
async fn one_anomaly_has_the_shape_of_the_list() -> Result<()> {
    let (_world, api) = world().await?;
    for own in own(&api).await? {
        let path = format!("{ANOMALIES}/{}", own["anomaly_id"].as_str().context("an id")?);
        assert_eq!(api.as_customer("acme").read(&path).await?, shaped(&own, kind(&own))?);
        api.as_customer("globex").get(&path).await?.assert_problem(404, "foreign");
    }
    let usage = api.read("/v1/anomalies?source=usage").await?["anomalies"][0]["anomaly_id"].clone();
    let path = format!("{ANOMALIES}/{}", usage.as_str().context("an id")?);
    api.get(&path).await?.assert_problem(404, "of the usage of customers");
    api.get(&format!("{ANOMALIES}/x")).await?.assert_problem(404, "no id");
    Ok(())
}

#[tokio::test]
async fn trends_have_their_shape() -> Result<()> {
    let (_world, api) = world().await?;
    let path = format!("{ANOMALIES}/trends?from=2026-11-20T12:00:00Z&to=now");
    let expected = json!({
        "from": "2026-11-20T12:00:00Z", "to": at(NOW).to_string(), "complete": true, "totalAnomalies": 4,
        "bySeverity": { "warning": 1, "critical": 3 },
        "byType": { "unusual_execution_time": 2, "pattern_deviation": 2 },
        "byDay": [
            { "day": "2026-11-20", "total": 0, "warning": 0, "critical": 0 },
            { "day": "2026-11-21", "total": 4, "warning": 1, "critical": 3 },
        ],
    });
    for caller in [&api, &api.as_customer("acme")] {
        assert_eq!(caller.read(&path).await?, expected);
    }
    let of = async |query: &str| Ok::<_, anyhow::Error>(api.read(&format!("{path}&{query}")).await?);
    assert_eq!(of("type=pattern_deviation").await?["totalAnomalies"], 2);
    assert_eq!(of("severity=warning").await?["byType"], json!({ "unusual_execution_time": 1 }));
    let foreign = api.as_customer("globex").read(&path).await?;
    assert_eq!((&foreign["totalAnomalies"], &foreign["byType"]), (&json!(0), &json!({})));
    let days = api.read(&format!("{ANOMALIES}/trends")).await?;
    assert_eq!(days["byDay"].as_array().map(Vec::len), Some(31), "30 days by default");
    Ok(())
}

#[tokio::test]
async fn an_execution_is_checked_by_either_spelling() -> Result<()> {
    let world = World::with_workflows().await?;
    world.execution("acme", "slow", "nightly", 5, SLOW).await?;
    world
        .execution("acme", "usual", "nightly", 4, "'completed' AS status, 41000 AS duration, 300 AS records")
        .await?;
    world
        .execution("acme", "open", "nightly", 5, "'running' AS status, NULL AS duration, NULL AS records")
        .await?;
    let checking = Checking::new(&world).await?;
    let (api, acme) = (&checking.api, checking.api.as_customer("acme"));
    let path = "/api/v1/ai/check-anomalies";
    let answer = acme.post(path, &json!({ "workflow_execution_id": "slow" })).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let mut shapes: Vec<Value> =
        own(api).await?.iter().map(|own| shaped(own, kind(own))).collect::<Result<_>>()?;
    shapes.sort_by_key(|shape| shape["anomalyType"].to_string());
    let mut found = answer.json.clone();
    found["anomalies"].as_array_mut().context("anomalies")?.sort_by_key(|one| one["anomalyType"].to_string());
    let checked_at = at(NOW).to_string();
    assert_eq!(found, json!({ "workflowExecutionId": "slow", "anomalies": shapes, "checkedAt": checked_at }));
    assert_eq!(shapes.len(), 2);
    // Only the source that knows the id was asked.
    let detail = json!({ "source": "executions", "id": "slow", "customer_id": "acme" });
    assert_eq!(checking.events(), [json!({ "detail-type": "Execution Completed", "detail": detail })]);

    let again = acme.post(path, &json!({ "workflowExecutionId": "slow" })).await?.json;
    assert_eq!(again, answer.json);
    let usual = acme.post(path, &json!({ "workflowExecutionId": "usual" })).await?.json;
    assert_eq!(usual, json!({ "workflowExecutionId": "usual", "anomalies": [], "checkedAt": checked_at }));
    checking.events();

    for (id, status, code) in [("open", 409, "event_unfinished"), ("missing", 404, "not_found")] {
        let answer = acme.post(path, &json!({ "workflow_execution_id": id })).await?;
        answer.assert_problem(status, id);
        assert_eq!(answer.json["code"], code, "{id}");
    }
    checking.events();
    let globex = checking.api.as_customer("globex");
    let [foreign, missing] = ["slow", "missing"].map(|id| json!({ "workflow_execution_id": id }));
    let (foreign, missing) = (globex.post(path, &foreign).await?, globex.post(path, &missing).await?);
    foreign.assert_problem(404, "foreign");
    assert_eq!(foreign.without_request_id(), missing.without_request_id());
    assert_eq!(checking.events(), Vec::<Value>::new(), "nothing was asked for");
    for body in [json!({}), json!({ "workflow_execution_id": "" }), json!({ "id": "slow" })] {
        acme.post(path, &body).await?.assert_problem(400, &body.to_string());
    }
    // A catalog without such a source.
    let answer = world.api().await?.post(path, &json!({ "workflow_execution_id": "slow" })).await?;
    answer.assert_problem(409, "no sources");
    assert_eq!(answer.json["code"], "no_sources");
    Ok(())
}
