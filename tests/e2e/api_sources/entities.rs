//! The sources of the catalog, their entities, and what is usual for each.

use anyhow::{Context, Result};
use e2e::api::NOW;
use e2e::workflows::WITH_WORKFLOWS;
use e2e::world::{END, at};
use e2e::{Api, World};
use serde_json::{Value, json};

async fn world() -> Result<(World, Api)> {
    let world = World::with_workflows().await?;
    let api = world.api_with(&[WITH_WORKFLOWS], &world.aws).await?;
    Ok((world, api))
}

/// The paths of the entities of a list, in its order.
fn paths(list: &Value) -> Vec<&str> {
    let entities = list["entities"].as_array().into_iter().flatten();
    entities.filter_map(|entity| entity["path"].as_str()).collect()
}

fn near(found: &Value, exact: f64) -> bool {
    found.as_f64().is_some_and(|found| (found / exact - 1.0).abs() < 0.026)
}

#[tokio::test]
async fn the_sources_are_those_of_the_catalog() -> Result<()> {
    let (_world, api) = world().await?;
    let list = api.as_customer("acme").read("/v1/sources").await?;
    let names: Vec<_> = list["sources"].as_array().context("sources")?.iter().map(|of| &of["name"]).collect();
    assert_eq!(json!(names), json!(["usage", "executions", "execution_nodes"]));
    let [usage, executions, nodes] = [0, 1, 2].map(|place| &list["sources"][place]);
    assert_eq!((&usage["entity"], &usage["checks"]), (&json!([]), &json!(false)));
    assert_eq!(
        (&executions["tenant"], &executions["entity"], &executions["checks"]),
        (&json!("workspace_id"), &json!(["workflow_id"]), &json!(true))
    );
    assert_eq!(nodes["entity"], json!(["workflow_id", "node_key"]));
    let metrics = executions["metrics"].as_array().context("metrics")?;
    let duration = metrics.iter().find(|of| of["metric"] == "execution_duration");
    let expected = json!({ "metric": "execution_duration", "unit": "ms", "aggregate": "p95", "type": "duration_spike",
        "rules": ["percentile"], "window": "1h" });
    assert_eq!(duration, Some(&expected));
    let count = metrics.iter().find(|of| of["metric"] == "execution_count").context("a count")?;
    assert_eq!((&count["type"], &count["rules"]), (&Value::Null, &json!([])));
    Ok(())
}

#[tokio::test]
async fn entities_are_found_by_a_part_of_their_names() -> Result<()> {
    let (world, api) = world().await?;
    world
        .execution("acme", "new", "Nightly 2", -600, "'completed' AS status, 1 AS duration, 1 AS records")
        .await?;
    // Thirty-two days ago, and never since.
    world
        .execution("acme", "old", "gone", 32 * 86_400, "'completed' AS status, 1 AS duration, 1 AS records")
        .await?;
    let acme = api.as_customer("acme");
    let list = "/v1/sources/executions/entities";
    let all = ["Nightly%202", "etl%2Fdaily", "import", "nightly"];
    assert_eq!(paths(&acme.read(list).await?), all);
    assert_eq!(paths(&api.read(&format!("{list}?customer_id=acme")).await?), all);
    let everybody = api.read(list).await?;
    assert_eq!(paths(&everybody).len(), 5, "{everybody}");
    for (search, expected) in [
        ("NIGHT", &["Nightly%202", "nightly"][..]),
        ("tl/d", &["etl%2Fdaily"]),
        // It is no name of an entity.
        ("acme", &[]),
        ("%25", &[]),
        ("'", &[]),
        ("%5C%09%0A", &[]),
    ] {
        let found = acme.read(&format!("{list}?search={search}")).await?;
        assert_eq!(paths(&found), expected, "{search}");
    }
    let few = acme.read(&format!("{list}?limit=1")).await?;
    assert_eq!((paths(&few), &few["more"]), (vec!["Nightly%202"], &json!(true)));
    assert_eq!(acme.read(&format!("{list}?limit=4")).await?["more"], false);
    let entity = &few["entities"][0];
    assert_eq!((&entity["customer_id"], &entity["entity_path"]), (&json!("acme"), &json!(["Nightly 2"])));
    assert_eq!(entity["last_seen"], json!(at(END).as_millisecond()));
    let nodes = api.read("/v1/sources/execution_nodes/entities?search=y%20/%20lo").await?;
    assert_eq!(paths(&nodes), ["nightly/load"]);
    // Every link leads to its entity.
    for list in [&everybody, &nodes] {
        for entity in list["entities"].as_array().context("entities")? {
            let found = api.read(entity["baselines_link"].as_str().context("a link")?).await?;
            for name in ["customer_id", "entity", "entity_path"] {
                assert_eq!(found[name], entity[name], "{entity}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_baselines_of_an_entity_are_those_of_its_last_thirty_days() -> Result<()> {
    let (world, api) = world().await?;
    // Neither the current hour counts, nor what is older.
    for (id, seconds) in [("now", -600), ("old", 30 * 86_400 + 3_600)] {
        world
            .execution(
                "acme",
                id,
                "nightly",
                seconds,
                "'failed' AS status, 9000000 AS duration, 1 AS records",
            )
            .await?;
    }
    let path = "/v1/sources/executions/entities/nightly/baselines";
    let found = api.as_customer("acme").read(path).await?;
    assert_eq!(api.read(&format!("{path}?customer_id=acme")).await?, found);
    let names: Vec<_> =
        found["baselines"].as_array().context("baselines")?.iter().map(|of| &of["metric"]).collect();
    assert_eq!(json!(names), json!(["execution_duration", "execution_output"]), "metrics with values");
    // 720 hours, of which each fiftieth from the seventh on fails.
    let failed = (0..720).filter(|number| number % 50 == 7).count();
    assert_eq!((&found["sample_count"], failed), (&json!(720), 15));
    assert!(near(&found["success_rate"], 705.0 / 720.0), "{found}");
    let durations: Vec<f64> = (0..720).map(|number| f64::from(40_000 + number * 7_919 % 4_000)).collect();
    let mean = durations.iter().sum::<f64>() / 720.0;
    let mut sorted = durations;
    sorted.sort_by(f64::total_cmp);
    let duration = &found["baselines"][0];
    assert!((duration["mean"].as_f64().unwrap_or_default() - mean).abs() < 1e-6 * mean, "{duration} {mean}");
    for (name, rank) in [("p50", 359), ("p95", 683), ("p99", 712)] {
        assert!(near(&duration[name], sorted[rank]), "{name} {} {}", duration[name], sorted[rank]);
    }
    assert_eq!((&duration["unit"], &duration["sample_count"]), (&json!("ms"), &json!(720)));
    assert_eq!(found["computed_at"], json!(at(NOW).as_millisecond()));
    assert_eq!(found["period"]["end"], json!(at(END).as_millisecond()));

    // Names with a slash, and several names.
    for path in [
        "executions/entities/etl%252Fdaily",
        "executions/entities/~ZXRsJTJGZGFpbHk",
        "execution_nodes/entities/nightly%2Fload",
        "execution_nodes/entities/~bmlnaHRseS9sb2Fk",
    ] {
        let found = api.read(&format!("/v1/sources/{path}/baselines?customer_id=acme")).await?;
        assert_eq!(found["sample_count"], 720, "{path}: {found}");
    }
    // Nobody knows it, so nothing is usual.
    let unknown = api.read("/v1/sources/executions/entities/other/baselines?customer_id=acme").await?;
    assert_eq!((&unknown["sample_count"], &unknown["success_rate"]), (&json!(0), &Value::Null));
    assert_eq!(unknown["baselines"][0]["mean"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn entities_of_somebody_else_and_wrong_input_are_refused() -> Result<()> {
    let (_world, api) = world().await?;
    let globex = api.as_customer("globex");
    assert_eq!(paths(&globex.read("/v1/sources/executions/entities").await?), ["billing"]);
    assert_eq!(paths(&globex.read("/v1/sources/executions/entities?search=nightly").await?), [""; 0]);
    // The same name is of another customer.
    let own = globex.read("/v1/sources/executions/entities/nightly/baselines").await?;
    assert_eq!((&own["customer_id"], &own["sample_count"]), (&json!("globex"), &json!(0)));
    for path in [
        "/v1/sources/executions/entities?customer_id=",
        "/v1/sources/executions/entities/nightly/baselines?customer_id=",
    ] {
        let [foreign, missing] = ["acme", "nobody"].map(|customer| format!("{path}{customer}"));
        let (foreign, missing) = (globex.get(&foreign).await?, globex.get(&missing).await?);
        foreign.assert_problem(404, path);
        assert_eq!(foreign.without_request_id(), missing.without_request_id(), "{path}");
    }
    for (path, status) in [
        ("/v1/sources/machines/entities", 404),
        ("/v1/sources/usage/entities", 404),
        ("/v1/sources/machines/entities/a/baselines?customer_id=acme", 404),
        ("/v1/sources/executions/entities?limit=0", 400),
        ("/v1/sources/executions/entities?limit=101", 400),
        ("/v1/sources/executions/entities?cursor=a", 400),
        ("/v1/sources/executions/entities/a/baselines", 400),
        ("/v1/sources/executions/entities/a%2Fb/baselines?customer_id=acme", 400),
        ("/v1/sources/execution_nodes/entities/a/baselines?customer_id=acme", 400),
        ("/v1/sources/executions/entities/a%25/baselines?customer_id=acme", 400),
        ("/v1/sources/executions/entities/~a/baselines?customer_id=acme", 400),
        ("/v1/sources?limit=1", 400),
    ] {
        api.get(path).await?.assert_problem(status, path);
    }
    Ok(())
}
