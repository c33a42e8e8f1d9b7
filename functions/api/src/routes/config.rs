//! The operators' policies: detectors, thresholds, floors, rules and mutes, for all customers or one.

pub(super) mod mutes;
pub(super) mod rules;
mod schema;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use catalog::{Policies, Shard, StoredPolicy, validate, validate_rules, without_unknown_metrics};
use detection::{CustomerId, Policy, Settings};
use jiff::Timestamp;
use serde::Serialize;
use store::PolicyChange;
use utoipa::ToSchema;
use warehouse::usage::SweepRequest;

pub(super) use self::schema::{PolicyDocument, SensitivityDocument};
use crate::App;
use crate::access::{Caller, Operator};
use crate::answer::Serving;
use crate::error::Problem;
use crate::params::{Body, CustomerInPath, Query};
use crate::refusals::{Forbidden, Invalid, Overtaken, TooLarge, Unavailable, Unguarded};
use crate::views::Time;

/// Longest time to find out whether a customer has usage.
const USAGE_TIME: Duration = Duration::from_secs(3);

/// A policy with its version, which is also its ETag.
#[derive(Serialize, ToSchema)]
pub(crate) struct Config {
    /// 0 until the first write.
    pub version: u64,
    /// Null before the first write.
    #[schema(required = true)]
    pub updated_at: Option<Time>,
    /// The author, by the name in the token.
    #[schema(required = true)]
    pub updated_by: Option<String>,
    #[schema(value_type = PolicyDocument)]
    pub config: Policy,
    /// Remarks about a stored change. Absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub remarks: Vec<Remark>,
}

/// A remark about a stored change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Remark {
    pub code: RemarkCode,
    #[schema(example = "the customer used nothing in the last 31 days: is the id right?")]
    pub detail: String,
}

/// * `unknown_metric`: a stored entry names a metric that left the catalog; the entry has no effect.
/// * `no_usage`: the customer used nothing in the time that runs read.
/// * `usage_unknown`: the usage of the customer could not be read just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RemarkCode {
    UnknownMetric,
    NoUsage,
    UsageUnknown,
}

/// Show the policy for all customers
///
/// A change needs the `etag` of this answer. Version 0 is the empty policy that nobody has written.
#[utoipa::path(
    get,
    path = "/v1/config",
    tag = "settings",
    operation_id = "show_policy",
    responses(
        (status = 200, description = "The policy.", body = Config, headers(("etag" = String, description = "the version in quotes, for `If-Match`"))),
        Invalid,
        Forbidden,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn get_global(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    query: Query,
) -> Result<Response, Problem> {
    query.only(&[])?;
    Ok(answer(app.store.policy(None).await?, Vec::new()))
}

/// Replace the policy for all customers
///
/// Replaces the whole policy, so send the unchanged parts too. The policy is validated as a whole, also together with
/// the policies of single customers. It holds from the next run and the next check on demand. The table keeps every
/// version with its author and time.
#[utoipa::path(
    put,
    path = "/v1/config",
    tag = "settings",
    operation_id = "replace_policy",
    params(("If-Match" = String, Header, description = "the ETag that GET answered, with its quotes", example = "\"0\"")),
    request_body = PolicyDocument,
    responses(
        (status = 200, description = "The policy.", body = Config, headers(("etag" = String, description = "the version in quotes, for `If-Match`"))),
        Invalid,
        Forbidden,
        Overtaken,
        TooLarge,
        Unguarded,
        Unavailable,
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
    if policy.window_delay_hours.is_some() {
        let detail = "window_delay_hours: only the policy of one customer has it; `window_delay_seconds` of the deployment \
                      delays the runs for all";
        return Err(Problem::invalid("window_delay_hours", detail));
    }
    let remarks = checked_for_all(&app, &policy).await?;
    put(&app, None, &policy, seen, &caller, remarks).await
}

/// Show the policy of one customer
///
/// It extends the policy for all customers. A customer without a policy has the empty one of version 0.
#[utoipa::path(
    get,
    path = "/v1/config/customers/{customer_id}",
    tag = "settings",
    operation_id = "show_customer_policy",
    params(("customer_id" = String, Path, description = "the id, or `~` and the id in base64url without padding", example = "cust_0001")),
    responses(
        (status = 200, description = "The policy.", body = Config, headers(("etag" = String, description = "the version in quotes, for `If-Match`"))),
        Invalid,
        Forbidden,
        Unavailable,
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
    Ok(answer(app.store.policy(Some(&customer)).await?, Vec::new()))
}

/// Replace the policy of one customer
///
/// Replaces the customer's whole policy. The policy is validated as a whole, on top of the policy for all customers. It
/// holds from the next run and the next check on demand. The table keeps every version with its author and time.
#[utoipa::path(
    put,
    path = "/v1/config/customers/{customer_id}",
    tag = "settings",
    operation_id = "replace_customer_policy",
    params(
        ("customer_id" = String, Path, description = "the id, or `~` and the id in base64url without padding", example = "cust_0001"),
        ("If-Match" = String, Header, description = "the ETag that GET answered, with its quotes", example = "\"0\""),
    ),
    request_body = PolicyDocument,
    responses(
        (status = 200, description = "The policy.", body = Config, headers(("etag" = String, description = "the version in quotes, for `If-Match`"))),
        Invalid,
        Forbidden,
        Overtaken,
        TooLarge,
        Unguarded,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn put_customer(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    serving: Serving,
    CustomerInPath(customer): CustomerInPath,
    query: Query,
    headers: HeaderMap,
    Body(policy): Body<Policy>,
) -> Result<Response, Problem> {
    let query = query.only(&[])?;
    let seen = version_of(&headers)?;
    // A fault in the policy for all customers is not this request's fault. That policy is left out here, as in the
    // runs.
    let (global, own) = futures::try_join!(app.store.policy(None), app.store.policy(Some(&customer)))?;
    let of_all = Policies::resolve(&app.catalog, &app.settings, global.clone(), Vec::new());
    let (_, mut remarks) = checked(&app, of_all.settings(&customer), &policy, &own.policy)?;
    checked_beside(&app, &global.policy, &policy)?;
    remarks.extend(usage_remark(&app, &customer, query.now(), &serving).await?);
    put(&app, Some(&customer), &policy, seen, &caller, remarks).await
}

/// A mistyped id makes a policy without effect. So the answer says if there is no usage.
async fn usage_remark(
    app: &App,
    customer: &CustomerId,
    now: Timestamp,
    serving: &Serving,
) -> Result<Option<Remark>, Problem> {
    let request = SweepRequest {
        window: app.closed_window(now)?,
        baseline_days: app.detection.baseline_days,
        catalog: &app.catalog,
        customers: std::slice::from_ref(customer),
        shard: Shard::WHOLE,
        query_id: &format!("{}-usage", serving.id),
        deadline: serving.deadline,
    };
    let counted = tokio::time::timeout(USAGE_TIME, app.usage.count_customers(&request)).await;
    Ok(match counted {
        Ok(Ok(0)) => {
            let days = app.detection.baseline_days.get() + 1;
            let detail = format!("the customer used nothing in the last {days} days: is the id right?");
            Some(Remark { code: RemarkCode::NoUsage, detail })
        }
        Ok(Ok(_)) => None,
        Ok(Err(_)) | Err(_) => {
            let detail = "the usage of the customer could not be read just now".to_owned();
            Some(Remark { code: RemarkCode::UsageUnknown, detail })
        }
    })
}

async fn put(
    app: &App,
    of: Option<&CustomerId>,
    policy: &Policy,
    seen: u64,
    caller: &Caller,
    remarks: Vec<Remark>,
) -> Result<Response, Problem> {
    match app.store.put_policy(of, policy, seen, &caller.actor, app.now()?).await? {
        PolicyChange::Overtaken => Err(Problem::precondition_failed()),
        PolicyChange::Stored(stored) => {
            tracing::info!(
                policy.of = of.map_or("all customers", CustomerId::as_str),
                policy.version = stored.version,
                actor = caller.actor,
                "policy changed"
            );
            Ok(answer(stored, remarks))
        }
    }
}

/// The settings under a policy, and its remarks. Stored entries of metrics that left the catalog may stay. New ones are
/// refused.
fn checked(
    app: &App,
    settings: &[Settings],
    policy: &Policy,
    stored: &Policy,
) -> Result<(Vec<Settings>, Vec<Remark>), Problem> {
    let (known, unknown) = without_unknown_metrics(&app.catalog, policy);
    let (_, stored) = without_unknown_metrics(&app.catalog, stored);
    let only_stored = unknown.iter().all(|place| stored.contains(place));
    let settings = validate(&app.catalog, settings, if only_stored { &known } else { policy });
    let settings = settings.map_err(|error| {
        let text = error.to_string();
        let place = text.split(": ").next().unwrap_or_default().to_owned();
        Problem::invalid(place, text)
    })?;
    let remarks = unknown.iter().map(|place| Remark::unknown_metric("this policy", place)).collect();
    Ok((settings, remarks))
}

/// The remarks about a policy for all customers, if it holds: by itself, and together with those of single customers.
async fn checked_for_all(app: &App, policy: &Policy) -> Result<Vec<Remark>, Problem> {
    let (global, customers) = app.store.policies().await?;
    let (settings, mut remarks) = checked(app, &app.settings, policy, &global.policy)?;
    // A customer's own policy was checked beside another policy for all customers. The two must fit together now as
    // well.
    for (customer, own) in customers {
        let (known, unknown) = without_unknown_metrics(&app.catalog, &own.policy);
        let of = format!("the policy of the customer {:?}", customer.as_str());
        validate(&app.catalog, &settings, &known)
            .map_err(|error| Problem::invalid("metrics", format!("it does not fit {of}: {error}")))?;
        validate_rules(&app.catalog, policy, &known)
            .map_err(|error| Problem::invalid("rules", format!("it does not fit {of}: {error}")))?;
        remarks.extend(unknown.iter().map(|place| Remark::unknown_metric(&of, place)));
    }
    Ok(remarks)
}

/// Refuses changes of rules that do not fit those of the policy for all customers.
fn checked_beside(app: &App, global: &Policy, own: &Policy) -> Result<(), Problem> {
    let (own, _) = without_unknown_metrics(&app.catalog, own);
    validate_rules(&app.catalog, global, &own).map_err(|error| Problem::invalid("rules", error.to_string()))
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

fn answer(stored: StoredPolicy, remarks: Vec<Remark>) -> Response {
    let tag = HeaderValue::from_str(&format!("\"{}\"", stored.version));
    let config = Config {
        version: stored.version,
        updated_at: stored.updated_at.map(Time::from),
        updated_by: stored.updated_by,
        config: stored.policy,
        remarks,
    };
    let mut response = Json(config).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

impl Remark {
    fn unknown_metric(of: &str, place: &str) -> Self {
        let detail = format!("{place} in {of} has no effect: the catalog has no such metric");
        Self { code: RemarkCode::UnknownMetric, detail }
    }
}
