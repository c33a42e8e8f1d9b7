//! Problems as answers. Only this module and its codes know HTTP's status codes.
//!
//! A problem says what the caller can do, and nothing about the inside. The cause goes to the log, under the request id
//! of the answer.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::telemetry::error_chain;
use problem_details::{JsonProblemDetails, ProblemDetails};
use serde::Serialize;
use store::StoreError;
use store::deliveries::DeliveryError;
use utoipa::ToSchema;
use warehouse::usage::{UsageError, UsageErrorKind};

use crate::checks_function::CheckError;
use crate::detector_function::InvocationError;

mod code;

pub(crate) use code::Code;

/// Seconds until another try makes sense, if a service behind this one is away.
const RETRY_AFTER_SECONDS: u32 = 10;

/// The reason why a request was refused or failed.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    parameter: Option<String>,
    /// Seconds until another try makes sense.
    retry_after: Option<u32>,
    /// The cause, for the log only.
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
    /// The fault, and the allowed values.
    #[schema(example = "limit must be a whole number from 1 to 100, not 0")]
    pub detail: String,
    #[serde(flatten)]
    pub extensions: Extensions,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Extensions {
    pub code: Code,
    /// The parameter or field at fault. Absent if no single one is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "limit")]
    pub parameter: Option<String>,
    /// The request's id in the logs.
    pub request_id: String,
}

impl Problem {
    /// A parameter or a field of the body is wrong.
    pub(crate) fn invalid(parameter: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::of(Code::InvalidParameter, detail).about(parameter)
    }

    /// The body as a whole cannot be read.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::of(Code::InvalidRequest, detail)
    }

    /// The baseline of a check cannot hold as many periods as a verdict needs.
    pub(crate) fn baseline_too_short(parameter: &str, detail: impl Into<String>) -> Self {
        Self::of(Code::BaselineTooShort, detail).about(parameter)
    }

    pub(crate) fn too_large(limit_kib: usize) -> Self {
        Self::of(Code::BodyTooLarge, format!("the body is larger than {limit_kib} KiB"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::of(Code::Unauthorized, "send a valid token: Authorization: Bearer …")
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::of(Code::Forbidden, detail)
    }

    /// One answer for objects that do not exist and for objects that the caller may not see.
    pub(crate) fn not_found() -> Self {
        Self::of(Code::NotFound, "there is no such object, or this token does not show it")
    }

    pub(crate) fn no_such_route() -> Self {
        Self::of(Code::NoSuchRoute, "there is no such route: see /openapi.json")
    }

    /// The deployment has no page for people, for a reason that the operator can change.
    pub(crate) fn no_dashboard(reason: &str) -> Self {
        Self::of(Code::NoSuchRoute, reason)
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::of(Code::MethodNotAllowed, "this route does not have that method: see /openapi.json")
    }

    pub(crate) fn precondition_required() -> Self {
        let detail = "send the ETag of GET as If-Match, so that nobody's change is lost";
        Self::of(Code::PreconditionRequired, detail)
    }

    pub(crate) fn precondition_failed() -> Self {
        let detail = "somebody has changed the policy: GET it again, and send its new ETag as If-Match";
        Self::of(Code::PreconditionFailed, detail)
    }

    /// The caller has used up its share of work for now.
    pub(crate) fn too_many_requests(detail: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::of(Code::TooManyRequests, detail) }
    }

    /// The answer takes longer than the gateway waits. The load is high, or the question is large.
    pub(crate) fn out_of_time() -> Self {
        Self::of(Code::OutOfTime, "the answer takes too long at this moment; try again, or ask for less")
    }

    /// A service behind this one is away or failing.
    fn unavailable(code: Code, what: &str, cause: &dyn std::error::Error) -> Self {
        let detail = format!("{what} cannot be reached just now; try again in {RETRY_AFTER_SECONDS} seconds");
        Self::of(code, detail).because(error_chain(cause))
    }

    /// A fault of this API.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        Self::of(Code::Internal, "this is a fault of the API; the log has the details under this request_id")
            .because(cause)
    }

    /// A problem without a parameter.
    pub(crate) fn of(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = (code.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS);
        Self { code, detail: detail.into(), parameter: None, retry_after, cause: None }
    }

    fn about(self, parameter: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.into()), ..self }
    }

    fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.code.status()
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The cause for the log. The answer must not hold it.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer, with the request id of the log.
    pub(crate) fn answer(&self, request_id: &str) -> Response {
        let extensions = Extensions {
            code: self.code,
            parameter: self.parameter.clone(),
            request_id: request_id.to_owned(),
        };
        let document = ProblemDetails::from_status_code(self.code.status())
            .with_detail(&self.detail)
            .with_extensions(extensions);
        let mut response = JsonProblemDetails::from(document).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// This place does not know the request id. So the problem travels with the response to the place that does.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A value of the caller, cut to fit into a sentence.
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
            // High load and a large question look alike here. Another try or a smaller question helps with both.
            UsageErrorKind::TooExpensive => Self::out_of_time().because(error_chain(&error)),
            UsageErrorKind::Unavailable | UsageErrorKind::Overloaded => {
                Self::unavailable(Code::UsageUnavailable, "the usage data", &error)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Item { .. } | StoreError::Policy { .. } => Self::internal(error_chain(&error)),
            StoreError::Contended { .. } => {
                Self::of(Code::Contended, "others are changing the object at this moment; try again")
            }
            _ => Self::unavailable(Code::StoreUnavailable, "the store of anomalies", &error),
        }
    }
}

impl From<DeliveryError> for Problem {
    fn from(error: DeliveryError) -> Self {
        match &error {
            DeliveryError::Item { .. } => Self::internal(error_chain(&error)),
            _ => Self::unavailable(Code::StoreUnavailable, "the store of deliveries", &error),
        }
    }
}

impl From<InvocationError> for Problem {
    fn from(error: InvocationError) -> Self {
        Self::unavailable(Code::DetectorUnavailable, "the detector", &error)
    }
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        Self::unavailable(Code::DetectorUnavailable, "the check of events", &error)
    }
}
