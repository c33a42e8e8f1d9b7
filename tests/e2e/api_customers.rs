//! The figures around an anomaly and of a customer: windows, hours, baselines and series, recomputed from raw events.

use anyhow::{Context, Result};
use e2e::World;
use e2e::oracle::{METRICS, Oracle};
use e2e::world::{END, at, hourly, run, text};
use serde_json::{Value, json};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name].as_array().with_context(|| format!("a list {name}"))
}

fn assert_near(found: &Value, expected: Option<f64>, case: &str) {
    let near = match (found.as_f64(), expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        (found, expected) => found == expected,
    };
    assert!(near, "{case}: found {found}, expected {expected:?}");
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn stddev(values: &[f64]) -> Option<f64> {
    let (mean, freedom) = (mean(values)?, values.len() as f64 - 1.0);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (freedom > 0.0).then(|| (squares / freedom).sqrt())
}

/// The quantile by its definition: interpolated between the two nearest values.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    for below in 0..last {
        let (start, end) = (below as f64 / last as f64, (below + 1) as f64 / last as f64);
        if (start..=end).contains(&share) {
            return Some(
                values[below] + (values[below + 1] - values[below]) * (share - start) / (end - start),
            );
        }
    }
    values.last().copied()
}

#[tokio::test]
async fn an_anomaly_comes_with_its_windows_and_hours() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(12, 900, 40, at(END)).await?;
    let strict = [("THRESHOLD", "0.8"), ("MIN_RELATIVE_CHANGE", "0")];
    run(&world.app_with(&strict, &world.aws).await?, &hourly(END)).await?;
    let (api, oracle) = (world.api().await?, Oracle::new(&world.clickhouse).await?);
    let (items, end) = (world.items().await?, at(END).as_millisecond());
    assert!(items.len() >= 8, "{} anomalies", items.len());
    for item in &items {
        let (id, customer, metric) =
            (text(item, "anomaly_id"), text(item, "customer_id"), text(item, "metric"));
        let detail = api.read(&format!("/v1/anomalies/{id}")).await?;
        assert_eq!(detail["anomaly"]["anomaly_id"], id);
        for name in ["current_value", "z_score", "baseline_mean"] {
            assert_eq!(detail["anomaly"][name].as_f64(), text(item, name).parse().ok(), "{name} of {id}");
        }
        let windows = list(&detail, "baseline_windows")?;
        assert_eq!(windows.len(), 30, "{id}");
        let mut counted = Vec::new();
        for (window, age) in windows.iter().zip(1..) {
            let (start, end) = (end - (age + 1) * DAY, end - age * DAY);
            assert_eq!(window["window"], json!({ "start": start, "end": end }));
            let expected = oracle.value(&customer, &metric, start, end);
            // A window without events has no value of its own. The check counts it as zero if the catalog says so.
            let found = window["value"].as_f64().or_else(|| (metric != "storage_peak").then_some(0.0));
            assert_near(&json!(found), expected, &format!("{id}, window {age}"));
            if window["counted"] == true {
                counted.extend(expected);
            }
        }
        assert_near(&detail["anomaly"]["baseline_mean"], mean(&counted), &id);
        assert_eq!(detail["anomaly"]["sample_count"], counted.len(), "{id}");

        let counts = windows.iter().filter(|window| window["counted"] == true).count() as i64;
        let hours = list(&detail, "hours")?;
        assert_eq!(hours.len(), 24, "{id}");
        for (hour, number) in hours.iter().zip(0..) {
            let start = end - DAY + number * HOUR;
            assert_eq!(hour["window"], json!({ "start": start, "end": start + HOUR }));
            let value =
                |age: i64| oracle.value(&customer, &metric, start - age * DAY, start - age * DAY + HOUR);
            let case = format!("{id}, hour {number}");
            assert_near(&hour["value"], value(0), &case);
            let usual: Vec<f64> = (1..=counts).filter_map(value).collect();
            assert_eq!(hour["baseline"]["sample_count"], usual.len(), "{case}");
            if usual.len() > 1 {
                assert_near(&hour["baseline"]["mean"], mean(&usual), &case);
                assert_near(&hour["baseline"]["stddev"], stddev(&usual), &case);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn baselines_are_those_of_the_raw_events() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(7, 600, 95, at(END)).await?;
    let (api, oracle) = (world.api().await?, Oracle::new(&world.clickhouse).await?);
    let end = at(END).as_millisecond();
    // The customers are older than the time read. So all windows count, for zeros those since the first use.
    for (customer, days) in [("customer 1", 30), ("customer 5", 30), ("customer 3", 2), ("customer 6", 60)] {
        let path = format!("/v1/customers/{}/baselines?baseline_days={days}", e2e::api::encoded(customer));
        let baselines = api.read(&path).await?;
        assert_eq!(baselines["customer_id"], customer);
        let metrics: Vec<_> = list(&baselines, "baselines")?.iter().map(|of| of["metric"].clone()).collect();
        assert_eq!(metrics, METRICS);
        for of in list(&baselines, "baselines")? {
            let metric = of["metric"].as_str().context("a metric")?;
            let value = |age: i64| oracle.value(customer, metric, end - (age + 1) * DAY, end - age * DAY);
            let first_use = (0..=days).rev().find(|age| value(*age) > Some(0.0)).context("usage")?;
            let counts = if metric == "storage_peak" || first_use == days { days } else { first_use - 1 };
            let values: Vec<f64> = (1..=counts).filter_map(value).collect();
            let case = format!("{customer}, {metric}, {days} days");
            for (name, expected) in [
                ("mean", mean(&values)),
                ("stddev", stddev(&values)),
                ("p50", quantile(&values, 0.5)),
                ("p95", quantile(&values, 0.95)),
                ("p99", quantile(&values, 0.99)),
                ("min", values.iter().copied().reduce(f64::min)),
                ("max", values.iter().copied().reduce(f64::max)),
            ] {
                assert_near(&of[name], expected, &format!("{name} of {case}"));
            }
            assert_eq!(of["sample_count"], values.len(), "{case}");
            assert_eq!(of["window"], json!({ "start": end - (days + 1) * DAY, "end": end - DAY }), "{case}");
            assert_eq!(of["computed_at"], at(e2e::api::NOW).as_millisecond(), "{case}");
        }
    }
    let nobody = api.read("/v1/customers/nobody/baselines").await?;
    for of in list(&nobody, "baselines")? {
        assert_eq!((&of["sample_count"], &of["mean"], &of["p99"]), (&json!(0), &Value::Null, &Value::Null));
    }
    Ok(())
}

#[tokio::test]
async fn series_are_those_of_the_raw_events() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(3, 5_000, 95, at(END)).await?;
    let (api, oracle) = (world.api().await?, Oracle::new(&world.clickhouse).await?);
    let customer = api.as_customer("customer 1");
    for (query, step, start, end) in [
        // The default is seven days, with the hour that has begun.
        ("", HOUR, "2026-11-14T13:00:00Z", "2026-11-21T14:00:00Z"),
        ("&interval=hour&from=now-90m&to=now-30m", HOUR, "2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z"),
        ("&interval=day&from=now-3d", DAY, "2026-11-18T00:00:00Z", "2026-11-22T00:00:00Z"),
        (
            "&interval=day&from=2026-08-21T00:00:00Z&to=2026-11-21T00:00:00Z",
            DAY,
            "2026-08-21T00:00:00Z",
            "2026-11-21T00:00:00Z",
        ),
        (
            "&interval=hour&from=2026-11-01T00:00:00.001Z&to=2026-11-02T00:00:00.001Z",
            HOUR,
            "2026-11-01T00:00:00Z",
            "2026-11-02T01:00:00Z",
        ),
    ] {
        for metric in METRICS {
            let path = format!("/v1/customers/customer%201/usage?metric={metric}{query}");
            let usage = customer.read(&path).await?;
            let (start, end) = (at(start).as_millisecond(), at(end).as_millisecond());
            assert_eq!(usage["period"], json!({ "start": start, "end": end }), "{path}");
            let points = list(&usage, "points")?;
            assert_eq!(points.len() as i64, (end - start) / step, "{path}");
            for (point, number) in points.iter().zip(0..) {
                let start = start + number * step;
                assert_eq!(point["start"], start, "{path}");
                let expected = oracle.value("customer 1", metric, start, start + step);
                assert_near(&point["value"], expected, &format!("{path} at {start}"));
            }
            // A single hour may be empty.
            let known =
                points.iter().filter(|point| point["value"].as_f64().is_some_and(|value| value > 0.0));
            assert!(known.count() > points.len() / 4 || points.len() == 1, "{path}");
        }
    }
    Ok(())
}
