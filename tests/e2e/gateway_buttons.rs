//! Presses of buttons on the deployed stack: through the gateway without a token, to the incident and to the chat.

use anyhow::{Context, Result};
use detection::CustomerId;
use detection::incident::{IncidentId, Subject};
use detection::{Direction, MetricName};
use e2e::api::{Answer, encoded};
use e2e::deployed::{Deployed, TABLE, hour_ago};
use e2e::gateway::Gateway;
use e2e::receiver::{Received, Receiver, Reply};
use e2e::world::{at, timestamp, variable};
use serde_json::{Value, json};
use store::deliveries::DeliveryStore;

/// The name of the channel in `tests/channels.json`.
const CHANNEL: &str = "telegram";
const CHAT: i64 = -100_123;

fn secret(name: &str) -> Result<String> {
    let channels: Value = serde_json::from_str(include_str!("../channels.json"))?;
    Ok(channels["secrets"][name].as_str().with_context(|| format!("no secret {name}"))?.to_owned())
}

/// The id of an open incident of this customer, which no channel was told of.
async fn incident(deployed: &Deployed, customer: &str) -> Result<String> {
    let hour = hour_ago(1);
    deployed.make_anomalies(&[customer], &hour).await?;
    let subject = Subject {
        customer_id: CustomerId::new(customer)?,
        entity: None,
        metric: MetricName::new("compute_time")?,
        direction: Direction::Spike,
    };
    Ok(IncidentId::of(at(&hour), &subject).to_string())
}

async fn state(gateway: &Gateway, incident_id: &str) -> Result<(Value, Value)> {
    let incident = gateway.read(&format!("/v1/incidents/{incident_id}")).await?["incident"].take();
    Ok((incident["state"].clone(), incident["history"][0]["actor"].clone()))
}

/// What the chats get at the port of the channels.
async fn receiver() -> Result<Receiver> {
    let port = variable("TEST_RECEIVER_PORT")?.parse()?;
    Ok(Receiver::start_at(port, |_: &Received| Reply::ok(r#"{"ok": true, "result": true}"#)).await?)
}

async fn click(gateway: &Gateway, body: &str, secret: &str) -> Result<Answer> {
    let time = timestamp().as_second().to_string();
    let mac = hmac_sha256::HMAC::mac(format!("v0:{time}:{body}"), secret);
    let signature: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("v0={signature}");
    let headers = [("x-slack-request-timestamp", time.as_str()), ("x-slack-signature", signature.as_str())];
    gateway.send("POST", "/slack/actions", &headers, body.as_bytes().to_vec()).await
}

#[tokio::test]
async fn a_signed_click_in_slack_acknowledges_and_a_forged_one_does_not() -> Result<()> {
    let (deployed, gateway, receiver) = (Deployed::new().await?, Gateway::new()?, receiver().await?);
    let id = incident(&deployed, "clicked-in-slack").await?;
    let payload = json!({
        "type": "block_actions", "user": { "id": "U012AB3CD", "username": "ada" },
        "actions": [{ "action_id": "acknowledge", "block_id": "b1", "value": id }],
        "response_url": format!("{}/actions/T1/2/3", receiver.url),
        "message": { "text": "Critical", "blocks": [{ "type": "actions", "block_id": "b1", "elements": [] }] },
    });
    let (body, stranger) = (format!("payload={}", encoded(&payload.to_string())), gateway.without_token());
    let forged = click(&stranger, &body, "9f2c41d07ab35e86f1c49d0ea7b2351c").await?;
    forged.assert_problem(401, "another secret");
    assert_eq!(state(&gateway, &id).await?.0, "open");
    let answer = click(&stranger, &body, &secret("slack_signing")?).await?;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(state(&gateway, &id).await?, (json!("acknowledged"), json!("ada (Slack U012AB3CD)")));
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].json()["blocks"][0]["elements"][0]["text"], "Acknowledged by ada");
    Ok(())
}

#[tokio::test]
async fn a_press_in_telegram_acknowledges_and_a_forged_one_does_not() -> Result<()> {
    let (deployed, gateway, receiver) = (Deployed::new().await?, Gateway::new()?, receiver().await?);
    let id = incident(&deployed, "pressed-in-telegram").await?;
    DeliveryStore::new(TABLE, &deployed.aws).keep_short_name(CHANNEL, &id, timestamp()).await?;
    let data = messaging::buttons::Button::Acknowledge.data(&id);
    let update = json!({
        // The stack may live longer than this test.
        "update_id": timestamp().as_millisecond(),
        "callback_query": {
            "id": "q1", "from": { "id": 7_001, "first_name": "Ada" }, "chat_instance": "1", "data": data,
            "message": {
                "message_id": 5, "date": timestamp().as_second(), "text": "Critical",
                "chat": { "id": CHAT, "type": "supergroup" },
                "reply_markup": { "inline_keyboard": [[{ "text": "Acknowledge", "callback_data": data }]] },
            },
        },
    });
    let stranger = gateway.without_token();
    let body = || update.to_string().into_bytes();
    for header in ["x-another", "x-telegram-bot-api-secret-token"] {
        let headers = [(header, "0123456789abcdef")];
        let forged = stranger.send("POST", "/telegram/updates", &headers, body()).await?;
        forged.assert_problem(401, header);
    }
    assert_eq!(state(&gateway, &id).await?.0, "open");
    let secret = secret("telegram_webhook")?;
    let headers = [("x-telegram-bot-api-secret-token", secret.as_str())];
    let answer = stranger.send("POST", "/telegram/updates", &headers, body()).await?;
    assert_eq!(
        (answer.status, &answer.json["text"]),
        (200, &json!("Acknowledged by Ada")),
        "{}",
        answer.text
    );
    assert_eq!(state(&gateway, &id).await?, (json!("acknowledged"), json!("Ada (Telegram 7001)")));
    let requests = receiver.requests();
    assert!(requests.len() == 1 && requests[0].path.ends_with("/editMessageText"), "{requests:?}");
    assert_eq!(requests[0].json()["reply_markup"], json!({ "inline_keyboard": [] }));
    Ok(())
}
