//! Actions of people on anomalies and incidents: acknowledge, resolve, reopen.
//!
//! A repeated action changes nothing. A new note with a repeated action is kept.

use detection::Action;
use detection::incident::IncidentId;
use serde::{Deserialize, Serialize};

use super::AlertItem;

/// Most steps of an anomaly or incident. Further steps are refused. With notes of 1,000 characters an item then stays
/// well below DynamoDB's 400 KB.
pub const MAX_HISTORY: usize = 50;

/// How often an action is decided again because others changed the same item meanwhile.
pub(crate) const DECISIONS: u32 = 8;

/// One action on an anomaly or incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub action: Action,
    /// The person, by the name in the token.
    pub actor: String,
    /// The time in Unix milliseconds.
    pub at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether a customer acted, with a token that sees that customer only.
    #[serde(default)]
    pub by_customer: bool,
}

/// The result of an action on an anomaly or incident.
#[derive(Debug)]
pub enum Acted<T> {
    /// The item as it is now: changed, or in the wanted state before. A notice is pending if people must be notified.
    Done {
        item: Box<T>,
        notice: Option<AlertItem>,
    },
    /// The item's state does not allow the action.
    Refused(Box<T>),
    /// The incident is closed, and a later incident of the same subject has taken its place. The next anomaly would
    /// join the later one.
    Superseded(IncidentId),
    /// The history has no room for another step.
    HistoryFull,
    Missing,
}

/// Whether an action without effect brings a note that is not in the history.
pub(crate) fn says_more(history: &[HistoryEntry], entry: &HistoryEntry) -> bool {
    let same = |kept: &HistoryEntry| {
        (kept.action, &kept.actor, &kept.note) == (entry.action, &entry.actor, &entry.note)
    };
    entry.note.is_some() && !history.iter().any(same)
}
