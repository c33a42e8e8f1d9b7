//! `meterflow failures redrive` and `alerts test`: the program itself, real queues, and a notifier behind a stand-in for Lambda's Invoke.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use detection::incident::{IncidentId, Subject};
use detection::{CustomerId, Direction, MetricName};
use e2e::programs::program;
use e2e::receiver::{Received, Receiver, Reply};
use e2e::world::{END, at, variable};
use serde_json::{Value, json};

use crate::notifier::{Desk, message_with};

/// A notifier that delivers the messages that `takes` accepts, as Lambda answers for it.
async fn lambda(takes: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Result<Receiver> {
    let takes = Arc::new(takes);
    let answer = move |seen: &Received| {
        if takes(&seen.json()) {
            return Reply::ok(r#"{"sent": 1, "waiting": 0, "queued": 0, "already": 0}"#);
        }
        let error =
            json!({ "errorType": "NotFullyDelivered", "errorMessage": "slack did not take the alert" });
        Reply::ok(error.to_string()).header("x-amz-function-error", "Unhandled")
    };
    Ok(Receiver::start(answer).await?)
}

/// Runs `meterflow failures redrive` on a desk's queues, without any ClickHouse.
async fn redrive(desk: &Desk, lambda: &Receiver, arguments: &[&str]) -> Result<(Output, String, String)> {
    let mut command = redrive_command(&program("meterflow")?, &desk.world.table, &lambda.url)?;
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    Ok((output, stdout, stderr))
}

/// The program on a stack whose table and names begin with `prefix`.
pub(crate) fn redrive_command(program: &PathBuf, prefix: &str, lambda: &str) -> Result<Command> {
    let mut command = Command::new(program);
    command
        .args(["failures", "redrive", "--name-prefix", prefix])
        .env("AWS_ENDPOINT_URL", variable("AWS_ENDPOINT_URL")?)
        .env("AWS_ENDPOINT_URL_LAMBDA", lambda)
        .env("ANOMALIES_TABLE", prefix)
        .env("CLICKHOUSE_URL", "http://127.0.0.1:1");
    Ok(command)
}

async fn put(desk: &Desk, channel: &str, customer: &str) -> Result<()> {
    let body = json!({
        "channel": channel,
        // Later messages of an incident wait for the earlier ones.
        "message": message_with(&json!({ "customer_id": customer, "incident_id": incident_of(customer)? }))?,
        "error": "HTTP 500",
        "failed_at": "2026-11-21T13:00:00Z",
    });
    put_text(desk, channel, &body.to_string()).await
}

/// The id of an incident of the customer.
fn incident_of(customer: &str) -> Result<String> {
    let subject = Subject {
        customer_id: CustomerId::new(customer)?,
        entity: None,
        metric: MetricName::new("bandwidth")?,
        direction: Direction::Spike,
    };
    Ok(IncidentId::of(at(END), &subject).to_string())
}

async fn put_text(desk: &Desk, channel: &str, body: &str) -> Result<()> {
    let client = aws_sdk_sqs::Client::new(&desk.world.aws);
    client.send_message().queue_url(desk.queue(channel).await?).message_body(body).send().await?;
    Ok(())
}

/// The number of visible messages in a queue.
async fn waiting(desk: &Desk, channel: &str) -> Result<usize> {
    let client = aws_sdk_sqs::Client::new(&desk.world.aws);
    let url = desk.queue(channel).await?;
    let receive = client.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(0);
    Ok(receive.send().await?.messages.unwrap_or_default().len())
}

#[tokio::test]
async fn only_delivered_messages_leave_their_queue() -> Result<()> {
    let desk = Desk::new().await?;
    for customer in ["good-1", "bad-1", "good-2"] {
        put(&desk, "slack", customer).await?;
    }
    put(&desk, "pagerduty", "good-3").await?;
    put_text(&desk, "pagerduty", "no failure").await?;
    // Queues of the notifier's own. Their messages are none of its events.
    put_text(&desk, "dlq", "{}").await?;
    put_text(&desk, "failures", "{}").await?;
    let lambda =
        lambda(|event| !event["redrive"]["message"].as_str().unwrap_or_default().contains("bad-1")).await?;

    let (output, stdout, _) = redrive(&desk, &lambda, &["--dry-run"]).await?;
    assert!(!output.status.success(), "a message that cannot be read is an error also then");
    assert!(
        stdout.contains("opened of bandwidth, good-3, failed at 2026-11-21T13:00:00Z: HTTP 500"),
        "{stdout}"
    );
    assert!(stdout.contains("4 messages would be handed over"), "{stdout}");
    assert_eq!((lambda.requests().len(), waiting(&desk, "slack").await?), (0, 3));

    let (output, stdout, stderr) = redrive(&desk, &lambda, &[]).await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout.contains("3 messages handed over (undelivered-pagerduty 1, undelivered-slack 2)"),
        "{stdout}"
    );
    assert!(stderr.contains("bad-1, failed again: the function"), "{stderr}");
    assert!(stderr.contains("slack did not take the alert"), "{stderr}");
    let left = "4 messages failed again, left in the queue (notifier-dead-letters 1, notifier-failed-events 1, \
                undelivered-pagerduty 1, undelivered-slack 1)";
    assert!(stderr.contains(left), "{stderr}");
    assert_eq!((waiting(&desk, "slack").await?, waiting(&desk, "pagerduty").await?), (1, 1));
    assert_eq!((waiting(&desk, "dlq").await?, waiting(&desk, "failures").await?), (1, 1));

    let requests = lambda.requests();
    assert_eq!(requests.len(), 4);
    let path =
        format!("/2015-03-31/functions/{}-anomaly-notifier/invocations?Qualifier=live", desk.world.table);
    assert!(requests.iter().all(|seen| seen.path == path), "{}", requests[0].path);
    assert!(requests.iter().all(|seen| seen.header("x-amz-invocation-type") == "RequestResponse"));
    assert!(requests.iter().any(|seen| seen.json()["redrive"]["channel"] == "pagerduty"));
    Ok(())
}

#[tokio::test]
async fn one_channel_and_a_limit() -> Result<()> {
    let desk = Desk::new().await?;
    for customer in ["1", "2", "3"] {
        put(&desk, "slack", customer).await?;
        put(&desk, "telegram", customer).await?;
    }
    let lambda = lambda(|_| true).await?;
    let (output, stdout, _) = redrive(&desk, &lambda, &["undelivered-slack", "--limit", "2"]).await?;
    assert!(
        output.status.success() && stdout.contains("2 messages handed over (undelivered-slack 2)"),
        "{stdout}"
    );
    assert_eq!((waiting(&desk, "slack").await?, waiting(&desk, "telegram").await?), (1, 3));
    let (output, stdout, _) = redrive(&desk, &lambda, &["undelivered-slack"]).await?;
    assert!(
        output.status.success() && stdout.contains("1 message handed over (undelivered-slack 1)"),
        "{stdout}"
    );
    let (output, stdout, _) = redrive(&desk, &lambda, &["undelivered-slack"]).await?;
    assert!(output.status.success() && stdout.contains("0 messages handed over"), "{stdout}");
    Ok(())
}

#[tokio::test]
async fn errors_say_what_to_do() -> Result<()> {
    let desk = Desk::new().await?;
    let lambda = lambda(|_| true).await?;
    let (output, _, stderr) = redrive(&desk, &lambda, &["--table", "nothing"]).await?;
    assert!(!output.status.success() && stderr.contains("check --name-prefix and AWS_REGION"), "{stderr}");
    put(&desk, "slack", "1").await?;
    let (output, _, stderr) = redrive(&desk, &lambda, &["undelivered-fax"]).await?;
    assert!(!output.status.success() && stderr.contains("there are: undelivered-slack"), "{stderr}");
    let (output, _, stderr) = redrive(&desk, &lambda, &["--limit", "0"]).await?;
    assert!(output.status.code() == Some(2) && stderr.contains("--limit"), "{stderr}");
    // A function that does not exist.
    let missing = Receiver::start(|_| {
        Reply::with(404, r#"{"Message": "Function not found"}"#)
            .header("x-amzn-errortype", "ResourceNotFoundException")
            .after(Duration::from_millis(1))
    })
    .await?;
    let (output, _, stderr) = redrive(&desk, &missing, &[]).await?;
    assert!(!output.status.success() && stderr.contains("cannot call the function"), "{stderr}");
    assert_eq!(waiting(&desk, "slack").await?, 1);
    Ok(())
}

#[tokio::test]
async fn without_credentials_it_says_what_where_and_what_to_do() -> Result<()> {
    for (region, expected) in
        [("eu-central-1", "no AWS credentials were found"), ("", "no AWS region is set")]
    {
        let mut command = redrive_command(&program("meterflow")?, "meterflow", "http://127.0.0.1:1")?;
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_PROFILE",
            "AWS_DEFAULT_REGION",
        ] {
            command.env_remove(name);
        }
        command
            .env("HOME", "/nonexistent")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        match region {
            "" => command.env_remove("AWS_REGION"),
            region => command.env("AWS_REGION", region),
        };
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        for part in ["cannot look for what failed", expected, "AWS_PROFILE", "run the command again"] {
            assert!(stderr.contains(part), "{part} is not in {stderr}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_test_names_the_channels_that_did_not_take_it() -> Result<()> {
    let desk = Desk::new().await?;
    for channel in ["slack", "teams", "dlq", "failures"] {
        desk.queue(channel).await?;
    }
    let lambda = lambda(|event| event["test"]["channel"] != "slack").await?;
    let test = |stack: &str, arguments: &'static [&'static str]| {
        let (prefix, url) = (stack.to_owned(), lambda.url.clone());
        async move {
            let mut command = Command::new(program("meterflow")?);
            command
                .args(["alerts", "test", "--name-prefix", &prefix])
                .args(arguments)
                .env("AWS_ENDPOINT_URL", variable("AWS_ENDPOINT_URL")?)
                .env("AWS_ENDPOINT_URL_LAMBDA", url);
            let output = tokio::task::spawn_blocking(move || command.output()).await??;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            anyhow::Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
        }
    };
    let stack = &desk.world.table;
    let (code, stdout, stderr) = test(stack, &[]).await?;
    assert_eq!(code, Some(1));
    assert!(stdout.contains("teams: took a test page and its end"), "{stdout}");
    assert!(stderr.contains("slack did not take the alert"), "{stderr}");
    assert!(stderr.contains("1 of 2 channels did not take the test"), "{stderr}");
    assert_eq!(lambda.requests().len(), 2, "one call for each channel, none for the notifier's own queues");
    let (code, stdout, _) = test(stack, &["--channel", "teams"]).await?;
    assert!(code == Some(0) && stdout.contains("teams: took"), "{stdout}");
    let (code, _, stderr) = test(stack, &["--channel", "fax"]).await?;
    assert!(code == Some(1) && stderr.contains("there are: slack, teams"), "{stderr}");
    let (code, _, stderr) = test("nobody", &["--channel", "slack"]).await?;
    assert!(code == Some(1) && stderr.contains("the stack has no channel"), "{stderr}");
    Ok(())
}
