//! Access: every route of the document, with every kind of token, and with objects of another customer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use detector::{EventRequest, check_event};
use e2e::api::{Answer, SCOPES};
use e2e::workflows::WITH_WORKFLOWS;
use e2e::world::{END, at, hourly, run, steady_then, text};
use e2e::{Api, World};
use serde_json::json;

mod routes;

use routes::{Foreign, Row, table};

/// The routes of the document, each with the scope that it asks for.
async fn routes(api: &Api) -> Result<BTreeMap<String, Option<String>>> {
    let document = api.without_token().read("/openapi.json").await?;
    let mut routes = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        for (method, route) in methods.as_object().context("methods")? {
            let scope = route["security"][0]["jwt"][0].as_str().map(str::to_owned);
            routes.insert(format!("{} {path}", method.to_uppercase()), scope);
        }
    }
    Ok(routes)
}

/// A world with anomalies of `mine` and `theirs`, a failed run, an execution of `theirs`, an anomaly of an execution of somebody
/// else, and the table of its routes.
async fn world_and_table() -> Result<(World, Vec<Row>)> {
    let world = World::with_workflows().await?;
    world
        .execution("theirs", "e-1", "nightly", 5, "'completed' AS status, 1 AS duration, 1 AS records")
        .await?;
    // Of somebody with a past.
    world
        .execution("acme", "slow", "nightly", 5, "'completed' AS status, 160000 AS duration, 300 AS records")
        .await?;
    for customer in ["mine", "theirs"] {
        world.insert(&steady_then(customer, at(END), 5e7)).await?;
    }
    run(&world.app().await?, &hourly(END)).await?;
    let workflows = world.app_with(&[WITH_WORKFLOWS], &world.aws).await?;
    let slow = EventRequest { source: "executions".to_owned(), id: "slow".to_owned(), customer_id: None };
    check_event(&workflows, &slow, Instant::now() + Duration::from_secs(20)).await?;
    // The run fails, because the function does not exist, and its note stays.
    for path in ["/v1/detections", "/v1/backtests"] {
        world.api().await?.post(path, &json!({})).await?.assert_problem(503, path);
    }
    let dry = format!("/v1/incidents/{}.compute_time.spike.dGhlaXJz/feedback", at(END).as_millisecond());
    let body = json!({ "kind": "new_normal", "dry_run": true });
    world.api().await?.post(&dry, &body).await?.assert_problem(503, &dry);
    let [mut theirs, mut execution, mut incident, mut detection] = [const { String::new() }; 4];
    let [mut backtest, mut dry_run] = [const { String::new() }; 2];
    for item in world.all_items().await? {
        match (text(&item, "type").as_str(), text(&item, "customer_id").as_str()) {
            ("usage_anomaly", "theirs") => theirs = text(&item, "anomaly_id"),
            ("duration_spike", "acme") => execution = text(&item, "anomaly_id"),
            ("incident", "theirs") => incident = text(&item, "incident_id"),
            ("detection_run", _) => detection = text(&item, "detection_id"),
            ("backtest", _) if text(&item, "about").is_empty() => backtest = text(&item, "backtest_id"),
            ("backtest", _) => dry_run = text(&item, "backtest_id"),
            _ => {}
        }
    }
    let ids = [&theirs, &execution, &incident, &detection, &backtest, &dry_run];
    assert!(ids.iter().all(|id| !id.is_empty()), "{ids:?}");
    // "mine" in base64url.
    let end = at(END).as_millisecond();
    let (anomaly, other) = (format!("{end}.bandwidth.bWluZQ"), format!("{end}.bandwidth.spike.bWluZQ"));
    let other_execution = format!("{end}.execution_duration.bWluZQ.bmlnaHRseQ");
    let executions = [execution.as_str(), other_execution.as_str()];
    let runs = [detection.as_str(), &backtest, &dry_run];
    Ok((world, table([&theirs, &anomaly], executions, [&incident, &other], runs)))
}

/// All items but the counts of work, which a refused request may raise.
async fn but_work(world: &World) -> Result<Vec<HashMap<String, AttributeValue>>> {
    let items = world.all_items().await?.into_iter();
    Ok(items.filter(|item| !text(item, "pk").starts_with("WORK#")).collect())
}

#[tokio::test]
async fn the_table_has_every_route() -> Result<()> {
    let (world, table) = world_and_table().await?;
    let tried: BTreeSet<_> = table.iter().map(|row| row.route.to_owned()).collect();
    let documented: BTreeSet<_> = routes(&world.api().await?).await?.into_keys().collect();
    assert_eq!(tried, documented);
    assert_eq!(tried.len(), table.len());
    Ok(())
}

#[tokio::test]
async fn no_route_shows_or_changes_what_is_of_somebody_else() -> Result<()> {
    let (world, table) = world_and_table().await?;
    let api = world.api_with(&[WITH_WORKFLOWS], &world.aws).await?;
    let before = but_work(&world).await?;
    // The claim binds the token, whatever its scopes.
    for mine in [
        api.as_customer("mine"),
        api.with_claims(json!({ "sub": "mine", "scope": SCOPES, "customer_id": "mine" })),
    ] {
        for Row { route, request, foreign } in &table {
            let answer = request.send(&mine).await?;
            assert!(
                !answer.text.contains("theirs") && !answer.text.contains("dGhlaXJz"),
                "{route}: {}",
                answer.text
            );
            match foreign {
                Foreign::Nobodys => assert_eq!(answer.status, 200, "{route}"),
                Foreign::Refused => answer.assert_problem(403, route),
                Foreign::Missing(missing) => {
                    answer.assert_problem(404, route);
                    let missing = missing.send(&mine).await?;
                    assert_eq!(answer.without_request_id(), missing.without_request_id(), "{route}");
                    let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
                    assert_eq!(names(&answer), names(&missing), "{route}");
                }
            }
        }
    }
    assert_eq!(but_work(&world).await?, before);
    // The requests themselves are valid: an operator gets an answer to each.
    for Row { route, request, .. } in &table {
        let answer = request.send(&api).await?;
        // They ask a function that does not exist.
        let asking = [
            "POST /v1/detections",
            "POST /v1/backtests",
            "POST /v1/sources/{source}/checks",
            "POST /api/v1/ai/check-anomalies",
        ];
        // The world has no traces and no machines. Their own tests have.
        let without_source = [
            "GET /api/anomalies/{id}",
            "PUT /api/anomalies/{id}/resolve",
            "GET /api/anomaly-config",
            "PUT /api/anomaly-config",
            "POST /api/anomaly-detection/run",
            "GET /api/v1/monitoring/anomaly/status",
            "POST /api/v1/monitoring/anomaly/detect",
            "GET /api/v1/monitoring/anomaly/config",
            "PUT /api/v1/monitoring/anomaly/config",
        ];
        let good = answer.status < 300
            || (asking.contains(route) && answer.status == 503)
            || (without_source.contains(route) && [404, 409].contains(&answer.status));
        assert!(good, "{route}: {}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn a_customer_sees_its_own_and_only_that() -> Result<()> {
    let (world, _) = world_and_table().await?;
    let mine = world.api().await?.as_customer("mine");
    for path in ["/v1/anomalies", "/v1/anomalies?metric=compute_time", "/v1/anomalies?customer_id=mine"] {
        let list = mine.read(path).await?;
        let owners: Vec<_> = list["anomalies"].as_array().context("anomalies")?.iter().collect();
        assert!(owners.len() == 1 && owners[0]["customer_id"] == "mine", "{path}: {list}");
    }
    for path in ["/v1/incidents", "/v1/incidents?state=open", "/v1/incidents?customer_id=mine"] {
        let list = mine.read(path).await?;
        let owners: Vec<_> = list["incidents"].as_array().context("incidents")?.iter().collect();
        assert!(owners.len() == 1 && owners[0]["customer_id"] == "mine", "{path}: {list}");
    }
    let trends = mine.read("/v1/anomalies/trends").await?;
    assert_eq!((&trends["total"], trends["top_customers"].as_array().map(Vec::len)), (&json!(1), Some(1)));
    // The token names the customer, so the request need not.
    let check = mine.read("/v1/anomalies/check?metric=compute_time").await?;
    assert_eq!((&check["customer_id"], &check["severity"]), (&json!("mine"), &json!("critical")));
    for (path, status) in [
        ("/v1/customers/mine/baselines", 200),
        ("/v1/customers/~bWluZQ/usage?metric=compute_time", 200),
        // Ids that look like its own and are not.
        ("/v1/customers/Mine/baselines", 404),
        ("/v1/customers/mine%20/baselines", 404),
        ("/v1/customers/mine%00/baselines", 404),
        ("/v1/customers/~dGhlaXJz/usage?metric=compute_time", 404),
        ("/v1/anomalies?customer_id=mine%20", 404),
        ("/v1/incidents?customer_id=MINE", 404),
        ("/v1/anomalies/check?metric=compute_time&customer_id=MINE", 404),
    ] {
        assert_eq!(mine.get(path).await?.status, status, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_without_the_scope_of_a_route_is_refused() -> Result<()> {
    let (world, table) = world_and_table().await?;
    let api = world.api().await?;
    let routes = routes(&api).await?;
    let before = world.all_items().await?;
    for Row { route, request, .. } in &table {
        let Some(scope) = &routes[*route] else {
            assert_eq!(request.send(&api.without_token()).await?.status, 200, "{route} is open");
            continue;
        };
        request.send(&api.without_token()).await?.assert_problem(401, route);
        for exp in [json!(null), json!("never"), json!("1795266000")] {
            let claims = json!({ "sub": "x", "scope": SCOPES, "exp": exp });
            request.send(&api.with_claims(claims)).await?.assert_problem(401, &format!("{route}: exp {exp}"));
        }
        let others = SCOPES.split(' ').filter(|other| other != scope).collect::<Vec<_>>().join(" ");
        for claims in [
            json!({}),
            json!({ "sub": "x", "scope": "" }),
            json!({ "sub": "x", "scope": others }),
            json!({ "sub": "x", "scope": others, "customer_id": "mine" }),
            json!({ "sub": "x", "scope": scope.to_uppercase() }),
            json!({ "sub": "x", "scope": format!("{scope}s x{scope}") }),
        ] {
            let answer = request.send(&api.with_claims(claims.clone())).await?;
            answer.assert_problem(403, &format!("{route} {claims}"));
            assert!(answer.text.contains(scope.as_str()), "{route} {claims}: {}", answer.text);
        }
        // The scope alone shows nothing, because no customer is named.
        if scope != "anomalies:admin" {
            let answer = request.send(&api.with_claims(json!({ "sub": "x", "scope": scope }))).await?;
            answer.assert_problem(403, route);
        }
    }
    assert_eq!(world.all_items().await?, before);
    Ok(())
}

#[tokio::test]
async fn scopes_have_the_names_of_the_deployment() -> Result<()> {
    let world = World::new().await?;
    let names = [
        ("SCOPE_READ", "meterflow/anomalies.read"),
        ("SCOPE_WRITE", "meterflow/anomalies.write"),
        ("SCOPE_ADMIN", "meterflow/anomalies.admin"),
    ];
    let api = world.api_with(&names, &world.aws).await?;
    api.get("/v1/metrics").await?.assert_problem(403, "the names of another deployment");
    let claims = json!({ "sub": "x", "scope": "meterflow/anomalies.read meterflow/anomalies.admin" });
    assert_eq!(api.with_claims(claims.clone()).get("/v1/metrics").await?.status, 200);
    // The gateway writes a list claim like this.
    let list = json!({ "sub": "x", "scp": "[meterflow/anomalies.read meterflow/anomalies.admin]" });
    assert_eq!(api.with_claims(list).get("/v1/status").await?.status, 200);
    let none = json!({ "sub": "x", "scope": SCOPES, "customer_id": "" });
    let of_nobody = world.api().await?.with_claims(none);
    of_nobody.get("/v1/metrics").await?.assert_problem(403, "a claim that names nobody");
    Ok(())
}
