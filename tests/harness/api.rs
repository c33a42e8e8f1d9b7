//! The API in this process: requests as they arrive from the gateway, with the claims of a checked token, and their
//! answers.

use std::time::{Duration, SystemTime};

use ::api::{App, router};
use anyhow::{Context, Result};
use axum::Router;
use environment::Env;
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
use lambda_http::request::RequestContext;
use platform::aws::SdkConfig;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{World, at};

/// The time of day for the API of the tests, in the hour after [`crate::world::END`].
pub const NOW: &str = "2026-11-21T13:30:00Z";

/// All scopes of the API.
pub const SCOPES: &str = "anomalies:read anomalies:write anomalies:admin";

/// The name of the detector's function. Only a proxy knows it.
pub const DETECTOR: &str = "detector-under-test";

/// The name of the function that checks events. Only a proxy knows it.
pub const CHECKS: &str = "checks-under-test";

const FUNCTIONS: [(&str, &str); 3] =
    [("DETECTOR_FUNCTION_NAME", DETECTOR), ("CHECKS_FUNCTION", CHECKS), ("NOTIFIER_CONFIG", "{}")];

/// A dashboard with a page of the tests. The real page is tested in a browser.
const PAGE: [(&str, &str); 4] = [
    ("DASHBOARD_CLIENT_ID", "page"),
    ("DASHBOARD_ISSUER", "https://tokens.example.com/pool"),
    ("DASHBOARD_ORIGINS", "https://sign-in.example.com"),
    ("DASHBOARD_FILES", concat!(env!("CARGO_MANIFEST_DIR"), "/dashboard")),
];

/// The API as one caller sees it.
#[derive(Clone)]
pub struct Api {
    router: Router,
    /// `None` means a request that no authorizer saw.
    claims: Option<Value>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null for an answer that is no JSON.
    pub json: Value,
}

impl World {
    /// The API of this world as its operator sees it, at [`NOW`].
    pub async fn api(&self) -> Result<Api> {
        self.api_with(&[], &self.aws).await
    }

    /// The same with other settings, or with AWS behind another address.
    pub async fn api_with(&self, overrides: &[(&str, &str)], aws: &SdkConfig) -> Result<Api> {
        self.api_at(|| SystemTime::from(at(NOW)), overrides, aws).await
    }

    /// The same at another time.
    pub async fn api_at(
        &self,
        clock: fn() -> SystemTime,
        overrides: &[(&str, &str)],
        aws: &SdkConfig,
    ) -> Result<Api> {
        Ok(Api::of(self.app_of_api(clock, overrides, aws).await?))
    }

    /// The API of [`World::api_with`], which counts for this long only.
    pub async fn api_that_counts_for(
        &self,
        time: Duration,
        overrides: &[(&str, &str)],
        aws: &SdkConfig,
    ) -> Result<Api> {
        let app = self.app_of_api(|| SystemTime::from(at(NOW)), overrides, aws).await?;
        Ok(Api::of(App { counting_time: time, ..app }))
    }

    async fn app_of_api(
        &self,
        clock: fn() -> SystemTime,
        overrides: &[(&str, &str)],
        aws: &SdkConfig,
    ) -> Result<App> {
        let own = [overrides, &FUNCTIONS, &PAGE].concat();
        let variables = self.variables(&own);
        let pairs: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        App::from_env(&Env::of(&pairs), aws, clock).await
    }
}

impl Api {
    fn of(app: App) -> Self {
        Self { router: router(app), claims: None }.as_admin()
    }

    /// As an operator.
    pub fn as_admin(&self) -> Self {
        self.with_claims(json!({ "sub": "operator", "scope": SCOPES }))
    }

    /// As a customer who may read and write its own data.
    pub fn as_customer(&self, id: &str) -> Self {
        let scope = "anomalies:read anomalies:write";
        self.with_claims(json!({ "sub": format!("user of {id}"), "scope": scope, "customer_id": id }))
    }

    /// As the bearer of a token with these claims. The token expires in 2100, unless the claims say otherwise. `null`
    /// means never.
    pub fn with_claims(&self, mut claims: Value) -> Self {
        if let Some(claims) = claims.as_object_mut() {
            claims.entry("exp").or_insert_with(|| json!("4102444800"));
            claims.retain(|_, value| !value.is_null());
        }
        Self { router: self.router.clone(), claims: Some(claims) }
    }

    /// As a request that no authorizer saw.
    pub fn without_token(&self) -> Self {
        Self { router: self.router.clone(), claims: None }
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send("POST", path, &[], body.to_string().into_bytes()).await
    }

    /// `etag` goes into `If-Match` as it is.
    pub async fn put(&self, path: &str, etag: &str, body: &Value) -> Result<Answer> {
        self.send("PUT", path, &[("if-match", etag)], body.to_string().into_bytes()).await
    }

    /// The JSON of a GET that must succeed.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let answer = self.get(path).await?;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        Ok(answer.json)
    }

    /// The check of one series. `more` are further parameters, each with its `&`.
    pub async fn check(&self, customer: &str, metric: &str, more: &str) -> Result<Value> {
        let customer = encoded(customer);
        self.read(&format!("/v1/anomalies/check?customer_id={customer}&metric={metric}{more}")).await
    }

    /// The results of a check of many series.
    pub async fn check_many(&self, body: &Value) -> Result<Vec<Value>> {
        let answer = self.post("/v1/anomalies/check", body).await?;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text);
        Ok(answer.json["results"].as_array().context("results")?.clone())
    }

    /// A request of any kind; `path` holds the query as well.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(Bytes::from(body))).context(path.to_owned())?;
        if let Some(claims) = &self.claims {
            let context: ApiGatewayV2httpRequestContext = serde_json::from_value(json!({
                "http": { "method": method },
                "authorizer": { "jwt": { "claims": claims } },
            }))?;
            request.extensions_mut().insert(RequestContext::ApiGatewayV2(context));
        }
        // Boxed, because the future of a whole router is large, and tests hold many of them.
        let answer: BoxFuture<'_, _> = Box::pin(self.router.clone().oneshot(request));
        let Ok(response) = answer.await;
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, text, json })
    }
}

impl Answer {
    /// A header's text; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Fails unless this is a problem document of this status. `case` names the request.
    pub fn assert_problem(&self, status: u16, case: &str) {
        assert_eq!(self.status, status, "{case}: {}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{case}");
        assert_eq!(self.json["status"], json!(status), "{case}: {}", self.text);
        assert!(
            self.json["detail"].as_str().is_some_and(|detail| !detail.is_empty()),
            "{case}: {}",
            self.text
        );
        assert!(self.json["code"].as_str().is_some_and(|code| !code.is_empty()), "{case}: {}", self.text);
        let id = self.header("x-request-id");
        assert!(!id.is_empty() && self.json["request_id"] == id, "{case}: {id} {}", self.text);
        for inside in ["DB::Exception", "127.0.0.1", "localhost", "usage_hourly", "dynamodb", "e2e_", "Query"]
        {
            assert!(!self.text.contains(inside), "{case}: `{inside}` is in {}", self.text);
        }
    }

    /// The same, with the parameter and a part of the text. The quotes around names do not matter.
    pub fn assert_invalid(&self, parameter: &str, detail: &str, case: &str) {
        self.assert_problem(400, case);
        assert_eq!(self.json["parameter"], json!(parameter), "{case}: {}", self.text);
        let found = self.json["detail"].as_str().unwrap_or_default().replace('`', "");
        assert!(found.contains(&detail.replace('`', "")), "{case}: `{detail}` is not in: {found}");
    }

    /// The parts of a problem that are the same for all callers: everything but the id of the request.
    pub fn without_request_id(&self) -> (u16, Value) {
        let mut json = self.json.clone();
        if let Some(object) = json.as_object_mut() {
            object.remove("request_id");
        }
        (self.status, json)
    }
}

/// A text as a part of a path or a query.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
