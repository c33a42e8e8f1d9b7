//! Payloads of every channel. Each is valid by the provider's schema, within the provider's limits, and inert for any
//! name of a customer.

use notifier::alert::Alert;
use notifier::channels::{amazon_q, pagerduty, slack, telegram, webhook};
use notifier::message::Message;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{
    LINK, alerts_about, assert_valid, hostile_customers, incident_id, message_of, opened_with, sample,
    schema, strings_of,
};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SIGNING: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn slack_of(message: Message<'_>) -> Value {
    serde_json::from_str(
        &slack::webhook_request(message, "https://hooks.slack.com/services/T/B/x", false).body,
    )
    .unwrap()
}

fn bot_of(message: Message<'_>, thread: Option<&str>) -> Value {
    let request = slack::bot_request(message, "https://slack.com", "xoxb-1", "C0123", thread, true).unwrap();
    serde_json::from_str(&request.body).unwrap()
}

fn pagerduty_of(message: Message<'_>) -> Value {
    serde_json::from_str(&pagerduty::request(message, "https://events.pagerduty.com", KEY).body).unwrap()
}

fn telegram_of(message: Message<'_>) -> Value {
    let request = telegram::request(message, "https://api.telegram.org", "1:A", "-100123", true).unwrap();
    serde_json::from_str(&request.body).unwrap()
}

fn webhook_of(message: Message<'_>) -> Value {
    let now = "2026-11-21T13:01:00Z".parse().unwrap();
    let request = webhook::request(message, "https://billing.example.com/", None, SIGNING, now).unwrap();
    serde_json::from_str(&request.body).unwrap()
}

fn amazon_q_of(message: Message<'_>) -> Value {
    serde_json::from_str(&amazon_q::text(message)).unwrap()
}

#[test]
fn all_alerts_of_all_customers_are_valid_everywhere() {
    let slack = schema("slack-message");
    let (pagerduty, telegram) = (schema("pagerduty-event"), schema("telegram-send-message"));
    let (webhook, amazon_q) = (schema("webhook-body"), schema("amazon-q-notification"));
    let mut customers = hostile_customers();
    customers.push("cust_0042".to_owned());
    for customer in &customers {
        for alert in &alerts_about(customer) {
            let message = message_of(alert);
            assert_valid(&slack, &slack_of(message));
            assert_valid(&slack, &bot_of(message, None));
            assert_valid(&slack, &bot_of(message, Some("1503435956.000247")));
            assert_valid(&pagerduty, &pagerduty_of(message));
            assert_valid(&telegram, &telegram_of(message));
            assert_valid(&webhook, &webhook_of(message));
            assert_valid(&amazon_q, &amazon_q_of(message));
            assert!(pagerduty_of(message).to_string().len() < 512_000 / 10, "far below 512 KB");
            assert_inert(message);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_is_inert(
        customer in "[<>&@#`*_~:/|\\\\\\[\\]()!a-z\u{0}\n\u{202e}客👩]{1,300}",
        description in any::<String>(),
        step in any::<String>(),
        value in any::<f64>(),
    ) {
        let alert = opened_with(&json!({
            "customer_id": customer, "description": description, "investigation_steps": [step, step],
            "metric": "m", "unit": customer, "current_value": value, "incident_id": customer,
        }));
        let message = message_of(&alert);
        assert_valid(&schema("slack-message"), &slack_of(message));
        assert_valid(&schema("telegram-send-message"), &telegram_of(message));
        assert_inert(message);
    }
}

/// Fails if a message mentions anybody, makes a link or breaks a layout.
fn assert_inert(message: Message<'_>) {
    let link = message.link.map(|_| "https://app.example.com/incidents/");
    let slack = slack_of(message);
    assert_no_markup(slack["text"].as_str().unwrap());
    for text in texts_of(&slack["blocks"]) {
        if text["type"] == "mrkdwn" {
            let own = text["text"].as_str().unwrap();
            let own = own.strip_prefix(&format!("<{}", link.unwrap())).unwrap_or(own);
            assert_no_markup(own.strip_suffix("|Open the incident>").unwrap_or(own));
        }
    }
    assert_balanced_html(telegram_of(message)["text"].as_str().unwrap());
    let event = pagerduty_of(message);
    if event["event_action"] == "trigger" {
        for text in strings_of(&event["payload"]) {
            assert!(!text.contains("://") || !text.contains("evil"), "{text}");
        }
        let summary = event["payload"]["summary"].as_str().unwrap();
        assert!(!summary.contains("://") && !summary.contains('@'), "{summary}");
    }
    let notification = amazon_q_of(message);
    for text in strings_of(&notification["content"]) {
        let own = text.lines().filter(|line| !line.starts_with(link.unwrap())).collect::<Vec<_>>().join("\n");
        assert!(!own.contains(['<', '>', '&', '@', '*', '~']) && !own.contains("://"), "{text}");
        assert_eq!(own.matches('`').count() % 2, 0, "{text}");
    }
    // People see no control characters except our own line ends. Programs get the id unchanged.
    for payload in [&slack, &telegram_of(message), &event, &notification] {
        for text in strings_of(payload) {
            let hidden = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.chars().any(hidden), "{text:?}");
        }
    }
}

/// Slack's control sequences begin with `<`. Only the notifier writes an `&`.
fn assert_no_markup(text: &str) {
    let without = text.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "");
    assert!(!without.contains(['<', '>', '&']), "{text}");
}

/// Only the tags that the notifier writes, each closed before the next begins.
fn assert_balanced_html(text: &str) {
    let mut open: Option<&str> = None;
    let mut rest = text;
    while let Some(start) = rest.find(['<', '>']) {
        assert!(rest[start..].starts_with('<'), "a stray > in {text}");
        let end = rest.find('>').unwrap_or_else(|| panic!("an open tag in {text}"));
        let tag = &rest[start + 1..end];
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.take(), Some(name), "{text}"),
            None => {
                let name = tag.split(' ').next().unwrap();
                assert!(["b", "i", "code", "a"].contains(&name) && open.is_none(), "<{tag}> in {text}");
                assert!(
                    name != "a" || tag.starts_with("a href=\"https://app.example.com/"),
                    "<{tag}> in {text}"
                );
                open = Some(name);
            }
        }
        rest = &rest[end + 1..];
    }
    assert_eq!(open, None, "{text}");
    assert_no_markup(&text.replace(['<', '>'], ""));
}

fn texts_of(blocks: &Value) -> Vec<Value> {
    let mut texts = Vec::new();
    for block in blocks.as_array().unwrap() {
        texts.extend(block.get("text").cloned());
        for list in ["fields", "elements"] {
            texts.extend(block[list].as_array().cloned().unwrap_or_default());
        }
    }
    texts
}

#[test]
fn customers_are_in_slack_only_as_plain_text() {
    let alert = opened_with(&json!({ "customer_id": "<!channel> *x*" }));
    let message = slack_of(message_of(&alert));
    let (plain, markup): (Vec<_>, Vec<_>) =
        texts_of(&message["blocks"]).into_iter().partition(|text| text["type"] == "plain_text");
    assert!(plain.iter().any(|text| text["text"].as_str().unwrap().contains("<!channel> *x*")));
    assert!(!markup.iter().any(|text| text["text"].as_str().unwrap().contains("channel")));
    assert_eq!(message["text"], "Critical: bandwidth spike · &lt;!channel&gt; *x*");
}

#[test]
fn a_critical_page_in_slack() {
    insta::assert_json_snapshot!(slack_of(message_of(&sample("notifier-opened"))));
}

#[test]
fn a_resolved_incident_in_slack() {
    let alert = sample("notifier-resolved");
    insta::assert_json_snapshot!(slack_of(Message::of(&alert, Some(LINK))));
}

#[test]
fn a_storm_in_slack() {
    let alert = sample("notifier-storm");
    let message = slack_of(Message::of(&alert, Some(LINK)));
    let texts: Vec<_> =
        texts_of(&message["blocks"]).iter().map(|text| text["text"].as_str().unwrap().to_owned()).collect();
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_critical_page_in_telegram() {
    insta::assert_snapshot!(telegram_of(message_of(&sample("notifier-opened")))["text"].as_str().unwrap());
}

#[test]
fn a_critical_page_in_pagerduty() {
    insta::assert_json_snapshot!(pagerduty_of(message_of(&sample("notifier-opened"))));
}

#[test]
fn a_critical_page_in_amazon_q() {
    insta::assert_json_snapshot!(amazon_q_of(message_of(&sample("notifier-opened"))));
}

#[test]
fn several_metrics_of_a_customer_have_a_chart_each_in_every_channel() {
    let charts = ["▂▂▂▂▂▁▁▁▁▁▁▂▂▂▂▂▂▂▂▂▂▃▆██", "▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█"];
    let first = sample("notifier-opened");
    let second = opened_with(&json!({
        "metric": "api_calls", "alert_id": "1795266000000.api_calls.Y3VzdF8wMDQy", "sparkline": charts[1],
        "description": "412 calls between 12:00 and 13:00, about 35 are usual on Saturdays at this hour",
    }));
    let old =
        opened_with(&json!({ "metric": "storage", "sparkline": null, "description": "An older alert." }));
    let others = [&second, &old];
    let message = Message { others: &others, ..message_of(&first) };
    assert_inert(message);
    assert_valid(&schema("slack-message"), &slack_of(message));
    assert_valid(&schema("telegram-send-message"), &telegram_of(message));
    assert_valid(&schema("pagerduty-event"), &pagerduty_of(message));
    assert_valid(&schema("amazon-q-notification"), &amazon_q_of(message));
    let is_entry = |line: &str| line.contains("spike: ");
    let lines = |payload: &Value| -> Vec<String> {
        let texts = strings_of(payload).join("\n");
        texts.lines().filter(|line| is_entry(line)).map(str::to_owned).collect()
    };
    let channels = [
        ("Slack", slack_of(message)),
        ("PagerDuty", pagerduty_of(message)),
        ("Telegram", telegram_of(message)),
        ("Amazon Q", amazon_q_of(message)),
    ];
    let shown: Vec<_> =
        channels.iter().map(|(name, payload)| format!("{name}\n{}", lines(payload).join("\n"))).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
    // Programs get each alert by itself.
    assert_eq!(webhook_of(message_of(&second))["data"]["sparkline"], charts[1]);
}

#[test]
fn a_webhook_gets_the_alert_as_it_is() {
    for customer in hostile_customers() {
        let alert = opened_with(&json!({ "customer_id": customer }));
        let body = webhook_of(message_of(&alert));
        assert_eq!(body["data"]["customer_id"], customer);
        assert_eq!(body["type"], "anomaly.opened");
        assert_eq!(body["timestamp"], "2026-11-21T13:00:00Z");
        assert_eq!(body["data"]["held_back_pages"], 0);
        assert_eq!(body["data"]["z_score"], 33.36);
    }
}

#[test]
fn the_action_of_pagerduty_for_each_event() {
    for (event, action) in [
        ("opened", "trigger"),
        ("escalated", "trigger"),
        ("reopened", "trigger"),
        ("reminder", "trigger"),
        ("acknowledged", "acknowledge"),
        ("resolved", "resolve"),
        ("accepted", "resolve"),
    ] {
        let sent = pagerduty_of(message_of(&opened_with(&json!({ "event": event }))));
        assert_eq!(sent["event_action"], action);
        assert_eq!(sent["dedup_key"], "1795266000000.bandwidth.spike.Y3VzdF8wMDQy", "{event}");
    }
    let warning = pagerduty_of(message_of(&opened_with(&json!({ "severity": "warning" }))));
    assert_eq!(warning["payload"]["severity"], "warning");
    let storm = pagerduty_of(message_of(&sample("notifier-storm")));
    assert_eq!(
        (&storm["event_action"], &storm["dedup_key"]),
        (&json!("trigger"), &json!("1795266000000.digest.325-300"))
    );
}

#[test]
fn long_ids_are_hashed_and_stay_apart() {
    let key = |customer: &str| {
        let id = incident_id(customer);
        let alert = opened_with(&json!({ "incident_id": id, "alert_id": id }));
        let sent = pagerduty_of(message_of(&alert));
        sent["dedup_key"].as_str().unwrap().to_owned()
    };
    let long = |last: &str| format!("{}{last}", "x".repeat(1_999));
    assert_eq!(key(&long("a")).len(), 64);
    assert_ne!(key(&long("a")), key(&long("b")));
    assert!(key("short").starts_with("1795266000000."));
    // The SHA-256 of the id. People can compute it to find the id.
    let exactly = "x".repeat(256);
    let alert = opened_with(&json!({ "incident_id": exactly }));
    assert_eq!(pagerduty_of(message_of(&alert))["dedup_key"], sha256(&exactly));
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(text))
}

#[test]
fn threads_of_a_bot() {
    let broadcast = |event: &str, thread| {
        bot_of(message_of(&opened_with(&json!({ "event": event }))), thread)["reply_broadcast"].clone()
    };
    assert_eq!(broadcast("escalated", None), Value::Null);
    for (event, expected) in
        [("escalated", true), ("reopened", true), ("resolved", false), ("reminder", false)]
    {
        assert_eq!(broadcast(event, Some("1.2")), expected, "{event}");
    }
}

#[test]
fn a_message_without_anything_but_an_id() {
    let alert = Alert::parse(r#"{"anomaly_id": "1.m.YQ"}"#).unwrap();
    let message = Message::of(&alert, None);
    assert_valid(&schema("slack-message"), &slack_of(message));
    assert_valid(&schema("pagerduty-event"), &pagerduty_of(message));
    assert_valid(&schema("telegram-send-message"), &telegram_of(message));
    assert_valid(&schema("webhook-body"), &webhook_of(message));
    assert_valid(&schema("amazon-q-notification"), &amazon_q_of(message));
}

#[test]
fn the_schemas_refuse_what_is_too_long() {
    let alert = sample("notifier-opened");
    let message = message_of(&alert);
    let spoiled = |mut payload: Value, pointer: &str, length: usize| {
        *payload.pointer_mut(pointer).unwrap() = "x".repeat(length).into();
        payload
    };
    for (name, payload, pointer, limit) in [
        ("slack-message", slack_of(message), "/blocks/0/text/text", 150),
        ("slack-message", slack_of(message), "/blocks/1/text/text", 3_000),
        ("slack-message", slack_of(message), "/blocks/2/fields/0/text", 2_000),
        ("pagerduty-event", pagerduty_of(message), "/payload/summary", 1_024),
        ("pagerduty-event", pagerduty_of(message), "/dedup_key", 255),
        ("telegram-send-message", telegram_of(message), "/text", 4_096),
    ] {
        let schema = schema(name);
        assert!(schema.is_valid(&spoiled(payload.clone(), pointer, limit)), "{name} {pointer}");
        assert!(!schema.is_valid(&spoiled(payload, pointer, limit + 1)), "{name} {pointer}");
    }
    let mut message = slack_of(message);
    message["blocks"] = vec![message["blocks"][0].clone(); 51].into();
    assert!(!schema("slack-message").is_valid(&message));
}
