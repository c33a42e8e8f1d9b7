//! Policies that decide how models judge, in runs on real engines.

use std::collections::BTreeSet;
use std::time::SystemTime;

use anyhow::Result;
use detector::Request;
use e2e::World;
use e2e::world::{at, hourly, run, text};
use serde_json::{Value, json};

use crate::api_config::set;
use crate::models::{detector, events, fit_after, hour, insert, insert_before};

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
async fn settings_of_a_policy_hold_in_the_next_run_and_check() -> Result<()> {
    // Three times the usual calls of an hour, and little beside the calls of a day.
    let burst = "if(n = 768 + 9, 200, 60 + cityHash64(n) % 21)";
    let world = World::new().await?;
    let customers = ["usual", "strict", "classical", "mixed", "varied"];
    for customer in customers {
        insert(&world, customer, burst).await?;
    }
    let by_models = world.sibling().await?;
    let by_metric = json!({ "sensitivity": 5, "metrics": { "api_calls": { "sensitivity": "high" } } });
    let policies = [
        ("strict", json!({ "metrics": { "api_calls": { "sensitivity": 5 } } })),
        ("classical", json!({ "detectors": "z_score" })),
        ("mixed", by_metric),
        ("varied", json!({ "metrics": { "api_calls": { "min_relative_spread": 1.0 } } })),
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
        let clock = || SystemTime::from(at("2026-11-24T10:00:30Z"));
        let api = world.api_at(clock, &[("DETECTORS", "ensemble")], &world.aws).await?;
        for customer in customers {
            let path = format!("/v1/anomalies/check?customer_id={customer}&metric=api_calls");
            let is_anomaly = matches!(customer, "usual" | "mixed");
            assert_eq!(api.read(&path).await?["is_anomaly"], is_anomaly, "{customer}");
        }
    }
    Ok(())
}

/// A customer whose job runs at 03:00 local time, in the month before the clocks changed and on that day. The day is
/// named by the number of its first hour, as in `hour`.
async fn insert_nightly(world: &World, zone: &str, day: i64) -> Result<()> {
    let calls = format!("if(toHour(at, '{zone}') = 3, 500, 20 + cityHash64(n) % 5)");
    insert_before(world, "nightly", hour(day), &calls).await?;
    insert_before(world, "steady", hour(day), "60 + cityHash64(n) % 21").await
}

/// The first hours of 2026-10-25, when clocks went back in Europe, and of 2026-10-30, when they did in Egypt.
const BERLIN_DAY: i64 = -30 * 24;
const CAIRO_DAY: i64 = -25 * 24;

#[tokio::test]
async fn a_nightly_job_keeps_its_local_hour_when_clocks_change() -> Result<()> {
    for (zone, day) in [("Europe/Berlin", BERLIN_DAY), ("Africa/Cairo", CAIRO_DAY)] {
        for is_fitted in [false, true] {
            let world = World::new().await?;
            insert_nightly(&world, zone, day).await?;
            set(&world.api().await?, "/v1/config", 0, json!({ "time_zone": zone })).await?;
            let app = detector(&world).await?;
            if is_fitted {
                fit_after(&app, day).await;
                let zones = "SELECT DISTINCT zone FROM usage_models WHERE customer_id != '*'";
                assert_eq!(world.clickhouse.query(zones).fetch_one::<String>().await?, zone);
            }
            assert_eq!(events(&world, &app, day + 1..=day + 5).await?, [], "{zone}, fitted: {is_fitted}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_time_zone_acts_in_the_next_run_whatever_was_fitted_before() -> Result<()> {
    let zone = json!({ "time_zone": "Africa/Cairo" });
    // Nobody changes clocks with Egypt, so without a declared zone the job is missing at its hour.
    let pages: &[(i64, String)] = &[(CAIRO_DAY + 1, "opened".to_owned())];
    for (at_fit, at_run, told) in [(json!({}), zone.clone(), &[][..]), (zone, json!({}), pages)] {
        let world = World::new().await?;
        insert_nightly(&world, "Africa/Cairo", CAIRO_DAY).await?;
        let (api, app, path) = (world.api().await?, detector(&world).await?, "/v1/config/customers/nightly");
        set(&api, path, 0, at_fit.clone()).await?;
        fit_after(&app, CAIRO_DAY).await;
        set(&api, path, 1, at_run).await?;
        assert_eq!(events(&world, &app, CAIRO_DAY + 1..=CAIRO_DAY + 1).await?, told, "fitted: {at_fit}");
    }
    Ok(())
}

/// The hours of the run in which the anomalies of a customer were found, with the reasons of their mutes.
async fn muted_hours(world: &World, customer: &str) -> Result<Vec<(i64, String)>> {
    let items = world.items().await?;
    let of_customer = items.iter().filter(|item| text(item, "customer_id") == customer);
    let mut found = Vec::new();
    for item in of_customer {
        let end: i64 = text(item, "detected_at").parse()?;
        found.push(((end - hour(0).as_millisecond()) / 3_600_000, text(item, "mute_reason")));
    }
    found.sort();
    Ok(found)
}

#[tokio::test]
async fn a_mute_of_two_hours_hides_its_hours_and_nothing_else() -> Result<()> {
    // The event is from 09:00 to 11:00. Once the mute names these hours, and once it repeats the hours of Tuesdays.
    let once = json!({ "from": "2026-11-24T09:00:00Z", "until": "2026-11-24T11:00:00Z", "reason": "move" });
    let each_week = json!({
        "from": "2026-10-27T09:00:00Z", "until": "2026-10-27T11:00:00Z", "reason": "move",
        "rrule": "FREQ=WEEKLY;BYDAY=TU;BYHOUR=10", "time_zone": "Europe/Berlin",
    });
    for (mute, is_fitted) in [(once, false), (each_week.clone(), false), (each_week, true)] {
        let case = format!("{mute}, fitted: {is_fitted}");
        let world = World::new().await?;
        let usual = "60 + cityHash64(n) % 21";
        insert(&world, "event", &format!("if(n IN (768 + 9, 768 + 10), 900, {usual})")).await?;
        insert(&world, "leak", &format!("if(n >= 768 + 10, 900, {usual})")).await?;
        insert(
            &world,
            "later",
            &format!("if(n IN (768 + 9, 768 + 10), 900, if(n = 768 + 12, 400, {usual}))"),
        )
        .await?;
        set(&world.api().await?, "/v1/config", 0, json!({ "mutes": [mute] })).await?;
        let app = detector(&world).await?;
        if is_fitted {
            fit_after(&app, 9).await;
        }
        // The leak pages in its first hour after the mute, and the later burst in its own.
        let told = events(&world, &app, 9..=15).await?;
        let opened: Vec<_> = told.iter().filter(|(_, event)| event == "opened").map(|(at, _)| *at).collect();
        assert_eq!(opened, [12, 13], "{case}: {told:?}");
        let later = muted_hours(&world, "later").await?;
        let move_ = |at: i64| (at, "move".to_owned());
        assert_eq!(muted_hours(&world, "event").await?, [move_(10), move_(11)], "{case}");
        let leak = muted_hours(&world, "leak").await?;
        assert_eq!(leak[..2], [move_(11), (12, String::new())], "{case}: {leak:?}");
        assert_eq!(later[..3], [move_(10), move_(11), (13, String::new())], "{case}: {later:?}");
    }
    Ok(())
}

#[tokio::test]
async fn after_a_mute_of_all_customers_the_fits_still_say_whose_hours_are_read() -> Result<()> {
    let world = World::new().await?;
    let usual = "60 + cityHash64(n) % 21";
    for customer in 0..6 {
        let calls = format!("if(n IN (768 + 4, 768 + 5), 900, {usual})");
        insert(&world, &format!("event {customer}"), &calls).await?;
    }
    insert(&world, "leak", &format!("if(n = 768 + 9, 700, {usual})")).await?;
    let mute =
        json!({ "from": "2026-11-24T04:00:00Z", "until": "2026-11-24T06:00:00Z", "reason": "a load test" });
    let sibling = world.sibling().await?;
    for world in [&world, &sibling] {
        set(&world.api().await?, "/v1/config", 0, json!({ "mutes": [mute] })).await?;
    }
    let (by_hours, by_models) = (detector(&sibling).await?, detector(&world).await?);
    let request = hourly(&hour(10).to_string());
    let expected = run(&by_hours, &request).await?;
    fit_after(&by_models, 9).await;
    // Without a month of hours, nobody could judge these customers in full.
    let history = "ALTER TABLE usage_hourly DELETE WHERE customer_id LIKE 'event%' AND hour < '2026-11-23 10:00:00' \
                   SETTINGS mutations_sync = 2";
    world.clickhouse.query(history).execute().await?;
    let found = run(&by_models, &request).await?;
    assert_eq!((found.checked, &found.undetermined), (expected.checked, &expected.undetermined));
    assert_eq!((found.recorded, expected.recorded), (1, 1));
    assert_eq!(text(&world.items().await?[0], "customer_id"), "leak");
    Ok(())
}

#[tokio::test]
async fn a_customer_whose_usage_arrives_late_is_judged_when_it_has_arrived() -> Result<()> {
    let world = World::new().await?;
    let usual = "60 + cityHash64(n) % 21";
    // The last six hours are absent. A leak is in the hour from 02:00 on.
    insert(&world, "late", &format!("if(n >= 768 + 4, 0, if(n = 768 + 2, 700, {usual}))")).await?;
    insert(&world, "steady", usual).await?;
    let without = world.sibling().await?;
    set_all(&world, &[("late", json!({ "window_delay_hours": 6, "time_zone": "Asia/Tokyo" }))]).await?;
    let dry = Request { dry_run: true, ..hourly(&hour(9).to_string()) };

    let app = detector(&world).await?;
    let found = run(&app, &dry).await?;
    assert_eq!((found.customers, found.anomalies_found, found.findings.len()), (2, 1, 1));
    fit_after(&app, 8).await;
    assert_eq!(events(&world, &app, 9..=10).await?, [(9, "opened".to_owned())]);
    let item = &world.items().await?[0];
    let times = ["window_start", "window_end", "detected_at"].map(|name| text(item, name));
    assert_eq!(times, [2, 3, 3].map(|number| hour(number).as_millisecond().to_string()));
    assert_eq!((text(item, "customer_id"), text(item, "direction")), ("late".to_owned(), "spike".to_owned()));
    let description = text(item, "description");
    assert!(description.contains("between 11:00 and 12:00 (Asia/Tokyo)"), "{description}");
    // A check of the newest hours is one of the same hours.
    let clock = || SystemTime::from(at("2026-11-24T09:00:30Z"));
    let api = world.api_at(clock, &[("DETECTORS", "ensemble")], &world.aws).await?;
    let check = api.read("/v1/anomalies/check?customer_id=late&metric=api_calls").await?;
    assert_eq!((&check["is_anomaly"], &check["description"]), (&json!(true), &json!(description)), "{check}");
    assert_eq!(check["period"]["end"], hour(3).as_millisecond(), "{check}");
    // The same run again finds the same anomaly.
    let again = run(&app, &hourly(&hour(9).to_string())).await?;
    assert_eq!((again.recorded, again.already_recorded, again.customers), (0, 1, 2));

    let told = events(&without, &detector(&without).await?, 9..=10).await?;
    assert!(told.iter().any(|(_, event)| event == "opened"), "{told:?}");
    let items = without.items().await?;
    assert!(items.iter().any(|item| text(item, "direction") == "drop"), "a silence");
    Ok(())
}
