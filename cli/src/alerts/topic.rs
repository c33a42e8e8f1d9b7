//! Alerts that SNS refused for good. They go back into the outbox, from where the next run of the detector sends them.
//!
//! Nobody is paged about what is over: the page of an incident that has ended is given up. Its end told of it.

use detection::incident::IncidentId;
use jiff::Timestamp;
use platform::aws::SdkConfig;
use store::{AlertItem, AnomalyStore, StoreConfig};

use crate::output::say;

/// Parked alerts that are looked at in one go.
const MOST: usize = 1_000;

pub(super) fn store(table: String, aws: &SdkConfig) -> AnomalyStore {
    // Nothing is stored here that would expire.
    AnomalyStore::new(&StoreConfig { table, retention_days: 1 }, aws)
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
        let what = format!("topic: {}", alert.id().escape_debug());
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

/// Whether it calls people. A notice tells of an end or of an action.
fn is_page(alert: &AlertItem) -> bool {
    match alert {
        AlertItem::Anomaly(_) => true,
        AlertItem::Notice(_) | AlertItem::Digest(_) => false,
    }
}

/// Whether its incident is known to have ended since.
async fn has_ended(store: &AnomalyStore, alert: &AlertItem, now: Timestamp) -> anyhow::Result<bool> {
    let id = alert.incident_id();
    let Some((_, opened_at, subject)) = id.and_then(|id| IncidentId::parse(id.as_str())) else {
        return Ok(false);
    };
    let incident = store.incident(&subject, opened_at, now).await?;
    Ok(incident.is_some_and(|found| !found.incident.is_open()))
}
