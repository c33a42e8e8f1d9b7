//! Starts the detector on demand.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use platform::aws;

/// The detector's Lambda function. A call only hands over the event. Lambda keeps the event and runs it when the
/// detector's single slot is free.
pub struct DetectorFunction {
    client: Client,
    name: String,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot hand an event to the function {name}")]
pub struct InvocationError {
    name: String,
    #[source]
    source: Box<aws_sdk_lambda::Error>,
}

impl DetectorFunction {
    pub fn new(name: &str, sdk: &aws::SdkConfig) -> Self {
        Self { client: Client::new(sdk), name: name.to_owned() }
    }

    /// Hands over an event. Lambda runs it soon.
    pub async fn start(&self, event: &serde_json::Value) -> Result<(), InvocationError> {
        self.client
            .invoke()
            .function_name(&self.name)
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .map(drop)
            .map_err(|source| InvocationError { name: self.name.clone(), source: Box::new(source.into()) })
    }
}
