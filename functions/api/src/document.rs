//! The OpenAPI document, without the parts that the routes state themselves.

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Content, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, Required, Response, ResponseBuilder,
    Schema,
};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ProblemDocument;
use crate::listed::SeverityWord;
use crate::params::TIMES;
use crate::routes::incidents::IncidentSort;
use crate::views::TimeForm;

const DESCRIPTION: &str = "\
Usage anomalies of metered customers. Check any period on demand, list anomalies and incidents, act on them, and change \
the thresholds.

**Access.** Every route except `/health`, `/openapi.json` and those of the dashboard needs a JWT (`Authorization: Bearer …`) with the scope of \
the route. A deployment may give the scopes other names. A token with a `customer_id` claim sees that customer alone. \
Objects of another customer answer as if they did not exist. A token without the claim needs the admin scope.

**Times** in answers are Unix milliseconds. With the parameter `times=rfc3339` they are texts such as \
`2026-11-21T13:00:00Z`. Times in requests are Unix milliseconds, RFC 3339 (`2026-11-21T13:00:00Z`) or relative \
to now (`now-24h`, `now+1h`; units s, m, h, d). A period includes its start and excludes its end.

**CSV.** `GET /v1/anomalies` and `GET /v1/incidents` answer `Accept: text/csv` with one item per row. The cursor of the \
next list page is then in the header `x-next-cursor`. A text that a spreadsheet would run as a formula begins with an \
apostrophe.

**Requests** are read strictly. Unknown or repeated parameters and fields are refused. A body of more than 64 KiB is \
refused.

**Problems** are RFC 9457 documents. They name the wrong parameter and the allowed values. `code` is the kind of problem, \
for programs. `ProblemCode` lists all codes. `request_id` names the request in the logs. The header `x-request-id` has it \
too. The gateway itself answers 401 (no valid token), 403 (no such scope) and 429 (too many requests) as \
`{\"message\": …}`. The API answers 429 as a problem with `Retry-After` if a caller has used its share of reading usage \
for this minute.

**Customer ids in paths** are percent-encoded. The gateway decodes paths. So write an id as `~` and its base64url without \
padding if it contains `/`, `?` or the like, begins with `~`, or is `.` or `..`. In queries and bodies every id is \
unchanged.";

/// The subjects of the routes, the most important first.
const TAGS: [(&str, &str); 12] = [
    ("checks", "Any customer's usage in any period, judged now"),
    ("anomalies", "Anomalies that the hourly runs found, and actions on them"),
    ("incidents", "One deviation over time, from its first anomaly to its end, and actions on it"),
    ("customers", "Usage of customers, and their usual values"),
    ("sources", "Sources with entities: what they are, what is usual for each, and checks of single events"),
    ("workflows", "Anomalies and usual figures of workflows, in the shapes of workflow systems"),
    ("traces", "Anomalies of operations and clients of services, in the shapes of tracing systems"),
    ("machines", "Anomalies of machines, in the shapes of monitoring systems"),
    ("settings", "Thresholds, floors and mutes"),
    ("runs", "The hourly runs, and runs on demand"),
    ("system", "The API itself and the metrics"),
    ("dashboard", "The page for people: its files, and how to sign in"),
];

/// The document without routes.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("MeterFlow anomaly API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    let tags =
        TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build());
    OpenApiBuilder::new().info(info).tags(Some(tags)).build()
}

/// An answer of the gateway itself, before a request reaches the API.
#[derive(ToSchema)]
#[allow(dead_code)] // Describes an answer that is not made here.
struct GatewayMessage {
    #[schema(example = "Unauthorized")]
    message: String,
}

/// The document as JSON text.
pub(crate) fn serialized(mut document: OpenApi) -> String {
    let bearer =
        SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build());
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("jwt", bearer);
    let mut of_problems = vec![(ProblemDocument::name().into_owned(), ProblemDocument::schema())];
    ProblemDocument::schemas(&mut of_problems);
    components.schemas.extend(of_problems);
    // Only parameters have this type.
    components.schemas.insert(SeverityWord::name().into_owned(), SeverityWord::schema());
    components.schemas.insert(IncidentSort::name().into_owned(), IncidentSort::schema());
    components.schemas.insert(GatewayMessage::name().into_owned(), GatewayMessage::schema());
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        if operation.security.is_some() {
            add_answers_of_gateway(operation);
            operation.parameters.get_or_insert_default().push(RefOr::T(times_parameter()));
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            body.content.values_mut().for_each(refuse_null);
        }
    }
    // The document has no value that JSON cannot hold.
    document.to_pretty_json().unwrap_or_default()
}

/// The operations of the methods that the API has.
fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post].into_iter().flatten()
}

/// The parameter of every route that needs a token: the form of all times.
fn times_parameter() -> Parameter {
    let words = TimeForm::WORDS.map(|(word, _)| word);
    let form = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
    ParameterBuilder::new()
        .name(TIMES)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some("the form of times in the answer; default: Unix milliseconds"))
        .schema(Some(form))
        .build()
}

fn add_answers_of_gateway(operation: &mut Operation) {
    let message = || Content::new(Some(Ref::from_schema_name(GatewayMessage::name())));
    let answer = |description: &str| -> RefOr<Response> {
        ResponseBuilder::new().description(description).content("application/json", message()).build().into()
    };
    let responses = &mut operation.responses.responses;
    responses.insert("401".to_owned(), answer("There is no valid token."));
    let too_many = "Too many requests at once, or too much work for one caller; try again later.";
    let mut limited =
        ResponseBuilder::new().description(too_many).content("application/json", message()).build();
    let problem = Content::new(Some(Ref::from_schema_name(ProblemDocument::name())));
    limited.content.insert("application/problem+json".to_owned(), RefOr::T(problem));
    responses.insert("429".to_owned(), limited.into());
    if let Some(RefOr::T(forbidden)) = responses.get_mut("403") {
        forbidden.content.insert("application/json".to_owned(), RefOr::T(message()));
    }
}

/// An optional body may be absent, but it is never `null`.
fn refuse_null(content: &mut RefOr<Content>) {
    let RefOr::T(Content { schema, .. }) = content else { return };
    if let Some(RefOr::T(Schema::OneOf(choices))) = schema {
        *schema = choices.items.iter().find(|choice| matches!(choice, RefOr::Ref(_))).cloned();
    }
}
