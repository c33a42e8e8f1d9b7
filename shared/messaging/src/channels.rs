//! Where the notifier sends alerts: channels, and the routes that lead to them.
//!
//! It is one JSON text that Terraform writes, checked as a whole when it is loaded: a wrong entry refuses the text, with
//! the entry and the reason, so that no channel is found broken by the first alert that it should have shown.

use std::collections::BTreeMap;
use std::time::Duration;

use environment::{ConfigError, Env, TextSource};
use serde::Deserialize;

use crate::outbound;

/// Channels and routes. A value of this type is valid.
#[derive(Clone, Debug)]
pub struct ChannelsConfig {
    /// Where people look at an incident: an address with `{incident_id}` in it.
    pub link: Option<String>,
    pub channels: Vec<Channel>,
    /// Empty means the defaults, which the notifier knows.
    pub routes: Vec<Route>,
}

/// One place that alerts go to.
#[derive(Clone, Debug)]
pub struct Channel {
    pub name: String,
    pub kind: ChannelKind,
    /// Of pages of one metric and severity, one is sent within this time. Zero sends all.
    pub throttle: Duration,
    /// The SQS queue of what could not be delivered.
    pub queue_url: Option<String>,
}

#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// The secret is the webhook's address itself.
    SlackWebhook {
        secret_arn: String,
    },
    /// The secret is a bot token, with which the messages of an incident make one thread.
    SlackBot {
        secret_arn: String,
        conversation: String,
        api_url: String,
    },
    PagerDuty {
        secret_arn: String,
        api_url: String,
    },
    Telegram {
        secret_arn: String,
        chat_id: String,
        api_url: String,
    },
    /// The secret is the one that messages are signed with, as Standard Webhooks writes it: `whsec_` and base64.
    Webhook {
        secret_arn: String,
        url: String,
    },
    AmazonQ {
        topic_arn: String,
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
    #[error("{origin} is not a valid configuration of channels, at `{path}`")]
    Syntax {
        origin: String,
        path: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{origin}: `{entry}` is refused: {reason}")]
    Entry { origin: String, entry: String, reason: String },
}

/// Throttle of a channel that says nothing else.
const THROTTLE_SECONDS: u64 = 300;

/// More than a day of silence on a metric is a mute, and those are made elsewhere.
const MAX_THROTTLE_SECONDS: u64 = 86_400;

/// Endings of queues that begin like those of the channels.
const RESERVED_NAMES: [&str; 2] = ["dlq", "failures"];

const SEVERITIES: [&str; 2] = ["critical", "warning"];

const SLACK_URL: &str = "https://slack.com";
const PAGERDUTY_URL: &str = "https://events.pagerduty.com";
const TELEGRAM_URL: &str = "https://api.telegram.org";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    link: Option<String>,
    #[serde(default)]
    channels: BTreeMap<String, Entry>,
    routes: Option<Vec<Route>>,
}

/// A channel as it is written. Terraform writes what is not set as null, so every type has the fields of all.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    throttle_seconds: Option<u64>,
    queue_url: Option<String>,
    api_url: Option<String>,
    webhook_url_secret_arn: Option<String>,
    bot_token_secret_arn: Option<String>,
    routing_key_secret_arn: Option<String>,
    signing_secret_arn: Option<String>,
    conversation: Option<String>,
    chat_id: Option<String>,
    url: Option<String>,
    topic_arn: Option<String>,
}

impl ChannelsConfig {
    /// Where the environment says that the JSON text of the channels is.
    ///
    /// `NOTIFIER_CONFIG`: the text itself. `NOTIFIER_CONFIG_SSM_PARAMETER`: an SSM parameter that holds the text.
    pub fn source(env: &Env<'_>) -> Result<TextSource, ConfigError> {
        match (env.get("NOTIFIER_CONFIG"), env.get("NOTIFIER_CONFIG_SSM_PARAMETER")) {
            (Some(_), Some(_)) => Err(ConfigError::Conflict {
                first: "NOTIFIER_CONFIG",
                second: "NOTIFIER_CONFIG_SSM_PARAMETER",
            }),
            (Some(text), None) => Ok(TextSource::Inline { text, origin: "NOTIFIER_CONFIG" }),
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
                source: error.into_inner(),
            })?;
        let refused =
            |entry: String, reason: String| ChannelsError::Entry { origin: origin.to_owned(), entry, reason };
        if let Some(link) = &text.link {
            check_link(link).map_err(|reason| refused("link".to_owned(), reason))?;
        }
        let mut channels = Vec::new();
        for (name, entry) in text.channels {
            let channel = channel(&name, entry, allow_loopback)
                .map_err(|reason| refused(format!("channels.{}", name.escape_debug()), reason))?;
            channels.push(channel);
        }
        let routes = text.routes.unwrap_or_default();
        for (index, route) in routes.iter().enumerate() {
            check_route(route, &channels)
                .map_err(|(field, reason)| refused(format!("routes[{index}].{field}"), reason))?;
        }
        Ok(Self { link: text.link, channels, routes })
    }
}

impl ChannelKind {
    /// The type's name, as it is configured.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SlackWebhook { .. } | Self::SlackBot { .. } => "slack",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Telegram { .. } => "telegram",
            Self::Webhook { .. } => "webhook",
            Self::AmazonQ { .. } => "amazon_q",
        }
    }
}

fn channel(name: &str, mut entry: Entry, allow_loopback: bool) -> Result<Channel, String> {
    let starts_with_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    if !starts_with_letter || name.len() > 40 || !name.chars().all(allowed) {
        return Err("a name is 1 to 40 of a-z, 0-9, _ and -, the first one a letter".to_owned());
    }
    if RESERVED_NAMES.contains(&name) {
        return Err("the queue of that name holds what the notifier itself failed on".to_owned());
    }
    let seconds = entry.throttle_seconds.unwrap_or(THROTTLE_SECONDS);
    if seconds > MAX_THROTTLE_SECONDS {
        return Err(format!("throttle_seconds = {seconds} is over {MAX_THROTTLE_SECONDS}, one day"));
    }
    let queue_url = entry.queue_url.take();
    let kind = kind(&mut entry, allow_loopback)?;
    if let Some(left) = entry.first_set() {
        return Err(format!("`{left}` does not belong to a channel of type {}", kind.name()));
    }
    Ok(Channel { name: name.to_owned(), kind, throttle: Duration::from_secs(seconds), queue_url })
}

/// Takes the fields of the entry's type out of it.
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
            (Some(arn), None) => {
                ChannelKind::SlackWebhook { secret_arn: secret(Some(arn), "webhook_url_secret_arn")? }
            }
            (None, Some(arn)) => ChannelKind::SlackBot {
                secret_arn: secret(Some(arn), "bot_token_secret_arn")?,
                conversation: given(entry.conversation.take(), "conversation")?,
                api_url: base(entry.api_url.take(), SLACK_URL)?,
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
        },
        "webhook" => ChannelKind::Webhook {
            secret_arn: secret(entry.signing_secret_arn.take(), "signing_secret_arn")?,
            url: checked(given(entry.url.take(), "url")?, "url")?,
        },
        "amazon_q" => {
            let topic_arn = given(entry.topic_arn.take(), "topic_arn")?;
            if !topic_arn.starts_with("arn:") || topic_arn.split(':').nth(2) != Some("sns") {
                return Err(format!("topic_arn = {topic_arn} is not the ARN of an SNS topic"));
            }
            ChannelKind::AmazonQ { topic_arn }
        }
        other => {
            return Err(format!(
                "the type `{}` is not known: slack, pagerduty, telegram, webhook or amazon_q",
                other.escape_debug()
            ));
        }
    })
}

impl Entry {
    fn first_set(&self) -> Option<&'static str> {
        let fields = [
            ("api_url", &self.api_url),
            ("webhook_url_secret_arn", &self.webhook_url_secret_arn),
            ("bot_token_secret_arn", &self.bot_token_secret_arn),
            ("routing_key_secret_arn", &self.routing_key_secret_arn),
            ("signing_secret_arn", &self.signing_secret_arn),
            ("conversation", &self.conversation),
            ("chat_id", &self.chat_id),
            ("url", &self.url),
            ("topic_arn", &self.topic_arn),
        ];
        fields.into_iter().find(|(_, value)| value.is_some()).map(|(name, _)| name)
    }
}

fn given(value: Option<String>, field: &str) -> Result<String, String> {
    value.filter(|value| !value.trim().is_empty()).ok_or_else(|| format!("`{field}` is missing"))
}

/// A secret itself in the place of its ARN would be in Terraform's state and in logs, so it is refused unseen.
fn secret(value: Option<String>, field: &str) -> Result<String, String> {
    let arn = given(value, field)?;
    if arn.starts_with("arn:") && arn.split(':').nth(2) == Some("secretsmanager") {
        return Ok(arn);
    }
    Err(format!("`{field}` is not the ARN of a secret in Secrets Manager"))
}

fn check_link(link: &str) -> Result<(), String> {
    if !link.contains("{incident_id}") {
        return Err("the address has no {incident_id} in it".to_owned());
    }
    // People follow it and no machine here does, so it may well lead into a private network.
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
                "an empty list matches nothing: leave it out to match everything".to_owned(),
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
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf";

    fn parse(value: &Value) -> Result<ChannelsConfig, ChannelsError> {
        ChannelsConfig::parse(&value.to_string(), "NOTIFIER_CONFIG", false)
    }

    fn refusal(value: &Value) -> String {
        let error = parse(value).expect_err("refused");
        platform::telemetry::error_chain(&error)
    }

    #[test]
    fn every_type_of_channel() {
        let config = parse(&json!({
            "link": "https://app.example.com/incidents/{incident_id}",
            "channels": {
                "slack": { "type": "slack", "webhook_url_secret_arn": SECRET, "url": null },
                "bot": { "type": "slack", "bot_token_secret_arn": SECRET, "conversation": "C012" },
                "pagerduty": { "type": "pagerduty", "routing_key_secret_arn": SECRET,
                               "api_url": "https://events.eu.pagerduty.com/", "throttle_seconds": 0 },
                "telegram": { "type": "telegram", "bot_token_secret_arn": SECRET, "chat_id": "-100" },
                "billing": { "type": "webhook", "url": "https://billing.example.com/hook",
                             "signing_secret_arn": SECRET, "queue_url": "https://sqs/q" },
                "amazon_q": { "type": "amazon_q", "topic_arn": "arn:aws:sns:eu-west-1:123456789012:q" },
            },
            "routes": [{ "severities": ["critical"], "metrics": null, "channels": ["pagerduty", "slack"] }],
        }))
        .unwrap();
        let names: Vec<_> = config.channels.iter().map(|c| (c.name.as_str(), c.kind.name())).collect();
        assert_eq!(
            names,
            [
                ("amazon_q", "amazon_q"),
                ("billing", "webhook"),
                ("bot", "slack"),
                ("pagerduty", "pagerduty"),
                ("slack", "slack"),
                ("telegram", "telegram")
            ]
        );
        let throttles: Vec<_> = config.channels.iter().map(|c| c.throttle.as_secs()).collect();
        assert_eq!(throttles, [300, 300, 300, 0, 300, 300]);
        let ChannelKind::PagerDuty { api_url, .. } = &config.channels[3].kind else {
            panic!("not PagerDuty")
        };
        assert_eq!(api_url, "https://events.eu.pagerduty.com");
        assert_eq!(config.channels[1].queue_url.as_deref(), Some("https://sqs/q"));
        assert_eq!(config.routes.len(), 1);
    }

    #[test]
    fn nothing_at_all_is_valid() {
        for text in ["{}", r#"{"channels": {}, "routes": []}"#, r#"{"link": null, "routes": null}"#] {
            assert!(ChannelsConfig::parse(text, "x", false).unwrap().channels.is_empty(), "{text}");
        }
    }

    #[test]
    fn refusals_name_the_entry_and_the_reason() {
        let channel = |entry: Value| json!({ "channels": { "a": entry } });
        for (config, expected) in [
            (json!([]), "NOTIFIER_CONFIG is not a valid configuration of channels, at `.`"),
            (json!({ "chanels": {} }), "unknown field `chanels`"),
            (channel(json!({})), "at `channels.a`: missing field `type`"),
            (channel(json!({ "type": "slack", "webhook_url": "x" })), "unknown field `webhook_url`"),
            (
                channel(json!({ "type": "slack", "throttle_seconds": "5" })),
                "at `channels.a.throttle_seconds`",
            ),
            (channel(json!({ "type": "fax" })), "`channels.a` is refused: the type `fax` is not known"),
            (channel(json!({ "type": "slack" })), "give webhook_url_secret_arn, or"),
            (
                channel(
                    json!({ "type": "slack", "webhook_url_secret_arn": SECRET, "bot_token_secret_arn": SECRET }),
                ),
                "both given",
            ),
            (
                channel(json!({ "type": "slack", "bot_token_secret_arn": SECRET })),
                "`conversation` is missing",
            ),
            (
                channel(json!({ "type": "slack", "webhook_url_secret_arn": SECRET, "conversation": "C1" })),
                "`conversation` does not belong to a channel of type slack",
            ),
            (
                channel(json!({ "type": "slack", "webhook_url_secret_arn": "https://hooks.slack.com/x" })),
                "`webhook_url_secret_arn` is not the ARN of a secret",
            ),
            (channel(json!({ "type": "pagerduty" })), "`routing_key_secret_arn` is missing"),
            (channel(json!({ "type": "telegram", "bot_token_secret_arn": SECRET })), "`chat_id` is missing"),
            (
                channel(
                    json!({ "type": "webhook", "signing_secret_arn": SECRET, "url": "http://example.com" }),
                ),
                "url: only https://",
            ),
            (
                channel(
                    json!({ "type": "webhook", "signing_secret_arn": SECRET, "url": "https://169.254.169.254/" }),
                ),
                "169.254.169.254 is not a public address",
            ),
            (
                channel(
                    json!({ "type": "pagerduty", "routing_key_secret_arn": SECRET, "api_url": "https://[::1]/" }),
                ),
                "api_url: the address ::1",
            ),
            (
                channel(json!({ "type": "amazon_q", "topic_arn": "arn:aws:sqs:x:1:q" })),
                "not the ARN of an SNS topic",
            ),
            (
                channel(
                    json!({ "type": "amazon_q", "topic_arn": "arn:aws:sns:x:1:q", "throttle_seconds": 90_000 }),
                ),
                "over 86400",
            ),
            (
                json!({ "channels": { "Slack": { "type": "slack" } } }),
                "`channels.Slack` is refused: a name is",
            ),
            (
                json!({ "channels": { "dlq": { "type": "slack" } } }),
                "`channels.dlq` is refused: the queue of that",
            ),
            (json!({ "channels": { "": { "type": "slack" } } }), "a name is 1 to 40"),
            (
                json!({ "link": "https://app.example.com/" }),
                "`link` is refused: the address has no {incident_id}",
            ),
            (
                json!({ "link": "javascript:alert('{incident_id}')" }),
                "`link` is refused: it is not an address",
            ),
            (json!({ "link": "https://a.example/{incident_id}|x" }), "`link` is refused"),
            (
                json!({ "routes": [{ "channels": [] }] }),
                "`routes[0].channels` is refused: the route leads to no",
            ),
            (json!({ "routes": [{ "channels": ["x"] }] }), "there is no channel `x`"),
            (json!({ "routes": [{ "severities": ["bad"], "channels": [] }] }), "`bad` is not a severity"),
            (
                json!({ "routes": [{ "customers": [], "channels": [] }] }),
                "`routes[0].customers` is refused: an empty",
            ),
        ] {
            let refusal = refusal(&config);
            assert!(refusal.contains(expected), "{config}\n{refusal}");
        }
    }

    #[test]
    fn a_secret_in_the_wrong_place_is_not_repeated() {
        let secret = "xoxb-123";
        let config = json!({ "channels": { "a": { "type": "slack", "bot_token_secret_arn": secret, "conversation": "C" } } });
        assert!(!refusal(&config).contains(secret));
    }

    #[test]
    fn loopback_only_with_the_switch() {
        let config = json!({ "channels": { "a": {
            "type": "webhook", "signing_secret_arn": SECRET, "url": "http://127.0.0.1:9000/" } } });
        assert!(parse(&config).is_err());
        assert!(ChannelsConfig::parse(&config.to_string(), "x", true).is_ok());
    }

    #[test]
    fn one_source_of_channels() {
        let of = |variables: &[(&str, &str)]| ChannelsConfig::source(&Env::of(variables));
        assert_eq!(
            of(&[("NOTIFIER_CONFIG", "{}")]).unwrap(),
            TextSource::Inline { text: "{}".to_owned(), origin: "NOTIFIER_CONFIG" }
        );
        assert!(of(&[]).unwrap_err().to_string().contains("NOTIFIER_CONFIG is not set"));
        assert!(of(&[("NOTIFIER_CONFIG", "{}"), ("NOTIFIER_CONFIG_SSM_PARAMETER", "p")]).is_err());
    }
}
