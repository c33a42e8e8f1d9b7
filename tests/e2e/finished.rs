//! Finished events on a deployed stack: from the bus by the queue to the function that judges them.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use catalog::Catalog;
use e2e::World;
use e2e::deployed::Deployed;
use e2e::world::variable;
use serde_json::{Value, json};

use crate::notifier::sample;

/// The sample event.
pub(crate) const EVENT: &str = "execution_completed";

const TABLES: &str = include_str!("../../infra/clickhouse/executions.sql");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const STACK: &str = "finished";
const CHECKS: &str = "finished-anomaly-checks";

#[tokio::test]
async fn a_finished_event_is_judged_and_one_without_a_row_is_kept() -> Result<()> {
    let world = world().await?;
    deploy(&world.database)?;
    let (deployed, sqs) = (Deployed::new().await?, aws_sdk_sqs::Client::new(&world.aws));
    // Production waits three minutes before it sends an event again.
    let queue = queue_url(&sqs, "finished-anomaly-finished").await?;
    let wait = QueueAttributeName::VisibilityTimeout;
    sqs.set_queue_attributes().queue_url(&queue).attributes(wait, "3").send().await?;

    let insert =
        "INSERT INTO executions (id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms)
                  SELECT 'written', 'acme', 'nightly', 'completed', now64(3) - 60, now64(3) - 10, 50000";
    world.clickhouse.query_raw(insert).execute().await?;
    announce("written", "executions").await?;
    announce("unwritten", "executions").await?;
    // The rule takes nothing of a source that it does not name.
    announce("elsewhere", "other").await?;

    let judged = wait_for_line(&deployed, "finished event judged").await?;
    assert_eq!(
        (&judged["event.source"], &judged["event.id"]),
        (&json!("executions"), &json!("written")),
        "{judged}"
    );

    let dead_letters = queue_url(&sqs, "finished-anomaly-finished-dlq").await?;
    let kept = sqs.receive_message().queue_url(&dead_letters).wait_time_seconds(5);
    let mut messages = Vec::new();
    for _ in 0..24 {
        messages = kept.clone().send().await?.messages.unwrap_or_default();
        if !messages.is_empty() {
            break;
        }
    }
    let bodies: Vec<Value> = messages
        .iter()
        .map(|message| serde_json::from_str(message.body().unwrap_or_default()))
        .collect::<Result<_, _>>()?;
    assert_eq!(
        bodies.iter().map(|body| &body["detail"]["id"]).collect::<Vec<_>>(),
        ["unwritten"],
        "{bodies:?}"
    );
    assert_eq!(bodies[0]["detail-type"], "Execution Completed", "the event is kept as it was announced");

    let failures = lines(&deployed, "a finished event was not judged: the queue sends it again").await?;
    assert!(!failures.is_empty(), "each try tells why");
    assert!(
        failures.iter().all(|line| line.to_string().contains("no event with the id `unwritten`")),
        "{failures:?}"
    );

    // The function gives the same answer to a caller that waits for it.
    let answer = deployed.invoke_function(CHECKS, &event("written", "executions")?).await?;
    assert_eq!(answer["checked"]["id"], "written", "{answer}");
    let answer = deployed.invoke_function(CHECKS, &event("unwritten", "executions")?).await?;
    assert_eq!(answer["unjudged"]["reason"], "unknown", "{answer}");
    Ok(())
}

/// A world with the tables of executions, which are empty.
async fn world() -> Result<World> {
    let world = World::without_migration().await?;
    let admin = world.clickhouse.clone().with_database("system");
    admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    for statement in TABLES.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        world.clickhouse.query_raw(statement).execute().await?;
    }
    for source in Catalog::from_files("preset:executions")?.all() {
        e2e::warehouse::migrate(&world.clickhouse, &world.database, source).await?;
    }
    Ok(world)
}

/// A second stack, whose catalog is that of the preset.
fn deploy(database: &str) -> Result<()> {
    let output = Command::new("python3")
        .args(["infra/local/cloud.py", "deploy", "--name-prefix", STACK, "--database", database])
        .args(["--var", "schedule_enabled=false", "--var", r#"sources={"executions": {}}"#])
        .args(["--var", r#"catalog_files=["preset:executions"]"#])
        .current_dir(ROOT)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The sample event about another execution.
fn event(id: &str, source: &str) -> Result<Value> {
    let mut event = sample(EVENT)?;
    event["detail"] = json!({ "id": id, "source": source });
    Ok(event)
}

/// Puts the event on the bus, as the system does that runs the executions.
async fn announce(id: &str, source: &str) -> Result<()> {
    let event = event(id, source)?;
    let entry = json!({
        "Source": event["source"], "DetailType": event["detail-type"], "Detail": event["detail"].to_string(),
    });
    let answer: Value = reqwest::Client::new()
        .post(variable("AWS_ENDPOINT_URL")?)
        .header("x-amz-target", "AWSEvents.PutEvents")
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/events/aws4_request")
        .body(json!({ "Entries": [entry] }).to_string())
        .send()
        .await?
        .json()
        .await?;
    ensure!(answer["FailedEntryCount"] == 0, "{answer}");
    Ok(())
}

async fn queue_url(sqs: &aws_sdk_sqs::Client, name: &str) -> Result<String> {
    sqs.get_queue_url().queue_name(name).send().await?.queue_url.with_context(|| format!("no queue {name}"))
}

/// The lines with this message in the log of the function.
async fn lines(deployed: &Deployed, message: &str) -> Result<Vec<Value>> {
    let mut lines = deployed.log_lines(CHECKS, "").await?;
    lines.retain(|line| line["message"] == message);
    Ok(lines)
}

/// Waits for the first of these lines, at most a minute.
async fn wait_for_line(deployed: &Deployed, message: &str) -> Result<Value> {
    for _ in 0..120 {
        if let Some(line) = lines(deployed, message).await?.into_iter().next() {
            return Ok(line);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    anyhow::bail!("{CHECKS} logged no line `{message}`")
}
