//! A confirmation: from feedback by the API to the event on a bus that `examples/suspend_key` acts on.

use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::QueueAttributeName;
use e2e::world::{END, Event, at, hourly};

use super::*;

/// The event that the tests of the example use.
const EXAMPLE: &str = include_str!("../../../examples/suspend_key/confirmed.json");

/// A channel of a bus, with the rule of the example on the bus. Returns the queue that the rule leads to.
async fn with_bus(desk: &mut Desk) -> Result<String> {
    let client = aws_sdk_eventbridge::Client::new(&desk.world.aws);
    let name = format!("{}-alerts", desk.world.table);
    let made = client.create_event_bus().name(&name).send().await?;
    let queue_url = desk.queue("leaks").await?;
    let queue = aws_sdk_sqs::Client::new(&desk.world.aws);
    let asked = queue.get_queue_attributes().queue_url(&queue_url);
    let found = asked.attribute_names(QueueAttributeName::QueueArn).send().await?.attributes;
    let arn = found.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn)).context("an ARN")?;
    let pattern = json!({
        "source": ["meterflow"], "detail-type": ["Anomaly Confirmed"],
        "detail": { "severity": ["critical"], "direction": ["spike"], "metric": ["api_calls", "bandwidth"] },
    });
    let rule = client.put_rule().name("leaks").event_bus_name(&name).event_pattern(pattern.to_string());
    rule.send().await?;
    let target = Target::builder().id("queue").arn(arn).build()?;
    client.put_targets().rule("leaks").event_bus_name(&name).targets(target).send().await?;
    let channel = json!({
        "type": "event_bus", "bus_arn": made.event_bus_arn.context("an ARN")?, "queue_url": desk.queue("bus").await?,
    });
    desk.channels.insert("bus".to_owned(), channel);
    Ok(queue_url)
}

/// The events that the rule led to the queue.
async fn events_in(desk: &Desk, queue_url: &str) -> Result<Vec<Value>> {
    let client = aws_sdk_sqs::Client::new(&desk.world.aws);
    let asked = client.receive_message().queue_url(queue_url).max_number_of_messages(10);
    let messages = asked.wait_time_seconds(2).visibility_timeout(0).send().await?.messages;
    let messages = messages.unwrap_or_default();
    messages.iter().map(|m| Ok(serde_json::from_str(m.body().unwrap_or_default())?)).collect()
}

/// What the topic published since the last time, as events of the notifier.
async fn published(desk: &Desk) -> Result<Vec<Value>> {
    let of = |message: Value| json!({ "Records": [{ "Sns": { "Message": message["Message"] } }] });
    Ok(desk.world.messages().await?.into_iter().map(of).collect())
}

#[tokio::test]
async fn feedback_reaches_the_bus_as_the_event_of_the_example() -> Result<()> {
    let (world, routes) = (World::new().await?, json!([]));
    let mut desk = Desk { world, channels: serde_json::Map::new(), routes };
    let (pager, chat) = (accepting().await?, Receiver::taking(r#"{"ok": true, "ts": "1.0"}"#).await?);
    let hook = Receiver::taking("").await?;
    let queue = with_bus(&mut desk).await?;
    desk.pagerduty("pager", &pager).await?;
    desk.slack_bot("slack", &chat).await?;
    desk.webhook("hook", &hook.url).await?;
    let usage = (0..33_i32).map(|age| {
        let bytes = if age == 0 { 9.14e9 } else { 2.2e9 + 1e7 * f64::from(age % 5) };
        Event::call("cust_0042", at(END) - SignedDuration::from_hours(24 * i64::from(age) + 12), bytes)
    });
    desk.world.insert(&usage.collect::<Vec<_>>()).await?;
    e2e::world::run(&desk.world.app().await?, &hourly(END)).await?;
    let (app, api) = (desk.app().await?, desk.world.api().await?);
    let [opened] = &published(&desk).await?[..] else { panic!("one page") };
    assert_eq!(run(&app, opened).await?, sent(4));

    let path = format!("/v1/incidents/{}.bandwidth.spike.Y3VzdF8wMDQy/feedback", at(END).as_millisecond());
    let body = json!({ "kind": "confirmed", "note": "a stolen key" });
    let answer = api.post(&path, &body).await?;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let [confirmed] = &published(&desk).await?[..] else { panic!("one confirmation") };
    assert_eq!(run(&app, confirmed).await?, sent(3), "to all but the pager");
    assert_eq!(pager.requests().len(), 1);
    let in_thread = chat.requests().last().context("a message")?.json();
    assert_eq!(
        (&in_thread["thread_ts"], &in_thread["text"]),
        (&json!("1.0"), &json!("Confirmed: bandwidth spike · cust_0042"))
    );
    assert_eq!(hook.requests().last().context("a request")?.json()["type"], "anomaly.confirmed");

    let mut events = events_in(&desk, &queue).await?;
    assert_eq!(events.len(), 1, "the page is not for the rule: {events:?}");
    let example: Value = serde_json::from_str(EXAMPLE)?;
    // The emulator has an account, a region and a clock of its own.
    for name in ["id", "account", "region", "time"] {
        events[0][name] = example[name].clone();
    }
    assert_eq!(events[0], example, "{:#}", events[0]);

    // Again, and with another note: kept, and no news.
    for note in ["a stolen key", "the key of their build server"] {
        let answer = api.post(&path, &json!({ "kind": "confirmed", "note": note })).await?;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(published(&desk).await?, Vec::<Value>::new());
    let shown = api.read(path.trim_end_matches("/feedback")).await?["incident"].take();
    assert_eq!((&shown["state"], shown["history"].as_array().map(Vec::len)), (&json!("open"), Some(2)));
    Ok(())
}
