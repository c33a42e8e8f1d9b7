//! The scopes that the API accepts, its limits, and the functions that it calls.

use std::time::Duration;

use environment::{ConfigError, Env};
use store::Allowance;

/// The scopes that the API accepts, its limits, and the functions that it calls.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// `DETECTOR_FUNCTION_NAME`: the Lambda function of the detector.
    pub detector_function: String,
    /// `CHECKS_FUNCTION`: the Lambda function that checks single events of sources. Without it no event is checked on request.
    pub checks_function: Option<String>,
    /// `SCOPE_READ`: the scope of a token that may read; default `anomalies:read`.
    pub scope_read: String,
    /// `SCOPE_WRITE`: the scope of a token that may acknowledge, resolve and reopen, and check
    /// events; default `anomalies:write`.
    pub scope_write: String,
    /// The work that a customer's token may use in a minute. An operator may use ten times as much.
    ///
    /// `TENANT_REQUESTS_PER_MINUTE`: requests that read usage; default 120.
    /// `TENANT_CLICKHOUSE_SECONDS_PER_MINUTE`: time of reading usage, all requests together; default 20.
    pub allowance: Allowance,
    /// `SCOPE_ADMIN`: the scope of a token that sees all customers and changes settings; default `anomalies:admin`.
    pub scope_admin: String,
    /// `SLACK_SIGNING_SECRET_ARNS`: the secrets that Slack's requests are verified by, separated by commas. Without them
    /// pages in Slack have no buttons.
    pub slack_signing_secret_arns: Vec<String>,
    /// `ALLOW_LOOPBACK`: `true` lets answers to Slack, and channels, go to this machine. For tests and the local cloud.
    pub allow_loopback: bool,
}

impl ApiConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let scope = |variable, default: &str| env.get(variable).unwrap_or_else(|| default.to_owned());
        Ok(Self {
            detector_function: env
                .required("DETECTOR_FUNCTION_NAME", "the Lambda function of the detector")?,
            checks_function: env.get("CHECKS_FUNCTION"),
            allowance: allowance(env)?,
            scope_read: scope("SCOPE_READ", "anomalies:read"),
            scope_write: scope("SCOPE_WRITE", "anomalies:write"),
            scope_admin: scope("SCOPE_ADMIN", "anomalies:admin"),
            slack_signing_secret_arns: list(env.get("SLACK_SIGNING_SECRET_ARNS").as_deref()),
            allow_loopback: env.parsed("ALLOW_LOOPBACK", false, "true or false")?,
        })
    }
}

fn list(text: Option<&str>) -> Vec<String> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn allowance(env: &Env<'_>) -> Result<Allowance, ConfigError> {
    const REQUESTS: &str = "TENANT_REQUESTS_PER_MINUTE";
    const SECONDS: &str = "TENANT_CLICKHOUSE_SECONDS_PER_MINUTE";
    let requests = env.parsed(REQUESTS, 120, "a whole number")?;
    let seconds = env.parsed(SECONDS, 20, "a whole number of seconds")?;
    for (variable, number) in [(REQUESTS, requests), (SECONDS, seconds)] {
        if number == 0 {
            return Err(ConfigError::invalid(variable, number.to_string(), "at least 1"));
        }
    }
    Ok(Allowance { requests, work: Duration::from_secs(seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_may_use_something() {
        let of =
            |variables: &[(&str, &str)]| allowance(&Env::of(variables)).map_err(|error| error.to_string());
        let default = Allowance { requests: 120, work: Duration::from_secs(20) };
        assert_eq!(of(&[]), Ok(default));
        assert_eq!(of(&[("TENANT_REQUESTS_PER_MINUTE", "5")]), Ok(Allowance { requests: 5, ..default }));
        for variable in ["TENANT_REQUESTS_PER_MINUTE", "TENANT_CLICKHOUSE_SECONDS_PER_MINUTE"] {
            assert!(of(&[(variable, "0")]).unwrap_err().contains(variable));
            assert!(of(&[(variable, "many")]).unwrap_err().contains(variable));
        }
    }
}
