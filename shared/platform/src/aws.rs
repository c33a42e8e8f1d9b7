//! How AWS is called: with time limits on every call and with jittered retries that end.

use std::time::Duration;

pub use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_sdk_ssm::config::retry::{RetryPartition, TokenBucket};

/// The configuration of all AWS clients: region and credentials from the environment.
pub async fn config() -> SdkConfig {
    loader().load().await
}

/// What [`config`] loads, for whoever has to change a part of it before.
///
/// A call that gets no answer is given up after five seconds and tried again. An operation with all its tries ends
/// after twenty seconds, so a service that is away for less than that fails no run, and one that is away hangs none.
pub fn loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(20))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .retry_config(RetryConfig::standard().with_max_attempts(20).with_max_backoff(Duration::from_secs(5)))
        .timeout_config(timeouts)
}

/// Why AWS cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(
        "no AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile of ~/.aws/config that has one, and run the \
         command again"
    )]
    NoRegion,
    #[error(
        "no AWS credentials were found in the environment, in ~/.aws or from an instance role: run `aws sso login` or \
         `aws configure`, or set AWS_PROFILE, and run the command again"
    )]
    NoCredentials(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
}

/// Refuses to begin where a person forgot to say which account is meant.
pub async fn ensure_account(sdk: &SdkConfig) -> Result<(), AccountError> {
    use aws_sdk_ssm::config::ProvideCredentials as _;
    if sdk.region().is_none() {
        return Err(AccountError::NoRegion);
    }
    let provider = sdk.credentials_provider().ok_or(AccountError::NoCredentials(None))?;
    provider
        .provide_credentials()
        .await
        .map(drop)
        .map_err(|error| AccountError::NoCredentials(Some(error.into())))
}

/// Retries without the SDK's quota, which is a hundred or so, shared by all clients of a service in a process.
///
/// In a throttled burst it is used up within a second, and then nothing is tried again that should be. The calls in
/// flight, the tries of each, its time limit and the run's deadline are bounds enough.
pub fn unlimited_retries(name: &'static str) -> RetryPartition {
    RetryPartition::custom(name).token_bucket(TokenBucket::unlimited()).build()
}
