//! The subject of an incident, and the incident's id.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{CustomerId, Direction, EntityPath, MetricName};

/// The subject of an incident. Each has at most one open incident.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    pub customer_id: CustomerId,
    /// What of the customer. None for the customer as a whole.
    #[serde(default, rename = "entity_path", skip_serializing_if = "Option::is_none")]
    pub entity: Option<EntityPath>,
    pub metric: MetricName,
    pub direction: Direction,
}

/// `{opened_at in Unix ms}.{metric}.{direction}.{customer id in unpadded base64url}`, with an entity also
/// `.{entity in unpadded base64url}`: unique, safe in a URL, and readable back into the incident's key without an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(String);

impl Subject {
    /// The key of its series in a rollup: the customer, with the entity if there is one.
    pub fn key(&self) -> Cow<'_, str> {
        match &self.entity {
            None => Cow::Borrowed(self.customer_id.as_str()),
            Some(entity) => {
                Cow::Owned(format!("{}{}{}", self.customer_id, EntityPath::SEPARATOR, entity.joined()))
            }
        }
    }
}

impl IncidentId {
    /// Reads an id from outside, and the opening and subject in it.
    ///
    /// `None` for any text that is no id of an incident, so that one incident has one id.
    pub fn parse(text: &str) -> Option<(Self, Timestamp, Subject)> {
        let mut parts = text.splitn(5, '.');
        let opened_at = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
        let metric = MetricName::new(parts.next()?).ok()?;
        let direction = Direction::parse(parts.next()?)?;
        let customer_id = CustomerId::new(decoded(parts.next()?)?).ok()?;
        let entity = match parts.next() {
            Some(entity) => Some(EntityPath::parse(&decoded(entity)?).ok()?),
            None => None,
        };
        let subject = Subject { customer_id, entity, metric, direction };
        let id = Self::of(opened_at, &subject);
        (id.as_str() == text).then_some((id, opened_at, subject))
    }

    /// The id of the incident of a subject that was opened then.
    pub fn of(opened_at: Timestamp, subject: &Subject) -> Self {
        let who = encoded(&subject.customer_id, subject.entity.as_ref());
        let (metric, direction) = (&subject.metric, subject.direction.as_str());
        Self(format!("{}.{metric}.{direction}.{who}", opened_at.as_millisecond()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Customer and entity as the last parts of an id.
pub(crate) fn encoded(customer: &CustomerId, entity: Option<&EntityPath>) -> String {
    let customer = URL_SAFE_NO_PAD.encode(customer.as_str());
    match entity {
        None => customer,
        Some(entity) => format!("{customer}.{}", URL_SAFE_NO_PAD.encode(entity.joined())),
    }
}

/// A text that an id holds in base64.
pub(crate) fn decoded(part: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_exactly_or_not_at_all() {
        let opened_at = Timestamp::from_millisecond(1_795_266_000_000).unwrap();
        for customer in ["a", "a.b", "#'\"`\n\0", "客户", &"x".repeat(2_000)] {
            let metric = MetricName::new("api_calls").unwrap();
            let customer_id = CustomerId::new(customer).unwrap();
            for entity in [None, Some(EntityPath::new(vec!["nightly".to_owned(), "a.b".to_owned()]).unwrap())]
            {
                let (customer_id, metric) = (customer_id.clone(), metric.clone());
                let subject = Subject { customer_id, entity, metric, direction: Direction::Drop };
                let id = IncidentId::of(opened_at, &subject);
                assert_eq!(IncidentId::parse(id.as_str()), Some((id, opened_at, subject)), "{customer:?}");
            }
        }
        for foreign in [
            "",
            "1795266000000.api_calls.drop",
            "1795266000000.api_calls.drop.",
            "1795266000000.api_calls.rise.Y3VzdF8x",
            "1795266000000.API.drop.Y3VzdF8x",
            "01795266000000.api_calls.drop.Y3VzdF8x",
            "1795266000000.api_calls.drop.Y3VzdF8x=",
            "1795266000000.api_calls.drop.Y3VzdF8x.",
            "1795266000000.api_calls.drop.Y3VzdF8x.YQ.YQ",
        ] {
            assert_eq!(IncidentId::parse(foreign), None, "{foreign}");
        }
    }
}
