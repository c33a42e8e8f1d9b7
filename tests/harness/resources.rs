//! The table, the topic, the queue and the database of one test.

use anyhow::{Context, Result};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use platform::aws::SdkConfig;

use crate::World;
use crate::world::clickhouse_client;

/// The two indexes by metric, of which a table has one.
const WHOLE: (&str, &str) = ("metric-severity-index", "metric");
const SPLIT: (&str, &str) = ("metric-part-index", "metric_part");

/// A table of anomalies with its indexes.
pub(crate) async fn create_table(aws: &SdkConfig, name: &str) -> Result<()> {
    create(aws, name, &[WHOLE, ("entity-index", "entity_key"), ("execution-index", "execution_key")]).await
}

/// Drops the database with the last world on it: a server that has the tables of all tests is slow.
pub(crate) struct OwnDatabase {
    pub(crate) clickhouse_url: String,
    pub(crate) name: String,
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        let client = clickhouse_client(&self.clickhouse_url, "system");
        let drop = client.query_raw(&format!("DROP DATABASE IF EXISTS `{}`", self.name));
        // A test is asynchronous, so its own thread cannot wait for an answer here.
        let waiting = std::thread::spawn(move || {
            tokio::runtime::Runtime::new()?.block_on(drop.execute()).map_err(anyhow::Error::from)
        });
        match waiting.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the database {} stays: {error:#}", self.name),
            Err(_) => eprintln!("the database {} stays", self.name),
        }
    }
}

impl World {
    /// Another world on the same usage, whose table has no index by entity and none by execution: that of an earlier deployment.
    pub async fn earlier_sibling(&self) -> Result<Self> {
        let sibling = self.sibling().await?;
        let table = format!("{}_earlier", sibling.table);
        create(&self.aws, &table, &[WHOLE]).await?;
        Ok(Self { table, ..sibling })
    }

    /// Another world on the same usage, whose table has the split index by metric.
    pub async fn split_sibling(&self) -> Result<Self> {
        let sibling = self.sibling().await?;
        let table = format!("{}_split", sibling.table);
        create(&self.aws, &table, &[SPLIT]).await?;
        Ok(Self { table, ..sibling })
    }
}

/// * `more`: the indexes of anomalies by time, each with its key.
async fn create(aws: &SdkConfig, name: &str, more: &[(&str, &str)]) -> Result<()> {
    let attribute =
        |name: &str, kind| AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build();
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let index = |name: &str, hash: &str, range: &str| -> Result<GlobalSecondaryIndex> {
        Ok(GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(hash, KeyType::Hash)?)
            .key_schema(key(range, KeyType::Range)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build())
            .build()?)
    };
    let mut table = aws_sdk_dynamodb::Client::new(aws)
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("sk", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("detected_at", ScalarAttributeType::N)?)
        .attribute_definitions(attribute("pending_alert", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("incident_shard", ScalarAttributeType::S)?)
        .attribute_definitions(attribute("last_window", ScalarAttributeType::N)?)
        .key_schema(key("pk", KeyType::Hash)?)
        .key_schema(key("sk", KeyType::Range)?)
        .global_secondary_indexes(index("pending-alerts-index", "pending_alert", "detected_at")?)
        .global_secondary_indexes(index("incidents-index", "incident_shard", "last_window")?);
    for (name, key) in more {
        table = table
            .attribute_definitions(attribute(key, ScalarAttributeType::S)?)
            .global_secondary_indexes(index(name, key, "detected_at")?);
    }
    match table.send().await.map_err(SdkError::into_service_error) {
        // The name is new. So the answer to a first try was lost, and the SDK tried again.
        Err(error) if !error.is_resource_in_use_exception() => Err(error.into()),
        _ => Ok(()),
    }
}

/// A topic, and a queue that gets its messages: their ARN and URL.
pub(crate) async fn create_topic(aws: &SdkConfig, name: &str) -> Result<(String, String)> {
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
