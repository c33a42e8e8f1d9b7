//! What operators see of the system: what stands, who was told, how the channels and the runs are doing, and who wrote
//! which policy.

use anyhow::{Context, Result};
use detection::CustomerId;
use detector::Request;
use e2e::World;
use e2e::receiver::{Receiver, Reply};
use e2e::world::{END, at, hourly, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::deliveries::{Delivery, DeliveryStore};

use crate::notifier::{self, Desk};

/// Three critical spikes of compute time, each of another customer.
async fn three_incidents() -> Result<World> {
    let world = World::new().await?;
    world.insert_spikes(3).await?;
    run(&world.app().await?, &hourly(END)).await?;
    Ok(world)
}

/// A request for one customer's window that ends then.
fn for_one(customer: &str, end: Timestamp) -> Result<Request> {
    Request::from_event(json!({ "time": end, "detail": { "customer_ids": [customer] } }))
}

#[tokio::test]
async fn counts_are_those_of_the_list_with_the_same_filters() -> Result<()> {
    let world = three_incidents().await?;
    let api = world.api().await?;
    for (query, expected) in [
        ("", 3),
        ("?severity=critical&state=open&source=usage&type=usage_anomaly", 3),
        ("?text=C00001", 1),
        ("?text=compute_TIME", 3),
        ("?text=nobody", 0),
        ("?customer_id=c00002", 1),
        ("?customer_id=c00002&text=c00001", 0),
        ("?type=new_usage", 0),
        ("?state=resolved", 0),
    ] {
        let counts = api.read(&format!("/v1/incidents/counts{query}")).await?;
        let listed = api.read(&format!("/v1/incidents{query}")).await?;
        assert_eq!(listed["incidents"].as_array().map(Vec::len), Some(expected), "{query}");
        assert_eq!(counts["total"], json!(expected), "{query}");
        let all = json!({ "warning": 0, "critical": expected });
        assert_eq!(counts["by_severity"], all, "{query}");
        let by = |name: &str| if expected == 0 { json!({}) } else { json!({ name: all }) };
        assert_eq!(counts["by_state"], by("open"), "{query}");
        assert_eq!(counts["by_metric"], by("compute_time"), "{query}");
        assert_eq!(counts["by_source"], by("usage"), "{query}");
    }
    let of_customer = api.as_customer("c00000").read("/v1/incidents/counts").await?;
    assert_eq!(of_customer["total"], 1, "a customer counts its own");
    let found = api.read("/v1/anomalies?text=C00001").await?;
    assert_eq!(found["anomalies"].as_array().map(Vec::len), Some(1), "anomalies are searched, too");
    let too_long = format!("/v1/incidents?text={}", "a".repeat(201));
    api.get(&too_long).await?.assert_invalid("text", "must have 1 to 200 bytes", "too long");
    api.get("/v1/incidents?text=").await?.assert_invalid("text", "must have 1 to 200 bytes", "empty");
    Ok(())
}

#[tokio::test]
async fn incidents_are_sorted_as_asked_and_paged() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(3).await?;
    let app = world.app().await?;
    // Usage of the second one is dear, and only a far greater deviation of it is critical.
    let settings = [
        ("c00000", json!({ "price": 1 })),
        ("c00001", json!({ "price": 3, "min_relative_spread": 1, "critical_threshold": 10 })),
        ("c00002", json!({ "price": 2 })),
    ];
    for (customer, of_metric) in settings {
        let policy = serde_json::from_value(json!({ "metrics": { "compute_time": of_metric } }))?;
        let customer = CustomerId::new(customer)?;
        app.store.put_policy(Some(&customer), &policy, 0, "ada", at(END)).await?;
    }
    // The last one has an earlier anomaly.
    let before = at(END) - SignedDuration::from_hours(1);
    run(&app, &for_one("c00002", before)?).await?;
    run(&app, &hourly(END)).await?;
    let api = world.api().await?;
    // Of equal ones the one that changed last is first, and then the one that opened first.
    for (sort, expected) in [
        ("anomalies", ["c00002", "c00000", "c00001"]),
        ("opened_at", ["c00000", "c00001", "c00002"]),
        ("severity", ["c00002", "c00000", "c00001"]),
        ("cost", ["c00001", "c00002", "c00000"]),
        ("last_window", ["c00002", "c00000", "c00001"]),
    ] {
        let whole = api.read(&format!("/v1/incidents?sort={sort}")).await?;
        let whole = whole["incidents"].as_array().context("incidents")?.clone();
        let customers: Vec<_> =
            whole.iter().filter_map(|incident| incident["customer_id"].as_str()).collect();
        assert_eq!(customers, expected, "{sort}");
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api.read(&format!("/v1/incidents?sort={sort}&limit=1{cursor}")).await?;
            paged.extend(page["incidents"].as_array().context("incidents")?.iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, whole, "{sort}");
        let foreign = format!("/v1/incidents?sort=opened_at{cursor}");
        if sort == "anomalies" {
            api.get(&foreign).await?.assert_invalid("cursor", "the same query", "another order");
        }
    }
    api.get("/v1/incidents?sort=price").await?.assert_invalid(
        "sort",
        "one of last_window, opened_at",
        "a word",
    );
    Ok(())
}

#[tokio::test]
async fn an_incident_shows_who_was_told_in_which_channel() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(1).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let api = world.api().await?;
    let incident = api.read("/v1/incidents").await?["incidents"][0].take();
    let path = format!("/v1/incidents/{}", incident["incident_id"].as_str().context("an id")?);
    let deliveries = format!("{path}/deliveries");

    let before = api.read(&deliveries).await?;
    let alert = &before["alerts"][0];
    assert_eq!((&alert["event"], &alert["state"]), (&json!("opened"), &json!("sent")), "{before}");
    assert_eq!(alert["deliveries"], json!([]), "no channel has it yet");

    let taking = Receiver::start(|_| Reply::with(202, r#"{"status": "success"}"#)).await?;
    let down = Receiver::start(|_| Reply::with(503, "")).await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &taking).await?;
    desk.pagerduty("second", &down).await?;
    let app = desk.app_on(&world.table).await?;
    for message in world.alerts().await? {
        notifier::run(&app, &json!({ "Records": [{ "Sns": { "Message": message.to_string() } }] })).await?;
    }
    assert_eq!(api.post(&format!("{path}/resolve"), &json!({})).await?.status, 200);

    let after = api.read(&deliveries).await?;
    let events: Vec<_> =
        after["alerts"].as_array().context("alerts")?.iter().map(|alert| &alert["event"]).collect();
    assert_eq!(events, ["opened", "resolved"], "{after}");
    let told = after["alerts"][0]["deliveries"].as_array().context("deliveries")?;
    let states: Vec<_> = told.iter().map(|told| (&told["channel"], &told["state"])).collect();
    let expected = [(&json!("pagerduty"), &json!("sent")), (&json!("second"), &json!("waiting"))];
    assert_eq!(states, expected, "{after}");
    assert!(told[0]["ended_at"].is_i64() && told[1]["ended_at"].is_null(), "{after}");

    // Customers do not see the channels of the operators.
    api.as_customer("c00000").get(&deliveries).await?.assert_problem(403, "a customer");
    api.get("/v1/incidents/1795266000000.compute_time.spike.Yw/deliveries")
        .await?
        .assert_problem(404, "no incident");
    Ok(())
}

#[tokio::test]
async fn the_channels_say_how_they_are_doing() -> Result<()> {
    let world = World::without_migration().await?;
    let secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s";
    let config = json!({
        "channels": {
            "chat": { "type": "slack", "webhook_url_secret_arn": secret, "throttle_seconds": 60 },
            "pager": { "type": "pagerduty", "routing_key_secret_arn": "7f3a9c51e8d24b06a1f5c3927be6408d" },
        },
        "routes": [{ "severities": ["critical"], "channels": ["chat"] }],
    });
    let api = world.api_with(&[("NOTIFIER_CONFIG", &config.to_string())], &world.aws).await?;
    let store = DeliveryStore::new(&world.table, &world.aws);
    let attempt = |alert_id| Delivery { alert_id, channel: "chat", attempt: "1" };
    for (alert, age) in [("first", 120), ("second", 60)] {
        store.accept(attempt(alert), "{}", at(END) - SignedDuration::from_secs(age)).await?;
    }
    store.park(attempt("second"), at(END)).await?;
    store.disable("pager", "https://example.com", at(END)).await?;

    let answer = api.read("/v1/channels").await?;
    let end = at(END).as_millisecond();
    let chat = json!({
        "name": "chat", "type": "slack", "broken_reason": null, "throttle_seconds": 60, "disabled_at": null,
        "waiting": 1, "waiting_since": end - 120_000, "failed": 1, "complete": true,
    });
    assert_eq!(answer["channels"][0], chat);
    let pager = &answer["channels"][1];
    assert_eq!((&pager["type"], &pager["disabled_at"]), (&json!("broken"), &json!(end)), "{answer}");
    let reason = pager["broken_reason"].as_str().context("a reason")?;
    assert!(
        reason.contains("routing_key_secret_arn") && !answer.to_string().contains("7f3a9c51"),
        "{answer}"
    );
    let route =
        json!({ "severities": ["critical"], "metrics": null, "customers": null, "channels": ["chat"] });
    assert_eq!(answer["routes"], json!([route]));
    store.enable("pager").await?;
    assert_eq!(api.read("/v1/channels").await?["channels"][1]["disabled_at"], Value::Null);
    let untold = world.api_with(&[("NOTIFIER_CONFIG", "")], &world.aws).await?;
    untold.get("/v1/channels").await?.assert_problem(409, "a deployment without the configuration");
    Ok(())
}

#[tokio::test]
async fn the_runs_are_listed_with_how_they_ended() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(2).await?;
    let app = world.app().await?;
    let hours = [2, 1, 0].map(|age| at(END) - SignedDuration::from_hours(age));
    for hour in hours {
        run(&app, &hourly(&hour.to_string())).await?;
    }
    // A run for some customers says nothing of the system.
    run(&app, &for_one("c00001", at(END))?).await?;
    // The runs ended at the time of day. The API of other tests is at another time.
    let api = world.api_at(e2e::world::now, &[], &world.aws).await?;

    let first = api.read("/v1/runs?limit=2").await?;
    let runs = first["runs"].as_array().context("runs")?;
    let ends: Vec<_> = runs.iter().map(|run| run["window_end"].as_i64()).collect();
    assert_eq!(ends, [2, 1].map(|at| Some(hours[at].as_millisecond())), "{first}");
    for run in runs {
        assert_eq!((&run["source"], &run["completed"]), (&json!("usage"), &json!(true)), "{run}");
        assert_eq!((&run["checked"], &run["shard"]), (&json!(8), &Value::Null), "{run}");
        assert!(run["duration_ms"].is_u64() && run["undetermined"].is_object(), "{run}");
    }
    let before = first["next_to"].as_i64().context("more runs")?;
    let rest = api.read(&format!("/v1/runs?limit=2&source=usage&to={before}")).await?;
    assert_eq!(rest["runs"].as_array().map(Vec::len), Some(1), "{rest}");
    assert_eq!(
        (&rest["runs"][0]["window_end"], &rest["next_to"]),
        (&json!(hours[0].as_millisecond()), &Value::Null)
    );
    api.get("/v1/runs?source=unknown").await?.assert_invalid("source", "the catalog has usage", "a source");

    let status = api.read("/v1/status").await?;
    let source = &status["sources"][0];
    assert_eq!((&source["source"], &source["reachable"]), (&json!("usage"), &json!(true)), "{status}");
    assert_eq!(source["judged_until"], json!(hours[2].as_millisecond()), "{status}");
    let newest = at(END) - SignedDuration::from_hours(12);
    assert_eq!(source["newest_hour"], json!(newest.as_millisecond()), "{status}");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    Ok(())
}

#[tokio::test]
async fn each_version_of_a_policy_has_its_author_and_time() -> Result<()> {
    let world = World::without_migration().await?;
    let api = world.api().await?;
    for path in ["/v1/config", "/v1/config/customers/b"] {
        let versions = format!("{path}/versions");
        let none = api.read(&versions).await?;
        assert_eq!(none, json!({ "versions": [], "next_before": null }), "{path}");
        for version in 0..3 {
            let caller =
                api.with_claims(json!({ "sub": format!("author {version}"), "scope": e2e::api::SCOPES }));
            let policy = json!({ "metrics": { "api_calls": { "min_change": version } } });
            let answer = caller.put(path, &format!("\"{version}\""), &policy).await?;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        }
        let newest = api.read(&format!("{versions}?limit=2")).await?;
        let of = |answer: &Value| -> Vec<String> {
            let versions = answer["versions"].as_array().into_iter().flatten();
            versions
                .map(|version| {
                    let change = &version["config"]["metrics"]["api_calls"]["min_change"];
                    format!("{} {} {change}", version["version"], version["updated_by"])
                })
                .collect()
        };
        assert_eq!(of(&newest), [r#"3 "author 2" 2.0"#, r#"2 "author 1" 1.0"#], "{path}");
        assert_eq!(newest["versions"][0]["updated_at"], json!(at(e2e::api::NOW).as_millisecond()));
        assert_eq!(newest["next_before"], 2, "{path}");
        let oldest = api.read(&format!("{versions}?limit=2&before=2")).await?;
        assert_eq!(
            (of(&oldest), &oldest["next_before"]),
            (vec![r#"1 "author 0" 0.0"#.to_owned()], &Value::Null)
        );
    }
    api.get("/v1/config/versions?before=0").await?.assert_invalid("before", "from 1 to", "no version 0");
    Ok(())
}
