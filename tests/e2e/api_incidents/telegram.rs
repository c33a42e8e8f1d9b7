//! Presses of the buttons of pages in Telegram: from the page that the notifier sends, by updates with the secret of the
//! webhook, to the incident, the policy and the edited message.

use e2e::receiver::{Receiver, Reply};

use super::*;

const CHAT: i64 = -100_123;

/// A stack with a channel that has buttons, and the page of its incident as it stands in Telegram.
struct Desk {
    world: World,
    api: Api,
    path: String,
    /// Telegram's side of the edits.
    telegram: Receiver,
    message: Value,
}

impl Desk {
    async fn new() -> Result<Self> {
        Self::with(|_| Reply::ok(r#"{"ok": true, "result": {"message_id": 1365}}"#)).await
    }

    async fn with(
        answer: impl Fn(&e2e::receiver::Received) -> Reply + Send + Sync + 'static,
    ) -> Result<Self> {
        let (world, path, _) = one_incident().await?;
        let telegram = Receiver::start(answer).await?;
        let channel = json!({
            "type": "telegram", "chat_id": CHAT.to_string(), "api_url": telegram.url, "throttle_seconds": 0,
            "bot_token_secret_arn": secret_of(&world, "token", &planted("telegram")?).await?,
            "webhook_secret_arn": secret_of(&world, "webhook", &planted("telegram_webhook")?).await?,
        });
        let config = json!({ "channels": { "ops": channel } }).to_string();
        let overrides = [("NOTIFIER_CONFIG", config.as_str()), ("ALLOW_LOOPBACK", "true")];
        let api = world.api_with(&overrides, &world.aws).await?.without_token();
        let alert = json!({
            "alert_id": "1", "event": "opened", "incident_id": path.rsplit('/').next(), "customer_id": "c",
            "metric": "compute_time", "severity": "critical", "direction": "spike", "description": "it rose",
        });
        deliver(&world, &config, &alert).await?;
        let sent = telegram.requests();
        ensure!(sent.len() == 1 && sent[0].path.ends_with("/sendMessage"), "{sent:?}");
        // The page as the notifier sends it, with what Telegram adds.
        let message = json!({
            "message_id": 1365, "date": at(NOW).as_second(), "text": "Critical: compute_time spike",
            "entities": [{ "type": "bold", "offset": 0, "length": 28 }],
            "chat": { "id": CHAT, "type": "supergroup", "title": "Ops" },
            "reply_markup": sent[0].json()["reply_markup"],
        });
        Ok(Self { world, api, path, telegram, message })
    }

    /// The update of a press of a button of the message.
    fn press(&self, message: &Value, button: &str, update_id: i64) -> Result<Value> {
        let rows = message["reply_markup"]["inline_keyboard"].as_array().context("a keyboard")?;
        let mut buttons = rows.iter().filter_map(Value::as_array).flatten();
        let is_pressed =
            |one: &&Value| one["callback_data"].as_str().is_some_and(|data| data.starts_with(button));
        let data = buttons.find(is_pressed).with_context(|| format!("no button {button} in {message}"))?;
        Ok(json!({
            "update_id": update_id,
            "callback_query": {
                "id": format!("q{update_id}"), "chat_instance": "1", "message": message,
                "from": { "id": 7_001, "is_bot": false, "first_name": "Ada", "username": "ada" },
                "data": data["callback_data"],
            },
        }))
    }

    async fn send(&self, update: &Value, secret: Option<&str>) -> Result<Answer> {
        let headers: Vec<_> =
            secret.iter().map(|secret| ("x-telegram-bot-api-secret-token", *secret)).collect();
        self.api.send("POST", "/telegram/updates", &headers, update.to_string().into_bytes()).await
    }

    /// An update of Telegram. Returns the note to the person, which is null if there is none.
    async fn updated(&self, update: &Value) -> Result<Value> {
        let answer = self.send(update, Some(&planted("telegram_webhook")?)).await?;
        assert_eq!(answer.status, 200, "{update}: {}", answer.text);
        assert!(answer.json.is_null() || answer.json["method"] == "answerCallbackQuery", "{}", answer.text);
        Ok(answer.json)
    }

    /// The edits so far, each as its method and its parameters.
    fn edits(&self) -> Vec<(String, Value)> {
        let of = |one: &e2e::receiver::Received| {
            (one.path.rsplit('/').next().unwrap_or_default().to_owned(), one.json())
        };
        self.telegram.requests()[1..].iter().map(of).collect()
    }

    /// The message after an edit.
    fn after(&self, edit: &Value) -> Value {
        let mut message = self.message.clone();
        for part in ["text", "entities", "reply_markup"] {
            message[part] = edit[part].clone();
        }
        message
    }

    fn operator(&self) -> Api {
        self.api.as_admin()
    }

    async fn state(&self) -> Result<Value> {
        Ok(self.operator().read(&self.path).await?["incident"].take())
    }
}

fn buttons(edit: &Value) -> usize {
    let rows = edit["reply_markup"]["inline_keyboard"].as_array().cloned().unwrap_or_default();
    rows.iter().filter_map(Value::as_array).map(Vec::len).sum()
}

#[tokio::test]
async fn a_person_acknowledges_mutes_and_resolves_from_the_message() -> Result<()> {
    let desk = Desk::new().await?;
    let note = desk.updated(&desk.press(&desk.message, "acknowledge", 1)?).await?;
    assert_eq!(
        (&note["callback_query_id"], &note["text"], &note["show_alert"]),
        (&json!("q1"), &json!("Acknowledged by ada"), &json!(false))
    );
    let edits = desk.edits();
    let (method, edit) = &edits[0];
    assert_eq!(
        (method.as_str(), &edit["chat_id"], &edit["message_id"]),
        ("editMessageText", &json!(CHAT), &json!(1365))
    );
    assert_eq!(edit["text"], "Critical: compute_time spike\n\nAcknowledged by ada");
    assert_eq!(buttons(edit), 3);
    let state = desk.state().await?;
    assert_eq!(
        (&state["state"], &state["history"][0]["actor"]),
        (&json!("acknowledged"), &json!("ada (Telegram 7001)"))
    );
    assert_eq!(told(&desk.world).await?, ["acknowledged"]);

    let message = desk.after(edit);
    desk.updated(&desk.press(&message, "mute_24h", 2)?).await?;
    // Another person still sees the button.
    let note = desk.updated(&desk.press(&desk.message, "mute_24h", 3)?).await?;
    assert!(note["text"].as_str().unwrap_or_default().starts_with("Muted by ada: compute_time"), "{note}");
    let policy = desk.operator().read("/v1/config/customers/c").await?;
    assert_eq!(policy["version"], 1, "a second press mutes nothing again: {policy}");
    let mute = &policy["config"]["mutes"][0];
    assert_eq!(mute["reason"], "muted for 24 hours by ada (Telegram 7001)");
    assert_eq!(mute["until"], (at(NOW) + hours(24)).to_string());

    desk.updated(&desk.press(&message, "not_an_anomaly", 4)?).await?;
    let edits = desk.edits();
    assert_eq!((edits.len(), buttons(&edits[3].1)), (4, 0));
    let state = desk.state().await?;
    assert_eq!(
        (&state["state"], &state["history"][1]["action"]),
        (&json!("resolved"), &json!("false_alarm"))
    );

    // An old copy of the message that still has its buttons.
    let note = desk.updated(&desk.press(&desk.message, "acknowledge", 5)?).await?;
    let text = note["text"].as_str().unwrap_or_default();
    assert!(text.contains("the incident is resolved: reopen it before you acknowledge it"), "{text}");
    assert_eq!((&note["show_alert"], desk.edits().len()), (&json!(true), 4));
    Ok(())
}

#[tokio::test]
async fn forged_updates_and_foreign_chats_do_nothing() -> Result<()> {
    let desk = Desk::new().await?;
    let update = desk.press(&desk.message, "resolve", 1)?;
    let secret = planted("telegram_webhook")?;
    let spoiled = format!("{}x", &secret[..secret.len() - 1]);
    for (case, forged) in [
        ("no secret", None),
        ("an empty secret", Some("")),
        ("another secret", Some("0123456789abcdefghijklmnopqrstuv")),
        ("a beginning of the secret", Some(&secret[..8])),
        ("a secret with another end", Some(spoiled.as_str())),
    ] {
        desk.send(&update, forged).await?.assert_problem(401, case);
    }
    // Another chat with the same bot, a message that is too old to be shown, and data that no message of ours had.
    for (number, (case, field, value)) in [
        ("This chat is no channel", "/message/chat/id", json!(-5)),
        ("This button is too old", "/message/date", json!(0)),
        ("This button is too old", "/data", json!("delete_all:0f")),
        ("The incident of this button is not known", "/data", json!("resolve:0f")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut update = update.clone();
        *update["callback_query"].pointer_mut(field).context("a field")? = value;
        update["update_id"] = (100 + number).into();
        let note = desk.updated(&update).await?;
        assert!(note["text"].as_str().unwrap_or_default().starts_with(case), "{note}");
    }
    for update in [json!({ "update_id": 9, "message": { "text": "hello" } }), json!({ "update_id": 9 })] {
        assert_eq!(desk.updated(&update).await?, Value::Null);
    }
    assert_eq!((&desk.state().await?["state"], desk.edits().len()), (&json!("open"), 0));
    assert_eq!(told(&desk.world).await?, Vec::<String>::new());
    // The same update is genuine with its secret.
    desk.updated(&update).await?;
    assert_eq!(desk.state().await?["state"], "resolved");
    let without = desk.world.api().await?.without_token();
    let body = update.to_string().into_bytes();
    without.send("POST", "/telegram/updates", &[], body).await?.assert_problem(401, "without buttons");
    Ok(())
}

#[tokio::test]
async fn an_update_that_comes_twice_acts_once() -> Result<()> {
    let desk = Desk::new().await?;
    let update = desk.press(&desk.message, "acknowledge", 1)?;
    desk.updated(&update).await?;
    acted(&desk.operator(), &desk.path, "reopen").await?;
    for _ in 0..3 {
        assert_eq!(desk.updated(&update).await?, Value::Null);
    }
    assert_eq!((&desk.state().await?["state"], desk.edits().len()), (&json!("open"), 1));
    // The same press by a person is another update.
    desk.updated(&desk.press(&desk.message, "acknowledge", 2)?).await?;
    assert_eq!(desk.state().await?["state"], "acknowledged");
    Ok(())
}

#[tokio::test]
async fn a_telegram_that_does_not_answer_keeps_no_action_from_happening() -> Result<()> {
    let desk = Desk::with(|request| match request.path.ends_with("/sendMessage") {
        true => Reply::ok(r#"{"ok": true, "result": {"message_id": 1365}}"#),
        false => Reply::ok("{}").after(Duration::from_secs(20)),
    })
    .await?;
    let begun = Instant::now();
    let note = desk.updated(&desk.press(&desk.message, "acknowledge", 1)?).await?;
    assert_eq!(note["text"], "Acknowledged by ada");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(desk.state().await?["state"], "acknowledged");
    Ok(())
}
