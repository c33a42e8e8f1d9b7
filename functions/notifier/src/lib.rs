//! The notifier: takes alerts from the topic to people and programs, channel by channel.
//!
//! ```text
//! event ─ alert ─ routing ─┬─ accept ─ waits for a channel ─ leader of the channel ─ one message for all that waits
//!                          └─ … each channel for itself
//! schedule ─ leaders of all channels: alerts that waited for a throttle, or for a receiver that was down
//! schedule ─ daily digest ─ e-mail of the operators
//! ```
//!
//! Invariants:
//!
//! * A receiver gets an event once, unless the process dies between sending and marking: see `deliver`.
//! * Each channel fails alone. An alert that a channel does not take is tried again for six hours. Then it waits in the
//!   channel's queue for `meterflow failures redrive`.
//! * An event fails only if something would be lost otherwise: an alert cannot be written to the table, or a message
//!   cannot be understood. Lambda then tries the event again.
//! * Text of customers is only shown. It mentions nobody, makes no link and breaks no layout.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use config::NotifierConfig;
use environment::Env;
use futures::future::join_all;
use messaging::buses::Buses;
use messaging::channels::{Channel, ChannelKind, ChannelsConfig};
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
mod buttons;
pub mod channels;
mod config;
pub mod daily;
mod deliver;
mod event;
pub mod message;
pub mod picture;
mod plan;
mod redrive;
pub mod routing;
mod sample;
pub mod send;
mod text;
mod trial;

use alert::Alert;
use deliver::Tally;
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
    /// How long a channel waits for further alerts of the same run.
    pub gather: Duration,
}

/// The results of an event's deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Alerts that reached a channel. Alerts of other events that waited for the channel count as well.
    pub sent: u64,
    /// Alerts that wait. Another process has them in hand, a throttle is closed, or the receiver is down.
    pub waiting: u64,
    /// Alerts that the channel did not take. They are in its queue.
    pub queued: u64,
    /// Alerts that an earlier copy of the event delivered.
    pub already: u64,
}

/// Pause before the second try of a message.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Alerts of one run come within seconds.
const GATHER: Duration = Duration::from_secs(3);

/// Time that is kept back for the answer.
const ANSWER_TIME: Duration = Duration::from_millis(500);

/// Handles one event before `deadline`.
///
/// # Errors
///
/// When an alert could neither be delivered nor kept. The same event can be handled again at any time.
pub async fn handle(app: &App, event: &Value, deadline: Instant) -> anyhow::Result<Summary> {
    let deadline = deadline.checked_sub(ANSWER_TIME).unwrap_or(deadline);
    match Task::from_event(event)? {
        Task::Deliver(messages) => deliver(app, &messages, deadline).await,
        Task::SendWaiting => {
            let channels: Vec<_> = app.channels.channels.iter().collect();
            let (summary, failures) = send_waiting(app, &channels, deadline).await;
            ended(summary, failures)
        }
        Task::Redrive { channel, message } => {
            let sent = redrive::redrive(app, channel_named(app, &channel)?, &message, deadline).await?;
            Ok(Summary { sent: u64::from(sent), already: u64::from(!sent), ..Summary::default() })
        }
        Task::Test { channel } => {
            let channels = match &channel {
                Some(name) => vec![channel_named(app, name)?],
                None => app.channels.channels.iter().collect(),
            };
            Ok(Summary { sent: trial::send(app, &channels, deadline).await?, ..Summary::default() })
        }
        Task::Digest(time) => {
            let sent = daily::send(app, time, deadline).await?;
            Ok(Summary { sent: u64::from(sent), already: u64::from(!sent), ..Summary::default() })
        }
    }
}

fn channel_named<'a>(app: &'a App, name: &str) -> anyhow::Result<&'a Channel> {
    let known = app.channels.channels.iter().find(|known| known.name == name);
    known.with_context(|| format!("there is no channel {}", name.escape_debug()))
}

/// Lets each message wait for each of its channels, and sends the waiting alerts. A message that cannot be read does
/// not stop the others.
async fn deliver(app: &App, messages: &[String], deadline: Instant) -> anyhow::Result<Summary> {
    let read: Vec<_> = messages.iter().map(|message| (message, Alert::parse(message))).collect();
    let (mut failures, mut accepts) = (Vec::new(), Vec::new());
    for (message, alert) in &read {
        match alert {
            Ok(alert) => {
                let channels = routing::channels_for(&app.channels, alert);
                if channels.is_empty() {
                    tracing::info!(alert.id = alert.id, "no route takes the alert anywhere");
                }
                accepts.extend(channels.into_iter().map(|channel| async move {
                    (channel, deliver::accept(app, channel, alert, message).await)
                }));
            }
            Err(error) => failures.push(error_chain(error.as_ref())),
        }
    }
    let (mut channels, mut already, mut accepted) = (Vec::<&Channel>::new(), 0, 0);
    for (channel, waits) in join_all(accepts).await {
        match waits {
            Ok(true) => {
                accepted += 1;
                if !channels.iter().any(|other| other.name == channel.name) {
                    channels.push(channel);
                }
            }
            Ok(false) => already += 1,
            Err(error) => failures.push(error_chain(error.as_ref())),
        }
    }
    // The schedule tries accepted alerts again, so this event need not fail for them.
    let (summary, _) = send_waiting(app, &channels, deadline).await;
    let waiting = summary.waiting.max(accepted - accepted.min(summary.sent + summary.queued));
    ended(Summary { already, waiting, ..summary }, failures)
}

/// Leads each of the channels, each for itself, and counts the results.
async fn send_waiting(app: &App, channels: &[&Channel], deadline: Instant) -> (Summary, Vec<String>) {
    let leading = channels.iter().map(|channel| async move {
        let led = tokio::time::timeout_at(deadline, deliver::send_waiting(app, channel, deadline)).await;
        let led = led.unwrap_or_else(|_| Err(anyhow::anyhow!("time ran out")));
        (channel.name.clone(), led.with_context(|| format!("at the deliveries to {}", channel.name)))
    });
    let (mut summary, mut failures, mut tallies) = (Summary::default(), Vec::new(), BTreeMap::new());
    for (channel, led) in join_all(leading).await {
        let tally = led.unwrap_or_else(|error| {
            let text = error_chain(error.as_ref());
            tracing::error!(channel, error = text, "the deliveries to a channel broke off");
            failures.push(text);
            Tally::default()
        });
        summary.sent += tally.sent;
        summary.queued += tally.parked;
        summary.waiting += tally.postponed;
        tallies.insert(channel, tally);
    }
    report(app, &tallies);
    (summary, failures)
}

fn ended(summary: Summary, failures: Vec<String>) -> anyhow::Result<Summary> {
    if failures.is_empty() { Ok(summary) } else { Err(anyhow::anyhow!(failures.join("; "))) }
}

impl App {
    /// Reads settings and channels and makes the clients. A wrong setting is refused here, before the first event.
    pub async fn from_env(
        env: &Env<'_>,
        aws: &platform::aws::SdkConfig,
        clock: fn() -> SystemTime,
    ) -> anyhow::Result<Self> {
        let config = NotifierConfig::from_env(env)?;
        let loaded = platform::text::load(ChannelsConfig::source(env)?, aws).await?;
        let outbound = Outbound::new(config.allow_loopback).context("cannot make a client for HTTPS")?;
        let mut channels = ChannelsConfig::parse(&loaded.text, &loaded.origin, config.allow_loopback)?;
        channels.channels = channels.channels.into_iter().map(with_checked_template).collect();
        for channel in &channels.channels {
            if let ChannelKind::Broken { reason } = &channel.kind {
                tracing::error!(channel = channel.name, error = reason, "nothing can be sent to a channel");
            }
        }
        Ok(Self {
            channels,
            metrics: MetricsConfig::from_env(env),
            sender: Sender {
                outbound,
                secrets: Secrets::new(aws),
                topics: Topics::new(aws),
                buses: Buses::new(aws),
                clock,
                first_pause: FIRST_PAUSE,
            },
            deliveries: DeliveryStore::new(&config.table, aws),
            failures: FailureQueues::new(aws),
            store: AnomalyStore::new(&StoreConfig::from_env(env)?, aws),
            gather: GATHER,
            config,
        })
    }
}

/// A webhook whose template fails is broken, like any other wrong entry.
fn with_checked_template(channel: Channel) -> Channel {
    let ChannelKind::Webhook { template: Some(template), .. } = &channel.kind else { return channel };
    match channels::template::check(template) {
        Ok(()) => channel,
        Err(reason) => channel.broken(&reason),
    }
}

/// Writes the metrics of the channels.
fn report(app: &App, tallies: &BTreeMap<String, Tally>) {
    let figures = |tally: &Tally| ChannelFigures {
        sent: tally.sent,
        failed: tally.parked,
        held_back: tally.postponed,
        disabled: tally.gone,
    };
    let is_any = |tally: &Tally| *tally != Tally::default();
    let channels = tallies.iter().filter(|(_, tally)| is_any(tally));
    let channels = channels.map(|(channel, tally)| (channel.clone(), figures(tally))).collect();
    let now = (app.sender.clock)();
    if let Err(error) = emf::write_deliveries(&app.metrics, &channels, now, &mut std::io::stdout()) {
        tracing::error!(error = %error, "the metrics of the event cannot be written");
    }
}
