//! Payloads of Teams, Discord, Google Chat, Opsgenie and buses, and the buttons in Slack and Telegram: valid by the provider's schema,
//! within the provider's limits, and inert for any name of a customer.

use messaging::buttons::Button;
use notifier::channels::{discord, event_bus, google_chat, opsgenie, slack, teams, telegram};
use notifier::message::Message;
use serde_json::{Value, json};

use crate::support::{
    assert_valid, for_each_message, incident_id, message_of, opened_with, sample, schema, storm_of,
    strings_of,
};

fn body(request: messaging::outbound::OutboundRequest) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

fn teams_of(message: Message<'_>) -> Value {
    body(teams::request(message, "https://x.example"))
}

fn discord_of(message: Message<'_>) -> Value {
    body(discord::request(message, "https://discord.com/api/webhooks/1/x"))
}

fn google_of(message: Message<'_>) -> Value {
    body(google_chat::request(message, "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t"))
}

fn opsgenie_of(message: Message<'_>) -> Value {
    body(opsgenie::request(message, "https://api.opsgenie.com", "key").unwrap())
}

fn slack_of(message: Message<'_>) -> Value {
    body(slack::webhook_request(message, "https://hooks.slack.com/services/T/B/x", true))
}

/// People see no control characters except our own line ends, and no address that we did not write.
fn assert_shown_safely(payload: &Value) {
    for text in strings_of(payload) {
        let hidden = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.chars().any(hidden), "{text:?}");
        let own = ["https://app.example.com/", "http://adaptivecards.io/"];
        let lines = text.lines().filter(|line| !own.iter().any(|own| line.starts_with(own)));
        for line in lines {
            assert!(!line.contains("://") && !line.contains('@'), "{line}");
        }
    }
}

#[test]
fn all_alerts_of_all_customers_are_valid_in_teams() {
    let schema = schema("teams-message");
    for_each_message(|message| {
        let payload = teams_of(message);
        assert_valid(&schema, &payload);
        assert!(payload.to_string().len() <= 28_000 + 200, "{}", payload.to_string().len());
        assert_shown_safely(&payload);
    });
}

#[test]
fn all_alerts_of_all_customers_are_valid_in_discord() {
    let schema = schema("discord-webhook");
    for_each_message(|message| {
        let payload = discord_of(message);
        assert_valid(&schema, &payload);
        let embed = &payload["embeds"][0];
        let length = |text: &str| text.chars().count();
        let mut total = 0;
        for text in [&embed["title"], &embed["description"]] {
            total += text.as_str().map_or(0, length);
        }
        for field in embed["fields"].as_array().unwrap() {
            total += length(field["name"].as_str().unwrap()) + length(field["value"].as_str().unwrap());
        }
        assert!(total <= 6_000, "{total}");
        assert_shown_safely(&payload);
        for text in strings_of(&embed["fields"]) {
            assert_no_markdown(&text);
        }
        assert_no_markdown(embed["title"].as_str().unwrap());
    });
}

/// Every sign with a meaning has a backslash before it.
fn assert_no_markdown(text: &str) {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        assert!(!"*_~`|<>#[]()".contains(c), "{text}");
        if c == '\\' {
            assert!(characters.next().is_some(), "a backslash at the end of {text}");
        }
    }
}

#[test]
fn all_alerts_of_all_customers_are_valid_in_google_chat() {
    let schema = schema("google-chat-message");
    for_each_message(|message| {
        let payload = google_of(message);
        assert_valid(&schema, &payload);
        assert!(payload.to_string().len() <= 32_000 + 200, "{}", payload.to_string().len());
        assert_shown_safely(&payload);
        for text in strings_of(&payload) {
            let without = text.replace("<b>", "").replace("</b>", "");
            assert!(!without.contains(['<', '>', '&']), "{text}");
        }
    });
}

#[test]
fn all_alerts_of_all_customers_are_valid_in_opsgenie() {
    let schema = schema("opsgenie-alert");
    for_each_message(|message| {
        let payload = opsgenie_of(message);
        assert_valid(&schema, &payload);
        let details = payload["details"].as_object().into_iter().flatten();
        let total: usize =
            details.map(|(name, text)| name.len() + text.as_str().unwrap().chars().count()).sum();
        assert!(total <= 8_000, "{total}");
        assert_shown_safely(&payload);
    });
}

#[test]
fn messages_of_an_incident_are_one_thread_in_google_chat() {
    let key = |alert: &notifier::alert::Alert| google_of(message_of(alert))["thread"]["threadKey"].clone();
    let (opened, resolved) = (sample("notifier-opened"), sample("notifier-resolved"));
    assert_eq!(key(&opened), opened.incident_id);
    assert_eq!(key(&resolved), key(&opened));
    assert_eq!(key(&storm_of("a")), Value::Null);
    let group = Message { others: &[&resolved], ..message_of(&opened) };
    assert_eq!(google_of(group)["thread"], Value::Null);
    let request = google_chat::request(
        message_of(&opened),
        "https://chat.googleapis.com/v1/spaces/A/messages?key=k&token=t",
    );
    assert!(request.url.ends_with("?key=k&token=t&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"));
}

#[test]
fn the_action_of_opsgenie_for_each_event() {
    let id = "1795266000000.bandwidth.spike.Y3VzdF8wMDQy";
    let in_path = id.replace('.', "%2E");
    for (event, path) in [
        ("opened", String::new()),
        ("escalated", String::new()),
        ("reminder", String::new()),
        ("acknowledged", format!("/{in_path}/acknowledge?identifierType=alias")),
        ("resolved", format!("/{in_path}/close?identifierType=alias")),
        ("accepted", format!("/{in_path}/close?identifierType=alias")),
        ("stale", format!("/{in_path}/close?identifierType=alias")),
    ] {
        let alert = opened_with(&json!({ "event": event }));
        let request = opsgenie::request(message_of(&alert), "https://api.opsgenie.com", "k1").unwrap();
        assert_eq!(request.url, format!("https://api.opsgenie.com/v2/alerts{path}"), "{event}");
        assert_eq!(request.headers, [("authorization", "GenieKey k1".to_owned())]);
    }
    let opened = sample("notifier-opened");
    let alert = opsgenie_of(message_of(&opened));
    assert_eq!((&alert["alias"], &alert["priority"]), (&json!(id), &json!("P1")));
    // The page of several incidents has the alias of the first.
    let joined = Message { page_key: Some("first"), ..message_of(&opened) };
    assert_eq!(opsgenie_of(joined)["alias"], "first");
    let long = opened_with(&json!({ "incident_id": "x".repeat(600) }));
    assert_eq!(opsgenie_of(message_of(&long))["alias"].as_str().unwrap().len(), 64);
    for key in ["", "a b", "a\nb"] {
        let error = opsgenie::request(message_of(&opened), "https://api.opsgenie.com", key).unwrap_err();
        assert_eq!(error, "the secret is not an API key");
    }
}

#[test]
fn events_on_a_bus_have_their_schema_and_the_exact_alert() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/anomaly-event.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let now = "2026-11-21T13:01:00Z".parse().unwrap();
    let on_the_bus = |message: Message<'_>| {
        let event = event_bus::event(message, now);
        let detail: Value = serde_json::from_str(&event.detail).unwrap();
        json!({ "source": event.source, "detail-type": event.detail_type, "time": event.time, "detail": detail })
    };
    for_each_message(|message| assert_valid(&schema, &on_the_bus(message)));
    let customer = "<!channel>\r\n\u{202e}";
    let alert = opened_with(&json!({ "customer_id": customer }));
    let event = on_the_bus(message_of(&alert));
    assert_eq!(
        (&event["detail"]["customer_id"], &event["detail-type"]),
        (&json!(customer), &json!("Anomaly Opened"))
    );
    assert_eq!(event["time"], "2026-11-21T13:00:00Z");
    let storm = sample("notifier-storm");
    assert_eq!(on_the_bus(message_of(&storm))["detail-type"], "Anomaly Digest");
    let confirmed = opened_with(&json!({ "event": "confirmed" }));
    assert_eq!(on_the_bus(message_of(&confirmed))["detail-type"], "Anomaly Confirmed");
    let example = include_str!("../../../../examples/suspend_key/confirmed.json");
    assert_valid(&schema, &serde_json::from_str(example).unwrap());
}

/// The blocks of buttons, each as the ids and the value of its buttons.
fn buttons_of(message: Message<'_>) -> Vec<(Vec<String>, String)> {
    let payload = slack_of(message);
    assert_valid(&schema("slack-message"), &payload);
    let blocks = payload["blocks"].as_array().unwrap().iter().filter(|block| block["type"] == "actions");
    let of = |block: &Value| {
        let elements = block["elements"].as_array().unwrap();
        let ids = elements.iter().map(|element| element["action_id"].as_str().unwrap().to_owned()).collect();
        (ids, elements[0]["value"].as_str().unwrap().to_owned())
    };
    blocks.map(of).collect()
}

#[test]
fn each_page_in_slack_has_its_buttons() {
    let all: Vec<_> = Button::ALL.map(|button| button.id().to_owned()).into();
    let opened = sample("notifier-opened");
    assert_eq!(buttons_of(message_of(&opened)), [(all.clone(), opened.incident_id.clone())]);
    for (event, count) in
        [("reminder", 1), ("escalated", 1), ("resolved", 0), ("acknowledged", 0), ("confirmed", 0)]
    {
        let alert = opened_with(&json!({ "event": event }));
        assert_eq!(buttons_of(message_of(&alert)).len(), count, "{event}");
    }
    assert_eq!(buttons_of(message_of(&sample("notifier-storm"))), []);
    let long = opened_with(&json!({ "incident_id": "x".repeat(2_001) }));
    assert_eq!(buttons_of(message_of(&long)), []);
    // A group has the buttons of each of its incidents, and none for an end among them.
    let ids: Vec<_> = (0..15).map(|i| incident_id(&format!("c{i}"))).collect();
    let mut group: Vec<_> = ids.iter().map(|id| opened_with(&json!({ "incident_id": id }))).collect();
    group[3] = sample("notifier-resolved");
    let others: Vec<_> = group[1..].iter().collect();
    let found = buttons_of(Message { others: &others, ..message_of(&group[0]) });
    assert_eq!(found.len(), 14);
    assert_eq!((&found[0].1, &found[13].1), (&ids[0], &ids[14]));
    let without = slack::webhook_request(message_of(&opened), "https://hooks.slack.com/x", false).body;
    assert!(!without.contains("\"actions\""), "{without}");
}

/// The rows of the keyboard, each button as its text and its data.
fn keyboard_of(message: Message<'_>) -> Vec<Vec<(String, String)>> {
    let request = telegram::request(message, "https://api.telegram.org", "1:A", "-100123", true).unwrap();
    let payload: Value = serde_json::from_str(&request.body).unwrap();
    assert_valid(&schema("telegram-send-message"), &payload);
    let rows = payload["reply_markup"]["inline_keyboard"].as_array().cloned().unwrap_or_default();
    let of = |button: &Value| ["text", "callback_data"].map(|name| button[name].as_str().unwrap().to_owned());
    rows.iter().map(|row| row.as_array().unwrap().iter().map(|b| of(b).into()).collect()).collect()
}

#[test]
fn each_page_in_telegram_has_its_buttons() {
    let opened = sample("notifier-opened");
    let buttons = Button::ALL.map(|button| (button.label().to_owned(), button.data(&opened.incident_id)));
    assert_eq!(keyboard_of(message_of(&opened)), [buttons[..2].to_vec(), buttons[2..].to_vec()]);
    for (event, rows) in [("reminder", 2), ("reopened", 2), ("resolved", 0), ("acknowledged", 0)] {
        let alert = opened_with(&json!({ "event": event }));
        assert_eq!(keyboard_of(message_of(&alert)).len(), rows, "{event}");
    }
    assert_eq!(keyboard_of(message_of(&sample("notifier-storm"))).len(), 0);
    // Telegram takes 64 bytes, whatever the customer is called.
    for_each_message(|message| drop(keyboard_of(message)));
    // A group has the buttons of each page, with the number of its line.
    let resolved = sample("notifier-resolved");
    let other = opened_with(&json!({ "incident_id": "1.m.spike.b" }));
    let group = Message { others: &[&resolved, &other], ..message_of(&opened) };
    let rows = keyboard_of(group);
    let texts: Vec<_> = rows.iter().map(|row| row[0].0.as_str()).collect();
    assert_eq!(texts, ["1. Acknowledge", "1. Mute 24 h", "3. Acknowledge", "3. Mute 24 h"]);
    assert_eq!(rows[3][1].1, Button::NotAnAnomaly.data("1.m.spike.b"));
    let text_of = |has_buttons| {
        let request =
            telegram::request(group, "https://api.telegram.org", "1:A", "-100123", has_buttons).unwrap();
        serde_json::from_str::<Value>(&request.body).unwrap()["text"].as_str().unwrap().to_owned()
    };
    assert!(text_of(true).contains("\n3. <code>cust_0042</code>"), "{}", text_of(true));
    assert!(!text_of(false).contains("\n3. <code>"), "{}", text_of(false));
}

#[test]
fn a_critical_page_in_teams() {
    insta::assert_json_snapshot!(teams_of(message_of(&sample("notifier-opened"))));
}

#[test]
fn a_critical_page_in_discord() {
    insta::assert_json_snapshot!(discord_of(message_of(&sample("notifier-opened"))));
}

#[test]
fn a_critical_page_in_google_chat() {
    insta::assert_json_snapshot!(google_of(message_of(&sample("notifier-opened"))));
}

#[test]
fn a_critical_page_in_opsgenie() {
    insta::assert_json_snapshot!(opsgenie_of(message_of(&sample("notifier-opened"))));
}

#[test]
fn the_schemas_refuse_what_is_too_long() {
    let alert = sample("notifier-opened");
    let message = message_of(&alert);
    for (name, payload, pointer, limit) in [
        ("discord-webhook", discord_of(message), "/embeds/0/title", 256),
        ("discord-webhook", discord_of(message), "/embeds/0/fields/0/value", 1_024),
        ("opsgenie-alert", opsgenie_of(message), "/message", 130),
        ("opsgenie-alert", opsgenie_of(message), "/alias", 512),
        ("google-chat-message", google_of(message), "/cardsV2/0/card/header/title", 200),
        ("slack-message", slack_of(message), "/blocks/6/elements/0/value", 2_000),
    ] {
        let schema = schema(name);
        for (length, is_valid) in [(limit, true), (limit + 1, false)] {
            let mut spoiled = payload.clone();
            *spoiled.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} in {payload:#}")) =
                "x".repeat(length).into();
            assert_eq!(schema.is_valid(&spoiled), is_valid, "{name} {pointer} {length}");
        }
    }
}
