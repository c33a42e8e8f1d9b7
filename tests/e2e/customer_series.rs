//! A metric of a customer by hour, with the band of each hour: the range that a run expects.

use anyhow::{Context, Result};
use e2e::World;
use e2e::world::{END, at, hourly, run};
use serde_json::{Value, json};

const SERIES: &str = "/v1/customers/acme/series";

/// 33 days with twelve calls or so an hour, and 500 more in the newest hour.
async fn usage(world: &World) -> Result<()> {
    let end = at(END).as_second();
    for (rows, when) in [
        (
            "numbers(33 * 24 * 20) WHERE number % 20 < 11 + number % 3",
            "- 3600 * (1 + intDiv(number, 20)) + number % 20",
        ),
        ("numbers(500)", "- 1 - number"),
    ] {
        let sql = format!(
            "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
             SELECT toString(generateUUIDv4()), 'acme', 'api_request', toDateTime({end}) {when}, '{{\"bytes\": 1}}' FROM {rows}"
        );
        world.clickhouse.query_raw(&sql).execute().await?;
    }
    Ok(())
}

fn points(series: &Value) -> Result<Vec<[Option<f64>; 3]>> {
    let points = series["points"].as_array().context("points")?;
    let names = ["value", "expected_low", "expected_high"];
    Ok(points.iter().map(|point| names.map(|name| point[name].as_f64())).collect())
}

#[tokio::test]
async fn the_band_of_usage_is_the_range_that_a_run_expects() -> Result<()> {
    let world = World::new().await?;
    usage(&world).await?;
    let by_models = [("DETECTORS", "seasonal")];
    run(&world.app_with(&by_models, &world.aws).await?, &hourly(END)).await?;
    let api = world.api_with(&by_models, &world.aws).await?;
    let anomalies = api.read("/v1/anomalies?metric=api_calls").await?;
    let anomaly = &anomalies["anomalies"][0];
    let of_hour = anomaly["current_value"].as_f64().context("an anomaly")?;
    assert!((500.0..520.0).contains(&of_hour), "of one hour: {anomalies}");

    let path = format!("{SERIES}?metric=api_calls&from=now-3d&to={END}&times=rfc3339");
    let series = api.as_customer("acme").read(&path).await?;
    let expected = json!({
        "customer_id": "acme", "metric": "api_calls", "unit": "calls", "judged_by": "models",
        "period": { "start": "2026-11-18T13:00:00Z", "end": END }, "points": series["points"],
    });
    assert_eq!(series, expected);
    let mut found = points(&series)?;
    let last = found.pop().context("a point")?;
    let ends = ["expected_low", "expected_high"].map(|name| anomaly[name].as_f64());
    assert_eq!(last, [Some(of_hour), ends[0], ends[1]], "{anomaly}");
    for point in &found {
        let [Some(value), Some(low), Some(high)] = *point else { panic!("{point:?}") };
        assert!(low <= value && value <= high && high < 100.0, "{point:?}");
    }

    // The classical rule knows no hour, and a customer without usage has no band.
    let classical = world.api().await?.read(&format!("{SERIES}?metric=api_calls&from=now-5h")).await?;
    assert!(points(&classical)?.iter().all(|point| point[1..] == [None, None]), "{classical}");
    let nobody = points(&api.read("/v1/customers/nobody/series?metric=api_calls&from=now-5h").await?)?;
    assert!(nobody.iter().all(|point| point[1..] == [None, None]), "{nobody:?}");
    Ok(())
}

#[tokio::test]
async fn foreign_customers_and_wrong_input_are_refused() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    api.as_customer("globex")
        .get(&format!("{SERIES}?metric=api_calls"))
        .await?
        .assert_problem(404, "foreign");
    for (query, parameter, detail) in [
        ("", "metric", "missing"),
        ("?metric=nothing", "metric", "nothing"),
        ("?metric=api_calls&from=now-32d", "from", "at most 31 days"),
        ("?metric=api_calls&from=now", "from", "before `to`"),
        ("?metric=api_calls&interval=day", "interval", "there is no parameter"),
    ] {
        api.get(&format!("{SERIES}{query}")).await?.assert_invalid(parameter, detail, query);
    }
    Ok(())
}
