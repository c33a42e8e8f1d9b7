//! Lists of the anomalies of one entity or execution: by the index of each, and without it in a table of an earlier deployment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use detector::{EventRequest, check_event};
use e2e::proxy::{Action, Proxy, Seen};
use e2e::workflows::WITH_WORKFLOWS;
use e2e::world::{text, variable};
use e2e::{Api, World};
use serde_json::Value;

use super::{DURATION, OTHER_DURATION, OTHER_OUTPUT, OUTPUT, SLOW, SLOWER, listed};

/// Executions of `acme` and `globex` with the same name of a workflow, and two anomalies of each.
async fn with_anomalies(world: &World) -> Result<()> {
    let app = world.app_with(&[WITH_WORKFLOWS], &world.aws).await?;
    for id in ["slow", "slower", "foreign"] {
        let request = EventRequest { source: "executions".to_owned(), id: id.to_owned(), customer_id: None };
        let checked = check_event(&app, &request, Instant::now() + Duration::from_secs(20)).await?;
        assert_eq!(checked.recorded, 2, "{checked:?}");
    }
    Ok(())
}

async fn world() -> Result<World> {
    let world = World::with_workflows().await?;
    world.execution("acme", "slow", "nightly", 5, SLOW).await?;
    world.execution("acme", "slower", "etl/daily", 4, SLOWER).await?;
    world.execution("globex", "foreign", "billing", 3, SLOW).await?;
    with_anomalies(&world).await?;
    Ok(world)
}

/// The index of each query of anomalies since the last call. A query of the table has an empty name.
type Asked = Arc<Mutex<Vec<String>>>;

async fn recorded(world: &World) -> Result<(Api, Asked, Proxy)> {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let decide = move |seen: &Seen| {
        let request: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        if seen.operation == "Query" {
            let index = request["IndexName"].as_str().unwrap_or_default().to_owned();
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(index);
        }
        Action::Forward
    };
    let proxy = Proxy::start(&variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = world.api_with(&[WITH_WORKFLOWS], &world.aws_at(&proxy.url).await).await?;
    Ok((api, asked, proxy))
}

const LISTS: [(&str, &[&str], &str); 6] = [
    ("entity=nightly", &[DURATION, OUTPUT], "entity-index"),
    ("entity=etl%252Fdaily&type=output_size_drop", &[OTHER_OUTPUT], "entity-index"),
    ("execution_id=slow", &[DURATION, OUTPUT], "execution-index"),
    (
        "execution_id=slower&entity=etl%252Fdaily&metric=execution_duration",
        &[OTHER_DURATION],
        "execution-index",
    ),
    ("execution_id=foreign", &[], "execution-index"),
    ("entity=billing", &[], "entity-index"),
];

#[tokio::test]
async fn a_list_of_one_entity_or_execution_reads_its_index_alone() -> Result<()> {
    let world = world().await?;
    let (api, asked, _proxy) = recorded(&world).await?;
    let acme = api.as_customer("acme");
    for (query, expected, index) in LISTS {
        let path = format!("/v1/anomalies?{query}");
        assert_eq!(listed(&acme, &path).await?, expected, "{path}");
        let asked = std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner));
        assert_eq!(asked, [index], "{path}");
    }
    // An operator names no customer, and finds the anomalies of all.
    assert_eq!(listed(&api, "/v1/anomalies?execution_id=foreign").await?.len(), 2);
    // Pages of one, and a period without any.
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..3 {
        let page = acme.read(&format!("/v1/anomalies?entity=nightly&limit=1{cursor}")).await?;
        found.extend(
            page["anomalies"].as_array().context("anomalies")?.iter().map(|one| one["metric"].clone()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    found.sort_by_key(Value::to_string);
    assert_eq!(found, ["execution_duration", "execution_output"]);
    assert_eq!(listed(&acme, "/v1/anomalies?entity=nightly&to=now-1d").await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn the_keys_of_the_indexes_are_of_one_customer() -> Result<()> {
    let world = world().await?;
    let items = world.all_items().await?;
    let anomalies: Vec<_> = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#")).collect();
    assert_eq!(anomalies.len(), 6);
    for item in &anomalies {
        let prefix = format!("CUSTOMER#{}#", text(item, "customer_id"));
        for key in ["entity_key", "execution_key"] {
            assert!(text(item, key).starts_with(&prefix), "{item:?}");
        }
    }
    // Incidents and notices are in neither.
    let others = items.iter().filter(|item| !text(item, "sk").starts_with("ANOMALY#"));
    assert!(others.clone().count() > 0 && others.clone().all(|item| !item.contains_key("entity_key")));
    Ok(())
}

#[tokio::test]
async fn a_table_of_an_earlier_deployment_gives_the_same_lists() -> Result<()> {
    let world = world().await?;
    let earlier = world.earlier_sibling().await?;
    with_anomalies(&earlier).await?;
    let (api, asked, _proxy) = recorded(&earlier).await?;
    let acme = api.as_customer("acme");
    for (query, expected, index) in LISTS {
        let path = format!("/v1/anomalies?{query}");
        assert_eq!(listed(&acme, &path).await?, expected, "{path}");
        let asked = std::mem::take(&mut *asked.lock().unwrap_or_else(PoisonError::into_inner));
        assert_eq!(asked, [index, ""], "first the index, then the customer's anomalies: {path}");
    }
    Ok(())
}
