//! Sends a test page and its end to channels because an operator asks for it (`meterflow alerts test`). Nothing is
//! noted: no delivery, no thread, no throttle.

use anyhow::bail;
use messaging::channels::Channel;
use tokio::time::Instant;

use crate::message::Message;
use crate::{App, sample};

/// Sends both messages to each of the channels, and returns how many were taken.
///
/// # Errors
///
/// When a channel does not take a message. The other channels have got theirs.
pub(crate) async fn send(app: &App, channels: &[&Channel], deadline: Instant) -> anyhow::Result<u64> {
    let alerts = sample::page_and_end(app.now()?);
    let (mut sent, mut failures) = (0, Vec::new());
    for channel in channels {
        for alert in &alerts {
            let message = Message::of(alert, app.channels.link.as_deref());
            match app.sender.send(channel, message, None, deadline).await {
                Ok(_) => sent += 1,
                Err(unsent) => {
                    failures.push(format!("{} did not take the test: {}", channel.name, unsent.reason));
                    break;
                }
            }
        }
    }
    if !failures.is_empty() {
        bail!(failures.join("; "));
    }
    Ok(sent)
}
