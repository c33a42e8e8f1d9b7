//! The files of the dashboard, and what its page must know before anybody signs in. All of it is open.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::dashboard::{File, Links};
use crate::error::Problem;
use crate::refusals::Missing;

/// What the page must know before anybody signs in.
#[derive(Serialize, ToSchema)]
pub(crate) struct DashboardSettings {
    /// The issuer of tokens. Its endpoints are in the document `/.well-known/openid-configuration` below it.
    #[schema(example = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI")]
    pub issuer: String,
    /// The dashboard's client at the issuer.
    pub client_id: String,
    pub scopes: ScopeNames,
    /// The scopes that the page asks the issuer for.
    #[schema(example = "openid profile anomalies:read anomalies:write anomalies:admin")]
    pub sign_in_scope: String,
    /// The audience that the page names to issuers that ask for one.
    pub audience: Option<String>,
    /// Links to other systems by the kind of thing that they show. `{…}` stands for its id.
    #[schema(example = json!({ "trace": "https://traces.example.com/{trace_id}" }))]
    pub links: Links,
    /// The version of this API.
    #[schema(example = "0.1.0")]
    pub version: String,
}

/// The deployment's names of the scopes.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScopeNames {
    #[schema(example = "anomalies:read")]
    pub read: String,
    #[schema(example = "anomalies:write")]
    pub write: String,
    #[schema(example = "anomalies:admin")]
    pub admin: String,
}

/// The page never changes without a new hash in the names of its files.
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A browser asks each time whether the page is still the same.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), usb=()",
);

/// The page
///
/// The dashboard for people, for a browser.
#[utoipa::path(get, path = "/", tag = "dashboard", operation_id = "dashboard", responses(
    (status = 200, description = "The page.", body = String, content_type = "text/html; charset=utf-8"),
    (status = 304, description = "The page is the one that `If-None-Match` names."),
    Missing,
))]
pub(crate) async fn page(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Problem> {
    let served = app.dashboard.served()?;
    let mut response = answer(&served.files.page, &headers, ASK_AGAIN);
    let guards: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_SECURITY_POLICY, served.policy.clone()),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    response.headers_mut().extend(guards);
    Ok(response)
}

/// A file of the page
///
/// A script, a style or a picture. The name holds a hash of the content, so a file never changes.
#[utoipa::path(get, path = "/assets/{file}", tag = "dashboard", operation_id = "dashboard_file",
    params(("file" = String, Path, description = "the file's name, as the page has it", example = "index-CEnLmRqm.css")),
    responses(
        (status = 200, description = "The file.", content_type = "*/*"),
        (status = 304, description = "The file is the one that `If-None-Match` names."),
        Missing,
    ),
)]
pub(crate) async fn asset(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = app.dashboard.served()?.files.asset(&name).ok_or_else(Problem::no_such_route)?;
    Ok(answer(file, &headers, FOR_A_YEAR))
}

/// How to sign in
///
/// What the page must know before anybody signs in.
#[utoipa::path(get, path = "/dashboard.json", tag = "dashboard", operation_id = "dashboard_settings", responses(
    (status = 200, description = "The settings of the page.", body = DashboardSettings),
    Missing,
))]
pub(crate) async fn settings(State(app): State<Arc<App>>) -> Result<Json<DashboardSettings>, Problem> {
    let config = &app.dashboard.served()?.config;
    Ok(Json(DashboardSettings {
        issuer: config.issuer.clone(),
        client_id: config.client_id.clone(),
        scopes: ScopeNames {
            read: app.config.scope_read.clone(),
            write: app.config.scope_write.clone(),
            admin: app.config.scope_admin.clone(),
        },
        sign_in_scope: config.scope.clone(),
        audience: config.audience.clone(),
        links: config.links.clone(),
        version: platform::version().to_owned(),
    }))
}

/// The file in the form that the client takes, or the news that the client has it already.
fn answer(file: &File, headers: &HeaderMap, caching: HeaderValue) -> Response {
    let text_of = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = file.form(text_of(header::ACCEPT_ENCODING));
    let mut response = if form.is_known(text_of(header::IF_NONE_MATCH)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = form.bytes.clone().into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
        if let Some(encoding) = form.encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    let own = response.headers_mut();
    own.insert(header::ETAG, form.etag.clone());
    own.insert(header::CACHE_CONTROL, caching);
    if file.has_forms() {
        own.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}
