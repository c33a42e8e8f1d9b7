//! The routes that users of tracing systems know, on the anomalies of a run: each answer in its exact shape.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use detector::Request;
use e2e::Api;
use e2e::api::DETECTOR;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, hourly, now, run};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{DELAY, END, Spans, Traces};

const CATALOG: (&str, &str) = ("CATALOG_PATH", "preset:traces_otel");

const CONFIG: &str = "/api/anomaly-config";

/// An operation with a usual past, and a newest part that is a little odd.
struct Odd {
    name: &'static str,
    /// SQL of the milliseconds.
    usual: &'static str,
    each_hour: i64,
    milliseconds: &'static str,
    is_bad: &'static str,
    /// Seconds, and spans in them.
    newest: (i64, u64),
}

/// 16 % slower for a quarter of an hour, with 11 % of failures instead of 4 %, and with twice the requests.
const ODD: [Odd; 3] = [
    Odd {
        name: "GET /slow",
        usual: "1000 + number % 40",
        each_hour: 480,
        milliseconds: "1200 + number % 40",
        is_bad: "false",
        newest: (900, 120),
    },
    Odd {
        name: "POST /failing",
        usual: "80",
        each_hour: 1_200,
        milliseconds: "80",
        is_bad: "number % 100 < 11",
        newest: (300, 100),
    },
    Odd {
        name: "GET /busy",
        usual: "80",
        each_hour: 480,
        milliseconds: "80",
        is_bad: "number % 25 = 7",
        newest: (300, 80),
    },
];

async fn traces() -> Result<Traces> {
    let traces = Traces::new().await?;
    let mut all = Vec::new();
    for Odd { name, usual, each_hour, milliseconds, is_bad, newest: (since, number) } in ODD {
        let spans = |period, days, number, milliseconds, is_bad| Spans {
            name,
            end: traces.end,
            period,
            days,
            number,
            milliseconds,
            is_bad,
            attributes: "",
        };
        let into_the_hour = (traces.end.as_second() - 300).rem_euclid(3_600) + 300;
        let (start, of_day) = (86_400 + into_the_hour, u64::try_from(each_hour)?);
        let of_past = u64::try_from((9_000 - since) * each_hour / 3_600)?;
        all.extend([
            spans((start, start - 3_600), 10, of_day, usual, "number % 25 = 7"),
            spans((9_000, since), 1, of_past, usual, "number % 25 = 7"),
            spans((since, 0), 1, number, milliseconds, is_bad),
        ]);
    }
    traces.insert(&all).await?;
    Ok(traces)
}

impl Traces {
    async fn api(&self) -> Result<Api> {
        self.world.api_at(now, &[CATALOG], &self.world.aws).await
    }

    fn request(&self, dry_run: bool) -> Request {
        Request { source: Some("traces".to_owned()), time: self.end + DELAY, dry_run, ..hourly(END) }
    }

    /// The metrics that a dry run finds, with their severities.
    async fn odd(&self) -> Result<Vec<String>> {
        let summary = run(&self.app.of_source("traces")?, &self.request(true)).await?;
        let of = summary.findings.iter().map(|found| format!("{} {}", found.metric, found.severity.as_str()));
        let mut found: Vec<String> = of.collect();
        found.sort();
        Ok(found)
    }
}

#[tokio::test]
async fn each_threshold_acts() -> Result<()> {
    let traces = traces().await?;
    let api = traces.api().await?;
    let mut config = json!({
        "latency_threshold_stddev": 3.0, "error_rate_threshold": 0.05, "throughput_spike_threshold": 3.0,
        "sampling_enabled": false, "sampling_ratio": 1.0, "version": 0, "updated_at": null,
    });
    assert_eq!(api.read(CONFIG).await?, config);
    let all = ["trace_error_rate critical", "trace_latency warning", "trace_throughput warning"];
    assert_eq!(traces.odd().await?, all);
    let mut left = all.to_vec();
    for (version, field, value, metric) in [
        (1, "latency_threshold_stddev", 6.0, "trace_latency"),
        (2, "error_rate_threshold", 0.2, "trace_error_rate"),
        (3, "throughput_spike_threshold", 8.0, "trace_throughput"),
    ] {
        let answer = api.put(CONFIG, "", &json!({ field: value })).await?;
        config[field] = json!(value);
        config["version"] = json!(version);
        config["updated_at"] = answer.json["updated_at"].clone();
        assert!(answer.json["updated_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{}", answer.text);
        assert_eq!((answer.status, &answer.json), (200, &config));
        left.retain(|found| !found.starts_with(metric));
        assert_eq!(traces.odd().await?, left, "{field}");
    }
    // A lower one finds more than before.
    let answer = api
        .put(CONFIG, "", &json!({ "throughput_spike_threshold": 3, "latency_threshold_stddev": 1.5 }))
        .await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(traces.odd().await?, ["trace_latency critical", "trace_throughput critical"]);

    let policy = api.read("/v1/config").await?;
    assert_eq!(policy["version"], 4);
    assert_eq!(
        policy["config"]["rules"],
        json!({
            "trace_latency": { "deviation": { "z": 1.5, "critical_z": 3.0 } },
            "trace_error_rate": { "rate": { "absolute": 0.2, "critical_rate": 0.4 } },
            "trace_throughput": { "deviation": { "z": 3.0, "critical_z": 6.0 } },
        })
    );
    // The same again is no new version.
    let same = api.put(CONFIG, "", &json!({ "throughput_spike_threshold": 3 })).await?;
    assert_eq!((same.status, &same.json["version"]), (200, &json!(4)));
    Ok(())
}

#[tokio::test]
async fn a_customers_own_rules_come_on_top_and_wrong_ones_are_refused() -> Result<()> {
    let traces = traces().await?;
    let api = traces.api().await?;
    let own = "/v1/config/customers/acme";
    let of = |z: f64| json!({ "rules": { "trace_throughput": { "deviation": { "z": z } } } });
    assert_eq!(api.put(own, "\"0\"", &of(9.0)).await?.status, 200);
    assert_eq!(traces.odd().await?, ["trace_error_rate critical", "trace_latency warning"]);
    for (path, policy, parameter, detail) in [
        (own, of(11.0), "rules.trace_throughput", "critical_z of a rule of type deviation is 10"),
        (
            "/v1/config",
            json!({ "rules": { "trace_latency": { "rate": {} } } }),
            "rules.trace_latency",
            "has no rule rate; it has percentile, deviation",
        ),
        (
            "/v1/config",
            json!({ "rules": { "nothing": {} } }),
            "rules.nothing",
            "no metric of this name with rules",
        ),
        // Nine is too much beside the policy of the customer.
        (
            "/v1/config",
            json!({ "rules": { "trace_throughput": { "deviation": { "z": 3, "critical_z": 8 } } } }),
            "rules",
            "it does not fit the policy of the customer \"acme\"",
        ),
    ] {
        let etag = if path == own { "\"1\"" } else { "\"0\"" };
        api.put(path, etag, &policy).await?.assert_invalid(parameter, detail, &policy.to_string());
    }
    for (body, parameter, detail) in [
        (json!({ "latency_threshold_stddev": 0 }), "latency_threshold_stddev", "above 0 and at most 50"),
        (json!({ "error_rate_threshold": 1.5 }), "error_rate_threshold", "above 0 and at most 1"),
        (json!({ "throughput_spike_threshold": 51 }), "throughput_spike_threshold", "above 0 and at most 50"),
    ] {
        api.put(CONFIG, "", &body).await?.assert_invalid(parameter, detail, &body.to_string());
    }
    // What would do nothing is no setting.
    for body in [json!({ "sampling_ratio": 0.1 }), json!({ "sampling_enabled": true }), json!([])] {
        api.put(CONFIG, "", &body).await?.assert_problem(400, &body.to_string());
    }
    assert_eq!(api.read(CONFIG).await?["version"], 0);
    api.as_customer("acme").get(CONFIG).await?.assert_problem(403, "a customer");
    Ok(())
}

/// The anomaly that these routes make of that of another route.
fn shaped(own: &Value, class: &str, traces: &[(String, String)]) -> Result<Value> {
    let span = own["examples"][0].as_str();
    let trace = traces.iter().find(|(of, _)| Some(of.as_str()) == span).map(|(_, trace)| trace);
    let subtype = own["type"].as_str().context("a type")?.to_uppercase();
    let severity = if own["severity"] == "critical" { "HIGH" } else { "MEDIUM" };
    Ok(json!({
        "id": own["anomaly_id"], "trace_id": trace, "span_id": span, "anomaly_type": class, "anomaly_subtype": subtype,
        "severity": severity, "service": "shop", "operation": own["entity_path"][1], "description": own["description"],
        "metric": own["metric"], "value": own["current_value"], "baseline_value": own["baseline_mean"],
        "z_score": own["z_score"], "confidence": own["confidence"], "recommended_actions": own["investigation_steps"],
        "detected_at": own["detected_at"], "status": "open", "resolved_at": null, "resolution_notes": null,
    }))
}

#[tokio::test]
async fn anomalies_are_listed_shown_and_resolved() -> Result<()> {
    let traces = traces().await?;
    run(&traces.app.of_source("traces")?, &traces.request(false)).await?;
    let api = traces.api().await?;
    let rows: Vec<(String, String)> =
        traces.world.clickhouse.query_raw("SELECT SpanId, TraceId FROM otel_traces").fetch_all().await?;
    let own =
        api.read("/v1/anomalies?times=rfc3339").await?["anomalies"].as_array().context("a list")?.clone();
    let class = |own: &Value| match own["metric"].as_str() {
        Some("trace_throughput") => "RESOURCE",
        _ => "PERFORMANCE",
    };
    let expected: Vec<Value> = own.iter().map(|own| shaped(own, class(own), &rows)).collect::<Result<_>>()?;
    assert_eq!(expected.len(), 3);
    let with_trace = expected.iter().filter(|shape| shape["trace_id"].is_string()).count();
    assert!(with_trace >= 2, "latency and failures have examples: {expected:?}");
    let acme = api.as_customer("acme");
    // Within one time a customer's list has the order of the metrics' names.
    let mut of_customer = expected.clone();
    of_customer.sort_by_key(|shape| std::cmp::Reverse(shape["metric"].to_string()));
    for (caller, listed) in [(&api, &expected), (&acme, &of_customer)] {
        assert_eq!(caller.read("/api/anomalies").await?, json!({ "anomalies": listed, "next_cursor": null }));
        for shape in &expected {
            let path = format!("/api/anomalies/{}", shape["id"].as_str().context("an id")?);
            assert_eq!(&caller.read(&path).await?, shape);
        }
    }
    for (query, count) in [
        ("anomaly_type=PERFORMANCE", 2),
        ("anomaly_type=RESOURCE", 1),
        ("anomaly_type=SECURITY", 0),
        ("anomaly_subtype=HIGH_LATENCY", 1),
        ("severity=high", 1),
        ("severity=medium", 2),
        ("service=shop", 3),
        ("service=other", 0),
        ("to=now-1d", 0),
    ] {
        let found = api.read(&format!("/api/anomalies?{query}")).await?;
        assert_eq!(found["anomalies"].as_array().map(Vec::len), Some(count), "{query}: {found}");
    }
    let page = api.read("/api/anomalies?limit=2").await?;
    let next = page["next_cursor"].as_str().context("more")?;
    let rest = api.read(&format!("/api/anomalies?limit=2&cursor={next}")).await?;
    assert_eq!([&page, &rest].map(|page| page["anomalies"].as_array().map(Vec::len)), [Some(2), Some(1)]);
    for (query, parameter, detail) in [
        ("anomaly_type=performance", "anomaly_type", "PERFORMANCE, SECURITY, RESOURCE"),
        ("anomaly_type=SECURITY&anomaly_subtype=HIGH_LATENCY", "anomaly_subtype", "no anomaly_subtype"),
        ("from=now-93d&to=now", "from", "92 days"),
    ] {
        api.get(&format!("/api/anomalies?{query}")).await?.assert_invalid(parameter, detail, query);
    }

    let id = expected[0]["id"].as_str().context("an id")?;
    let resolve = format!("/api/anomalies/{id}/resolve");
    let globex = api.as_customer("globex");
    assert_eq!(globex.read("/api/anomalies").await?, json!({ "anomalies": [], "next_cursor": null }));
    globex.put(&resolve, "", &json!({})).await?.assert_problem(404, "foreign");
    globex.get(&format!("/api/anomalies/{id}")).await?.assert_problem(404, "foreign");
    let notes = json!({ "resolution_notes": "the pool was too small" });
    let answer = api.put(&resolve, "", &notes).await?;
    let mut resolved = expected[0].clone();
    resolved["status"] = json!("resolved");
    resolved["resolution_notes"] = notes["resolution_notes"].clone();
    resolved["resolved_at"] = answer.json["resolved_at"].clone();
    assert_eq!((answer.status, &answer.json), (200, &resolved));
    answer.json["resolved_at"].as_str().context("a time")?.parse::<Timestamp>()?;
    // A customer does not see the notes of operators.
    resolved["resolution_notes"] = Value::Null;
    assert_eq!(acme.read(&format!("/api/anomalies/{id}")).await?, resolved);
    let shown = api.read(&format!("/v1/anomalies/{id}")).await?;
    assert_eq!(shown["anomaly"]["history"][0]["note"], notes["resolution_notes"]);
    let long = json!({ "resolution_notes": "a".repeat(1_001) });
    api.put(&resolve, "", &long).await?.assert_invalid("resolution_notes", "at most 1000 characters", "long");
    api.put(&resolve, "", &json!({ "note": "a" })).await?.assert_problem(400, "another field");
    Ok(())
}

#[tokio::test]
async fn a_run_of_all_sources_of_traces_is_handed_over() -> Result<()> {
    let traces = Traces::new().await?;
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&events);
    let decide = move |seen: &Seen| {
        if seen.path_and_query != format!("/2015-03-31/functions/{DETECTOR}/invocations") {
            return Action::Forward;
        }
        let event: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        Action::Answer(202, String::new())
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = traces.world.api_at(now, &[CATALOG], &traces.world.aws_at(&proxy.url).await).await?;
    let body = json!({ "time": (traces.end + DELAY).to_string(), "dry_run": true });
    let answer = api.post("/api/anomaly-detection/run", &body).await?;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let runs = answer.json["runs"].as_array().context("runs")?;
    let sources: Vec<_> = runs.iter().filter_map(|run| run["source"].as_str()).collect();
    assert_eq!(sources, super::SOURCES);
    assert!(answer.json["started_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{}", answer.text);
    let mut events = events.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(events.len(), runs.len());
    events.sort_by_key(|event| event["detail"]["source"].to_string());
    for event in events {
        let request = Request::from_event(event)?;
        assert!(request.dry_run && request.time == traces.end + DELAY);
        let source = request.source.clone().context("a source")?;
        run(&traces.app.of_source(&source)?, &request).await?;
        let id = request.detection_id.context("an id")?;
        let result = api.read(&format!("/v1/detections/{id}")).await?;
        assert_eq!((&result["status"], &result["source"]), (&json!("completed"), &json!(source)));
    }
    let future = json!({ "time": "now+1h" });
    api.post("/api/anomaly-detection/run", &future).await?.assert_invalid("time", "future", "the future");
    // One source can be named, too.
    let one = api.post("/v1/detections", &json!({ "source": "traces" })).await?;
    assert_eq!((one.status, &one.json["source"]), (202, &json!("traces")), "{}", one.text);
    let both = json!({ "source": "traces", "customer_ids": ["acme"] });
    api.post("/v1/detections", &both).await?.assert_invalid("customer_ids", "exclude each other", "both");
    let unknown = json!({ "source": "nothing" });
    api.post("/v1/detections", &unknown).await?.assert_invalid("source", "there is no source", "unknown");
    Ok(())
}
