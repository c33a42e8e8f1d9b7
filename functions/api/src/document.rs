//! The OpenAPI document, beside what the routes say of themselves.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi, OpenApiBuilder};

const DESCRIPTION: &str = "\
Usage anomalies of metered customers: check any period on demand, see what the hourly runs found, say what became of \
it, and change how strict the checks are.

**Access.** Every route but `/health` and `/openapi.json` needs a JWT (`Authorization: Bearer …`) with the scope that \
the route names; the names of the scopes can differ in a deployment. A token with a `customer_id` claim sees that \
customer alone, and what belongs to another answers as if it did not exist. A token without the claim must have the \
admin scope.

**Times** in answers are Unix milliseconds. In requests they may also be RFC 3339 (`2026-11-21T13:00:00Z`) or relative \
to now (`now-24h`; units s, m, h, d).

**Problems** are RFC 9457 documents that name the wrong parameter and what is allowed. `request_id`, also in the header \
`x-request-id`, names the request in the logs. The gateway itself answers 401 (no valid token), 403 (no such scope) and \
429 (too many requests) as `{\"message\": …}`.

**Customer ids in paths** are percent-encoded. Since the gateway decodes paths, an id with `/`, `?` or the like goes \
there as `~` and the id in base64url without padding; so does one that begins with `~`.";

/// The document without routes.
pub(crate) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("MeterFlow anomaly API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// The document as JSON text.
pub(crate) fn serialized(mut document: OpenApi) -> String {
    let bearer =
        SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build());
    document.components.get_or_insert_default().add_security_scheme("jwt", bearer);
    // It holds nothing that could not be written.
    document.to_pretty_json().unwrap_or_default()
}
