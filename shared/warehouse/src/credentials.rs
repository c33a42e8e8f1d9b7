//! The ClickHouse user and password: fixed, or from a secret that may be rotated at any time.

use platform::secrets::{SecretError, Secrets};
use serde::Deserialize;

use crate::config::ClickHouseConfig;

pub(crate) enum Credentials {
    Fixed(Login),
    Secret { secrets: Secrets, arn: String },
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error(transparent)]
    Read(SecretError),
    // The source of a JSON error would quote the secret. So the error names only the place.
    #[error("the secret {arn} is not {{\"username\": …, \"password\": …}} (line {line}, column {column})")]
    Format { arn: String, line: usize, column: usize },
}

/// A ClickHouse user and password.
#[derive(Clone, Deserialize)]
pub struct Login {
    pub username: String,
    pub password: String,
}

impl Default for Login {
    /// The user of a server without users.
    fn default() -> Self {
        Self { username: "default".to_owned(), password: String::new() }
    }
}

impl Login {
    /// The login in the text of a secret.
    pub fn of_secret(arn: &str, text: &str) -> Result<Self, CredentialsError> {
        serde_json::from_str(text).map_err(|error| CredentialsError::Format {
            arn: arn.to_owned(),
            line: error.line(),
            column: error.column(),
        })
    }
}

impl Credentials {
    pub(crate) fn new(config: &ClickHouseConfig, aws: &aws_config::SdkConfig) -> Self {
        match &config.secret_arn {
            Some(arn) => Self::Secret { secrets: Secrets::new(aws), arn: arn.clone() },
            None => Self::Fixed(Login {
                username: config.user.clone().unwrap_or_else(|| Login::default().username),
                password: config.password.clone().unwrap_or_default(),
            }),
        }
    }

    pub(crate) async fn get(&self) -> Result<Login, CredentialsError> {
        match self {
            Self::Fixed(login) => Ok(login.clone()),
            Self::Secret { secrets, arn } => {
                let text = secrets.get(arn).await.map_err(CredentialsError::Read)?;
                Login::of_secret(arn, &text)
            }
        }
    }

    /// Lets the next call of [`Self::get`] read the secret again. Returns `false` without a secret.
    pub(crate) fn forget(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Secret { secrets, arn } => {
                secrets.forget(arn);
                true
            }
        }
    }
}
