//! A stranger's walk: a client that has only the OpenAPI document and a token.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::api::{Answer, encoded};
use e2e::deployed::{Deployed, hour_ago};
use e2e::gateway::{Gateway, token};
use e2e::world::{at, insert, steady_then};
use serde_json::{Map, Value, json};

/// A client with the document. A request or an answer that is not in the document fails the test.
struct Stranger {
    gateway: Gateway,
    document: Value,
}

impl Stranger {
    async fn new(gateway: Gateway) -> Result<Self> {
        let document = gateway.without_token().read("/openapi.json").await?;
        Ok(Self { gateway, document })
    }

    /// Calls an operation by its id. `given` holds its parameters, and its body as `body`.
    async fn call(&self, id: &str, given: &Value) -> Result<Answer> {
        let (mut path, method, operation) = self.operation(id)?;
        let mut given = given.as_object().context("parameters")?.clone();
        let (mut query, mut headers) = (Vec::new(), Vec::new());
        let body = given.remove("body");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().context("a name")?;
            let Some(value) = given.remove(name) else {
                assert_ne!(parameter["required"], true, "{id} needs {name}");
                continue;
            };
            self.assert_conforms(&value, &parameter["schema"], &format!("{name} of {id}"));
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match parameter["in"].as_str() {
                Some("path") => path = path.replace(&format!("{{{name}}}"), &encoded(&text)),
                Some("query") => query.push(format!("{name}={}", encoded(&text))),
                Some("header") => headers.push((name, text)),
                place => panic!("{name} of {id} is in {place:?}"),
            }
        }
        assert_eq!(given, Map::new(), "{id} has no such parameters");
        let body_schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if let Some(body) = &body {
            assert!(!body_schema.is_null(), "{id} has no body");
            self.assert_conforms(body, body_schema, &format!("the body of {id}"));
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let answer = self.gateway.send(&method, &path, &headers, bytes).await?;

        let documented = &operation["responses"][answer.status.to_string()];
        assert!(documented.is_object(), "{id} answers {}: {}", answer.status, answer.text);
        let content = &documented["content"][answer.header("content-type")];
        assert!(content.is_object(), "{id} answers {}: {}", answer.header("content-type"), answer.text);
        self.assert_conforms(&answer.json, &content["schema"], &format!("the answer of {id}"));
        Ok(answer)
    }

    /// The same for a call that must succeed.
    async fn must(&self, id: &str, given: &Value) -> Result<Value> {
        let answer = self.call(id, given).await?;
        assert!(answer.status < 300, "{id}: {} {}", answer.status, answer.text);
        Ok(answer.json)
    }

    fn operation(&self, id: &str) -> Result<(String, String, &Value)> {
        let paths = self.document["paths"].as_object().context("paths")?;
        let mut all = paths.iter().flat_map(|(path, methods)| {
            methods
                .as_object()
                .into_iter()
                .flatten()
                .map(move |(method, operation)| (path, method, operation))
        });
        let found = all.find(|(_, _, operation)| operation["operationId"] == id);
        let (path, method, operation) = found.with_context(|| format!("the document has no {id}"))?;
        Ok((path.clone(), method.to_uppercase(), operation))
    }

    /// Fails unless the value fits the schema. It knows the parts of JSON Schema that the document uses.
    fn assert_conforms(&self, value: &Value, schema: &Value, place: &str) {
        if let Some(problem) = self.mismatch(value, schema) {
            panic!("{place}: {problem} in {value}");
        }
    }

    fn mismatch(&self, value: &Value, schema: &Value) -> Option<String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(reference.trim_start_matches('#'));
            return target.map_or(Some(format!("no {reference}")), |target| self.mismatch(value, target));
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            if let Some(problem) = self.mismatch(value, part) {
                return Some(problem);
            }
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = choices.iter().filter(|choice| self.mismatch(value, choice).is_none()).count();
            return (fits != 1).then(|| format!("{fits} of {schema} fit"));
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
            Value::Number(_) => "number",
        };
        let is = |name: &Value| name == kind || (name == "number" && kind == "integer");
        if !types.is_empty() && !types.iter().any(is) {
            return Some(format!("{kind} instead of {types:?}"));
        }
        if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
            return Some(format!("none of {}", schema["enum"]));
        }
        let items = value.as_array().into_iter().flatten();
        let fields = value.as_object().into_iter().flatten();
        let missing = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|name| value.is_object() && name.as_str().is_none_or(|name| value.get(name).is_none()));
        missing
            .map(|name| format!("no {name}"))
            .or_else(|| items.into_iter().find_map(|item| self.mismatch(item, &schema["items"])))
            .or_else(|| {
                fields.into_iter().find_map(|(name, field)| match schema["properties"].get(name) {
                    Some(schema) => self.mismatch(field, schema),
                    None if schema["additionalProperties"].is_object() => {
                        self.mismatch(field, &schema["additionalProperties"])
                    }
                    None if schema["additionalProperties"] == false => {
                        Some(format!("no field {name} is known"))
                    }
                    None => None,
                })
            })
    }
}

#[tokio::test]
async fn a_stranger_with_the_document_and_a_token_runs_lists_checks_and_resolves() -> Result<()> {
    let (gateway, hour) = (Gateway::new()?, hour_ago(3));
    let customer = format!("stranger-{}", uuid::Uuid::new_v4());
    insert(&Deployed::new().await?.clickhouse, &steady_then(&customer, at(&hour), 90_000_000.0)).await?;

    let operator = Stranger::new(gateway.clone()).await?;
    assert_eq!(operator.must("health", &json!({})).await?["status"], "ok");
    let request = json!({ "body": { "time": hour, "customer_ids": [customer] } });
    let mut run = operator.must("start_detection", &request).await?;
    for _ in 0..100 {
        if run["status"] == "completed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        run = operator.must("show_detection", &json!({ "detection_id": run["detection_id"] })).await?;
    }
    assert_eq!(
        (&run["status"], &run["summary"]["anomalies_found"]),
        (&json!("completed"), &json!(1)),
        "{run}"
    );

    let request = json!({ "body": { "days": 1, "customer_ids": [customer], "against": { "metrics": {} } } });
    let mut backtest = operator.must("start_backtest", &request).await?;
    for _ in 0..300 {
        if backtest["finished_at"].is_number() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let asked = json!({ "backtest_id": backtest["backtest_id"] });
        backtest = operator.must("show_backtest", &asked).await?;
    }
    assert_eq!(
        (&backtest["status"], &backtest["result"]["customers"]),
        (&json!("completed"), &json!(1)),
        "{backtest}"
    );

    // From here on with the token of the customer. It need not name itself.
    let scopes = ["--scope", "anomalies:read", "anomalies:write", "--customer", &customer];
    let stranger = Stranger::new(gateway.with_token(token(&scopes)?)).await?;
    let metrics = stranger.must("list_metrics", &json!({})).await?;
    let metric = &metrics["metrics"][3]["metric"];
    let query = json!({ "metric": metric, "severity": "critical", "from": hour, "limit": 3 });
    let listed = stranger.must("list_anomalies", &query).await?;
    let anomaly = &listed["anomalies"][0];
    assert_eq!((&anomaly["customer_id"], &anomaly["state"]), (&json!(customer), &json!("open")), "{listed}");
    assert_eq!(listed["next_cursor"], Value::Null);

    let query = json!({ "metric": metric, "current_end": hour });
    let check = stranger.must("check_one", &query).await?;
    for name in ["current_value", "z_score", "severity", "direction", "expected_low", "expected_high"] {
        assert_eq!(check[name], anomaly[name], "{name}");
    }
    let body = json!({ "customer_ids": [customer], "metrics": [metric], "current_end": hour });
    let checks = stranger.must("check_many", &json!({ "body": body })).await?;
    assert_eq!(checks["results"], json!([check]));

    let named = json!({ "anomaly_id": anomaly["anomaly_id"] });
    let with_note = |note: &str| json!({ "anomaly_id": anomaly["anomaly_id"], "body": { "note": note } });
    let shown = stranger.must("show_anomaly", &named).await?;
    for (name, value) in anomaly.as_object().context("an anomaly")? {
        assert_eq!(shown["anomaly"][name], *value, "{name}");
    }
    let acknowledged = stranger.must("acknowledge_anomaly", &with_note("we look into it")).await?;
    assert_eq!(acknowledged["state"], "acknowledged");
    assert_eq!(stranger.must("resolve_anomaly", &with_note("a load test")).await?["state"], "resolved");
    let refused = stranger.call("acknowledge_anomaly", &named).await?;
    refused.assert_problem(409, "what is resolved cannot be acknowledged");
    let reopened = stranger.must("reopen_anomaly", &named).await?;
    let history = reopened["history"].as_array().context("a history")?;
    let actions: Vec<_> = history.iter().map(|entry| (&entry["action"], &entry["note"])).collect();
    assert_eq!(
        json!(actions),
        json!([["acknowledge", "we look into it"], ["resolve", "a load test"], ["reopen", null]])
    );

    // An action on the anomaly acted on its incident as well.
    let listed =
        stranger.must("list_incidents", &json!({ "state": "open", "metric": metric, "limit": 3 })).await?;
    let incident = &listed["incidents"][0];
    assert_eq!(
        (&incident["incident_id"], &incident["customer_id"]),
        (&anomaly["incident_id"], &json!(customer)),
        "{listed}"
    );
    let named = json!({ "incident_id": incident["incident_id"] });
    let with_note = |note: &str| json!({ "incident_id": incident["incident_id"], "body": { "note": note } });
    let shown = stranger.must("show_incident", &named).await?;
    for (name, value) in incident.as_object().context("an incident")? {
        assert_eq!(shown["incident"][name], *value, "{name}");
    }
    assert_eq!(shown["incident"]["history"].as_array().map(Vec::len), Some(3), "{shown}");
    let link = shown["anomalies_link"].as_str().context("a link")?;
    let linked = stranger.gateway.read(link).await?;
    assert_eq!(linked["anomalies"][0]["anomaly_id"], anomaly["anomaly_id"], "{link}");
    let acknowledged = stranger.must("acknowledge_incident", &with_note("once more")).await?;
    assert_eq!(acknowledged["state"], "acknowledged");
    assert_eq!(stranger.must("resolve_incident", &named).await?["state"], "resolved");
    let refused = stranger.call("acknowledge_incident", &named).await?;
    refused.assert_problem(409, "what is resolved cannot be acknowledged");
    assert_eq!(stranger.must("reopen_incident", &named).await?["state"], "open");

    let path = json!({ "customer_id": customer, "metric": metric, "interval": "day" });
    assert_eq!(stranger.must("customer_usage", &path).await?["metric"], *metric);
    stranger.must("customer_baselines", &json!({ "customer_id": customer })).await?;
    stranger.must("anomaly_trends", &json!({ "from": "now-30d" })).await?;
    operator.must("show_customer_policy", &json!({ "customer_id": customer })).await?;
    operator.must("show_policy", &json!({})).await?;
    operator.must("status", &json!({})).await?;
    let stale = json!({ "customer_id": customer, "If-Match": "\"7\"", "body": { "metrics": {} } });
    operator.call("replace_customer_policy", &stale).await?.assert_problem(412, "an ETag that never was");
    Ok(())
}
