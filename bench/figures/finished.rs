//! The time from the event about a finished execution on the bus to the alert in a queue of the topic, on a deployed stack.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::finished::FinishedStack;

use bench::figure::{Figure, Goal};

/// Each workflow has one slow execution, so that each makes an incident of its own.
const WORKFLOWS: usize = 41;

/// Past executions of each workflow, one every two hours. Each takes about 50 seconds.
const PAST: usize = 360;

/// Seconds from the event to the alert.
const GOAL: f64 = 2.0;

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

const COLUMNS: &str = "id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms";

pub(crate) async fn measure() -> Result<Vec<Figure>> {
    eprintln!("deploying a stack that judges finished executions …");
    let stack = FinishedStack::deploy("timed").await?;
    let past = format!(
        "INSERT INTO executions ({COLUMNS}) WITH 48000 + number % 4001 AS duration,
             now64(3) - INTERVAL 2 * (1 + intDiv(number, {WORKFLOWS})) HOUR AS finished
         SELECT toString(number), 'acme', concat('workflow ', toString(number % {WORKFLOWS})), 'completed',
             finished - INTERVAL duration MILLISECOND, finished, duration FROM numbers({})",
        WORKFLOWS * PAST,
    );
    stack.world.clickhouse.query_raw(&past).execute().await?;
    let mut times = Vec::new();
    for workflow in 0..WORKFLOWS {
        times.push(seconds_to_alert(&stack, workflow).await?);
    }
    let dropped = format!("DROP DATABASE `{}`", stack.world.database);
    stack.world.clickhouse.query_raw(&dropped).execute().await?;
    let (first, others) = times.split_first().context("no times")?;
    let slowest = others.iter().copied().fold(0.0, f64::max);
    let mean = others.iter().sum::<f64>() / others.len() as f64;
    Ok(vec![
        Figure::new(
            "finished execution: event to alert, the first one",
            *first,
            "s",
            Goal::AtMost(GOAL),
            String::from("with the start of the function"),
        ),
        Figure::new(
            "finished execution: event to alert, slowest of the others",
            slowest,
            "s",
            Goal::AtMost(GOAL),
            format!("{} executions, mean {mean:.2} s", others.len()),
        ),
    ])
}

/// Lets one execution of the workflow take ten times as long as usual.
async fn seconds_to_alert(stack: &FinishedStack, workflow: usize) -> Result<f64> {
    let (id, entity) = (format!("slow {workflow}"), format!("workflow {workflow}"));
    let slow = format!(
        "INSERT INTO executions ({COLUMNS})
         SELECT '{id}', 'acme', '{entity}', 'completed', now64(3) - 500, now64(3), 500000"
    );
    stack.world.clickhouse.query_raw(&slow).execute().await?;
    let announced = Instant::now();
    stack.announce(&id, "executions").await?;
    loop {
        let alerts = stack.take_alerts().await?;
        if alerts.iter().any(|alert| alert["event"] == "opened" && alert["entity"] == entity.as_str()) {
            return Ok(announced.elapsed().as_secs_f64());
        }
        ensure!(announced.elapsed() < PATIENCE, "no alert about {id} after {PATIENCE:?}");
        tokio::time::sleep(PAUSE).await;
    }
}
