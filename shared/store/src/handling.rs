//! What people do with incidents: acknowledge, resolve, reopen. `Incident::after` decides; what is stored is stored from
//! the version that was read, together with the notice to those who were paged, so that of two people at the same time,
//! or of a person and a run, none overwrites the other and nobody is told twice.
//!
//! Asking for the same twice is as good as once; a new note with it is kept.

use std::time::Duration;

use detection::describe;
use detection::incident::{self, Event, Incident, IncidentId, Subject};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::incidents::closed_key;
use super::item::HistoryEntry;
use super::lifecycle::{ATTEMPTS, MAX_HISTORY, says_more};
use super::{AlertItem, AnomalyStore, Change, Changed, IncidentItem, Notice, StoreError, Writer};

/// What became of an action on an incident.
#[derive(Debug)]
pub enum Handled {
    /// The incident as it is now: changed, with a notice that waits where somebody is to be told, or in the wanted state
    /// already.
    Done {
        incident: Box<IncidentItem>,
        notice: Option<AlertItem>,
    },
    /// The action makes no sense in the incident's state.
    Refused(Box<IncidentItem>),
    /// It is closed, and a later incident of the same subject, open or not, has taken its place: what the next anomaly
    /// would join is that one.
    Superseded(IncidentId),
    /// It has been changed too often.
    HistoryFull,
    Missing,
}

impl AnomalyStore {
    /// Carries out an action on an incident, once however often it is asked for.
    pub async fn handle(
        &self,
        subject: &Subject,
        opened_at: Timestamp,
        entry: &HistoryEntry,
        writer: Writer<'_>,
    ) -> Result<Handled, StoreError> {
        let mut told_at = writer.now;
        for attempt in 0..ATTEMPTS {
            let Some(found) = self.incident(subject, opened_at, writer.now).await? else {
                return Ok(Handled::Missing);
            };
            let (incident, page) = match found.incident.after(entry.action, writer.now) {
                incident::Handled::Already if !says_more(&found.history, entry) => {
                    return Ok(Handled::Done { incident: Box::new(found), notice: None });
                }
                incident::Handled::Already => (found.incident.clone(), None),
                incident::Handled::Refused => return Ok(Handled::Refused(Box::new(found))),
                incident::Handled::Become { incident, page } => (*incident, page),
            };
            if found.history.len() >= MAX_HISTORY {
                return Ok(Handled::HistoryFull);
            }
            if incident.is_open()
                && !found.incident.is_open()
                && let Some(later) = self.latest_incident(subject, writer.now).await?
                && later.id() != found.id()
            {
                return Ok(Handled::Superseded(later.id()));
            }
            let notice = page.map(|event| self.notice(event, &incident, &found.unit, entry, told_at, writer));
            let to = self.with_entry(&found, incident, entry);
            let change = Change { from: Some(&found.former()), to: &to, alert: notice.as_ref() };
            match self.change(change, writer).await? {
                Changed::Done => return Ok(Handled::Done { incident: Box::new(to), notice }),
                // An earlier step of the same millisecond has told its own. Unless it was this one, as what is read next
                // shows, this is another.
                Changed::Already(_) => {
                    told_at = told_at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(told_at);
                }
                Changed::Overtaken => {
                    sleep(Duration::from_millis(20) * u32::try_from(attempt).unwrap_or(0)).await;
                }
            }
        }
        let id = closed_key(subject, opened_at);
        Err(StoreError::Contended { id, table: self.table.clone() })
    }

    fn notice(
        &self,
        event: Event,
        incident: &Incident,
        unit: &str,
        entry: &HistoryEntry,
        at: Timestamp,
        writer: Writer<'_>,
    ) -> AlertItem {
        let text = describe::handled(event, &entry.actor, incident);
        let notice = Notice::new(event, incident, unit, text, at, self.retention, writer.run_id);
        AlertItem::Notice(Box::new(notice))
    }

    fn with_entry(&self, found: &IncidentItem, incident: Incident, entry: &HistoryEntry) -> IncidentItem {
        let mut to = IncidentItem::after(Some(found), incident, &found.unit, None, self.retention);
        to.history.push(entry.clone());
        to
    }
}
