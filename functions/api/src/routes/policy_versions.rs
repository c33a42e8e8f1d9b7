//! The versions of a policy, each with its author and time.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::StoredPolicy;
use detection::{CustomerId, Policy};
use serde::Serialize;
use utoipa::ToSchema;

use super::config::PolicyDocument;
use crate::App;
use crate::access::Operator;
use crate::error::Problem;
use crate::params::{CustomerInPath, Query};
use crate::refusals::{Forbidden, Invalid, Unavailable};
use crate::views::Time;

/// No policy has so many versions. Programs that count by 64 bits with a sign can name it.
const LAST: u64 = i64::MAX.unsigned_abs();

#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyVersions {
    /// Newest first. Empty for a policy that nobody has written.
    pub versions: Vec<PolicyVersion>,
    /// Send it as `before` to get older ones. Null if there are no more.
    #[schema(required = true)]
    pub next_before: Option<u64>,
}

/// A version of a policy.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyVersion {
    pub version: u64,
    /// When it was written.
    #[schema(required = true)]
    pub updated_at: Option<Time>,
    /// The author, by the name in the token.
    #[schema(required = true)]
    pub updated_by: Option<String>,
    #[schema(value_type = PolicyDocument)]
    pub config: Policy,
}

/// List the versions of the policy for all customers
#[utoipa::path(
    get,
    path = "/v1/config/versions",
    tag = "settings",
    operation_id = "list_policy_versions",
    params(
        ("before" = Option<u64>, Query, minimum = 1, maximum = 9_223_372_036_854_775_807_i64, description = "only versions older than this one"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "versions to list; default 20", example = 3),
    ),
    responses(
        (status = 200, description = "The versions.", body = PolicyVersions),
        Invalid,
        Forbidden,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn of_all(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    query: Query,
) -> Result<Json<PolicyVersions>, Problem> {
    versions(&app, None, query).await
}

/// List the versions of the policy of one customer
#[utoipa::path(
    get,
    path = "/v1/config/customers/{customer_id}/versions",
    tag = "settings",
    operation_id = "list_customer_policy_versions",
    params(
        ("customer_id" = String, Path, description = "the id, or `~` and the id in base64url without padding", example = "cust_0001"),
        ("before" = Option<u64>, Query, minimum = 1, maximum = 9_223_372_036_854_775_807_i64, description = "only versions older than this one"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "versions to list; default 20", example = 3),
    ),
    responses(
        (status = 200, description = "The versions.", body = PolicyVersions),
        Invalid,
        Forbidden,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn of_customer(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    CustomerInPath(customer): CustomerInPath,
    query: Query,
) -> Result<Json<PolicyVersions>, Problem> {
    versions(&app, Some(&customer), query).await
}

async fn versions(app: &App, of: Option<&CustomerId>, query: Query) -> Result<Json<PolicyVersions>, Problem> {
    let query = query.only(&["before", "limit"])?;
    let limit = query.number("limit", 1..=100, 20)?;
    let before = match query.text("before") {
        None => None,
        Some(_) => Some(query.number("before", 1..=LAST, 1)?),
    };
    let versions = app.store.policy_versions(of, before, limit).await?;
    // The first version is 1.
    let next_before = versions.last().map(|version| version.version).filter(|version| *version > 1);
    let next_before = next_before.filter(|_| versions.len() == limit);
    Ok(Json(PolicyVersions {
        versions: versions.into_iter().map(PolicyVersion::from).collect(),
        next_before,
    }))
}

impl From<StoredPolicy> for PolicyVersion {
    fn from(stored: StoredPolicy) -> Self {
        Self {
            version: stored.version,
            updated_at: stored.updated_at.map(Time::from),
            updated_by: stored.updated_by,
            config: stored.policy,
        }
    }
}
