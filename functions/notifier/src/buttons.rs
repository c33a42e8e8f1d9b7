//! The short names of incidents on buttons. They are kept before the message goes out, so a press finds them at once.

use std::borrow::Cow;

use messaging::channels::{Channel, ChannelKind};
use platform::telemetry::error_chain;

use crate::App;
use crate::alert::Alert;

/// The channel for a message about these alerts. It has no buttons if the names on them cannot be kept, because the message
/// is worth more than its buttons.
pub(crate) async fn with_known_names<'a>(
    app: &App,
    channel: &'a Channel,
    alerts: impl Iterator<Item = &Alert>,
) -> Cow<'a, Channel> {
    let ChannelKind::Telegram { webhook_secret_arn: Some(_), .. } = &channel.kind else {
        return Cow::Borrowed(channel);
    };
    for alert in alerts.filter(|alert| alert.takes_actions()) {
        if let Err(error) = keep(app, channel, alert).await {
            let error = error_chain(error.as_ref());
            tracing::warn!(channel = channel.name, error, "the message has no buttons");
            return Cow::Owned(without_buttons(channel));
        }
    }
    Cow::Borrowed(channel)
}

async fn keep(app: &App, channel: &Channel, alert: &Alert) -> anyhow::Result<()> {
    Ok(app.deliveries.keep_short_name(&channel.name, &alert.incident_id, app.now()?).await?)
}

fn without_buttons(channel: &Channel) -> Channel {
    let mut channel = channel.clone();
    if let ChannelKind::Telegram { webhook_secret_arn, .. } = &mut channel.kind {
        *webhook_secret_arn = None;
    }
    channel
}
