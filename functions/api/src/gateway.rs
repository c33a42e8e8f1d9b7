//! Restores a request that API Gateway has decoded.
//!
//! An HTTP API decodes the path before it chooses the route. `/customers/a%3Fb` arrives as `/customers/a?b` and would
//! be read as a path and a query. A path that is no address would end the function. So the path is encoded again. `%2F`
//! would arrive as another path, so ids may also be written as `~` and base64url.
//!
//! Behind a custom domain or a named stage, the path begins with the path of the mapping or the name of the stage. The
//! route that the gateway chose says how many segments the path has without that beginning.

use std::fmt::Write as _;

use lambda_http::http::header;
use lambda_http::request::LambdaRequest;

/// The event with an address that can be parsed and means what the caller sent.
pub fn encoded(mut event: LambdaRequest) -> LambdaRequest {
    if let LambdaRequest::ApiGatewayV2(request) = &mut event {
        let route = request.route_key.as_deref().unwrap_or_default();
        request.raw_path = request.raw_path.as_deref().map(|path| encoded_path(without_base(path, route)));
        request.raw_query_string = request.raw_query_string.as_deref().map(encoded_query);
        // A route is a path, whatever these headers say.
        request.headers.remove(header::HOST);
        request.request_context.domain_name = None;
        request.request_context.stage = None;
    }
    event
}

/// The path of the route, without what a mapping or a stage put before it.
fn without_base<'a>(path: &'a str, route_key: &str) -> &'a str {
    let Some((_, route)) = route_key.split_once(' ') else { return path };
    let Some(surplus) = path.matches('/').count().checked_sub(route.matches('/').count()) else {
        return path;
    };
    let start = path.match_indices('/').nth(surplus).map_or(0, |(start, _)| start);
    // A path that does not begin like its route is another path: the gateway decodes `%2F` in ids.
    let literal = route.split('{').next().unwrap_or_default();
    if path[start..].starts_with(literal) { &path[start..] } else { path }
}

/// A literal `%` arrives as `%25`. The gateway leaves only this escape alone.
fn encoded_path(path: &str) -> String {
    let path = format!("/{}", path.strip_prefix('/').unwrap_or(path));
    encoded_but(&path, |byte| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte))
}

/// The query arrives unchanged. Characters that no client may send are encoded.
fn encoded_query(query: &str) -> String {
    encoded_but(query, |byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte))
}

fn encoded_but(text: &str, allowed: impl Fn(u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let mut encoded = String::with_capacity(text.len());
    for (index, &byte) in bytes.iter().enumerate() {
        let is_escape = byte == b'%'
            && bytes.get(index + 1..index + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if is_escape || (byte != b'%' && allowed(byte)) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use lambda_http::http::Request;

    use super::*;

    #[test]
    fn every_path_is_a_path_again() {
        for (arrived, encoded) in [
            ("/v1/anomalies/check", "/v1/anomalies/check"),
            ("", "/"),
            ("v1", "/v1"),
            ("/v1/customers/a b/usage", "/v1/customers/a%20b/usage"),
            ("/v1/customers/a?b#c/usage", "/v1/customers/a%3Fb%23c/usage"),
            ("/v1/customers/100%25/usage", "/v1/customers/100%25/usage"),
            ("/v1/customers/50%/usage", "/v1/customers/50%25/usage"),
            ("/v1/customers/客\n/usage", "/v1/customers/%E5%AE%A2%0A/usage"),
        ] {
            assert_eq!(encoded_path(arrived), encoded);
            assert!(Request::builder().uri(encoded).body(()).is_ok());
        }
    }

    #[test]
    fn what_a_mapping_or_a_stage_puts_before_the_path_is_left_out() {
        for (arrived, route, path) in [
            ("/v1/incidents", "GET /v1/incidents", "/v1/incidents"),
            ("/usage/v1/incidents", "GET /v1/incidents", "/v1/incidents"),
            ("/a/b/v1/incidents/1", "GET /v1/incidents/{incident_id}", "/v1/incidents/1"),
            ("/", "GET /", "/"),
            ("/usage/", "GET /", "/"),
            ("/usage/assets/a.js", "GET /assets/{file}", "/assets/a.js"),
            ("//v1/incidents", "GET /v1/incidents", "/v1/incidents"),
            // No route fits these. They are left as they are.
            ("/v1/incidents/a/b", "GET /v1/incidents/{incident_id}", "/v1/incidents/a/b"),
            ("/v1", "GET /v1/incidents", "/v1"),
            ("/usage", "GET /", "/usage"),
            ("/v1/incidents", "$default", "/v1/incidents"),
        ] {
            assert_eq!(without_base(arrived, route), path, "{arrived} {route}");
        }
    }

    #[test]
    fn a_query_stays_as_it_is_where_it_can() {
        for (arrived, encoded) in [
            ("a=%20b&c=d+e", "a=%20b&c=d+e"),
            ("a=b c&d=\"<ü", "a=b%20c&d=%22%3C%C3%BC"),
            ("a=%zz&b=%", "a=%25zz&b=%25"),
        ] {
            assert_eq!(encoded_query(arrived), encoded);
            assert!(Request::builder().uri(format!("/?{encoded}")).body(()).is_ok());
        }
    }
}
