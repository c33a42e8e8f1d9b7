//! Settings from environment variables.
//!
//! Each crate has one struct per concern. Each field names its variable. A wrong value refuses the start. The error
//! names the variable, the value and the allowed values.

use std::str::FromStr;
use std::time::Duration;

/// Environment variables, from the process or, in tests, from a list.
pub struct Env<'a>(Box<Lookup<'a>>);

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the environment variable {variable} is not set: {purpose}")]
    Missing { variable: &'static str, purpose: &'static str },
    #[error("{variable}={value} is not valid: {allowed}")]
    Invalid { variable: &'static str, value: String, allowed: String },
    #[error("{first} and {second} are both set: keep one")]
    Conflict { first: &'static str, second: &'static str },
    #[error("the {what} in the environment do not fit together")]
    Contradiction {
        what: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where a configuration text is kept, such as the catalog or the channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextSource {
    /// The text itself, and its name in errors.
    Inline { text: String, origin: String },
    /// The path of a file.
    File(String),
    /// The name of an SSM parameter.
    SsmParameter(String),
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

    /// An empty variable counts as not set, because many tools cannot unset one.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    pub fn required(&self, variable: &'static str, purpose: &'static str) -> Result<String, ConfigError> {
        self.get(variable).ok_or(ConfigError::Missing { variable, purpose })
    }

    pub fn parsed<T: FromStr>(
        &self,
        variable: &'static str,
        default: T,
        allowed: &str,
    ) -> Result<T, ConfigError> {
        match self.get(variable) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| ConfigError::invalid(variable, value, allowed)),
        }
    }

    pub fn seconds(&self, variable: &'static str, default: u64) -> Result<Duration, ConfigError> {
        self.parsed(variable, default, "a whole number of seconds").map(Duration::from_secs)
    }
}

impl ConfigError {
    /// An error for a refused value. It names the allowed values.
    pub fn invalid(variable: &'static str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Invalid { variable, value: value.to_string(), allowed: allowed.into() }
    }
}
