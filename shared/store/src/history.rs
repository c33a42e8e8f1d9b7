//! Actions of people on anomalies and incidents: acknowledge, resolve, reopen, and feedback.
//!
//! A repeated action changes nothing. A new note with a repeated action is kept, and so is a feedback that differs from the
//! last one.

use detection::incident::IncidentId;
use detection::{Action, Deed, FeedbackKind};
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
    pub action: Deed,
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

impl HistoryEntry {
    /// The last feedback of a history.
    pub fn last_feedback(history: &[Self]) -> Option<(&Self, FeedbackKind)> {
        history.iter().rev().find_map(|entry| match entry.action {
            Deed::Feedback(kind) => Some((entry, kind)),
            Deed::Action(_) => None,
        })
    }

    /// Whether people said that what it is about was real: by feedback, or else by looking into it.
    pub fn is_confirmed(history: &[Self]) -> bool {
        match Self::last_feedback(history) {
            Some((_, kind)) => kind == FeedbackKind::Confirmed,
            None => history.iter().any(|entry| entry.action == Action::Acknowledge.into()),
        }
    }
}

/// Whether an action without effect on the state brings something that is not in the history.
pub(crate) fn says_more(history: &[HistoryEntry], entry: &HistoryEntry) -> bool {
    let same = |kept: &HistoryEntry| {
        (kept.action, &kept.actor, &kept.note) == (entry.action, &entry.actor, &entry.note)
    };
    match entry.action {
        Deed::Action(_) => entry.note.is_some() && !history.iter().any(same),
        Deed::Feedback(_) => !HistoryEntry::last_feedback(history).is_some_and(|(last, _)| same(last)),
    }
}

/// Whether the last feedback said the same, by whomever.
pub(crate) fn repeats(history: &[HistoryEntry], entry: &HistoryEntry) -> bool {
    HistoryEntry::last_feedback(history).is_some_and(|(last, _)| last.action == entry.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: impl Into<Deed>, note: Option<&str>) -> HistoryEntry {
        let (actor, note) = ("ada".to_owned(), note.map(str::to_owned));
        HistoryEntry { action: action.into(), actor, at: 0, note, by_customer: false }
    }

    #[test]
    fn the_last_feedback_decides_whether_something_was_real() {
        let looked_into = entry(Action::Acknowledge, None);
        let says = |kind: FeedbackKind| entry(kind, None);
        for (history, is_confirmed) in [
            (vec![], false),
            (vec![looked_into.clone()], true),
            (vec![looked_into.clone(), says(FeedbackKind::FalseAlarm)], false),
            (vec![says(FeedbackKind::FalseAlarm), says(FeedbackKind::Confirmed), looked_into.clone()], true),
            (vec![looked_into, says(FeedbackKind::Expected)], false),
        ] {
            assert_eq!(HistoryEntry::is_confirmed(&history), is_confirmed, "{history:?}");
        }
    }

    #[test]
    fn a_repeated_feedback_is_one_step_and_a_changed_mind_is_another() {
        let [confirmed, false_alarm] =
            [FeedbackKind::Confirmed, FeedbackKind::FalseAlarm].map(|kind| entry(kind, None));
        assert!(says_more(&[], &confirmed));
        assert!(!says_more(std::slice::from_ref(&confirmed), &confirmed));
        assert!(says_more(std::slice::from_ref(&confirmed), &entry(FeedbackKind::Confirmed, Some("sure"))));
        assert!(says_more(&[confirmed.clone(), false_alarm.clone()], &confirmed));
        assert!(!says_more(&[], &entry(Action::Resolve, None)));
        let resolved = entry(Action::Resolve, None);
        let again = HistoryEntry { actor: "bob".to_owned(), ..entry(FeedbackKind::Confirmed, Some("sure")) };
        for (history, is_repeated) in [
            (vec![], false),
            (vec![resolved.clone()], false),
            (vec![confirmed.clone(), resolved], true),
            (vec![confirmed.clone(), false_alarm.clone()], false),
            (vec![false_alarm, confirmed.clone()], true),
        ] {
            assert_eq!(repeats(&history, &again), is_repeated, "{history:?}");
        }
    }
}
