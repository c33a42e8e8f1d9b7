//! A second stack that judges finished executions, with the preset `executions` as its catalog and a database of its own.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use serde_json::{Value, json};

use crate::World;
use crate::deployed::event;
use crate::world::{END, variable};

/// The sample event.
pub const EVENT: &str = "execution_completed";

const TABLES: &str = include_str!("../../infra/clickhouse/executions.sql");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

pub struct FinishedStack {
    /// The database, whose tables are empty at first. Its engines are those of the stack.
    pub world: World,
    name: &'static str,
}

impl FinishedStack {
    /// * `name`: the prefix of the stack's names.
    pub async fn deploy(name: &'static str) -> Result<Self> {
        let world = world().await?;
        let output = Command::new("python3")
            .args(["infra/local/cloud.py", "deploy", "--name-prefix", name, "--database", &world.database])
            .args(["--var", "schedule_enabled=false", "--var", r#"sources={"executions": {}}"#])
            .args(["--var", r#"catalog_files=["preset:executions"]"#])
            .current_dir(ROOT)
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(Self { world, name })
    }

    /// The full name of a thing of the stack, such as its function `anomaly-checks`.
    pub fn named(&self, thing: &str) -> String {
        format!("{}-{thing}", self.name)
    }

    /// * `queue`: its name without the prefix.
    pub async fn queue_url(&self, queue: &str) -> Result<String> {
        let name = self.named(queue);
        let sqs = aws_sdk_sqs::Client::new(&self.world.aws);
        let found = sqs.get_queue_url().queue_name(&name).send().await?;
        found.queue_url.with_context(|| format!("no queue {name}"))
    }

    /// Puts the event on the bus, as the system does that runs the executions.
    pub async fn announce(&self, id: &str, source: &str) -> Result<()> {
        let event = finished(id, source)?;
        let entry = json!({
            "Source": event["source"], "DetailType": event["detail-type"], "Detail": event["detail"].to_string(),
        });
        let answer: Value = reqwest::Client::new()
            .post(variable("AWS_ENDPOINT_URL")?)
            .header("x-amz-target", "AWSEvents.PutEvents")
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/events/aws4_request",
            )
            .body(json!({ "Entries": [entry] }).to_string())
            .send()
            .await?
            .json()
            .await?;
        ensure!(answer["FailedEntryCount"] == 0, "{answer}");
        Ok(())
    }

    /// Takes the messages of the alert topic that have come to its inbox.
    pub async fn take_alerts(&self) -> Result<Vec<Value>> {
        let (sqs, queue) = (aws_sdk_sqs::Client::new(&self.world.aws), self.queue_url("alerts-inbox").await?);
        let received = sqs.receive_message().queue_url(&queue).max_number_of_messages(10).send().await?;
        let mut alerts = Vec::new();
        for message in received.messages.unwrap_or_default() {
            let envelope: Value = serde_json::from_str(message.body().context("a message without a body")?)?;
            let text = envelope["Message"].as_str().context("an envelope without a message")?;
            alerts.push(serde_json::from_str(text)?);
            let receipt = message.receipt_handle().context("a message without a receipt")?;
            sqs.delete_message().queue_url(&queue).receipt_handle(receipt).send().await?;
        }
        Ok(alerts)
    }
}

/// The sample event about another execution.
pub fn finished(id: &str, source: &str) -> Result<Value> {
    let mut event = event(EVENT, END)?;
    event["detail"] = json!({ "id": id, "source": source });
    Ok(event)
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
        crate::warehouse::make_tables(&world.clickhouse, &world.database, source).await?;
    }
    Ok(world)
}
