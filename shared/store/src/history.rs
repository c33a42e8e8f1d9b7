//! What people do with anomalies and incidents: acknowledge, resolve, reopen.
//!
//! Asking for the same twice is as good as once; a new note with it is kept.

use detection::Action;
use detection::incident::IncidentId;
use serde::{Deserialize, Serialize};

use super::AlertItem;

/// Steps that an anomaly or incident remembers. More are refused: with notes of 1,000 characters an item stays well
/// below the 400 KB that DynamoDB holds.
pub const MAX_HISTORY: usize = 50;

/// Times that an action is decided anew, because others changed the same item in the meantime.
pub(crate) const DECISIONS: u32 = 8;

/// One thing that somebody did with an anomaly or incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryEntry {
    pub action: Action,
    /// Who, as the token names them.
    pub actor: String,
    /// When, in Unix milliseconds.
    pub at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whether it was the customer, with a token that sees nothing else.
    #[serde(default)]
    pub by_customer: bool,
}

/// What became of an action on an anomaly or incident.
#[derive(Debug)]
pub enum Acted<T> {
    /// The item as it is now: changed, or in the wanted state already. A notice waits where somebody is to be told.
    Done {
        item: Box<T>,
        notice: Option<AlertItem>,
    },
    /// The action makes no sense in the item's state.
    Refused(Box<T>),
    /// The incident is closed, and a later incident of the same subject has taken its place: the next anomaly would join
    /// that one.
    Superseded(IncidentId),
    /// The item has been changed too often.
    HistoryFull,
    Missing,
}

/// Whether a note comes with an action that changes nothing else, and was not kept before.
pub(crate) fn says_more(history: &[HistoryEntry], entry: &HistoryEntry) -> bool {
    let same = |kept: &HistoryEntry| {
        (kept.action, &kept.actor, &kept.note) == (entry.action, &entry.actor, &entry.note)
    };
    entry.note.is_some() && !history.iter().any(same)
}
