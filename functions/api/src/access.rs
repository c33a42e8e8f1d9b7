//! The caller of a request, and what the caller may see. The gateway has checked the token's signature, issuer,
//! audience and expiry. This module decides from the token's claims alone. It also refuses a token that does not expire
//! or has expired, in case the gateway lets one through.
//!
//! A token with a `customer_id` claim sees that customer and nothing else, whatever its scopes. A token without the
//! claim needs the admin scope.

use std::sync::Arc;

use crate::config::ApiConfig;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use detection::{ALL_CUSTOMERS, CustomerId};
use jiff::Timestamp;
use lambda_http::request::RequestContext;

use crate::App;
use crate::error::Problem;

/// A caller with the right to read.
#[derive(Clone, Debug)]
pub(crate) struct Reader(pub Caller);

/// A caller with the right to acknowledge, resolve and reopen, and to have events checked.
#[derive(Clone, Debug)]
pub(crate) struct Responder(pub Caller);

/// An operator of this system: has the admin scope, and is not bound to a customer.
#[derive(Clone, Debug)]
pub(crate) struct Operator(pub Caller);

/// How far the clocks of issuer and function may be apart.
const CLOCK_SKEW_SECONDS: f64 = 60.0;

/// Names in tokens are short. Histories must stay short even if a name is not.
const MAX_ACTOR_CHARACTERS: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The only customer that the caller sees; `None` sees all.
    bound_to: Option<CustomerId>,
    /// The name for histories and audits.
    pub actor: String,
}

impl Caller {
    /// A person who acts by a button in a chat of the operators. The caller has checked who sent the request.
    pub(crate) fn in_chat(actor: &str) -> Self {
        Self { bound_to: None, actor: actor.chars().take(MAX_ACTOR_CHARACTERS).collect() }
    }

    /// The customer of the answer: the requested one if the caller may see it, else the caller's own, else none.
    pub(crate) fn customer(&self, asked_for: Option<CustomerId>) -> Result<Option<CustomerId>, Problem> {
        match (&self.bound_to, asked_for) {
            (Some(own), Some(asked_for)) if *own != asked_for => Err(Problem::not_found()),
            (Some(own), _) => Ok(Some(own.clone())),
            (None, asked_for) => Ok(asked_for),
        }
    }

    /// Refuses another customer's object as if it did not exist.
    pub(crate) fn may_see(&self, customer: &CustomerId) -> Result<(), Problem> {
        self.customer(Some(customer.clone())).map(drop)
    }

    /// Whether the caller is a customer. Customers see nothing of others, and no notes of operators.
    pub(crate) fn is_customer(&self) -> bool {
        self.bound_to.is_some()
    }

    /// The account that limits apply to: the customer, or the operator.
    pub(crate) fn account(&self) -> String {
        match &self.bound_to {
            Some(own) => format!("customer {own}"),
            None => format!("operator {}", self.actor),
        }
    }

    /// A text that is equal only for callers who see the same.
    pub(crate) fn view(&self) -> String {
        self.bound_to.as_ref().map_or_else(|| "*".to_owned(), |own| format!("={own}"))
    }

    fn of(parts: &Parts, config: &ApiConfig, scope: &str, now: Timestamp) -> Result<Self, Problem> {
        let claims = match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context
                .authorizer
                .as_ref()
                .and_then(|authorizer| authorizer.jwt.as_ref())
                .map(|jwt| &jwt.claims),
            _ => None,
        };
        // Only open routes are reachable without an authorizer. If another one ever is, it stays shut.
        let claims = claims.ok_or_else(Problem::unauthorized)?;
        let claim = |name: &str| claims.get(name).map(String::as_str);
        let expires = claim("exp").and_then(|seconds| seconds.parse::<f64>().ok());
        let is_valid = |expires: &f64| *expires + CLOCK_SKEW_SECONDS > now.as_second() as f64;
        if expires.filter(|expires| expires.is_finite()).filter(is_valid).is_none() {
            return Err(Problem::unauthorized());
        }
        let scopes = claim("scope").or_else(|| claim("scp")).unwrap_or_default();
        let has = |wanted: &str| scopes_of(scopes).any(|scope| scope == wanted);
        if !has(scope) {
            return Err(Problem::forbidden(format!("the token lacks the scope {scope}")));
        }
        let bound_to = match claim("customer_id") {
            Some(id) => Some(
                CustomerId::new(id)
                    .ok()
                    .filter(|id| id.as_str() != ALL_CUSTOMERS)
                    .ok_or_else(|| Problem::forbidden("the token's customer_id is not a customer id"))?,
            ),
            None if has(&config.scope_admin) => None,
            None => {
                return Err(Problem::forbidden(format!(
                    "the token has no customer_id claim, so it needs the scope {}, which shows all customers",
                    config.scope_admin
                )));
            }
        };
        let actor = ["username", "sub", "client_id"].into_iter().find_map(claim).unwrap_or("unknown");
        Ok(Self { bound_to, actor: actor.chars().take(MAX_ACTOR_CHARACTERS).collect() })
    }
}

/// A claim holds scopes as a text with spaces. The gateway writes a list as `[a b]`.
fn scopes_of(claim: &str) -> impl Iterator<Item = &str> {
    let list = claim.strip_prefix('[').and_then(|claim| claim.strip_suffix(']'));
    list.unwrap_or(claim).split(' ').filter(|scope| !scope.is_empty())
}

impl FromRequestParts<Arc<App>> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Caller::of(parts, &app.config, &app.config.scope_read, app.now()?).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Responder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        Caller::of(parts, &app.config, &app.config.scope_write, app.now()?).map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::of(parts, &app.config, &app.config.scope_admin, app.now()?)?;
        match caller.bound_to {
            None => Ok(Self(caller)),
            Some(_) => Err(Problem::forbidden(
                "a token of one customer cannot read or change settings and data of all customers",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::Request;
    use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequestContext;
    use serde_json::json;
    use store::Allowance;

    use super::*;

    const NOW: i64 = 1_795_266_000;

    fn now() -> Timestamp {
        Timestamp::from_second(NOW).unwrap()
    }

    fn caller(claims: serde_json::Value, scope: &str) -> Result<Caller, u16> {
        let mut expiring = json!({ "exp": (NOW + 300).to_string() });
        expiring.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        caller_with(expiring, scope)
    }

    fn caller_with(claims: serde_json::Value, scope: &str) -> Result<Caller, u16> {
        let context: ApiGatewayV2httpRequestContext = serde_json::from_value(json!({
            "http": { "method": "GET" },
            "authorizer": { "jwt": { "claims": claims } },
        }))
        .unwrap();
        let mut request = Request::new(());
        request.extensions_mut().insert(RequestContext::ApiGatewayV2(context));
        let config = ApiConfig {
            detector_function: String::new(),
            checks_function: None,
            allowance: Allowance { requests: 1, work: Duration::from_secs(1) },
            scope_read: "anomalies:read".to_owned(),
            scope_write: "anomalies:write".to_owned(),
            scope_admin: "anomalies:admin".to_owned(),
            slack_signing_secret_arns: Vec::new(),
            allow_loopback: false,
        };
        Caller::of(&request.into_parts().0, &config, scope, now())
            .map_err(|problem| problem.status().as_u16())
    }

    #[test]
    fn the_claims_decide() {
        let all = "anomalies:read anomalies:write anomalies:admin";
        for (claims, scope, expected) in [
            (json!({ "scope": all, "sub": "ops" }), "anomalies:read", Ok(None)),
            (json!({ "scp": "[anomalies:read anomalies:admin]" }), "anomalies:admin", Ok(None)),
            (json!({ "scope": "anomalies:read" }), "anomalies:read", Err(403)),
            (json!({ "scope": "anomalies:admin" }), "anomalies:read", Err(403)),
            (json!({ "scope": "x,anomalies:admin anomalies:read" }), "anomalies:read", Err(403)),
            (json!({ "scope": "anomalies:reader" }), "anomalies:read", Err(403)),
            (json!({}), "anomalies:read", Err(403)),
            (json!({ "scope": "anomalies:read", "customer_id": "a" }), "anomalies:read", Ok(Some("a"))),
            (json!({ "scope": all, "customer_id": "a" }), "anomalies:admin", Ok(Some("a"))),
            (json!({ "scope": all, "customer_id": "" }), "anomalies:read", Err(403)),
            (json!({ "scope": all, "customer_id": "*" }), "anomalies:read", Err(403)),
        ] {
            let found = caller(claims.clone(), scope).map(|caller| caller.bound_to);
            let found = found.as_ref().map(|own| own.as_ref().map(CustomerId::as_str));
            assert_eq!(found, expected.as_ref().copied(), "{claims}");
        }
    }

    #[test]
    fn a_token_that_does_not_expire_or_has_expired_opens_nothing() {
        for (exp, expected) in [
            (None, Err(401)),
            (Some(""), Err(401)),
            (Some("never"), Err(401)),
            (Some("inf"), Err(401)),
            (Some("NaN"), Err(401)),
            (Some("1795265000"), Err(401)),
            (Some("1795265941"), Ok(())),
            (Some("1795266001"), Ok(())),
            (Some("1.797858E9"), Ok(())),
        ] {
            let mut claims = json!({ "scope": "anomalies:read", "customer_id": "a" });
            if let Some(exp) = exp {
                claims["exp"] = json!(exp);
            }
            assert_eq!(caller_with(claims, "anomalies:read").map(drop), expected, "{exp:?}");
        }
    }

    #[test]
    fn a_foreign_customer_does_not_exist() {
        let id = |id: &str| CustomerId::new(id).unwrap();
        let own = Caller { bound_to: Some(id("a")), actor: String::new() };
        assert_eq!(own.customer(None).unwrap(), Some(id("a")));
        assert_eq!(own.customer(Some(id("a"))).unwrap(), Some(id("a")));
        for foreign in ["b", "A", "a ", "*"] {
            assert_eq!(own.customer(Some(id(foreign))).unwrap_err().status(), 404);
        }
        let all = Caller { bound_to: None, actor: String::new() };
        assert_eq!(all.customer(Some(id("b"))).unwrap(), Some(id("b")));
        assert_eq!(all.customer(None).unwrap(), None);
        let star = Caller { bound_to: Some(id("*")), actor: String::new() };
        assert_ne!(all.view(), star.view());
    }

    #[test]
    fn without_an_authorizer_nothing_opens() {
        let request = Request::new(()).into_parts().0;
        let config = ApiConfig {
            detector_function: String::new(),
            checks_function: None,
            allowance: Allowance { requests: 1, work: Duration::from_secs(1) },
            scope_read: String::new(),
            scope_write: String::new(),
            scope_admin: String::new(),
            slack_signing_secret_arns: Vec::new(),
            allow_loopback: false,
        };
        assert_eq!(Caller::of(&request, &config, "", now()).unwrap_err().status(), 401);
    }
}
