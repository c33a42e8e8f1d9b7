//! Tokens that pass the gateway, and tokens that pass the function behind it. All tokens are real, and the gateway
//! checks them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use e2e::api::Answer;
use e2e::deployed::{API, Deployed, hour_ago};
use e2e::gateway::{Gateway, foreign_token, token};
use e2e::world::{timestamp, variable};
use serde_json::{Value, json};

const READ: &str = "anomalies:read";
const WRITE: &str = "anomalies:write";
const ADMIN: &str = "anomalies:admin";

/// Methods and paths with the scope that the document names for them; none is open to all.
type Operations = BTreeMap<(String, String), Option<String>>;

async fn operations(gateway: &Gateway) -> Result<Operations> {
    let document = gateway.without_token().read("/openapi.json").await?;
    let mut operations = Operations::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        for (method, operation) in methods.as_object().context("methods")? {
            let scopes = operation["security"].as_array().map(|_| &operation["security"][0]["jwt"]);
            assert!(scopes.is_none_or(|scopes| scopes.as_array().is_some_and(|scopes| scopes.len() == 1)));
            let scope = scopes.and_then(|scopes| Some(scopes[0].as_str()?.to_owned()));
            operations.insert((method.to_uppercase(), path.clone()), scope);
        }
    }
    Ok(operations)
}

/// A request for each operation that has no effect if it is let through. A body never fits its operation.
async fn attempt(gateway: &Gateway, (method, path): &(String, String)) -> Result<Answer> {
    let path = path
        .replace("{anomaly_id}", "none")
        .replace("{customer_id}", "none")
        .replace("{detection_id}", "none")
        .replace("{file}", "none");
    let body = if method == "GET" { Vec::new() } else { b"[]".to_vec() };
    gateway.send(method, &path, &[], body).await
}

/// Whether the gateway refused, before the function saw the request.
fn gateway_refused(answer: &Answer, status: u16, message: &str) -> bool {
    answer.status == status
        && answer.json == json!({ "message": message })
        && answer.header("content-type") == "application/json"
        && answer.header("x-request-id").is_empty()
}

#[tokio::test]
async fn the_document_and_the_gateway_have_the_same_routes_and_scopes() -> Result<()> {
    let gateway = Gateway::new()?;
    let mut deployed = Operations::new();
    for route in Deployed::new().await?.routes(gateway.api_id()).await? {
        let (method, path) =
            route["routeKey"].as_str().and_then(|key| key.split_once(' ')).context("a route")?;
        let scopes = route["authorizationScopes"].as_array().cloned().unwrap_or_default();
        let has_authorizer = route["authorizationType"] == "JWT" && route["authorizerId"].is_string();
        assert_eq!(
            (has_authorizer, scopes.len()),
            (!scopes.is_empty(), usize::from(has_authorizer)),
            "{route}"
        );
        assert!(has_authorizer || route["authorizationType"] == "NONE", "{route}");
        let scope = scopes.first().and_then(Value::as_str).map(str::to_owned);
        deployed.insert((method.to_owned(), path.to_owned()), scope);
    }
    // Only Slack and Telegram call these.
    for path in ["/slack/actions", "/telegram/updates"] {
        assert_eq!(deployed.remove(&("POST".to_owned(), path.to_owned())), Some(None), "{path}");
    }
    let documented = operations(&gateway).await?;
    assert_eq!(documented, deployed);
    let is_open = |scope: &&Option<String>| scope.is_none();
    assert_eq!((documented.len(), documented.values().filter(is_open).count()), (64, 5));
    for path in ["/health", "/openapi.json", "/", "/assets/{file}", "/dashboard.json"] {
        assert_eq!(documented[&("GET".to_owned(), path.to_owned())], None, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_of_the_issuer() -> Result<()> {
    let gateway = Gateway::new()?;
    let scopes = [READ, WRITE, ADMIN].join(" ");
    let now = timestamp().as_second();
    let claims = json!({ "sub": "stranger", "aud": "meterflow", "iat": now - 60, "exp": now + 3_600, "scope": scopes });
    let folder = tempfile::tempdir()?;
    let foreign = foreign_token(folder.path(), &claims)?;
    let [own, reader] = [gateway.token().to_owned(), variable("API_TOKEN_READER")?];
    let part = |token: &str, number: usize| token.split('.').nth(number).unwrap_or_default().to_owned();
    let [header, payload, signature] = [0, 1, 2].map(|number| part(&own, number));
    let bad: Vec<(&str, String)> = vec![
        ("no JWT", "garbage".to_owned()),
        ("dots", "..".to_owned()),
        ("expired", token(&["--scope", READ, WRITE, ADMIN, "--expires", "-1"])?),
        ("for another audience", token(&["--scope", READ, WRITE, ADMIN, "--audience", "another"])?),
        ("another issuer's", foreign.clone()),
        ("another issuer's in our name", format!("{header}.{payload}.{}", part(&foreign, 2))),
        ("a reader's, changed to an operator's", format!("{header}.{payload}.{}", part(&reader, 2))),
        ("unsigned", format!("{header}.{payload}.")),
        // {"alg":"none","typ":"JWT"}
        ("that wants no signature", format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.{signature}")),
    ];
    let mut callers: Vec<_> = bad.iter().map(|(what, token)| (*what, gateway.with_token(token))).collect();
    callers.push(("none at all", gateway.without_token()));
    for (operation, scope) in operations(&gateway).await? {
        for (what, caller) in &callers {
            let answer = attempt(caller, &operation).await?;
            let case = format!("{operation:?} with a token {what}: {}", answer.text);
            match scope {
                Some(_) => assert!(gateway_refused(&answer, 401, "Unauthorized"), "{case}"),
                // The page has no file of this name.
                None if operation.1 == "/assets/{file}" => answer.assert_problem(404, &case),
                None => assert_eq!(answer.status, 200, "{case}"),
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_token_opens_the_routes_of_its_scopes_only() -> Result<()> {
    let gateway = Gateway::new()?;
    let customer = variable("API_CUSTOMER_ID")?;
    let made = |scopes: &[&str], customer: Option<&str>| -> Result<String> {
        let mut arguments = vec!["--scope"];
        arguments.extend(scopes);
        customer.iter().for_each(|id| arguments.extend(["--customer", id]));
        token(if scopes.is_empty() { &arguments[1..] } else { &arguments })
    };
    let own = Some(customer.as_str());
    // The caller, the token, its scopes, and whether it is bound to a customer.
    let callers: [(&str, String, &[&str], bool); 9] = [
        ("an operator", gateway.token().to_owned(), &[READ, WRITE, ADMIN], false),
        ("a reader", variable("API_TOKEN_READER")?, &[READ], true),
        ("a customer", variable("API_TOKEN_CUSTOMER")?, &[READ, WRITE], true),
        ("a customer without scopes", made(&[], own)?, &[], true),
        ("a customer who only writes", made(&[WRITE], own)?, &[WRITE], true),
        ("a customer with all scopes", made(&[READ, WRITE, ADMIN], own)?, &[READ, WRITE, ADMIN], true),
        ("somebody of no customer", made(&[READ, WRITE], None)?, &[READ, WRITE], false),
        ("somebody of no customer, without scopes", made(&[], None)?, &[], false),
        ("scopes that only look like ours", made(&["anomalies:reader", "Anomalies:read"], own)?, &[], true),
    ];
    for ((method, path), scope) in operations(&gateway).await? {
        let Some(scope) = scope else { continue };
        let operation = (method, path);
        for (who, token, scopes, bound) in &callers {
            let answer = attempt(&gateway.with_token(token), &operation).await?;
            let case = format!("{operation:?} as {who}: {} {}", answer.status, answer.text);
            if !scopes.contains(&scope.as_str()) {
                assert!(gateway_refused(&answer, 403, "Forbidden"), "{case}");
                continue;
            }
            // The function refuses a customer on routes about all customers, and a non-customer elsewhere.
            let allowed = if scope == ADMIN { !bound } else { *bound || scopes.contains(&ADMIN) };
            if allowed {
                // A stack without sources has nothing to say about workflows.
                assert!([200, 400, 404, 409, 428].contains(&answer.status), "{case}");
                assert!(!answer.header("x-request-id").is_empty(), "{case}");
            } else {
                answer.assert_problem(403, &case);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_customers_token_shows_its_own_data_only() -> Result<()> {
    let (gateway, hour) = (Gateway::new()?, hour_ago(4));
    let own = variable("API_CUSTOMER_ID")?;
    let foreign = format!("foreign-{}", uuid::Uuid::new_v4());
    Deployed::new().await?.make_anomalies(&[&foreign], &hour).await?;
    let stored = gateway.read(&format!("/v1/anomalies?customer_id={foreign}&from={hour}")).await?;
    let id = stored["anomalies"][0]["anomaly_id"].as_str().context("an anomaly")?;

    let customer = gateway.with_token(variable("API_TOKEN_CUSTOMER")?);
    // The same for a customer that does not exist, for comparison.
    let missing = format!("missing-{}", uuid::Uuid::new_v4());
    let missing_id = "1795266000000.compute_time.bWlzc2luZw";
    for (method, path, body) in [
        ("GET", "/v1/anomalies?customer_id={customer}", ""),
        ("GET", "/v1/anomalies/trends?customer_id={customer}", ""),
        ("GET", "/v1/anomalies/check?customer_id={customer}&metric=compute_time", ""),
        ("POST", "/v1/anomalies/check", r#"{"customer_ids":["{customer}"]}"#),
        ("POST", "/v1/anomalies/check", r#"{"customer_ids":["{own}","{customer}"]}"#),
        ("GET", "/v1/anomalies/{id}", ""),
        ("POST", "/v1/anomalies/{id}/acknowledge", "{}"),
        ("POST", "/v1/anomalies/{id}/resolve", "{}"),
        ("POST", "/v1/anomalies/{id}/reopen", "{}"),
        ("GET", "/v1/customers/{customer}/baselines", ""),
        ("GET", "/v1/customers/{customer}/usage?metric=compute_time", ""),
    ] {
        let send = async |of: &Gateway, id: &str, customer: &str| {
            let fill =
                |text: &str| text.replace("{id}", id).replace("{customer}", customer).replace("{own}", &own);
            of.send(method, &fill(path), &[], fill(body).into_bytes()).await
        };
        let answer = send(&customer, id, &foreign).await?;
        answer.assert_problem(404, path);
        let of_nobody = send(&customer, missing_id, &missing).await?;
        assert_eq!(answer.without_request_id(), of_nobody.without_request_id(), "{path}");
        assert_eq!(send(&gateway, id, &foreign).await?.status, 200, "{path}");
    }
    // A request without a customer means the customer of the token.
    let listed = customer.read("/v1/anomalies?limit=100").await?;
    let listed = listed["anomalies"].as_array().context("anomalies")?;
    assert!(listed.iter().all(|anomaly| anomaly["customer_id"] == own.as_str()), "{listed:?}");
    let check = customer.read("/v1/anomalies/check?metric=api_calls").await?;
    assert_eq!(check["customer_id"], own.as_str());
    Ok(())
}

#[tokio::test]
async fn an_answer_names_its_request_as_the_log_does() -> Result<()> {
    let (gateway, deployed) = (Gateway::new()?, Deployed::new().await?);
    let secret = format!("secret-{}", uuid::Uuid::new_v4());
    let path = format!("/v1/anomalies/check?customer_id={secret}&metric={secret}");
    let answer = gateway.get(&path).await?;
    answer.assert_invalid("metric", "there is no metric", &path);
    let id = answer.header("x-request-id");
    let mut lines = Vec::new();
    // The emulator takes a moment to collect what the function wrote.
    for _ in 0..50 {
        lines = deployed.log_lines(API, id).await?;
        if !lines.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["request.id"], id, "{lines:?}");
    assert_eq!(lines[0]["http.route"], "/v1/anomalies/check");
    assert_eq!((&lines[0]["http.method"], &lines[0]["http.status"]), (&json!("GET"), &json!(400)));
    Ok(())
}
