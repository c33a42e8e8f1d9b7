//! Finished events on a deployed stack: from the bus by the queue to the function that judges them.

use std::time::Duration;

use anyhow::Result;
use aws_sdk_sqs::types::QueueAttributeName;
use e2e::deployed::Deployed;
use e2e::finished::{FinishedStack, finished};
use serde_json::{Value, json};

const STACK: &str = "finished";
const CHECKS: &str = "finished-anomaly-checks";

#[tokio::test]
async fn a_finished_event_is_judged_and_one_without_a_row_is_kept() -> Result<()> {
    let stack = FinishedStack::deploy(STACK).await?;
    let (deployed, sqs) = (Deployed::new().await?, aws_sdk_sqs::Client::new(&stack.world.aws));
    // Production waits three minutes before it sends an event again.
    let queue = stack.queue_url("anomaly-finished").await?;
    let wait = QueueAttributeName::VisibilityTimeout;
    sqs.set_queue_attributes().queue_url(&queue).attributes(wait, "3").send().await?;

    let insert =
        "INSERT INTO executions (id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms)
                  SELECT 'written', 'acme', 'nightly', 'completed', now64(3) - 60, now64(3) - 10, 50000";
    stack.world.clickhouse.query_raw(insert).execute().await?;
    stack.announce("written", "executions").await?;
    stack.announce("unwritten", "executions").await?;
    // The rule takes nothing of a source that it does not name.
    stack.announce("elsewhere", "other").await?;

    let judged = wait_for_line(&deployed, "finished event judged").await?;
    assert_eq!(
        (&judged["event.source"], &judged["event.id"]),
        (&json!("executions"), &json!("written")),
        "{judged}"
    );

    let dead_letters = stack.queue_url("anomaly-finished-dlq").await?;
    let kept = sqs.receive_message().queue_url(&dead_letters).wait_time_seconds(5);
    let mut messages = Vec::new();
    for _ in 0..24 {
        // An emulator that is busy answers too late, and the next question finds the message.
        messages = kept.clone().send().await.ok().and_then(|answer| answer.messages).unwrap_or_default();
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
    let answer = deployed.invoke_function(CHECKS, &finished("written", "executions")?).await?;
    assert_eq!(answer["checked"]["id"], "written", "{answer}");
    let answer = deployed.invoke_function(CHECKS, &finished("unwritten", "executions")?).await?;
    assert_eq!(answer["unjudged"]["reason"], "unknown", "{answer}");
    Ok(())
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
