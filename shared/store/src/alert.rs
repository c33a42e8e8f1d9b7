//! The entries of the outbox: an anomaly with an alert of its own, a notice, or a digest.

use detection::incident::{Event, IncidentId};

use super::keys::Key;
use super::{AlertState, AnomalyItem, Attributes, Digest, Notice};

/// An item that has an alert.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertItem {
    Anomaly(Box<AnomalyItem>),
    Notice(Box<Notice>),
    Digest(Box<Digest>),
}

impl AlertItem {
    /// The id that receivers see. It is the same on every try.
    pub fn id(&self) -> &str {
        match self {
            Self::Anomaly(item) => item.anomaly_id.as_str(),
            Self::Notice(item) => &item.alert_id,
            Self::Digest(item) => &item.anomaly_id,
        }
    }

    /// When the deviation or event was complete, in Unix milliseconds.
    pub fn detected_at(&self) -> i64 {
        match self {
            Self::Anomaly(item) => item.detected_at,
            Self::Notice(item) => item.detected_at,
            Self::Digest(item) => item.detected_at,
        }
    }

    pub fn state(&self) -> AlertState {
        match self {
            Self::Anomaly(item) => item.alert_state,
            Self::Notice(item) => item.alert_state,
            Self::Digest(item) => item.alert_state,
        }
    }

    /// Why people are told. None for a digest.
    pub fn event(&self) -> Option<Event> {
        match self {
            Self::Anomaly(item) => item.alert.as_ref().map(|alert| alert.event),
            Self::Notice(item) => Some(item.event),
            Self::Digest(_) => None,
        }
    }

    /// The incident of the alert. Alerts of one incident are sent one after the other.
    pub fn incident_id(&self) -> Option<IncidentId> {
        match self {
            Self::Anomaly(item) => item.incident_id.clone(),
            Self::Notice(item) => Some(item.incident.id()),
            Self::Digest(_) => None,
        }
    }

    pub(crate) fn ttl(&self) -> i64 {
        match self {
            Self::Anomaly(item) => item.ttl,
            Self::Notice(item) => item.ttl,
            Self::Digest(item) => item.ttl,
        }
    }

    pub(crate) fn to_item(&self) -> Result<Attributes, serde_dynamo::Error> {
        match self {
            Self::Anomaly(item) => serde_dynamo::to_item(item),
            Self::Notice(item) => serde_dynamo::to_item(item),
            Self::Digest(item) => serde_dynamo::to_item(item),
        }
    }

    pub(crate) fn key(&self) -> Key {
        let (pk, sk) = match self {
            Self::Anomaly(item) => (&item.pk, &item.sk),
            Self::Notice(item) => (&item.pk, &item.sk),
            Self::Digest(item) => (&item.pk, &item.sk),
        };
        Key { pk: pk.clone(), sk: sk.clone() }
    }

    pub(crate) fn from_item(item: Attributes) -> Result<Self, serde_dynamo::Error> {
        match item.get("type").and_then(|kind| kind.as_s().ok()).map(String::as_str) {
            Some("incident_notice") => serde_dynamo::from_item(item).map(|item| Self::Notice(Box::new(item))),
            Some("alert_digest") => serde_dynamo::from_item(item).map(|item| Self::Digest(Box::new(item))),
            _ => serde_dynamo::from_item(item).map(|item| Self::Anomaly(Box::new(item))),
        }
    }
}
