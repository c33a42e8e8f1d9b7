//! The API while a service behind it is away: a 503 in time that says when to try again and nothing about the inside.
//! Requests that do not need the service go on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::api::Answer;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, steady_then};
use e2e::{Api, World};
use futures::future::try_join_all;
use serde_json::json;

const CHECK: &str = "/v1/anomalies/check?customer_id=a&metric=api_calls";
const USAGE: &str = "/v1/customers/a/usage?metric=api_calls";

/// A request of every kind that needs usage data.
async fn of_usage(api: &Api, anomaly: &str) -> Result<Vec<(&'static str, Answer)>> {
    let body = json!({ "customer_ids": ["cust_1"] });
    Ok(vec![
        ("check", api.get("/v1/anomalies/check?customer_id=cust_1&metric=compute_time").await?),
        ("batch", api.post("/v1/anomalies/check", &body).await?),
        ("off the hour", api.get(&format!("{CHECK}&current_start=now-1h&current_end=now")).await?),
        ("detail", api.get(&format!("/v1/anomalies/{anomaly}")).await?),
        ("baselines", api.get("/v1/customers/cust_1/baselines").await?),
        ("usage", api.get("/v1/customers/cust_1/usage?metric=compute_time").await?),
    ])
}

fn assert_away(name: &str, answer: &Answer, what: &str) {
    answer.assert_problem(503, name);
    assert_eq!(answer.header("retry-after"), "10", "{name}");
    assert_eq!(answer.header("cache-control"), "no-store", "{name}");
    assert!(answer.text.contains(what), "{name}: {}", answer.text);
}

#[tokio::test]
async fn without_clickhouse_there_is_a_503_in_time_and_the_rest_works() -> Result<()> {
    let exception = "Code: 202. DB::Exception: Too many simultaneous queries: while reading usage_hourly";
    // A fault that answers is known by its answer, however slow the machine is. Only a silent one has a short time.
    let (silent, answers) = ("2", "20");
    let faults: [(&str, Action, &str); 6] = [
        ("closes", Action::LoseAnswer, answers),
        ("never answers", Action::FreezeBefore, silent),
        ("stalls after the headers", Action::StallAfterHeaders, silent),
        ("cuts the answer", Action::CutAfter(20), answers),
        ("fails", Action::Answer(500, exception.to_owned()), answers),
        (
            "refuses the password",
            Action::Answer(403, "Code: 516. DB::Exception: default".to_owned()),
            answers,
        ),
    ];
    try_join_all(faults.map(|(name, action, timeout)| Box::pin(without_clickhouse(name, action, timeout))))
        .await
        .map(drop)
}

/// * `timeout`: seconds that the API waits for an answer of ClickHouse.
async fn without_clickhouse(fault: &'static str, action: Action, timeout: &'static str) -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 5e7)).await?;
    world::run(&world.app().await?, &world::hourly(END)).await?;
    let anomaly = world.attribute("anomaly_id").await?.remove(0);
    let proxy = Proxy::start(&world.clickhouse_url, move |_| action.clone()).await?;
    let settings = [("CLICKHOUSE_URL", proxy.url.as_str()), ("CLICKHOUSE_READ_TIMEOUT_SECONDS", timeout)];
    let api = world.api_with(&settings, &world.aws).await?;
    let started = Instant::now();
    for (name, answer) in of_usage(&api, &anomaly).await? {
        assert_away(&format!("{name}, ClickHouse {fault}"), &answer, "the usage data cannot be reached");
    }
    // Six requests, two tries of two seconds each, on a machine that other tests use too.
    assert!(started.elapsed() < Duration::from_secs(40), "{fault}: {:?}", started.elapsed());
    for path in [
        "/v1/anomalies",
        "/v1/incidents",
        "/v1/anomalies/trends",
        "/v1/status",
        "/v1/config",
        "/v1/metrics",
        "/health",
    ] {
        assert_eq!(api.get(path).await?.status, 200, "{path}, ClickHouse {fault}");
    }
    let acknowledged = api.post(&format!("/v1/anomalies/{anomaly}/acknowledge"), &json!({})).await?;
    assert_eq!(acknowledged.status, 200, "{}", acknowledged.text);
    Ok(())
}

#[tokio::test]
async fn a_passing_fault_of_clickhouse_is_not_seen_by_the_caller() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 5e7)).await?;
    let decide = |seen: &Seen| match seen.earlier % 2 {
        0 => Action::LoseAnswer,
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world.clickhouse_url, decide).await?;
    let api = world.api_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    let check = api.read("/v1/anomalies/check?customer_id=cust_1&metric=compute_time").await?;
    assert_eq!(check["severity"], "critical");
    let usage = api.read("/v1/customers/cust_1/usage?metric=compute_time").await?;
    assert!(
        usage["points"].as_array().is_some_and(|points| points.iter().any(|point| point["value"] == 5e7))
    );
    Ok(())
}

#[tokio::test]
async fn a_question_that_clickhouse_cannot_answer_in_its_limits_is_a_503() -> Result<()> {
    for code in ["159. DB::Exception: Timeout exceeded", "158. DB::Exception: Limit for rows exceeded"] {
        let world = World::new().await?;
        let decide = move |_: &Seen| Action::Answer(500, format!("Code: {code}: while reading usage_hourly"));
        let proxy = Proxy::start(&world.clickhouse_url, decide).await?;
        let api = world.api_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        for path in [CHECK, USAGE, "/v1/customers/a/baselines"] {
            let answer = api.get(path).await?;
            assert_away(path, &answer, "try again, or ask for less");
            assert_eq!(answer.json["code"], "out_of_time", "{path}");
        }
        // Asked once, and not again.
        assert_eq!(proxy.count("sweep"), 3, "{code}");
    }
    Ok(())
}

/// A number of the deployed API, from Terraform.
fn deployed(name: &str) -> Result<String> {
    let text = include_str!("../../infra/modules/stack/api.tf");
    let line = text.lines().find(|line| line.trim_start().starts_with(name)).context(name.to_owned())?;
    Ok(line.split('=').nth(1).context(name.to_owned())?.trim().to_owned())
}

#[tokio::test]
async fn a_clickhouse_that_never_answers_is_a_503_with_the_timeouts_that_are_deployed() -> Result<()> {
    let timeout = deployed("api_clickhouse_timeout_seconds")?;
    let ends_after: u64 = deployed("api_timeout_seconds")?.parse()?;
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 5e7)).await?;
    world::run(&world.app().await?, &world::hourly(END)).await?;
    let anomaly = world.attribute("anomaly_id").await?.remove(0);
    for action in [Action::FreezeBefore, Action::StallAfterHeaders] {
        let proxy = Proxy::start(&world.clickhouse_url, move |_| action.clone()).await?;
        let settings = [
            ("CLICKHOUSE_URL", proxy.url.as_str()),
            ("CLICKHOUSE_READ_TIMEOUT_SECONDS", &timeout),
            ("CLICKHOUSE_QUERY_TIMEOUT_SECONDS", &timeout),
        ];
        let api = world.api_with(&settings, &world.aws).await?;
        let started = Instant::now();
        let anomaly = format!("/v1/anomalies/{anomaly}");
        let off_the_hour = format!("{CHECK}&current_start=now-1h&current_end=now");
        let ask = async |path| Ok::<_, anyhow::Error>((path, api.get(path).await?));
        let paths = [CHECK, &off_the_hour, USAGE, "/v1/customers/a/baselines", &anomaly];
        for (path, answer) in try_join_all(paths.map(ask)).await? {
            assert_away(path, &answer, "try again");
        }
        assert!(started.elapsed() < Duration::from_secs(ends_after), "{:?}", started.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn an_action_on_an_anomaly_waits_for_the_run_that_writes_it() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("cust_1", at(END), 5e7)).await?;
    world::run(&world.app().await?, &world::hourly(END)).await?;
    let anomaly = world.attribute("anomaly_id").await?.remove(0);
    let conflict = r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": "in hand"}"#;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "UpdateItem" if seen.earlier < 4 => Action::Answer(400, conflict.to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    let acknowledged = api.post(&format!("/v1/anomalies/{anomaly}/acknowledge"), &json!({})).await?;
    assert_eq!((acknowledged.status, &acknowledged.json["state"]), (200, &json!("acknowledged")));
    assert_eq!(proxy.count("UpdateItem"), 4 + 1 + 2, "the step, and the claim and mark of the notice");
    Ok(())
}

#[tokio::test]
async fn a_clickhouse_without_memory_is_away_for_now() -> Result<()> {
    let world = World::new().await?;
    let full = "Code: 241. DB::Exception: (total) memory limit exceeded: while reading usage_hourly";
    let proxy = Proxy::start(&world.clickhouse_url, move |_| Action::Answer(500, full.to_owned())).await?;
    let api = world.api_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    for path in [CHECK, USAGE, "/v1/customers/a/baselines"] {
        assert_away(path, &api.get(path).await?, "the usage data cannot be reached");
    }
    Ok(())
}

#[tokio::test]
async fn a_rollup_that_was_never_made_is_no_secret_told_to_callers() -> Result<()> {
    let api = World::without_migration().await?.api().await?;
    for path in [CHECK, USAGE, "/v1/customers/a/baselines"] {
        assert_away(path, &api.get(path).await?, "the usage data cannot be reached");
    }
    Ok(())
}

/// A request of every kind that needs the table, all at the same time.
async fn of_table(api: &Api) -> Result<Vec<(&'static str, Answer)>> {
    let anomaly = format!("/v1/anomalies/{}.api_calls.YQ", at(END).as_millisecond());
    let incident = format!("/v1/incidents/{}.api_calls.spike.YQ", at(END).as_millisecond());
    let requests = [
        ("list", "GET", "/v1/anomalies".to_owned()),
        ("list of one", "GET", "/v1/anomalies?customer_id=a".to_owned()),
        ("detail", "GET", anomaly.clone()),
        ("resolve", "POST", format!("{anomaly}/resolve")),
        ("trends", "GET", "/v1/anomalies/trends".to_owned()),
        ("incidents", "GET", "/v1/incidents".to_owned()),
        ("incidents of one", "GET", "/v1/incidents?customer_id=a".to_owned()),
        ("incident", "GET", incident.clone()),
        ("resolve an incident", "POST", format!("{incident}/resolve")),
        ("check", "GET", CHECK.to_owned()),
        ("config", "GET", "/v1/config".to_owned()),
        ("change of config", "PUT", "/v1/config".to_owned()),
        ("start", "POST", "/v1/detections".to_owned()),
        ("run", "GET", "/v1/detections/00000000-0000-4000-8000-000000000000".to_owned()),
        ("start of a backtest", "POST", "/v1/backtests".to_owned()),
        ("backtest", "GET", "/v1/backtests/00000000-0000-4000-8000-000000000000".to_owned()),
        ("status", "GET", "/v1/status".to_owned()),
    ];
    try_join_all(requests.map(|(name, method, path)| async move {
        Ok((name, api.send(method, &path, &[("if-match", "\"0\"")], b"{}".to_vec()).await?))
    }))
    .await
}

#[tokio::test]
async fn without_dynamodb_there_is_a_503_in_time() -> Result<()> {
    let denied = r#"{"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException",
                     "message": "User: arn:aws:sts::0:role/api is not authorized to perform: dynamodb:Query"}"#;
    let faults: [(&str, Action); 3] = [
        ("never answers", Action::FreezeBefore),
        ("denies", Action::Answer(400, denied.to_owned())),
        ("fails", Action::Answer(500, "com.amazonaws.dynamodb: out of disks at 127.0.0.1".to_owned())),
    ];
    try_join_all(faults.map(|(name, action)| Box::pin(without_dynamodb(name, action)))).await.map(drop)
}

async fn without_dynamodb(fault: &'static str, action: Action) -> Result<()> {
    let world = World::new().await?;
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, move |_| action.clone()).await?;
    let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    let started = Instant::now();
    for (name, answer) in of_table(&api).await? {
        let case = format!("{name}, DynamoDB {fault}");
        let in_time = answer.text.contains("try again, or ask for less");
        let what = if in_time { "" } else { "the store of anomalies cannot be reached" };
        assert_away(&case, &answer, what);
        assert!(!answer.text.contains("authorized"), "{case}: {}", answer.text);
    }
    // The gateway waits for thirty seconds. All requests were sent at the same time.
    assert!(started.elapsed() < Duration::from_secs(29), "{fault}: {:?}", started.elapsed());
    assert_eq!(api.get("/health").await?.status, 200);
    Ok(())
}
