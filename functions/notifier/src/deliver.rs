//! From an alert to a channel:
//!
//! ```text
//! accept ─ waits ─ lead ─ gather ─ plan ─ send ─┬─ taken ──────── finished
//!                                               ├─ perhaps later ─ waits on, with growing pauses
//!                                               └─ refused ────── parked in the queue of failures
//! ```
//!
//! Invariants:
//!
//! * An alert waits in the table before anything is sent. Copies of an event reach a receiver once. Only a process that
//!   dies between sending and finishing leaves a second copy behind.
//! * One process at a time leads a channel. So alerts of one moment are sent together and in their order.
//! * A delivery ends as sent, as over, or in the channel's queue. Until then the schedule tries it again.
//! * Threads and throttles only improve a message. A failure of theirs never keeps the message from being sent.

use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use messaging::channels::{Channel, ChannelKind};
use messaging::failures::Failure;
use platform::telemetry::error_chain;
use store::deliveries::{Accepted, Delivery, Finished, Lead, Thread};
use tokio::time::Instant;
use uuid::Uuid;

use crate::App;
use crate::alert::Alert;
use crate::buttons::with_known_names;
use crate::message::Message;
use crate::plan::{Entry, Plan, Style, plan};
use crate::send::{Sent, Unsent};

mod memory;

/// The results of one process for a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Alerts that reached the channel.
    pub(crate) sent: u64,
    /// Alerts in the queue of failures.
    pub(crate) parked: u64,
    /// Failed deliveries that are tried again.
    pub(crate) postponed: u64,
    /// Deliveries whose receiver said that it is gone.
    pub(crate) gone: u64,
}

/// Longest time of all tries of one message.
const SEND_TIME: Duration = Duration::from_secs(25);

/// Time for queue and marks after the last try.
const END_TIME: Duration = Duration::from_secs(12);

/// With less time than this, nothing begins.
const LEAST_TIME: Duration = Duration::from_secs(2);

/// Longest time that the first alert of a group waits for the others, in gatherings.
const GATHERINGS: u32 = 4;

/// Pauses before the next delivery: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// How long a delivery is tried again. Then a person has to look.
const PATIENCE: SignedDuration = SignedDuration::from_hours(6);

/// Failed deliveries in a row until a channel counts as down.
const FAILURES: u32 = 2;

/// Most looks for alerts that came while the leader was leaving.
const ROUNDS: u32 = 5;

/// Lets an alert wait for a channel. Returns `false` if the alert was delivered before.
pub(crate) async fn accept(
    app: &App,
    channel: &Channel,
    alert: &Alert,
    message: &str,
) -> anyhow::Result<bool> {
    let delivery = Delivery { alert_id: &alert.id, channel: &channel.name, attempt: "" };
    Ok(app.deliveries.accept(delivery, message, app.now()?).await? == Accepted::Waits)
}

/// Sends the waiting alerts of a channel that are due. Does nothing while another process leads the channel.
pub(crate) async fn send_waiting(app: &App, channel: &Channel, deadline: Instant) -> anyhow::Result<Tally> {
    let attempt = Uuid::new_v4().to_string();
    let mut leader = Leader { app, channel, deadline, lead: Lead::default(), tally: Tally::default() };
    for _ in 0..ROUNDS {
        let time = deadline.saturating_duration_since(Instant::now());
        if time < LEAST_TIME + END_TIME {
            break;
        }
        let lead = app.deliveries.lead(&channel.name, &attempt, app.now()?, time).await?;
        let Some(lead) = lead else { break };
        leader.lead = lead;
        let led = leader.run().await;
        app.deliveries.leave(&channel.name, &attempt, &leader.lead).await?;
        led?;
        // A process that came while the lead was given back relied on this process.
        if leader.tally.postponed > 0 || leader.look().await?.is_empty() {
            break;
        }
    }
    Ok(leader.tally)
}

/// The one process that sends to a channel.
struct Leader<'a> {
    app: &'a App,
    channel: &'a Channel,
    deadline: Instant,
    lead: Lead,
    tally: Tally,
}

/// The result of one message.
enum Delivered {
    Taken,
    Postponed,
    Parked,
}

impl Leader<'_> {
    async fn run(&mut self) -> anyhow::Result<()> {
        self.gather().await?;
        let mut failures = 0;
        loop {
            let plan = self.look().await?;
            for entry in &plan.over {
                self.finish(entry, Finished::Over).await?;
            }
            for entry in &plan.given_up {
                self.park(entry, "the page of this incident was not delivered").await?;
            }
            if plan.batches.is_empty() {
                return Ok(());
            }
            for batch in &plan.batches {
                let time = self.deadline.saturating_duration_since(Instant::now());
                if time < LEAST_TIME + END_TIME || failures >= FAILURES {
                    return Ok(());
                }
                match self.send(batch).await? {
                    Delivered::Postponed => failures += 1,
                    Delivered::Taken | Delivered::Parked => failures = 0,
                }
            }
        }
    }

    /// Waits until no further alert comes. The alerts of one run arrive within seconds, each by an event of its own.
    async fn gather(&self) -> anyhow::Result<()> {
        if self.style() == Style::Program {
            return Ok(());
        }
        for _ in 0..GATHERINGS {
            let now = self.app.now()?.as_millisecond();
            let waiting = self.app.deliveries.waiting(&self.channel.name).await?;
            let gathering = i64::try_from(self.app.gather.as_millis()).unwrap_or(i64::MAX);
            let newest = waiting.iter().map(|waiting| waiting.since).max();
            let left = newest.map_or(0, |newest| newest.saturating_add(gathering) - now);
            let Ok(left @ 1..) = u64::try_from(left) else { break };
            tokio::time::sleep(Duration::from_millis(left).min(self.app.gather)).await;
        }
        Ok(())
    }

    async fn look(&self) -> anyhow::Result<Plan> {
        let waiting = self.app.deliveries.waiting(&self.channel.name).await?;
        let mut entries = Vec::new();
        for waiting in waiting {
            let alert = Alert::parse(&waiting.message).context("an alert that waits cannot be read")?;
            entries.push(Entry { waiting, alert });
        }
        Ok(plan(entries, self.style(), &self.lead, self.app.now()?.as_millisecond()))
    }

    fn style(&self) -> Style {
        Style::of(&self.channel.kind)
    }

    async fn send(&mut self, batch: &[Entry]) -> anyhow::Result<Delivered> {
        let until =
            (Instant::now() + SEND_TIME).min(self.deadline.checked_sub(END_TIME).unwrap_or(self.deadline));
        if self.is_disabled().await {
            let reason = "the channel is disabled since its receiver answered 410 Gone: change its address, or send \
                          again by `meterflow failures redrive`";
            return self.refused(batch, &Unsent::refused(reason)).await;
        }
        let Some(page_key) = self.page_key(batch).await else { return self.taken(batch, None, None).await };
        let others: Vec<_> = batch.iter().skip(1).map(|entry| &entry.alert).collect();
        let Some(first) = batch.first() else { return Ok(Delivered::Taken) };
        let message = Message {
            alert: &first.alert,
            others: &others,
            link: self.app.channels.link.as_deref(),
            page_key: page_key.as_deref(),
        };
        let thread = self.thread(batch).await;
        let alerts = batch.iter().map(|entry| &entry.alert);
        let channel = with_known_names(self.app, self.channel, alerts).await;
        match self.app.sender.send(&channel, message, thread.as_deref(), until).await {
            Ok(sent) => self.taken(batch, thread, Some(sent)).await,
            Err(unsent) if unsent.passing && self.is_young(batch)? => self.postpone(batch, &unsent).await,
            Err(unsent) => self.refused(batch, &unsent).await,
        }
    }

    /// `sent` is none if nothing had to be sent.
    async fn taken(
        &mut self,
        batch: &[Entry],
        thread: Option<String>,
        sent: Option<Sent>,
    ) -> anyhow::Result<Delivered> {
        let now = self.app.now()?;
        let opens = now.as_millisecond() + i64::try_from(self.channel.throttle.as_millis()).unwrap_or(0);
        self.lead.throttles.retain(|_, opens| *opens > now.as_millisecond());
        let tries = sent.as_ref().map_or(0, |sent| sent.tries);
        let begun = sent.and_then(|sent| sent.thread).filter(|_| thread.is_none());
        for entry in batch {
            if let Some(series) = entry.series().filter(|_| !self.channel.throttle.is_zero()) {
                self.lead.throttles.insert(series, opens);
            }
            if let (ChannelKind::SlackBot { conversation, .. }, Some(begun), None) =
                (&self.channel.kind, &begun, &entry.alert.storm)
            {
                let thread = Thread { conversation: conversation.clone(), thread: begun.clone() };
                let (channel, incident) = (&self.channel.name, &entry.alert.incident_id);
                let kept = self.app.deliveries.keep_thread(channel, incident, &thread, now).await;
                self.or_without(kept, "the next message begins a new thread");
            }
            self.finish(entry, Finished::Sent).await?;
            self.outdate(entry).await;
            self.tally.sent += 1;
            tracing::info!(
                alert.id = entry.alert.id,
                alert.event = entry.alert.event.as_str(),
                channel = self.channel.name,
                delivery.tries = tries,
                delivery.alerts = batch.len(),
                "alert delivered"
            );
        }
        Ok(Delivered::Taken)
    }

    fn is_young(&self, batch: &[Entry]) -> anyhow::Result<bool> {
        let since = batch.iter().map(|entry| entry.waiting.since).min().unwrap_or(0);
        let since =
            Timestamp::from_millisecond(since).context("a delivery waits since a time out of range")?;
        Ok(self.app.now()?.duration_since(since) < PATIENCE)
    }

    async fn postpone(&mut self, batch: &[Entry], unsent: &Unsent) -> anyhow::Result<Delivered> {
        let now = self.app.now()?;
        for entry in batch {
            let pause = pause(entry.waiting.tries).max(unsent.retry_after.unwrap_or_default());
            let due_at = now.checked_add(pause).context("the next delivery is out of range")?;
            if unsent.retry_after.is_some() {
                self.lead.paused_until = self.lead.paused_until.max(due_at.as_millisecond());
            }
            self.app.deliveries.postpone(self.delivery(entry), entry.waiting.tries + 1, due_at).await?;
            self.tally.postponed += 1;
            tracing::warn!(
                alert.id = entry.alert.id,
                alert.event = entry.alert.event.as_str(),
                channel = self.channel.name,
                delivery.tries = unsent.tries,
                delivery.due_at = %due_at,
                error = unsent.reason,
                "alert not delivered, and tried again"
            );
        }
        Ok(Delivered::Postponed)
    }

    async fn refused(&mut self, batch: &[Entry], unsent: &Unsent) -> anyhow::Result<Delivered> {
        if let (true, ChannelKind::Webhook { url, .. }) = (unsent.gone, &self.channel.kind) {
            let disabled = self.app.deliveries.disable(&self.channel.name, url, self.app.now()?).await;
            self.or_without(disabled, "the channel stays enabled");
            self.tally.gone += 1;
        }
        let mut delivered = Delivered::Parked;
        for entry in batch {
            if !self.park(entry, &unsent.reason).await? {
                delivered = Delivered::Postponed;
            }
        }
        Ok(delivered)
    }

    /// Keeps an alert for a redrive. If it cannot be kept, it waits on.
    async fn park(&mut self, entry: &Entry, reason: &str) -> anyhow::Result<bool> {
        let (app, now) = (self.app, self.app.now()?);
        tracing::warn!(
            alert.id = entry.alert.id,
            alert.event = entry.alert.event.as_str(),
            channel = self.channel.name,
            error = reason,
            "alert not delivered"
        );
        let failure = Failure {
            channel: self.channel.name.clone(),
            message: entry.waiting.message.clone(),
            error: reason.to_owned(),
            failed_at: now,
        };
        let error = match &self.channel.queue_url {
            None => Some("it has no queue for failures".to_owned()),
            Some(queue_url) => {
                app.failures.put(queue_url, &failure).await.err().map(|error| error_chain(&error))
            }
        };
        if let Some(error) = error {
            tracing::error!(
                alert.id = entry.alert.id,
                channel = self.channel.name,
                error,
                "alert not parked"
            );
            let due_at = now.checked_add(LONGEST_PAUSE).context("the next delivery is out of range")?;
            app.deliveries.postpone(self.delivery(entry), entry.waiting.tries + 1, due_at).await?;
            self.tally.postponed += 1;
            return Ok(false);
        }
        app.deliveries.park(self.delivery(entry), now).await?;
        self.outdate(entry).await;
        self.tally.parked += 1;
        Ok(true)
    }

    async fn finish(&self, entry: &Entry, finished: Finished) -> anyhow::Result<()> {
        if finished == Finished::Over {
            let (id, channel) = (&entry.alert.id, &self.channel.name);
            tracing::info!(alert.id = id, channel, "the incident ended before its page was delivered");
        }
        Ok(self.app.deliveries.finish(self.delivery(entry), finished, self.app.now()?).await?)
    }

    fn delivery<'b>(&'b self, entry: &'b Entry) -> Delivery<'b> {
        Delivery { alert_id: &entry.alert.id, channel: &self.channel.name, attempt: "" }
    }
}

/// The pause after this many failed deliveries.
fn pause(tries: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE)
}

impl Plan {
    fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.over.is_empty() && self.given_up.is_empty()
    }
}

impl App {
    pub(crate) fn now(&self) -> anyhow::Result<Timestamp> {
        Timestamp::try_from((self.sender.clock)()).context("the clock of this machine is out of range")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_fill_six_hours() {
        let pauses: Vec<_> = (0..7).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
