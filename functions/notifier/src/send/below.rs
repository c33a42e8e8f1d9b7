//! Pictures below messages: a chat took the message, and the picture follows. So no picture delays or loses a page. A
//! failure is one line in the log.

use std::time::Duration;

use messaging::channels::{Channel, ChannelKind};
use messaging::outbound::{Answer, OutboundError, redacted};
use platform::telemetry::error_chain;

use super::{Sender, Tries};
use crate::channels::{slack, telegram};

/// Longest time for a picture.
const PICTURE_TIME: Duration = Duration::from_secs(5);

impl Sender {
    /// Sends the picture of a message that was taken.
    pub(super) async fn add_picture(&self, channel: &Channel, tries: &Tries<'_>) {
        let Some(png) = tries.picture.take() else { return };
        let adding = async {
            match &channel.kind {
                ChannelKind::Telegram { secret_arn, chat_id, api_url, .. } => {
                    let token = self.token(secret_arn).await?;
                    self.add_in_telegram(tries, (api_url, &token), chat_id, png).await
                }
                ChannelKind::SlackBot { secret_arn, api_url, .. } => {
                    let token = self.token(secret_arn).await?;
                    self.add_in_slack(tries, (api_url, &token), png).await
                }
                _ => Ok(()),
            }
        };
        let added = tokio::time::timeout(PICTURE_TIME, adding).await;
        let slow = || format!("it took longer than {} s", PICTURE_TIME.as_secs());
        if let Err(error) = added.unwrap_or_else(|_| Err(slow())) {
            tracing::warn!(channel = channel.name, error, "a message has no picture");
        }
    }

    async fn token(&self, secret_arn: &str) -> Result<String, String> {
        self.secrets.get(secret_arn).await.map_err(|error| error_chain(&error))
    }

    async fn add_in_telegram(
        &self,
        tries: &Tries<'_>,
        (api_url, token): (&str, &str),
        chat_id: &str,
        png: Vec<u8>,
    ) -> Result<(), String> {
        let upload = telegram::picture(&tries.taken.borrow(), api_url, token, chat_id, png);
        let upload = upload.ok_or("the answer names no message")??;
        let answer = answered(self.outbound.upload(&upload).await)?;
        if answer.status == 200 { Ok(()) } else { Err(format!("HTTP {}", answer.status)) }
    }

    async fn add_in_slack(
        &self,
        tries: &Tries<'_>,
        (api_url, token): (&str, &str),
        png: Vec<u8>,
    ) -> Result<(), String> {
        let place = slack::picture::place(&tries.taken.borrow(), tries.thread.get());
        let place = place.ok_or("the answer names no message")?;
        let without_token = |error: String| redacted(&error, &[token]);
        let asked = slack::picture::ask(api_url, token, png.len())?;
        let answer = answered(self.outbound.post_form(asked).await)?;
        let ticket = slack::picture::ticket(&answer, api_url).map_err(without_token)?;
        let answer = answered(self.outbound.upload(&slack::picture::upload(&ticket, png)).await)?;
        slack::picture::uploaded(&answer)?;
        let sharing = slack::picture::share(api_url, token, &ticket, &place)?;
        let answer = answered(self.outbound.post_form(sharing).await)?;
        slack::picture::shared(&answer).map_err(without_token)
    }
}

fn answered(answer: Result<Answer, OutboundError>) -> Result<Answer, String> {
    answer.map_err(|error| error_chain(&error))
}
