//! Feedback of people, and that the next run obeys: each of the four kinds, on real engines.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use detector::BacktestRequest;
use e2e::world::{END, at, hourly, run, steady_then, text};
use e2e::{Api, World};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::api_backtests;
use crate::models::{detector, events, hour, insert};

type Item = HashMap<String, AttributeValue>;

async fn api(world: &World) -> Result<Api> {
    world.api_at(|| SystemTime::from(at("2026-11-24T09:30:00Z")), &[], &world.aws).await
}

/// Gives feedback, which must be taken.
async fn give(api: &Api, path: &str, body: &Value) -> Result<Value> {
    let answer = api.post(&format!("{path}/feedback"), body).await?;
    assert_eq!(answer.status, 200, "{body} on {path}: {}", answer.text);
    Ok(answer.json)
}

/// The paths of a customer's incidents, the oldest first.
async fn incidents_of(world: &World, customer: &str) -> Result<Vec<String>> {
    let mut incidents = world.incidents().await?;
    incidents.retain(|incident| text(incident, "customer_id") == customer);
    incidents.sort_by_key(|incident| text(incident, "opened_at"));
    Ok(incidents.iter().map(|incident| format!("/v1/incidents/{}", text(incident, "incident_id"))).collect())
}

/// The anomaly of a customer in the window that ends at this hour.
async fn anomaly(world: &World, customer: &str, number: i64) -> Result<Option<Item>> {
    let end = hour(number).as_millisecond().to_string();
    let is_it = |item: &Item| text(item, "customer_id") == customer && text(item, "detected_at") == end;
    Ok(world.items().await?.into_iter().find(is_it))
}

fn number(item: &Item, name: &str) -> Result<f64> {
    text(item, name).parse().with_context(|| format!("{name} of {item:?}"))
}

/// The runs that see bursts at 10:00 on Saturday and at 15:00 on Sunday, and their ends.
const BURSTS: [std::ops::RangeInclusive<i64>; 2] = [-61..=-57, -32..=-28];

#[tokio::test]
async fn two_false_alarms_keep_the_next_one_like_them_away_and_a_larger_one_says_so() -> Result<()> {
    let world = World::new().await?;
    let sizes = [92, 96, 100, 104, 108, 112, 116, 120, 125, 700];
    for size in sizes {
        // The third burst is a little smaller than the first two.
        let third = size - 4;
        let calls = format!("if(n IN (706, 735), {size}, if(n = 777, {third}, 60 + cityHash64(n) % 21))");
        for customer in ["raised", "plain"] {
            insert(&world, &format!("{customer} {size}"), &calls).await?;
        }
    }
    let app = detector(&world).await?;
    for hours in BURSTS {
        events(&world, &app, hours).await?;
    }
    let api = api(&world).await?;
    let mut factors = HashMap::new();
    for size in sizes {
        let paths = incidents_of(&world, &format!("raised {size}")).await?;
        let [first, second] = &paths[..] else { continue };
        let one = give(&api, first, &json!({ "kind": "false_alarm" })).await?;
        assert_eq!(one["threshold_factor"], 1.0, "one says nothing: {one}");
        assert_eq!(give(&api, first, &json!({ "kind": "false_alarm" })).await?["threshold_factor"], 1.0);
        let two = give(&api, second, &json!({ "kind": "false_alarm" })).await?;
        let factor = two["threshold_factor"].as_f64().context("a factor")?;
        assert!(factor > 1.0 && factor <= 1.5, "{two}");
        factors.insert(size, factor);
    }
    events(&world, &app, 10..=10).await?;
    let (mut silent, mut loud) = (0, 0);
    for (size, factor) in &factors {
        let Some(plain) = anomaly(&world, &format!("plain {size}"), 10).await? else { continue };
        let raised = anomaly(&world, &format!("raised {size}"), 10).await?;
        let excess = number(&plain, "excess")?;
        assert!(!text(&plain, "description").contains("raised"), "{plain:?}");
        assert_eq!(raised.is_some(), excess >= *factor, "{size}: {excess} {factor}");
        match raised {
            None => silent += 1,
            Some(item) => {
                loud += 1;
                let description = text(&item, "description");
                assert!(description.contains("; its threshold was raised from "), "{description}");
                assert!(description.ends_with(" by feedback of 2026-11-24 and 2026-11-24"), "{description}");
                assert!((number(&item, "excess")? / excess - 1.0).abs() < 1e-9, "as configured: {item:?}");
            }
        }
    }
    assert!(silent > 0 && loud > 0 && factors[&700] == 1.5, "{silent} {loud} {factors:?}");

    // A check of the same hour says what the run said.
    let by_models = [("DETECTORS", "ensemble")];
    let later = world.api_at(|| SystemTime::from(at("2026-11-24T10:30:00Z")), &by_models, &world.aws).await?;
    for size in factors.keys() {
        for customer in ["raised", "plain"].map(|customer| format!("{customer} {size}")) {
            let found = anomaly(&world, &customer, 10).await?;
            let check = later.check(&customer, "api_calls", "").await?;
            let severity = found.map_or_else(|| "normal".to_owned(), |item| text(&item, "severity"));
            assert_eq!(check["severity"], severity, "{customer}: {check}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_expected_is_muted_a_week_later_and_its_incident_acknowledged() -> Result<()> {
    let world = World::new().await?;
    for customer in ["planned", "plain"] {
        insert(&world, customer, "if(n IN (608, 609, 777), 700, 60 + cityHash64(n) % 21)").await?;
    }
    let app = detector(&world).await?;
    events(&world, &app, -159..=-158).await?;
    let api = api(&world).await?;
    let [path] = &incidents_of(&world, "planned").await?[..] else { panic!("one incident") };
    let body = json!({ "kind": "expected", "until": "2026-12-24T00:00:00Z", "note": "weekly export" });
    // By its second anomaly.
    let id = text(&anomaly(&world, "planned", -158).await?.context("an anomaly")?, "anomaly_id");
    let given = give(&api, &format!("/v1/anomalies/{id}"), &body).await?;
    assert_eq!(given["incident_id"].as_str(), path.rsplit('/').next(), "{given}");
    assert_eq!(given["effect"].as_str().map(|text| text.contains("muted in each week")), Some(true));
    assert_eq!(api.read(path).await?["incident"]["state"], "acknowledged");
    let told: Vec<_> = world.alerts().await?.iter().map(|alert| alert["event"].clone()).collect();
    assert_eq!(told, ["acknowledged"]);

    events(&world, &app, -157..=-153).await?;
    events(&world, &app, 9..=9).await?;
    run(&app, &hourly(&hour(10).to_string())).await?;
    let paged: Vec<_> = world.alerts().await?.iter().map(|alert| alert["customer_id"].clone()).collect();
    assert_eq!(paged, ["plain"]);
    let muted = anomaly(&world, "planned", 10).await?.context("it is stored all the same")?;
    let reason = "expected by operator until 2026-12-24T00:00:00Z: weekly export";
    assert_eq!(text(&muted, "mute_reason"), reason);
    assert_eq!(text(&anomaly(&world, "plain", 10).await?.context("found")?, "mute_reason"), "");
    Ok(())
}

#[tokio::test]
async fn a_new_normal_is_accepted_at_once_and_raises_nothing() -> Result<()> {
    let world = World::new().await?;
    for customer in ["normal", "plain"] {
        insert(&world, customer, "if(n >= 776, 700, 60 + cityHash64(n) % 21)").await?;
    }
    let app =
        world.app_with(&[("DETECTORS", "ensemble"), ("REPEAT_INTERVAL_HOURS", "1")], &world.aws).await?;
    events(&world, &app, 9..=9).await?;
    let api = api(&world).await?;
    let [path] = &incidents_of(&world, "normal").await?[..] else { panic!("one incident") };
    let given = give(&api, path, &json!({ "kind": "new_normal" })).await?;
    assert_eq!(given["kind"], "new_normal");
    let told: Vec<_> = world.alerts().await?.iter().map(|alert| alert["event"].clone()).collect();
    assert_eq!(told, ["accepted"], "the people who were paged");

    for number in 10..=12 {
        run(&app, &hourly(&hour(number).to_string())).await?;
    }
    let alerts = world.alerts().await?;
    assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert["customer_id"] == "plain"), "{alerts:?}");
    let shown = api.read(path).await?["incident"].take();
    assert_eq!((&shown["state"], &shown["history"][0]["action"]), (&json!("accepted"), &json!("new_normal")));
    assert_eq!(shown["history"][0]["actor"], "operator");
    Ok(())
}

#[tokio::test]
async fn confirmed_hours_never_count_in_what_is_usual() -> Result<()> {
    let world = World::new().await?;
    // At 09:00 nine days before, which is longer than incidents stay out by themselves, and on the Tuesday.
    for customer in ["confirmed", "plain"] {
        insert(&world, customer, "if(n IN (561, 777), 700, 60 + cityHash64(n) % 21)").await?;
    }
    let app = detector(&world).await?;
    events(&world, &app, -206..=-202).await?;
    let [path] = &incidents_of(&world, "confirmed").await?[..] else { panic!("one incident") };
    let given = give(&api(&world).await?, path, &json!({ "kind": "confirmed" })).await?;
    assert_eq!(given["effect"].as_str().map(|text| text.contains("never count")), Some(true), "{given}");
    events(&world, &app, 10..=10).await?;
    let [confirmed, plain] = [
        anomaly(&world, "confirmed", 10).await?.context("found")?,
        anomaly(&world, "plain", 10).await?.context("found")?,
    ];
    let mean = |item: &Item| number(item, "baseline_mean");
    let count = |item: &Item| number(item, "sample_count");
    assert!(mean(&plain)? > mean(&confirmed)? + 10.0, "{plain:?} {confirmed:?}");
    assert_eq!(count(&plain)?, count(&confirmed)? + 1.0);
    Ok(())
}

#[tokio::test]
async fn a_dry_run_tells_what_would_change_and_changes_nothing() -> Result<()> {
    let starting = api_backtests::starting().await?;
    let world = &starting.world;
    let burst = at(END) - SignedDuration::from_hours(46);
    let app = detector(world).await?;
    for hours in 0..4 {
        run(&app, &hourly(&(burst + SignedDuration::from_hours(hours)).to_string())).await?;
    }
    let [path] = &incidents_of(world, "burst").await?[..] else { panic!("one incident") };
    let before = world.all_items().await?;
    let customer = starting.api.as_customer("burst");
    let answer =
        customer.post(&format!("{path}/feedback"), &json!({ "kind": "new_normal", "dry_run": true })).await?;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let location = answer.header("location").to_owned();
    assert!(location.starts_with("/v1/feedback/"), "{location}");
    let request = BacktestRequest::from_event(&starting.event()?)?.context("a backtest")?;
    let deadline = Instant::now() + Duration::from_secs(300);
    detector::backtest(&api_backtests::detector(&starting).await?, &request, deadline).await?;
    let shown = customer.read(&location).await?;
    assert_eq!(shown["status"], "completed", "{shown}");
    let difference = &shown["result"]["difference"];
    let totals = (&difference["gone"]["total"], &difference["new"]["total"]);
    assert_eq!(totals, (&json!(1), &json!(0)), "{shown}");
    assert_eq!(starting.api.as_customer("steady").get(&location).await?.status, 404);

    // Confirmed, nothing of the past would be paged in another way.
    let body = json!({ "kind": "confirmed", "dry_run": true });
    let answer = starting.api.post(&format!("{path}/feedback"), &body).await?;
    let request = BacktestRequest::from_event(&starting.event()?)?.context("a backtest")?;
    detector::backtest(&api_backtests::detector(&starting).await?, &request, deadline).await?;
    let shown = starting.api.read(answer.header("location")).await?;
    let difference = &shown["result"]["difference"];
    assert_eq!((&difference["gone"]["total"], &difference["same"]), (&json!(0), &json!(1)), "{shown}");

    let is_of_runs = |item: &Item| !["backtest", "work"].contains(&text(item, "type").as_str());
    let after: Vec<_> = world.all_items().await?.into_iter().filter(is_of_runs).collect();
    let kept = before.iter().filter(|item| is_of_runs(item)).count();
    let of_feedback = after.iter().filter(|item| text(item, "pk") == "FEEDBACK").count();
    let works = after.iter().filter(|item| text(item, "pk").starts_with("WORK#")).count();
    assert_eq!((after.len() - works, of_feedback), (kept, 0));
    Ok(())
}

#[tokio::test]
async fn feedback_is_kept_with_its_author_and_counts_in_the_precision() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("c", at(END), 5e7)).await?;
    run(&world.app().await?, &hourly(END)).await?;
    world.alerts().await?;
    let end = at(END).as_millisecond();
    let [anomaly, incident] = ["anomalies", "incidents"].map(|kind| {
        let direction = if kind == "incidents" { ".spike" } else { "" };
        format!("/v1/{kind}/{end}.compute_time{direction}.Yw")
    });
    let api = world.api().await?;
    let path = format!("{incident}/feedback");
    for (body, parameter, detail) in [
        (json!({ "kind": "expected" }), "until", "until is missing"),
        (json!({ "kind": "expected", "until": "2026-11-20T00:00:00Z" }), "until", "after now"),
        (json!({ "kind": "expected", "until": "2028-11-20T00:00:00Z" }), "until", "366 days"),
        (json!({ "kind": "confirmed", "until": "2026-11-28T00:00:00Z" }), "until", "expected only"),
        (json!({ "kind": "wrong" }), "kind", "false_alarm"),
        (json!({ "kind": "confirmed", "note": "x".repeat(1_001) }), "note", "1000 characters"),
    ] {
        api.post(&path, &body).await?.assert_invalid(parameter, detail, &body.to_string());
    }
    assert_eq!(api.post(&path, &json!({})).await?.status, 400, "no kind");
    assert_eq!(api.read("/v1/status").await?["precision"], json!({ "by_metric": [], "by_detector": [] }));

    // The customer confirms its own anomaly, twice. An operator sees it otherwise.
    let customer = api.as_customer("c");
    for _ in 0..2 {
        let given = give(&customer, &anomaly, &json!({ "kind": "confirmed", "note": "ours" })).await?;
        assert_eq!((&given["customer_id"], &given["note"]), (&json!("c"), &json!("ours")), "{given}");
    }
    let detectors = |status: &Value| status["precision"]["by_detector"].clone();
    let status = api.read("/v1/status").await?;
    let of_metric = json!({ "name": "compute_time", "precision": 1.0, "confirmed": 1, "false_alarms": 0 });
    assert_eq!(status["precision"]["by_metric"], json!([of_metric]));
    assert_eq!(detectors(&status)[0]["confirmed"], 1, "{status}");
    give(&api, &incident, &json!({ "kind": "false_alarm" })).await?;
    let status = api.read("/v1/status").await?;
    let of_metric = json!({ "name": "compute_time", "precision": 0.0, "confirmed": 0, "false_alarms": 1 });
    assert_eq!(status["precision"]["by_metric"], json!([of_metric]), "the last one counts");

    let shown = api.read(&incident).await?["incident"].take();
    let history = shown["history"].as_array().context("a history")?;
    let deeds: Vec<_> = history.iter().map(|entry| (&entry["action"], &entry["note"])).collect();
    assert_eq!(json!(deeds), json!([["confirmed", "ours"], ["false_alarm", null]]));
    assert_eq!(shown["state"], "resolved", "a false alarm is over");
    let told: Vec<_> = world.alerts().await?.iter().map(|alert| alert["event"].clone()).collect();
    assert_eq!(told, ["confirmed", "resolved"]);
    let of_anomaly = api.read(&anomaly).await?["anomaly"]["history"].take();
    assert_eq!((&of_anomaly[0]["action"], &of_anomaly[1]), (&json!("confirmed"), &Value::Null));
    let records: Vec<_> =
        world.all_items().await?.into_iter().filter(|item| text(item, "pk") == "FEEDBACK").collect();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!([text(&records[0], "kind"), text(&records[0], "given_by")], ["false_alarm", "operator"]);
    Ok(())
}
