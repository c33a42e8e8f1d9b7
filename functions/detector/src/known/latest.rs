//! The latest incident of a subject, as much of it as a run knows.

use detection::incident::{Incident, Subject};
use jiff::Timestamp;
use store::{Former, HistoryEntry, IncidentItem, Previous};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Latest {
    pub(crate) former: Former,
    /// None where it is over for so long that what is seen now is another one, if it is any.
    pub(crate) incident: Option<Incident>,
    /// None where only the store knows it.
    pub(crate) description: Option<String>,
    /// None where only the store knows it.
    pub(crate) history: Option<Vec<HistoryEntry>>,
}

impl Latest {
    pub(super) fn past(subject: &Subject, opened_at: u32, version: u32) -> Self {
        let opened_at = timestamp(1_000 * i64::from(opened_at));
        let former = Former { subject: subject.clone(), opened_at, is_open: false, version: version.into() };
        Self { former, incident: None, description: None, history: None }
    }
}

impl From<IncidentItem> for Latest {
    fn from(item: IncidentItem) -> Self {
        Self {
            former: item.former(),
            incident: Some(item.incident),
            description: Some(item.description),
            history: Some(item.history),
        }
    }
}

impl From<&Latest> for Previous {
    fn from(latest: &Latest) -> Self {
        let (description, history) = (latest.description.clone(), latest.history.clone());
        Self { version: latest.former.version, description, history }
    }
}

/// The time of milliseconds that were those of one.
pub(super) fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
