//! Whom the API believes, and whom it asks to run.

use environment::{ConfigError, Env};

/// Whom the API believes, and whom it asks to run.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// `DETECTOR_FUNCTION_NAME`: the Lambda function that runs are started with.
    pub detector_function: String,
    /// `SCOPE_READ`: the scope of a token that may read; default `anomalies:read`.
    pub scope_read: String,
    /// `SCOPE_WRITE`: that of one that may acknowledge, resolve and reopen; default `anomalies:write`.
    pub scope_write: String,
    /// `SCOPE_ADMIN`: that of one that sees all customers and changes settings; default `anomalies:admin`.
    pub scope_admin: String,
}

impl ApiConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let scope = |variable, default: &str| env.get(variable).unwrap_or_else(|| default.to_owned());
        Ok(Self {
            detector_function: env
                .required("DETECTOR_FUNCTION_NAME", "the Lambda function of the detector")?,
            scope_read: scope("SCOPE_READ", "anomalies:read"),
            scope_write: scope("SCOPE_WRITE", "anomalies:write"),
            scope_admin: scope("SCOPE_ADMIN", "anomalies:admin"),
        })
    }
}
