//! The operators' policies: how strict the checks are and what is muted, for all customers or one.

use std::sync::Arc;

use adapters::policies::validate;
use adapters::store::{Changed, StoredPolicy};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use detection::{CustomerId, Policy, Settings};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Operator};
use crate::error::{Problem, ProblemDocument};
use crate::params::{Body, CustomerInPath, Query};

/// A policy with its version, which is also its ETag.
#[derive(Serialize, ToSchema)]
pub(crate) struct Config {
    /// 0 until it is first written.
    pub version: u64,
    /// Unix milliseconds.
    pub updated_at: Option<i64>,
    pub updated_by: Option<String>,
    #[schema(value_type = PolicyDocument)]
    pub config: Policy,
}

/// What differs from the catalog and the deployment. PUT replaces the whole of it.
#[derive(ToSchema)]
#[schema(as = Policy)]
#[allow(dead_code)] // Describes `detection::Policy`, which knows nothing of HTTP.
pub(crate) struct PolicyDocument {
    /// Thresholds and floors by metric of the catalog.
    #[schema(value_type = std::collections::BTreeMap<String, OverrideDocument>, required = false, example = json!({"api_calls": {"threshold": 4.0, "min_change": 500}}))]
    metrics: Value,
    /// At most 100 planned events, whose anomalies are stored and alert nobody.
    #[schema(required = false, max_items = 100)]
    mutes: Vec<MuteDocument>,
}

/// What is absent stays as it is.
#[derive(ToSchema)]
#[schema(as = Override)]
#[allow(dead_code)] // Describes `detection::Override`.
pub(crate) struct OverrideDocument {
    /// |z| of an anomaly.
    #[schema(exclusive_minimum = 0, maximum = 100)]
    threshold: Option<f64>,
    /// |z| of a critical one, at least `threshold`.
    #[schema(exclusive_minimum = 0, maximum = 100)]
    critical_threshold: Option<f64>,
    /// Least change from the mean that matters, in the metric's unit.
    #[schema(minimum = 0)]
    min_change: Option<f64>,
    /// The same as a share of the mean.
    #[schema(minimum = 0)]
    min_relative_change: Option<f64>,
}

/// A planned event. Anomalies whose window touches it alert nobody.
#[derive(ToSchema)]
#[schema(as = Mute)]
#[allow(dead_code)] // Describes `detection::Mute`.
pub(crate) struct MuteDocument {
    /// Absent: all metrics.
    metric: Option<String>,
    /// RFC 3339; absent: since ever.
    #[schema(format = DateTime, example = "2026-11-21T13:00:00Z")]
    from: Option<String>,
    /// RFC 3339, after `from`; absent: for ever.
    #[schema(format = DateTime, example = "2026-11-22T13:00:00Z")]
    until: Option<String>,
    #[schema(min_length = 1, max_length = 500, example = "planned migration")]
    reason: String,
}

/// Show the policy for all customers
#[utoipa::path(
    get,
    path = "/v1/config",
    tag = "settings",
    responses(
        (status = 200, body = Config, headers(("etag" = String))),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn get_global(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    query: Query,
) -> Result<Response, Problem> {
    query.only(&[])?;
    Ok(answer(app.store.policy(None).await?))
}

/// Replace the policy for all customers
///
/// It is checked as a whole, also beside the policies of single customers, and holds from the next run on.
#[utoipa::path(
    put,
    path = "/v1/config",
    tag = "settings",
    params(("If-Match" = String, Header, description = "the ETag that GET answered")),
    request_body = PolicyDocument,
    responses(
        (status = 200, body = Config, headers(("etag" = String))),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 412, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 428, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn put_global(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    query: Query,
    headers: HeaderMap,
    Body(policy): Body<Policy>,
) -> Result<Response, Problem> {
    query.only(&[])?;
    let seen = version_of(&headers)?;
    let settings = checked(&app, &app.settings, &policy)?;
    // A customer's own policy was made beside another one for all; together they must still make sense.
    let (_, customers) = app.store.policies().await?;
    for (customer, own) in customers {
        validate(&app.catalog, &settings, &own.policy).map_err(|error| {
            Problem::invalid(
                "metrics",
                format!("it does not fit the policy of the customer {:?}: {error}", customer.as_str()),
            )
        })?;
    }
    put(&app, None, &policy, seen, &caller).await
}

/// Show the policy of one customer
#[utoipa::path(
    get,
    path = "/v1/config/customers/{customer_id}",
    tag = "settings",
    params(("customer_id" = String, Path, description = "the id, or `~` and the id in base64url")),
    responses(
        (status = 200, body = Config, headers(("etag" = String))),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn get_customer(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    CustomerInPath(customer): CustomerInPath,
    query: Query,
) -> Result<Response, Problem> {
    query.only(&[])?;
    Ok(answer(app.store.policy(Some(&customer)).await?))
}

/// Replace the policy of one customer
///
/// It is checked as a whole, on top of the policy for all customers, and holds from the next run on.
#[utoipa::path(
    put,
    path = "/v1/config/customers/{customer_id}",
    tag = "settings",
    params(
        ("customer_id" = String, Path, description = "the id, or `~` and the id in base64url"),
        ("If-Match" = String, Header, description = "the ETag that GET answered"),
    ),
    request_body = PolicyDocument,
    responses(
        (status = 200, body = Config, headers(("etag" = String))),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 412, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 428, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn put_customer(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    CustomerInPath(customer): CustomerInPath,
    query: Query,
    headers: HeaderMap,
    Body(policy): Body<Policy>,
) -> Result<Response, Problem> {
    query.only(&[])?;
    let seen = version_of(&headers)?;
    let global = app.store.policy(None).await?;
    let settings = checked(&app, &app.settings, &global.policy)?;
    checked(&app, &settings, &policy)?;
    put(&app, Some(&customer), &policy, seen, &caller).await
}

async fn put(
    app: &App,
    of: Option<&CustomerId>,
    policy: &Policy,
    seen: u64,
    caller: &Caller,
) -> Result<Response, Problem> {
    match app.store.put_policy(of, policy, seen, &caller.actor, app.now()?).await? {
        Changed::Overtaken => Err(Problem::precondition_failed()),
        Changed::Stored(stored) => {
            tracing::info!(
                policy.of = of.map_or("all customers", CustomerId::as_str),
                policy.version = stored.version,
                actor = caller.actor,
                "policy changed"
            );
            Ok(answer(stored))
        }
    }
}

fn checked(app: &App, settings: &[Settings], policy: &Policy) -> Result<Vec<Settings>, Problem> {
    validate(&app.catalog, settings, policy).map_err(|error| {
        let text = error.to_string();
        let place = text.split(": ").next().unwrap_or_default().to_owned();
        Problem::invalid(place, text)
    })
}

/// The version in `If-Match`, in the form of the ETag.
fn version_of(headers: &HeaderMap) -> Result<u64, Problem> {
    let value = headers.get(header::IF_MATCH).ok_or_else(Problem::precondition_required)?;
    let text = value.to_str().ok().map(str::trim).and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
    let version = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    version.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Problem::invalid(
            "If-Match",
            "If-Match must be the ETag that GET answered, such as \"3\" in its quotes",
        )
    })
}

fn answer(stored: StoredPolicy) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", stored.version));
    let config = Config {
        version: stored.version,
        updated_at: stored.updated_at.map(|at| at.as_millisecond()),
        updated_by: stored.updated_by,
        config: stored.policy,
    };
    let mut response = Json(config).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}
