//! Limits of work: the API refuses one tenant's load before it slows down the others.

use std::time::SystemTime;

use anyhow::Result;
use e2e::World;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, at};
use futures::future::try_join_all;

const CHECK: &str = "/v1/anomalies/check?metric=api_calls";
const DEAR: &str =
    "/v1/anomalies/check?metric=api_calls&current_start=now-7h&current_end=now&baseline_days=90";

#[tokio::test]
async fn a_dozen_expensive_checks_at_once_are_answered_or_refused_with_a_time() -> Result<()> {
    let world = World::new().await?;
    let api = world.api().await?;
    let (loud, quiet) = (api.as_customer("loud"), api.as_customer("quiet"));
    let answers = try_join_all((0..12).map(|_| loud.get(DEAR))).await?;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    // The expected cost of two of them is the twenty seconds of a minute. The unused part comes back.
    assert!((2..12).contains(&served), "{served} of 12");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.assert_problem(429, "a dear check");
        assert_eq!((answer.header("retry-after"), &answer.json["code"]), ("60", &"too_many_requests".into()));
    }
    for path in [CHECK, DEAR] {
        assert_eq!(quiet.get(path).await?.status, 200, "another tenant: {path}");
    }
    // After they are done, the unused part is available again.
    assert_eq!(loud.get(DEAR).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_tenant_has_so_many_requests_a_minute_over_all_instances() -> Result<()> {
    let world = World::new().await?;
    let settings = [("TENANT_REQUESTS_PER_MINUTE", "3")];
    let instances =
        [world.api_with(&settings, &world.aws).await?, world.api_with(&settings, &world.aws).await?];
    let paths = [CHECK, "/v1/customers/loud/baselines", "/v1/customers/loud/usage?metric=api_calls"];
    for (number, path) in paths.into_iter().enumerate() {
        assert_eq!(instances[number % 2].as_customer("loud").get(path).await?.status, 200, "{path}");
    }
    for (number, path) in paths.into_iter().enumerate() {
        let answer = instances[number % 2].as_customer("loud").get(path).await?;
        answer.assert_problem(429, path);
    }
    assert_eq!(instances[0].as_customer("quiet").get(CHECK).await?.status, 200);
    assert_eq!(instances[0].get(&format!("{CHECK}&customer_id=loud")).await?.status, 200, "an operator");
    // Requests that read no usage are not limited here.
    assert_eq!(instances[0].as_customer("loud").get("/v1/anomalies").await?.status, 200);
    let a_minute_later = || SystemTime::from(at("2026-11-21T13:31:00Z"));
    let later = world.api_at(a_minute_later, &settings, &world.aws).await?;
    assert_eq!(later.as_customer("loud").get(CHECK).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_count_that_does_not_work_keeps_nobody_from_usage() -> Result<()> {
    let world = World::new().await?;
    for action in [Action::FreezeBefore, Action::Answer(500, "out of disks".to_owned())] {
        let decide = move |seen: &Seen| match seen.operation.as_str() {
            "UpdateItem" => action.clone(),
            _ => Action::Forward,
        };
        let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
        let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?.as_customer("a");
        assert_eq!(api.get(CHECK).await?.status, 200);
    }
    Ok(())
}
