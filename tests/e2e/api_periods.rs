//! Checks of any period: the verdict of raw events, recomputed in the plainest way, for any length, on the hour and off
//! it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use e2e::api::NOW;
use e2e::data::with_spikes;
use e2e::oracle::{Expected, Judged, METRICS, Oracle, Period, assert_same};
use e2e::world::{END, at, steady_then, timestamp};
use e2e::{Event, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// An answer in the form of the oracle.
fn as_expected(check: &Value) -> Result<Expected> {
    let reason =
        ["unknown_customer", "no_data", "insufficient_data", "not_finite", "negative", "out_of_range"]
            .into_iter()
            .find(|reason| check["undetermined"] == *reason);
    if let Some(reason) = reason {
        return Ok(Expected::Undetermined(reason));
    }
    let number = |value: &Value| value.as_f64().with_context(|| format!("a number in {check}"));
    // A first use has no earlier windows and so no mean of them.
    let is_first_use = check["type"] == "new_usage";
    let usual = |value: &Value| if is_first_use { Ok(0.0) } else { number(value) };
    let severity = ["warning", "critical"].into_iter().find(|severity| check["severity"] == *severity);
    assert_eq!(check["is_anomaly"], json!(severity.is_some()), "{check}");
    Ok(Expected::Judged(Judged {
        current: number(&check["current_value"])?,
        mean: usual(&check["baseline"]["mean"])?,
        stddev: usual(&check["baseline"]["stddev"])?,
        z_score: number(&check["z_score"])?,
        samples: check["baseline"]["sample_count"].as_u64().context("a count")? as usize,
        severity,
    }))
}

fn by_series(results: &[Value]) -> Result<BTreeMap<(String, &'static str), Expected>> {
    let entry = |check: &Value| {
        let metric = METRICS.into_iter().find(|metric| check["metric"] == *metric).context("a metric")?;
        let customer = check["customer_id"].as_str().context("a customer")?;
        Ok(((customer.to_owned(), metric), as_expected(check)?))
    };
    results.iter().map(entry).collect()
}

#[tokio::test]
async fn any_period_agrees_with_an_oracle_over_raw_events() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(22, 1_500, 95, at(END)).await?;
    world.insert_spikes(3).await?;
    let (api, oracle) = (world.api().await?, Oracle::new(&world.clickhouse).await?);
    let mut judged = BTreeMap::<_, usize>::new();
    for (start, end, baseline_days, threshold) in [
        ("2026-11-21T11:00:00Z", END, 30, 3.0),
        ("2026-11-21T09:00:00Z", "2026-11-21T11:00:00Z", 90, 2.0),
        ("2026-11-20T01:00:00Z", END, 30, 3.0),
        ("2026-11-20T01:00:00Z", END, 90, 1.5),
        ("2026-11-14T13:00:00Z", END, 90, 2.0),
        ("2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z", 49, 3.0),
        ("2026-11-20T13:00:00Z", END, 7, 6.5),
        // Off the hour by minutes, by milliseconds, and on one side only.
        ("2026-11-21T10:17:00Z", "2026-11-21T12:17:00Z", 30, 2.0),
        ("2026-11-20T12:59:59.999Z", "2026-11-21T12:59:59.999Z", 30, 3.0),
        ("2026-11-20T13:00:00Z", "2026-11-21T13:00:00.001Z", 30, 2.0),
        ("2026-11-20T00:30:00Z", "2026-11-21T12:30:00Z", 60, 1.0),
        ("2026-11-14T12:59:00.5Z", "2026-11-21T12:59:00.5Z", 90, 2.0),
        ("2026-11-21T12:58:00.123Z", "2026-11-21T12:59:00.456Z", 90, 3.0),
    ] {
        let body = json!({
            "customer_ids": with_spikes(),
            "current_start": start,
            "current_end": at(end).as_millisecond(),
            "baseline_days": baseline_days,
            "threshold": threshold,
        });
        let mut found = by_series(&api.check_many(&body).await?)?;
        let (start, end) = (at(start).as_millisecond(), at(end).as_millisecond());
        let expected = oracle.verdicts(&Period { start, end, baseline_days, threshold });
        // A customer without usage in all that time cannot be judged, and the oracle does not know it.
        found.retain(|key, verdict| {
            let known = expected.contains_key(key);
            assert!(known || matches!(verdict, Expected::Undetermined(_)), "{key:?} in {body}");
            known
        });
        assert_same(&found, &expected);
        for verdict in expected.values() {
            let Expected::Judged(of) = verdict else { continue };
            *judged.entry(of.severity).or_default() += 1;
        }
    }
    let counts = [None, Some("warning"), Some("critical")].map(|severity| judged.get(&severity).copied());
    assert!(counts.iter().all(|count| count.is_some_and(|count| count >= 10)), "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn any_number_of_baseline_days_agrees_with_the_oracle() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(3, 900, 95, at(END)).await?;
    let (api, oracle) = (world.api().await?, Oracle::new(&world.clickhouse).await?);
    for days in (7..=90_i64).step_by(4).chain([8, 89, 90]) {
        let body = json!({ "customer_ids": ["customer 1", "customer 2"], "baseline_days": days });
        let period = Period { baseline_days: days, ..Period::day(at(END).as_millisecond()) };
        let mut expected = oracle.verdicts(&period);
        expected.retain(|(customer, _), _| customer != "customer 0");
        let found = by_series(&api.check_many(&body).await?)?;
        assert_same(&found, &expected);
        let judged = matches!(found[&("customer 1".to_owned(), "api_calls")], Expected::Judged(_));
        assert!(judged, "{days} days");
    }
    Ok(())
}

#[tokio::test]
async fn the_rollup_and_the_raw_events_say_the_same() -> Result<()> {
    let world = World::new().await?;
    // None of their events is near a full hour, so a millisecond later nothing is different.
    let mut events = Vec::new();
    let end = at(END) - SignedDuration::from_mins(30);
    for age in 0..80 {
        let time = end - SignedDuration::from_hours(age * 9);
        events.push(Event::call("cust_1", time, 1e6 * (age % 7) as f64));
        events.push(Event::storage("cust_1", time, 50.0 + (age % 5) as f64));
        if age < 40 {
            events.push(Event::compute("cust_2", time, 1e5 * (age % 4 + 1) as f64));
        }
    }
    world.insert(&events).await?;
    let api = world.api().await?;
    for hours in [1, 2, 23, 24, 36, 72] {
        let body = |millisecond: i64| {
            let end = at(END).as_millisecond() + millisecond;
            json!({
                "customer_ids": ["cust_1", "cust_2"],
                "current_start": end - hours * 3_600_000,
                "current_end": end,
                "baseline_days": 30,
            })
        };
        let (on, off) = (api.check_many(&body(0)).await?, api.check_many(&body(1)).await?);
        assert!(on.iter().any(|check| check["undetermined"] == Value::Null), "{hours} h: {on:?}");
        for (mut on, mut off) in on.into_iter().zip(off) {
            for check in [&mut on, &mut off] {
                for name in ["period", "description"] {
                    check[name].take();
                }
            }
            assert_eq!(on, off, "{hours} h");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_period_around_this_very_moment_has_a_number_and_a_severity() -> Result<()> {
    let world = World::new().await?;
    let now = timestamp();
    world.insert(&steady_then("cust_1", now + SignedDuration::from_hours(12), 5e7)).await?;
    // The clock of the machine, without any preparation.
    let api = world.api_at(e2e::world::now, &[], &world.aws).await?;
    for period in ["current_start=now-1h&current_end=now%2B1h", "current_start=now-1h&current_end=now+1h"] {
        for metric in METRICS {
            let check = api.check("cust_1", metric, &format!("&{period}")).await?;
            let is_judged = check["undetermined"].is_null();
            assert!(is_judged || metric == "storage_peak", "{check}");
            assert_eq!(
                (check["z_score"].is_f64(), check["severity"].is_string()),
                (is_judged, is_judged),
                "{check}"
            );
            assert_eq!(check["period_complete"], false, "{check}");
            let length = check["period"]["end"].as_i64().zip(check["period"]["start"].as_i64());
            assert_eq!(length.map(|(end, start)| end - start), Some(7_200_000), "{check}");
        }
        // The event of this moment counts, and so do those at the same time of the earlier days.
        let check = api.check("cust_1", "compute_time", &format!("&{period}")).await?;
        assert_eq!((&check["current_value"], &check["severity"]), (&json!(5e7), &json!("critical")));
        assert_eq!(check["baseline"]["sample_count"], 30);
    }
    Ok(())
}

#[tokio::test]
async fn the_default_period_and_half_given_ones() -> Result<()> {
    let world = World::new().await?;
    let api = world.api_with(&[("WINDOW_DELAY_SECONDS", "2400")], &world.aws).await?;
    let hour = 3_600_000;
    let (now, end) = (at(NOW).as_millisecond(), at(END).as_millisecond());
    for (query, expected) in [
        // With a delay of 40 minutes the window of 13:00 is not due at 13:30.
        ("", (end - 25 * hour, end - hour)),
        ("&current_start=now-30h", (now - 30 * hour, now - 6 * hour)),
        ("&current_end=2026-11-21T13:00:00Z", (end - 24 * hour, end)),
        ("&current_start=now-2d&current_end=now", (now - 48 * hour, now)),
    ] {
        let check = api.check("anybody", "api_calls", query).await?;
        assert_eq!(check["period"], json!({ "start": expected.0, "end": expected.1 }), "{query}");
    }
    Ok(())
}
