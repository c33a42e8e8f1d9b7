//! The queues of what failed: events of functions, and alerts that channels did not take. People hand these over again.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use platform::aws;

/// Writes to the queues and reads from them.
pub struct FailureQueues {
    client: Client,
}

/// An alert that a channel did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub channel: String,
    /// The alert's JSON text.
    pub message: String,
    pub error: String,
    pub failed_at: Timestamp,
}

/// A failure that a reader holds until it deletes it or hands it back.
#[derive(Clone, Debug)]
pub struct Received {
    /// The same each time that the message is received.
    pub id: String,
    pub body: String,
    /// When it came into the queue.
    pub sent_at: Option<Timestamp>,
    /// The texts that its sender attached, such as the reason of a failure.
    pub attributes: BTreeMap<String, String>,
    receipt: String,
}

impl Received {
    /// A message that no queue has.
    pub fn made_up(body: &str, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let (id, receipt) = (String::new(), String::new());
        Self { id, body: body.to_owned(), sent_at: None, attributes: attributes.collect(), receipt }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum FailureQueueError {
    #[error("cannot {operation} the queue {queue}")]
    Queue {
        operation: &'static str,
        queue: String,
        #[source]
        source: Box<aws_sdk_sqs::Error>,
    },
    #[error("a failure cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// Longest time of a call with all its tries. A put is the last step of a delivery, and little time is left then.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(5);

/// The most messages that SQS gives at once.
const MAX_BATCH: i32 = 10;

impl FailureQueues {
    pub fn new(sdk: &aws::SdkConfig) -> Self {
        let timeouts = aws_sdk_sqs::config::timeout::TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(2))
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let config = aws_sdk_sqs::config::Builder::from(sdk).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config) }
    }

    /// Puts a failure into a queue.
    pub async fn put(&self, queue_url: &str, failure: &Failure) -> Result<(), FailureQueueError> {
        let body = serde_json::to_string(failure).map_err(FailureQueueError::Json)?;
        // SQS refuses these two characters.
        let body = body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        self.send(queue_url, &body).await
    }

    /// Puts a message into a queue.
    pub async fn send(&self, queue_url: &str, body: &str) -> Result<(), FailureQueueError> {
        let put = self.client.send_message().queue_url(queue_url).message_body(body).send().await;
        put.map(drop).map_err(|source| failed("write to", queue_url, source))
    }

    /// About how many messages a queue holds. Those that a reader holds count as well.
    pub async fn count(&self, queue_url: &str) -> Result<u64, FailureQueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let query = self.client.get_queue_attributes().queue_url(queue_url);
        let answer = query.set_attribute_names(Some(names.to_vec())).send().await;
        let found =
            answer.map_err(|source| failed("count", queue_url, source))?.attributes.unwrap_or_default();
        Ok(names.iter().filter_map(|name| found.get(name)?.parse::<u64>().ok()).sum())
    }

    /// The addresses of all queues whose name begins with `prefix`, by name.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, String)>, FailureQueueError> {
        let mut pages =
            self.client.list_queues().queue_name_prefix(prefix).into_paginator().page_size(100).send();
        let mut queues = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|source| failed("list", prefix, source))?;
            for url in page.queue_urls.unwrap_or_default() {
                let name = url.rsplit('/').next().unwrap_or_default().to_owned();
                if name.starts_with(prefix) {
                    queues.push((name, url));
                }
            }
        }
        queues.sort();
        Ok(queues)
    }

    /// Hides messages from other readers for the time `hold`, and returns them. The list is empty when none is left.
    pub async fn receive(
        &self,
        queue_url: &str,
        most: usize,
        hold: Duration,
    ) -> Result<Vec<Received>, FailureQueueError> {
        let answer = self
            .client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(MAX_BATCH).clamp(1, MAX_BATCH))
            .visibility_timeout(i32::try_from(hold.as_secs()).unwrap_or(i32::MAX))
            // Short polling asks only some of the servers. It may find nothing in a queue that has messages.
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(|source| failed("read from", queue_url, source))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(Received::of).collect())
    }

    /// Deletes a message for good.
    pub async fn delete(&self, queue_url: &str, message: &Received) -> Result<(), FailureQueueError> {
        let delete = self.client.delete_message().queue_url(queue_url).receipt_handle(&message.receipt);
        delete.send().await.map(drop).map_err(|source| failed("delete from", queue_url, source))
    }

    /// Makes a message visible to other readers again.
    pub async fn hand_back(&self, queue_url: &str, message: &Received) -> Result<(), FailureQueueError> {
        let change = self.client.change_message_visibility().queue_url(queue_url);
        let change = change.receipt_handle(&message.receipt).visibility_timeout(0);
        change.send().await.map(drop).map_err(|source| failed("hand back to", queue_url, source))
    }
}

impl Received {
    fn of(message: aws_sdk_sqs::types::Message) -> Self {
        let of_queue = message.attributes.unwrap_or_default();
        let sent_at = of_queue.get(&MessageSystemAttributeName::SentTimestamp);
        let attributes = message.message_attributes.unwrap_or_default();
        Self {
            id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            sent_at: sent_at.and_then(|at| Timestamp::from_millisecond(at.parse().ok()?).ok()),
            attributes: attributes
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.string_value?)))
                .collect(),
            receipt: message.receipt_handle.unwrap_or_default(),
        }
    }
}

fn failed(operation: &'static str, queue: &str, source: impl Into<aws_sdk_sqs::Error>) -> FailureQueueError {
    FailureQueueError::Queue { operation, queue: queue.to_owned(), source: Box::new(source.into()) }
}
