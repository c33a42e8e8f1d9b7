//! Publishes the notice of a person's decision at once: claim, publish, mark, as the runs do.
//!
//! The notice is stored already. If anything goes wrong here, the next run sends it. The next run also sends it if an
//! earlier alert of the same incident is still pending, because nobody must read of an end before its beginning.

use std::time::{Duration, Instant};

use anyhow::bail;
use messaging::alerts::PUBLISH_TIMEOUT;
use platform::telemetry::error_chain;
use store::{AlertItem, Claim, Writer};

use crate::App;
use crate::answer::Serving;

/// Longest time of the publish. The person waits for the answer. A publish that is cut off would be sent again by the
/// next run.
const SEND_TIME: Duration = PUBLISH_TIMEOUT.saturating_add(Duration::from_secs(2));

/// Pending alerts that are read. If there are more, the runs are in trouble, and this must not add to it.
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
