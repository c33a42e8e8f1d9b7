//! The functions of a stack, as the command line calls them.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use platform::aws;

/// The alias of each function of a stack. It points at the version that runs, which may be an earlier one.
const ALIAS: &str = "live";

/// Longest wait for the answer of a function: a little more than the time limit of the notifier.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Calls functions of Lambda.
pub(crate) struct Functions {
    client: Client,
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

impl Functions {
    pub(crate) fn new(sdk: &aws::SdkConfig) -> Self {
        // A function answers within its own time limit, which is longer than the limit of other calls. A second call
        // after a lost answer would wait for the work of the first.
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ANSWER_TIMEOUT)
            .operation_timeout(ANSWER_TIMEOUT)
            .build();
        let config = aws_sdk_lambda::config::Builder::from(sdk).timeout_config(timeouts).build();
        Self { client: Client::from_conf(config) }
    }

    /// Calls a function and waits for its answer.
    pub(crate) async fn call(
        &self,
        name: &str,
        event: &serde_json::Value,
    ) -> Result<serde_json::Value, CallError> {
        let answer = self.invoke(name, InvocationType::RequestResponse, event).await?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        let value: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
        match answer.function_error {
            None => Ok(value),
            Some(kind) => {
                let message = value["errorMessage"].as_str().map_or(kind, str::to_owned);
                Err(CallError::Failed { name: name.to_owned(), message })
            }
        }
    }

    /// Has Lambda start a function, with its tries and its queue of failures.
    pub(crate) async fn start(&self, name: &str, event: &serde_json::Value) -> Result<(), CallError> {
        self.invoke(name, InvocationType::Event, event).await.map(drop)
    }

    async fn invoke(
        &self,
        name: &str,
        how: InvocationType,
        event: &serde_json::Value,
    ) -> Result<InvokeOutput, CallError> {
        let call = self.client.invoke().function_name(name).qualifier(ALIAS).invocation_type(how);
        let answer = call.payload(Blob::new(event.to_string())).send().await;
        answer.map_err(|source| CallError::Call { name: name.to_owned(), source: Box::new(source.into()) })
    }
}
