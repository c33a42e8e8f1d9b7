//! One channel as the configuration writes it, and the checks on it.

use std::time::Duration;

use serde::Deserialize;

use super::{Channel, ChannelKind};
use crate::outbound;

/// Default throttle of a channel.
const THROTTLE_SECONDS: u64 = 300;

/// A longer silence about a metric is a mute. Policies hold mutes.
const MAX_THROTTLE_SECONDS: u64 = 86_400;

/// Endings of queues that begin like the queues of channels.
const RESERVED_NAMES: [&str; 2] = ["dlq", "failures"];

const SLACK_URL: &str = "https://slack.com";
const PAGERDUTY_URL: &str = "https://events.pagerduty.com";
const TELEGRAM_URL: &str = "https://api.telegram.org";
const OPSGENIE_URL: &str = "https://api.opsgenie.com";

/// Longest template of a webhook, in bytes. All channels together must fit into one parameter.
const MAX_TEMPLATE: usize = 4_096;

/// A channel as the configuration writes it. Terraform writes unset fields as null, so every type has all fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(rename = "type")]
    kind: String,
    throttle_seconds: Option<u64>,
    queue_url: Option<String>,
    api_url: Option<String>,
    webhook_url_secret_arn: Option<String>,
    bot_token_secret_arn: Option<String>,
    routing_key_secret_arn: Option<String>,
    signing_secret_arn: Option<String>,
    webhook_secret_arn: Option<String>,
    api_key_secret_arn: Option<String>,
    conversation: Option<String>,
    chat_id: Option<String>,
    url: Option<String>,
    template: Option<String>,
    topic_arn: Option<String>,
    bus_arn: Option<String>,
}

impl Entry {
    /// Checks the entry and makes a channel.
    pub(super) fn into_channel(mut self, name: &str, allow_loopback: bool) -> Result<Channel, String> {
        let starts_with_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        if !starts_with_letter || name.len() > 40 || !name.chars().all(allowed) {
            return Err("a name is 1 to 40 of a-z, 0-9, _ and -, the first one a letter".to_owned());
        }
        if RESERVED_NAMES.contains(&name) {
            return Err("the notifier's own failures use the queue of that name".to_owned());
        }
        let seconds = self.throttle_seconds.unwrap_or(THROTTLE_SECONDS);
        if seconds > MAX_THROTTLE_SECONDS {
            return Err(format!("throttle_seconds = {seconds} is over {MAX_THROTTLE_SECONDS}, one day"));
        }
        let queue_url = self.queue_url.take();
        let kind = kind(&mut self, allow_loopback)?;
        if let Some(left) = self.first_set() {
            return Err(format!("`{left}` does not belong to a channel of type {}", kind.name()));
        }
        Ok(Channel { name: name.to_owned(), kind, throttle: Duration::from_secs(seconds), queue_url })
    }

    fn first_set(&self) -> Option<&'static str> {
        let fields = [
            ("api_url", &self.api_url),
            ("webhook_url_secret_arn", &self.webhook_url_secret_arn),
            ("bot_token_secret_arn", &self.bot_token_secret_arn),
            ("routing_key_secret_arn", &self.routing_key_secret_arn),
            ("signing_secret_arn", &self.signing_secret_arn),
            ("webhook_secret_arn", &self.webhook_secret_arn),
            ("api_key_secret_arn", &self.api_key_secret_arn),
            ("conversation", &self.conversation),
            ("chat_id", &self.chat_id),
            ("url", &self.url),
            ("template", &self.template),
            ("topic_arn", &self.topic_arn),
            ("bus_arn", &self.bus_arn),
        ];
        fields.into_iter().find(|(_, value)| value.is_some()).map(|(name, _)| name)
    }
}

/// Takes the fields of the entry's type.
fn kind(entry: &mut Entry, allow_loopback: bool) -> Result<ChannelKind, String> {
    let checked = |url: String, field: &str| {
        outbound::check_url(&url, allow_loopback).map_err(|error| format!("{field}: {error}"))?;
        Ok::<_, String>(url)
    };
    let base = |api_url: Option<String>, default: &str| {
        let url = api_url.map_or_else(|| Ok(default.to_owned()), |url| checked(url, "api_url"))?;
        Ok::<_, String>(url.trim_end_matches('/').to_owned())
    };
    Ok(match entry.kind.as_str() {
        "slack" => match (entry.webhook_url_secret_arn.take(), entry.bot_token_secret_arn.take()) {
            (Some(arn), None) => ChannelKind::SlackWebhook {
                secret_arn: secret(Some(arn), "webhook_url_secret_arn")?,
                has_buttons: has_buttons(entry)?,
            },
            (None, Some(arn)) => ChannelKind::SlackBot {
                secret_arn: secret(Some(arn), "bot_token_secret_arn")?,
                conversation: given(entry.conversation.take(), "conversation")?,
                api_url: base(entry.api_url.take(), SLACK_URL)?,
                has_buttons: has_buttons(entry)?,
            },
            (Some(_), Some(_)) => {
                return Err(
                    "webhook_url_secret_arn and bot_token_secret_arn are both given: keep one".to_owned()
                );
            }
            (None, None) => {
                return Err(
                    "give webhook_url_secret_arn, or bot_token_secret_arn with conversation".to_owned()
                );
            }
        },
        "pagerduty" => ChannelKind::PagerDuty {
            secret_arn: secret(entry.routing_key_secret_arn.take(), "routing_key_secret_arn")?,
            api_url: base(entry.api_url.take(), PAGERDUTY_URL)?,
        },
        "telegram" => ChannelKind::Telegram {
            secret_arn: secret(entry.bot_token_secret_arn.take(), "bot_token_secret_arn")?,
            chat_id: given(entry.chat_id.take(), "chat_id")?,
            api_url: base(entry.api_url.take(), TELEGRAM_URL)?,
            webhook_secret_arn: entry
                .webhook_secret_arn
                .take()
                .map(|arn| secret(Some(arn), "webhook_secret_arn"))
                .transpose()?,
        },
        "webhook" => ChannelKind::Webhook {
            secret_arn: secret(entry.signing_secret_arn.take(), "signing_secret_arn")?,
            url: checked(given(entry.url.take(), "url")?, "url")?,
            template: entry.template.take().map(template).transpose()?,
        },
        "teams" => ChannelKind::Teams {
            secret_arn: secret(entry.webhook_url_secret_arn.take(), "webhook_url_secret_arn")?,
        },
        "discord" => ChannelKind::Discord {
            secret_arn: secret(entry.webhook_url_secret_arn.take(), "webhook_url_secret_arn")?,
        },
        "google_chat" => ChannelKind::GoogleChat {
            secret_arn: secret(entry.webhook_url_secret_arn.take(), "webhook_url_secret_arn")?,
        },
        "opsgenie" => ChannelKind::Opsgenie {
            secret_arn: secret(entry.api_key_secret_arn.take(), "api_key_secret_arn")?,
            api_url: base(entry.api_url.take(), OPSGENIE_URL)?,
        },
        "amazon_q" => {
            let topic_arn = given(entry.topic_arn.take(), "topic_arn")?;
            if !is_arn_of(&topic_arn, "sns") {
                return Err(format!("topic_arn = {topic_arn} is not the ARN of an SNS topic"));
            }
            ChannelKind::AmazonQ { topic_arn }
        }
        "event_bus" => {
            let bus_arn = given(entry.bus_arn.take(), "bus_arn")?;
            if !is_arn_of(&bus_arn, "events") || !bus_arn.contains(":event-bus/") {
                return Err(format!("bus_arn = {bus_arn} is not the ARN of an event bus of EventBridge"));
            }
            ChannelKind::EventBus { bus_arn }
        }
        other => {
            return Err(format!(
                "the type `{}` is not known: slack, teams, discord, google_chat, telegram, pagerduty, opsgenie, webhook, \
                 event_bus or amazon_q",
                other.escape_debug()
            ));
        }
    })
}

fn given(value: Option<String>, field: &str) -> Result<String, String> {
    value.filter(|value| !value.trim().is_empty()).ok_or_else(|| format!("`{field}` is missing"))
}

/// Whether a Slack channel has buttons: it names the secret that the API verifies Slack's requests by. The notifier has
/// no use for that secret.
fn has_buttons(entry: &mut Entry) -> Result<bool, String> {
    let arn = entry.signing_secret_arn.take();
    arn.map_or(Ok(false), |arn| secret(Some(arn), "signing_secret_arn").map(|_| true))
}

/// The notifier checks the syntax of the template when it starts.
fn template(text: String) -> Result<String, String> {
    match text.len() {
        0 => Err("`template` is empty: leave it out for the usual body".to_owned()),
        length if length > MAX_TEMPLATE => {
            Err(format!("`template` has {length} bytes, and {MAX_TEMPLATE} are allowed"))
        }
        _ => Ok(text),
    }
}

fn is_arn_of(arn: &str, service: &str) -> bool {
    arn.starts_with("arn:") && arn.split(':').nth(2) == Some(service)
}

/// Refuses a secret in the place of its ARN, and does not repeat it. A secret here would be in Terraform's state and in
/// logs.
fn secret(value: Option<String>, field: &str) -> Result<String, String> {
    let arn = given(value, field)?;
    if is_arn_of(&arn, "secretsmanager") {
        return Ok(arn);
    }
    Err(format!("`{field}` is not the ARN of a secret in Secrets Manager"))
}
