//! Checks on demand: the same verdict as the hourly run, the same for many series in one query, and a reason if there
//! is no verdict.

use anyhow::{Context, Result};
use e2e::data::{customers, with_spikes};
use e2e::oracle::METRICS;
use e2e::proxy::{Action, Proxy};
use e2e::world::{END, at, hourly, run, steady_then, text};
use e2e::{Event, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

#[tokio::test]
async fn a_check_gives_the_verdict_that_the_hourly_run_stores() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(3).await?;
    world.insert_random(22, 250, 33, at(END)).await?;
    let strict = [("THRESHOLD", "1.5"), ("CRITICAL_THRESHOLD", "2.5"), ("BASELINE_DAYS", "28")];
    run(&world.app_with(&strict, &world.aws).await?, &hourly(END)).await?;
    let api = world.api_with(&strict, &world.aws).await?;
    let results = api.check_many(&json!({ "customer_ids": with_spikes() })).await?;
    assert_eq!(results.len(), 100);
    let items = world.items().await?;
    let anomalous: Vec<_> = results.iter().filter(|check| check["is_anomaly"] == true).collect();
    assert!(items.len() >= 5 && anomalous.len() == items.len(), "{} of {}", anomalous.len(), items.len());
    for item in &items {
        let is_of = |check: &&&Value| {
            check["customer_id"] == text(item, "customer_id") && check["metric"] == text(item, "metric")
        };
        let check = anomalous.iter().find(is_of).with_context(|| format!("a check of {item:?}"))?;
        let start = at(END).as_millisecond() - 86_400_000;
        assert_eq!(check["period"], json!({ "start": start, "end": at(END).as_millisecond() }));
        assert_eq!(check["period_complete"], true);
        for (name, value) in [
            ("current_value", &check["current_value"]),
            ("baseline_mean", &check["baseline"]["mean"]),
            ("baseline_stddev", &check["baseline"]["stddev"]),
            ("sample_count", &check["baseline"]["sample_count"]),
            ("z_score", &check["z_score"]),
            ("expected_low", &check["expected_low"]),
            ("expected_high", &check["expected_high"]),
        ] {
            // Equal to the last bit, because the same code judges the same rows.
            assert_eq!(value.as_f64(), text(item, name).parse().ok(), "{name} of {check}");
        }
        for name in ["severity", "direction", "unit"] {
            assert_eq!(check[name], text(item, name), "{name}");
        }
        // A check names the time of its period. The figures have the same words.
        let figures = |description: &str| description.split_once(", ").map(|(_, rest)| rest.to_owned());
        let described = check["description"].as_str().and_then(figures);
        assert!(described.is_some() && described == figures(&text(item, "description")), "{check}");
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_equals_its_singles_and_is_read_as_a_whole() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(25, 250, 33, at(END)).await?;
    let proxy = Proxy::start(&world.clickhouse_url, |_| Action::Forward).await?;
    let api = world.api_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    for (period, query) in [
        (json!({}), String::new()),
        (
            json!({ "current_start": "2026-11-21T09:10:00Z", "current_end": "now-1h", "baseline_days": 20, "threshold": 2 }),
            "&current_start=2026-11-21T09:10:00Z&current_end=now-1h&baseline_days=20&threshold=2".to_owned(),
        ),
    ] {
        let mut body = period;
        body["customer_ids"] = json!(customers(25));
        let before = proxy.count("sweep");
        let results = api.check_many(&body).await?;
        // Series in their first days need the shape of a day of all customers: the ids of peers, twice, and their hours.
        let queries = if query.is_empty() { 4 } else { 1 };
        assert_eq!((results.len(), proxy.count("sweep") - before), (100, queries));
        let series = customers(25).into_iter().flat_map(|id| METRICS.map(|metric| (id.clone(), metric)));
        // Each metric comes by, of some customers.
        for ((customer, metric), check) in series.zip(&results).step_by(3) {
            assert_eq!(api.check(&customer, metric, &query).await?, *check);
        }
    }
    // Metrics come in the order of the request. One more series is refused.
    let some = json!({ "customer_ids": customers(2), "metrics": ["storage_peak", "api_calls"] });
    let order: Vec<_> = api.check_many(&some).await?.iter().map(|check| check["metric"].clone()).collect();
    assert_eq!(order, ["storage_peak", "api_calls", "storage_peak", "api_calls"]);
    let before = proxy.count("sweep");
    let answer = api.post("/v1/anomalies/check", &json!({ "customer_ids": customers(26) })).await?;
    answer.assert_invalid("customer_ids", "104 series; at most 100", "26 customers");
    assert_eq!(proxy.count("sweep"), before);
    Ok(())
}

#[tokio::test]
async fn a_series_that_cannot_be_judged_has_a_reason_and_no_verdict() -> Result<()> {
    let (world, end) = (World::new().await?, at(END));
    let hours = SignedDuration::from_hours;
    let mut events = Vec::new();
    for (customer, current) in [("corrected", -1.0), ("huge", 1e120)] {
        events.extend(steady_then(customer, end, current));
    }
    events.extend((1..31).map(|age| Event::storage("gap now", end - hours(24 * age + 3), 100.0)));
    events.extend(steady_then("new", end, 7e6).into_iter().take(8));
    world.insert(&events).await?;
    let broken = "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low)
                  SELECT 'infinite', 'compute_time', toDateTime('2026-11-21 01:00:00', 'UTC') - number * 86400, 1,
                         value, value, value
                  FROM (SELECT number, if(number = 3, inf, 7e6) AS value FROM numbers(31))";
    world.clickhouse.query_raw(broken).execute().await?;
    let api = world.api().await?;
    for (customer, metric, reason, current) in [
        ("huge", "compute_time", "out_of_range", None),
        ("gap now", "storage_peak", "no_data", None),
        ("new", "compute_time", "insufficient_data", Some(7e6)),
        ("nobody", "compute_time", "unknown_customer", None),
        ("nobody", "storage_peak", "unknown_customer", None),
    ] {
        let check = api.check(customer, metric, "").await?;
        let verdict = [&check["undetermined"], &check["z_score"], &check["is_anomaly"], &check["severity"]];
        assert_eq!(verdict, [&json!(reason), &Value::Null, &json!(false), &Value::Null], "{check}");
        assert_eq!(check["current_value"].as_f64(), current, "{check}");
        for name in ["direction", "expected_low", "expected_high"] {
            assert_eq!(check[name], Value::Null, "{name} of {check}");
        }
        assert!(!check["description"].as_str().unwrap_or_default().is_empty(), "{check}");
    }
    // A negative event is a correction. It cancels no usage, and alone it is no usage.
    let corrected = api.check("corrected", "compute_time", "").await?;
    let verdict = [&corrected["current_value"], &corrected["direction"], &corrected["severity"]];
    assert_eq!(verdict, [&json!(0.0), &json!("drop"), &json!("critical")], "{corrected}");
    // The answers in steps show corrections beside the usage.
    let usage = api.read("/v1/customers/corrected/usage?metric=compute_time&from=now-1d").await?;
    run(&world.app().await?, &hourly(END)).await?;
    let anomalies = api.read("/v1/anomalies?customer_id=corrected").await?;
    let id = anomalies["anomalies"][0]["anomaly_id"].as_str().context("an anomaly")?;
    let anomaly = api.read(&format!("/v1/anomalies/{id}")).await?;
    for steps in [&usage["points"], &anomaly["hours"]] {
        let steps = steps.as_array().context("steps")?.iter();
        let corrections: Vec<_> = steps.filter_map(|step| step["corrections"].as_f64()).collect();
        assert!(corrections.len() >= 24, "{corrections:?}");
        assert_eq!(corrections.into_iter().filter(|sum| *sum != 0.0).collect::<Vec<_>>(), [-1.0]);
    }
    // The check does not use a broken earlier window. It compares with the others.
    let infinite = api.check("infinite", "compute_time", "").await?;
    let (windows, verdict) = (&infinite["baseline"], [&infinite["undetermined"], &infinite["severity"]]);
    assert_eq!((&windows["broken_windows"], &windows["sample_count"]), (&json!(1), &json!(28)), "{infinite}");
    assert_eq!(verdict, [&Value::Null, &json!("normal")], "{infinite}");
    let usual = api.check("corrected", "compute_time", "&current_end=now-1d").await?;
    assert_eq!((&usual["undetermined"], &usual["severity"]), (&Value::Null, &json!("normal")));
    Ok(())
}

#[tokio::test]
async fn a_threshold_of_ones_own() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 9e6)).await?;
    // Without the least spread, so that the expected range comes from the deviation alone.
    let api = world.api_with(&[("MIN_RELATIVE_SPREAD", "0")], &world.aws).await?;
    let z = api.check("cust_1", "compute_time", "").await?["z_score"].as_f64().context("z")?;
    assert!(z > 10.0 && z < 99.0, "{z}");
    for (threshold, severity) in [(z - 0.01, "critical"), (z + 0.01, "normal"), (0.5, "critical")] {
        let check = api.check("cust_1", "compute_time", &format!("&threshold={threshold}")).await?;
        assert_eq!((&check["severity"], &check["threshold"]), (&json!(severity), &json!(threshold)));
        let (mean, reach) = (&check["baseline"]["mean"], &check["baseline"]["stddev"]);
        let high = mean.as_f64().zip(reach.as_f64()).map(|(mean, stddev)| mean + threshold * stddev);
        assert_eq!(check["expected_high"].as_f64(), high);
    }
    let refused = api.get("/v1/anomalies/check?customer_id=a&metric=api_calls&threshold=101").await?;
    refused.assert_invalid("threshold", "above 0 and at most 100", "101");
    Ok(())
}

#[tokio::test]
async fn ids_as_long_as_a_body_holds_are_checked_all_at_once() -> Result<()> {
    let world = World::new().await?;
    // Each of these characters becomes several on the way to ClickHouse.
    let ids: Vec<_> = (0..24).map(|number| format!("{number:04}{}", "'\\é".repeat(399))).collect();
    world.insert(&steady_then(&ids[23], at(END), 5e7)).await?;
    let api = world.api().await?;
    for end in ["now", END] {
        let body = json!({ "customer_ids": ids, "metrics": ["compute_time"], "current_end": end });
        assert!((40_000..65_536).contains(&body.to_string().len()), "{}", body.to_string().len());
        let results = api.check_many(&body).await?;
        let found = results.iter().zip(&ids).all(|(check, id)| check["customer_id"] == **id);
        assert!(found && results.len() == 24);
        assert_eq!(
            (&results[22]["undetermined"], &results[23]["severity"]),
            (&json!("unknown_customer"), &json!("critical"))
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_baseline_that_holds_too_few_periods_is_refused_with_the_arithmetic() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(2, 1_500, 95, at(END)).await?;
    let api = world.api().await?;
    for (query, parameter, detail) in [
        (
            "baseline_days=5",
            "baseline_days",
            "every 1 days, so 5 days hold 5 of them, and a verdict needs 7: set baseline_days to at least 7",
        ),
        (
            "current_start=now-7d&current_end=now&baseline_days=30",
            "baseline_days",
            "every 7 days, so 30 days hold 4 of them, and a verdict needs 7: set baseline_days to at least 49",
        ),
        (
            "current_start=now-14d&current_end=now",
            "current_start",
            "every 14 days, so 90 days hold 6 of them, and a verdict needs 7: choose a period of at most 12 days",
        ),
        ("current_start=now-92d&current_end=now", "current_start", "choose a period of at most 12 days"),
    ] {
        let path = format!("/v1/anomalies/check?customer_id=customer%201&metric=api_calls&{query}");
        let answer = api.get(&path).await?;
        answer.assert_invalid(parameter, detail, query);
        assert_eq!(answer.json["code"], "baseline_too_short", "{query}");
    }
    let body = json!({ "customer_ids": ["customer 1"], "baseline_days": 6 });
    api.post("/v1/anomalies/check", &body).await?.assert_invalid("baseline_days", "at least 7", "batch");
    // A long period without a baseline of its own gets one that holds enough periods.
    for (days, samples) in [(7, 7), (12, 7), (1, 30)] {
        let query = format!("&current_start=2026-11-{:02}T13:00:00Z&current_end={END}", 21 - days);
        let check = api.check("customer 1", "api_calls", &query).await?;
        assert_eq!(
            (&check["undetermined"], &check["baseline"]["sample_count"]),
            (&Value::Null, &json!(samples))
        );
    }
    Ok(())
}
