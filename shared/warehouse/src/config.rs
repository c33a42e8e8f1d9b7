//! The address and the user of ClickHouse, and the time limits of queries.

use std::time::Duration;

use environment::{ConfigError, Env};

use crate::addresses::{Addresses, host_of};
use crate::plaintext;

const URL: &str = "CLICKHOUSE_URL";

/// The connection to ClickHouse.
#[derive(Clone, Debug)]
pub struct ClickHouseConfig {
    /// `CLICKHOUSE_URL`: address of the HTTP interface: `https://…`, or `http://…` in a private network. For a cluster it may be
    /// a list: a semicolon between two shards, and a comma between two replicas of a shard.
    ///
    /// `CLICKHOUSE_ALLOW_PLAINTEXT`: `true` allows plain http to any address, also with a password; default `false`.
    pub addresses: Addresses,
    /// `CLICKHOUSE_DATABASE`: the database of the usage rollup; default `meterflow`.
    pub database: String,
    /// `CLICKHOUSE_USER`, `CLICKHOUSE_PASSWORD`: for a server without a secret.
    pub user: Option<String>,
    pub password: Option<String>,
    /// `CLICKHOUSE_SECRET_ARN`: a secret that holds `{"username": …, "password": …}`; wins over user and password.
    pub secret_arn: Option<String>,
    /// `CLICKHOUSE_READ_TIMEOUT_SECONDS`: longest wait for the next part of an answer; default 60.
    pub read_timeout: Duration,
    /// `CLICKHOUSE_QUERY_TIMEOUT_SECONDS`: longest time for a whole query, which the server gets too; default 240.
    pub query_timeout: Duration,
}

impl ClickHouseConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let text = env.required(URL, "the address of the ClickHouse HTTP interface")?;
        let addresses = Addresses::parse(&text)
            .map_err(|error| ConfigError::invalid(URL, error.place(), error.to_string()))?;
        let config = Self {
            addresses,
            database: env.get("CLICKHOUSE_DATABASE").unwrap_or_else(|| "meterflow".to_owned()),
            user: env.get("CLICKHOUSE_USER"),
            password: env.get("CLICKHOUSE_PASSWORD"),
            secret_arn: env.get("CLICKHOUSE_SECRET_ARN"),
            read_timeout: env.seconds("CLICKHOUSE_READ_TIMEOUT_SECONDS", 60)?,
            query_timeout: env.seconds("CLICKHOUSE_QUERY_TIMEOUT_SECONDS", 240)?,
        };
        let allow_plaintext = env.parsed("CLICKHOUSE_ALLOW_PLAINTEXT", false, "true or false")?;
        let has_password = config.secret_arn.is_some() || config.password.is_some();
        for url in config.addresses.all().filter(|_| !allow_plaintext) {
            if let Some(reason) = plaintext::refusal(url, has_password) {
                let allowed = format!(
                    "{reason}. Use https://, or set CLICKHOUSE_ALLOW_PLAINTEXT=true where the whole network is yours"
                );
                return Err(ConfigError::invalid(URL, host_of(url), allowed));
            }
        }
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

    #[test]
    fn plain_http_leaves_home_only_where_it_is_allowed() {
        let of = |variables: &[(&str, &str)]| {
            ClickHouseConfig::from_env(&Env::of(variables)).map(|_| ()).map_err(|error| error.to_string())
        };
        let (public, private) =
            (("CLICKHOUSE_URL", "http://me:secret@8.8.8.8"), ("CLICKHOUSE_URL", "http://10.0.0.1"));
        let refusal = of(&[public]).unwrap_err();
        assert!(refusal.contains("CLICKHOUSE_URL=8.8.8.8 is not valid: plain http"), "{refusal}");
        assert!(
            refusal.contains("CLICKHOUSE_ALLOW_PLAINTEXT=true") && !refusal.contains("secret"),
            "{refusal}"
        );
        assert_eq!(of(&[private]), Ok(()));
        for secret in [("CLICKHOUSE_PASSWORD", "a"), ("CLICKHOUSE_SECRET_ARN", "arn:aws:secretsmanager:a")] {
            assert!(of(&[private, secret]).unwrap_err().contains("the password unencrypted"));
            assert_eq!(of(&[private, secret, ("CLICKHOUSE_ALLOW_PLAINTEXT", "true")]), Ok(()));
        }
        assert_eq!(of(&[public, ("CLICKHOUSE_ALLOW_PLAINTEXT", "true")]), Ok(()));
        assert!(of(&[private, ("CLICKHOUSE_ALLOW_PLAINTEXT", "yes")]).unwrap_err().contains("true or false"));
    }

    #[test]
    fn each_address_of_a_list_is_looked_at() {
        let of = |text: &str| {
            ClickHouseConfig::from_env(&Env::of(&[("CLICKHOUSE_URL", text)]))
                .map(|config| config.addresses.shards().len())
                .map_err(|error| error.to_string())
        };
        assert_eq!(of("https://a:8443,https://b:8443;https://c:8443"), Ok(2));
        let error = of("https://a:8443;http://b:8123").unwrap_err();
        assert!(error.contains("CLICKHOUSE_URL=b:8123 is not valid: plain http"), "{error}");
        let error = of("https://a:8443;me:secret@b:8443").unwrap_err();
        assert!(error.contains("CLICKHOUSE_URL=b:8443 is not valid: it must start with http://"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
