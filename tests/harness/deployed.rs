//! The stack as Terraform deployed it into the local cloud: its function, its table, its queue.

use std::collections::HashMap;

use adapters::aws::SdkConfig;
use adapters::catalog::Catalog;
use adapters::rollup;
use anyhow::{Context, Result, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use crate::world::{clickhouse_client, variable};

pub const FUNCTION: &str = "meterflow-anomaly-detection";
pub const TABLE: &str = "meterflow-anomalies";

pub struct Deployed {
    pub clickhouse: clickhouse::Client,
    pub aws: SdkConfig,
    endpoint: String,
    http: reqwest::Client,
}

impl Deployed {
    /// The deployed stack, its database migrated.
    pub async fn new() -> Result<Self> {
        let (endpoint, database) = (variable("AWS_ENDPOINT_URL")?, variable("CLICKHOUSE_DATABASE")?);
        let clickhouse = clickhouse_client(&variable("CLICKHOUSE_URL")?, &database);
        rollup::migrate(&clickhouse, &database, &Catalog::built_in()?).await?;
        let aws = adapters::aws::config().await.into_builder().endpoint_url(&endpoint).build();
        Ok(Self { clickhouse, aws, endpoint, http: reqwest::Client::new() })
    }

    /// Invokes the detector and returns its summary; an error of the function is an error with its message.
    pub async fn invoke(&self, event: &Value) -> Result<Value> {
        let url = format!("{}/2015-03-31/functions/{FUNCTION}/invocations", self.endpoint);
        let response = self.http.post(url).json(event).send().await?;
        let failed = response.headers().contains_key("x-amz-function-error");
        let status = response.status();
        let answer: Value = response.json().await.context("the function did not answer in JSON")?;
        if failed || !status.is_success() {
            bail!("{FUNCTION} failed: {}", answer["errorMessage"].as_str().unwrap_or(&answer.to_string()));
        }
        Ok(answer)
    }

    /// The stored anomalies of one customer.
    pub async fn anomalies(&self, customer: &str) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let answer = aws_sdk_dynamodb::Client::new(&self.aws)
            .query()
            .table_name(TABLE)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(format!("CUSTOMER#{customer}")))
            .send()
            .await?;
        Ok(answer.items.unwrap_or_default())
    }

    /// Deletes the stored anomalies of one customer, such as those of an earlier run of a test.
    pub async fn forget(&self, customer: &str) -> Result<()> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws);
        for item in self.anomalies(customer).await? {
            let (pk, sk) = (item["pk"].clone(), item["sk"].clone());
            client.delete_item().table_name(TABLE).key("pk", pk).key("sk", sk).send().await?;
        }
        Ok(())
    }

    /// The lines that the function logged, as JSON.
    pub async fn log_lines(&self) -> Result<Vec<Value>> {
        let request = json!({ "logGroupName": format!("/aws/lambda/{FUNCTION}"), "limit": 10_000 });
        let answer: Value = self
            .http
            .post(&self.endpoint)
            .header("x-amz-target", "Logs_20140328.FilterLogEvents")
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/logs/aws4_request")
            .body(request.to_string())
            .send()
            .await?
            .json()
            .await?;
        let events = answer["events"].as_array().cloned().unwrap_or_default();
        Ok(events.iter().filter_map(|event| serde_json::from_str(event["message"].as_str()?).ok()).collect())
    }
}

/// An event of `events/`, with its time changed to `time`.
pub fn event(name: &str, time: &str) -> Result<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/");
    let text = std::fs::read_to_string(format!("{path}{name}.json"))
        .with_context(|| format!("events/{name}.json"))?;
    let mut event: Value = serde_json::from_str(&text)?;
    event["time"] = json!(time);
    Ok(event)
}
