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

/// What has a normal of its own below a customer, from the widest name to the narrowest: a workflow, or a workflow and one
/// of its nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct EntityPath(Vec<String>);

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
    #[error("an entity has 1 to {} names, and not {names}", EntityPath::MAX_NAMES)]
    Entity { names: usize },
    #[error("no name of an entity may be empty or hold the character U+001F")]
    EntityName,
}

impl EntityPath {
    pub const MAX_NAMES: usize = 4;

    /// Stands between the names in the keys of the rollup. An event with this character in a name does not count.
    pub const SEPARATOR: char = '\u{1f}';

    pub fn new(names: Vec<String>) -> Result<Self, NameError> {
        if names.is_empty() || names.len() > Self::MAX_NAMES {
            return Err(NameError::Entity { names: names.len() });
        }
        if names.iter().any(|name| name.is_empty() || name.contains(Self::SEPARATOR)) {
            return Err(NameError::EntityName);
        }
        Ok(Self(names))
    }

    /// The entity whose names are joined in `text` as by [`joined`](Self::joined).
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::new(text.split(Self::SEPARATOR).map(str::to_owned).collect())
    }

    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The names in one text that can be read back.
    pub fn joined(&self) -> String {
        self.0.join(&Self::SEPARATOR.to_string())
    }
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

    /// The key of one of the customer's entities in a rollup. `None` if it is too long for an id.
    pub fn with_entity(&self, entity: &EntityPath) -> Option<Self> {
        Self::new(format!("{self}{}{}", EntityPath::SEPARATOR, entity.joined())).ok()
    }

    /// The customer and the entity of a key of a rollup. An id without an entity is the customer's own.
    pub fn split(&self) -> (Self, Option<EntityPath>) {
        let parts = self.0.split_once(EntityPath::SEPARATOR);
        let read = parts.and_then(|(customer, names)| {
            Some((Self::new(customer).ok()?, Some(EntityPath::parse(names).ok()?)))
        });
        read.unwrap_or_else(|| (self.clone(), None))
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

impl TryFrom<Vec<String>> for EntityPath {
    type Error = NameError;
    fn try_from(names: Vec<String>) -> Result<Self, NameError> {
        Self::new(names)
    }
}

impl From<EntityPath> for Vec<String> {
    fn from(entity: EntityPath) -> Self {
        entity.0
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

/// For people.
impl fmt::Display for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" / "))
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
    fn a_key_of_a_rollup_is_read_back_into_customer_and_entity() {
        let customer = CustomerId::new("acme").unwrap();
        for names in [vec!["nightly"], vec!["nightly / import", "load"], vec!["客户", "b", "c", "\u{1e}"]] {
            let entity = EntityPath::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap();
            let key = customer.with_entity(&entity).unwrap();
            assert_eq!(key.split(), (customer.clone(), Some(entity)));
        }
        for odd in [
            "acme",
            "acme\u{1f}",
            "\u{1f}nightly",
            "acme\u{1f}a\u{1f}\u{1f}b",
            "acme\u{1f}a\u{1f}b\u{1f}c\u{1f}d\u{1f}e",
        ] {
            let id = CustomerId::new(odd).unwrap();
            assert_eq!(id.split(), (id.clone(), None), "{odd:?}");
        }
        let long = EntityPath::new(vec!["x".repeat(1_999)]).unwrap();
        assert_eq!(customer.with_entity(&long), None);
    }

    #[test]
    fn an_entity_has_one_to_four_names() {
        let names = |names: &[&str]| EntityPath::new(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(names(&["a", "b"]).unwrap().to_string(), "a / b");
        for wrong in [&[][..], &["a"; 5], &["a", ""], &["a\u{1f}b"]] {
            assert!(names(wrong).is_err(), "{wrong:?}");
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
