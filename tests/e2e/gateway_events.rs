//! The events of `events/api-*.json`, one for each route, on the deployed function.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::deployed::{API, Deployed, event, hour_ago};
use e2e::gateway::Gateway;
use e2e::world::at;
use serde_json::{Value, json};

/// In an order in which each event finds the results of the earlier ones.
pub(crate) const EVENTS: [&str; 64] = [
    "api-health",
    "api-openapi",
    "api-list",
    "api-check",
    "api-check-many",
    "api-trends",
    "api-detail",
    "api-acknowledge",
    "api-resolve",
    "api-reopen",
    "api-incidents",
    "api-incident",
    "api-related",
    "api-incident-counts",
    "api-incident-deliveries",
    "api-acknowledge-incident",
    "api-resolve-incident",
    "api-reopen-incident",
    "api-feedback",
    "api-feedback-incident",
    "api-feedback-dry-run",
    "api-baselines",
    "api-usage",
    "api-customer-series",
    "api-metrics",
    "api-sources",
    "api-entities",
    "api-entity-baselines",
    "api-entity-series",
    "api-check-event",
    "api-workspace-anomalies",
    "api-workflow-baselines",
    "api-ai-check",
    "api-ai-anomalies",
    "api-ai-anomaly",
    "api-ai-trends",
    "api-traces",
    "api-trace",
    "api-resolve-trace",
    "api-trace-config",
    "api-change-trace-config",
    "api-run-traces",
    "api-machine-status",
    "api-machine-recent",
    "api-run-machines",
    "api-machine-config",
    "api-change-machine-config",
    "api-config",
    "api-change-config",
    "api-customer-config",
    "api-change-customer-config",
    "api-config-versions",
    "api-customer-config-versions",
    "api-channels",
    "api-start-detection",
    "api-detection",
    "api-start-backtest",
    "api-backtest",
    "api-runs",
    "api-status",
    "api-prometheus",
    "api-dashboard",
    "api-dashboard-file",
    "api-dashboard-settings",
];

/// The routes that need no token.
pub(crate) const OPEN: [&str; 5] =
    ["GET /health", "GET /openapi.json", "GET /", "GET /assets/{file}", "GET /dashboard.json"];

/// What the function answered to an event: its status, its headers and its JSON.
struct Answered {
    status: Value,
    headers: Value,
    body: Value,
}

async fn answer(deployed: &Deployed, event: &Value) -> Result<Answered> {
    let mut answer = deployed.invoke_function(API, event).await?;
    let body = answer["body"].as_str().context("no body")?;
    ensure!(answer["isBase64Encoded"] == false, "{answer}");
    // The files of the dashboard are no JSON.
    let body = serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    Ok(Answered { status: answer["statusCode"].take(), headers: answer["headers"].take(), body })
}

/// The expected parts of the answer to each event, by JSON pointer. Null equals absent.
fn expected(event: &str, hour: &str) -> (u16, Value) {
    let end = at(hour).as_millisecond();
    let id = format!("{end}.compute_time.Y3VzdF8wMDAx");
    let ok = |expected: Value| (200, expected);
    match event {
        "api-health" => ok(json!({ "/status": "ok" })),
        "api-openapi" => ok(json!({ "/openapi": "3.1.0", "/paths/~1health/get/security": null })),
        "api-list" => ok(json!({
            "/anomalies/0/anomaly_id": id, "/anomalies/0/state": "open", "/anomalies/0/severity": "critical",
        })),
        "api-check" => ok(json!({
            "/customer_id": "cust_0001", "/metric": "compute_time", "/unit": "ms", "/period/end": end,
            "/severity": "critical", "/direction": "spike", "/is_anomaly": true, "/baseline/sample_count": 30,
        })),
        "api-check-many" => ok(json!({
            "/results/0/metric": "api_calls", "/results/1/severity": "critical", "/results/1/period/end": end,
            "/results/2/customer_id": "cust_0002", "/results/3/metric": "compute_time", "/results/4": null,
        })),
        "api-trends" => ok(json!({ "/top_customers/0/customer_id": "cust_0001", "/top_customers/1": null })),
        "api-detail" => ok(json!({
            "/anomaly/anomaly_id": id, "/baseline_windows/29/counted": true, "/baseline_windows/30": null,
            "/hours/23/window/end": end, "/hours/24": null,
        })),
        "api-acknowledge" => ok(json!({
            "/anomaly_id": id, "/state": "acknowledged", "/history/0/actor": "local-admin",
            "/history/0/note": "the customer is running a load test",
        })),
        "api-resolve" => ok(json!({ "/state": "resolved", "/history/1/note": "the load test is over" })),
        "api-reopen" => {
            ok(json!({ "/state": "open", "/history/2/action": "reopen", "/history/2/note": null }))
        }
        "api-incidents" => ok(json!({
            "/incidents/0/customer_id": "cust_0001", "/incidents/0/metric": "compute_time",
            "/incidents/0/state": "open", "/incidents/0/history": null,
        })),
        // An action on the anomaly acted on its incident too.
        "api-incident" => ok(json!({
            "/incident/state": "open", "/incident/severity": "critical", "/incident/direction": "spike",
            "/incident/history/2/action": "reopen", "/incident/history/3": null,
        })),
        "api-related" => ok(json!({ "/complete": true })),
        "api-incident-counts" => ok(json!({
            "/by_severity/warning": 0, "/by_source/usage/warning": 0, "/by_metric/api_calls": null,
        })),
        "api-incident-deliveries" => {
            ok(json!({ "/alerts/0/event": "opened", "/alerts/0/state": "sent", "/story_incident_id": null }))
        }
        "api-acknowledge-incident" => ok(json!({
            "/state": "acknowledged", "/history/3/actor": "local-admin",
            "/history/3/note": "the customer is running a load test",
        })),
        "api-resolve-incident" => {
            ok(json!({ "/state": "resolved", "/history/4/note": "the load test is over" }))
        }
        "api-reopen-incident" => {
            ok(json!({ "/state": "open", "/closed_at": null, "/history/5/action": "reopen" }))
        }
        "api-feedback" => ok(json!({
            "/kind": "confirmed", "/given_by": "local-admin", "/note": "a stolen key", "/threshold_factor": 1.0,
        })),
        "api-feedback-incident" => (202, json!({ "/status": "queued", "/days": 30 })),
        "api-feedback-dry-run" => ok(json!({ "/status": "completed", "/customer_ids/0": "cust_0001" })),
        "api-baselines" => ok(json!({
            "/customer_id": "cust_0001", "/baselines/3/metric": "compute_time", "/baselines/4": null,
        })),
        "api-customer-series" => {
            ok(json!({ "/metric": "compute_time", "/unit": "ms", "/judged_by": "models" }))
        }
        "api-usage" => ok(json!({ "/metric": "compute_time", "/unit": "ms", "/interval": "day" })),
        "api-metrics" => ok(json!({ "/metrics/0/metric": "api_calls", "/metrics/0/threshold": 3.0 })),
        "api-sources" => ok(json!({ "/sources/0/name": "usage", "/sources/0/entity": [] })),
        // The stack has no source with entities.
        "api-entities" | "api-entity-baselines" | "api-entity-series" | "api-check-event" => (
            404,
            json!({ "/code": "not_found", "/detail": "there is no source `executions`; the catalog has usage" }),
        ),
        "api-workspace-anomalies" => ok(json!({ "/anomalies": [], "/total": 0 })),
        "api-workflow-baselines" | "api-ai-check" => (409, json!({ "/code": "no_sources" })),
        "api-ai-anomalies" => ok(json!({ "/anomalies": [], "/nextCursor": null })),
        "api-ai-anomaly" => (404, json!({ "/code": "not_found" })),
        "api-ai-trends" => ok(json!({ "/totalAnomalies": 0, "/byType": {} })),
        "api-traces" => ok(json!({ "/anomalies": [], "/next_cursor": null })),
        "api-trace" | "api-resolve-trace" => (404, json!({ "/code": "not_found" })),
        "api-machine-recent" => ok(json!({ "/anomalies": [], "/total": 0 })),
        "api-trace-config"
        | "api-change-trace-config"
        | "api-run-traces"
        | "api-machine-status"
        | "api-run-machines"
        | "api-machine-config"
        | "api-change-machine-config" => (409, json!({ "/code": "no_sources" })),
        "api-config" => ok(json!({ "/config/mutes": [] })),
        "api-change-config" => ok(json!({
            "/config/metrics/api_calls/min_change": 100.0, "/updated_by": "local-admin",
        })),
        "api-customer-config" => ok(json!({ "/config/metrics/bandwidth": null })),
        "api-change-customer-config" => ok(json!({
            "/config/mutes/0/reason": "planned migration", "/config/mutes/0/until": hour,
        })),
        "api-config-versions" => ok(json!({
            "/versions/0/updated_by": "local-admin", "/versions/0/config/metrics/api_calls/min_change": 100.0,
        })),
        "api-customer-config-versions" => {
            ok(json!({ "/versions/0/config/mutes/0/reason": "planned migration" }))
        }
        "api-channels" => ok(json!({ "/channels/0/type": "pagerduty", "/channels/0/broken_reason": null })),
        "api-start-detection" => (
            202,
            json!({
                "/status": "queued", "/time": end, "/dry_run": true, "/customer_ids": ["cust_0001"],
            }),
        ),
        "api-detection" => ok(json!({
            "/status": "completed", "/summary/window/end": hour, "/summary/anomalies_found": 1,
        })),
        "api-start-backtest" => {
            (202, json!({ "/status": "queued", "/days": 1, "/customer_ids": ["cust_0001"], "/result": null }))
        }
        "api-backtest" => ok(json!({
            "/status": "completed", "/result/customers": 1, "/result/days": 1, "/result/difference": null,
            "/reason": null,
        })),
        "api-runs" => ok(json!({ "/next_to": null })),
        "api-status" => ok(json!({
            "/pending_alerts": 0, "/sources/0/source": "usage", "/sources/0/reachable": true,
        })),
        // These are texts without pointers into them.
        "api-dashboard" | "api-dashboard-file" | "api-prometheus" => ok(json!({})),
        "api-dashboard-settings" => {
            ok(json!({ "/client_id": "meterflow-dashboard", "/scopes/read": "anomalies:read" }))
        }
        other => panic!("what should come of {other}?"),
    }
}

#[tokio::test]
async fn every_event_of_the_api_does_what_its_name_says() -> Result<()> {
    let (deployed, hour) = (Deployed::new().await?, hour_ago(5));
    deployed.make_anomalies(&["cust_0001"], &hour).await?;
    let mut etags = [json!("\"0\""), json!("\"0\"")];
    let (mut started, mut incident, mut script) = (Value::Null, Value::Null, String::new());
    for name in EVENTS {
        let mut event = event(name, &hour)?;
        // Ids that the function gave out replace those of the file.
        match name {
            "api-change-config" => event["headers"]["if-match"] = etags[0].clone(),
            "api-change-customer-config" => event["headers"]["if-match"] = etags[1].clone(),
            _ if event["pathParameters"]["incident_id"].is_string() => {
                let id = incident.as_str().context("an id of an incident")?;
                let in_file = event["pathParameters"]["incident_id"].as_str().context("an id")?;
                event = serde_json::from_str(&event.to_string().replace(in_file, id))?;
            }
            "api-detection" | "api-backtest" | "api-feedback-dry-run" => {
                let field = if name == "api-detection" { "detection_id" } else { "backtest_id" };
                let id = started[field].as_str().context("an id of a run")?;
                let in_file = event["pathParameters"][field].as_str().context("an id")?;
                event = serde_json::from_str(&event.to_string().replace(in_file, id))?;
            }
            "api-dashboard-file" => {
                event = serde_json::from_str(&event.to_string().replace("index.js", &script))?;
            }
            _ => {}
        }
        let mut answered = answer(&deployed, &event).await?;
        if ["api-detection", "api-backtest", "api-feedback-dry-run"].contains(&name) {
            for _ in 0..100 {
                if answered.body["status"] == "completed" {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
                answered = answer(&deployed, &event).await?;
            }
        }
        let Answered { status, headers, body } = answered;
        let (expected_status, expected) = expected(name, &hour);
        assert_eq!(status, expected_status, "{name}: {body}");
        let form = match name {
            "api-dashboard" => "text/html; charset=utf-8",
            "api-dashboard-file" => "text/javascript; charset=utf-8",
            "api-prometheus" => "text/plain; version=0.0.4",
            _ if expected_status < 400 => "application/json",
            _ => "application/problem+json",
        };
        assert_eq!(headers["content-type"], form, "{name}");
        assert_eq!(headers["x-request-id"], event["requestContext"]["requestId"], "{name}");
        for (pointer, value) in expected.as_object().context("pointers")? {
            assert_eq!(body.pointer(pointer).unwrap_or(&Value::Null), value, "{name}: {pointer} in {body}");
        }
        match name {
            "api-config" => etags[0] = headers["etag"].clone(),
            "api-customer-config" => etags[1] = headers["etag"].clone(),
            "api-start-detection" | "api-start-backtest" | "api-feedback-incident" => started = body,
            "api-dashboard" => {
                let page = body.as_str().context("a page")?;
                let (_, named) = page.split_once("src=\"./assets/").context("a script")?;
                script = named.split('"').next().unwrap_or_default().to_owned();
            }
            "api-runs" => assert!(body["runs"].is_array(), "{body}"),
            "api-detail" => incident = body["anomaly"]["incident_id"].clone(),
            _ => {}
        }
    }
    Ok(())
}

#[tokio::test]
async fn each_route_has_an_event_as_the_gateway_sends_it() -> Result<()> {
    let deployed = Deployed::new().await?;
    let mut of_events = BTreeSet::new();
    for name in EVENTS {
        let event = event(name, &hour_ago(5))?;
        let route = event["routeKey"].as_str().context("a route")?;
        assert!(of_events.insert(route.to_owned()), "{name}: a second event for {route}");
        let context = &event["requestContext"];
        assert_eq!((&event["version"], &context["routeKey"]), (&json!("2.0"), &event["routeKey"]), "{name}");
        assert_eq!(context["http"]["path"], event["rawPath"], "{name}");
        let method = context["http"]["method"].as_str().unwrap_or_default();
        assert!(route.starts_with(&format!("{method} /")), "{name}");
        let is_open = OPEN.contains(&route);
        assert_eq!(context["authorizer"]["jwt"]["claims"].is_object(), !is_open, "{name}");
    }
    let routes = deployed.routes(Gateway::new()?.api_id()).await?;
    let deployed = routes.iter().filter_map(|route| Some(route["routeKey"].as_str()?.to_owned()));
    // Chats call these two, with requests that `gateway_buttons` signs.
    let of_chats = ["POST /slack/actions", "POST /telegram/updates"].map(str::to_owned);
    assert_eq!(&of_events | &of_chats.into(), deployed.collect());
    Ok(())
}
