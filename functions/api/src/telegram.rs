//! Telegram's buttons: updates that Telegram sends with the secret of the webhook, and edits of the message.
//!
//! The channels are those of the notifier, because the bot and the chat are the same. A bot has one webhook and so one
//! secret, but perhaps several chats. So the secret and the chat together name the channel.

use std::time::Duration;

use axum::http::HeaderMap;
use hmac_sha256::HMAC;
use messaging::channels::{Channel, ChannelKind};
use messaging::outbound::Outbound;
use messaging::telegram::request;
use platform::secrets::Secrets;
use platform::telemetry::error_chain;

use crate::channels::Channels;
use crate::chat;
use crate::error::{Code, Problem};

mod press;
mod reply;

pub(crate) use press::Pressed;
pub(crate) use reply::answered;
use reply::edited;

/// Everything that the buttons need.
pub struct Telegram {
    secrets: Secrets,
    outbound: Outbound,
}

/// A channel with buttons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chat {
    /// The channel's name.
    pub(crate) name: String,
    id: String,
    token_arn: String,
    secret_arn: String,
    api_url: String,
}

/// The header with the secret, as `setWebhook` was told it.
const HEADER: &str = "x-telegram-bot-api-secret-token";

/// Longest time for the edit of a message.
const EDIT_TIME: Duration = Duration::from_secs(3);

/// The key of the hashes that are compared. It is no secret: hashes of equal length make the time of a comparison say
/// nothing about the texts.
const COMPARED: &[u8] = b"webhook";

impl Telegram {
    pub(crate) fn new(aws: &platform::aws::SdkConfig, allow_loopback: bool) -> anyhow::Result<Self> {
        Ok(Self { secrets: Secrets::new(aws), outbound: Outbound::new(allow_loopback)? })
    }

    /// The channels with buttons whose secret the request has. Refuses a request with another secret, or with none.
    pub(crate) async fn verify(
        &self,
        channels: &Channels,
        headers: &HeaderMap,
    ) -> Result<Vec<Chat>, Problem> {
        let given = headers.get(HEADER).and_then(|value| value.to_str().ok()).ok_or_else(refused)?;
        let with_buttons = channels.configured().await?.channels.into_iter().filter_map(Chat::of);
        let (mut chats, mut unread) = (Vec::new(), false);
        for chat in with_buttons {
            match self.secrets.get(&chat.secret_arn).await {
                Ok(secret) if is_same(given, &secret) => chats.push(chat),
                Ok(_) => {}
                Err(error) => {
                    let (channel, error) = (&chat.name, error_chain(&error));
                    tracing::error!(channel, error, "a secret of Telegram's webhook cannot be read");
                    unread = true;
                }
            }
        }
        match (chats.is_empty(), unread) {
            (false, _) => Ok(chats),
            (true, true) => {
                let detail = "the secret of the webhook cannot be read just now; try again";
                Err(Problem::of(Code::StoreUnavailable, detail))
            }
            (true, false) => Err(refused()),
        }
    }

    /// Shows in the message what was done. The action is done already, so a failure is only logged.
    pub(crate) async fn edit(&self, chat: &Chat, pressed: &Pressed, line: &str) {
        if let Err(error) = self.try_to_edit(chat, pressed, line).await {
            tracing::warn!(channel = chat.name, error, "the message in Telegram is not updated");
        }
    }

    async fn try_to_edit(&self, chat: &Chat, pressed: &Pressed, line: &str) -> Result<(), String> {
        let token = self.secrets.get(&chat.token_arn).await.map_err(|error| error_chain(&error))?;
        let (method, parameters) = edited(pressed, line);
        let request = request(&chat.api_url, &token, method, &parameters)?;
        chat::send(&self.outbound, request, EDIT_TIME).await.map(drop)
    }
}

impl Chat {
    fn of(channel: Channel) -> Option<Self> {
        match channel.kind {
            ChannelKind::Telegram { secret_arn, chat_id, api_url, webhook_secret_arn: Some(arn) } => {
                Some(Self {
                    name: channel.name,
                    id: chat_id,
                    token_arn: secret_arn,
                    secret_arn: arn,
                    api_url,
                })
            }
            _ => None,
        }
    }

    /// Whether the button is in a message of this chat. A public chat can be configured by its name.
    pub(crate) fn has(&self, pressed: &Pressed) -> bool {
        let name = pressed.chat_name.as_deref();
        self.id == pressed.chat_id.to_string()
            || name.is_some_and(|name| self.id.strip_prefix('@') == Some(name))
    }
}

/// Compares two texts in a time that does not depend on where they differ.
fn is_same(given: &str, secret: &str) -> bool {
    !secret.is_empty() && HMAC::verify(given, COMPARED, &HMAC::mac(secret, COMPARED))
}

/// One answer for all faults. It tells a forger nothing.
fn refused() -> Problem {
    Problem::of(Code::Unauthorized, "the request does not have the secret of a webhook of this stack")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_the_secret() {
        for (given, secret, expected) in [
            ("s3cret_A-", "s3cret_A-", true),
            ("s3cret_A", "s3cret_A-", false),
            ("s3cret_A-x", "s3cret_A-", false),
            ("S3cret_A-", "s3cret_A-", false),
            ("", "s3cret_A-", false),
            ("", "", false),
        ] {
            assert_eq!(is_same(given, secret), expected, "{given} {secret}");
        }
    }
}
