//! Alerts to SNS. From there they reach e-mail, chat and on-call.
//!
//! A message has two bodies: `default` is a JSON object for machines, and `email` says the same to people.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::types::MessageAttributeValue;
use environment::{ConfigError, Env};
use serde_json::json;

use platform::aws;
use store::AlertItem;

mod digest;
mod message;
mod pace;
mod report;
mod sending;
#[cfg(test)]
mod tests;
mod text;

use message::Message;
pub use pace::Pace;
pub use sending::{AwsOutlet, Outlet, SendError, Sent, send};

/// The topic of alerts, and the limits of single pages.
#[derive(Clone, Debug)]
pub struct AlertConfig {
    /// `ALERT_TOPIC_ARN`: the SNS topic of critical anomalies.
    pub topic_arn: String,
    /// `MAX_PAGES_PER_RUN`: single pages per run; default 25. One digest stands for all further pages. A shard is a run
    /// of its own, with pages and a digest of its own.
    pub max_per_run: usize,
    /// `MAX_PAGES_PER_CUSTOMER`: single pages per run and customer; default 10.
    pub max_per_customer: usize,
    /// The times of sending. No variable sets them.
    pub pace: Pace,
}

impl AlertConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let config = Self {
            topic_arn: env.required("ALERT_TOPIC_ARN", "the SNS topic of critical anomalies")?,
            max_per_run: env.parsed("MAX_PAGES_PER_RUN", 25, "a whole number")?,
            max_per_customer: env.parsed("MAX_PAGES_PER_CUSTOMER", 10, "a whole number")?,
            pace: Pace::default(),
        };
        // A run keeps all its pages in memory, so more would not fit.
        if config.max_per_run > 1_000 {
            return Err(ConfigError::invalid(
                "MAX_PAGES_PER_RUN",
                config.max_per_run.to_string(),
                "at most 1000",
            ));
        }
        Ok(config)
    }
}

/// Publishes alerts.
pub struct AlertPublisher {
    client: Client,
    topic_arn: String,
    pace: Pace,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot publish the alert {id} to {topic_arn}")]
pub struct AlertError {
    pub id: String,
    pub topic_arn: String,
    #[source]
    pub source: Box<aws_sdk_sns::Error>,
}

impl AlertError {
    /// Whether SNS will refuse this alert for ever. A refusal because of the topic concerns all alerts and does not
    /// count.
    pub fn is_final(&self) -> bool {
        use aws_sdk_sns::error::ProvideErrorMetadata as _;
        let is_invalid = matches!(
            self.source.code(),
            Some(
                "InvalidParameter"
                    | "InvalidParameterException"
                    | "ParameterValueInvalid"
                    | "ValidationException"
            )
        );
        is_invalid && !self.source.message().unwrap_or_default().contains("Arn")
    }
}

impl AlertPublisher {
    pub fn new(config: &AlertConfig, sdk: &aws::SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(config.pace.publish.min(Duration::from_secs(4)))
            .operation_timeout(config.pace.publish)
            .build();
        let config_of_client = aws_sdk_sns::config::Builder::from(sdk)
            .retry_partition(aws::unlimited_retries("alerts"))
            .timeout_config(timeouts)
            .build();
        Self {
            client: Client::from_conf(config_of_client),
            topic_arn: config.topic_arn.clone(),
            pace: config.pace,
        }
    }

    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Publishes one alert. The id is the same on every try, so a receiver can recognise a repetition.
    pub async fn publish(&self, alert: &AlertItem) -> Result<(), AlertError> {
        let message = message_of(alert);
        let bodies = json!({ "default": message.portable_body(), "email": message.email });
        let mut publish = self
            .client
            .publish()
            .topic_arn(&self.topic_arn)
            .subject(message.subject)
            .message_structure("json")
            .message(bodies.to_string());
        for (name, value) in message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            publish =
                publish.message_attributes(name, value.map_err(|source| self.failed(alert, source.into()))?);
        }
        publish.send().await.map(drop).map_err(|source| self.failed(alert, source.into()))
    }

    fn failed(&self, alert: &AlertItem, source: aws_sdk_sns::Error) -> AlertError {
        AlertError { id: alert.id().to_owned(), topic_arn: self.topic_arn.clone(), source: Box::new(source) }
    }
}

fn message_of(alert: &AlertItem) -> Message {
    match alert {
        AlertItem::Anomaly(item) => report::of_anomaly(item),
        AlertItem::Notice(notice) => report::of_notice(notice),
        AlertItem::Digest(digest) => digest::message(digest),
    }
}
