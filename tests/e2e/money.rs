//! Prices and floors in money, from a policy to the alert.

use anyhow::{Context, Result};
use e2e::World;
use e2e::world::{self, END, at, hourly, run, steady_then};
use serde_json::{Value, json};

async fn put(world: &World, version: u64, policy: Value) -> Result<()> {
    let store = &world.app().await?.store;
    store.put_policy(None, &serde_json::from_value(policy)?, version, "ada", world::timestamp()).await?;
    Ok(())
}

fn compute(settings: Value) -> Value {
    json!({ "metrics": { "compute_time": settings } })
}

#[tokio::test]
async fn a_priced_metric_tells_what_its_incidents_cost() -> Result<()> {
    let world = World::new().await?;
    for (customer, current) in [("large", 5e7), ("small", 2e7), ("silent", 0.0)] {
        world.insert(&steady_then(customer, at(END), current)).await?;
    }
    // Without a price nothing is told.
    let unpriced = world.sibling().await?;
    run(&unpriced.app().await?, &hourly(END)).await?;
    let told = unpriced.alerts().await?;
    assert!(told.len() == 3 && told.iter().all(|alert| !alert.to_string().contains("cost")), "{told:#?}");

    put(&world, 0, compute(json!({ "price": 0.001 }))).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let alerts = world.alerts().await?;
    let of =
        |customer: &str| alerts.iter().find(|alert| alert["customer_id"] == customer).context("an alert");
    for (customer, current) in [("large", 5e7), ("small", 2e7), ("silent", 0.0)] {
        let alert = of(customer)?;
        let mean = alert["baseline_mean"].as_f64().context("a mean")?;
        let amount = (current - mean) * 0.001;
        let close = |found: &Value, expected: f64| {
            let found = found.as_f64().unwrap_or(f64::NAN);
            assert!((found - expected).abs() < 1e-6 * expected.abs(), "{customer}: {found} {expected}");
        };
        close(&alert["cost"]["amount"], amount);
        close(&alert["incident"]["cost"]["so_far"], amount);
        close(&alert["incident"]["cost"]["a_month"], amount / 24.0 * 730.0);
        assert_eq!(alert["incident"]["cost"]["currency"], "USD");
    }
    let api = world.api().await?;
    let incidents = api.read("/v1/incidents?customer_id=silent").await?;
    assert_eq!(incidents["incidents"][0]["cost"], of("silent")?["incident"]["cost"]);
    let anomalies = api.read("/v1/anomalies?customer_id=large").await?;
    assert_eq!(anomalies["anomalies"][0]["cost"], of("large")?["cost"]);
    // A check on demand tells the same, and what a usual day costs beyond the usual.
    let check = api.check("large", "compute_time", "").await?;
    assert_eq!((&check["cost"], &check["is_anomaly"]), (&of("large")?["cost"], &json!(true)), "{check}");
    for (query, what) in [
        ("&threshold=100", "a chosen threshold"),
        ("&current_end=now-1d", "a period off the hour"),
        ("&current_end=2026-11-20T13:00:00Z", "an hour of a run"),
    ] {
        let check = api.check("small", "compute_time", query).await?;
        let of = |pointer: &str| check.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let expected = (of("/current_value") - of("/baseline/mean")) * 0.001;
        assert!((of("/cost/amount") - expected).abs() < 1e-6, "{what}: {check}");
        assert_eq!(
            (&check["cost"]["currency"], &check["is_anomaly"]),
            (&json!("USD"), &json!(false)),
            "{what}"
        );
    }
    for (customer, metric) in [("large", "api_calls"), ("nobody", "compute_time")] {
        let check = api.check(customer, metric, "").await?;
        assert_eq!(check.get("cost"), Some(&Value::Null), "without a price, or a verdict: {check}");
    }
    let csv =
        api.send("GET", "/v1/incidents?customer_id=large", &[("accept", "text/csv")], Vec::new()).await?;
    let lines: Vec<_> = csv.text.lines().map(str::to_owned).collect();
    assert!(lines[0].ends_with("cost.so_far,cost.a_month,cost.currency"), "{lines:?}");
    assert!(lines[1].ends_with(",USD"), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn a_deviation_below_the_floor_in_money_is_no_anomaly() -> Result<()> {
    let world = World::new().await?;
    for (customer, current) in [("large", 5e7), ("small", 2e7)] {
        world.insert(&steady_then(customer, at(END), current)).await?;
    }
    // 43 and 13 USD above the usual.
    put(&world, 0, compute(json!({ "price": 0.000_001, "min_cost": 40 }))).await?;
    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.anomalies_found, summary.critical), (1, 1));
    assert_eq!(world.alerts().await?[0]["customer_id"], "large");
    Ok(())
}

#[tokio::test]
async fn money_without_a_price_is_refused() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    for (policy, parameter, detail) in [
        (compute(json!({ "min_cost": 40 })), "metrics.compute_time", "`price` is not set"),
        (compute(json!({ "price": -1 })), "metrics.compute_time", "price = -1 is out of range"),
        (json!({ "metrics": { "storage_peak": { "price": 1 } } }), "metrics.storage_peak", "hours add up"),
        (
            json!({ "budgets": { "compute_time": { "cost": 9 } } }),
            "budgets.compute_time.cost",
            "with a price",
        ),
        (json!({ "budgets": { "storage_peak": { "quota": 9 } } }), "budgets.storage_peak", "hours add up"),
        (json!({ "budgets": { "compute_time": {} } }), "budgets.compute_time.quota", "exactly one of"),
    ] {
        let answer = api.put("/v1/config", "\"0\"", &policy).await?;
        answer.assert_invalid(parameter, detail, &policy.to_string());
    }
    let good = json!({
        "metrics": { "compute_time": { "price": 0.001, "min_cost": 5 } },
        "budgets": { "compute_time": { "cost": 9.0, "shares": [0.5] }, "api_calls": { "quota": 100.0 } },
    });
    let answer = api.put("/v1/config", "\"0\"", &good).await?;
    assert_eq!((answer.status, &answer.json["config"]["budgets"]), (200, &good["budgets"]), "{answer:?}");
    Ok(())
}
