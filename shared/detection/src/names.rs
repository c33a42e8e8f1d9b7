//! Validated names. A value of one of these types needs no second check.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A customer, exactly as the metering system spells the id: any text, with its case and white space.
///
/// The limit of 2,000 bytes keeps the DynamoDB partition key of the customer under DynamoDB's limit of 2,048.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomerId(String);

/// A metric of the catalog: `^[a-z][a-z0-9_]{0,63}$`, safe in keys, SQL and subjects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricName(String);

/// Reasons why a text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a customer id must not be empty")]
    EmptyCustomer,
    #[error("a customer id of {bytes} bytes is over the limit of {} bytes", CustomerId::MAX_BYTES)]
    LongCustomer { bytes: usize },
    #[error(
        "`{name}` is not a metric name: 1 to 64 of a-z, 0-9 and _, the first one a letter",
        name = name.escape_debug()
    )]
    Metric { name: String },
}

impl CustomerId {
    pub const MAX_BYTES: usize = 2_000;

    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        match text.len() {
            0 => Err(NameError::EmptyCustomer),
            bytes if bytes > Self::MAX_BYTES => Err(NameError::LongCustomer { bytes }),
            _ => Ok(Self(text)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MetricName {
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let starts_with_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if starts_with_letter && text.len() <= 64 && text.chars().all(allowed) {
            Ok(Self(text))
        } else {
            Err(NameError::Metric { name: text })
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CustomerId {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for MetricName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<CustomerId> for String {
    fn from(id: CustomerId) -> Self {
        id.0
    }
}

impl From<MetricName> for String {
    fn from(name: MetricName) -> Self {
        name.0
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_names() {
        for good in ["a", "api_calls", "p99", &"x".repeat(64)] {
            assert!(MetricName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "_a", "API", "a-b", "a b", "a'b", "é", "a\n", &"x".repeat(65)] {
            assert!(MetricName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn customer_ids_keep_every_byte() {
        for good in ["a", " a ", "#'\"`\n\0", "<!channel>", "客户", &"x".repeat(2_000)] {
            assert_eq!(CustomerId::new(good).unwrap().as_str(), good);
        }
        assert_eq!(CustomerId::new(""), Err(NameError::EmptyCustomer));
        assert_eq!(CustomerId::new("x".repeat(2_001)), Err(NameError::LongCustomer { bytes: 2_001 }));
    }
}
