//! Alerts that SNS refused for good. They go back into the outbox. The next run of the detector sends them from there.
//!
//! The page of an ended incident is given up, because nobody must be paged about an incident that has ended.

use detection::incident::IncidentId;
use jiff::Timestamp;
use store::{AlertItem, AnomalyStore};

use crate::output::say;

/// Their name beside those of the queues: that of their alarm.
pub(super) const NAME: &str = "parked-alerts";

/// Most parked alerts that are read at once.
const MOST: usize = 1_000;

/// All of them, at most [`MOST`].
pub(super) async fn all(store: &AnomalyStore) -> anyhow::Result<Vec<AlertItem>> {
    Ok(store.parked(MOST).await?.alerts)
}

/// Takes up the parked alerts, at most `limit`, or shows them.
pub(super) async fn take_up(
    store: &AnomalyStore,
    now: Timestamp,
    dry_run: bool,
    limit: u64,
) -> anyhow::Result<()> {
    let limit = usize::try_from(limit).unwrap_or(MOST).min(MOST);
    let parked = store.parked(limit).await?;
    let (mut taken_up, mut over) = (0, 0);
    for alert in &parked.alerts {
        let is_over = is_page(alert) && has_ended(store, alert, now).await?;
        let what = format!("{NAME}: {}", alert.id().escape_debug());
        if dry_run {
            say!("{what}, {}", if is_over { "is over and would be given up" } else { "would be sent" });
        } else if is_over {
            store.give_up(alert).await?;
            over += 1;
            say!("{what}, given up: its incident has ended");
        } else if store.take_up(alert).await? {
            taken_up += 1;
            say!("{what}, is sent by the next run");
        }
    }
    if taken_up + over > 0 {
        let (alerts, wait) = if taken_up == 1 { ("alert", "waits") } else { ("alerts", "wait") };
        let are = if over == 1 { "is" } else { "are" };
        say!("{taken_up} {alerts} that SNS refused {wait} for the next run, {over} {are} over");
    }
    Ok(())
}

/// Whether the alert calls people. A notice reports an end or an action.
fn is_page(alert: &AlertItem) -> bool {
    match alert {
        AlertItem::Anomaly(_) => true,
        AlertItem::Notice(_) | AlertItem::Digest(_) => false,
    }
}

/// Whether the incident of the alert is known to have ended.
async fn has_ended(store: &AnomalyStore, alert: &AlertItem, now: Timestamp) -> anyhow::Result<bool> {
    let id = alert.incident_id();
    let Some((_, opened_at, subject)) = id.and_then(|id| IncidentId::parse(id.as_str())) else {
        return Ok(false);
    };
    let incident = store.incident(&subject, opened_at, now).await?;
    Ok(incident.is_some_and(|found| !found.incident.is_open()))
}
