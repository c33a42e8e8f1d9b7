//! Asks the detector for a check of one event, and waits for its answer.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use detection::CustomerId;
use platform::aws;
use serde::Deserialize;
use serde_json::{Value, json};

/// The `detail-type` of an event that asks for a check.
const DETAIL_TYPE: &str = "Execution Completed";

/// Time for one call with a cold start. A call that is given up goes on in the function, and the same event can be checked
/// again.
const CALL_TIME: Duration = Duration::from_secs(15);

/// The Lambda function that checks single events. It is the detector's program, with room for many calls at once.
pub struct ChecksFunction {
    client: Client,
    name: String,
}

/// What became of a check.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Checked(Value),
    Unjudged(Unjudged),
}

/// Why an event was not judged.
#[derive(Debug, Deserialize)]
pub(crate) struct Unjudged {
    pub(crate) reason: String,
    pub(crate) message: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error("cannot call the function {name}")]
    Call {
        name: String,
        #[source]
        source: Box<aws_sdk_lambda::Error>,
    },
    #[error("the function {name} failed: {message}")]
    Failed { name: String, message: String },
    #[error("the answer of the function {name} cannot be understood")]
    Answer {
        name: String,
        #[source]
        source: serde_json::Error,
    },
}

impl ChecksFunction {
    pub fn new(name: &str, sdk: &aws::SdkConfig) -> Self {
        let times = TimeoutConfig::builder()
            .operation_attempt_timeout(CALL_TIME)
            .operation_timeout(CALL_TIME)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(sdk).timeout_config(times).build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }

    /// * `customer`: the one that the event must be of.
    pub(crate) async fn check(
        &self,
        source: &str,
        id: &str,
        customer: Option<&CustomerId>,
    ) -> Result<Outcome, CheckError> {
        let detail = json!({ "source": source, "id": id, "customer_id": customer });
        let event = json!({ "detail-type": DETAIL_TYPE, "detail": detail });
        let answer = self
            .client
            .invoke()
            .function_name(&self.name)
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|source| CheckError::Call {
                name: self.name.clone(),
                source: Box::new(source.into()),
            })?;
        let payload = answer.payload.unwrap_or_else(|| Blob::new(Vec::new())).into_inner();
        if answer.function_error.is_some() {
            let message = String::from_utf8_lossy(&payload).into_owned();
            return Err(CheckError::Failed { name: self.name.clone(), message });
        }
        serde_json::from_slice(&payload)
            .map_err(|source| CheckError::Answer { name: self.name.clone(), source })
    }
}
