//! Problems as answers: the only place that knows HTTP's codes for them.
//!
//! A problem says what the caller can do about it and nothing about the inside. What went wrong inside goes to the log,
//! under the request id that the answer carries.

use crate::detector_function::InvocationError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::telemetry::error_chain;
use problem_details::{JsonProblemDetails, ProblemDetails};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;
use warehouse::usage::{UsageError, UsageErrorKind};

/// Seconds after which a caller may try again when a service behind this one is away.
const RETRY_AFTER_SECONDS: u32 = 10;

/// Why a request was not served.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    parameter: Option<String>,
    /// For the log only.
    cause: Option<String>,
}

/// An RFC 9457 problem document.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// The HTTP status.
    #[schema(example = 400)]
    pub status: u16,
    /// The status in words.
    #[schema(example = "Bad Request")]
    pub title: String,
    /// What is wrong, and what is allowed.
    #[schema(example = "limit must be a whole number from 1 to 100, not 0")]
    pub detail: String,
    #[serde(flatten)]
    pub extensions: Extensions,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Extensions {
    /// The parameter or field that is wrong; absent where it is no single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "limit")]
    pub parameter: Option<String>,
    /// Names the request in the logs.
    pub request_id: String,
}

impl Problem {
    /// A parameter or a field of the body cannot be understood.
    pub(crate) fn invalid(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::BAD_REQUEST, detail);
        Self { parameter: Some(parameter.into()), ..problem }
    }

    /// The body as a whole cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) fn too_large(limit_kib: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit_kib} KiB"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "send a valid token: Authorization: Bearer …")
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// The same answer for what does not exist and for what the caller may not know of.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "it does not exist, or this token does not show it")
    }

    pub(crate) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such route: see /openapi.json")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this route does not have that method: see /openapi.json")
    }

    /// It makes no sense in the present state.
    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub(crate) fn precondition_required() -> Self {
        Self::new(
            StatusCode::PRECONDITION_REQUIRED,
            "send the ETag that GET answered as If-Match, so that no change of somebody else is lost",
        )
    }

    pub(crate) fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "it was changed since: GET it again, and send its new ETag as If-Match",
        )
    }

    /// The answer takes longer than the gateway waits, for whatever reason.
    pub(crate) fn out_of_time() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "this takes longer than it may just now; try again, or ask for less",
        )
    }

    /// The request asks for more than can be answered in time: only another request helps.
    pub(crate) fn too_much(instead: &str) -> Self {
        Self::bad_request(format!("this is too much to answer in time: {instead}"))
    }

    /// A service behind this one is away or failing.
    pub(crate) fn unavailable(what: &str, cause: &dyn std::error::Error) -> Self {
        let detail = format!("{what} cannot be reached just now; try again in {RETRY_AFTER_SECONDS} seconds");
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        Self { cause: Some(error_chain(cause)), ..problem }
    }

    /// Our own fault.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let problem =
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, "this is our fault; the log has the details");
        Self { cause: Some(cause.into()), ..problem }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// What the log should say and the answer must not.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer, with the id under which the log has more.
    pub(crate) fn answer(&self, request_id: &str) -> Response {
        let document =
            ProblemDetails::from_status_code(self.status).with_detail(&self.detail).with_extensions(
                Extensions { parameter: self.parameter.clone(), request_id: request_id.to_owned() },
            );
        let mut response = JsonProblemDetails::from(document).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }

    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), parameter: None, cause: None }
    }
}

/// The request id is not known here, so the problem travels with the response until it is.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A value as the caller sent it, short enough for a sentence.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{}`", shown.escape_debug())
}

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Self {
        match error.kind() {
            UsageErrorKind::TooExpensive => {
                let problem = Self::too_much("choose a shorter period, fewer days or fewer customers");
                Self { cause: Some(error_chain(&error)), ..problem }
            }
            UsageErrorKind::Unavailable | UsageErrorKind::Overloaded => {
                Self::unavailable("the usage data", &error)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Item { .. } | StoreError::Policy { .. } => Self::internal(error_chain(&error)),
            StoreError::Contended { .. } => {
                Self::conflict("it is being changed by others at this moment; try again")
            }
            _ => Self::unavailable("the store of anomalies", &error),
        }
    }
}

impl From<InvocationError> for Problem {
    fn from(error: InvocationError) -> Self {
        Self::unavailable("the detector", &error)
    }
}
