//! The notifier with a real table, real queues and real receivers: every alert once, nothing lost, each channel alone.

mod confirmed;
mod daily;
mod faults;
mod groups;
mod pictures;
mod trial;
mod waiting;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use detection::incident::{Around, Figures, Observation, Rules, Seen, Step, Subject, advance};
use detection::{CustomerId, Direction, MetricName, Severity};
use e2e::World;
use e2e::receiver::{Receiver, Reply};
use e2e::world::{now, text};
use environment::Env;
use jiff::{SignedDuration, Timestamp};
use messaging::failures::Failure;
use notifier::{App, Summary, handle};
use serde_json::{Value, json};
use store::{Change, IncidentItem, Writer};
use tokio::time::Instant;

/// A secret of the tests. `tools/checks/secrets_of_tests.py` searches all that the tests leave behind for parts of them.
fn secret(name: &str) -> Result<String> {
    let channels: Value = serde_json::from_str(include_str!("../channels.json"))?;
    let text = channels["secrets"][name].as_str().with_context(|| format!("no secret {name}"))?;
    // The address of a Slack webhook is a secret. Here it is one of this machine, and each test has its own.
    Ok(text.split_once("TEST_RECEIVER_PORT").map_or(text, |(_, path)| path).to_owned())
}

/// Secrets, queues and channels in a world of their own.
pub(crate) struct Desk {
    pub(crate) world: World,
    channels: serde_json::Map<String, Value>,
    routes: Value,
}

impl Desk {
    pub(crate) async fn new() -> Result<Self> {
        let world = World::without_migration().await?;
        Ok(Self { world, channels: serde_json::Map::new(), routes: json!([]) })
    }

    /// A channel with a secret and a queue of its own.
    async fn channel(&mut self, name: &str, mut entry: Value, secret: &str) -> Result<()> {
        let field = match entry["type"].as_str() {
            Some("pagerduty") => "routing_key_secret_arn",
            Some("webhook") => "signing_secret_arn",
            Some("slack") if entry["conversation"].is_null() => "webhook_url_secret_arn",
            _ => "bot_token_secret_arn",
        };
        entry[field] = self.secret(name, secret).await?.into();
        entry["queue_url"] = self.queue(name).await?.into();
        self.channels.insert(name.to_owned(), entry);
        Ok(())
    }

    pub(crate) async fn pagerduty(&mut self, name: &str, receiver: &Receiver) -> Result<()> {
        let entry = json!({ "type": "pagerduty", "api_url": receiver.url, "throttle_seconds": 0 });
        self.channel(name, entry, &secret("pagerduty")?).await
    }

    async fn webhook(&mut self, name: &str, url: &str) -> Result<()> {
        let entry = json!({ "type": "webhook", "url": url, "throttle_seconds": 0 });
        self.channel(name, entry, &secret("webhook")?).await
    }

    async fn slack(&mut self, name: &str, receiver: &Receiver) -> Result<()> {
        self.channel(name, json!({ "type": "slack" }), &format!("{}{}", receiver.url, secret("slack")?)).await
    }

    async fn slack_bot(&mut self, name: &str, receiver: &Receiver) -> Result<()> {
        let entry = json!({
            "type": "slack", "conversation": "C0123", "api_url": receiver.url, "throttle_seconds": 0 });
        self.channel(name, entry, &secret("slack_bot")?).await
    }

    async fn secret(&self, name: &str, text: &str) -> Result<String> {
        let client = aws_sdk_secretsmanager::Client::new(&self.world.aws);
        let name = format!("{}-{name}", self.world.table);
        let created = client.create_secret().name(name).secret_string(text).send().await?;
        created.arn.context("a secret without an ARN")
    }

    pub(crate) async fn queue(&self, channel: &str) -> Result<String> {
        let client = aws_sdk_sqs::Client::new(&self.world.aws);
        let name = format!("{}-anomaly-notifier-{channel}", self.world.table);
        client.create_queue().queue_name(name).send().await?.queue_url.context("a queue without a URL")
    }

    fn set(&mut self, channel: &str, field: &str, value: impl Into<Value>) {
        self.channels[channel][field] = value.into();
    }

    pub(crate) async fn app(&self) -> Result<App> {
        self.app_on(&self.world.table).await
    }

    pub(crate) async fn app_on(&self, table: &str) -> Result<App> {
        let config = json!({ "channels": self.channels, "routes": self.routes }).to_string();
        let variables = [
            ("ANOMALIES_TABLE", table),
            ("NOTIFIER_CONFIG", &config),
            ("OPS_TOPIC_ARN", &self.world.topic_arn),
            ("ALLOW_LOOPBACK", "true"),
        ];
        let mut app = App::from_env(&Env::of(&variables), &self.world.aws, now).await?;
        app.sender.first_pause = Duration::from_millis(5);
        app.gather = Duration::ZERO;
        Ok(app)
    }

    /// The failures in a channel's queue. They stay there for others.
    async fn failures(&self, channel: &str) -> Result<Vec<Failure>> {
        let client = aws_sdk_sqs::Client::new(&self.world.aws);
        let url = self.queue(channel).await?;
        let answer =
            client.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(0).send();
        let messages = answer.await?.messages.unwrap_or_default();
        messages.iter().map(|m| Ok(serde_json::from_str(m.body().unwrap_or_default())?)).collect()
    }

    /// The items of deliveries and throttles whose partition key begins so.
    async fn items(&self, prefix: &str) -> Result<Vec<HashMap<String, AttributeValue>>> {
        let all = self.world.all_items().await?;
        Ok(all.into_iter().filter(|item| text(item, "pk").starts_with(prefix)).collect())
    }

    async fn states(&self) -> Result<Vec<String>> {
        let mut states: Vec<_> =
            self.items("DELIVERY#").await?.iter().map(|item| text(item, "state")).collect();
        states.sort();
        Ok(states)
    }
}

/// A sample event of `events/`.
pub(crate) fn sample(name: &str) -> Result<Value> {
    let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

/// The message of the sample alert with other fields.
pub(crate) fn message_with(fields: &Value) -> Result<String> {
    let event = sample("notifier-opened")?;
    let text = event["Records"][0]["Sns"]["Message"].as_str().context("a message")?;
    let mut message: Value = serde_json::from_str(text)?;
    let fields = fields.as_object().context("an object")?;
    message.as_object_mut().context("an object")?.extend(fields.clone());
    Ok(message.to_string())
}

fn event_with(fields: &Value) -> Result<Value> {
    Ok(json!({ "Records": [{ "Sns": { "Message": message_with(fields)? } }] }))
}

fn redrive(channel: &str, message: &str) -> Value {
    json!({ "redrive": { "channel": channel, "message": message } })
}

pub(crate) async fn run(app: &App, event: &Value) -> Result<Summary> {
    handle(app, event, Instant::now() + Duration::from_secs(60)).await
}

fn sent(count: u64) -> Summary {
    Summary { sent: count, ..Summary::default() }
}

fn already(count: u64) -> Summary {
    Summary { already: count, ..Summary::default() }
}

fn waiting(count: u64) -> Summary {
    Summary { waiting: count, ..Summary::default() }
}

fn queued(count: u64) -> Summary {
    Summary { queued: count, ..Summary::default() }
}

/// The event of the schedule, every minute.
fn schedule() -> Result<Value> {
    sample("notifier-send-waiting")
}

fn seven_hours_later() -> std::time::SystemTime {
    now() + Duration::from_secs(7 * 3_600)
}

fn an_hour_later() -> std::time::SystemTime {
    now() + Duration::from_secs(3_600)
}

async fn accepting() -> Result<Receiver> {
    Ok(Receiver::start(|_| Reply::with(202, r#"{"status": "success"}"#)).await?)
}

/// Each is used by the tests of this module.
pub(crate) const EVENTS: [&str; 5] = [
    "notifier-opened",
    "notifier-resolved",
    "notifier-storm",
    "notifier-daily-digest",
    "notifier-send-waiting",
];

#[tokio::test]
async fn the_sample_events() -> Result<()> {
    let (slack, pagerduty) = (Receiver::taking("ok").await?, accepting().await?);
    let mut desk = Desk::new().await?;
    desk.slack("slack", &slack).await?;
    desk.pagerduty("pagerduty", &pagerduty).await?;
    let app = desk.app().await?;
    for name in ["notifier-opened", "notifier-resolved", "notifier-storm"] {
        assert_eq!(run(&app, &sample(name)?).await?, sent(2), "{name}");
        assert_eq!(run(&app, &sample(name)?).await?, already(2), "{name} again");
    }
    let titles: Vec<_> = slack
        .requests()
        .iter()
        .map(|seen| seen.json()["text"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(
        titles,
        [
            "Critical: bandwidth spike · cust_0042",
            "Resolved: bandwidth spike · cust_0042",
            "Critical: 325 incidents at once"
        ]
    );
    let actions: Vec<_> = pagerduty
        .requests()
        .iter()
        .map(|seen| (seen.json()["event_action"].clone(), seen.json()["dedup_key"].clone()))
        .collect();
    assert_eq!((&actions[0].0, &actions[1].0), (&json!("trigger"), &json!("resolve")));
    assert!(actions[0].1 == actions[1].1 && actions[2].1 != actions[0].1, "{actions:?}");
    assert_eq!(desk.states().await?, ["sent"; 6]);
    Ok(())
}

#[tokio::test]
async fn copies_at_the_same_time_are_sent_once() -> Result<()> {
    let receiver = Receiver::start(|_| Reply::with(202, "").after(Duration::from_millis(1_200))).await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let (app, other) = (desk.app().await?, desk.app().await?);
    let event = sample("notifier-opened")?;
    let (a, b) = futures::future::join(run(&app, &event), run(&other, &event)).await;
    let (a, b) = (a?, b?);
    assert_eq!((a.sent + b.sent, a.waiting + b.waiting + a.already + b.already), (1, 1));
    assert_eq!(receiver.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_next_invocation_sends_the_alerts_of_a_dead_one() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.earlier {
        0 => Reply::with(202, "").after(Duration::from_secs(600)),
        _ => Reply::with(202, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let (mut app, event) = (desk.app().await?, sample("notifier-opened")?);
    tokio::select! {
        ended = run(&app, &event) => panic!("{ended:?}"),
        () = async { while receiver.requests().is_empty() { tokio::time::sleep(Duration::from_millis(20)).await } } => {}
    }
    assert_eq!(desk.states().await?, ["waiting"]);
    // While the lead lasts, nobody knows whether the other process is dead.
    assert_eq!(run(&app, &event).await?, waiting(1));
    assert_eq!(run(&app, &schedule()?).await?, sent(0));
    assert_eq!(receiver.requests().len(), 1);
    app.sender.clock = an_hour_later;
    assert_eq!(run(&app, &schedule()?).await?, sent(1), "the schedule sends it, also without the event");
    assert_eq!(run(&app, &event).await?, already(1));
    assert_eq!(desk.states().await?, ["sent"]);
    Ok(())
}

#[tokio::test]
async fn each_channel_fails_alone() -> Result<()> {
    let (good, bad) = (accepting().await?, Receiver::start(|_| Reply::with(400, "no")).await?);
    let slow = Receiver::start(|_| Reply::with(503, "busy")).await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("a", &bad).await?;
    desk.pagerduty("b", &good).await?;
    desk.pagerduty("c", &slow).await?;
    let app = desk.app().await?;
    let event = sample("notifier-opened")?;
    assert_eq!(run(&app, &event).await?, Summary { sent: 1, queued: 1, waiting: 1, ..Summary::default() });
    assert_eq!((bad.requests().len(), good.requests().len(), slow.requests().len()), (1, 1, 4));
    let failure = desk.failures("a").await?.remove(0);
    assert_eq!((failure.channel.as_str(), failure.error.as_str()), ("a", "HTTP 400: no"));
    assert_eq!(Some(failure.message.as_str()), event["Records"][0]["Sns"]["Message"].as_str());
    assert_eq!((desk.failures("b").await?, desk.failures("c").await?), (vec![], vec![]));
    let again = Summary { already: 2, waiting: 1, ..Summary::default() };
    assert_eq!(run(&app, &event).await?, again, "what waits in a queue is not sent by a copy");
    assert_eq!(slow.requests().len(), 4, "and what waits for its time waits on");
    Ok(())
}

#[tokio::test]
async fn receivers_that_repeat_the_request_leave_no_secret_behind() -> Result<()> {
    let receiver = Receiver::start(|seen| {
        let page = format!("<p>{} {:?}</p>\n{}", seen.path, seen.headers, seen.body);
        Reply::with(400, page)
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.slack("slack", &receiver).await?;
    desk.slack_bot("bot", &receiver).await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let telegram = json!({ "type": "telegram", "chat_id": "-100123", "api_url": receiver.url });
    desk.channel("telegram", telegram, &secret("telegram")?).await?;
    desk.webhook("billing", &format!("{}{}", receiver.url, secret("slack")?)).await?;
    let app = desk.app().await?;
    assert_eq!(run(&app, &sample("notifier-opened")?).await?, queued(5));
    let mut left = format!("{:?}", desk.world.all_items().await?);
    for channel in ["slack", "bot", "pagerduty", "telegram", "billing"] {
        let failures = desk.failures(channel).await?;
        assert_eq!(failures.len(), 1, "{channel}");
        left += &format!("{failures:?}");
    }
    for name in ["slack", "slack_bot", "pagerduty", "telegram", "webhook"] {
        let secret = secret(name)?;
        let parts = secret.split(|c: char| !c.is_alphanumeric());
        for part in parts.filter(|part| part.chars().any(|c| c.is_ascii_digit())) {
            assert!(!left.contains(&part[..part.len().min(8)]), "a part of {name} is in {left}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn amazon_q_gets_its_own_topic() -> Result<()> {
    let mut desk = Desk::new().await?;
    let queue_url = desk.queue("amazon_q").await?;
    // The world's own topic, whose messages can be read.
    let entry = json!({ "type": "amazon_q", "topic_arn": desk.world.topic_arn, "queue_url": queue_url });
    desk.channels.insert("amazon_q".to_owned(), entry);
    assert_eq!(run(&desk.app().await?, &sample("notifier-opened")?).await?, sent(1));
    let messages = desk.world.alerts().await?;
    assert_eq!(
        (messages[0]["version"].as_str(), messages[0]["source"].as_str()),
        (Some("1.0"), Some("custom"))
    );
    desk.set("amazon_q", "topic_arn", format!("{}-missing", desk.world.topic_arn));
    let event = event_with(&json!({ "alert_id": "2", "event": "resolved" }))?;
    assert_eq!(run(&desk.app().await?, &event).await?, queued(1));
    assert!(desk.failures("amazon_q").await?[0].error.contains("cannot publish to"));
    Ok(())
}

#[tokio::test]
async fn customers_of_any_name_are_delivered_once() -> Result<()> {
    let receiver = Receiver::start(|_| Reply::with(204, "")).await?;
    let mut desk = Desk::new().await?;
    desk.webhook("billing", &receiver.url).await?;
    let app = desk.app().await?;
    let customers = [
        "<!channel>",
        "a\r\nb\u{0}",
        "\u{fffe}\u{ffff}",
        "客户",
        &"x".repeat(2_000),
        &"\u{1f469}".repeat(500),
    ];
    for (i, customer) in customers.iter().enumerate() {
        let id = format!("{}.{}", "y".repeat(2_600), i);
        let event = event_with(&json!({ "alert_id": id, "incident_id": id, "customer_id": customer }))?;
        assert_eq!(run(&app, &event).await?, sent(1), "{customer:?}");
        assert_eq!(run(&app, &event).await?, already(1), "{customer:?}");
        assert_eq!(receiver.requests()[i].json()["data"]["customer_id"], *customer);
    }
    // An undeliverable alert waits, and can be parked, too.
    drop(receiver);
    for (i, customer) in customers.iter().enumerate() {
        let event = event_with(&json!({ "alert_id": format!("again-{i}"), "customer_id": customer }))?;
        assert_eq!(run(&app, &event).await?, waiting(1), "{customer:?}");
    }
    let mut app = app;
    app.sender.clock = seven_hours_later;
    let parked = customers.len() as u64;
    let mut summary = Summary::default();
    while summary.queued < parked {
        let run = run(&app, &schedule()?).await?;
        assert!(run.queued > 0, "{run:?}");
        summary.queued += run.queued;
    }
    Ok(())
}
