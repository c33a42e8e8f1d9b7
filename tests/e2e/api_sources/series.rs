//! A metric of an entity by hour, with the band of each hour: the same limits that checks and runs decide by.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use detector::{EventRequest, Request, check_event};
use e2e::workflows::WITH_WORKFLOWS;
use e2e::world::{END, at, hourly, run};
use e2e::{Api, World};
use serde_json::{Value, json};

use super::SLOW;

const SERIES: &str = "/v1/sources/executions/entities/nightly/series?customer_id=acme";

/// The points of a series, each with its value and the ends of its band.
fn points(series: &Value) -> Result<Vec<[Option<f64>; 3]>> {
    let points = series["points"].as_array().context("points")?;
    let names = ["value", "expected_low", "expected_high"];
    Ok(points.iter().map(|point| names.map(|name| point[name].as_f64())).collect())
}

async fn world() -> Result<(World, Api)> {
    let world = World::with_workflows().await?;
    let api = world.api_with(&[WITH_WORKFLOWS], &world.aws).await?;
    Ok((world, api))
}

#[tokio::test]
async fn the_band_of_rules_is_the_limit_that_checks_decide_by() -> Result<()> {
    let (world, api) = world().await?;
    let app = world.app_with(&[WITH_WORKFLOWS], &world.aws).await?;
    world.execution("acme", "slow", "nightly", 5, SLOW).await?;
    let request = EventRequest { source: "executions".to_owned(), id: "slow".to_owned(), customer_id: None };
    check_event(&app, &request, Instant::now() + Duration::from_secs(20)).await?;

    let path = format!("{SERIES}&metric=execution_duration&from=2026-11-20T13:00:00Z&to={END}&times=rfc3339");
    let series = api.as_customer("acme").read(&path).await?;
    let expected = json!({
        "source": "executions", "customer_id": "acme", "entity": "nightly", "entity_path": ["nightly"],
        "metric": "execution_duration", "unit": "ms", "judged_by": "rules",
        "period": { "start": "2026-11-20T13:00:00Z", "end": END }, "points": series["points"],
    });
    assert_eq!(series, expected);
    assert_eq!(series["points"][0]["start"], "2026-11-20T13:00:00Z");
    let found = points(&series)?;
    assert_eq!(found.len(), 24);
    let (last, before) = found.split_last().context("points")?;
    for [value, low, high] in before {
        let (value, high) = (value.context("a value")?, high.context("a limit")?);
        assert!((39_000.0..45_000.0).contains(&value), "{value}");
        assert!((48_000.0..53_000.0).contains(&high), "1.2 times the mean: {high}");
        assert_eq!(*low, None, "no execution is too fast");
    }
    // The limit of the hour is that of the anomaly, to the last digit.
    let anomaly =
        api.read("/v1/anomalies?execution_id=slow&type=duration_spike").await?["anomalies"][0].clone();
    assert_eq!(last[2], anomaly["expected_high"].as_f64(), "{anomaly}");
    assert!(last[0] > last[2], "{last:?}");

    let output = api.read(&format!("{SERIES}&metric=execution_output&from=now-2h&to={END}")).await?;
    let anomaly =
        api.read("/v1/anomalies?execution_id=slow&type=output_size_drop").await?["anomalies"][0].clone();
    let found = points(&output)?.pop().context("a point")?;
    assert_eq!(found[1..], [anomaly["expected_low"].as_f64(), None], "{anomaly}");
    // One execution is too few for a rate, and failures in a row have no band.
    for metric in ["execution_error_rate", "execution_failures_in_a_row"] {
        let series = api.read(&format!("{SERIES}&metric={metric}&from=now-5h")).await?;
        assert!(points(&series)?.iter().all(|point| point[1..] == [None, None]), "{series}");
    }
    Ok(())
}

#[tokio::test]
async fn the_band_of_models_is_the_range_that_a_run_expects() -> Result<()> {
    let world = World::with_workflows().await?;
    let by_models = [WITH_WORKFLOWS, ("DETECTORS", "ensemble")];
    let api = world.api_with(&by_models, &world.aws).await?;
    let app = world.app_with(&by_models, &world.aws).await?;
    let more = format!(
        "INSERT INTO executions (id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms, output_records)
         SELECT concat('more-', toString(number)), 'acme', 'nightly', 'completed', toDateTime64({end} - 200, 3, 'UTC'),
             toDateTime64({end} - 100 - number, 3, 'UTC'), 41000, 300 FROM numbers(400)",
        end = at(END).as_second()
    );
    world.clickhouse.query_raw(&more).execute().await?;
    let request = Request { source: Some("executions".to_owned()), ..hourly(END) };
    run(&app.of_source("executions")?, &request).await?;
    let anomalies = api.read("/v1/anomalies?metric=execution_count").await?;
    let anomaly = &anomalies["anomalies"][0];
    assert_eq!(anomaly["current_value"], 401.0, "of one hour: {anomalies}");

    let series = api.read(&format!("{SERIES}&metric=execution_count&from=now-3d&to={END}")).await?;
    assert_eq!(series["judged_by"], "models");
    let mut found = points(&series)?;
    let last = found.pop().context("a point")?;
    let ends = ["expected_low", "expected_high"].map(|name| anomaly[name].as_f64());
    assert_eq!(last, [Some(401.0), ends[0], ends[1]], "{anomaly}");
    for point in &found {
        let [Some(value), Some(low), Some(high)] = *point else { panic!("{point:?}") };
        assert!(low <= value && value <= high, "{point:?}");
    }
    // The classical rule knows no hour.
    let classical = world.api_with(&[WITH_WORKFLOWS], &world.aws).await?;
    let series = classical.read(&format!("{SERIES}&metric=execution_count&from=now-5h")).await?;
    assert!(points(&series)?.iter().all(|point| point[1..] == [None, None]), "{series}");
    // An entity that nobody knows has no band, and no hour of it is unusual.
    let path = "/v1/sources/executions/entities/other/series?customer_id=acme&metric=execution_count";
    let unknown = points(&api.read(path).await?)?;
    assert!(unknown.len() == 169 && unknown.iter().all(|point| point[1..] == [None, None]), "{unknown:?}");
    Ok(())
}

#[tokio::test]
async fn a_series_of_somebody_else_and_wrong_input_are_refused() -> Result<()> {
    let (_world, api) = world().await?;
    let globex = api.as_customer("globex");
    let path = "/v1/sources/executions/entities/nightly/series?metric=execution_duration&customer_id=";
    let (foreign, missing) =
        (globex.get(&format!("{path}acme")).await?, globex.get(&format!("{path}nobody")).await?);
    foreign.assert_problem(404, "a foreign customer");
    assert_eq!(foreign.without_request_id(), missing.without_request_id());
    // The same name is of another customer.
    let path = "/v1/sources/executions/entities/nightly/series?metric=execution_duration";
    let own = globex.read(path).await?;
    assert!(points(&own)?.iter().all(|point| *point == [None; 3]), "{own}");
    for (query, parameter, detail) in [
        ("", "metric", "metric is missing: the source executions has execution_count"),
        ("&metric=node_duration", "metric", "there is no metric `node_duration` of this source"),
        ("&metric=compute_time", "metric", "of this source"),
        ("&metric=execution_count&from=now-32d", "from", "at most 31 days"),
        ("&metric=execution_count&from=now", "from", "before `to`"),
        ("&metric=execution_count&to=x", "to", "RFC 3339"),
        ("&metric=execution_count&interval=day", "interval", "there is no parameter"),
    ] {
        api.get(&format!("{SERIES}{query}")).await?.assert_invalid(parameter, detail, query);
    }
    for (path, status) in [
        ("/v1/sources/usage/entities/a/series?metric=compute_time&customer_id=acme", 404),
        ("/v1/sources/executions/entities/a/series?metric=execution_count", 400),
        ("/v1/sources/execution_nodes/entities/a/series?metric=node_duration&customer_id=acme", 400),
    ] {
        api.get(path).await?.assert_problem(status, path);
    }
    // A node has two names.
    let path = "/v1/sources/execution_nodes/entities/nightly%2Fload/series?metric=node_duration&customer_id=acme&from=now-3h";
    let node = api.read(path).await?;
    assert_eq!(node["entity_path"], json!(["nightly", "load"]));
    assert!(points(&node)?[0][0].is_some_and(|value| (29_000.0..31_000.0).contains(&value)), "{node}");
    Ok(())
}
