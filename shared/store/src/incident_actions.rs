//! Actions of people on incidents. `Incident::after` decides. The change is stored only if the incident is still the
//! version that was read, and together with the notice for the people who were paged. So two people, or a person and a
//! run, cannot overwrite each other, and nobody is notified twice.

use std::time::Duration;

use detection::incident::{self, Event, Incident, IncidentId, Subject};
use detection::{FeedbackKind, describe};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::history::{DECISIONS, repeats, says_more};
use super::{
    Acted, AlertItem, AnomalyStore, Change, Changed, HistoryEntry, IncidentItem, MAX_HISTORY, Notice,
    StoreError, Writer,
};

impl AnomalyStore {
    /// Carries out an action on an incident. Repeated requests have the effect of one.
    pub async fn act_on_incident(
        &self,
        subject: &Subject,
        opened_at: Timestamp,
        entry: &HistoryEntry,
        writer: Writer<'_>,
    ) -> Result<Acted<IncidentItem>, StoreError> {
        let mut told_at = writer.now;
        for attempt in 0..DECISIONS {
            let Some(found) = self.incident(subject, opened_at, writer.now).await? else {
                return Ok(Acted::Missing);
            };
            let (incident, page) = match found.incident.after(entry.action, writer.now) {
                incident::Handled::Already | incident::Handled::Said(_)
                    if !says_more(&found.history, entry) =>
                {
                    return Ok(Acted::Done { item: Box::new(found), notice: None });
                }
                incident::Handled::Already => (found.incident.clone(), None),
                // Another person or another note is kept, and is no news to those who were told.
                incident::Handled::Said(page) => {
                    (found.incident.clone(), page.filter(|_| !repeats(&found.history, entry)))
                }
                incident::Handled::Refused => return Ok(Acted::Refused(Box::new(found))),
                incident::Handled::Become { incident, page } => (*incident, page),
            };
            if found.history.len() >= MAX_HISTORY {
                return Ok(Acted::HistoryFull);
            }
            // Only the latest incident of a subject can go on: open, or as the new normal.
            let goes_on = incident.is_open() || entry.action == FeedbackKind::NewNormal.into();
            if goes_on
                && !found.incident.is_open()
                && let Some(later) = self.latest_incident(subject, writer.now).await?
                && later.id() != found.id()
            {
                return Ok(Acted::Superseded(later.id()));
            }
            let notice = page.map(|event| self.notice(event, &incident, &found.unit, entry, told_at, writer));
            let to = self.with_entry(&found, incident, entry);
            if found.incident.is_open() && !to.incident.is_open() {
                self.close_anomalies(&to.incident).await?;
            }
            let change =
                Change { from: Some(&found.former()), to: &to, alert: notice.as_ref(), told_by: None };
            match self.change(change, writer).await? {
                Changed::Done => return Ok(Acted::Done { item: Box::new(to), notice }),
                // An earlier step of the same millisecond has stored its notice under this id. The next read shows
                // whether that step was this one.
                Changed::Already(_) => {
                    told_at = told_at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(told_at);
                }
                Changed::Overtaken => {
                    sleep(Duration::from_millis(20) * attempt).await;
                }
            }
        }
        let id = IncidentId::of(opened_at, subject).to_string();
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
