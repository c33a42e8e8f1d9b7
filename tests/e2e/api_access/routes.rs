//! Every route of the API with a request for an object of somebody else.

use anyhow::Result;
use e2e::Api;
use e2e::api::Answer;
use serde_json::{Value, json};

/// The answer to a customer's token that asks a route for an object of another customer.
pub(crate) enum Foreign {
    /// Nothing belongs to anybody.
    Nobodys,
    /// Only for operators.
    Refused,
    /// The same answer as for an object that does not exist: this request.
    Missing(Request),
}

#[derive(Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    body: Value,
}

pub(crate) struct Row {
    /// The route as the document spells it.
    pub(crate) route: &'static str,
    /// A request that names an object of the customer `theirs`.
    pub(crate) request: Request,
    pub(crate) foreign: Foreign,
}

impl Request {
    pub(crate) async fn send(&self, api: &Api) -> Result<Answer> {
        let body = if self.body.is_null() { Vec::new() } else { self.body.to_string().into_bytes() };
        // Only changes of policies use this header.
        api.send(self.method, &self.path, &[("if-match", "\"0\"")], body).await
    }
}

/// Every route with a request for an object of `theirs`. The pairs are the ids of an anomaly, of an anomaly of an execution, and
/// of an incident: one of theirs, and one that `mine` does not have.
pub(crate) fn table(
    anomalies: [&str; 2],
    executions: [&str; 2],
    incidents: [&str; 2],
    [detection, backtest, dry_run]: [&str; 3],
) -> Vec<Row> {
    let request =
        |method, path: &str, body: &Value| Request { method, path: path.to_owned(), body: body.clone() };
    let get = |path: &str| request("GET", path, &Value::Null);
    let row = |route: &'static str, request: Request, foreign| Row { route, request, foreign };
    // A request, and the same request for an object that does not exist.
    let pair = |route: &'static str, method, path: &dyn Fn(&str) -> String, ids: [&str; 2], body: &Value| {
        let [asked, missing] = ids.map(|id| request(method, &path(id), body));
        row(route, asked, Foreign::Missing(missing))
    };
    let customers = ["theirs", "nobody"];
    let none = Value::Null;
    let checks = |id: &str| json!({ "customer_ids": ["mine", id] });
    vec![
        row("GET /health", get("/health"), Foreign::Nobodys),
        row("GET /openapi.json", get("/openapi.json"), Foreign::Nobodys),
        row("GET /", get("/"), Foreign::Nobodys),
        row("GET /assets/{file}", get("/assets/page-0123.js"), Foreign::Nobodys),
        row("GET /dashboard.json", get("/dashboard.json"), Foreign::Nobodys),
        pair("GET /v1/anomalies", "GET", &|id| format!("/v1/anomalies?customer_id={id}"), customers, &none),
        pair(
            "GET /v1/anomalies/check",
            "GET",
            &|id| format!("/v1/anomalies/check?metric=compute_time&customer_id={id}"),
            customers,
            &none,
        ),
        row(
            "POST /v1/anomalies/check",
            request("POST", "/v1/anomalies/check", &checks("theirs")),
            Foreign::Missing(request("POST", "/v1/anomalies/check", &checks("nobody"))),
        ),
        pair(
            "GET /v1/anomalies/trends",
            "GET",
            &|id| format!("/v1/anomalies/trends?customer_id={id}"),
            customers,
            &none,
        ),
        pair("GET /v1/anomalies/{anomaly_id}", "GET", &|id| format!("/v1/anomalies/{id}"), anomalies, &none),
        pair(
            "POST /v1/anomalies/{anomaly_id}/acknowledge",
            "POST",
            &|id| format!("/v1/anomalies/{id}/acknowledge"),
            anomalies,
            &none,
        ),
        pair(
            "POST /v1/anomalies/{anomaly_id}/resolve",
            "POST",
            &|id| format!("/v1/anomalies/{id}/resolve"),
            anomalies,
            &json!({ "note": "mine now" }),
        ),
        pair(
            "POST /v1/anomalies/{anomaly_id}/reopen",
            "POST",
            &|id| format!("/v1/anomalies/{id}/reopen"),
            anomalies,
            &none,
        ),
        pair(
            "POST /v1/anomalies/{anomaly_id}/feedback",
            "POST",
            &|id| format!("/v1/anomalies/{id}/feedback"),
            anomalies,
            &json!({ "kind": "confirmed" }),
        ),
        pair("GET /v1/incidents", "GET", &|id| format!("/v1/incidents?customer_id={id}"), customers, &none),
        pair(
            "GET /v1/incidents/counts",
            "GET",
            &|id| format!("/v1/incidents/counts?customer_id={id}"),
            customers,
            &none,
        ),
        row(
            "GET /v1/incidents/{incident_id}/deliveries",
            get(&format!("/v1/incidents/{}/deliveries", incidents[0])),
            Foreign::Refused,
        ),
        pair("GET /v1/incidents/{incident_id}", "GET", &|id| format!("/v1/incidents/{id}"), incidents, &none),
        pair(
            "POST /v1/incidents/{incident_id}/acknowledge",
            "POST",
            &|id| format!("/v1/incidents/{id}/acknowledge"),
            incidents,
            &none,
        ),
        pair(
            "GET /v1/incidents/{incident_id}/related",
            "GET",
            &|id| format!("/v1/incidents/{id}/related"),
            incidents,
            &none,
        ),
        pair(
            "POST /v1/incidents/{incident_id}/resolve",
            "POST",
            &|id| format!("/v1/incidents/{id}/resolve"),
            incidents,
            &json!({ "note": "mine now" }),
        ),
        pair(
            "POST /v1/incidents/{incident_id}/reopen",
            "POST",
            &|id| format!("/v1/incidents/{id}/reopen"),
            incidents,
            &none,
        ),
        pair(
            "POST /v1/incidents/{incident_id}/feedback",
            "POST",
            &|id| format!("/v1/incidents/{id}/feedback"),
            incidents,
            &json!({ "kind": "confirmed" }),
        ),
        pair(
            "GET /v1/customers/{customer_id}/baselines",
            "GET",
            &|id| format!("/v1/customers/{id}/baselines"),
            customers,
            &none,
        ),
        pair(
            "GET /v1/customers/{customer_id}/usage",
            "GET",
            &|id| format!("/v1/customers/{id}/usage?metric=compute_time"),
            customers,
            &none,
        ),
        pair(
            "GET /v1/customers/{customer_id}/series",
            "GET",
            &|id| format!("/v1/customers/{id}/series?metric=compute_time"),
            customers,
            &none,
        ),
        row("GET /v1/metrics", get("/v1/metrics"), Foreign::Nobodys),
        row("GET /v1/sources", get("/v1/sources"), Foreign::Nobodys),
        pair(
            "GET /v1/sources/{source}/entities",
            "GET",
            &|id| format!("/v1/sources/executions/entities?customer_id={id}"),
            customers,
            &none,
        ),
        pair(
            "GET /v1/sources/{source}/entities/{path}/baselines",
            "GET",
            &|id| format!("/v1/sources/executions/entities/nightly/baselines?customer_id={id}"),
            customers,
            &none,
        ),
        pair(
            "GET /v1/sources/{source}/entities/{path}/series",
            "GET",
            &|id| {
                format!(
                    "/v1/sources/executions/entities/nightly/series?metric=execution_count&customer_id={id}"
                )
            },
            customers,
            &none,
        ),
        row(
            "POST /v1/sources/{source}/checks",
            request("POST", "/v1/sources/executions/checks", &json!({ "id": "e-1" })),
            Foreign::Missing(request("POST", "/v1/sources/executions/checks", &json!({ "id": "e-2" }))),
        ),
        pair(
            "GET /api/v1/workspaces/{workspace}/anomalies",
            "GET",
            &|id| format!("/api/v1/workspaces/{id}/anomalies"),
            customers,
            &none,
        ),
        pair(
            "GET /api/v1/workspaces/{workspace}/workflows/{workflow}/baselines",
            "GET",
            &|id| format!("/api/v1/workspaces/{id}/workflows/nightly/baselines"),
            customers,
            &none,
        ),
        row(
            "POST /api/v1/ai/check-anomalies",
            request("POST", "/api/v1/ai/check-anomalies", &json!({ "workflow_execution_id": "e-1" })),
            Foreign::Missing(request(
                "POST",
                "/api/v1/ai/check-anomalies",
                &json!({ "workflow_execution_id": "e-2" }),
            )),
        ),
        // These two have no parameter that could name a customer. The list of a token is its own.
        row("GET /api/v1/ai/anomalies", get("/api/v1/ai/anomalies"), Foreign::Nobodys),
        row("GET /api/v1/ai/anomalies/trends", get("/api/v1/ai/anomalies/trends"), Foreign::Nobodys),
        pair(
            "GET /api/v1/ai/anomalies/{id}",
            "GET",
            &|id| format!("/api/v1/ai/anomalies/{id}"),
            executions,
            &none,
        ),
        row("GET /api/anomalies", get("/api/anomalies"), Foreign::Nobodys),
        pair("GET /api/anomalies/{id}", "GET", &|id| format!("/api/anomalies/{id}"), executions, &none),
        pair(
            "PUT /api/anomalies/{id}/resolve",
            "PUT",
            &|id| format!("/api/anomalies/{id}/resolve"),
            executions,
            &json!({ "resolution_notes": "mine now" }),
        ),
        row("GET /api/anomaly-config", get("/api/anomaly-config"), Foreign::Refused),
        row("PUT /api/anomaly-config", request("PUT", "/api/anomaly-config", &json!({})), Foreign::Refused),
        row(
            "POST /api/anomaly-detection/run",
            request("POST", "/api/anomaly-detection/run", &json!({})),
            Foreign::Refused,
        ),
        row(
            "GET /api/v1/monitoring/anomaly/status",
            get("/api/v1/monitoring/anomaly/status"),
            Foreign::Refused,
        ),
        row(
            "GET /api/v1/monitoring/anomaly/recent",
            get("/api/v1/monitoring/anomaly/recent"),
            Foreign::Nobodys,
        ),
        row(
            "POST /api/v1/monitoring/anomaly/detect",
            request("POST", "/api/v1/monitoring/anomaly/detect", &json!({})),
            Foreign::Refused,
        ),
        row(
            "GET /api/v1/monitoring/anomaly/config",
            get("/api/v1/monitoring/anomaly/config"),
            Foreign::Refused,
        ),
        row(
            "PUT /api/v1/monitoring/anomaly/config",
            request("PUT", "/api/v1/monitoring/anomaly/config", &json!({})),
            Foreign::Refused,
        ),
        // A dry run of somebody else, and one that does not exist.
        pair(
            "GET /v1/feedback/{backtest_id}",
            "GET",
            &|id| format!("/v1/feedback/{id}"),
            [dry_run, "3d9fbf5c-2a4f-4b0e-9d0c-6f6f0a6f3c55"],
            &none,
        ),
        row("GET /v1/config", get("/v1/config"), Foreign::Refused),
        row("PUT /v1/config", request("PUT", "/v1/config", &json!({})), Foreign::Refused),
        row("GET /v1/config/customers/{customer_id}", get("/v1/config/customers/theirs"), Foreign::Refused),
        row(
            "PUT /v1/config/customers/{customer_id}",
            request("PUT", "/v1/config/customers/theirs", &json!({})),
            Foreign::Refused,
        ),
        row("GET /v1/config/versions", get("/v1/config/versions"), Foreign::Refused),
        row(
            "GET /v1/config/customers/{customer_id}/versions",
            get("/v1/config/customers/theirs/versions"),
            Foreign::Refused,
        ),
        row("GET /v1/channels", get("/v1/channels"), Foreign::Refused),
        row("POST /v1/detections", request("POST", "/v1/detections", &json!({})), Foreign::Refused),
        row(
            "GET /v1/detections/{detection_id}",
            get(&format!("/v1/detections/{detection}")),
            Foreign::Refused,
        ),
        row("POST /v1/backtests", request("POST", "/v1/backtests", &json!({})), Foreign::Refused),
        row("GET /v1/backtests/{backtest_id}", get(&format!("/v1/backtests/{backtest}")), Foreign::Refused),
        row("GET /v1/runs", get("/v1/runs"), Foreign::Refused),
        row("GET /v1/status", get("/v1/status"), Foreign::Refused),
        row("GET /metrics", get("/metrics"), Foreign::Refused),
    ]
}
