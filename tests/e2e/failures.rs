//! `meterflow failures` on real queues and a stand-in for Lambda: what failed is shown, and handed over in the right way and
//! order.

use std::sync::Arc;

use anyhow::{Context, Result};
use aws_sdk_eventbridge::types::{InputTransformer, Target};
use e2e::World;
use e2e::receiver::{Receiver, Reply};
use e2e::world::{END, at, hourly, run, steady_then};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::installation::{Answer, meterflow_with};

/// A world whose queues and functions have names that begin with that of its table.
struct Stack {
    world: World,
    lambda: Receiver,
}

impl Stack {
    /// * `takes`: which events the functions take.
    async fn new(takes: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Result<Self> {
        let takes = Arc::new(takes);
        let lambda = Receiver::start(move |seen| match takes(&seen.json()) {
            true => Reply::ok(r#"{"sent": 1, "already": 0}"#),
            false => Reply::ok(r#"{"errorMessage": "the table is away"}"#)
                .header("x-amz-function-error", "Unhandled"),
        });
        Ok(Self { world: World::new().await?, lambda: lambda.await? })
    }

    fn name(&self, name: &str) -> String {
        format!("{}-anomaly-{name}", self.world.table)
    }

    fn arn(&self, function: &str) -> String {
        format!("arn:aws:lambda:us-east-1:123456789012:function:{}", self.name(function))
    }

    async fn queue(&self, name: &str) -> Result<String> {
        let queue = aws_sdk_sqs::Client::new(&self.world.aws)
            .create_queue()
            .queue_name(self.name(name))
            .send()
            .await?;
        queue.queue_url.context("a queue without a URL")
    }

    async fn put(&self, queue: &str, body: &Value, attributes: &[(&str, &str)]) -> Result<()> {
        let client = aws_sdk_sqs::Client::new(&self.world.aws);
        let mut send =
            client.send_message().queue_url(self.queue(queue).await?).message_body(body.to_string());
        for (name, text) in attributes {
            let value =
                aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String").string_value(*text);
            send = send.message_attributes(*name, value.build()?);
        }
        send.send().await?;
        Ok(())
    }

    /// The visible messages of a queue.
    async fn messages(&self, queue: &str) -> Result<Vec<String>> {
        let client = aws_sdk_sqs::Client::new(&self.world.aws);
        let receive = client.receive_message().queue_url(self.queue(queue).await?).max_number_of_messages(10);
        let received = receive.visibility_timeout(0).send().await?.messages.unwrap_or_default();
        Ok(received.into_iter().filter_map(|message| message.body).collect())
    }

    async fn failures(&self, arguments: &[&str]) -> Result<Answer> {
        let arguments = [&["failures"], arguments, &["--name-prefix", &self.world.table]].concat();
        let variables =
            [("AWS_ENDPOINT_URL_LAMBDA", self.lambda.url.as_str()), ("ANOMALIES_TABLE", &self.world.table)];
        meterflow_with(None, &arguments, &variables).await
    }

    /// The function and the event of each call.
    fn calls(&self) -> Vec<(String, Value)> {
        let of = |path: &str| path.split('/').nth(3).unwrap_or_default().to_owned();
        self.lambda.requests().iter().map(|seen| (of(&seen.path), seen.json())).collect()
    }
}

/// A failed event as Lambda keeps it.
fn failed(function: &str, payload: &Value) -> Value {
    json!({
        "timestamp": "2026-11-21T13:08:03.412Z",
        "requestContext": {
            "functionArn": format!("{function}:$LATEST"), "condition": "RetriesExhausted", "approximateInvokeCount": 3
        },
        "requestPayload": payload,
        "responsePayload": { "errorMessage": "ClickHouse is away" }
    })
}

fn of_sns(alert: &Value) -> Value {
    json!({ "Records": [{ "Sns": { "Message": alert.to_string() } }] })
}

/// The alerts in the calls of the notifier.
fn alerts_in(calls: &[(String, Value)]) -> Vec<Value> {
    let of =
        |event: &Value| event["Records"][0]["Sns"]["Message"].as_str().map(serde_json::from_str::<Value>);
    calls.iter().filter_map(|(_, event)| of(event)?.ok()).map(|mut alert| alert["event"].take()).collect()
}

#[tokio::test]
async fn runs_and_events_go_back_with_their_own_time() -> Result<()> {
    let stack = Stack::new(|_| true).await?;
    let (run, jobs) =
        (json!({ "time": END, "detail": {} }), json!({ "time": END, "detail": { "source": "jobs" } }));
    stack.put("detection-failures", &failed(&stack.arn("detection"), &run), &[]).await?;
    stack.put("detection-failures", &failed("arn:aws:lambda:a:1:function:other", &run), &[]).await?;
    let event =
        json!({ "detail-type": "Execution Completed", "detail": { "source": "jobs", "id": "job_1" } });
    stack.queue("finished").await?;
    stack.put("finished-dlq", &event, &[]).await?;
    let (rules, rule) = (aws_sdk_eventbridge::Client::new(&stack.world.aws), stack.name("detection-jobs"));
    rules.put_rule().name(&rule).schedule_expression("rate(1 hour)").send().await?;
    let template = r#"{"time": <time>, "detail": {"source": "jobs"}}"#;
    let made =
        InputTransformer::builder().input_paths_map("time", "$.time").input_template(template).build()?;
    let target = Target::builder().id("source").arn(stack.arn("sources")).input_transformer(made).build()?;
    rules.put_targets().rule(&rule).targets(target).send().await?;
    let attributes =
        [("RULE_ARN", format!("arn:aws:events:a:1:rule/{rule}")), ("TARGET_ARN", stack.arn("sources"))];
    let attributes = attributes.each_ref().map(|(name, text)| (*name, text.as_str()));
    stack.put("detection-schedule-dlq", &json!({ "time": END, "detail": {} }), &attributes).await?;

    let listed = stack.failures(&["list"]).await?;
    listed.assert(
        0,
        &[
            "schedule-dead-letters",
            "detector-dead-letters",
            "finished-dead-letters",
            "parked-alerts",
            "0 min",
        ],
    );
    let shown = stack.failures(&["show", "detector-dead-letters"]).await?;
    shown
        .assert(0, &["run for 2026-11-21T13:00:00Z", "after 3 tries: ClickHouse is away", "2 messages of 2"]);
    stack.failures(&["redrive", "--dry-run"]).await?.assert(0, &["would be handed over", "4 messages"]);
    assert_eq!((stack.calls().len(), stack.messages("detection-failures").await?.len()), (0, 2));

    let redriven = stack.failures(&["redrive"]).await?;
    redriven.assert(
        1,
        &["is no function of this stack", "1 message failed again", "finished event job_1 of jobs"],
    );
    let calls = stack.calls();
    assert_eq!(calls, [(stack.name("sources"), jobs), (stack.name("detection"), run)]);
    assert!(stack.lambda.requests().iter().all(|seen| seen.header("x-amz-invocation-type") == "Event"));
    assert_eq!(stack.messages("finished").await?, [event.to_string()]);
    for (queue, left) in [("detection-schedule-dlq", 0), ("detection-failures", 1), ("finished-dlq", 0)] {
        assert_eq!(stack.messages(queue).await?.len(), left, "{queue}");
    }
    Ok(())
}

#[tokio::test]
async fn a_page_of_an_ended_incident_calls_nobody() -> Result<()> {
    let stack = Stack::new(|_| true).await?;
    let world = &stack.world;
    world.insert(&steady_then("c", at(END), 5e7)).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let opened = world.alerts().await?.pop().context("a page")?;
    let id = opened["incident_id"].as_str().context("an incident")?;
    let resolve = format!("/v1/incidents/{id}/resolve");
    assert_eq!(world.api().await?.post(&resolve, &json!({})).await?.status, 200);
    let resolved = world.alerts().await?.pop().context("an end")?;
    for alert in [&resolved, &opened] {
        stack.put("notifier-failures", &failed(&stack.arn("notifier"), &of_sns(alert)), &[]).await?;
    }
    stack.put("notifier-dlq", &json!({ "Type": "Notification", "Message": opened.to_string() }), &[]).await?;
    let failure = json!({ "channel": "pagerduty", "message": opened.to_string(), "error": "HTTP 500", "failed_at": END });
    stack.put("notifier-pagerduty", &failure, &[]).await?;

    stack
        .failures(&["redrive", "--dry-run"])
        .await?
        .assert(0, &["would be given up: its incident has ended"]);
    let redriven = stack.failures(&["redrive"]).await?;
    redriven.assert(0, &["given up: its incident has ended", "4 messages handed over"]);
    assert_eq!(alerts_in(&stack.calls()), ["resolved"], "{}", redriven.text);
    assert_eq!(stack.calls().len(), 1);
    for queue in ["notifier-failures", "notifier-dlq", "notifier-pagerduty"] {
        assert_eq!(stack.messages(queue).await?, [""; 0], "{queue}");
    }
    Ok(())
}

#[tokio::test]
async fn an_incident_keeps_its_order_and_waits_for_what_failed() -> Result<()> {
    for is_taken in [true, false] {
        let takes = move |event: &Value| is_taken || !event.to_string().contains("escalated");
        let stack = Stack::new(takes).await?;
        let alert = |event: &str, hours: i64| {
            let time = (at(END) + SignedDuration::from_hours(hours)).to_string();
            json!({
                "alert_id": format!("{event}-{hours}"), "event": event, "detected_at": time,
                "incident_id": "1795266000000.bandwidth.spike.YQ", "incident": { "last_window": time, "anomalies": 1 }
            })
        };
        for (event, hours) in [("resolved", 2), ("escalated", 1), ("opened", 0)] {
            let of_notifier = failed(&stack.arn("notifier"), &of_sns(&alert(event, hours)));
            stack.put("notifier-failures", &of_notifier, &[]).await?;
        }
        let redriven = stack.failures(&["redrive", "notifier-failed-events"]).await?;
        let (code, tried, left): (_, &[&str], _) = match is_taken {
            true => (0, &["opened", "escalated", "resolved"], 0),
            false => (1, &["opened", "escalated"], 2),
        };
        redriven.assert(code, &["handed over"]);
        assert_eq!(alerts_in(&stack.calls()), *tried, "{}", redriven.text);
        assert_eq!(stack.messages("notifier-failures").await?.len(), left);
    }
    Ok(())
}
