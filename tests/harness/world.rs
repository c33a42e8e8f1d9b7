//! One test's world: a database, a table, a topic and a queue that no other test knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use catalog::{Catalog, Shard};
use clickhouse::Row;
use detection::{CustomerId, Window};
use detector::{App, Request, RunSummary};
use environment::Env;
use jiff::{SignedDuration, Timestamp};
use platform::aws::SdkConfig;
use serde::Serialize;
use serde_json::{Value, json};
use warehouse::usage::SweepRequest;

use crate::resources::{OwnDatabase, create_table, create_topic};
use crate::warehouse::make_tables;

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
    pub(crate) own_database: Arc<OwnDatabase>,
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
        make_tables(&world.clickhouse, &world.database, &Catalog::built_in()?).await?;
        Ok(world)
    }

    /// A new world whose database does not exist yet.
    pub async fn without_migration() -> Result<Self> {
        Self::on(variable("CLICKHOUSE_URL")?).await
    }

    /// The same on another server.
    pub async fn on(clickhouse_url: String) -> Result<Self> {
        // What functions log is a part of the output of their tests, which is searched for secrets. The bench has no use for it.
        if std::env::var_os("NEXTEST").is_some() {
            platform::telemetry::init(&platform::traces::Traces::default());
        }
        let aws =
            platform::aws::config().await.into_builder().endpoint_url(variable("AWS_ENDPOINT_URL")?).build();
        let name = format!("e2e_{}", uuid::Uuid::new_v4().simple());
        let clickhouse = clickhouse_client(&clickhouse_url, &name);
        create_table(&aws, &name).await?;
        let (topic_arn, queue_url) = create_topic(&aws, &name).await?;
        Ok(Self {
            clickhouse_url: clickhouse_url.clone(),
            clickhouse,
            database: name.clone(),
            table: name.clone(),
            topic_arn,
            queue_url,
            aws,
            own_database: Arc::new(OwnDatabase { clickhouse_url, name }),
        })
    }

    /// Another world on the same usage: a table, a topic and a queue of its own.
    pub async fn sibling(&self) -> Result<Self> {
        let name = format!("e2e_{}", uuid::Uuid::new_v4().simple());
        create_table(&self.aws, &name).await?;
        let (topic_arn, queue_url) = create_topic(&self.aws, &name).await?;
        Ok(Self {
            clickhouse_url: self.clickhouse_url.clone(),
            clickhouse: self.clickhouse.clone(),
            database: self.database.clone(),
            table: name,
            topic_arn,
            queue_url,
            aws: self.aws.clone(),
            own_database: Arc::clone(&self.own_database),
        })
    }

    /// A detector of this world.
    pub async fn app(&self) -> Result<App> {
        self.app_with(&[], &self.aws).await
    }

    /// A detector of this world with other settings, or with AWS behind another address.
    pub async fn app_with(&self, overrides: &[(&str, &str)], aws: &SdkConfig) -> Result<App> {
        let variables = self.variables(overrides);
        let pairs: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        App::from_env(&Env::of(&pairs), aws, now).await
    }

    /// A detector with a later clock. The claims of a killed run have ended for it.
    pub async fn later_app(&self) -> Result<App> {
        let mut app = self.app().await?;
        app.clock = || now() + Duration::from_secs(3_600);
        Ok(app)
    }

    /// Ends the claims on alerts, for a program whose clock cannot be set.
    pub async fn end_claims(&self) -> Result<()> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws);
        for item in self.all_items().await? {
            let Ok(claimed) = text(&item, "alert_claim_until").parse::<i64>() else { continue };
            client
                .update_item()
                .table_name(&self.table)
                .key("pk", AttributeValue::S(text(&item, "pk")))
                .key("sk", AttributeValue::S(text(&item, "sk")))
                .update_expression("SET alert_claim_until = :past")
                .expression_attribute_values(":past", AttributeValue::N((claimed - 3_600).to_string()))
                .send()
                .await?;
        }
        Ok(())
    }

    /// The environment of a detector of this world. Of two entries with the same name the first counts.
    pub fn variables(&self, overrides: &[(&str, &str)]) -> Vec<(String, String)> {
        let password = std::env::var("CLICKHOUSE_PASSWORD").unwrap_or_default();
        let own = [
            ("CLICKHOUSE_URL", self.clickhouse_url.as_str()),
            ("CLICKHOUSE_DATABASE", &self.database),
            ("CLICKHOUSE_PASSWORD", &password),
            ("ANOMALIES_TABLE", &self.table),
            ("ALERT_TOPIC_ARN", &self.topic_arn),
            ("METRICS_STACK", &self.database),
            // Most tests plant one event a day, which only the classical detector can judge.
            ("DETECTORS", "z_score"),
        ];
        overrides.iter().chain(&own).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// AWS of this world behind another address. It is loaded again, because AWS_ENDPOINT_URL of the environment would
    /// win in a loaded configuration.
    pub async fn aws_at(&self, url: &str) -> SdkConfig {
        platform::aws::loader().endpoint_url(url).load().await
    }

    pub async fn insert(&self, events: &[Event]) -> Result<()> {
        insert(&self.clickhouse, events).await
    }

    /// `count` customers, `c00000` and on, each with steady compute time and a critical spike in the window that
    /// closes at [`END`].
    pub async fn insert_spikes(&self, count: u32) -> Result<()> {
        Ok(self.clickhouse.query_raw(&spikes("events", count, "true")).execute().await?)
    }

    /// All anomalies and digests of the table.
    pub async fn items(&self) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let is_found = |item: &HashMap<_, _>| {
            ["usage_anomaly", "new_usage", "alert_digest"].contains(&text(item, "type").as_str())
        };
        Ok(self.all_items().await?.into_iter().filter(is_found).collect())
    }

    /// All incidents of the table, open ones and closed ones.
    pub async fn incidents(&self) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let items = self.all_items().await?;
        Ok(items.into_iter().filter(|item| text(item, "type") == "incident").collect())
    }

    /// All items of the table, notes on runs and policies included.
    pub async fn all_items(&self) -> Result<Vec<HashMap<String, AttributeValue>>> {
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
        let items = self.items().await?;
        let mut values: Vec<_> =
            items.iter().filter(|item| item.contains_key(name)).map(|item| text(item, name)).collect();
        values.sort();
        Ok(values)
    }

    /// Fails if a failed run wrote or published anything.
    pub async fn assert_untouched(&self, case: &str) -> Result<()> {
        assert_eq!(self.items().await?, [], "items after: {case}");
        assert_eq!(self.messages().await?, Vec::<Value>::new(), "messages after: {case}");
        Ok(())
    }

    /// All messages that the topic's subscriber got since the last call: the SNS envelopes.
    pub async fn messages(&self) -> Result<Vec<Value>> {
        let client = aws_sdk_sqs::Client::new(&self.aws);
        let mut messages = Vec::new();
        // Delivery from topic to queue takes a moment. Two empty answers in a row mean that nothing is left.
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

    /// How often each alert came since the last call, by its id.
    pub async fn alert_counts(&self) -> Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for alert in self.alerts().await? {
            let id = alert["alert_id"].as_str().context("an alert without an id")?;
            *counts.entry(id.to_owned()).or_default() += 1;
        }
        Ok(counts)
    }
}

impl Event {
    /// An API call that sent this many bytes.
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

/// The statement of [`World::insert_spikes`].
///
/// * `condition`: of the rows that it inserts, on the days `age` before the last one.
pub fn spikes(table: &str, count: u32, condition: &str) -> String {
    format!(
        "INSERT INTO {table} (transaction_id, customer_id, event_type, timestamp, properties)
         WITH number % 33 AS age,
              if(age = 0, 50000000, 7200000 + 60000 * (age % 5) + intDiv(number, 33)) AS value
         SELECT
             toString(number),
             concat('c', leftPad(toString(intDiv(number, 33)), 5, '0')),
             'compute',
             fromUnixTimestamp64Milli(toInt64({end} - age * 86400000 - 43200000)),
             concat('{{\"cpu_ms\": ', toString(value), '}}')
         FROM numbers({rows})
         WHERE {condition}",
        end = at(END).as_millisecond(),
        rows = count * 33,
    )
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
    // Without a question for the columns of the table.
    let mut insert = client.clone().with_validation(false).insert::<EventRow<'_>>("events").await?;
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

/// Compute time by window, newest first: one event of this many milliseconds in the middle of each window. `None` is a
/// window without an event.
pub fn compute_by_window(customer: &str, end: Timestamp, milliseconds: &[Option<f64>]) -> Vec<Event> {
    let middle = |age: usize| end - SignedDuration::from_hours(24 * age as i64 + 12);
    let event =
        |(age, value): (usize, &Option<f64>)| value.map(|ms| Event::compute(customer, middle(age), ms));
    milliseconds.iter().enumerate().filter_map(event).collect()
}

/// A customer with more than 30 windows of about two hours of compute time and `current` in the newest one.
pub fn steady_then(customer: &str, end: Timestamp, current: f64) -> Vec<Event> {
    let usual = |age: usize| 7_200_000.0 + 60_000.0 * (age % 5) as f64;
    let windows: Vec<_> = (0..33).map(|age| Some(if age == 0 { current } else { usual(age) })).collect();
    compute_by_window(customer, end, &windows)
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a time in RFC 3339")
}

/// A run for all customers at `time`.
pub fn hourly(time: &str) -> Request {
    Request {
        time: at(time),
        dry_run: false,
        customers: Vec::<CustomerId>::new(),
        shard: Shard::WHOLE,
        source: None,
        detection_id: None,
    }
}

/// The request of a whole run at `time`.
pub fn sweep_request<'a>(app: &'a App, time: &str) -> Result<SweepRequest<'a>> {
    Ok(SweepRequest {
        window: Window::closing_at(at(time))?,
        baseline_days: app.detection.baseline_days,
        catalog: &app.catalog,
        customers: &[],
        shard: Shard::WHOLE,
        query_id: "",
        deadline: Instant::now() + Duration::from_secs(60),
    })
}

/// A run with as much time as a Lambda has.
pub async fn run(app: &App, request: &Request) -> Result<RunSummary> {
    detector::run(app, request, Instant::now() + Duration::from_secs(300)).await
}

/// A text or number of an item. Empty if it has no attribute of that name.
pub fn text(item: &HashMap<String, AttributeValue>, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().or(value.as_n()).ok()).cloned().unwrap_or_default()
}

/// Recorded items, items that were there before, published alerts.
pub fn figures(summary: &RunSummary) -> (u64, u64, u64) {
    (summary.recorded, summary.already_recorded, summary.alerts_published)
}

/// The text of an error with all its causes.
pub fn failure(result: Result<RunSummary>) -> String {
    match result {
        Ok(summary) => panic!("the run should have failed: {summary:?}"),
        Err(error) => platform::telemetry::error_chain(error.as_ref()),
    }
}

#[allow(clippy::disallowed_methods)] // The tests take the place of `main`, which hands the clock in.
pub fn now() -> SystemTime {
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
