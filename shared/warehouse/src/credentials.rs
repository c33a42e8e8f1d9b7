//! The ClickHouse user and password: fixed, or from a secret that may be rotated at any time.

use std::time::{Duration, Instant};

use aws_sdk_secretsmanager::Client;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::config::ClickHouseConfig;

/// How long a fetched secret is used before it is fetched again.
const TIME_TO_LIVE: Duration = Duration::from_secs(300);

pub(crate) enum Credentials {
    Fixed { user: String, password: String },
    Secret { client: Client, arn: String, cached: Mutex<Option<(Login, Instant)>> },
}

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("cannot read the secret {arn}")]
    Read {
        arn: String,
        #[source]
        source: Box<aws_sdk_secretsmanager::Error>,
    },
    // The source of a JSON error would quote the secret, so only its place is told.
    #[error("the secret {arn} is not {{\"username\": …, \"password\": …}} (line {line}, column {column})")]
    Format { arn: String, line: usize, column: usize },
    #[error("the secret {arn} has no text")]
    Empty { arn: String },
}

#[derive(Clone, Deserialize)]
pub(crate) struct Login {
    username: String,
    password: String,
}

impl Credentials {
    pub(crate) fn new(config: &ClickHouseConfig, aws: &aws_config::SdkConfig) -> Self {
        match &config.secret_arn {
            Some(arn) => {
                Self::Secret { client: Client::new(aws), arn: arn.clone(), cached: Mutex::new(None) }
            }
            None => Self::Fixed {
                user: config.user.clone().unwrap_or_else(|| "default".to_owned()),
                password: config.password.clone().unwrap_or_default(),
            },
        }
    }

    /// User and password.
    pub(crate) async fn get(&self) -> Result<(String, String), CredentialsError> {
        match self {
            Self::Fixed { user, password } => Ok((user.clone(), password.clone())),
            Self::Secret { client, arn, cached } => {
                let mut cached = cached.lock().await;
                let login = match &*cached {
                    Some((login, fetched)) if fetched.elapsed() < TIME_TO_LIVE => login.clone(),
                    _ => {
                        let login = fetch(client, arn).await?;
                        *cached = Some((login.clone(), Instant::now()));
                        login
                    }
                };
                Ok((login.username, login.password))
            }
        }
    }

    /// Drops what is cached. `false` where there is nothing that could be fetched anew.
    pub(crate) async fn forget(&self) -> bool {
        match self {
            Self::Fixed { .. } => false,
            Self::Secret { cached, .. } => {
                *cached.lock().await = None;
                true
            }
        }
    }
}

async fn fetch(client: &Client, arn: &str) -> Result<Login, CredentialsError> {
    let answer =
        client.get_secret_value().secret_id(arn).send().await.map_err(|source| CredentialsError::Read {
            arn: arn.to_owned(),
            source: Box::new(source.into()),
        })?;
    let text = answer.secret_string().ok_or_else(|| CredentialsError::Empty { arn: arn.to_owned() })?;
    serde_json::from_str(text).map_err(|error| CredentialsError::Format {
        arn: arn.to_owned(),
        line: error.line(),
        column: error.column(),
    })
}
