//! Policies that decide how models judge, in runs on real engines.

use std::collections::BTreeSet;

use anyhow::Result;
use e2e::World;
use e2e::world::{hourly, run, text};
use serde_json::{Value, json};

use crate::api_config::set;
use crate::models::{detector, fit_after, hour, insert};

/// Stores the first policies of customers.
async fn set_all(world: &World, policies: &[(&str, Value)]) -> Result<()> {
    let api = world.api().await?;
    for (customer, policy) in policies {
        set(&api, &format!("/v1/config/customers/{customer}"), 0, policy.clone()).await?;
    }
    Ok(())
}

/// The customers and metrics of all anomalies.
async fn found(world: &World) -> Result<BTreeSet<[String; 2]>> {
    let items = world.items().await?;
    Ok(items.iter().map(|item| [text(item, "customer_id"), text(item, "metric")]).collect())
}

#[tokio::test]
async fn sensitivity_and_detectors_of_a_policy_hold_in_the_next_run() -> Result<()> {
    // Three times the usual calls of an hour, and little beside the calls of a day.
    let burst = "if(n = 768 + 9, 200, 60 + cityHash64(n) % 21)";
    let world = World::new().await?;
    for customer in ["usual", "strict", "classical", "mixed"] {
        insert(&world, customer, burst).await?;
    }
    let by_models = world.sibling().await?;
    let by_metric = json!({ "sensitivity": 5, "metrics": { "api_calls": { "sensitivity": "high" } } });
    let policies = [
        ("strict", json!({ "metrics": { "api_calls": { "sensitivity": 5 } } })),
        ("classical", json!({ "detectors": "z_score" })),
        ("mixed", by_metric),
    ];
    for (world, is_fitted) in [(&world, false), (&by_models, true)] {
        set_all(world, &policies).await?;
        let app = detector(world).await?;
        if is_fitted {
            fit_after(&app, 9).await;
        }
        run(&app, &hourly(&hour(10).to_string())).await?;
        let calls = |customer: &str| [customer.to_owned(), "api_calls".to_owned()];
        assert_eq!(found(world).await?, BTreeSet::from([calls("usual"), calls("mixed")]), "{is_fitted}");
    }
    Ok(())
}
