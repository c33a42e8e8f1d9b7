//! Checks of single events on request, by the detector's own program.

use anyhow::Result;
use e2e::Api;
use e2e::World;
use e2e::api::Answer;
use e2e::checks::Checking;
use e2e::workflows::WITH_WORKFLOWS;
use e2e::world::text;
use serde_json::{Value, json};

use super::SLOW;

const CHECKS: &str = "/v1/sources/executions/checks";

async fn check(api: &Api, id: &str) -> Result<Answer> {
    api.post(CHECKS, &json!({ "id": id })).await
}

/// All that a check could store.
async fn stored(world: &World) -> Result<usize> {
    let items = world.all_items().await?;
    Ok(items.iter().filter(|item| !text(item, "pk").starts_with("WORK#")).count())
}

#[tokio::test]
async fn a_customer_has_an_event_checked() -> Result<()> {
    let world = World::with_workflows().await?;
    world.execution("acme", "slow", "nightly", 5, SLOW).await?;
    let checking = Checking::new(&world).await?;
    let acme = checking.api.as_customer("acme");
    let answer = check(&acme, "slow").await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let checked = &answer.json;
    assert_eq!(
        (&checked["customer_id"], &checked["entity_path"], &checked["failed"]),
        (&json!("acme"), &json!(["nightly"]), &json!(false)),
        "{checked}"
    );
    assert!(checked["finished_at"].is_i64(), "{checked}");
    let metrics = checked["metrics"].as_array().cloned().unwrap_or_default();
    let of = |name: &str| metrics.iter().find(|of| of["metric"] == name).cloned().unwrap_or_default();
    let duration = of("execution_duration");
    assert_eq!((&duration["verdict"], &duration["value"]), (&json!("anomalous"), &json!(160_000.0)));
    assert_eq!(of("execution_failures_in_a_row")["verdict"], "normal", "{checked}");
    assert_eq!((&checked["recorded"], &checked["already_recorded"]), (&json!(2), &json!(0)));
    let detail = json!({ "source": "executions", "id": "slow", "customer_id": "acme" });
    assert_eq!(checking.events(), [json!({ "detail-type": "Execution Completed", "detail": detail })]);

    // The anomaly is where the answer says.
    let id = duration["anomaly_id"].as_str().unwrap_or_default();
    let shown = acme.read(&format!("/v1/anomalies/{id}")).await?;
    assert_eq!(shown["anomaly"]["ids"]["execution_id"], "slow", "{shown}");

    let again = check(&checking.api, "slow").await?.json;
    assert_eq!((&again["recorded"], &again["already_recorded"]), (&json!(0), &json!(2)), "{again}");
    Ok(())
}

#[tokio::test]
async fn an_event_of_somebody_else_is_not_checked() -> Result<()> {
    let world = World::with_workflows().await?;
    world.execution("acme", "slow", "nightly", 5, SLOW).await?;
    world
        .execution("acme", "open", "nightly", 5, "'running' AS status, NULL AS duration, NULL AS records")
        .await?;
    let checking = Checking::new(&world).await?;
    let globex = checking.api.as_customer("globex");
    let missing = check(&globex, "missing").await?;
    missing.assert_problem(404, "missing");
    for id in ["slow", "open"] {
        let foreign = check(&globex, id).await?;
        assert_eq!(foreign.without_request_id(), missing.without_request_id(), "{id}");
    }
    assert_eq!(checking.events(), Vec::<Value>::new(), "nothing was asked for");
    assert_eq!(stored(&world).await?, 0);
    // A customer must have the right to act.
    let reader = checking
        .api
        .with_claims(json!({ "sub": "reader", "scope": "anomalies:read", "customer_id": "acme" }));
    check(&reader, "slow").await?.assert_problem(403, "a reader");
    assert_eq!(stored(&world).await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_judged_is_refused_with_its_reason() -> Result<()> {
    let world = World::with_workflows().await?;
    let usual = "'completed' AS status, 1 AS duration, 1 AS records";
    world
        .execution("acme", "open", "nightly", 5, "'running' AS status, NULL AS duration, NULL AS records")
        .await?;
    world.execution("acme", "nameless", "", 5, usual).await?;
    world.execution("acme", "ahead", "nightly", -40_000_000, usual).await?;
    let checking = Checking::new(&world).await?;
    let acme = checking.api.as_customer("acme");
    for (id, status, code) in [
        ("missing", 404, "not_found"),
        ("open", 409, "event_unfinished"),
        ("nameless", 409, "event_without_entity"),
        ("ahead", 409, "event_in_future"),
    ] {
        for api in [&checking.api, &acme] {
            let answer = check(api, id).await?;
            answer.assert_problem(status, id);
            assert_eq!(answer.json["code"], code, "{id}: {}", answer.text);
        }
    }
    assert_eq!(stored(&world).await?, 0);
    let body = json!({ "id": "a" });
    let answer = acme.post("/v1/sources/usage/checks", &body).await?;
    answer.assert_problem(409, "usage");
    assert_eq!(answer.json["code"], "source_without_ids");
    let answer = acme.post("/v1/sources/machines/checks", &body).await?;
    answer.assert_problem(404, "machines");
    assert!(answer.text.contains("the catalog has usage, executions, execution_nodes"), "{}", answer.text);
    for (body, parameter) in [(json!({}), "id"), (json!({ "id": "" }), "id"), (json!({ "ids": "a" }), "ids")]
    {
        let answer = acme.post(CHECKS, &body).await?;
        answer.assert_problem(400, &body.to_string());
        assert!(answer.text.contains(parameter), "{}", answer.text);
    }
    Ok(())
}

#[tokio::test]
async fn a_deployment_without_the_function_says_so() -> Result<()> {
    let world = World::with_workflows().await?;
    world.execution("acme", "slow", "nightly", 5, SLOW).await?;
    let api = world.api_with(&[WITH_WORKFLOWS, ("CHECKS_FUNCTION", "")], &world.aws).await?;
    let answer = check(&api, "slow").await?;
    answer.assert_problem(409, "no function");
    assert_eq!(answer.json["code"], "no_sources");
    // It names a function that does not exist.
    let api = world.api_with(&[WITH_WORKFLOWS], &world.aws).await?;
    let answer = check(&api, "slow").await?;
    answer.assert_problem(503, "no such function");
    assert_eq!(answer.json["code"], "detector_unavailable");
    Ok(())
}
