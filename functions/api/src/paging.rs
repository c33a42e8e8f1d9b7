//! Tells those who were paged what a person has decided, at once: claim, publish, mark, as the runs do.
//!
//! The notice is stored by then, so nothing depends on this: whatever goes wrong, the next run sends it. That run also
//! sends it where an earlier alert of the same incident still waits, since nobody is to read of an end before its
//! beginning.

use std::time::{Duration, Instant};

use anyhow::bail;
use messaging::alerts::PUBLISH_TIMEOUT;
use platform::telemetry::error_chain;
use store::{AlertItem, Claim, Writer};

use crate::App;
use crate::answer::Serving;

/// Longest time for it: whoever has decided waits for the answer. A publish that is cut off in the middle would be sent
/// again by the next run.
const SEND_TIME: Duration = PUBLISH_TIMEOUT.saturating_add(Duration::from_secs(2));

/// Alerts that wait which are looked at. Where there are more, the runs have trouble that is not to be added to.
const LOOKED_AT: usize = 100;

/// Sends a notice, or leaves it to the next run.
pub(crate) async fn send_now(app: &App, notice: &AlertItem, serving: &Serving) {
    let time = SEND_TIME.min(serving.deadline.saturating_duration_since(Instant::now()));
    let sent = match tokio::time::timeout(time, send(app, notice, &serving.id)).await {
        Ok(sent) => sent,
        Err(_) => Err(anyhow::anyhow!("it took longer than {} s", time.as_secs())),
    };
    if let Err(error) = sent {
        let text = error_chain(error.as_ref());
        tracing::warn!(alert.id = notice.id(), error = text, "the next run sends the notice");
    }
}

async fn send(app: &App, notice: &AlertItem, run_id: &str) -> anyhow::Result<()> {
    let waiting = app.store.pending(LOOKED_AT).await?.alerts;
    let is_earlier =
        |alert: &AlertItem| alert.id() != notice.id() && alert.incident_id() == notice.incident_id();
    if waiting.len() == LOOKED_AT || waiting.iter().any(is_earlier) {
        bail!("other alerts wait as well");
    }
    let writer = || -> anyhow::Result<Writer<'_>> { Ok(Writer { run_id, now: app.time()? }) };
    match app.store.claim(notice, writer()?).await? {
        Claim::Won => {}
        // A run was faster.
        Claim::Held | Claim::Done => return Ok(()),
    }
    if let Err(error) = app.alerts.publish(notice).await {
        app.store.release(notice, writer()?).await?;
        return Err(error.into());
    }
    Ok(app.store.mark_sent(notice, writer()?).await?)
}
