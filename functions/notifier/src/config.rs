//! Settings of the notifier besides its channels.

use environment::{ConfigError, Env};

/// The settings of the function.
#[derive(Clone, Debug)]
pub struct NotifierConfig {
    /// `ANOMALIES_TABLE`: the DynamoDB table. It also holds the deliveries.
    pub table: String,
    /// `OPS_TOPIC_ARN`: the SNS topic of the daily digest. Without it there is no digest.
    pub ops_topic_arn: Option<String>,
    /// `ALLOW_LOOPBACK`: `true` allows channels on this machine, without TLS. For tests and the local cloud.
    pub allow_loopback: bool,
}

impl NotifierConfig {
    pub fn from_env(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            table: env.required("ANOMALIES_TABLE", "the DynamoDB table of anomalies and deliveries")?,
            ops_topic_arn: env.get("OPS_TOPIC_ARN"),
            allow_loopback: env.parsed("ALLOW_LOOPBACK", false, "true or false")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_allowed_only_by_the_word_true() {
        let flag = |value| {
            NotifierConfig::from_env(&Env::of(&[("ANOMALIES_TABLE", "t"), ("ALLOW_LOOPBACK", value)]))
                .map(|config| config.allow_loopback)
        };
        assert!(!flag("").unwrap() && flag("true").unwrap() && flag("yes").is_err());
    }
}
