//! Publishes the notice of a person's decision at once: claim, publish, mark, as the runs do.
//!
//! The notice is stored already. If anything goes wrong here, the next run sends it. The next run also sends it if an
//! earlier alert of the same incident is still pending, because nobody must read of an end before its beginning.

use std::time::{Duration, Instant};

use anyhow::bail;
use messaging::alerts::{AwsOutlet, Sent, send};
use platform::telemetry::error_chain;
use store::AlertItem;

use crate::App;
use crate::answer::Serving;

/// Time for what comes before the publish. The person waits for the answer. A publish is begun only if all of it fits in.
const LOOK_TIME: Duration = Duration::from_secs(3);

/// Pending alerts that are read. If there are more, the runs are in trouble, and this must not add to it.
const LOOKED_AT: usize = 100;

/// Sends a notice, or leaves it to the next run.
pub(crate) async fn send_now(app: &App, notice: &AlertItem, serving: &Serving) {
    let deadline = serving.deadline.min(Instant::now() + app.alerts.pace().send() + LOOK_TIME);
    let left = deadline.saturating_duration_since(Instant::now());
    let sent = match tokio::time::timeout(left, send_first(app, notice, &serving.id, deadline)).await {
        Ok(sent) => sent,
        Err(_) => Err(anyhow::anyhow!("it took longer than {} s", left.as_secs())),
    };
    if let Err(error) = sent {
        let text = error_chain(error.as_ref());
        tracing::warn!(alert.id = notice.id(), error = text, "the next run sends the notice");
    }
}

/// Sends a notice if no other alert of its incident is pending.
async fn send_first(app: &App, notice: &AlertItem, run_id: &str, deadline: Instant) -> anyhow::Result<()> {
    let waiting = app.store.pending(LOOKED_AT).await?.alerts;
    let is_earlier =
        |alert: &AlertItem| alert.id() != notice.id() && alert.incident_id() == notice.incident_id();
    if waiting.len() == LOOKED_AT || waiting.iter().any(is_earlier) {
        bail!("other alerts wait as well");
    }
    // A run parks an alert that SNS refuses for good, because the run's metric raises the alarm.
    let outlet = AwsOutlet { store: &app.store, alerts: &app.alerts, clock: app.clock, parks: false };
    match send(&outlet, notice, run_id, deadline).await {
        // If it is held or done, a run was faster.
        Sent::Published | Sent::Held | Sent::Done => Ok(()),
        Sent::NoTime => bail!("no time was left"),
        Sent::Unmarked(error) | Sent::Parked(error) | Sent::Failed(error) => Err(error.into()),
    }
}
