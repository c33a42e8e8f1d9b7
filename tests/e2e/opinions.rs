//! Second opinions about anomalies: runs and checks on demand tell the same.

use anyhow::{Context, Result};
use e2e::World;
use e2e::world::{hourly, run};
use serde_json::Value;

use crate::models::{detector, hour, insert};

/// What a detector says in an answer of the API.
fn says<'a>(answer: &'a Value, name: &str) -> Vec<&'a Value> {
    let detectors = answer["detectors"].as_array().map(Vec::as_slice).unwrap_or_default();
    detectors.iter().filter(|says| says["name"] == name).collect()
}

#[tokio::test]
async fn the_isolation_forest_looks_at_all_metrics_of_an_anomaly() -> Result<()> {
    let world = World::new().await?;
    // The bytes rise with the calls.
    insert(&world, "burst", "if(n = 768 + 9, 700, 60 + cityHash64(n) % 21)").await?;
    insert(&world, "steady", "60 + cityHash64(n + 7) % 21").await?;
    let app = detector(&world).await?;
    assert!(run(&app, &hourly(&hour(10).to_string())).await?.recorded > 0);

    let api = world.api_with(&[("DETECTORS", "ensemble")], &world.aws).await?;
    let stored = api.read("/v1/anomalies?customer_id=burst&metric=api_calls").await?;
    let [anomaly] = &stored["anomalies"].as_array().context("anomalies")?[..] else { panic!("{stored}") };
    let [forest] = says(anomaly, "isolation_forest")[..] else { panic!("{anomaly}") };
    assert_eq!((&forest["reason"], &forest["hours"]), (&Value::from("flags"), &Value::from(1)), "{forest}");
    assert!(forest["score"].as_f64().is_some_and(|score| score > 3.0), "{forest}");

    let check = |customer: &'static str| {
        let api = &api;
        async move { api.check(customer, "api_calls", &format!("&current_end={}", hour(10))).await }
    };
    let checked = check("burst").await?;
    for name in ["detectors", "confidence", "score"] {
        assert_eq!(checked[name], anomaly[name], "{name}");
    }
    // A usual hour gets no second opinion.
    assert!(says(&check("steady").await?, "isolation_forest").is_empty());
    Ok(())
}
