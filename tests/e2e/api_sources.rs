//! The API and all sources: lists that know what each of them found, and routes that are about one of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use detector::{EventRequest, check_event};
use e2e::workflows::WITH_WORKFLOWS;
use e2e::world::{END, at, hourly, run, steady_then};
use e2e::{Api, World};
use serde_json::{Value, json};

mod ai;
mod checks;
mod entities;
mod indexes;
mod series;
mod workspaces;

/// Executions that are four times as slow as usual, and write nothing.
const SLOW: &str = "'completed' AS status, 160000 AS duration, 0 AS records";

/// The same, and twice as slow as usual, which is only a warning.
const SLOWER: &str = "'completed' AS status, 80000 AS duration, 0 AS records";

/// A world with an anomaly of the usage of `acme`, and two of each of these executions: `slow` of the workflow `nightly`, and
/// `slower` of `etl/daily`.
async fn world() -> Result<(World, Api)> {
    let world = World::with_workflows().await?;
    let app = world.app_with(&[WITH_WORKFLOWS], &world.aws).await?;
    world.execution("acme", "slow", "nightly", 5, SLOW).await?;
    world.execution("acme", "slower", "etl/daily", 4, SLOWER).await?;
    for id in ["slow", "slower"] {
        let request = EventRequest { source: "executions".to_owned(), id: id.to_owned(), customer_id: None };
        let checked = check_event(&app, &request, Instant::now() + Duration::from_secs(20)).await?;
        assert_eq!(checked.recorded, 2, "{checked:?}");
    }
    world.insert(&steady_then("acme", at(END), 5e7)).await?;
    assert_eq!(run(&app, &hourly(END)).await?.recorded, 1);
    let api = world.api_with(&[WITH_WORKFLOWS], &world.aws).await?;
    Ok((world, api))
}

/// The metric and the entity of each item of a list, in an order of their own.
async fn listed(api: &Api, path: &str) -> Result<Vec<String>> {
    let list = api.read(path).await?;
    let items = list["anomalies"].as_array().or(list["incidents"].as_array()).context("a list")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> =
        items.iter().map(|item| format!("{} {}", text(&item["metric"]), text(&item["entity"]))).collect();
    all.sort();
    Ok(all)
}

const USAGE: &str = "compute_time ";
const DURATION: &str = "execution_duration nightly";
const OUTPUT: &str = "execution_output nightly";
const OTHER_DURATION: &str = "execution_duration etl/daily";
const OTHER_OUTPUT: &str = "execution_output etl/daily";

#[tokio::test]
async fn lists_know_all_sources_and_can_be_limited_to_each() -> Result<()> {
    let (_world, api) = world().await?;
    let acme = api.as_customer("acme");
    let all = [USAGE, OTHER_DURATION, DURATION, OTHER_OUTPUT, OUTPUT];
    for list in ["/v1/anomalies", "/v1/incidents"] {
        for (query, expected) in [
            ("", &all[..]),
            ("source=usage", &[USAGE]),
            ("source=executions", &all[1..]),
            ("source=execution_nodes", &[]),
            ("metric=execution_output", &[OTHER_OUTPUT, OUTPUT]),
            ("metric=execution_output&source=executions", &[OTHER_OUTPUT, OUTPUT]),
            ("entity=nightly", &[DURATION, OUTPUT]),
            ("entity=nightly&metric=execution_duration", &[DURATION]),
            ("entity=etl%252Fdaily", &[OTHER_DURATION, OTHER_OUTPUT]),
            // Two names, and no part of one.
            ("entity=etl/daily", &[]),
            ("entity=night", &[]),
        ] {
            for (caller, who) in [(&api, ""), (&api, "&customer_id=acme"), (&acme, "")] {
                let path = format!("{list}?{query}{who}");
                assert_eq!(listed(caller, &path).await?, expected, "{path}");
            }
            let path = format!("{list}?{query}");
            assert_eq!(listed(&api.as_customer("globex"), &path).await?, [""; 0], "{path}");
        }
        let critical = [USAGE, DURATION, OTHER_OUTPUT, OUTPUT];
        for (words, expected) in [
            (&["info", "low", "medium", "warning"][..], &[OTHER_DURATION][..]),
            (&["high", "critical"], &critical),
        ] {
            for word in words {
                let path = format!("{list}?severity={word}");
                assert_eq!(listed(&api, &path).await?, expected, "{path}");
            }
        }
        acme.get(&format!("{list}?customer_id=globex")).await?.assert_problem(404, list);
    }
    for (query, expected) in [
        ("execution_id=slow", &[DURATION, OUTPUT][..]),
        ("execution_id=slow&type=duration_spike", &[DURATION]),
        ("type=output_size_drop", &[OTHER_OUTPUT, OUTPUT]),
        ("type=usage_anomaly", &[USAGE]),
        ("execution_id=slo", &[]),
    ] {
        for caller in [&api, &acme] {
            let path = format!("/v1/anomalies?{query}");
            assert_eq!(listed(caller, &path).await?, expected, "{path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_wrong_filter_is_refused_with_what_is_known() -> Result<()> {
    let (_world, api) = world().await?;
    for (query, parameter, detail) in [
        ("source=machines", "source", "the catalog has usage, executions, execution_nodes"),
        ("source=", "source", "there is no source"),
        ("metric=machines", "metric", "execution_duration"),
        ("metric=compute_time&source=executions", "metric", "is a metric of the source usage"),
        ("entity=", "entity", "may be empty"),
        ("entity=a//b", "entity", "may be empty"),
        ("entity=a%25zz", "entity", "percent-encoded"),
        ("entity=a/b/c/d/e", "entity", "1 to 4 names"),
        ("severity=fatal", "severity", "info, low, medium, warning, high, critical"),
    ] {
        for list in ["/v1/anomalies", "/v1/incidents"] {
            api.get(&format!("{list}?{query}")).await?.assert_invalid(parameter, detail, query);
        }
    }
    for list in ["/v1/anomalies", "/v1/incidents"] {
        api.get(&format!("{list}?type=odd")).await?.assert_invalid("type", "duration_spike", list);
    }
    // The routes of customers say where entities are.
    for path in [
        "/v1/anomalies/check?customer_id=acme&metric=execution_duration",
        "/v1/customers/acme/usage?metric=execution_duration",
    ] {
        api.get(path).await?.assert_invalid("metric", "/v1/sources/executions/entities", path);
    }
    Ok(())
}

#[tokio::test]
async fn trends_count_each_source() -> Result<()> {
    let (_world, api) = world().await?;
    for who in ["", "&customer_id=acme"] {
        for (query, by_source) in [
            ("", json!({ "usage": 1, "executions": 4 })),
            ("source=usage", json!({ "usage": 1 })),
            ("source=executions", json!({ "executions": 4 })),
            ("metric=execution_duration", json!({ "executions": 2 })),
            ("source=execution_nodes", json!({})),
        ] {
            let trends = api.read(&format!("/v1/anomalies/trends?{query}{who}")).await?;
            assert_eq!(trends["by_source"], by_source, "{query}{who}");
            let total: i64 =
                by_source.as_object().into_iter().flatten().filter_map(|(_, n)| n.as_i64()).sum();
            assert_eq!(trends["total"], total, "{query}{who}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_cursor_belongs_to_its_source_and_entity() -> Result<()> {
    let (_world, api) = world().await?;
    for (list, field, id) in
        [("/v1/anomalies", "anomalies", "anomaly_id"), ("/v1/incidents", "incidents", "incident_id")]
    {
        for caller in [&api, &api.as_customer("acme")] {
            let query = format!("{list}?source=executions&limit=1");
            let (mut ids, mut cursor) = (Vec::new(), String::new());
            for _ in 0..4 {
                let page = caller.read(&format!("{query}{cursor}")).await?;
                ids.push(page[field][0][id].as_str().context("an id")?.to_owned());
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
                for other in ["source=usage", "source=executions&entity=nightly", "limit=1"] {
                    let answer = caller.get(&format!("{list}?{other}{cursor}")).await?;
                    answer.assert_invalid("cursor", "of the same query", other);
                }
            }
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 4, "{list}: {ids:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_incident_leads_to_the_anomalies_of_its_entity() -> Result<()> {
    let (_world, api) = world().await?;
    let query = "/v1/incidents?entity=etl%252Fdaily&metric=execution_output";
    let incident = api.read(query).await?["incidents"][0]["incident_id"].clone();
    let path = format!("/v1/incidents/{}", incident.as_str().context("an id")?);
    let link = api.read(&path).await?["anomalies_link"].clone();
    assert_eq!(listed(&api, link.as_str().context("a link")?).await?, [OTHER_OUTPUT]);
    Ok(())
}
