//! People who acknowledge, resolve and reopen incidents while runs go on. They act as the API does for them.

use std::time::Instant;

use anyhow::anyhow;
use detection::Action;
use detection::incident::{Handled, IncidentId};
use messaging::alerts::{Pace, Sent, send};
use store::{AlertItem, Change, Changed, HistoryEntry, IncidentItem, Notice, Writer};

use crate::books::Books;
use crate::desk::name;
use detector::ledger::Ledger;

/// An action of a person, as the API carries it out.
pub(crate) async fn handle(books: &Books<'_>, id: &IncidentId, action: Action) -> anyhow::Result<()> {
    let (_, _, subject) = IncidentId::parse(id.as_str()).unwrap();
    let run_id = name(books.run);
    let retention = books.app.store.retention();
    for _ in 0..5 {
        let now = books.now()?;
        let latest = books.latest_incident(&subject, now).await?;
        let Some(before) = latest.filter(|found| found.id() == *id) else { return Ok(()) };
        let Handled::Become { incident, page } = before.incident.after(action, now) else { return Ok(()) };
        let notice = page.map(|event| {
            let text = String::from("somebody did something");
            let notice = Notice::new(event, &incident, &before.unit, text, now, retention, &run_id);
            AlertItem::Notice(Box::new(notice))
        });
        let mut to = IncidentItem::after(Some(&before), *incident, &before.unit, None, retention);
        let (actor, at, note, by_customer) = (run_id.clone(), now.as_millisecond(), None, false);
        to.history.push(HistoryEntry { action: action.into(), actor, at, note, by_customer });
        if before.incident.is_open() && !to.incident.is_open() {
            books.close_anomalies(&to.incident).await?;
        }
        let change = Change { from: Some(&before.former()), to: &to, alert: notice.as_ref(), told_by: None };
        let writer = Writer { run_id: &run_id, now };
        if let Changed::Done = books.change(change, writer).await? {
            return match notice {
                Some(notice) => send_now(books, &notice, &run_id).await,
                None => Ok(()),
            };
        }
    }
    Err(anyhow!("others were faster again and again"))
}

/// Sends at once, unless an earlier alert of the incident is pending. Then the next run sends both.
async fn send_now(books: &Books<'_>, notice: &AlertItem, run_id: &str) -> anyhow::Result<()> {
    let waiting = books.pending(100).await?.alerts;
    let is_earlier =
        |alert: &AlertItem| alert.id() != notice.id() && alert.incident_id() == notice.incident_id();
    if waiting.iter().any(is_earlier) {
        return Ok(());
    }
    match send(&books, notice, run_id, Instant::now() + 2 * Pace::default().send()).await {
        Sent::Unmarked(error) | Sent::Failed(error) => Err(error),
        _ => Ok(()),
    }
}
