//! Sends the alerts that wait: first those that earlier runs left behind, then those of this run.
//!
//! Publish, then mark. A crash between the two sends the alert once more, under the same id; the other order could
//! lose it. A publish that fails leaves its alert waiting and does not keep the others from being sent. A run that is
//! out of time begins no more of them, since one that is cut off in the middle is one that is sent twice.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use adapters::alerts::PUBLISH_TIMEOUT;
use adapters::metrics::AlertFigures;
use adapters::store::{AlertItem, CLAIM, Claim, Writer};
use adapters::telemetry::error_chain;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;

use crate::App;

/// Alerts that are sent at the same time.
const CONCURRENT_PUBLISHES: usize = 8;

/// Time for a publish and its mark: closer to the deadline, or to the end of the claim, none is begun.
const SEND_TIME: Duration = PUBLISH_TIMEOUT.saturating_add(Duration::from_secs(2));

/// Time for what earlier runs left behind: whatever SNS does, this run's own window must still be checked.
const LEFT_OVER_TIME: Duration = Duration::from_secs(30);

/// What one run did with the alerts that waited.
#[derive(Default)]
pub(crate) struct Outbox {
    published: u64,
    /// Alerts that are not known to be sent, and when their anomalies were complete, in Unix milliseconds.
    waiting: BTreeMap<String, i64>,
    unreadable: u64,
    seen: HashSet<String>,
    /// Whether the alerts that wait were looked at, so that a count of zero means something.
    looked: bool,
    failures: u64,
    first_failure: Option<anyhow::Error>,
}

enum Sent {
    Published,
    /// Published, but not marked, so that it will be published once more.
    Unmarked(anyhow::Error),
    /// Another run sent it.
    Done,
    /// Another run has it in hand.
    Held,
    Failed(anyhow::Error),
}

impl Outbox {
    /// Sends what earlier runs left behind. What goes wrong here fails the run at its end and not before its work.
    pub(crate) async fn publish_left_over(&mut self, app: &App, writer: Writer<'_>, deadline: Instant) {
        // More than a run can leave behind by itself; should there be more still, the next runs send them.
        let limit = 2 * app.alerting.max_per_run + 10;
        match app.store.pending(limit).await {
            Ok(pending) => {
                self.looked = true;
                if !pending.alerts.is_empty() {
                    let count = pending.alerts.len();
                    tracing::info!(alerts.pending = count, "sending alerts that an earlier run left behind");
                }
                if pending.unreadable > 0 {
                    self.unreadable = pending.unreadable;
                    self.fail(anyhow::anyhow!("{} items of the outbox cannot be read", pending.unreadable));
                }
                let deadline = deadline.min(Instant::now() + LEFT_OVER_TIME);
                self.publish(app, pending.alerts, writer, deadline).await;
            }
            Err(error) => self.fail(error.into()),
        }
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
        // They all wait until they are known to be sent, also when this run is cut off on the way.
        self.waiting.extend(alerts.iter().map(|alert| (alert.id().to_owned(), alert.detected_at())));
        let mut sending = stream::iter(&alerts)
            .map(|alert| async move { (alert.id(), send(app, alert, writer, deadline).await) })
            .buffer_unordered(CONCURRENT_PUBLISHES);
        while let Some((id, sent)) = sending.next().await {
            match sent {
                Sent::Published => {
                    self.published += 1;
                    self.waiting.remove(id);
                }
                Sent::Unmarked(error) => {
                    self.published += 1;
                    self.fail(error.context(format!("the alert {id} was sent and will be sent again")));
                }
                Sent::Done => drop(self.waiting.remove(id)),
                Sent::Held => {}
                Sent::Failed(error) => {
                    self.fail(error.context(format!("the alert {id} was not sent")));
                }
            }
        }
    }

    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// How many alerts were sent and how many wait, and for how long. `None` where nothing was looked at.
    pub(crate) fn figures(&self, now: Timestamp) -> Option<AlertFigures> {
        let oldest =
            self.waiting.values().min().map_or(0, |oldest| now.as_millisecond().saturating_sub(*oldest));
        self.looked.then(|| AlertFigures {
            published: self.published,
            pending: self.waiting.len() as u64 + self.unreadable,
            oldest: Duration::from_millis(u64::try_from(oldest).unwrap_or(0)),
        })
    }

    /// An error if anything went wrong, with the first cause.
    pub(crate) fn failure(&mut self) -> Option<anyhow::Error> {
        let (failures, waiting) = (self.failures, self.waiting.len());
        let told = format!("{waiting} alerts wait for the next run; the first of {failures} failures");
        self.first_failure.take().map(|error| error.context(told))
    }

    fn fail(&mut self, error: anyhow::Error) {
        tracing::error!(error = error_chain(error.as_ref()), "the outbox is not empty");
        self.failures += 1;
        self.first_failure.get_or_insert(error);
    }
}

async fn send(app: &App, alert: &AlertItem, writer: Writer<'_>, deadline: Instant) -> Sent {
    if deadline.saturating_duration_since(Instant::now()) < SEND_TIME {
        return Sent::Failed(anyhow::anyhow!("no time was left"));
    }
    let claimed = Instant::now();
    match claim(app, alert, writer).await {
        Ok(Claim::Won) => {}
        Ok(Claim::Held) => return Sent::Held,
        Ok(Claim::Done) => return Sent::Done,
        Err(error) => return Sent::Failed(error),
    }
    // A claim that took long to get may be another run's before this one is done.
    let published = match claimed.elapsed() + SEND_TIME < CLAIM {
        true => app.alerts.publish(alert).await.map_err(anyhow::Error::from),
        false => Err(anyhow::anyhow!("the claim took {} s to get", claimed.elapsed().as_secs())),
    };
    if let Err(error) = published {
        if let Err(release) = app.store.release(alert, writer).await {
            let text = error_chain(&release);
            tracing::warn!(alert.id = alert.id(), error = text, "the claim on the alert ends by itself");
        }
        return Sent::Failed(error);
    }
    match mark(app, alert, writer).await {
        Ok(()) => Sent::Published,
        Err(error) => Sent::Unmarked(error),
    }
}

/// Claims are dated at the moment they are made: a run may have read and stored for minutes before.
async fn claim(app: &App, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<Claim> {
    Ok(app.store.claim(alert, Writer { now: app.now()?, ..writer }).await?)
}

async fn mark(app: &App, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<()> {
    Ok(app.store.mark_sent(alert, Writer { now: app.now()?, ..writer }).await?)
}
