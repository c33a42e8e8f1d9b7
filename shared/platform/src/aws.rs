//! AWS clients. Every call has a time limit. Retries have jitter and end.

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

/// The loader behind [`config`], for callers that change a part of it before they load.
///
/// A call without an answer is given up after five seconds and tried again. An operation with all its tries ends after
/// twenty seconds. So a service that is away for a shorter time fails no run, and a service that stays away hangs no
/// run.
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

/// Reasons why AWS cannot be called at all.
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

/// Refuses to begin if the environment does not say which account is meant.
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

/// Retries without the SDK's quota. The quota allows about a hundred retries, and all clients of a service in a process
/// share it.
///
/// A throttled burst uses up the quota within a second. Later calls would then get no retry. Four other limits are
/// enough: the calls in flight, the tries of each call, its time limit and the deadline of the run.
pub fn unlimited_retries(name: &'static str) -> RetryPartition {
    RetryPartition::custom(name).token_bucket(TokenBucket::unlimited()).build()
}
