//! Sends pending alerts: first the left-over alerts of earlier runs, then the alerts of this run.
//!
//! - A failed publish leaves its alert pending and does not stop the others.
//! - A run that is out of time begins no more publishes, because a publish that is cut off is sent twice.
//! - Left-over alerts get half a minute only, so that a hanging SNS cannot keep a window from being checked.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use detection::incident::IncidentId;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use messaging::alerts::{Outlet, Sent, send};
use platform::emf::AlertFigures;
use platform::telemetry::error_chain;
use store::AlertItem;

use crate::ledger::Ledger;

mod order;

use order::{by_incident, is_first};

/// Alerts that are sent at the same time.
const CONCURRENT_PUBLISHES: usize = 8;

/// Pause before the first look at alerts that another run holds. Each further pause is twice as long, and five of them
/// last as long as a claim.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The results of one run's sending.
#[derive(Default)]
pub struct Outbox {
    published: u64,
    /// Alerts that are not known to be sent, with the times of their anomalies in Unix milliseconds.
    waiting: BTreeMap<String, i64>,
    unreadable: u64,
    parked: u64,
    seen: HashSet<String>,
    /// Alerts that another run holds, and the alerts behind them. That run may be dead. Also alerts that a slow SNS left.
    held: Vec<AlertItem>,
    /// Incidents with a held alert.
    held_incidents: HashSet<IncidentId>,
    /// Incidents with an alert that this run could not send. None of their later alerts goes before it.
    blocked: HashSet<IncidentId>,
    /// Whether the run has time to send again what it had no time for.
    goes_on: bool,
    /// Whether the pending alerts were read, so that a count of zero means something.
    looked: bool,
    /// More alerts may be pending than were read.
    overlooked: bool,
    failures: u64,
    first_failure: Option<anyhow::Error>,
}

impl Outbox {
    /// Sends left-over alerts of earlier runs. A failure here fails the run at its end and not before its work.
    pub(crate) async fn publish_left_over(
        &mut self,
        ledger: &impl Ledger,
        limit: usize,
        run_id: &str,
        deadline: Instant,
    ) {
        match ledger.pending(limit).await {
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
                let deadline = deadline.min(Instant::now() + ledger.outlet().pace().left_over);
                let more = pending.alerts.len() >= limit;
                self.publish(ledger, pending.alerts, run_id, deadline).await;
                self.overlooked = more;
            }
            Err(error) => self.fail(error),
        }
    }

    /// Sends `alerts` before other work of the run. What a slow SNS leaves of them after half a minute goes out at the end of the
    /// run, with [`Self::publish_held`].
    pub(crate) async fn publish_ahead(
        &mut self,
        ledger: &impl Ledger,
        alerts: Vec<AlertItem>,
        run_id: &str,
        deadline: Instant,
    ) {
        let until = deadline.min(Instant::now() + ledger.outlet().pace().left_over);
        self.goes_on = until < deadline;
        self.publish(ledger, alerts, run_id, until).await;
        self.goes_on = false;
    }

    /// Sends `alerts`, each at most once in this run. Alerts of one incident keep their order.
    pub(crate) async fn publish(
        &mut self,
        ledger: &impl Ledger,
        alerts: Vec<AlertItem>,
        run_id: &str,
        deadline: Instant,
    ) {
        let alerts: Vec<_> =
            alerts.into_iter().filter(|alert| self.seen.insert(alert.id().to_owned())).collect();
        // They all are pending until they are known to be sent, even if this run is cut off on the way.
        self.waiting.extend(alerts.iter().map(|alert| (alert.id().to_owned(), alert.detected_at())));
        self.send(ledger, alerts, run_id, deadline).await;
    }

    /// Sends the alerts that another run held, after the claims of that run have ended. Nobody else waits for a dead
    /// run. Without the time to wait this run fails, so that its retry sends them.
    pub(crate) async fn publish_held(&mut self, ledger: &impl Ledger, run_id: &str, deadline: Instant) {
        let (mut pause, pace) = (FIRST_LOOK, ledger.outlet().pace());
        let mut waited = Duration::ZERO;
        while !self.held.is_empty() && waited < pace.claim_over() {
            let count = self.held.len();
            if deadline.saturating_duration_since(Instant::now()) < pause + pace.send() {
                self.fail(anyhow::anyhow!(
                    "another run holds {count} alerts, and no time was left to wait for it"
                ));
                break;
            }
            tracing::info!(alerts.held = count, "waiting for another run that has alerts in hand");
            ledger.pause(pause).await;
            waited += pause;
            pause *= 2;
            for incident in self.held_incidents.drain() {
                self.blocked.remove(&incident);
            }
            let held = std::mem::take(&mut self.held);
            self.send(ledger, held, run_id, deadline).await;
        }
        // A run that has claimed them again is alive, and sends them.
        self.held.clear();
    }

    async fn send(&mut self, ledger: &impl Ledger, alerts: Vec<AlertItem>, run_id: &str, deadline: Instant) {
        let mut groups = by_incident(&alerts);
        groups.retain(|alerts| {
            let waits =
                alerts[0].incident_id().is_some_and(|incident| self.held_incidents.contains(&incident));
            if waits {
                self.held.extend(alerts.iter().map(|alert| (*alert).clone()));
            }
            !waits && !self.is_blocked(alerts[0])
        });
        let mut sending = stream::iter(groups)
            .map(|alerts| async move { send_in_order(ledger, &alerts, run_id, deadline).await })
            .buffer_unordered(CONCURRENT_PUBLISHES)
            .flat_map(stream::iter);
        while let Some((alert, sent)) = sending.next().await {
            let id = alert.id();
            if !sent.is_over() {
                self.blocked.extend(alert.incident_id());
            }
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
                Sent::Parked(error) => {
                    self.parked += 1;
                    self.waiting.remove(id);
                    let text = error_chain(error.as_ref());
                    tracing::error!(
                        alert.id = id,
                        error = text,
                        "SNS refuses the alert for good: it is parked"
                    );
                }
                Sent::NoTime if self.goes_on => {
                    self.held_incidents.extend(alert.incident_id());
                    self.held.push(alert.clone());
                }
                Sent::Held => {
                    self.held_incidents.extend(alert.incident_id());
                    self.held.push(alert.clone());
                }
                Sent::NoTime => self.fail(anyhow::anyhow!("no time was left to send the alert {id}")),
                Sent::Failed(error) => {
                    self.fail(error.context(format!("the alert {id} was not sent")));
                }
            }
        }
    }

    /// Whether an earlier alert of the same incident is or may be pending. Nobody must read of an end before its
    /// beginning.
    fn is_blocked(&self, alert: &AlertItem) -> bool {
        alert.incident_id().is_some_and(|incident| self.blocked.contains(&incident))
            || ((self.overlooked || !self.looked) && !is_first(alert))
    }

    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// The number of sent and pending alerts, and the age of the oldest. `None` if nothing was read.
    pub(crate) fn figures(&self, now: Timestamp) -> Option<AlertFigures> {
        let oldest =
            self.waiting.values().min().map_or(0, |oldest| now.as_millisecond().saturating_sub(*oldest));
        self.looked.then(|| AlertFigures {
            published: self.published,
            parked: self.parked,
            pending: self.waiting.len() as u64 + self.unreadable,
            oldest: Duration::from_millis(u64::try_from(oldest).unwrap_or(0)),
        })
    }

    /// An error with the first cause, if anything failed.
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

/// Alerts behind an alert that is not known to be sent stay pending too. Nobody must read of an end before its
/// beginning.
async fn send_in_order<'a>(
    ledger: &impl Ledger,
    alerts: &[&'a AlertItem],
    run_id: &str,
    deadline: Instant,
) -> Vec<(&'a AlertItem, Sent<anyhow::Error>)> {
    let outlet = ledger.outlet();
    let mut results = Vec::new();
    for alert in alerts {
        let sent = send(&outlet, alert, run_id, deadline).await;
        let (goes_on, is_held) = (sent.is_over(), matches!(sent, Sent::Held));
        results.push((*alert, sent.map_error(Into::into)));
        if is_held {
            // The alerts behind it wait for the same run.
            results.extend(alerts.iter().skip(results.len()).map(|alert| (*alert, Sent::Held)));
        }
        if !goes_on {
            break;
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use detection::incident::Event;

    use super::order::tests::alert;
    use super::*;

    #[test]
    fn what_follows_an_alert_that_waits_waits_too() {
        let (of_a, of_b) = (alert("a", Event::Resolved, 0, 0), alert("b", Event::Resolved, 0, 0));
        let mut outbox = Outbox { looked: true, ..Outbox::default() };
        outbox.blocked.extend(of_a.incident_id());
        assert_eq!([&of_a, &of_b].map(|alert| outbox.is_blocked(alert)), [true, false]);
        // The number of pending alerts is unknown.
        outbox.looked = false;
        assert!(outbox.is_blocked(&of_b));
    }
}
