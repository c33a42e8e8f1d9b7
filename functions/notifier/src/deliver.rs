//! One alert to one channel, from the claim to its end:
//!
//! ```text
//! claim ─ disabled? ─ throttle ─ send ─┬─ sent ─── mark
//!                                      └─ not ──── queue of failures ─ mark
//! ```
//!
//! Invariants:
//!
//! * Nothing is sent without a claim, so copies of an event reach a receiver once. Only a process that dies between
//!   sending and marking leaves a second copy behind: at least once is what can be promised, and it is.
//! * A delivery ends as sent, held back or in the channel's queue; where not even the queue can be written, the claim is
//!   given back and the event fails, so that Lambda tries it again.
//! * What only makes a message better (threads, counts, whether it is throttled) never keeps it from being sent.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use messaging::channels::{Channel, ChannelKind};
use messaging::failures::Failure;
use platform::telemetry::error_chain;
use store::deliveries::{Delivery, DeliveryClaim, DeliveryError, Ended, Thread, Throttled};
use tokio::time::Instant;
use uuid::Uuid;

use crate::App;
use crate::alert::Alert;
use crate::message::Message;
use crate::send::{Sent, Unsent};

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    HeldBack,
    /// In the queue of failures. `gone` where the receiver said that it wants nothing more.
    Queued {
        gone: bool,
    },
    /// An earlier copy of the event was delivered.
    Already,
}

/// One delivery to be made.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) app: &'a App,
    pub(crate) channel: &'a Channel,
    pub(crate) alert: &'a Alert,
    /// The message as it came, for the queue.
    pub(crate) message: &'a str,
    /// An operator sends it again: no throttle, no queue, and a disabled channel is enabled.
    pub(crate) redrive: bool,
    pub(crate) deadline: Instant,
}

/// Longest time of all tries of one message.
const SEND_TIME: Duration = Duration::from_secs(25);

/// Time for queue and mark after the last try.
const END_TIME: Duration = Duration::from_secs(12);

/// With less than this no delivery is begun.
const LEAST_TIME: Duration = Duration::from_secs(2);

/// Between two looks at a claim of somebody else.
const CLAIM_PAUSE: Duration = Duration::from_millis(500);

impl Job<'_> {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let attempt = Uuid::new_v4().to_string();
        let delivery = Delivery { alert_id: &self.alert.id, channel: &self.channel.name, attempt: &attempt };
        let Some((held_back, until)) = self.claim(delivery).await? else { return Ok(Outcome::Already) };
        if self.is_disabled().await {
            let reason = "the channel is disabled since its receiver answered 410 Gone: change its address, or send again by `meterflow alerts redrive`";
            return self
                .queue(delivery, held_back, Unsent { reason: reason.to_owned(), tries: 0, gone: false })
                .await;
        }
        let held_back = match self.throttle(delivery).await {
            Throttle::Pass(more) => held_back.max(more),
            Throttle::Held => return Ok(Outcome::HeldBack),
            Throttle::Lost => return Ok(Outcome::Already),
        };
        let page = Message { alert: self.alert, held_back, link: self.app.channels.link.as_deref() };
        let thread = self.thread().await;
        match self.app.sender.send(self.channel, page, thread.as_deref(), until).await {
            Ok(sent) => self.sent(delivery, sent, thread).await,
            Err(unsent) => self.queue(delivery, held_back, unsent).await,
        }
    }

    /// How many pages an earlier attempt learned were held back, and the end of the time to send. `None` when the
    /// delivery was made before.
    async fn claim(self, delivery: Delivery<'_>) -> anyhow::Result<Option<(u64, Instant)>> {
        loop {
            let now = Instant::now();
            let until = (now + SEND_TIME).min(self.deadline.checked_sub(END_TIME).unwrap_or(now));
            let time = until.saturating_duration_since(now);
            if time < LEAST_TIME {
                bail!("there is no time left for {}", self.channel.name);
            }
            let hold = time + END_TIME;
            match self.app.deliveries.claim(delivery, self.app.now()?, hold, self.redrive).await? {
                DeliveryClaim::Won { held_back } => return Ok(Some((held_back, until))),
                DeliveryClaim::Done => return Ok(None),
                // Another copy of the event is at work, or died at it: wait for what comes of it.
                DeliveryClaim::Held if time < LEAST_TIME + CLAIM_PAUSE * 2 => {
                    bail!("another invocation has the delivery to {} in hand", self.channel.name);
                }
                DeliveryClaim::Held => tokio::time::sleep(CLAIM_PAUSE).await,
            }
        }
    }

    /// Whether the receiver is known to be gone; a redrive enables it.
    async fn is_disabled(self) -> bool {
        let ChannelKind::Webhook { url, .. } = &self.channel.kind else { return false };
        let deliveries = &self.app.deliveries;
        let known = deliveries.is_disabled(&self.channel.name, url).await;
        let disabled =
            self.or_without(known, "it is not known whether the channel is disabled").unwrap_or(false);
        if disabled && self.redrive {
            let enabled = deliveries.enable(&self.channel.name).await;
            self.or_without(enabled, "the channel stays disabled");
            return false;
        }
        disabled
    }

    async fn throttle(self, delivery: Delivery<'_>) -> Throttle {
        let window = self.channel.throttle;
        if self.redrive || window.is_zero() || !self.alert.event.is_throttled() {
            return Throttle::Pass(0);
        }
        let metric = self.alert.metric.as_deref().unwrap_or("unknown");
        let series = format!("{metric:.100}#{}", self.alert.severity.as_str());
        let (deliveries, Ok(now)) = (&self.app.deliveries, self.app.now()) else { return Throttle::Pass(0) };
        let asked = deliveries.throttle(delivery, &series, window, now).await;
        match self.or_without(asked, "the throttle is left out") {
            None => Throttle::Pass(0),
            Some(Throttled::Pass { held_back }) => Throttle::Pass(held_back),
            Some(Throttled::Hold) => match deliveries.hold_back(delivery, &series, now).await {
                Ok(()) => Throttle::Held,
                Err(DeliveryError::Lost { .. }) => Throttle::Lost,
                Err(error) => {
                    self.or_without::<()>(Err(error), "the throttle is left out");
                    Throttle::Pass(0)
                }
            },
        }
    }

    /// The incident's thread, where the channel has threads.
    async fn thread(self) -> Option<String> {
        let ChannelKind::SlackBot { conversation, .. } = &self.channel.kind else { return None };
        if self.alert.storm.is_some() {
            return None;
        }
        let found = self.app.deliveries.thread(&self.channel.name, &self.alert.incident_id).await;
        let found = self.or_without(found, "the message begins a new thread").flatten()?;
        // A thread of another conversation is none of this one.
        (found.conversation == *conversation).then_some(found.thread)
    }

    async fn sent(
        self,
        delivery: Delivery<'_>,
        sent: Sent,
        thread: Option<String>,
    ) -> anyhow::Result<Outcome> {
        let (deliveries, now) = (&self.app.deliveries, self.app.now()?);
        if let (ChannelKind::SlackBot { conversation, .. }, None, Some(begun), None) =
            (&self.channel.kind, &thread, sent.thread, &self.alert.storm)
        {
            let thread = Thread { conversation: conversation.clone(), thread: begun };
            let kept =
                deliveries.keep_thread(&self.channel.name, &self.alert.incident_id, &thread, now).await;
            self.or_without(kept, "the next message begins a new thread");
        }
        let marked = deliveries.end(delivery, Ended::Sent, now).await;
        self.or_without(marked, "a further copy of the event would be sent, too");
        tracing::info!(
            alert.id = self.alert.id,
            alert.event = self.alert.event.as_str(),
            channel = self.channel.name,
            delivery.tries = sent.tries,
            "alert delivered"
        );
        Ok(Outcome::Sent)
    }

    /// Keeps what could not be sent for a redrive. One that is a redrive already stays in its queue.
    async fn queue(self, delivery: Delivery<'_>, held_back: u64, unsent: Unsent) -> anyhow::Result<Outcome> {
        let (app, channel, now) = (self.app, self.channel, self.app.now()?);
        tracing::warn!(
            alert.id = self.alert.id,
            alert.event = self.alert.event.as_str(),
            channel = channel.name,
            delivery.tries = unsent.tries,
            error = unsent.reason,
            "alert not delivered"
        );
        if let (true, ChannelKind::Webhook { url, .. }) = (unsent.gone, &channel.kind) {
            let disabled = app.deliveries.disable(&channel.name, url, now).await;
            self.or_without(disabled, "the channel stays enabled");
        }
        let error = match &channel.queue_url {
            _ if self.redrive => None,
            None => Some("it has no queue for failures".to_owned()),
            Some(queue_url) => {
                let failure = self.failure(&unsent, now);
                app.failures.put(queue_url, &failure).await.err().map(|error| error_chain(&error))
            }
        };
        if let Some(error) = error {
            let released = app.deliveries.release(delivery, held_back).await;
            self.or_without(released, "the next try has to wait for the claim to end");
            bail!("{} did not take the alert: {}, and {error}", channel.name, unsent.reason);
        }
        let marked = app.deliveries.end(delivery, Ended::Queued { held_back }, now).await;
        self.or_without(marked, "a further copy of the event would be sent, too");
        if self.redrive {
            bail!("{} did not take the alert: {}", channel.name, unsent.reason);
        }
        Ok(Outcome::Queued { gone: unsent.gone })
    }

    fn failure(self, unsent: &Unsent, now: Timestamp) -> Failure {
        Failure {
            channel: self.channel.name.clone(),
            message: self.message.to_owned(),
            error: unsent.reason.clone(),
            failed_at: now,
        }
    }

    /// Logs what went wrong without being worth the delivery.
    fn or_without<T>(self, result: Result<T, DeliveryError>, otherwise: &str) -> Option<T> {
        let id = &self.alert.id;
        result
            .inspect_err(|error| {
                tracing::warn!(
                    alert.id = id,
                    channel = self.channel.name,
                    error = error_chain(error),
                    "{otherwise}"
                );
            })
            .ok()
    }
}

enum Throttle {
    Pass(u64),
    Held,
    Lost,
}

impl App {
    pub(crate) fn now(&self) -> anyhow::Result<Timestamp> {
        Timestamp::try_from((self.sender.clock)()).context("the clock of this machine is out of range")
    }
}
