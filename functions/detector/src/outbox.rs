//! Sends the alerts that wait: first those that earlier runs left behind, then those of this run.
//!
//! Publish, then mark. A crash between the two sends the alert once more, under the same id; the other order could
//! lose it. A publish that fails leaves its alert waiting and does not keep the others from being sent. A run that is
//! out of time begins no more of them, since one that is cut off in the middle is one that is sent twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use detection::incident::{Event, IncidentId};
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use messaging::alerts::{AlertError, PUBLISH_TIMEOUT};
use platform::emf::AlertFigures;
use platform::telemetry::error_chain;
use store::{AlertItem, CLAIM, Claim, Writer};

use crate::ledger::Ledger;

/// Alerts that are sent at the same time.
const CONCURRENT_PUBLISHES: usize = 8;

/// Time for a publish and its mark: closer to the deadline, or to the end of the claim, none is begun.
const SEND_TIME: Duration = PUBLISH_TIMEOUT.saturating_add(Duration::from_secs(2));

/// After this the claim of a dead run has ended.
const CLAIM_OVER: Duration = CLAIM.saturating_add(Duration::from_secs(1));

/// Pause before the first look whether another run has sent what it holds. Each further pause is twice as long, and five
/// of them last as long as a claim.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// Time for what earlier runs left behind: whatever SNS does, this run's own window must still be checked.
const LEFT_OVER_TIME: Duration = Duration::from_secs(30);

/// What one run did with the alerts that waited.
#[derive(Default)]
pub struct Outbox {
    published: u64,
    /// Alerts that are not known to be sent, and when their anomalies were complete, in Unix milliseconds.
    waiting: BTreeMap<String, i64>,
    unreadable: u64,
    parked: u64,
    seen: HashSet<String>,
    /// Alerts that another run holds, and those behind them. That run may be dead.
    held: Vec<AlertItem>,
    /// Incidents of which such an alert waits.
    held_incidents: HashSet<IncidentId>,
    /// Incidents of which an alert waits that this run could not send, so that none of their later ones goes before it.
    blocked: HashSet<IncidentId>,
    /// Whether the alerts that wait were looked at, so that a count of zero means something.
    looked: bool,
    /// There may be more of them than were looked at.
    overlooked: bool,
    failures: u64,
    first_failure: Option<anyhow::Error>,
}

enum Sent {
    Published,
    /// Published, but not marked, so that it will be published once more.
    Unmarked(anyhow::Error),
    /// Another run sent it.
    Done,
    /// SNS refuses it for good, so it is parked: a run that fails on it for ever would help nobody.
    Parked(anyhow::Error),
    /// Another run has it in hand.
    Held,
    /// It waits behind one that another run has in hand.
    Behind,
    Failed(anyhow::Error),
}

impl Sent {
    /// Whether what follows it may be sent as well.
    fn is_sent(&self) -> bool {
        matches!(self, Self::Published | Self::Unmarked(_) | Self::Parked(_) | Self::Done)
    }
}

impl Outbox {
    /// Sends what earlier runs left behind. What goes wrong here fails the run at its end and not before its work.
    pub(crate) async fn publish_left_over(
        &mut self,
        ledger: &impl Ledger,
        limit: usize,
        writer: Writer<'_>,
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
                let deadline = deadline.min(Instant::now() + LEFT_OVER_TIME);
                let more = pending.alerts.len() >= limit;
                self.publish(ledger, pending.alerts, writer, deadline).await;
                self.overlooked = more;
            }
            Err(error) => self.fail(error),
        }
    }

    /// Sends `alerts`, each at most once in this run, and those of one incident in their order.
    pub(crate) async fn publish(
        &mut self,
        ledger: &impl Ledger,
        alerts: Vec<AlertItem>,
        writer: Writer<'_>,
        deadline: Instant,
    ) {
        let alerts: Vec<_> =
            alerts.into_iter().filter(|alert| self.seen.insert(alert.id().to_owned())).collect();
        // They all wait until they are known to be sent, also when this run is cut off on the way.
        self.waiting.extend(alerts.iter().map(|alert| (alert.id().to_owned(), alert.detected_at())));
        self.send(ledger, alerts, writer, deadline).await;
    }

    /// Sends what another run held, once the claims of that run are over. A dead run is not waited for by anybody else.
    /// Without the time to wait this run fails, so that its retry sends them.
    pub(crate) async fn publish_held(&mut self, ledger: &impl Ledger, writer: Writer<'_>, deadline: Instant) {
        let mut pause = FIRST_LOOK;
        let mut waited = Duration::ZERO;
        while !self.held.is_empty() && waited < CLAIM_OVER {
            let count = self.held.len();
            if deadline.saturating_duration_since(Instant::now()) < pause + SEND_TIME {
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
            self.send(ledger, held, writer, deadline).await;
        }
        // A run that took them anew is alive, and sends them.
        self.held.clear();
    }

    async fn send(
        &mut self,
        ledger: &impl Ledger,
        alerts: Vec<AlertItem>,
        writer: Writer<'_>,
        deadline: Instant,
    ) {
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
            .map(|alerts| async move { send_in_order(ledger, &alerts, writer, deadline).await })
            .buffer_unordered(CONCURRENT_PUBLISHES)
            .flat_map(stream::iter);
        while let Some((alert, sent)) = sending.next().await {
            let id = alert.id();
            if !sent.is_sent() {
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
                Sent::Held | Sent::Behind => {
                    self.held_incidents.extend(alert.incident_id());
                    self.held.push(alert.clone());
                }
                Sent::Failed(error) => {
                    self.fail(error.context(format!("the alert {id} was not sent")));
                }
            }
        }
    }

    /// Whether an earlier alert of the same incident waits, or may wait: nobody is to read of an end before its beginning.
    fn is_blocked(&self, alert: &AlertItem) -> bool {
        alert.incident_id().is_some_and(|incident| self.blocked.contains(&incident))
            || ((self.overlooked || !self.looked) && !is_first(alert))
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
            parked: self.parked,
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

/// Its place among the alerts of an incident: by the newest window that the incident had seen, then by its number of
/// anomalies, which a late window adds to, and then by when it became true. What people did is dated by the clock, which
/// is ahead of all windows, and so is no measure before the others.
fn place(alert: &AlertItem) -> (i64, u64, i64) {
    let incident = match alert {
        AlertItem::Anomaly(item) => item.alert.as_ref().map(|alert| &alert.incident),
        AlertItem::Notice(notice) => Some(&notice.incident),
        AlertItem::Digest(_) => None,
    };
    let newest_window = incident.map(|incident| incident.last_window.as_millisecond());
    let anomalies = incident.map_or(0, |incident| incident.anomalies);
    (newest_window.unwrap_or(alert.detected_at()), anomalies, alert.detected_at())
}

/// Whether no other alert of its incident can have been before it.
fn is_first(alert: &AlertItem) -> bool {
    match alert {
        AlertItem::Anomaly(item) => item.alert.as_ref().is_none_or(|alert| alert.event == Event::Opened),
        AlertItem::Notice(_) => false,
        AlertItem::Digest(_) => true,
    }
}

/// The alerts of each incident, in their order; all others one by one.
fn by_incident(alerts: &[AlertItem]) -> Vec<Vec<&AlertItem>> {
    let mut groups: Vec<Vec<&AlertItem>> = Vec::new();
    let mut places = HashMap::new();
    for alert in alerts {
        match alert.incident_id() {
            Some(incident) => {
                let place = *places.entry(incident).or_insert(groups.len());
                if place == groups.len() {
                    groups.push(Vec::new());
                }
                groups[place].push(alert);
            }
            None => groups.push(vec![alert]),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|alert| place(alert));
    }
    groups
}

/// What follows an alert that is not known to be sent waits with it: nobody is to read of an end before its beginning.
async fn send_in_order<'a>(
    ledger: &impl Ledger,
    alerts: &[&'a AlertItem],
    writer: Writer<'_>,
    deadline: Instant,
) -> Vec<(&'a AlertItem, Sent)> {
    let mut results = Vec::new();
    for alert in alerts {
        let sent = send(ledger, alert, writer, deadline).await;
        let (goes_on, is_held) = (sent.is_sent(), matches!(sent, Sent::Held));
        results.push((*alert, sent));
        if is_held {
            results.extend(alerts.iter().skip(results.len()).map(|alert| (*alert, Sent::Behind)));
        }
        if !goes_on {
            break;
        }
    }
    results
}

async fn send(ledger: &impl Ledger, alert: &AlertItem, writer: Writer<'_>, deadline: Instant) -> Sent {
    if deadline.saturating_duration_since(Instant::now()) < SEND_TIME {
        return Sent::Failed(anyhow::anyhow!("no time was left"));
    }
    let claimed = Instant::now();
    match claim(ledger, alert, writer).await {
        Ok(Claim::Won) => {}
        Ok(Claim::Held) => return Sent::Held,
        Ok(Claim::Done) => return Sent::Done,
        Err(error) => return Sent::Failed(error),
    }
    // A claim that took long to get may be another run's before this one is done.
    let published = match claimed.elapsed() + SEND_TIME < CLAIM {
        true => ledger.publish(alert).await,
        false => Err(anyhow::anyhow!("the claim took {} s to get", claimed.elapsed().as_secs())),
    };
    if let Err(error) = published {
        if error.downcast_ref::<AlertError>().is_some_and(AlertError::is_final)
            && park(ledger, alert, writer).await.is_ok()
        {
            return Sent::Parked(error);
        }
        if let Err(release) = ledger.release(alert, writer).await {
            let text = error_chain(release.as_ref());
            tracing::warn!(alert.id = alert.id(), error = text, "the claim on the alert ends by itself");
        }
        return Sent::Failed(error);
    }
    match mark(ledger, alert, writer).await {
        Ok(()) => Sent::Published,
        Err(error) => Sent::Unmarked(error),
    }
}

/// Claims are dated at the moment they are made: a run may have read and stored for minutes before.
async fn claim(ledger: &impl Ledger, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<Claim> {
    ledger.claim(alert, Writer { now: ledger.now()?, ..writer }).await
}

async fn mark(ledger: &impl Ledger, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<()> {
    ledger.mark_sent(alert, Writer { now: ledger.now()?, ..writer }).await
}

async fn park(ledger: &impl Ledger, alert: &AlertItem, writer: Writer<'_>) -> anyhow::Result<()> {
    ledger.park(alert, Writer { now: ledger.now()?, ..writer }).await
}

#[cfg(test)]
mod tests {
    use detection::incident::{Figures, Incident, IncidentState, Subject};
    use detection::{CustomerId, Direction, MetricName, Severity};
    use store::Notice;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_266_000 + second).unwrap()
    }

    /// What is told at `told` of the incident of a customer, which had then seen the window that ends at `window`.
    fn alert(customer: &str, event: Event, window: i64, told: i64) -> AlertItem {
        let subject = Subject {
            customer_id: CustomerId::new(customer).unwrap(),
            metric: MetricName::new("api_calls").unwrap(),
            direction: Direction::Spike,
        };
        let figures = Figures { current_value: 9.0, baseline_mean: 1.0, baseline_stddev: 1.0, z_score: 8.0 };
        let incident = Incident {
            subject,
            state: IncidentState::Open,
            severity: Severity::Critical,
            opened_at: at(0),
            level_since: at(0),
            level_at_start: None,
            unjudged_since: None,
            last_seen: at(window),
            last_window: at(window),
            closed_at: None,
            over_at: None,
            anomalies: 1,
            recovery: 0,
            peak_z_score: 8.0,
            latest: figures,
            level: 8.0,
            latest_severity: detection::Severity::Critical,
            notified: Some(detection::Severity::Critical),
            alerting: true,
            last_page: None,
        };
        let text = String::from("text");
        let notice = Notice::new(event, &incident, "calls", text, at(told), Duration::from_secs(1), "run");
        AlertItem::Notice(Box::new(notice))
    }

    #[test]
    fn the_alerts_of_an_incident_go_in_the_order_in_which_they_came_about() {
        let hour = 3_600;
        // A person resolves it a minute after a window ends that a late run then finds anomalous.
        let alerts = [
            alert("a", Event::Reopened, 2 * hour, 2 * hour),
            alert("b", Event::Opened, 0, 0),
            alert("a", Event::Resolved, hour, 2 * hour + 60),
            alert("a", Event::Acknowledged, hour, 2 * hour + 30),
            alert("a", Event::Escalated, hour, hour),
        ];
        let events = |group: &Vec<&AlertItem>| -> Vec<Event> {
            let event = |alert: &&AlertItem| match alert {
                AlertItem::Notice(notice) => notice.event,
                other => panic!("{other:?}"),
            };
            group.iter().map(event).collect()
        };
        let groups: Vec<_> = by_incident(&alerts).iter().map(events).collect();
        use Event::*;
        assert_eq!(groups, [vec![Escalated, Acknowledged, Resolved, Reopened], vec![Opened]]);
    }

    #[test]
    fn what_follows_an_alert_that_waits_waits_too() {
        let (of_a, of_b) = (alert("a", Event::Resolved, 0, 0), alert("b", Event::Resolved, 0, 0));
        let mut outbox = Outbox { looked: true, ..Outbox::default() };
        outbox.blocked.extend(of_a.incident_id());
        assert_eq!([&of_a, &of_b].map(|alert| outbox.is_blocked(alert)), [true, false]);
        // Nobody knows what waits.
        outbox.looked = false;
        assert!(outbox.is_blocked(&of_b));
    }
}
