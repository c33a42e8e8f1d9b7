//! The codes of problems. They are a part of the contract, for programs that do not read sentences.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The kind of the problem. A code never changes its meaning. New codes may be added.
///
/// * `invalid_parameter` (400): a parameter or a field of the body is wrong; `parameter` names it
/// * `invalid_request` (400): the query, the path or the body as a whole cannot be read
/// * `baseline_too_short` (400): `baseline_days` holds fewer earlier periods than a verdict needs
/// * `unauthorized` (401): there is no valid token, or the token has no expiry
/// * `forbidden` (403): the token does not give the right to this
/// * `not_found` (404): the object does not exist, or the token does not show it
/// * `no_such_route` (404): the route does not exist
/// * `method_not_allowed` (405): the route does not have this method
/// * `invalid_state` (409): the present state does not allow the action
/// * `superseded` (409): a later incident of the same customer, metric and direction exists
/// * `history_full` (409): the history has no room for another change
/// * `no_channels` (409): this deployment does not tell the API of its channels
/// * `no_sources` (409): this deployment has no source that could answer this
/// * `event_unfinished` (409): the event is not finished yet
/// * `event_in_future` (409): the event was finished in the future
/// * `event_without_entity` (409): the event has no customer, or not all names of an entity
/// * `source_without_ids` (409): the source does not say which id an event has
/// * `contended` (409): others change the object at this moment; try again
/// * `precondition_failed` (412): somebody has changed the object; GET it again
/// * `body_too_large` (413): the body is larger than 64 KiB
/// * `precondition_required` (428): `If-Match` is missing
/// * `too_many_requests` (429): the caller's share of work is used up; `Retry-After` says for how long
/// * `internal` (500): a fault of this API
/// * `out_of_time` (503): the answer takes too long; try again, or ask for less
/// * `usage_unavailable` (503): the usage data cannot be reached
/// * `store_unavailable` (503): the store of anomalies cannot be reached
/// * `detector_unavailable` (503): the detector cannot be reached
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProblemCode)]
pub(crate) enum Code {
    InvalidParameter,
    InvalidRequest,
    BaselineTooShort,
    Unauthorized,
    Forbidden,
    NotFound,
    NoSuchRoute,
    MethodNotAllowed,
    InvalidState,
    Superseded,
    HistoryFull,
    NoChannels,
    NoSources,
    EventUnfinished,
    EventInFuture,
    EventWithoutEntity,
    SourceWithoutIds,
    Contended,
    PreconditionFailed,
    BodyTooLarge,
    PreconditionRequired,
    TooManyRequests,
    Internal,
    OutOfTime,
    UsageUnavailable,
    StoreUnavailable,
    DetectorUnavailable,
}

impl Code {
    /// The HTTP status of the code.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::InvalidParameter | Self::InvalidRequest | Self::BaselineTooShort => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound | Self::NoSuchRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::InvalidState
            | Self::Superseded
            | Self::HistoryFull
            | Self::NoChannels
            | Self::NoSources
            | Self::EventUnfinished
            | Self::EventInFuture
            | Self::EventWithoutEntity
            | Self::SourceWithoutIds
            | Self::Contended => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::OutOfTime | Self::UsageUnavailable | Self::StoreUnavailable | Self::DetectorUnavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn every_code_is_explained_with_its_status() {
        let schema = serde_json::to_value(Code::schema()).unwrap();
        let text = schema["description"].as_str().unwrap();
        let names = schema["enum"].as_array().unwrap();
        assert_eq!(names.len(), text.matches("* `").count());
        for name in names {
            let name = name.as_str().unwrap();
            assert!(text.contains(&format!("* `{name}` (")), "{name}");
        }
        assert!(text.contains(&format!("`out_of_time` ({})", Code::OutOfTime.status().as_u16())));
    }
}
