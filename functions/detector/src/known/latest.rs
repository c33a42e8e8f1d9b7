//! The latest incident of a subject, as far as a run knows it.

use detection::AnomalyKind;
use detection::incident::{Incident, Subject};
use jiff::Timestamp;
use store::{Former, HistoryEntry, IncidentItem, Previous};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Latest {
    pub(crate) former: Former,
    /// None if the incident is past. Then the next anomaly begins another incident.
    pub(crate) incident: Option<Incident>,
    /// None if only the store has the text.
    pub(crate) description: Option<String>,
    /// The type of its newest anomaly, if that is known.
    pub(crate) kind: Option<AnomalyKind>,
    /// None if only the store has the history.
    pub(crate) history: Option<Vec<HistoryEntry>>,
}

impl Latest {
    pub(super) fn past(subject: &Subject, opened_at: u32, version: u32) -> Self {
        let opened_at = timestamp(1_000 * i64::from(opened_at));
        let former = Former { subject: subject.clone(), opened_at, is_open: false, version: version.into() };
        Self { former, incident: None, description: None, kind: None, history: None }
    }
}

impl From<IncidentItem> for Latest {
    fn from(item: IncidentItem) -> Self {
        Self {
            former: item.former(),
            incident: Some(item.incident),
            description: Some(item.description),
            kind: item.kind,
            history: Some(item.history),
        }
    }
}

impl From<&Latest> for Previous {
    fn from(latest: &Latest) -> Self {
        let (description, history) = (latest.description.clone(), latest.history.clone());
        Self { version: latest.former.version, description, kind: latest.kind, history }
    }
}

/// The time of milliseconds that came from a timestamp.
pub(super) fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
