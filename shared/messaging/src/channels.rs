//! The channels that the notifier sends to, and the routes that lead to them.
//!
//! Terraform writes them as one JSON text. A wrong channel breaks that channel alone: its alerts are parked with the
//! reason, and the others deliver. A text of another form is refused, with the place and the reason.

use std::collections::BTreeMap;
use std::time::Duration;

use environment::{ConfigError, Env, TextSource};
use serde::Deserialize;
use serde_json::Value;

use self::entry::Entry;

mod entry;

/// Channels and routes. A value of this type is valid.
#[derive(Clone, Debug)]
pub struct ChannelsConfig {
    /// The page of an incident for people: an address with `{incident_id}` in it.
    pub link: Option<String>,
    pub channels: Vec<Channel>,
    /// An empty list means the notifier's default routes.
    pub routes: Vec<Route>,
}

/// One receiver of alerts.
#[derive(Clone, Debug)]
pub struct Channel {
    pub name: String,
    pub kind: ChannelKind,
    /// Least time between two messages about one metric and severity. Zero sends each at once.
    pub throttle: Duration,
    /// The SQS queue of alerts that the channel did not take.
    pub queue_url: Option<String>,
}

#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// The secret is the address of the webhook.
    SlackWebhook {
        secret_arn: String,
        has_buttons: bool,
    },
    /// The secret is a bot token. With it the messages of an incident form one thread.
    SlackBot {
        secret_arn: String,
        conversation: String,
        api_url: String,
        has_buttons: bool,
    },
    /// The secret is the address of a workflow.
    Teams {
        secret_arn: String,
    },
    /// The secret is the address of the webhook.
    Discord {
        secret_arn: String,
    },
    /// The secret is the address of the webhook.
    GoogleChat {
        secret_arn: String,
    },
    PagerDuty {
        secret_arn: String,
        api_url: String,
    },
    Opsgenie {
        secret_arn: String,
        api_url: String,
    },
    Telegram {
        secret_arn: String,
        chat_id: String,
        api_url: String,
        /// The secret that Telegram sends with each press of a button. Only the API reads it. Without it the channel has no
        /// buttons.
        webhook_secret_arn: Option<String>,
    },
    /// The secret signs messages. It is written as in Standard Webhooks: `whsec_` and base64.
    Webhook {
        secret_arn: String,
        url: String,
        /// Makes the body. Without a template the body is the alert.
        template: Option<String>,
    },
    /// A bus of EventBridge that belongs to the user.
    EventBus {
        bus_arn: String,
    },
    AmazonQ {
        topic_arn: String,
    },
    /// Nothing is sent until somebody corrects the entry.
    Broken {
        reason: String,
    },
}

/// Alerts that match go to these channels. An absent list matches everything.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub severities: Option<Vec<String>>,
    pub metrics: Option<Vec<String>>,
    pub customers: Option<Vec<String>>,
    pub channels: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ChannelsError {
    #[error("{origin} is not a valid configuration of channels, at `{path}`: {reason}")]
    Syntax { origin: String, path: String, reason: String },
    #[error("{origin}: `{entry}` is refused: {reason}")]
    Entry { origin: String, entry: String, reason: String },
}

const SEVERITIES: [&str; 2] = ["critical", "warning"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    link: Option<String>,
    #[serde(default)]
    channels: BTreeMap<String, Value>,
    routes: Option<Vec<Route>>,
}

impl ChannelsConfig {
    /// The place of the JSON text of the channels.
    ///
    /// `NOTIFIER_CONFIG`: the text itself.
    /// `NOTIFIER_CONFIG_SSM_PARAMETER`: an SSM parameter that holds the text.
    pub fn source(env: &Env<'_>) -> Result<TextSource, ConfigError> {
        match (env.get("NOTIFIER_CONFIG"), env.get("NOTIFIER_CONFIG_SSM_PARAMETER")) {
            (Some(_), Some(_)) => Err(ConfigError::Conflict {
                first: "NOTIFIER_CONFIG",
                second: "NOTIFIER_CONFIG_SSM_PARAMETER",
            }),
            (Some(text), None) => Ok(TextSource::Inline { text, origin: "NOTIFIER_CONFIG".to_owned() }),
            (None, Some(parameter)) => Ok(TextSource::SsmParameter(parameter)),
            (None, None) => Err(ConfigError::Missing {
                variable: "NOTIFIER_CONFIG",
                purpose: "the channels as JSON, or set NOTIFIER_CONFIG_SSM_PARAMETER to the name of a parameter with them",
            }),
        }
    }

    /// Parses and validates `text`; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str, allow_loopback: bool) -> Result<Self, ChannelsError> {
        let text: Text = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text))
            .map_err(|error| ChannelsError::Syntax {
                origin: origin.to_owned(),
                path: error.path().to_string(),
                reason: without_values(&error.into_inner()),
            })?;
        let refused =
            |entry: String, reason: String| ChannelsError::Entry { origin: origin.to_owned(), entry, reason };
        if let Some(link) = &text.link {
            check_link(link).map_err(|reason| refused("link".to_owned(), reason))?;
        }
        let channels: Vec<_> =
            text.channels.into_iter().map(|(name, entry)| read(name, entry, allow_loopback)).collect();
        let routes = text.routes.unwrap_or_default();
        for (index, route) in routes.iter().enumerate() {
            check_route(route, &channels)
                .map_err(|(field, reason)| refused(format!("routes[{index}].{field}"), reason))?;
        }
        Ok(Self { link: text.link, channels, routes })
    }
}

impl ChannelKind {
    /// The type's name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SlackWebhook { .. } | Self::SlackBot { .. } => "slack",
            Self::Teams { .. } => "teams",
            Self::Discord { .. } => "discord",
            Self::GoogleChat { .. } => "google_chat",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Opsgenie { .. } => "opsgenie",
            Self::Telegram { .. } => "telegram",
            Self::Webhook { .. } => "webhook",
            Self::EventBus { .. } => "event_bus",
            Self::AmazonQ { .. } => "amazon_q",
            Self::Broken { .. } => "broken",
        }
    }
}

/// Reads one channel. A wrong entry becomes a broken channel, so routes still lead to it and its alerts are kept.
fn read(name: String, entry: Value, allow_loopback: bool) -> Channel {
    let queue_url = entry["queue_url"].as_str().map(str::to_owned);
    let channel = serde_path_to_error::deserialize::<_, Entry>(entry)
        .map_err(|error| format!("`{}`: {}", error.path(), without_values(error.inner())))
        .and_then(|entry| entry.into_channel(&name, allow_loopback));
    channel.unwrap_or_else(|reason| {
        let kind = ChannelKind::Broken { reason: String::new() };
        Channel { name, kind, throttle: Duration::ZERO, queue_url }.broken(&reason)
    })
}

impl Channel {
    /// The channel without any way to send, because of `reason`. Its alerts are kept.
    pub fn broken(self, reason: &str) -> Self {
        let reason = format!("channels.{} is refused: {reason}", self.name.escape_debug());
        Self { kind: ChannelKind::Broken { reason }, throttle: Duration::ZERO, ..self }
    }
}

/// The fault of a JSON text, without any text of the user. A text may be a secret in the wrong place.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once("string \"") {
        Some((before, after)) => {
            let rest = after.rsplit_once('"').map_or("", |(_, rest)| rest);
            format!("{before}a text{rest}")
        }
        None => text,
    }
}

fn check_link(link: &str) -> Result<(), String> {
    if !link.contains("{incident_id}") {
        return Err("the address has no {incident_id} in it".to_owned());
    }
    // People follow this link. No machine here calls it, so it may lead into a private network.
    let address = link.replace("{incident_id}", "1");
    if !(address.starts_with("https://") || address.starts_with("http://"))
        || reqwest::Url::parse(&address).is_err()
        || address.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '|' | '"'))
    {
        return Err("it is not an address that begins with https:// or http://".to_owned());
    }
    Ok(())
}

fn check_route(route: &Route, channels: &[Channel]) -> Result<(), (&'static str, String)> {
    let lists =
        [("severities", &route.severities), ("metrics", &route.metrics), ("customers", &route.customers)];
    for (field, list) in lists {
        if list.as_ref().is_some_and(Vec::is_empty) {
            return Err((
                field,
                "an empty list matches nothing: leave the list out to match everything".to_owned(),
            ));
        }
    }
    for severity in route.severities.iter().flatten() {
        if !SEVERITIES.contains(&severity.as_str()) {
            let reason = format!("`{}` is not a severity: critical or warning", severity.escape_debug());
            return Err(("severities", reason));
        }
    }
    if route.channels.is_empty() {
        return Err(("channels", "the route leads to no channel".to_owned()));
    }
    for name in &route.channels {
        if !channels.iter().any(|channel| channel.name == *name) {
            return Err(("channels", format!("there is no channel `{}`", name.escape_debug())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
