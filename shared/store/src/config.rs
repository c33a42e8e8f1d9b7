//! The table of the anomalies, and how long it keeps them.

use environment::{ConfigError, Env};

use super::MetricIndex;

/// The table of the anomalies.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `ANOMALIES_TABLE`: name of the DynamoDB table.
    pub table: String,
    /// `RETENTION_DAYS`: days after which an anomaly expires, counted from its window's end; default 90.
    pub retention_days: u16,
    /// `SPLIT_METRIC_INDEX`: whether the table has the split index by metric; default false.
    pub metric_index: MetricIndex,
}

impl StoreConfig {
    /// A table whose index by metric is whole.
    pub fn of_table(table: impl Into<String>, retention_days: u16) -> Self {
        Self { table: table.into(), retention_days, metric_index: MetricIndex::Whole }
    }

    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        let retention_days = env.parsed("RETENTION_DAYS", 90, "a whole number of days")?;
        if retention_days == 0 {
            return Err(ConfigError::invalid("RETENTION_DAYS", "0".to_owned(), "at least 1 day"));
        }
        let is_split = env.parsed("SPLIT_METRIC_INDEX", false, "true or false")?;
        Ok(Self {
            table: env.required("ANOMALIES_TABLE", "the DynamoDB table of anomalies")?,
            retention_days,
            metric_index: if is_split { MetricIndex::Split } else { MetricIndex::Whole },
        })
    }
}
