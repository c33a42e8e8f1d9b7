//! The notifier with a real table, real queues and real receivers: every alert once, nothing lost, each channel alone.

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

    async fn app_on(&self, table: &str) -> Result<App> {
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

async fn run(app: &App, event: &Value) -> Result<Summary> {
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
async fn a_redrive_sends_once() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.earlier {
        0 | 1 => Reply::with(400, "no"),
        _ => Reply::with(202, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let app = desk.app().await?;
    assert_eq!(run(&app, &sample("notifier-opened")?).await?, queued(1));
    let event = redrive("pagerduty", &desk.failures("pagerduty").await?[0].message);
    let error = run(&app, &event).await.expect_err("failed again").to_string();
    assert!(error.contains("pagerduty did not take the alert: HTTP 400: no"), "{error}");
    assert_eq!(desk.failures("pagerduty").await?.len(), 1, "no second message in the queue");
    assert_eq!(run(&app, &event).await?, sent(1));
    assert_eq!(run(&app, &event).await?, already(1));
    assert_eq!(receiver.requests().len(), 3);
    Ok(())
}

#[tokio::test]
async fn redrives_that_cannot_be() -> Result<()> {
    let desk = Desk::new().await?;
    let app = desk.app().await?;
    let error = run(&app, &redrive("fax", "{}")).await.expect_err("no such channel");
    assert!(error.to_string().contains("there is no channel fax"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_alert_that_cannot_be_parked_waits_on() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.earlier {
        0 | 1 => Reply::with(400, "no"),
        _ => Reply::with(202, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("bad", &receiver).await?;
    desk.set("bad", "queue_url", format!("{}-missing", desk.queue("bad").await?));
    assert_eq!(run(&desk.app().await?, &sample("notifier-opened")?).await?, waiting(1));
    desk.set("bad", "queue_url", Value::Null);
    let mut app = desk.app().await?;
    app.sender.clock = an_hour_later;
    assert_eq!(run(&app, &schedule()?).await?, waiting(1));
    app.sender.clock = seven_hours_later;
    assert_eq!(run(&app, &schedule()?).await?, sent(1));
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_its_page_by_itself() -> Result<()> {
    // Down for the whole first invocation, and for one more.
    let receiver = Receiver::start(|seen| match seen.earlier {
        0..=7 => Reply::with(503, "busy"),
        _ => Reply::with(202, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let mut app = desk.app().await?;
    assert_eq!(run(&app, &sample("notifier-opened")?).await?, waiting(1));
    assert_eq!(run(&app, &schedule()?).await?, sent(0), "it is not due yet");
    for (clock, expected) in [
        (in_seconds::<31> as fn() -> _, waiting(1)),
        (in_seconds::<60>, sent(0)),
        (in_seconds::<92>, sent(1)),
    ] {
        app.sender.clock = clock;
        assert_eq!(run(&app, &schedule()?).await?, expected);
    }
    assert_eq!(desk.states().await?, ["sent"]);
    assert_eq!((receiver.requests().len(), desk.failures("pagerduty").await?), (9, vec![]));
    Ok(())
}

fn in_seconds<const SECONDS: u64>() -> std::time::SystemTime {
    now() + Duration::from_secs(SECONDS)
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_a_minute_is_given_it() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.earlier {
        0 => Reply::with(429, "").header("retry-after", "60"),
        _ => Reply::ok("ok"),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.slack("slack", &receiver).await?;
    let mut app = desk.app().await?;
    assert_eq!(run(&app, &event_with(&json!({ "alert_id": "1" }))?).await?, waiting(1));
    // Another alert does not end the pause.
    let other = event_with(&json!({ "alert_id": "2", "incident_id": "b", "customer_id": "b" }))?;
    assert_eq!(run(&app, &other).await?, waiting(1));
    app.sender.clock = in_seconds::<50>;
    assert_eq!(run(&app, &schedule()?).await?, sent(0));
    assert_eq!(receiver.requests().len(), 1);
    app.sender.clock = in_seconds::<62>;
    assert_eq!(run(&app, &schedule()?).await?, sent(2));
    assert_eq!(receiver.requests().len(), 2, "both in one message");
    Ok(())
}

#[tokio::test]
async fn after_six_hours_it_is_parked_and_no_page_goes_out_after_its_end() -> Result<()> {
    static IS_UP: AtomicBool = AtomicBool::new(false);
    let receiver = Receiver::start(|_| match IS_UP.load(Ordering::Relaxed) {
        true => Reply::with(202, "{}"),
        false => Reply::with(503, "busy"),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let mut app = desk.app().await?;
    let event = |id: &str, event: &str, incident: &str| {
        event_with(
            &json!({ "alert_id": id, "event": event, "incident_id": incident, "customer_id": incident }),
        )
    };
    assert_eq!(run(&app, &event("1", "opened", "a")?).await?, waiting(1));
    assert_eq!(run(&app, &event("2", "opened", "b")?).await?, waiting(1));
    // The end comes while its page waits. Nobody is paged about an ended incident.
    app.sender.clock = in_seconds::<5>;
    assert_eq!(run(&app, &event("3", "resolved", "b")?).await?, waiting(1));
    app.sender.clock = seven_hours_later;
    assert_eq!(run(&app, &schedule()?).await?, queued(2));
    assert_eq!(desk.failures("pagerduty").await?.len(), 2);
    let triggers = |id: &str| {
        let of = |seen: &e2e::receiver::Received| {
            seen.json()["event_action"] == "trigger" && seen.json()["dedup_key"] == *id
        };
        receiver.requests().iter().filter(|seen| of(seen)).count()
    };
    assert_eq!((triggers("a"), triggers("b")), (8, 4), "the page of b is not tried once its end is known");
    // The end of an incident whose page was given up goes the same way.
    assert_eq!(run(&app, &event("4", "resolved", "a")?).await?, queued(1));

    // A redrive calls nobody to what is over, in whatever order the queue gives its messages. The ends go out.
    IS_UP.store(true, Ordering::Relaxed);
    let requests = receiver.requests().len();
    for failure in desk.failures("pagerduty").await? {
        run(&app, &json!({ "redrive": { "channel": "pagerduty", "message": failure.message } })).await?;
    }
    let sent: Vec<_> =
        receiver.requests()[requests..].iter().map(|seen| seen.json()["event_action"].clone()).collect();
    assert_eq!(sent, ["resolve", "resolve"], "no trigger after its end");
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
async fn incidents_of_one_run_are_one_message_in_a_chat_and_one_page_per_customer_on_a_pager() -> Result<()> {
    let (slack, pagerduty, hook) =
        (Receiver::taking("ok").await?, accepting().await?, Receiver::taking("").await?);
    let mut desk = Desk::new().await?;
    desk.slack("slack", &slack).await?;
    desk.pagerduty("pagerduty", &pagerduty).await?;
    desk.webhook("billing", &hook.url).await?;
    let mut app = desk.app().await?;
    app.gather = Duration::from_millis(1_500);
    // Three customers open an incident of one metric. One of them is silent in two more.
    let incidents =
        [("a", "api_calls"), ("b", "api_calls"), ("c", "api_calls"), ("c", "bandwidth"), ("c", "compute")];
    let events = |event: &str| -> Result<Vec<Value>> {
        let of = |(customer, metric): &(&str, &str)| {
            let id = format!("1.{metric}.drop.{customer}");
            event_with(&json!({
                "alert_id": format!("{id}.{event}"), "incident_id": id, "event": event,
                "customer_id": customer, "metric": metric, "direction": "drop",
            }))
        };
        incidents.iter().map(of).collect()
    };
    for event in ["opened", "resolved"] {
        let events = events(event)?;
        let runs = futures::future::try_join_all(events.iter().map(|event| run(&app, event))).await?;
        assert_eq!(runs.iter().map(|run| run.sent).sum::<u64>(), 15, "{runs:?}");
    }
    let messages = slack.requests();
    let titles: Vec<_> = messages.iter().map(|seen| seen.json()["text"].clone()).collect();
    assert_eq!(titles, ["Critical: 5 incidents opened", "5 incidents resolved"]);
    for (customer, metric) in incidents {
        let line = format!("{customer}: Critical: {metric} drop");
        assert!(messages[0].body.contains(&line), "{line} is not in {}", messages[0].body);
    }
    let pages: Vec<_> = pagerduty.requests().iter().map(e2e::receiver::Received::json).collect();
    let of = |action: &str| {
        let of_action = pages.iter().filter(|page| page["event_action"] == action);
        let mut keys: Vec<_> = of_action.map(|page| page["dedup_key"].to_string()).collect();
        keys.sort();
        keys
    };
    assert_eq!(of("trigger").len(), 3, "one page a customer: {pages:?}");
    assert_eq!(of("resolve"), of("trigger"), "each page ends once");
    let silent = pages.iter().find(|page| page["payload"]["source"] == "c").context("a page of c")?;
    let summary = silent["payload"]["summary"].as_str().unwrap_or_default();
    assert!(["api_calls", "bandwidth", "compute"].iter().all(|metric| summary.contains(metric)), "{summary}");
    assert_eq!(hook.requests().len(), 10, "a program gets each alert");
    Ok(())
}

#[tokio::test]
async fn a_page_of_several_incidents_ends_with_the_last_of_them() -> Result<()> {
    let pagerduty = accepting().await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &pagerduty).await?;
    let app = desk.app().await?;
    for (event, metric) in [
        ("opened", "api_calls"),
        ("opened", "bandwidth"),
        ("resolved", "api_calls"),
        ("resolved", "bandwidth"),
    ] {
        let id = format!("1.{metric}.spike.c");
        let fields = json!({
            "alert_id": format!("{id}.{event}"), "incident_id": id, "event": event, "metric": metric });
        assert_eq!(run(&app, &event_with(&fields)?).await?, sent(1), "{event} {metric}");
    }
    let seen: Vec<_> = pagerduty
        .requests()
        .iter()
        .map(|seen| (seen.json()["event_action"].to_string(), seen.json()["dedup_key"].to_string()))
        .collect();
    let key = "\"1.api_calls.spike.c\"".to_owned();
    let expected =
        ["\"trigger\"", "\"trigger\"", "\"resolve\""].map(|action| (action.to_owned(), key.clone()));
    assert_eq!(seen, expected);
    Ok(())
}

#[tokio::test]
async fn one_wrong_channel_stops_no_other() -> Result<()> {
    let (good, wrong) = (accepting().await?, accepting().await?);
    let mut desk = Desk::new().await?;
    desk.pagerduty("good", &good).await?;
    desk.webhook("wrong", &wrong.url).await?;
    desk.set("wrong", "url", "ftp://example.com/planted-path");
    let app = desk.app().await?;
    let event = sample("notifier-opened")?;
    assert_eq!(run(&app, &event).await?, Summary { sent: 1, queued: 1, ..Summary::default() });
    let failure = desk.failures("wrong").await?.remove(0);
    assert!(failure.error.contains("channels.wrong is refused: url: only https://"), "{}", failure.error);
    assert!(!failure.error.contains("planted"), "{}", failure.error);
    desk.set("wrong", "url", wrong.url.clone());
    assert_eq!(run(&desk.app().await?, &redrive("wrong", &failure.message)).await?, sent(1));
    Ok(())
}

#[tokio::test]
async fn without_the_table_nothing_is_sent() -> Result<()> {
    let receiver = accepting().await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let app = desk.app_on("no-such-table").await?;
    let error = run(&app, &sample("notifier-opened")?).await.expect_err("no table").to_string();
    assert!(error.contains("cannot accept the delivery") && error.contains("ResourceNotFound"), "{error}");
    assert_eq!(receiver.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_message_that_cannot_be_read_keeps_no_other() -> Result<()> {
    let receiver = accepting().await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let mut event = sample("notifier-opened")?;
    let records = event["Records"].as_array_mut().context("records")?;
    records.insert(0, json!({ "Sns": { "Message": "hello" } }));
    let error = run(&desk.app().await?, &event).await.expect_err("unreadable").to_string();
    assert!(error.contains("the alert is not JSON"), "{error}");
    assert_eq!(receiver.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_throttle_delays_and_drops_nothing() -> Result<()> {
    let receiver = Receiver::taking("ok").await?;
    let mut desk = Desk::new().await?;
    desk.slack("slack", &receiver).await?;
    desk.set("slack", "throttle_seconds", 300);
    let mut app = desk.app().await?;
    let page = |id: usize, fields: Value| -> Result<Value> {
        let mut all = json!({ "alert_id": id.to_string(), "incident_id": format!("i{id}"), "customer_id": format!("c{id}") });
        all.as_object_mut().context("an object")?.extend(fields.as_object().context("fields")?.clone());
        event_with(&all)
    };
    assert_eq!(run(&app, &page(0, json!({}))?).await?, sent(1));
    for id in 1..12 {
        assert_eq!(run(&app, &page(id, json!({}))?).await?, waiting(1));
        assert_eq!(run(&app, &page(id, json!({}))?).await?, waiting(1), "a copy adds nothing");
    }
    // An end waits behind its page. Nothing else does.
    let end = json!({ "alert_id": "end", "incident_id": "i3", "customer_id": "c3", "event": "resolved" });
    assert_eq!(run(&app, &event_with(&end)?).await?, waiting(1));
    for (id, fields) in [
        (20, json!({ "severity": "warning" })),
        (21, json!({ "metric": "api_calls" })),
        (22, json!({ "event": "resolved" })),
        (23, json!({ "event": "digest", "metric": null })),
    ] {
        assert_eq!(run(&app, &page(id, fields.clone())?).await?, sent(1), "{fields}");
    }
    app.sender.clock = an_hour_later;
    assert_eq!(run(&app, &schedule()?).await?, sent(12));
    let last = receiver.requests().pop().context("a message")?;
    assert_eq!(last.json()["text"], "Critical: 11 incidents opened, 1 resolved");
    let body = &last.body;
    assert!((1..12).all(|id| body.contains(&format!("c{id}: Critical: bandwidth spike"))), "{body}");
    assert!(body.contains("c3: Resolved: bandwidth spike"), "{body}");
    assert_eq!(desk.states().await?, ["sent"; 17]);
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_disabled() -> Result<()> {
    let gone = Receiver::start(|seen| match seen.earlier {
        0 => Reply::with(410, ""),
        _ => Reply::with(204, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.webhook("billing", &format!("{}/a", gone.url)).await?;
    let app = desk.app().await?;
    let event = |id: &str| event_with(&json!({ "alert_id": id }));
    assert_eq!(run(&app, &event("1")?).await?, queued(1));
    assert_eq!(run(&app, &event("2")?).await?, queued(1));
    assert_eq!(gone.requests().len(), 1, "nothing more is sent there");
    let errors: Vec<_> = desk.failures("billing").await?.into_iter().map(|failure| failure.error).collect();
    assert!(errors.iter().any(|error| error == "HTTP 410"), "{errors:?}");
    assert!(errors.iter().any(|error| error.contains("answered 410 Gone")), "{errors:?}");
    // Another address enables the channel, as long as it stays the address.
    desk.set("billing", "url", format!("{}/b", gone.url));
    assert_eq!(run(&desk.app().await?, &event("3")?).await?, sent(1));
    assert_eq!(run(&app, &event("4")?).await?, queued(1));
    // An operator enables it as well.
    assert_eq!(run(&app, &redrive("billing", &message_with(&json!({ "alert_id": "1" }))?)).await?, sent(1));
    assert_eq!(run(&app, &event("5")?).await?, sent(1));
    let paths: Vec<_> = gone.requests().iter().map(|seen| seen.path.clone()).collect();
    assert_eq!(paths, ["/a", "/b", "/a", "/a"]);
    Ok(())
}

#[tokio::test]
async fn the_messages_of_an_incident_are_one_thread() -> Result<()> {
    let receiver = Receiver::start(|seen| {
        Reply::ok(json!({ "ok": true, "ts": format!("170000000{}.000100", seen.earlier) }).to_string())
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.slack_bot("slack", &receiver).await?;
    let app = desk.app().await?;
    let long = "x".repeat(2_700);
    for (id, event, incident) in [
        ("1", "opened", "a"),
        ("2", "escalated", "a"),
        ("3", "opened", &long),
        ("4", "resolved", "a"),
        ("5", "resolved", &long),
    ] {
        let event = event_with(&json!({ "alert_id": id, "event": event, "incident_id": incident }))?;
        assert_eq!(run(&app, &event).await?, sent(1));
    }
    desk.set("slack", "conversation", "C9999");
    let moved = event_with(&json!({ "alert_id": "6", "event": "reminder", "incident_id": "a" }))?;
    assert_eq!(run(&desk.app().await?, &moved).await?, sent(1));
    let threads: Vec<_> = receiver.requests().iter().map(|seen| seen.json()["thread_ts"].clone()).collect();
    let (first, third) = (json!("1700000000.000100"), json!("1700000002.000100"));
    assert_eq!(threads, [Value::Null, first.clone(), Value::Null, first, third, Value::Null]);
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
async fn the_daily_digest_is_sent_once_and_also_when_there_is_nothing() -> Result<()> {
    let desk = Desk::new().await?;
    let app = desk.app().await?;
    let event = sample("notifier-daily-digest")?;
    assert_eq!(run(&app, &event).await?, sent(1));
    assert_eq!(run(&app, &event).await?, already(1));
    let mails = desk.world.messages().await?;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["Subject"], "[MeterFlow] Daily digest: nothing to report");
    assert_eq!(
        mails[0]["Message"],
        "No usage anomalies in the 24 hours to 2026-11-22T08:00:00Z: nothing to report.\n"
    );
    let next = json!({ "detail-type": "Scheduled Event", "time": "2026-11-23T08:00:00Z" });
    assert_eq!(run(&app, &next).await?, sent(1), "the next day has its own");
    Ok(())
}

/// Stores the incident that an anomaly of this peak in the window to `end` opens.
async fn open_incident(
    app: &App,
    customer: &str,
    severity: Severity,
    z_score: f64,
    end: Timestamp,
) -> Result<()> {
    let subject = Subject {
        customer_id: CustomerId::new(customer)?,
        metric: MetricName::new("bandwidth")?,
        direction: Direction::Spike,
    };
    let figures = Figures { current_value: 9e9, baseline_mean: 2e9, baseline_stddev: 2e8, z_score };
    let observation =
        Observation { window_end: end, seen: Seen::Anomalous(severity), figures, seen_by: 24, change: None };
    let rules = Rules {
        resolve_after: 2,
        reopen_within: SignedDuration::from_hours(6),
        accept_after: SignedDuration::ZERO,
        repeat_interval: SignedDuration::ZERO,
        min_severity: Severity::Critical,
    };
    let Step::Become { incident, .. } = advance(None, &subject, &observation, &Around::default(), &rules)
    else {
        anyhow::bail!("an anomaly opens an incident");
    };
    let description = Some(format!("bandwidth of {customer} was 9 GB"));
    let retention = Duration::from_secs(90 * 86_400);
    let item = IncidentItem::after(None, *incident, "bytes", description, retention);
    let writer = Writer { run_id: customer, now: Timestamp::try_from(now())? };
    app.store.change(Change { from: None, to: &item, alert: None, told_by: None }, writer).await?;
    Ok(())
}

#[tokio::test]
async fn the_daily_digest_tells_of_the_days_incidents_and_of_alerts_that_did_not_arrive() -> Result<()> {
    let receiver = Receiver::start(|_| Reply::with(503, "busy")).await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let app = desk.app().await?;
    for id in ["1", "2"] {
        run(&app, &event_with(&json!({ "alert_id": id }))?).await?;
    }
    let to = Timestamp::try_from(now())?.checked_add(SignedDuration::from_hours(1))?;
    let ago = |hours| to.checked_sub(SignedDuration::from_hours(hours));
    open_incident(&app, "cust_1", Severity::Critical, 12.0, ago(2)?).await?;
    open_incident(&app, "cust_2", Severity::Critical, 40.0, ago(23)?).await?;
    open_incident(&app, "cust_3", Severity::Warning, 4.0, ago(3)?).await?;
    // It has been active since before the day, and has not changed.
    open_incident(&app, "cust_4", Severity::Critical, 90.0, ago(30)?).await?;
    let event = json!({ "detail-type": "Scheduled Event", "time": to.to_string() });
    assert_eq!(run(&app, &event).await?, sent(1));
    let mail = desk.world.messages().await?.remove(0);
    let text = mail["Message"].as_str().context("a text")?;
    assert_eq!(mail["Subject"], "[MeterFlow] Daily digest: 3 opened, 4 still open", "{text}");
    assert!(text.contains("Opened      3 (2 critical, 1 warning)\n"), "{text}");
    assert!(text.contains("Undelivered 2 alerts to pagerduty\n"), "{text}");
    let of = |customer: &str| text.find(&format!("bandwidth of {customer} was 9 GB"));
    assert!(of("cust_2") < of("cust_1") && of("cust_1") < of("cust_3"), "{text}");
    assert!(of("cust_4").is_some() && of("cust_4") < of("cust_2"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_digest_that_cannot_be_published_comes_again() -> Result<()> {
    let mut desk = Desk::new().await?;
    let topic =
        std::mem::replace(&mut desk.world.topic_arn, "arn:aws:sns:us-east-1:000000000000:none".to_owned());
    let event = sample("notifier-daily-digest")?;
    let error = run(&desk.app().await?, &event).await.expect_err("no topic").to_string();
    assert!(error.contains("cannot publish to"), "{error}");
    desk.world.topic_arn = topic;
    assert_eq!(run(&desk.app().await?, &event).await?, sent(1));
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
