//! Settings from environment variables, one struct a concern. Every variable is named at its field.
//!
//! A wrong value refuses the start, with the variable, the value and what is allowed.

use std::str::FromStr;
use std::time::Duration;

use detection::incident::Rules;
use detection::{Settings, SettingsError, Severity};
use jiff::SignedDuration;

mod channels;

pub use channels::{
    Channel, ChannelKind, ChannelsConfig, ChannelsError, ChannelsSource, NotifierConfig, Route,
};

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

/// How strict the check is where the catalog says nothing else.
#[derive(Clone, Debug)]
pub struct DetectionConfig {
    /// `WINDOW_DELAY_SECONDS`: how much later than its window a run starts, for events that arrive late; default 0.
    pub window_delay: Duration,
    /// `BASELINE_DAYS`: earlier windows to compare with, 2 to 90; default 30.
    pub baseline_days: u16,
    /// `MIN_SAMPLES`: fewer earlier values than this are not judged; default 7.
    pub min_samples: usize,
    /// `THRESHOLD`: |z| of an anomaly; default 3.
    pub threshold: f64,
    /// `CRITICAL_THRESHOLD`: |z| of a critical one; default 5.
    pub critical_threshold: f64,
    /// `MIN_RELATIVE_CHANGE`: least change as a share of the mean; default 0.1.
    pub min_relative_change: f64,
}

/// Where anomalies are kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `ANOMALIES_TABLE`: name of the DynamoDB table.
    pub table: String,
    /// `RETENTION_DAYS`: days after which an anomaly expires, counted from its window's end; default 90.
    pub retention_days: u16,
}

/// Where and how much is alerted.
#[derive(Clone, Debug)]
pub struct AlertConfig {
    /// `ALERT_TOPIC_ARN`: the SNS topic of critical anomalies.
    pub topic_arn: String,
    /// `MAX_PAGES_PER_RUN`: single pages a run; what is beyond goes into one digest; default 25. A shard
    /// is a run of its own, with pages and a digest of its own.
    pub max_per_run: usize,
    /// `MAX_PAGES_PER_CUSTOMER`: the same for one customer; default 10.
    pub max_per_customer: usize,
}

/// How patient incidents are, and what pages.
#[derive(Clone, Copy, Debug)]
pub struct IncidentConfig {
    /// `RESOLVE_AFTER_RUNS`: windows in a row back inside after which an incident is resolved; default 2.
    /// `REOPEN_WITHIN_HOURS`: how long after its end one that comes back is the same incident; default 6.
    /// `ACCEPT_AFTER_HOURS`: how long a level must stay to become the new normal; default 72, and 0 is never.
    /// `REPEAT_INTERVAL_HOURS`: time between reminders; default 24, and 0 is never.
    /// `ALERT_MIN_SEVERITY`: least severity that pages, `warning` or `critical`; default `critical`.
    pub rules: Rules,
}

/// How metrics are labelled.
#[derive(Clone, Debug)]
pub struct MetricsConfig {
    /// `METRICS_NAMESPACE`: CloudWatch namespace; default `MeterFlow`.
    pub namespace: String,
    /// `METRICS_STACK`: value of the dimension `Stack`, so that two deployments in one account do not mix;
    /// default `meterflow`.
    pub stack: String,
}

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

/// Where the metric catalog is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogSource {
    BuiltIn,
    /// `CATALOG_PATH`: a file.
    File(String),
    /// `CATALOG_SSM_PARAMETER`: an SSM parameter that holds the file's text.
    SsmParameter(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the environment variable {variable} is not set: {purpose}")]
    Missing { variable: &'static str, purpose: &'static str },
    #[error("{variable}={value} is not valid: {allowed}")]
    Invalid { variable: &'static str, value: String, allowed: String },
    #[error("{first} and {second} are both set: keep one")]
    Conflict { first: &'static str, second: &'static str },
    #[error("the thresholds in the environment do not fit together")]
    Settings(#[source] SettingsError),
}

/// Environment variables, from the process or, in tests, from a list.
pub struct Env<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl ClickHouseConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let url = env.required("CLICKHOUSE_URL", "the address of the ClickHouse HTTP interface")?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(invalid("CLICKHOUSE_URL", url, "it must start with http:// or https://"));
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
                return Err(invalid(variable, timeout.as_secs().to_string(), "1 to 900 seconds"));
            }
        }
        Ok(config)
    }
}

impl DetectionConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let defaults = Self::default();
        let config = Self {
            window_delay: env.seconds("WINDOW_DELAY_SECONDS", 0)?,
            baseline_days: env.parsed("BASELINE_DAYS", defaults.baseline_days, "a whole number of days")?,
            min_samples: env.parsed("MIN_SAMPLES", defaults.min_samples, "a whole number")?,
            threshold: env.parsed("THRESHOLD", defaults.threshold, "a number")?,
            critical_threshold: env.parsed("CRITICAL_THRESHOLD", defaults.critical_threshold, "a number")?,
            min_relative_change: env.parsed(
                "MIN_RELATIVE_CHANGE",
                defaults.min_relative_change,
                "a number",
            )?,
        };
        if !(2..=90).contains(&config.baseline_days) {
            let value = config.baseline_days.to_string();
            return Err(invalid("BASELINE_DAYS", value, "2 to 90 days"));
        }
        if config.min_samples > usize::from(config.baseline_days) {
            let value = config.min_samples.to_string();
            return Err(invalid(
                "MIN_SAMPLES",
                value,
                "at most BASELINE_DAYS, or nothing would ever be judged",
            ));
        }
        if config.window_delay > Duration::from_secs(86_400) {
            let value = config.window_delay.as_secs().to_string();
            return Err(invalid("WINDOW_DELAY_SECONDS", value, "at most 86400, one day"));
        }
        Settings::new(
            config.threshold,
            config.critical_threshold,
            config.min_samples,
            0.0,
            config.min_relative_change,
        )
        .map_err(ConfigError::Settings)?;
        Ok(config)
    }
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            window_delay: Duration::ZERO,
            baseline_days: 30,
            min_samples: Settings::MIN_SAMPLES,
            threshold: Settings::THRESHOLD,
            critical_threshold: Settings::CRITICAL_THRESHOLD,
            min_relative_change: Settings::MIN_RELATIVE_CHANGE,
        }
    }
}

impl StoreConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let retention_days = env.parsed("RETENTION_DAYS", 90, "a whole number of days")?;
        if retention_days == 0 {
            return Err(invalid("RETENTION_DAYS", "0".to_owned(), "at least 1 day"));
        }
        Ok(Self {
            table: env.required("ANOMALIES_TABLE", "the DynamoDB table of anomalies")?,
            retention_days,
        })
    }
}

impl AlertConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let config = Self {
            topic_arn: env.required("ALERT_TOPIC_ARN", "the SNS topic of critical anomalies")?,
            max_per_run: env.parsed("MAX_PAGES_PER_RUN", 25, "a whole number")?,
            max_per_customer: env.parsed("MAX_PAGES_PER_CUSTOMER", 10, "a whole number")?,
        };
        // More would not fit into a run; the outbox keeps them in memory.
        if config.max_per_run > 1_000 {
            return Err(invalid("MAX_PAGES_PER_RUN", config.max_per_run.to_string(), "at most 1000"));
        }
        Ok(config)
    }
}

impl IncidentConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let hours = |variable, default| -> Result<SignedDuration, ConfigError> {
            let hours: u16 = env.parsed(variable, default, "a whole number of hours, at most 8760")?;
            if hours > 8_760 {
                return Err(invalid(variable, hours.to_string(), "at most 8760 hours, one year"));
            }
            Ok(SignedDuration::from_hours(i64::from(hours)))
        };
        let resolve_after = env.parsed("RESOLVE_AFTER_RUNS", 2, "a whole number")?;
        if !(1..=168).contains(&resolve_after) {
            return Err(invalid("RESOLVE_AFTER_RUNS", resolve_after.to_string(), "1 to 168 runs"));
        }
        let min_severity = match env.get("ALERT_MIN_SEVERITY").as_deref() {
            None | Some("critical") => Severity::Critical,
            Some("warning") => Severity::Warning,
            Some(other) => {
                return Err(invalid("ALERT_MIN_SEVERITY", other.to_owned(), "warning or critical"));
            }
        };
        let rules = Rules {
            resolve_after,
            reopen_within: hours("REOPEN_WITHIN_HOURS", 6)?,
            accept_after: hours("ACCEPT_AFTER_HOURS", 72)?,
            repeat_interval: hours("REPEAT_INTERVAL_HOURS", 24)?,
            min_severity,
        };
        Ok(Self { rules })
    }
}

impl MetricsConfig {
    pub fn from_env(env: &Env<'_>) -> Self {
        Self {
            namespace: env.get("METRICS_NAMESPACE").unwrap_or_else(|| "MeterFlow".to_owned()),
            stack: env.get("METRICS_STACK").unwrap_or_else(|| "meterflow".to_owned()),
        }
    }
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

impl CatalogSource {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        match (env.get("CATALOG_PATH"), env.get("CATALOG_SSM_PARAMETER")) {
            (Some(_), Some(_)) => {
                Err(ConfigError::Conflict { first: "CATALOG_PATH", second: "CATALOG_SSM_PARAMETER" })
            }
            (Some(path), None) => Ok(Self::File(path)),
            (None, Some(parameter)) => Ok(Self::SsmParameter(parameter)),
            (None, None) => Ok(Self::BuiltIn),
        }
    }
}

impl Env<'static> {
    /// The variables of this process.
    pub fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }
}

impl<'a> Env<'a> {
    /// The variables of a list.
    pub fn of(variables: &'a [(&'a str, &'a str)]) -> Self {
        Self(Box::new(move |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        }))
    }

    /// An empty variable counts as not set, since many tools cannot unset one.
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn required(&self, variable: &'static str, purpose: &'static str) -> Result<String, ConfigError> {
        self.get(variable).ok_or(ConfigError::Missing { variable, purpose })
    }

    fn parsed<T: FromStr>(
        &self,
        variable: &'static str,
        default: T,
        allowed: &str,
    ) -> Result<T, ConfigError> {
        match self.get(variable) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| invalid(variable, value, allowed)),
        }
    }

    fn seconds(&self, variable: &'static str, default: u64) -> Result<Duration, ConfigError> {
        self.parsed(variable, default, "a whole number of seconds").map(Duration::from_secs)
    }
}

fn invalid(variable: &'static str, value: String, allowed: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { variable, value, allowed: allowed.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_variable_and_what_is_allowed() {
        let detection = |variables: &[(&str, &str)]| {
            DetectionConfig::from_env(&Env::of(variables)).map(drop).map_err(|error| match error {
                ConfigError::Settings(source) => source.to_string(),
                other => other.to_string(),
            })
        };
        assert_eq!(detection(&[]), Ok(()));
        for (name, value, expected) in [
            ("THRESHOLD", "three", "THRESHOLD=three is not valid: a number"),
            ("THRESHOLD", "0", "threshold = 0 is out of range"),
            ("THRESHOLD", "NaN", "threshold = NaN is out of range"),
            ("CRITICAL_THRESHOLD", "2", "critical_threshold = 2 is out of range"),
            ("BASELINE_DAYS", "1", "BASELINE_DAYS=1 is not valid"),
            ("BASELINE_DAYS", "-5", "BASELINE_DAYS=-5 is not valid"),
            ("MIN_SAMPLES", "31", "MIN_SAMPLES=31 is not valid"),
            ("WINDOW_DELAY_SECONDS", "90000", "WINDOW_DELAY_SECONDS=90000 is not valid"),
        ] {
            let refusal = detection(&[(name, value)]).unwrap_err();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn incidents_are_as_patient_as_the_variables_say() {
        let of = |variables: &[(&str, &str)]| {
            IncidentConfig::from_env(&Env::of(variables)).map(|c| c.rules).map_err(|error| error.to_string())
        };
        let defaults = Rules {
            resolve_after: 2,
            reopen_within: SignedDuration::from_hours(6),
            accept_after: SignedDuration::from_hours(72),
            repeat_interval: SignedDuration::from_hours(24),
            min_severity: Severity::Critical,
        };
        assert_eq!(of(&[]), Ok(defaults));
        let others = [
            ("RESOLVE_AFTER_RUNS", "1"),
            ("REOPEN_WITHIN_HOURS", "2"),
            ("ACCEPT_AFTER_HOURS", "0"),
            ("REPEAT_INTERVAL_HOURS", "4"),
            ("ALERT_MIN_SEVERITY", "warning"),
        ];
        let expected = Rules {
            resolve_after: 1,
            reopen_within: SignedDuration::from_hours(2),
            accept_after: SignedDuration::ZERO,
            repeat_interval: SignedDuration::from_hours(4),
            min_severity: Severity::Warning,
        };
        assert_eq!(of(&others), Ok(expected));
        for (name, value, allowed) in [
            ("RESOLVE_AFTER_RUNS", "0", "1 to 168 runs"),
            ("REOPEN_WITHIN_HOURS", "-1", "a whole number of hours"),
            ("ACCEPT_AFTER_HOURS", "8761", "at most 8760 hours"),
            ("ALERT_MIN_SEVERITY", "info", "warning or critical"),
        ] {
            let refusal = of(&[(name, value)]).unwrap_err();
            assert!(refusal.contains(name) && refusal.contains(allowed), "{refusal}");
        }
    }

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
    fn two_catalogs_are_one_too_many() {
        let of = |variables: &[(&str, &str)]| CatalogSource::from_env(&Env::of(variables));
        assert_eq!(of(&[]).unwrap(), CatalogSource::BuiltIn);
        assert_eq!(of(&[("CATALOG_PATH", "a")]).unwrap(), CatalogSource::File("a".to_owned()));
        assert!(of(&[("CATALOG_PATH", "a"), ("CATALOG_SSM_PARAMETER", "b")]).is_err());
    }
}
