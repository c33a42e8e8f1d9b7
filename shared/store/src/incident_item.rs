//! The shape of an incident in the table.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use detection::AnomalyKind;
use detection::incident::{Incident, IncidentId, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::anomaly_item::expiry;
use super::keys::{self, Key, incident_part};
use super::{Attributes, HistoryEntry};

/// An incident as an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentItem {
    #[serde(flatten)]
    pub incident: Incident,
    /// Grows with each change.
    pub version: u64,
    /// Unit of the metric.
    pub unit: String,
    /// One English sentence about the newest anomaly.
    pub description: String,
    /// The type of its newest anomaly. None in items of earlier versions.
    #[serde(default, rename = "anomaly_type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<AnomalyKind>,
    /// Actions of people on the incident, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// Unix seconds.
    pub ttl: i64,
}

/// An incident before a change, with all values that the change's conditions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    pub subject: Subject,
    pub opened_at: Timestamp,
    pub is_open: bool,
    pub version: u64,
}

/// Values that an incident takes over from its previous version.
#[derive(Clone, Debug, Default)]
pub struct Previous {
    pub version: u64,
    pub description: Option<String>,
    pub kind: Option<AnomalyKind>,
    pub history: Option<Vec<HistoryEntry>>,
}

impl IncidentItem {
    /// The item after `before`. `before` is the previous version of the same incident, another incident, or none.
    pub fn after(
        before: Option<&Self>,
        incident: Incident,
        unit: &str,
        description: Option<String>,
        retention: Duration,
    ) -> Self {
        let before = before.filter(|before| before.incident.id() == incident.id());
        Self::following(before.map(Previous::from), incident, unit, description, retention)
    }

    /// The item after the previous version of the same incident, or the first version. Without a description of its own
    /// it keeps the previous one.
    pub fn following(
        previous: Option<Previous>,
        incident: Incident,
        unit: &str,
        description: Option<String>,
        retention: Duration,
    ) -> Self {
        let previous = previous.unwrap_or_default();
        Self {
            ttl: expiry(incident.last_seen, retention),
            incident,
            version: previous.version + 1,
            unit: unit.to_owned(),
            description: description.or(previous.description).unwrap_or_default(),
            kind: previous.kind,
            history: previous.history.unwrap_or_default(),
        }
    }

    /// The same with the type of its newest anomaly, if that is known.
    #[must_use]
    pub fn of_kind(self, kind: Option<AnomalyKind>) -> Self {
        Self { kind: kind.or(self.kind), ..self }
    }

    pub fn id(&self) -> IncidentId {
        self.incident.id()
    }

    /// The values for the conditions of a change.
    pub fn former(&self) -> Former {
        Former {
            subject: self.incident.subject.clone(),
            opened_at: self.incident.opened_at,
            is_open: self.incident.is_open(),
            version: self.version,
        }
    }

    pub(crate) fn key(&self) -> Key {
        keys::incident(&self.incident.subject, self.incident.is_open(), self.incident.opened_at)
    }

    pub(crate) fn to_item(&self) -> Result<Attributes, serde_dynamo::Error> {
        let mut item: Attributes = serde_dynamo::to_item(self)?;
        let text = |text: String| AttributeValue::S(text);
        item.extend(self.key().attributes());
        item.insert("type".to_owned(), text("incident".to_owned()));
        item.insert("incident_id".to_owned(), text(self.id().to_string()));
        if let Some(entity) = &self.incident.subject.entity {
            item.insert("entity".to_owned(), text(entity.to_string()));
        }
        item.insert(
            "incident_shard".to_owned(),
            text(incident_part(&self.incident.subject.customer_id).to_string()),
        );
        Ok(item)
    }
}

impl Former {
    pub fn id(&self) -> IncidentId {
        IncidentId::of(self.opened_at, &self.subject)
    }

    /// Whether the item is this incident.
    pub fn is(&self, incident: &Incident) -> bool {
        self.opened_at == incident.opened_at && self.subject == incident.subject
    }

    pub(crate) fn key(&self) -> Key {
        keys::incident(&self.subject, self.is_open, self.opened_at)
    }
}

impl From<&IncidentItem> for Previous {
    fn from(item: &IncidentItem) -> Self {
        Self {
            version: item.version,
            description: Some(item.description.clone()),
            kind: item.kind,
            history: Some(item.history.clone()),
        }
    }
}
