//! Runs on demand, and the status of the system.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use detector::Request;
use e2e::api::{DETECTOR, NOW};
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, failure, hourly, run, text};
use e2e::{Api, World};
use serde_json::{Value, json};

/// An API whose calls of the detector are kept in order and not carried out.
pub(crate) struct Starting {
    pub(crate) world: World,
    pub(crate) api: Api,
    events: Arc<Mutex<Vec<Value>>>,
    _proxy: Proxy,
}

impl Starting {
    pub(crate) async fn new() -> Result<Self> {
        let world = World::new().await?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let decide = move |seen: &Seen| {
            if seen.path_and_query != format!("/2015-03-31/functions/{DETECTOR}/invocations") {
                return Action::Forward;
            }
            // An asynchronous call: nobody can wait for the run.
            let kind = seen.headers.get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
            assert_eq!(kind, Some("Event"));
            let event = serde_json::from_slice(&seen.body).unwrap_or_default();
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            Action::Answer(202, String::new())
        };
        let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
        let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
        Ok(Self { world, api, events, _proxy: proxy })
    }

    /// Asks for a run. Returns its note, and the request that the detector makes of the event.
    async fn start(&self, body: &Value) -> Result<(Value, Request)> {
        let answer = self.api.post("/v1/detections", body).await?;
        assert_eq!(answer.status, 202, "{body}: {}", answer.text);
        let id = answer.json["detection_id"].as_str().context("an id")?;
        assert_eq!(answer.header("location"), format!("/v1/detections/{id}"));
        let request = Request::from_event(self.event()?)?;
        assert_eq!(request.detection_id.as_deref(), Some(id));
        Ok((answer.json, request))
    }

    /// The last event that the API handed over.
    pub(crate) fn event(&self) -> Result<Value> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop().context("an event")
    }

    async fn result(&self, run: &Value) -> Result<Value> {
        let id = run["detection_id"].as_str().context("an id")?;
        self.api.read(&format!("/v1/detections/{id}")).await
    }
}

fn of_type(items: Vec<HashMap<String, AttributeValue>>, kind: &str) -> Vec<HashMap<String, AttributeValue>> {
    items.into_iter().filter(|item| text(item, "type") == kind).collect()
}

#[tokio::test]
async fn a_run_on_demand_from_queue_to_result() -> Result<()> {
    let starting = Starting::new().await?;
    starting.world.insert_spikes(3).await?;
    let (now, end) = (at(NOW).as_millisecond(), at(END).as_millisecond());
    let day = 86_400_000;
    for (body, time, customers, found, recorded) in [
        (json!({ "customer_ids": ["c00001"] }), now, json!(["c00001"]), 1, 1),
        (json!({}), now, Value::Null, 3, 2),
        (json!({ "time": "2026-11-21T13:29:59Z" }), end + 1_799_000, Value::Null, 3, 0),
        (json!({ "time": "now-1d" }), now - day, Value::Null, 0, 0),
        (json!({ "time": end }), end, Value::Null, 3, 0),
    ] {
        let (run_of, request) = starting.start(&body).await?;
        let record = json!({
            "detection_id": run_of["detection_id"], "status": "queued", "dry_run": false, "source": "usage",
            "customer_ids": customers, "time": time, "requested_by": "operator", "requested_at": now,
            "started_at": null, "finished_at": null, "run_id": null, "summary": null,
        });
        assert_eq!(run_of, record, "{body}");
        assert_eq!(starting.result(&run_of).await?, record, "{body}");

        let summary = run(&starting.world.app().await?, &request).await?;
        assert_eq!((summary.anomalies_found, summary.recorded), (found, recorded), "{body}");
        let result = starting.result(&run_of).await?;
        assert_eq!((&result["status"], &result["run_id"]), (&json!("completed"), &json!(summary.run_id)));
        assert_eq!(result["summary"], serde_json::to_value(&summary)?, "{body}");
        let closing = summary.window.end.as_millisecond();
        assert_eq!(closing, time / 3_600_000 * 3_600_000, "{body}");
        let (started, finished) = (result["started_at"].as_i64(), result["finished_at"].as_i64());
        assert!(started.is_some() && started <= finished, "{result}");
    }
    Ok(())
}

#[tokio::test]
async fn a_dry_run_writes_nothing_but_its_own_record() -> Result<()> {
    let starting = Starting::new().await?;
    starting.world.insert_spikes(3).await?;
    let (run_of, request) =
        starting.start(&json!({ "dry_run": true, "customer_ids": ["c00000", "c00002"] })).await?;
    assert!(request.dry_run);
    run(&starting.world.app().await?, &request).await?;
    let result = starting.result(&run_of).await?;
    assert_eq!((&result["status"], &result["dry_run"]), (&json!("completed"), &json!(true)));
    let findings = result["summary"]["findings"].as_array().context("findings")?;
    let customers: Vec<_> = findings.iter().filter_map(|finding| finding["customer_id"].as_str()).collect();
    assert_eq!(customers, ["c00000", "c00002"]);
    let items = starting.world.all_items().await?;
    assert_eq!((items.len(), text(&items[0], "type")), (1, "detection_run".to_owned()));
    starting.world.assert_untouched("a dry run").await?;
    let status = starting.api.read("/v1/status").await?;
    assert_eq!((&status["last_run"], &status["lag_seconds"]), (&Value::Null, &Value::Null));
    Ok(())
}

#[tokio::test]
async fn a_run_that_failed_says_so_until_a_retry_completes_it() -> Result<()> {
    let starting = Starting::new().await?;
    starting.world.insert_spikes(1).await?;
    let (run_of, request) = starting.start(&json!({})).await?;
    let closed = [("CLICKHOUSE_URL", "http://127.0.0.1:9")];
    failure(run(&starting.world.app_with(&closed, &starting.world.aws).await?, &request).await);
    let failed = starting.result(&run_of).await?;
    assert_eq!((&failed["status"], &failed["summary"]), (&json!("failed"), &Value::Null));
    assert!(failed["run_id"].is_string() && failed["finished_at"].is_i64(), "{failed}");
    let status = starting.api.read("/v1/status").await?;
    assert_eq!(status["last_run"]["completed"], false);
    assert_eq!(status["last_completed_run"], Value::Null);

    run(&starting.world.app().await?, &request).await?;
    let completed = starting.result(&run_of).await?;
    assert_eq!((&completed["status"], &completed["summary"]["recorded"]), (&json!("completed"), &json!(1)));
    assert_ne!(completed["run_id"], failed["run_id"]);
    Ok(())
}

#[tokio::test]
async fn a_detector_that_cannot_be_reached_is_no_queued_run() -> Result<()> {
    // No function of that name exists here.
    let world = World::new().await?;
    let answer = world.api().await?.post("/v1/detections", &json!({})).await?;
    answer.assert_problem(503, "no such function");
    assert_eq!(answer.header("retry-after"), "10");
    assert!(!answer.text.contains(DETECTOR), "{}", answer.text);
    let runs = of_type(world.all_items().await?, "detection_run");
    assert_eq!(runs.iter().map(|run| text(run, "status")).collect::<Vec<_>>(), ["failed"]);
    Ok(())
}

#[tokio::test]
async fn runs_that_do_not_exist_and_runs_of_long_ago() -> Result<()> {
    let starting = Starting::new().await?;
    let (run_of, _) = starting.start(&json!({})).await?;
    let id = run_of["detection_id"].as_str().context("an id")?;
    for other in ["00000000-0000-4000-8000-000000000000", "1", "STATUS", "..", &format!("{id}0")] {
        let path = format!("/v1/detections/{other}");
        starting.api.get(&path).await?.assert_problem(404, &path);
    }
    let in_a_month = || std::time::SystemTime::from(at("2026-12-21T13:30:01Z"));
    let later = starting.world.api_at(in_a_month, &[], &starting.world.aws).await?;
    later.get(&format!("/v1/detections/{id}")).await?.assert_problem(404, "after 30 days and a second");
    Ok(())
}

#[tokio::test]
async fn the_status_follows_the_newest_window() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(2).await?;
    let api = world.api().await?;
    let empty = api.read("/v1/status").await?;
    for name in ["last_run", "last_completed_run", "lag_seconds", "oldest_pending_alert_seconds"] {
        assert_eq!(empty[name], Value::Null, "{name}");
    }
    assert_eq!((&empty["pending_alerts"], &empty["config_version"]), (&json!(0), &json!(0)));

    let first = run(&world.app().await?, &hourly(END)).await?;
    let status = api.read("/v1/status").await?;
    assert_eq!(status["lag_seconds"], 1_800);
    assert_eq!(status["last_run"], status["last_completed_run"]);
    assert_eq!(status["last_run"]["run_id"], first.run_id);
    assert_eq!(status["last_run"]["summary"], serde_json::to_value(&first)?);
    assert_eq!(status["catalog_version"], first.catalog_version);
    assert_eq!(first.version, platform::version());

    // A run of an older window, a failed run, a run of some customers and a dry run. None of them changes the lag.
    let older = run(&world.app().await?, &hourly("2026-11-21T03:00:00Z")).await?;
    let status = api.read("/v1/status").await?;
    assert_eq!(status["last_run"]["run_id"], older.run_id);
    assert_eq!(status["last_completed_run"]["run_id"], first.run_id);
    assert_eq!(status["lag_seconds"], 1_800);
    let broken = world.app_with(&[("CLICKHOUSE_URL", "http://127.0.0.1:9")], &world.aws).await?;
    failure(run(&broken, &hourly("2026-11-21T14:00:00Z")).await);
    let some =
        Request { customers: vec![detection::CustomerId::new("c00000")?], ..hourly("2026-11-21T15:00:00Z") };
    run(&world.app().await?, &some).await?;
    run(&world.app().await?, &Request { dry_run: true, ..hourly("2026-11-21T15:00:00Z") }).await?;
    let status = api.read("/v1/status").await?;
    let last = &status["last_run"];
    assert_eq!((&last["completed"], &last["summary"]), (&json!(false), &Value::Null), "{status}");
    assert_eq!(status["last_completed_run"]["run_id"], first.run_id);
    assert_eq!(status["lag_seconds"], 1_800);

    // The same window again changes nothing, and a newer one lowers the lag.
    let again = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!(api.read("/v1/status").await?["last_completed_run"]["run_id"], again.run_id);
    run(&world.app().await?, &hourly("2026-11-21T14:00:00Z")).await?;
    let later =
        world.api_at(|| std::time::SystemTime::from(at("2026-11-21T14:10:00Z")), &[], &world.aws).await?;
    assert_eq!(later.read("/v1/status").await?["lag_seconds"], 600);
    Ok(())
}

#[tokio::test]
async fn alerts_that_wait_are_counted_with_the_age_of_the_oldest() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(120).await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::Answer(403, "<ErrorResponse/>".to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let app = world.app_with(&[("MAX_PAGES_PER_RUN", "105")], &world.aws_at(&proxy.url).await).await?;
    failure(run(&app, &hourly("2026-11-21T12:00:00Z")).await);
    let status = world.api().await?.read("/v1/status").await?;
    // The digest of the other fifteen is pending as well.
    assert_eq!(
        (&status["pending_alerts"], &status["oldest_pending_alert_seconds"]),
        (&json!(106), &json!(5_400))
    );
    Ok(())
}

#[tokio::test]
async fn a_window_is_checked_when_all_its_shards_have_checked_it() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(2).await?;
    let (app, api) = (world.app().await?, world.api().await?);
    let shard = |number, time: &str| -> Result<Request> {
        Ok(Request { shard: catalog::Shard::new(number, 2)?, ..hourly(time) })
    };
    let first = run(&app, &shard(0, END)?).await?;
    let status = api.read("/v1/status").await?;
    let half = json!({ "number": 0, "of": 2 });
    assert_eq!((&status["last_run"]["shard"], &status["last_run"]["summary"]["shard"]), (&half, &half));
    assert_eq!(status["last_run"]["run_id"], first.run_id);
    for name in ["last_completed_run", "lag_seconds"] {
        assert_eq!(status[name], Value::Null, "{name}: half of the customers are not checked");
    }

    let second = run(&app, &shard(1, END)?).await?;
    let status = api.read("/v1/status").await?;
    assert_eq!(status["last_completed_run"]["run_id"], second.run_id);
    assert_eq!(status["last_completed_run"]["shard"], json!({ "number": 1, "of": 2 }));
    assert_eq!(status["lag_seconds"], 1_800);

    // The next window. One of the shards fails first, and then completes it.
    run(&app, &shard(0, "2026-11-21T14:00:00Z")?).await?;
    let broken = world.app_with(&[("CLICKHOUSE_URL", "http://127.0.0.1:9")], &world.aws).await?;
    failure(run(&broken, &shard(1, "2026-11-21T14:00:00Z")?).await);
    let status = api.read("/v1/status").await?;
    assert_eq!((&status["last_run"]["completed"], &status["lag_seconds"]), (&json!(false), &json!(1_800)));
    assert_eq!(status["last_completed_run"]["run_id"], second.run_id);
    run(&app, &shard(1, "2026-11-21T14:00:00Z")?).await?;
    let later =
        world.api_at(|| std::time::SystemTime::from(at("2026-11-21T14:10:00Z")), &[], &world.aws).await?;
    assert_eq!(later.read("/v1/status").await?["lag_seconds"], 600);

    // One run for all customers again, of a later window.
    let whole = run(&app, &hourly("2026-11-21T15:00:00Z")).await?;
    let status = api.read("/v1/status").await?;
    assert_eq!(status["last_completed_run"]["run_id"], whole.run_id);
    assert_eq!(status["last_completed_run"]["shard"], Value::Null);
    Ok(())
}
