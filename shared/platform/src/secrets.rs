//! Secrets that are plain text: tokens, keys and secret addresses. They may be rotated at any time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;

use crate::aws;

/// Time until a cached secret is fetched again.
const TIME_TO_LIVE: Duration = Duration::from_secs(300);

/// Reads secrets by ARN and keeps them for minutes.
pub struct Secrets {
    client: Client,
    cached: Mutex<HashMap<String, (String, Instant)>>,
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read the secret {arn}")]
    Read {
        arn: String,
        #[source]
        source: Box<aws_sdk_secretsmanager::Error>,
    },
    #[error("the secret {arn} has no text")]
    Empty { arn: String },
}

impl SecretError {
    /// Whether a later try may succeed. A missing or forbidden secret needs a person.
    pub fn passes(&self) -> bool {
        use aws_sdk_secretsmanager::error::ProvideErrorMetadata as _;
        let Self::Read { source, .. } = self else { return false };
        !matches!(
            source.code(),
            Some(
                "ResourceNotFoundException"
                    | "AccessDeniedException"
                    | "DecryptionFailure"
                    | "InvalidRequestException"
                    | "InvalidParameterException"
            )
        )
    }
}

impl Secrets {
    pub fn new(sdk: &aws::SdkConfig) -> Self {
        Self { client: Client::new(sdk), cached: Mutex::default() }
    }

    /// The text of a secret, without white space around it.
    pub async fn get(&self, arn: &str) -> Result<String, SecretError> {
        if let Some((text, fetched)) = self.cached().get(arn)
            && fetched.elapsed() < TIME_TO_LIVE
        {
            return Ok(text.clone());
        }
        // No lock is held here. One secret that hangs must not keep other channels from their secrets.
        self.fetch(arn).await
    }

    /// The text as it is now. The cache is not used.
    pub async fn fetch(&self, arn: &str) -> Result<String, SecretError> {
        let answer =
            self.client.get_secret_value().secret_id(arn).send().await.map_err(|source| {
                SecretError::Read { arn: arn.to_owned(), source: Box::new(source.into()) }
            })?;
        let text = answer.secret_string().unwrap_or_default().trim().to_owned();
        if text.is_empty() {
            return Err(SecretError::Empty { arn: arn.to_owned() });
        }
        self.cached().insert(arn.to_owned(), (text.clone(), Instant::now()));
        Ok(text)
    }

    /// Removes a secret from the cache because a receiver refused it. The next [`Self::get`] reads it again.
    pub fn forget(&self, arn: &str) {
        self.cached().remove(arn);
    }

    fn cached(&self) -> std::sync::MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
