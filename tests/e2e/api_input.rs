//! Requests that cannot be understood or are too large: a problem document names the fault and the allowed values.

use anyhow::Result;
use e2e::World;
use serde_json::json;

const CHECK: &str = "/v1/anomalies/check?customer_id=a&metric=api_calls";
const USAGE: &str = "/v1/customers/a/usage?metric=api_calls";

#[tokio::test]
async fn a_query_that_cannot_be_understood_is_answered_with_its_parameter() -> Result<()> {
    let api = World::new().await?.api().await?;
    let long = format!("/v1/anomalies?customer_id={}", "x".repeat(2_001));
    for (path, parameter, detail) in [
        ("/v1/anomalies?limit=0", "limit", "a whole number from 1 to 100, not `0`"),
        ("/v1/anomalies?limit=101", "limit", "from 1 to 100"),
        ("/v1/anomalies?limit=1e1", "limit", "not `1e1`"),
        ("/v1/anomalies?limit=-1", "limit", "not `-1`"),
        ("/v1/anomalies?limit=99999999999999999999999", "limit", "from 1 to 100"),
        ("/v1/anomalies?limit=2&limit=2", "limit", "more than once"),
        ("/v1/anomalies?limits=2", "limits", "there is no parameter `limits`; allowed: customer_id, metric"),
        ("/v1/anomalies?metric=cpu", "metric", "there is no metric `cpu`; the catalog has api_calls"),
        ("/v1/anomalies?metric=", "metric", "the catalog has api_calls"),
        ("/v1/anomalies?metric=API_CALLS", "metric", "the catalog has api_calls"),
        (
            "/v1/anomalies?severity=normal",
            "severity",
            "one of info, low, medium, warning, high, critical, not `normal`",
        ),
        ("/v1/anomalies?direction=up", "direction", "one of spike, drop"),
        ("/v1/anomalies?state=closed", "state", "one of open, acknowledged, resolved"),
        ("/v1/anomalies?from=yesterday", "from", "RFC 3339"),
        ("/v1/anomalies?from=2026-11-21", "from", "RFC 3339"),
        ("/v1/anomalies?from=2026-11-21T25:00:00Z", "from", "RFC 3339"),
        ("/v1/anomalies?to=1795266000", "to", "from 1971 to 2106"),
        ("/v1/anomalies?from=now&to=now-1h", "from", "from must be before to"),
        ("/v1/anomalies?from=now&to=now", "from", "from must be before to"),
        ("/v1/anomalies?from=now-93d&to=now", "from", "at most 92 days"),
        ("/v1/anomalies?from=now-200d", "from", "at most 92 days"),
        ("/v1/incidents?from=now-93d", "from", "at most 92 days"),
        ("/v1/anomalies?customer_id=", "customer_id", "must not be empty"),
        (&long, "customer_id", "2001 bytes is over the limit of 2000 bytes"),
        ("/v1/anomalies?customer_id=%ff", "customer_id", "not encoded UTF-8"),
        ("/v1/anomalies/check?metric=api_calls", "customer_id", "missing"),
        ("/v1/anomalies/check?customer_id=a", "metric", "metric is missing: the catalog has api_calls"),
        (&format!("{CHECK}&baseline_days=0"), "baseline_days", "from 1 to 90"),
        (&format!("{CHECK}&baseline_days=91"), "baseline_days", "from 1 to 90"),
        (&format!("{CHECK}&threshold=0"), "threshold", "above 0 and at most 100"),
        (&format!("{CHECK}&threshold=NaN"), "threshold", "not `NaN`"),
        (&format!("{CHECK}&threshold=inf"), "threshold", "not `inf`"),
        (&format!("{CHECK}&threshold=three"), "threshold", "not `three`"),
        (&format!("{CHECK}&current_start=now&current_end=now-1h"), "current_start", "before current_end"),
        (&format!("{CHECK}&current_start=now-92d&current_end=now%2B1s"), "current_start", "at most 92 days"),
        (&format!("{CHECK}&current_end=1970-12-31T23:59:59Z"), "current_end", "from 1971 to 2106"),
        (&format!("{CHECK}&current_start=2106-02-07T06:00:00Z"), "current_start", "out of range"),
        (
            &format!("{CHECK}&current_start=2026-11-21T13:00:00Z&current_end=2026-11-21T13:00:00.0001Z"),
            "current_start",
            "empty",
        ),
        (&format!("{CHECK}&from=now"), "from", "there is no parameter"),
        ("/v1/anomalies/trends?top=0", "top", "from 1 to 100"),
        ("/v1/anomalies/trends?from=now-93d", "from", "at most 92 days"),
        ("/v1/anomalies/trends?from=now%2B1h", "from", "before to"),
        ("/v1/anomalies/trends?limit=3", "limit", "there is no parameter"),
        ("/v1/customers/a/baselines?baseline_days=91", "baseline_days", "from 1 to 90"),
        ("/v1/customers/a/baselines?metric=api_calls", "metric", "allowed: baseline_days"),
        ("/v1/customers/a/usage", "metric", "metric is missing"),
        (&format!("{USAGE}&interval=week"), "interval", "one of hour, day"),
        (&format!("{USAGE}&from=now-93d"), "from", "at most 92 days"),
        (&format!("{USAGE}&from=now&to=now-1h"), "from", "before to"),
        ("/v1/customers/~x/usage?metric=api_calls", "customer_id", "base64url"),
        ("/v1/customers/~/baselines", "customer_id", "must not be empty"),
        ("/v1/customers/~YQ==/baselines", "customer_id", "base64url"),
        ("/v1/config/customers/~_w", "customer_id", "UTF-8"),
        ("/v1/metrics?x=", "x", "allowed: times"),
        ("/v1/status?verbose", "verbose", "allowed: times"),
        ("/v1/config?version=1", "version", "allowed: times"),
        ("/v1/detections/x?wait=1", "wait", "allowed: times"),
        ("/v1/backtests/x?wait=1", "wait", "allowed: times"),
        ("/v1/anomalies/x?history=1", "history", "allowed: times"),
    ] {
        api.get(path).await?.assert_invalid(parameter, detail, path);
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_cannot_be_understood_is_answered_with_its_field() -> Result<()> {
    let api = World::new().await?.api().await?;
    let (check, runs) = ("/v1/anomalies/check", "/v1/detections");
    let ids: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let a = json!(["a"]);
    for (path, body, parameter, detail) in [
        (check, json!({}), "customer_ids", "must not be empty"),
        (check, json!({ "customer_ids": [] }), "customer_ids", "must not be empty"),
        (check, json!({ "customer_ids": a, "metrics": [] }), "metrics", "must not be empty"),
        (check, json!({ "customer_ids": "a" }), "customer_ids", "invalid type"),
        (check, json!({ "customer_ids": ["a", 1] }), "customer_ids[1]", "invalid type"),
        (check, json!({ "customer_ids": ["a", ""] }), "customer_ids[1]", "must not be empty"),
        (check, json!({ "customer_ids": ["a", "b", "a"] }), "customer_ids[2]", "more than once"),
        (check, json!({ "customer_ids": a, "metrics": ["cpu"] }), "metrics[0]", "the catalog has api_calls"),
        (
            check,
            json!({ "customer_ids": a, "metrics": ["bandwidth", "bandwidth"] }),
            "metrics[1]",
            "more than once",
        ),
        (check, json!({ "customer_ids": ids, "metrics": ["bandwidth"] }), "customer_ids", "at most 100"),
        (check, json!({ "customer_ids": a, "baseline_days": 0 }), "baseline_days", "from 1 to 90"),
        (check, json!({ "customer_ids": a, "baseline_days": -1 }), "baseline_days", "from 1 to 90"),
        (check, json!({ "customer_ids": a, "threshold": 0 }), "threshold", "above 0"),
        (check, json!({ "customer_ids": a, "threshold": "3" }), "threshold", "invalid type"),
        (check, json!({ "customer_ids": a, "current_start": "noon" }), "current_start", "RFC 3339"),
        (check, json!({ "customer_ids": a, "current_end": true }), "current_end", ""),
        (
            check,
            json!({ "customer_ids": a, "current_start": "now", "current_end": "now" }),
            "current_start",
            "before",
        ),
        (check, json!({ "customer_ids": a, "period": 1 }), "period", "unknown field"),
        (runs, json!({ "customer_ids": [] }), "customer_ids", "1 to 100"),
        (runs, json!({ "customer_ids": ids }), "customer_ids", "1 to 100 customers, not 101"),
        (runs, json!({ "customer_ids": ["a", ""] }), "customer_ids[1]", "must not be empty"),
        (runs, json!({ "dry_run": "yes" }), "dry_run", "invalid type"),
        (runs, json!({ "time": "noon" }), "time", "RFC 3339"),
        (runs, json!({ "time": "now+1s" }), "time", "in the future"),
        (runs, json!({ "dryrun": true }), "dryrun", "unknown field"),
        ("/v1/anomalies/x/resolve", json!({ "note": "x".repeat(1_001) }), "note", "at most 1000 characters"),
        ("/v1/anomalies/x/resolve", json!({ "note": 1 }), "note", "invalid type"),
        ("/v1/anomalies/x/resolve", json!({ "notes": "" }), "notes", "unknown field"),
    ] {
        let case = format!("{path} {body}");
        api.post(path, &body).await?.assert_invalid(parameter, detail, &case);
    }
    for path in [check, runs, "/v1/anomalies/x/reopen"] {
        for body in ["{", "[]", "null", "\"a\"", "{} {}", "\u{feff}{}", "{\"a\"", "a=b", "\0"] {
            let answer = api.send("POST", path, &[], body.as_bytes().to_vec()).await?;
            answer.assert_problem(400, &format!("{path} {body:?}"));
        }
        api.send("POST", path, &[], vec![b'{', 0xff, b'}']).await?.assert_problem(400, path);
        let deep = format!("{{\"note\":{}", "[".repeat(60_000));
        api.send("POST", path, &[], deep.into_bytes()).await?.assert_problem(400, "deep");
        let query = format!("{path}?force=1");
        api.post(&query, &json!({})).await?.assert_problem(400, &query);
    }
    Ok(())
}

#[tokio::test]
async fn a_body_over_64_kib_is_too_large_wherever_one_is_taken() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    let padded = |body: &str, bytes: usize| format!("{body}{}", " ".repeat(bytes - body.len())).into_bytes();
    for (method, path, body, status) in [
        ("POST", "/v1/anomalies/check", r#"{"customer_ids":["a"]}"#, 200),
        ("POST", "/v1/anomalies/1.api_calls.YQ/acknowledge", "{}", 404),
        ("POST", "/v1/anomalies/1.api_calls.YQ/resolve", "{}", 404),
        ("POST", "/v1/anomalies/1.api_calls.YQ/reopen", "{}", 404),
        ("PUT", "/v1/config", "{}", 200),
        ("PUT", "/v1/config/customers/a", "{}", 200),
        ("POST", "/v1/detections", r#"{"dry_run":true}"#, 503),
    ] {
        let etag = [("if-match", "\"0\"")];
        let whole = api.send(method, path, &etag, padded(body, 65_536)).await?;
        assert_eq!(whole.status, status, "{method} {path}: {}", whole.text);
        let more = api.send(method, path, &[("if-match", "\"1\"")], padded(body, 65_537)).await?;
        more.assert_problem(413, path);
        assert!(more.text.contains("larger than 64 KiB"), "{}", more.text);
    }
    assert_eq!(api.read("/v1/config").await?["version"], 1);
    Ok(())
}

#[tokio::test]
async fn unknown_routes_and_methods_are_refused() -> Result<()> {
    let api = World::new().await?.api().await?;
    for (method, path, status) in [
        ("GET", "/v1", 404),
        ("GET", "/v2/anomalies", 404),
        ("GET", "/v1/anomalies/", 404),
        ("GET", "/v1/anomalies/a/b/c", 404),
        ("POST", "/v1/anomalies", 405),
        ("DELETE", "/v1/config", 405),
        ("GET", "/v1/anomalies/x/resolve", 405),
        ("PATCH", "/v1/config", 405),
    ] {
        let answer = api.send(method, path, &[], Vec::new()).await?;
        answer.assert_problem(status, &format!("{method} {path}"));
        assert!(answer.text.contains("see /openapi.json"), "{method} {path}: {}", answer.text);
    }
    Ok(())
}
