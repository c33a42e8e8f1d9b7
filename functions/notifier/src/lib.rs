//! The notifier: takes alerts from the topic to people and programs, channel by channel.
//!
//! ```text
//! event ─ alert ─ routing ─┬─ deliver (claim, throttle, send, mark) ─ channel
//!                          ├─ deliver … each channel for itself
//! schedule ─ daily digest ─┴─ e-mail of the operators
//! ```
//!
//! Invariants:
//!
//! * A receiver gets an event once, unless the process dies between sending and marking: see `deliver`.
//! * Each channel fails alone. What one does not take waits in its queue for `meterflow alerts redrive`.
//! * An event fails, and is tried again by Lambda, only where something would be lost otherwise: the table of deliveries
//!   or a queue cannot be written, or a message cannot be understood.
//! * Text of customers is shown and nothing more: it mentions nobody, leads nowhere and breaks no layout.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use config::NotifierConfig;
use environment::Env;
use futures::future::join_all;
use messaging::channels::ChannelsConfig;
use messaging::failures::FailureQueues;
use messaging::outbound::Outbound;
use messaging::topics::Topics;
use platform::emf::MetricsConfig;
use platform::emf::{self, ChannelFigures};
use platform::secrets::Secrets;
use platform::telemetry::error_chain;
use serde::Serialize;
use serde_json::Value;
use store::AnomalyStore;
use store::StoreConfig;
use store::deliveries::DeliveryStore;
use tokio::time::Instant;

pub mod alert;
pub mod channels;
mod config;
pub mod daily;
mod deliver;
mod event;
pub mod message;
pub mod routing;
pub mod send;
mod text;

use alert::Alert;
use deliver::{Job, Outcome};
pub use event::Task;
use send::Sender;

/// Everything that an event needs, made once at cold start.
pub struct App {
    pub config: NotifierConfig,
    pub channels: ChannelsConfig,
    pub metrics: MetricsConfig,
    pub sender: Sender,
    pub deliveries: DeliveryStore,
    pub failures: FailureQueues,
    pub store: AnomalyStore,
}

/// What became of an event's deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub sent: u64,
    pub held_back: u64,
    /// Not taken by the channel, and kept in its queue.
    pub queued: u64,
    /// Delivered before, by an earlier copy of the event.
    pub already: u64,
}

/// One delivery and how it ended.
struct Delivered {
    channel: String,
    outcome: anyhow::Result<Outcome>,
}

/// Pause before the second try of a message.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Time that is kept back for answering.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Handles one event before `deadline`.
///
/// # Errors
///
/// When something could neither be delivered nor kept. The same event can be handled again at any time.
pub async fn handle(app: &App, event: &Value, deadline: Instant) -> anyhow::Result<Summary> {
    let deadline = deadline.checked_sub(ANSWER_TIME).unwrap_or(deadline);
    let (deliveries, unreadable) = match Task::from_event(event)? {
        Task::Deliver(messages) => deliver_all(app, &messages, deadline).await,
        Task::Redrive { channel, message } => (vec![redrive(app, &channel, &message, deadline).await?], None),
        Task::Digest(time) => {
            let sent = daily::send(app, time, deadline).await?;
            return Ok(Summary { sent: u64::from(sent), already: u64::from(!sent), ..Summary::default() });
        }
    };
    report(app, &deliveries);
    let summary = summary(&deliveries);
    let failures: Vec<_> = deliveries
        .into_iter()
        .filter_map(|delivered| delivered.outcome.err().map(|error| error_chain(error.as_ref())))
        .chain(unreadable)
        .collect();
    if failures.is_empty() { Ok(summary) } else { Err(anyhow::anyhow!(failures.join("; "))) }
}

/// Delivers each message to each of its channels, all at the same time. A message that cannot be read keeps no other
/// from being delivered.
async fn deliver_all(app: &App, messages: &[String], deadline: Instant) -> (Vec<Delivered>, Option<String>) {
    let read: Vec<_> = messages.iter().map(|message| (message, Alert::parse(message))).collect();
    let mut jobs = Vec::new();
    let mut unreadable = None;
    for (message, alert) in &read {
        match alert {
            Ok(alert) => {
                let channels = routing::channels_for(&app.channels, alert);
                if channels.is_empty() {
                    tracing::info!(alert.id = alert.id, "no route takes the alert anywhere");
                }
                jobs.extend(channels.into_iter().map(|channel| Job {
                    app,
                    channel,
                    alert,
                    message,
                    redrive: false,
                    deadline,
                }));
            }
            Err(error) => unreadable = Some(error_chain(error.as_ref())),
        }
    }
    (join_all(jobs.into_iter().map(run)).await, unreadable)
}

/// Sends to one channel what it did not take before.
async fn redrive(app: &App, name: &str, message: &str, deadline: Instant) -> anyhow::Result<Delivered> {
    let channel = app.channels.channels.iter().find(|channel| channel.name == name);
    let Some(channel) = channel else {
        bail!("there is no channel {}", name.escape_debug());
    };
    let alert = Alert::parse(message).context("the message cannot be sent again")?;
    Ok(run(Job { app, channel, alert: &alert, message, redrive: true, deadline }).await)
}

async fn run(job: Job<'_>) -> Delivered {
    let outcome = match tokio::time::timeout_at(job.deadline, job.run()).await {
        Ok(outcome) => outcome,
        Err(_) => Err(anyhow::anyhow!("time ran out at the delivery to {}", job.channel.name)),
    };
    Delivered { channel: job.channel.name.clone(), outcome }
}

impl App {
    /// Reads settings and channels and makes the clients. Any wrong setting is refused here, before the first event.
    pub async fn from_env(
        env: &Env<'_>,
        aws: &platform::aws::SdkConfig,
        clock: fn() -> SystemTime,
    ) -> anyhow::Result<Self> {
        let config = NotifierConfig::from_env(env)?;
        let loaded = platform::text::load(ChannelsConfig::source(env)?, aws).await?;
        let outbound = Outbound::new(config.allow_loopback).context("cannot make a client for HTTPS")?;
        Ok(Self {
            channels: ChannelsConfig::parse(&loaded.text, &loaded.origin, config.allow_loopback)?,
            metrics: MetricsConfig::from_env(env),
            sender: Sender {
                outbound,
                secrets: Secrets::new(aws),
                topics: Topics::new(aws),
                clock,
                first_pause: FIRST_PAUSE,
            },
            deliveries: DeliveryStore::new(&config.table, aws),
            failures: FailureQueues::new(aws),
            store: AnomalyStore::new(&StoreConfig::from_env(env)?, aws),
            config,
        })
    }
}

fn summary(deliveries: &[Delivered]) -> Summary {
    let count = |wanted: fn(&Outcome) -> bool| {
        deliveries.iter().filter(|delivered| delivered.outcome.as_ref().is_ok_and(wanted)).count() as u64
    };
    Summary {
        sent: count(|outcome| *outcome == Outcome::Sent),
        held_back: count(|outcome| *outcome == Outcome::HeldBack),
        queued: count(|outcome| matches!(outcome, Outcome::Queued { .. })),
        already: count(|outcome| *outcome == Outcome::Already),
    }
}

/// Counts how the deliveries of an event ended.
fn report(app: &App, deliveries: &[Delivered]) {
    let mut channels: BTreeMap<String, ChannelFigures> = BTreeMap::new();
    for delivered in deliveries {
        let figures = channels.entry(delivered.channel.clone()).or_default();
        match &delivered.outcome {
            Ok(Outcome::Sent) => figures.sent += 1,
            Ok(Outcome::HeldBack) => figures.held_back += 1,
            Ok(Outcome::Queued { gone }) => {
                figures.failed += 1;
                figures.disabled += u64::from(*gone);
            }
            Ok(Outcome::Already) => {}
            Err(_) => figures.failed += 1,
        }
    }
    let now = (app.sender.clock)();
    if let Err(error) = emf::write_deliveries(&app.metrics, &channels, now, &mut std::io::stdout()) {
        tracing::error!(error = %error, "the metrics of the event cannot be written");
    }
}
