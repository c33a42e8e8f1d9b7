//! One test's world: a database, a table, a topic and a queue that no other test knows.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use adapters::aws::SdkConfig;
use adapters::catalog::Catalog;
use adapters::config::Env;
use adapters::rollup;
use adapters::usage::SweepRequest;
use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
    Projection, ProjectionType, ScalarAttributeType,
};
use clickhouse::Row;
use detection::{CustomerId, Window};
use detector::{App, RunSummary, Tick};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

/// The hour at which most tests close their window.
pub const END: &str = "2026-11-21T13:00:00Z";

pub struct World {
    /// Address of the real ClickHouse.
    pub clickhouse_url: String,
    /// A client of this world's database.
    pub clickhouse: clickhouse::Client,
    pub database: String,
    pub table: String,
    pub topic_arn: String,
    pub queue_url: String,
    pub aws: SdkConfig,
}

/// A usage event as a metering system writes it.
#[derive(Clone, Debug)]
pub struct Event {
    pub customer_id: Vec<u8>,
    pub event_type: &'static str,
    pub at: Timestamp,
    pub properties: Value,
}

#[derive(Row, Serialize)]
struct EventRow<'a> {
    transaction_id: String,
    #[serde(with = "serde_bytes")]
    customer_id: &'a [u8],
    event_type: &'a str,
    timestamp: i64,
    properties: String,
}

impl World {
    /// A new, empty and migrated world.
    pub async fn new() -> Result<Self> {
        let world = Self::without_migration().await?;
        rollup::migrate(&world.clickhouse, &world.database, &Catalog::built_in()?).await?;
        Ok(world)
    }

    /// A new world whose database does not exist yet.
    pub async fn without_migration() -> Result<Self> {
        let clickhouse_url = variable("CLICKHOUSE_URL")?;
        let aws =
            adapters::aws::config().await.into_builder().endpoint_url(variable("AWS_ENDPOINT_URL")?).build();
        let name = format!("e2e_{}", uuid::Uuid::new_v4().simple());
        let clickhouse = clickhouse_client(&clickhouse_url, &name);
        create_table(&aws, &name).await?;
        let (topic_arn, queue_url) = create_topic(&aws, &name).await?;
        Ok(Self {
            clickhouse_url,
            clickhouse,
            database: name.clone(),
            table: name,
            topic_arn,
            queue_url,
            aws,
        })
    }

    /// A detector of this world.
    pub async fn app(&self) -> Result<App> {
        self.app_with(&[], &self.aws).await
    }

    /// A detector of this world with other settings, or with AWS behind another address.
    pub async fn app_with(&self, overrides: &[(&str, &str)], aws: &SdkConfig) -> Result<App> {
        let password = std::env::var("CLICKHOUSE_PASSWORD").unwrap_or_default();
        let mut variables = overrides.to_vec();
        variables.extend([
            ("CLICKHOUSE_URL", self.clickhouse_url.as_str()),
            ("CLICKHOUSE_DATABASE", &self.database),
            ("CLICKHOUSE_PASSWORD", &password),
            ("ANOMALIES_TABLE", &self.table),
            ("ALERT_TOPIC_ARN", &self.topic_arn),
            ("METRICS_STACK", &self.database),
        ]);
        App::from_env(&Env::of(&variables), aws, now).await
    }

    /// AWS of this world behind another address.
    pub fn aws_at(&self, url: &str) -> SdkConfig {
        self.aws.clone().into_builder().endpoint_url(url).build()
    }

    pub async fn insert(&self, events: &[Event]) -> Result<()> {
        insert(&self.clickhouse, events).await
    }

    /// All items of the table.
    pub async fn items(&self) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws);
        let mut pages =
            client.scan().table_name(&self.table).consistent_read(true).into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item?);
        }
        Ok(items)
    }

    /// The value of a text attribute in all items, sorted.
    pub async fn attribute(&self, name: &str) -> Result<Vec<String>> {
        let text = |value: &AttributeValue| value.as_s().or(value.as_n()).cloned().unwrap_or_default();
        let mut values: Vec<_> =
            self.items().await?.iter().filter_map(|item| item.get(name)).map(text).collect();
        values.sort();
        Ok(values)
    }

    /// All messages that the topic's subscriber got since the last call: the SNS envelopes.
    pub async fn messages(&self) -> Result<Vec<Value>> {
        let client = aws_sdk_sqs::Client::new(&self.aws);
        let mut messages = Vec::new();
        // Delivery from topic to queue takes a moment, so two empty answers in a row mean that nothing is left.
        let mut empty = 0;
        while empty < 2 {
            let answer = client
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(10)
                .wait_time_seconds(i32::from(empty > 0))
                .send()
                .await?;
            let received = answer.messages.unwrap_or_default();
            empty = if received.is_empty() { empty + 1 } else { 0 };
            for message in received {
                messages.push(serde_json::from_str(&message.body.unwrap_or_default())?);
                let receipt = message.receipt_handle.unwrap_or_default();
                client.delete_message().queue_url(&self.queue_url).receipt_handle(receipt).send().await?;
            }
        }
        Ok(messages)
    }

    /// The alerts among [`World::messages`]: the JSON bodies for machines.
    pub async fn alerts(&self) -> Result<Vec<Value>> {
        let body = |message: Value| -> Result<Value> {
            Ok(serde_json::from_str(message["Message"].as_str().context("a message without a body")?)?)
        };
        self.messages().await?.into_iter().map(body).collect()
    }
}

impl Event {
    /// An API call that sent so many bytes.
    pub fn call(customer: &str, at: Timestamp, bytes: f64) -> Self {
        Self::new(customer, "api_request", at, json!({ "bytes": bytes }))
    }

    pub fn storage(customer: &str, at: Timestamp, gb_stored: f64) -> Self {
        Self::new(customer, "storage", at, json!({ "gb_stored": gb_stored }))
    }

    pub fn compute(customer: &str, at: Timestamp, cpu_ms: f64) -> Self {
        Self::new(customer, "compute", at, json!({ "cpu_ms": cpu_ms }))
    }

    pub fn new(customer: &str, event_type: &'static str, at: Timestamp, properties: Value) -> Self {
        Self { customer_id: customer.as_bytes().to_vec(), event_type, at, properties }
    }
}

/// A client of one database of the local cloud.
pub fn clickhouse_client(url: &str, database: &str) -> clickhouse::Client {
    clickhouse::Client::default()
        .with_url(url)
        .with_user(std::env::var("CLICKHOUSE_USER").unwrap_or_else(|_| "default".to_owned()))
        .with_password(std::env::var("CLICKHOUSE_PASSWORD").unwrap_or_default())
        .with_database(database)
}

/// Inserts events as a metering system does.
pub async fn insert(client: &clickhouse::Client, events: &[Event]) -> Result<()> {
    let mut insert = client.insert::<EventRow<'_>>("events").await?;
    for event in events {
        insert
            .write(&EventRow {
                transaction_id: uuid::Uuid::new_v4().to_string(),
                customer_id: &event.customer_id,
                event_type: event.event_type,
                timestamp: event.at.as_millisecond(),
                properties: event.properties.to_string(),
            })
            .await?;
    }
    Ok(insert.end().await?)
}

/// Compute time by window, newest first: one event of so many milliseconds in the middle of each window. `None` is a
/// window without an event.
pub fn compute_by_window(customer: &str, end: Timestamp, milliseconds: &[Option<f64>]) -> Vec<Event> {
    let middle = |age: usize| end - SignedDuration::from_hours(24 * age as i64 + 12);
    let event =
        |(age, value): (usize, &Option<f64>)| value.map(|ms| Event::compute(customer, middle(age), ms));
    milliseconds.iter().enumerate().filter_map(event).collect()
}

/// A customer with 30 windows of about two hours of compute time and `current` in the newest one.
pub fn steady_then(customer: &str, end: Timestamp, current: f64) -> Vec<Event> {
    let usual = |age: usize| 7_200_000.0 + 60_000.0 * (age % 5) as f64;
    let windows: Vec<_> = (0..31).map(|age| Some(if age == 0 { current } else { usual(age) })).collect();
    compute_by_window(customer, end, &windows)
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a time in RFC 3339")
}

/// A run for all customers at `time`.
pub fn tick(time: &str) -> Tick {
    Tick { time: at(time), dry_run: false, customers: Vec::<CustomerId>::new() }
}

/// What a whole run at `time` reads.
pub fn sweep_request<'a>(app: &'a App, time: &str) -> Result<SweepRequest<'a>> {
    Ok(SweepRequest {
        window: Window::closing_at(at(time))?,
        baseline_days: app.detection.baseline_days,
        catalog: &app.catalog,
        customers: &[],
        query_id: "",
        deadline: Instant::now() + Duration::from_secs(60),
    })
}

/// A run with as much time as a Lambda has.
pub async fn run(app: &App, tick: &Tick) -> Result<RunSummary> {
    detector::run(app, tick, Instant::now() + Duration::from_secs(300)).await
}

/// The text of an error with all its causes.
pub fn failure(result: Result<RunSummary>) -> String {
    match result {
        Ok(summary) => panic!("the run should have failed: {summary:?}"),
        Err(error) => adapters::telemetry::error_chain(error.as_ref()),
    }
}

#[allow(clippy::disallowed_methods)] // The tests take the place of `main`, which hands the clock in.
fn now() -> SystemTime {
    SystemTime::now()
}

/// The time of day.
pub fn timestamp() -> Timestamp {
    Timestamp::try_from(now()).unwrap_or_default()
}

/// A variable that `make e2e` sets.
pub fn variable(name: &str) -> Result<String> {
    std::env::var(name)
        .with_context(|| format!("{name} is not set: run `make e2e`, which starts the engines"))
}

async fn create_table(aws: &SdkConfig, name: &str) -> Result<()> {
    let attribute =
        |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let index = |name: &str, hash: &str| -> Result<GlobalSecondaryIndex> {
        Ok(GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(hash, KeyType::Hash)?)
            .key_schema(key("detected_at", KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()?)
    };
    aws_sdk_dynamodb::Client::new(aws)
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("sk", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("metric", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("detected_at", ScalarAttributeType::N)?)
        .attribute_definitions(attribute("pending_alert", ScalarAttributeType::S)?)
        .key_schema(key("pk", KeyType::Hash)?)
        .key_schema(key("sk", KeyType::Range)?)
        .global_secondary_indexes(index("metric-severity-index", "metric")?)
        .global_secondary_indexes(index("pending-alerts-index", "pending_alert")?)
        .send()
        .await?;
    Ok(())
}

async fn create_topic(aws: &SdkConfig, name: &str) -> Result<(String, String)> {
    let (sns, sqs) = (aws_sdk_sns::Client::new(aws), aws_sdk_sqs::Client::new(aws));
    let topic = sns.create_topic().name(name).send().await?.topic_arn.context("a topic without an ARN")?;
    let queue =
        sqs.create_queue().queue_name(name).send().await?.queue_url.context("a queue without a URL")?;
    let attributes = sqs
        .get_queue_attributes()
        .queue_url(&queue)
        .attribute_names(aws_sdk_sqs::types::QueueAttributeName::QueueArn)
        .send()
        .await?;
    let arn = attributes
        .attributes
        .and_then(|mut all| all.remove(&aws_sdk_sqs::types::QueueAttributeName::QueueArn))
        .context("a queue without an ARN")?;
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await?;
    Ok((topic, queue))
}
