//! The span of a request, by OpenTelemetry's conventions for servers.
//!
//! Paths and tokens hold ids of customers, so the span holds neither. It holds the route, and the path with a digest in the place
//! of each part that the caller chose. So whoever counts paths sees a client that walks through ids, and no id.

use axum::extract::{MatchedPath, Request};
use axum::http::StatusCode;
use lambda_http::request::RequestContext;
use platform::traces::{self, TARGET};
use sha2::{Digest, Sha256};
use tracing::{Span, field};

/// The span of a request. Nothing is computed unless spans are sent.
pub(crate) fn of_request(request: &Request) -> Span {
    let method = request.method().as_str();
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let context = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => Some(context),
        _ => None,
    };
    let span = tracing::debug_span!(
        target: TARGET,
        "request",
        otel.name = field::Empty,
        otel.kind = "server",
        otel.status_code = field::Empty,
        error.type = field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = field::Empty,
        url.path = field::Empty,
        client.address = field::Empty,
        enduser.pseudo.id = field::Empty,
    );
    if !span.is_disabled() {
        span.record("otel.name", route.map_or(method.to_owned(), |route| format!("{method} {route}")));
        span.record("url.path", masked(request.uri().path(), route));
        if let Some(address) = context.and_then(|context| context.http.source_ip.as_deref()) {
            span.record("client.address", address);
        }
        let claims = context.and_then(|context| Some(&context.authorizer.as_ref()?.jwt.as_ref()?.claims));
        if let Some(subject) = claims.and_then(|claims| claims.get("sub")) {
            span.record("enduser.pseudo.id", digest(subject));
        }
    }
    span
}

/// Notes the status of the answer. Only failures of the server are errors, as OpenTelemetry says.
pub(crate) fn note_status(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        traces::fail(span, status.as_str());
    }
}

/// A path with digests in the place of the parts that are not of the route. Without a route, of all parts.
fn masked(path: &str, route: Option<&str>) -> String {
    let mut of_route = route.unwrap_or_default().split('/');
    let of_path = path.split('/').map(|part| match of_route.next() {
        Some(fixed) if fixed == part => part.to_owned(),
        _ if part.is_empty() => String::new(),
        _ => digest(part),
    });
    of_path.collect::<Vec<_>>().join("/")
}

/// Eight hexadecimal digits that stand for a text.
fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_shows_the_route_and_no_id() {
        let route = Some("/v1/customers/{customer_id}/usage");
        let masked_path = masked("/v1/customers/acme/usage", route);
        assert_eq!(masked_path, format!("/v1/customers/{}/usage", digest("acme")));
        assert_ne!(masked_path, masked("/v1/customers/acmf/usage", route));
        assert_eq!(masked("/v1/incidents", Some("/v1/incidents")), "/v1/incidents");
        // A customer may be called as a part of the route.
        assert_eq!(
            masked("/v1/customers/usage/usage", route),
            format!("/v1/customers/{}/usage", digest("usage"))
        );
    }

    #[test]
    fn a_path_of_no_route_is_masked_as_a_whole() {
        let path = masked("/admin/acme", None);
        assert_eq!(path, format!("/{}/{}", digest("admin"), digest("acme")));
        assert_eq!(digest("acme"), "822b33ad");
    }
}
