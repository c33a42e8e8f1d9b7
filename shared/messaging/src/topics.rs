//! SNS topics that the notifier writes to: the daily digest for people, and Amazon Q in chat applications.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::timeout::TimeoutConfig;

use platform::aws;

/// Publishes texts.
pub struct Topics {
    client: Client,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot publish to {topic_arn}")]
pub struct TopicError {
    pub topic_arn: String,
    #[source]
    pub source: Box<aws_sdk_sns::Error>,
}

impl TopicError {
    /// Whether a later try may succeed. A missing or forbidden topic needs a person.
    pub fn passes(&self) -> bool {
        use aws_sdk_sns::error::ProvideErrorMetadata as _;
        let code = self.source.code();
        !matches!(code, Some("NotFound" | "NotFoundException" | "AuthorizationError" | "InvalidParameter"))
    }
}

/// Longest time of a publish with all its tries.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

impl Topics {
    pub fn new(sdk: &aws::SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(4))
            .operation_timeout(PUBLISH_TIMEOUT)
            .build();
        let config = aws_sdk_sns::config::Builder::from(sdk)
            .retry_partition(aws::unlimited_retries("topics"))
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config) }
    }

    /// Publishes a text. A subject makes it an e-mail.
    pub async fn publish(
        &self,
        topic_arn: &str,
        subject: Option<&str>,
        text: &str,
    ) -> Result<(), TopicError> {
        let publish = self.client.publish().topic_arn(topic_arn).message(text);
        let publish = publish.set_subject(subject.map(str::to_owned)).send().await;
        publish
            .map(drop)
            .map_err(|source| TopicError { topic_arn: topic_arn.to_owned(), source: Box::new(source.into()) })
    }
}
