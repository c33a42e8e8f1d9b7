//! Sends the alerts that wait: first those that earlier runs left behind, then those of this run.
//!
//! Publish, then mark. A crash between the two sends the alert once more, under the same id; the other order could
//! lose it. A publish that fails leaves its alert waiting and does not keep the others from being sent. A run that is
//! out of time begins no more of them, since one that is cut off in the middle is one that is sent twice.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use adapters::metrics::RunFigures;
use adapters::store::{AlertItem, Writer};
use adapters::telemetry::error_chain;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::App;

/// Alerts that are sent at the same time.
const CONCURRENT_PUBLISHES: usize = 8;

/// Time that a publish and its mark are given: closer to the deadline none is begun.
const PUBLISH_TIME: Duration = Duration::from_secs(2);

/// What one run did with the alerts that waited.
#[derive(Default)]
pub(crate) struct Outbox {
    published: u64,
    /// Alerts that still wait, and when their anomalies were complete, in Unix milliseconds.
    waiting: Vec<i64>,
    seen: HashSet<String>,
    failures: u64,
    first_failure: Option<anyhow::Error>,
}

enum Sent {
    Published,
    /// Another run sent it, or is just doing so.
    Elsewhere,
    Failed(anyhow::Error),
}

impl Outbox {
    /// Sends what earlier runs left behind.
    pub(crate) async fn publish_left_over(
        &mut self,
        app: &App,
        writer: Writer<'_>,
        deadline: Instant,
    ) -> anyhow::Result<()> {
        // One more than a run may send for each digest, and then some: the rest waits for the next run.
        let alerts = app.store.pending(app.alerting.max_per_run.saturating_mul(2).max(100)).await?;
        if !alerts.is_empty() {
            tracing::info!(alerts.pending = alerts.len(), "sending alerts that an earlier run left behind");
        }
        self.publish(app, alerts, writer, deadline).await;
        Ok(())
    }

    /// Sends `alerts`, each at most once in this run.
    pub(crate) async fn publish(
        &mut self,
        app: &App,
        alerts: Vec<AlertItem>,
        writer: Writer<'_>,
        deadline: Instant,
    ) {
        let alerts: Vec<_> =
            alerts.into_iter().filter(|alert| self.seen.insert(alert.id().to_owned())).collect();
        let mut sending = stream::iter(&alerts)
            .map(|alert| async move { (alert, send(app, alert, writer, deadline).await) })
            .buffer_unordered(CONCURRENT_PUBLISHES);
        while let Some((alert, sent)) = sending.next().await {
            match sent {
                Sent::Published => self.published += 1,
                Sent::Elsewhere => {}
                Sent::Failed(error) => {
                    let text = error_chain(error.as_ref());
                    tracing::error!(alert.id = alert.id(), error = text, "an alert was not sent and waits");
                    self.waiting.push(alert.detected_at());
                    self.failures += 1;
                    self.first_failure.get_or_insert(error);
                }
            }
        }
    }

    /// Writes down how many alerts were sent and how many wait, and for how long.
    pub(crate) fn count(&self, now: Timestamp, figures: &mut RunFigures) {
        figures.alerts_published = self.published;
        figures.alerts_pending = self.waiting.len() as u64;
        let oldest =
            self.waiting.iter().min().map_or(0, |oldest| now.as_millisecond().saturating_sub(*oldest));
        figures.oldest_pending = Duration::from_millis(u64::try_from(oldest).unwrap_or(0));
    }

    /// An error if any alert could not be sent, with the first cause.
    pub(crate) fn failure(self) -> Option<anyhow::Error> {
        let failures = self.failures;
        self.first_failure.map(|error| {
            error.context(format!(
                "{failures} alerts were not sent and wait for the next run; the first of them"
            ))
        })
    }
}

async fn send(app: &App, alert: &AlertItem, writer: Writer<'_>, deadline: Instant) -> Sent {
    if deadline.saturating_duration_since(Instant::now()) < PUBLISH_TIME {
        return Sent::Failed(anyhow::anyhow!("the run had no time left to publish {}", alert.id()));
    }
    match app.store.claim(alert, writer).await {
        Ok(true) => {}
        Ok(false) => return Sent::Elsewhere,
        Err(error) => return Sent::Failed(error.into()),
    }
    if let Err(error) = app.alerts.publish(alert).await {
        if let Err(release) = app.store.release(alert, writer).await {
            let text = error_chain(&release);
            tracing::warn!(alert.id = alert.id(), error = text, "the claim on the alert ends by itself");
        }
        return Sent::Failed(error.into());
    }
    match app.store.mark_sent(alert, writer).await {
        Ok(()) => Sent::Published,
        Err(error) => Sent::Failed(error.into()),
    }
}
