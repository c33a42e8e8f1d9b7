//! The frame of every request: a time limit, a request id on the answer, one line in the log, and one form of problems.
//!
//! The limits nest: a count 10 s, a query 18 s, an answer 25 s, the function 29 s, the gateway 30 s. So a slow request becomes
//! an answer that says so. The request id is also in the body, because people copy the body into a ticket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use store::Extent;
use tracing::Instrument as _;

use crate::App;
use crate::error::Problem;
use crate::span;
use crate::views::TimeForm;

/// Limit of an answer.
const TIME_LIMIT: Duration = Duration::from_secs(25);

/// Default of [`App::counting_time`]. A count that takes longer answers with what it has.
pub(crate) const COUNTING_TIME: Duration = Duration::from_secs(10);

/// Limit of work that can be cut short, such as a query or filling a list page.
const WORK_TIME: Duration = Duration::from_secs(18);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The request in progress.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// The request's name in the log, for the caller, and in ClickHouse.
    pub(crate) id: String,
    started: Instant,
    /// All work on the request ends by this time.
    pub(crate) deadline: Instant,
}

impl Serving {
    /// Counting ends by this time.
    pub(crate) fn counting_deadline(&self, app: &App) -> Instant {
        self.started + app.counting_time
    }
}

/// Whether all was counted. An answer that counted nothing would mislead, so there is none.
pub(crate) fn is_complete(extent: Extent) -> Result<bool, Problem> {
    match extent {
        Extent::Whole => Ok(true),
        Extent::Part => Ok(false),
        Extent::Nothing => Err(Problem::out_of_time()),
    }
}

pub(crate) async fn around(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    request.extensions_mut().insert(Serving { id: id.clone(), started, deadline: started + WORK_TIME });
    let span = span::of_request(&request);

    let work = TimeForm::of_request(next.run(request)).instrument(span.clone());
    let mut response = match tokio::time::timeout(TIME_LIMIT, work).await {
        Ok(response) => response,
        Err(_) => Problem::out_of_time().into_response(),
    };
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        response = problem.answer(&id);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    span::note_status(&span, response.status());
    log(&id, method.as_str(), &route, &response, problem.as_ref(), started);
    response
}

/// One line per request. It holds the refused parameter and no other text of the caller, because ids may be names of
/// people.
fn log(
    id: &str,
    method: &str,
    route: &str,
    response: &Response,
    problem: Option<&Problem>,
    started: Instant,
) {
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let detail = problem.map(|problem| problem.cause().unwrap_or(problem.detail()));
    let code = problem.map(|problem| tracing::field::debug(problem.code()));
    if response.status().is_server_error() {
        tracing::error!(
            request.id = id,
            http.method = method,
            http.route = route,
            http.status = status,
            duration_ms,
            problem.code = code,
            error = detail,
            "request failed"
        );
    } else {
        tracing::info!(
            request.id = id,
            http.method = method,
            http.route = route,
            http.status = status,
            duration_ms,
            problem.code = code,
            detail,
            "request served"
        );
    }
}

/// The gateway's id of the request, else Lambda's, else a new one.
fn request_id(request: &Request) -> String {
    let of_gateway = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    let of_lambda = || request.lambda_context_ref().map(|context| context.request_id.clone());
    of_gateway
        .or_else(of_lambda)
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

impl axum::extract::FromRequestParts<Arc<App>> for Serving {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &Arc<App>,
    ) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::internal("a request that nobody serves"))
    }
}
