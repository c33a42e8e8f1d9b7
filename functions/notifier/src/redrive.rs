//! Sends parked alerts again because an operator asks for it. The answer says how it went.

use std::time::Duration;

use anyhow::{Context, bail};
use messaging::channels::{Channel, ChannelKind};
use platform::telemetry::error_chain;
use store::deliveries::{Delivery, DeliveryClaim, DeliveryError, Ended};
use tokio::time::Instant;
use uuid::Uuid;

use crate::App;
use crate::alert::Alert;
use crate::buttons::with_known_names;
use crate::message::Message;

/// Longest time of all tries of the message.
const SEND_TIME: Duration = Duration::from_secs(25);

/// Time for the mark after the last try.
const END_TIME: Duration = Duration::from_secs(12);

/// Sends a parked alert to a channel. Returns `false` if the alert was delivered before.
///
/// # Errors
///
/// When the channel does not take the alert. The alert stays in the queue.
pub(crate) async fn redrive(
    app: &App,
    channel: &Channel,
    message: &str,
    deadline: Instant,
) -> anyhow::Result<bool> {
    let alert = Alert::parse(message).context("the message cannot be sent again")?;
    let attempt = Uuid::new_v4().to_string();
    let delivery = Delivery { alert_id: &alert.id, channel: &channel.name, attempt: &attempt };
    let until = (Instant::now() + SEND_TIME).min(deadline.checked_sub(END_TIME).unwrap_or(deadline));
    let hold = until.saturating_duration_since(Instant::now()) + END_TIME;
    match app.deliveries.claim(delivery, app.now()?, hold, true).await? {
        DeliveryClaim::Won => {}
        DeliveryClaim::Done => return Ok(false),
        DeliveryClaim::Held => bail!("another invocation has the delivery to {} in hand", channel.name),
    }
    if let ChannelKind::Webhook { .. } = &channel.kind {
        log(channel, app.deliveries.enable(&channel.name).await);
    }
    let message = Message::of(&alert, app.channels.link.as_deref());
    let channel = &*with_known_names(app, channel, std::iter::once(&alert)).await;
    if let Err(unsent) = app.sender.send(channel, message, None, until).await {
        if let (true, ChannelKind::Webhook { url, .. }) = (unsent.gone, &channel.kind) {
            log(channel, app.deliveries.disable(&channel.name, url, app.now()?).await);
        }
        log(channel, app.deliveries.end(delivery, Ended::Queued, app.now()?).await);
        bail!("{} did not take the alert: {}", channel.name, unsent.reason);
    }
    log(channel, app.deliveries.end(delivery, Ended::Sent, app.now()?).await);
    log(channel, app.deliveries.forget(delivery).await);
    tracing::info!(alert.id = alert.id, channel = channel.name, "parked alert delivered");
    Ok(true)
}

/// The alert is sent, even if its note fails.
fn log(channel: &Channel, noted: Result<(), DeliveryError>) {
    if let Err(error) = noted {
        tracing::warn!(channel = channel.name, error = error_chain(&error), "a redrive is not noted");
    }
}
