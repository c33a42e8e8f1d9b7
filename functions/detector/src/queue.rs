//! Finished events that come by a queue, some at a time.
//!
//! The answer names the messages that failed. The queue sends only those again, and after some tries moves them to the queue
//! of messages that nobody could judge. So no message is lost, and none keeps another one back.

use std::time::Instant;

use anyhow::Context;
use futures::stream::{self, StreamExt};
use platform::telemetry::error_chain;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::App;
use crate::event::{EventRequest, check_event};

/// Events that are judged at once.
const AT_ONCE: usize = 8;

/// Messages of a queue.
#[derive(Debug, Deserialize)]
pub struct Messages {
    #[serde(rename = "Records")]
    records: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(rename = "messageId")]
    id: String,
    /// An event of EventBridge, as JSON text.
    body: String,
}

/// The messages that the queue is to send again.
#[derive(Debug, Default, Serialize)]
pub struct Failures {
    #[serde(rename = "batchItemFailures")]
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
struct Failure {
    #[serde(rename = "itemIdentifier")]
    id: String,
}

impl Messages {
    /// The messages in an event of SQS. `None` for any other event.
    ///
    /// # Errors
    ///
    /// When records of SQS have another shape.
    pub fn from_event(event: &Value) -> anyhow::Result<Option<Self>> {
        let is_of_queue = event["Records"][0]["eventSource"] == "aws:sqs";
        let read = || Self::deserialize(event).context("the messages of the queue cannot be understood");
        is_of_queue.then(read).transpose()
    }

    /// Judges the event of each message.
    pub async fn check(self, app: &App, deadline: Instant) -> Failures {
        let checked = stream::iter(self.records).map(|message| async move {
            let checked = message.check(app, deadline).await;
            checked.err().map(|error| {
                tracing::error!(
                    message.id = message.id,
                    error = error_chain(error.as_ref()),
                    "a finished event was not judged: the queue sends it again"
                );
                Failure { id: message.id }
            })
        });
        let failures: Vec<Option<Failure>> = checked.buffer_unordered(AT_ONCE).collect().await;
        Failures { failures: failures.into_iter().flatten().collect() }
    }
}

impl Message {
    async fn check(&self, app: &App, deadline: Instant) -> anyhow::Result<()> {
        let event: Value = serde_json::from_str(&self.body).context("the message is no JSON")?;
        let request = EventRequest::from_event(&event)?.with_context(|| {
            format!("the message is no event `Execution Completed`, but `{}`", event["detail-type"])
        })?;
        let checked = check_event(app, &request, deadline).await?;
        tracing::info!(
            event.source = checked.source,
            event.id = checked.id,
            event.anomalies = checked.recorded + checked.already_recorded,
            event.duration_ms = checked.duration_ms,
            "finished event judged"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_messages_of_a_queue_are_taken_for_such() {
        let event = json!({ "Records": [{ "eventSource": "aws:sqs", "messageId": "1", "body": "{}", "attributes": {} }] });
        assert_eq!(Messages::from_event(&event).unwrap().unwrap().records.len(), 1);
        for other in [json!({}), json!({ "time": "x" }), json!({ "Records": [{ "eventSource": "aws:sns" }] })]
        {
            assert!(Messages::from_event(&other).unwrap().is_none(), "{other}");
        }
        let broken = json!({ "Records": [{ "eventSource": "aws:sqs", "body": 7 }] });
        assert!(Messages::from_event(&broken).is_err());
    }

    #[test]
    fn the_answer_names_what_failed() {
        let failures = Failures { failures: vec![Failure { id: "1".to_owned() }] };
        assert_eq!(
            serde_json::to_value(failures).unwrap(),
            json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] })
        );
    }
}
