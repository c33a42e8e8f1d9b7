//! How ClickHouse is reached.

use std::time::Duration;

use environment::{ConfigError, Env};

/// Where to find usage.
#[derive(Clone, Debug)]
pub struct ClickHouseConfig {
    /// `CLICKHOUSE_URL`: address of the HTTP interface, `http://…` or `https://…`.
    pub url: String,
    /// `CLICKHOUSE_DATABASE`: the database of the usage rollup; default `meterflow`.
    pub database: String,
    /// `CLICKHOUSE_USER`, `CLICKHOUSE_PASSWORD`: for a server without a secret.
    pub user: Option<String>,
    pub password: Option<String>,
    /// `CLICKHOUSE_SECRET_ARN`: a secret that holds `{"username": …, "password": …}`; wins over user and password.
    pub secret_arn: Option<String>,
    /// `CLICKHOUSE_READ_TIMEOUT_SECONDS`: longest wait for the next part of an answer; default 60.
    pub read_timeout: Duration,
    /// `CLICKHOUSE_QUERY_TIMEOUT_SECONDS`: longest time for a whole query, also told to the server; default 240.
    pub query_timeout: Duration,
}

impl ClickHouseConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let url = env.required("CLICKHOUSE_URL", "the address of the ClickHouse HTTP interface")?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(ConfigError::invalid(
                "CLICKHOUSE_URL",
                url,
                "it must start with http:// or https://",
            ));
        }
        let config = Self {
            url,
            database: env.get("CLICKHOUSE_DATABASE").unwrap_or_else(|| "meterflow".to_owned()),
            user: env.get("CLICKHOUSE_USER"),
            password: env.get("CLICKHOUSE_PASSWORD"),
            secret_arn: env.get("CLICKHOUSE_SECRET_ARN"),
            read_timeout: env.seconds("CLICKHOUSE_READ_TIMEOUT_SECONDS", 60)?,
            query_timeout: env.seconds("CLICKHOUSE_QUERY_TIMEOUT_SECONDS", 240)?,
        };
        for (variable, timeout) in [
            ("CLICKHOUSE_READ_TIMEOUT_SECONDS", config.read_timeout),
            ("CLICKHOUSE_QUERY_TIMEOUT_SECONDS", config.query_timeout),
        ] {
            if timeout.is_zero() || timeout > Duration::from_secs(900) {
                return Err(ConfigError::invalid(
                    variable,
                    timeout.as_secs().to_string(),
                    "1 to 900 seconds",
                ));
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clickhouse_needs_an_address_with_a_scheme() {
        let of =
            |variables: &[(&str, &str)]| ClickHouseConfig::from_env(&Env::of(variables)).map(|c| c.database);
        assert!(of(&[]).unwrap_err().to_string().contains("CLICKHOUSE_URL is not set"));
        assert!(of(&[("CLICKHOUSE_URL", "")]).unwrap_err().to_string().contains("CLICKHOUSE_URL is not set"));
        assert!(of(&[("CLICKHOUSE_URL", "localhost:8123")]).unwrap_err().to_string().contains("http://"));
        assert_eq!(of(&[("CLICKHOUSE_URL", "http://localhost:8123")]).unwrap(), "meterflow");
    }
}
