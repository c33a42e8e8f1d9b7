use serde_json::{Value, json};

use super::*;

const SECRET: &str = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:slack-AbCdEf";

fn parse(value: &Value) -> Result<ChannelsConfig, ChannelsError> {
    ChannelsConfig::parse(&value.to_string(), "NOTIFIER_CONFIG", false)
}

/// The reason why the text is refused, or why its one channel is broken.
fn refusal(value: &Value) -> String {
    match parse(value) {
        Ok(config) => match &config.channels[0].kind {
            ChannelKind::Broken { reason } => reason.clone(),
            other => panic!("{other:?} is not refused"),
        },
        Err(error) => platform::telemetry::error_chain(&error),
    }
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
            "teams": { "type": "teams", "webhook_url_secret_arn": SECRET },
            "discord": { "type": "discord", "webhook_url_secret_arn": SECRET },
            "google": { "type": "google_chat", "webhook_url_secret_arn": SECRET },
            "opsgenie": { "type": "opsgenie", "api_key_secret_arn": SECRET,
                          "api_url": "https://api.eu.opsgenie.com" },
            "bus": { "type": "event_bus",
                     "bus_arn": "arn:aws:events:eu-west-1:123456789012:event-bus/alerts" },
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
            ("bus", "event_bus"),
            ("discord", "discord"),
            ("google", "google_chat"),
            ("opsgenie", "opsgenie"),
            ("pagerduty", "pagerduty"),
            ("slack", "slack"),
            ("teams", "teams"),
            ("telegram", "telegram")
        ]
    );
    let throttles: Vec<_> = config.channels.iter().map(|c| c.throttle.as_secs()).collect();
    assert_eq!(throttles, [300, 300, 300, 300, 300, 300, 300, 0, 300, 300, 300]);
    let ChannelKind::PagerDuty { api_url, .. } = &config.channels[7].kind else { panic!("not PagerDuty") };
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
        (channel(json!({})), "channels.a is refused: `.`: missing field `type`"),
        (channel(json!({ "type": "slack", "webhook_url": "x" })), "unknown field `webhook_url`"),
        (
            channel(json!({ "type": "slack", "throttle_seconds": "5" })),
            "channels.a is refused: `throttle_seconds`: invalid type: a text, expected u64",
        ),
        (channel(json!({ "type": "fax" })), "channels.a is refused: the type `fax` is not known"),
        (channel(json!({ "type": "slack" })), "give webhook_url_secret_arn, or"),
        (
            channel(
                json!({ "type": "slack", "webhook_url_secret_arn": SECRET, "bot_token_secret_arn": SECRET }),
            ),
            "both given",
        ),
        (channel(json!({ "type": "slack", "bot_token_secret_arn": SECRET })), "`conversation` is missing"),
        (
            channel(json!({ "type": "slack", "webhook_url_secret_arn": SECRET, "conversation": "C1" })),
            "`conversation` does not belong to a channel of type slack",
        ),
        (
            channel(json!({ "type": "slack", "webhook_url_secret_arn": "https://hooks.slack.com/x" })),
            "`webhook_url_secret_arn` is not the ARN of a secret",
        ),
        (channel(json!({ "type": "pagerduty" })), "`routing_key_secret_arn` is missing"),
        (channel(json!({ "type": "teams" })), "`webhook_url_secret_arn` is missing"),
        (
            channel(
                json!({ "type": "discord", "webhook_url_secret_arn": "https://discord.com/api/webhooks/1/x" }),
            ),
            "`webhook_url_secret_arn` is not the ARN of a secret",
        ),
        (
            channel(
                json!({ "type": "google_chat", "webhook_url_secret_arn": SECRET, "url": "https://x.example" }),
            ),
            "`url` does not belong to a channel of type google_chat",
        ),
        (channel(json!({ "type": "opsgenie" })), "`api_key_secret_arn` is missing"),
        (
            channel(json!({ "type": "event_bus", "bus_arn": "arn:aws:events:x:1:rule/a" })),
            "not the ARN of an event bus",
        ),
        (
            channel(
                json!({ "type": "slack", "webhook_url_secret_arn": SECRET, "signing_secret_arn": "8f742231b10e" }),
            ),
            "`signing_secret_arn` is not the ARN of a secret",
        ),
        (
            channel(json!({ "type": "webhook", "signing_secret_arn": SECRET, "url": "https://a.example",
                            "template": "x".repeat(4_097) })),
            "`template` has 4097 bytes, and 4096 are allowed",
        ),
        (
            channel(json!({ "type": "teams", "webhook_url_secret_arn": SECRET, "template": "{}" })),
            "`template` does not belong to a channel of type teams",
        ),
        (channel(json!({ "type": "telegram", "bot_token_secret_arn": SECRET })), "`chat_id` is missing"),
        (
            channel(
                json!({ "type": "telegram", "bot_token_secret_arn": SECRET, "chat_id": "-1", "webhook_secret_arn": "s3cret" }),
            ),
            "`webhook_secret_arn` is not the ARN of a secret",
        ),
        (
            channel(
                json!({ "type": "slack", "webhook_url_secret_arn": SECRET, "webhook_secret_arn": SECRET }),
            ),
            "`webhook_secret_arn` does not belong to a channel of type slack",
        ),
        (
            channel(json!({ "type": "webhook", "signing_secret_arn": SECRET, "url": "http://example.com" })),
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
        (json!({ "channels": { "Slack": { "type": "slack" } } }), "channels.Slack is refused: a name is"),
        (
            json!({ "channels": { "dlq": { "type": "slack" } } }),
            "channels.dlq is refused: the notifier's own",
        ),
        (json!({ "channels": { "": { "type": "slack" } } }), "a name is 1 to 40"),
        (
            json!({ "link": "https://app.example.com/" }),
            "`link` is refused: the address has no {incident_id}",
        ),
        (json!({ "link": "javascript:alert('{incident_id}')" }), "`link` is refused: it is not an address"),
        (json!({ "link": "https://a.example/{incident_id}|x" }), "`link` is refused"),
        (json!({ "routes": [{ "channels": [] }] }), "`routes[0].channels` is refused: the route leads to no"),
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
    for field in ["bot_token_secret_arn", "throttle_seconds", "api_url"] {
        let mut entry = json!({ "type": "slack", "bot_token_secret_arn": SECRET, "conversation": "C" });
        entry[field] = secret.into();
        let refusal = refusal(&json!({ "channels": { "a": entry } }));
        assert!(refusal.contains("channels.a is refused") && !refusal.contains(secret), "{refusal}");
    }
    let refusal = refusal(&json!({ "channels": secret }));
    assert!(refusal.contains("at `channels`") && !refusal.contains(secret), "{refusal}");
}

#[test]
fn loopback_only_with_the_switch() {
    let config = json!({ "channels": { "a": {
        "type": "webhook", "signing_secret_arn": SECRET, "url": "http://127.0.0.1:9000/" } } });
    assert!(refusal(&config).contains("127.0.0.1 is not a public address"));
    assert!(ChannelsConfig::parse(&config.to_string(), "x", true).is_ok());
}

#[test]
fn one_source_of_channels() {
    let of = |variables: &[(&str, &str)]| ChannelsConfig::source(&Env::of(variables));
    assert_eq!(
        of(&[("NOTIFIER_CONFIG", "{}")]).unwrap(),
        TextSource::Inline { text: "{}".to_owned(), origin: "NOTIFIER_CONFIG".to_owned() }
    );
    assert!(of(&[]).unwrap_err().to_string().contains("NOTIFIER_CONFIG is not set"));
    assert!(of(&[("NOTIFIER_CONFIG", "{}"), ("NOTIFIER_CONFIG_SSM_PARAMETER", "p")]).is_err());
}

#[test]
fn one_wrong_channel_breaks_no_other() {
    let config = parse(&json!({
        "channels": {
            "billing": { "type": "webhook", "url": "http://billing.example.com", "signing_secret_arn": SECRET,
                         "queue_url": "https://sqs/billing" },
            "slack": { "type": "slack", "webhook_url_secret_arn": SECRET },
        },
        "routes": [{ "channels": ["billing", "slack"] }],
    }))
    .unwrap();
    let [billing, slack] = &config.channels[..] else { panic!("two channels") };
    let ChannelKind::Broken { reason } = &billing.kind else { panic!("{billing:?}") };
    assert_eq!(reason, "channels.billing is refused: url: only https:// is allowed");
    assert_eq!(billing.queue_url.as_deref(), Some("https://sqs/billing"), "its alerts are kept");
    assert_eq!(slack.kind.name(), "slack");
}

#[test]
fn a_slack_channel_with_a_signing_secret_has_buttons() {
    for (signing, expected) in [(Value::Null, false), (json!(SECRET), true)] {
        let of = |entry: Value| {
            let mut entry = entry;
            entry["signing_secret_arn"] = signing.clone();
            parse(&json!({ "channels": { "a": entry } })).unwrap().channels.remove(0).kind
        };
        let ChannelKind::SlackWebhook { has_buttons, .. } =
            of(json!({ "type": "slack", "webhook_url_secret_arn": SECRET }))
        else {
            panic!("not a webhook")
        };
        assert_eq!(has_buttons, expected);
        let bot = json!({ "type": "slack", "bot_token_secret_arn": SECRET, "conversation": "C1" });
        let ChannelKind::SlackBot { has_buttons, .. } = of(bot) else { panic!("not a bot") };
        assert_eq!(has_buttons, expected);
    }
}

#[test]
fn a_telegram_channel_with_a_webhook_secret_has_buttons() {
    for arn in [None, Some(SECRET)] {
        let entry = json!({ "type": "telegram", "bot_token_secret_arn": SECRET, "chat_id": "-1", "webhook_secret_arn": arn });
        let kind = parse(&json!({ "channels": { "a": entry } })).unwrap().channels.remove(0).kind;
        let ChannelKind::Telegram { webhook_secret_arn, .. } = kind else { panic!("not Telegram") };
        assert_eq!(webhook_secret_arn.as_deref(), arn);
    }
}
