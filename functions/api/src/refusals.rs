//! The problems of routes in the OpenAPI document, one type per status.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::error::ProblemDocument;

macro_rules! refusal {
    ($name:ident, $status:literal, $description:literal) => {
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([($status.to_owned(), RefOr::T(problem($description)))])
            }
        }
    };
}

refusal!(Invalid, "400", "A parameter or the body is wrong; the problem names it and the allowed values.");
refusal!(Forbidden, "403", "The token does not give the right to this.");
refusal!(NotFound, "404", "The object does not exist, or the token does not show it.");
refusal!(Missing, "404", "There is no such file, or this deployment has no dashboard.");
refusal!(Conflict, "409", "The present state does not allow it.");
refusal!(Overtaken, "412", "Somebody else has changed it.");
refusal!(TooLarge, "413", "The body is larger than 64 KiB.");
refusal!(Unguarded, "428", "`If-Match` is missing.");
refusal!(
    Unavailable,
    "503",
    "A service behind the API does not answer; `Retry-After` says in how many seconds to try again."
);

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name(ProblemDocument::name());
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", Content::new(Some(schema)))
        .build()
}
