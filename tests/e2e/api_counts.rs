//! Counts in a storm: an answer in time with what was counted, which says whether that is all.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use detection::{Direction, Severity};
use e2e::api::NOW;
use e2e::data::Made;
use e2e::prometheus::Figures;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, hourly, run, text};
use e2e::{Api, World};
use futures::future::try_join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Long enough for what a proxy lets pass, and a short wait for what it does not.
const COUNTING_TIME: Duration = Duration::from_secs(3);

const CHANNEL: (&str, &str) = (
    "NOTIFIER_CONFIG",
    r#"{ "channels": { "chat": { "type": "slack", "webhook_url_secret_arn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:s" } } }"#,
);

/// A slow API: it counts for a short time, and its DynamoDB is behind this proxy.
async fn slow(
    world: &World,
    decide: impl Fn(&Seen) -> Action + Send + Sync + 'static,
) -> Result<(Api, Proxy)> {
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let aws = world.aws_at(&proxy.url).await;
    Ok((world.api_that_counts_for(COUNTING_TIME, &[CHANNEL], &aws).await?, proxy))
}

/// A value of a query, of any type.
fn value(seen: &Seen, name: &str) -> String {
    let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let of_type = body["ExpressionAttributeValues"][name].as_object().and_then(|of| of.values().next());
    of_type.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn asks(seen: &Seen, text: &str) -> bool {
    seen.operation == "Query" && String::from_utf8_lossy(&seen.body).contains(text)
}

/// An answer to a query that has more behind it.
fn page(content: Value) -> Action {
    let mut page = json!({
        "ScannedCount": 2,
        "LastEvaluatedKey": { "pk": { "S": "p" }, "sk": { "S": "s" }, "pending_alert": { "S": "pending" }, "detected_at": { "N": "1" } },
    });
    for (name, value) in content.as_object().into_iter().flatten() {
        page[name] = value.clone();
    }
    Action::Answer(200, page.to_string())
}

fn made(customer: &str, metric: &'static str, detected_at: &str) -> Made {
    let (severity, direction) = (Severity::Critical, Direction::Spike);
    Made { customer: customer.to_owned(), metric, detected_at: at(detected_at), severity, direction }
}

/// Two anomalies of the newest day, and one that is three weeks older.
async fn anomalies(world: &World) -> Result<()> {
    world
        .record(&[
            made("a", "api_calls", END),
            made("b", "compute_time", "2026-11-21T02:00:00Z"),
            made("c", "api_calls", "2026-10-30T02:00:00Z"),
        ])
        .await
}

#[tokio::test]
async fn the_newest_anomalies_are_counted_first_and_a_part_says_so() -> Result<()> {
    let world = World::without_migration().await?;
    anomalies(&world).await?;
    // The queries of the days before the newest one are never answered.
    let newest = (at(NOW) - SignedDuration::from_hours(24)).as_millisecond();
    let is_older = move |seen: &Seen| value(seen, ":from").parse::<i64>().is_ok_and(|from| from < newest);
    let decide = move |seen: &Seen| if is_older(seen) { Action::FreezeBefore } else { Action::Forward };
    let (api, proxy) = slow(&world, decide).await?;
    let trends = api.read("/v1/anomalies/trends").await?;
    assert_eq!((&trends["complete"], &trends["total"]), (&json!(false), &json!(2)), "{trends}");
    assert_eq!(trends["by_metric"], json!({ "api_calls": 1, "compute_time": 1 }));
    assert_eq!(proxy.count("Query"), 4 + 16, "four metrics of the newest day, and sixteen that hang");
    let whole = world.api().await?.read("/v1/anomalies/trends").await?;
    assert_eq!((&whole["complete"], &whole["total"]), (&json!(true), &json!(3)));
    Ok(())
}

#[tokio::test]
async fn without_any_answer_there_is_no_count() -> Result<()> {
    let world = World::without_migration().await?;
    let (api, _proxy) = slow(&world, |_| Action::FreezeBefore).await?;
    let paths = ["/v1/anomalies/trends", "/v1/incidents/counts"];
    let begun = Instant::now();
    try_join_all(paths.map(|path| {
        let api = &api;
        async move {
            let answer = api.get(path).await?;
            answer.assert_problem(503, path);
            assert_eq!(answer.json["code"], "out_of_time", "{path}");
            anyhow::Ok(())
        }
    }))
    .await?;
    assert!(begun.elapsed() < COUNTING_TIME * 4, "{:?}: it waited for more than the count", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn incidents_are_counted_in_parts() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(12).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let even = |part: &str| part.parse::<u8>().is_ok_and(|part| part.is_multiple_of(2));
    let incidents = world.incidents().await?;
    let counted = incidents.iter().filter(|incident| even(&text(incident, "incident_shard"))).count();
    assert!(counted > 0 && counted < 12, "{counted} of 12");
    let decide =
        move |seen: &Seen| if even(&value(seen, ":part")) { Action::Forward } else { Action::FreezeBefore };
    let (api, _proxy) = slow(&world, decide).await?;
    let counts = api.read("/v1/incidents/counts").await?;
    assert_eq!((&counts["complete"], &counts["total"]), (&json!(false), &json!(counted)), "{counts}");
    let whole = world.api().await?.read("/v1/incidents/counts").await?;
    assert_eq!((&whole["complete"], &whole["total"]), (&json!(true), &json!(12)));
    Ok(())
}

#[tokio::test]
async fn alerts_are_counted_in_parts() -> Result<()> {
    let world = World::new().await?;
    let decide = |seen: &Seen| match seen {
        _ if asks(seen, "ExclusiveStartKey") => Action::FreezeBefore,
        _ if asks(seen, r#""Select":"COUNT""#) => page(json!({ "Count": 2 })),
        _ if asks(seen, "since, parked") => page(json!({
            "Count": 2,
            "Items": [{ "since": { "N": "7" } }, { "since": { "N": "5" }, "parked": { "BOOL": true } }],
        })),
        _ => Action::Forward,
    };
    let (api, _proxy) = slow(&world, decide).await?;
    let paths = ["/v1/status", "/v1/channels", "/metrics"];
    let answers = try_join_all(paths.map(|path| api.get(path))).await?;
    let [status, channels, metrics] = answers.try_into().ok().context("three answers")?;
    assert_eq!(status.status, 200, "{}", status.text);
    let counted = (&status.json["pending_alerts"], &status.json["complete"]);
    assert_eq!(counted, (&json!(2), &json!(false)), "{}", status.text);
    let chat = &channels.json["channels"][0];
    let counted = [&chat["waiting"], &chat["failed"], &chat["waiting_since"], &chat["complete"]];
    assert_eq!(counted, [&json!(1), &json!(1), &json!(7), &json!(false)], "{}", channels.text);
    let figures = Figures::parse(&metrics.text).with_context(|| metrics.text.clone())?;
    let of = |name: &str| figures.value(name, &[]);
    assert_eq!((of("meterflow_counts_complete"), of("meterflow_alerts_pending")), (Some(0.0), Some(2.0)));
    let whole = Figures::parse(&world.api_with(&[CHANNEL], &world.aws).await?.get("/metrics").await?.text)?;
    assert_eq!(whole.value("meterflow_counts_complete", &[]), Some(1.0));
    Ok(())
}

#[tokio::test]
async fn prometheus_gets_no_part_of_a_counter() -> Result<()> {
    let world = World::new().await?;
    anomalies(&world).await?;
    let decide = |seen: &Seen| match value(seen, ":key").as_str() {
        "compute_time" => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let (api, _proxy) = slow(&world, decide).await?;
    let answer = api.get("/metrics").await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let figures = Figures::parse(&answer.text)?;
    assert_eq!(figures.value("meterflow_counts_complete", &[]), Some(0.0));
    assert!(!answer.text.contains("meterflow_anomalies_total"), "a counter that falls: {}", answer.text);
    assert!(figures.families.contains_key("meterflow_runs_total"));
    Ok(())
}

#[tokio::test]
async fn the_hours_of_a_full_day_are_counted_side_by_side() -> Result<()> {
    let world = World::without_migration().await?;
    let hours = (0..8).map(|hour| at("2026-11-21T03:00:00Z") + SignedDuration::from_hours(hour));
    let made: Vec<_> = hours.map(|hour| made("a", "api_calls", &hour.to_string())).collect();
    world.record(&made).await?;
    let client = aws_sdk_dynamodb::Client::new(&world.aws);
    for made in &made {
        let sk = format!("ANOMALY#{}#{}", made.detected_at.as_millisecond(), made.metric);
        client
            .update_item()
            .table_name(&world.table)
            .key("pk", AttributeValue::S("CUSTOMER#a".to_owned()))
            .key("sk", AttributeValue::S(sk))
            .update_expression("SET padding = :padding")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":padding", AttributeValue::S("a".repeat(300_000)))
            .send()
            .await?;
    }
    // One page of DynamoDB holds three of them.
    for query in ["from=now-1d", "from=now-1d&customer_id=a"] {
        let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, |_| Action::Forward).await?;
        let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
        let trends = api.read(&format!("/v1/anomalies/trends?{query}")).await?;
        assert_eq!((&trends["complete"], &trends["total"]), (&json!(true), &json!(8)), "{query}");
        let queries = proxy.count("Query");
        let expected = if query.contains("customer") { 3..5 } else { 20..40 };
        assert!(expected.contains(&queries), "{query}: {queries} queries");
    }
    Ok(())
}
