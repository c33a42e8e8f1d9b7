//! The notifier's function, as the command line calls it.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use platform::aws;

/// The alias of each function of a stack. It points at the version that runs, which may be an earlier one.
const ALIAS: &str = "live";

/// Longest wait for the answer of the function: a little more than its own time limit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// The notifier's Lambda function. A call waits for its answer.
pub(crate) struct NotifierFunction {
    client: Client,
    name: String,
}

/// Reasons why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("cannot call the function {name}")]
    Call {
        name: String,
        #[source]
        source: Box<aws_sdk_lambda::Error>,
    },
    #[error("the function {name} failed: {message}")]
    Failed { name: String, message: String },
}

impl NotifierFunction {
    pub(crate) fn new(name: &str, sdk: &aws::SdkConfig) -> Self {
        // The function answers within its own time limit, which is longer than the limit of other calls. A second call
        // after a lost answer would wait for the work of the first.
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ANSWER_TIMEOUT)
            .operation_timeout(ANSWER_TIMEOUT)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(sdk).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config), name: name.to_owned() }
    }

    /// Calls the function and waits for its answer.
    pub(crate) async fn call(&self, event: &serde_json::Value) -> Result<serde_json::Value, CallError> {
        let answer = self
            .client
            .invoke()
            .function_name(&self.name)
            .qualifier(ALIAS)
            .invocation_type(InvocationType::RequestResponse)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map_err(|source| CallError::Call { name: self.name.clone(), source: Box::new(source.into()) })?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let value: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
        match answer.function_error {
            None => Ok(value),
            Some(kind) => {
                let message = value["errorMessage"].as_str().map_or(kind, str::to_owned);
                Err(CallError::Failed { name: self.name.clone(), message })
            }
        }
    }
}
