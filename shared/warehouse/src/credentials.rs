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
    // The source of a JSON error would quote the secret. The error names the place only.
    #[error("the secret {arn} is not {{\"username\": …, \"password\": …}} (line {line}, column {column})")]
    Format { arn: String, line: usize, column: usize },
}

#[derive(Clone, Deserialize)]
pub(crate) struct Login {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl Credentials {
    pub(crate) fn new(config: &ClickHouseConfig, aws: &aws_config::SdkConfig) -> Self {
        match &config.secret_arn {
            Some(arn) => Self::Secret { secrets: Secrets::new(aws), arn: arn.clone() },
            None => Self::Fixed(Login {
                username: config.user.clone().unwrap_or_else(|| "default".to_owned()),
                password: config.password.clone().unwrap_or_default(),
            }),
        }
    }

    pub(crate) async fn get(&self) -> Result<Login, CredentialsError> {
        match self {
            Self::Fixed(login) => Ok(login.clone()),
            Self::Secret { secrets, arn } => {
                let text = secrets.get(arn).await.map_err(CredentialsError::Read)?;
                serde_json::from_str(&text).map_err(|error| CredentialsError::Format {
                    arn: arn.clone(),
                    line: error.line(),
                    column: error.column(),
                })
            }
        }
    }

    /// Has the next call of [`Self::get`] read the secret anew. `false` where there is no secret.
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
