//! The stack as Terraform deployed it into the local cloud: its functions and its table.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws_sdk_dynamodb::types::AttributeValue;
use platform::aws::SdkConfig;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::{END, at, clickhouse_client, insert, steady_then, timestamp, variable};

pub const DETECTOR: &str = "meterflow-anomaly-detection";
pub const API: &str = "meterflow-anomaly-api";
pub const TABLE: &str = "meterflow-anomalies";

pub struct Deployed {
    pub clickhouse: clickhouse::Client,
    pub aws: SdkConfig,
    endpoint: String,
    http: reqwest::Client,
}

impl Deployed {
    /// The deployed stack. Its tables and views were made with it: a migration beside the inserts of another test would
    /// compute the hours of those inserts again.
    pub async fn new() -> Result<Self> {
        let (endpoint, database) = (variable("AWS_ENDPOINT_URL")?, variable("CLICKHOUSE_DATABASE")?);
        let clickhouse = clickhouse_client(&variable("CLICKHOUSE_URL")?, &database);
        let aws = platform::aws::config().await.into_builder().endpoint_url(&endpoint).build();
        Ok(Self { clickhouse, aws, endpoint, http: reqwest::Client::new() })
    }

    /// Invokes the detector and returns its summary. An error of the function is an error with its message.
    pub async fn invoke(&self, event: &Value) -> Result<Value> {
        self.invoke_function(DETECTOR, event).await
    }

    /// The same with any function of the stack, by its alias. Everything in production invokes the alias.
    pub async fn invoke_function(&self, function: &str, event: &Value) -> Result<Value> {
        let url = format!("{}/2015-03-31/functions/{function}/invocations?Qualifier=live", self.endpoint);
        let mut response = self.http.post(&url).json(event).send().await?;
        // Few copies of the detector may run at once, and other tests may be using all of them.
        for _ in 0..200 {
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            response = self.http.post(&url).json(event).send().await?;
        }
        let failed = response.headers().contains_key("x-amz-function-error");
        let status = response.status();
        let answer: Value = response.json().await.context("the function did not answer in JSON")?;
        if failed || !status.is_success() {
            bail!("{function} failed: {}", answer["errorMessage"].as_str().unwrap_or(&answer.to_string()));
        }
        Ok(answer)
    }

    /// Makes a critical anomaly of the compute time of each of these customers at this hour, by the detector.
    pub async fn make_anomalies(&self, customers: &[&str], hour: &str) -> Result<()> {
        for customer in customers {
            self.forget(customer, hour).await?;
            insert(&self.clickhouse, &steady_then(customer, at(hour), 90_000_000.0)).await?;
        }
        for some in customers.chunks(100) {
            let event = json!({ "time": hour, "detail": { "customer_ids": some } });
            let summary = self.invoke(&event).await?;
            if summary["recorded"] != some.len() {
                bail!("not one anomaly for each of {some:?}: {summary}");
            }
        }
        Ok(())
    }

    /// The stored anomalies of one customer at one hour.
    pub async fn anomalies(
        &self,
        customer: &str,
        hour: &str,
    ) -> Result<Vec<HashMap<String, AttributeValue>>> {
        self.items_of(customer, format!("ANOMALY#{}#", at(hour).as_millisecond())).await
    }

    async fn items_of(
        &self,
        customer: &str,
        sort_key: String,
    ) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let answer = aws_sdk_dynamodb::Client::new(&self.aws)
            .query()
            .table_name(TABLE)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(format!("CUSTOMER#{customer}")))
            .expression_attribute_values(":sk", AttributeValue::S(sort_key))
            .send()
            .await?;
        Ok(answer.items.unwrap_or_default())
    }

    /// Deletes the stored anomalies of one customer at one hour, such as those of an earlier run of a test, and the
    /// customer's incidents.
    pub async fn forget(&self, customer: &str, hour: &str) -> Result<()> {
        let client = aws_sdk_dynamodb::Client::new(&self.aws);
        let anomalies = self.anomalies(customer, hour).await?;
        for item in anomalies.into_iter().chain(self.items_of(customer, "INCIDENT#".to_owned()).await?) {
            let (pk, sk) = (item["pk"].clone(), item["sk"].clone());
            client.delete_item().table_name(TABLE).key("pk", pk).key("sk", sk).send().await?;
        }
        Ok(())
    }

    /// The routes of the HTTP API of this id, as the gateway lists them.
    pub async fn routes(&self, api_id: &str) -> Result<Vec<Value>> {
        let url = format!("{}/v2/apis/{api_id}/routes", self.endpoint);
        let mut answer: Value = self.http.get(url).send().await?.json().await?;
        match answer["items"].take() {
            Value::Array(routes) => Ok(routes),
            _ => bail!("the gateway lists no routes: {answer}"),
        }
    }

    /// The lines with this text that a function logged, as JSON. An empty text matches all lines.
    pub async fn log_lines(&self, function: &str, text: &str) -> Result<Vec<Value>> {
        let group = format!("/aws/lambda/{function}");
        let request = json!({ "logGroupName": group, "filterPattern": text, "limit": 10_000 });
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

/// The policy of a function's role, as Terraform deployed it.
pub async fn role_policy(function: &str) -> Result<Value> {
    let role = format!("{function}-{}", variable("AWS_REGION")?);
    let answer = reqwest::Client::new()
        .post(variable("AWS_ENDPOINT_URL")?)
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test/20261121/us-east-1/iam/aws4_request")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("Action=GetRolePolicy&Version=2010-05-08&RoleName={role}&PolicyName=permissions"))
        .send()
        .await?
        .text()
        .await?;
    let (_, rest) =
        answer.split_once("<PolicyDocument>").with_context(|| format!("no policy in {answer}"))?;
    let (document, _) = rest.split_once("</PolicyDocument>").context("a policy without an end")?;
    let text = percent_encoding::percent_decode_str(document).decode_utf8()?;
    serde_json::from_str(&text).with_context(|| format!("the policy of {role} is not JSON: {text}"))
}

/// An event of `events/`. Its hour `2026-11-21T13:00:00Z` becomes `hour` everywhere in it.
pub fn event(name: &str, hour: &str) -> Result<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/");
    let text = std::fs::read_to_string(format!("{path}{name}.json"))
        .with_context(|| format!("events/{name}.json"))?;
    let milliseconds = |hour: &str| at(hour).as_millisecond().to_string();
    let text = text.replace(END, hour).replace(&milliseconds(END), &milliseconds(hour));
    Ok(serde_json::from_str(&text)?)
}

/// The full hour this many days ago. Tests of the deployed stack share its tables, so each has days of its own. The
/// schedule checks today, and anomalies that are 90 days old have expired.
pub fn hour_ago(days: i64) -> String {
    assert!(days < 90, "what is found there is deleted at the next look for what has expired");
    let now = at(END).max(timestamp());
    let hour = now.as_second() / 3_600 - days * 24;
    jiff::Timestamp::from_second(hour * 3_600).expect("a time of this century").to_string()
}
