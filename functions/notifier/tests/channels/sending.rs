//! Sending of messages to real receivers on this machine, with secrets from a stand-in for Secrets Manager.

mod chats_and_buses;
mod secrets;
mod slack_pictures;
mod tries;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use aws_sdk_sns::config::{Credentials, Region};
use messaging::buses::Buses;
use messaging::channels::{Channel, ChannelsConfig};
use messaging::outbound::Outbound;
use messaging::topics::Topics;
use notifier::alert::Alert;
use notifier::message::Message;
use notifier::send::{Sender, Sent, Unsent};
use platform::secrets::Secrets;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::receiver::{Received, Receiver, Reply};
use crate::support::{LINK, opened_with, sample};

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x";
const SIGNING: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A sender whose AWS is this receiver.
async fn sender(aws: &Receiver, allow_loopback: bool) -> Result<Sender> {
    let config = platform::aws::loader()
        .endpoint_url(&aws.url)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .load()
        .await;
    Ok(Sender {
        outbound: Outbound::new(allow_loopback)?,
        secrets: Secrets::new(&config),
        topics: Topics::new(&config),
        buses: Buses::new(&config),
        clock: now,
        first_pause: Duration::from_millis(5),
    })
}

#[allow(clippy::disallowed_methods)] // The tests take the place of `main`, which hands the clock in.
fn now() -> SystemTime {
    SystemTime::now()
}

/// A Secrets Manager that answers every request with this text.
async fn secrets(text: &str) -> Result<Receiver> {
    let body = json!({ "ARN": SECRET, "Name": "x", "SecretString": text }).to_string();
    Ok(Receiver::start(move |_| Reply::ok(body.clone())).await?)
}

fn channel(entry: &Value) -> Channel {
    let config = json!({ "channels": { "c": entry } }).to_string();
    ChannelsConfig::parse(&config, "test", true).expect("a valid channel").channels.remove(0)
}

fn pagerduty(receiver: &Receiver) -> Channel {
    channel(&json!({ "type": "pagerduty", "routing_key_secret_arn": SECRET, "api_url": receiver.url }))
}

fn bot(receiver: &Receiver) -> Channel {
    channel(
        &json!({ "type": "slack", "bot_token_secret_arn": SECRET, "conversation": "C0123", "api_url": receiver.url }),
    )
}

fn telegram(receiver: &Receiver) -> Channel {
    channel(
        &json!({ "type": "telegram", "bot_token_secret_arn": SECRET, "chat_id": "-100", "api_url": receiver.url }),
    )
}

fn webhook(url: &str) -> Channel {
    channel(&json!({ "type": "webhook", "url": url, "signing_secret_arn": SECRET }))
}

fn slack() -> Channel {
    channel(&json!({ "type": "slack", "webhook_url_secret_arn": SECRET }))
}

/// Sends the sample alert with ten seconds' time.
async fn send(sender: &Sender, channel: &Channel) -> Result<Sent, Unsent> {
    send_alert(sender, channel, &sample("notifier-opened"), None).await
}

async fn send_alert(
    sender: &Sender,
    channel: &Channel,
    alert: &Alert,
    thread: Option<&str>,
) -> Result<Sent, Unsent> {
    let message = Message::of(alert, Some(LINK));
    sender.send(channel, message, thread, Instant::now() + Duration::from_secs(10)).await
}

/// A message that was tried once and not taken.
fn refused(reason: &str) -> Unsent {
    Unsent { reason: reason.to_owned(), tries: 1, gone: false, passing: false, retry_after: None }
}

/// A receiver that answers the first requests with `first`, and takes all later ones.
async fn busy(first: Vec<Reply>) -> Result<Receiver> {
    let answer = move |received: &Received| match first.get(received.earlier) {
        Some(reply) => reply.clone(),
        None => Reply::with(202, r#"{"status": "success"}"#),
    };
    Ok(Receiver::start(answer).await?)
}

#[tokio::test]
async fn every_channel_reaches_its_receiver() -> Result<()> {
    let slack_receiver = Receiver::taking("ok").await?;
    let aws = secrets(&format!("{}/services/T/B/x", slack_receiver.url)).await?;
    assert_eq!(send(&sender(&aws, true).await?, &slack()).await, Ok(Sent { thread: None, tries: 1 }));
    let seen = &slack_receiver.requests()[0];
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/services/T/B/x"));
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(seen.json()["blocks"][0]["text"]["text"], "Critical: bandwidth spike · cust_0042");

    let receiver = Receiver::taking(r#"{"ok": true, "ts": "1503435956.000247"}"#).await?;
    let aws = secrets("xoxb-1").await?;
    let sent = send(&sender(&aws, true).await?, &bot(&receiver)).await.expect("sent");
    assert_eq!(sent.thread.as_deref(), Some("1503435956.000247"));
    let seen = &receiver.requests()[0];
    assert_eq!(
        (seen.path.as_str(), seen.header("authorization")),
        ("/api/chat.postMessage", "Bearer xoxb-1")
    );
    assert_eq!(seen.json()["channel"], "C0123");

    let receiver = busy(vec![]).await?;
    let aws = secrets(KEY).await?;
    send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect("sent");
    let seen = &receiver.requests()[0];
    assert_eq!((seen.path.as_str(), &seen.json()["routing_key"]), ("/v2/enqueue", &json!(KEY)));

    let receiver = Receiver::taking(r#"{"ok": true, "result": {}}"#).await?;
    let aws = secrets("123:ABC-def_1").await?;
    send(&sender(&aws, true).await?, &telegram(&receiver)).await.expect("sent");
    assert_eq!(receiver.requests()[0].path, "/bot123:ABC-def_1/sendMessage");
    Ok(())
}

#[tokio::test]
async fn amazon_q_is_a_topic() -> Result<()> {
    let answer = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
                  <MessageId>1</MessageId></PublishResult></PublishResponse>";
    let aws = Receiver::taking(answer).await?;
    let topic = channel(&json!({ "type": "amazon_q", "topic_arn": "arn:aws:sns:us-east-1:1:q" }));
    send(&sender(&aws, true).await?, &topic).await.expect("sent");
    let body = aws.requests()[0].body.clone();
    assert!(
        body.contains("Action=Publish") && body.contains("TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A1%3Aq"),
        "{body}"
    );
    assert!(body.contains("client-markdown"), "{body}");
    Ok(())
}

/// HMAC-SHA256 of RFC 2104, written out.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let padded = |byte: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ byte).collect() };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[tokio::test]
async fn a_webhook_is_signed_anew_on_every_try() -> Result<()> {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let receiver = busy(vec![Reply::with(503, "").header("retry-after", "1")]).await?;
    let aws = secrets(SIGNING).await?;
    let sent = send(&sender(&aws, true).await?, &webhook(&format!("{}/hook", receiver.url))).await;
    assert_eq!(sent, Ok(Sent { thread: None, tries: 2 }));
    let requests = receiver.requests();
    let key = base64.decode(&SIGNING["whsec_".len()..])?;
    for request in &requests {
        let (id, time) = (request.header("webhook-id"), request.header("webhook-timestamp"));
        assert_eq!(id, "1795266000000.bandwidth.Y3VzdF8wMDQy");
        let signed = format!("{id}.{time}.{}", request.body);
        let expected = format!("v1,{}", base64.encode(hmac(&key, signed.as_bytes())));
        assert_eq!(request.header("webhook-signature"), expected);
    }
    assert_ne!(requests[0].header("webhook-timestamp"), requests[1].header("webhook-timestamp"));
    let seconds: i64 = requests[1].header("webhook-timestamp").parse()?;
    let now = now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    assert!(i64::try_from(now)? - seconds < 60, "{seconds} is not the time of the try");
    Ok(())
}

#[tokio::test]
async fn ids_of_webhooks_that_no_header_can_hold_are_hashed() -> Result<()> {
    let receiver = busy(vec![]).await?;
    let aws = secrets(SIGNING).await?;
    let sender = sender(&aws, true).await?;
    for id in ["x".repeat(256), "a\r\nb".to_owned(), "客户".to_owned()] {
        let alert = opened_with(&json!({ "alert_id": id }));
        send_alert(&sender, &webhook(&receiver.url), &alert, None).await.expect("sent");
    }
    let ids: Vec<_> = receiver.requests().iter().map(|seen| seen.header("webhook-id").to_owned()).collect();
    assert!(ids.iter().all(|id| id.len() == 64 && id.chars().all(|c| c.is_ascii_hexdigit())), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    Ok(())
}

#[tokio::test]
async fn a_wrong_signing_secret_is_told_and_not_shown() -> Result<()> {
    let receiver = busy(vec![]).await?;
    let aws = secrets("whsec_not/base64!").await?;
    let unsent = send(&sender(&aws, true).await?, &webhook(&receiver.url)).await.expect_err("unsent");
    assert!(
        unsent.reason.contains("not base64") && !unsent.reason.contains("not/base64!"),
        "{}",
        unsent.reason
    );
    assert_eq!(receiver.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_webhook_that_is_gone_says_so() -> Result<()> {
    let receiver = busy(vec![Reply::with(410, "")]).await?;
    let aws = secrets(SIGNING).await?;
    let unsent = send(&sender(&aws, true).await?, &webhook(&receiver.url)).await.expect_err("unsent");
    assert_eq!(unsent, Unsent { gone: true, ..refused("HTTP 410") });
    // Only webhooks give this status a meaning.
    let receiver = busy(vec![Reply::with(410, "channel_is_archived")]).await?;
    let aws = secrets(&receiver.url).await?;
    let unsent = send(&sender(&aws, true).await?, &slack()).await.expect_err("unsent");
    assert!(!unsent.gone);
    Ok(())
}

#[tokio::test]
async fn redirects_are_not_followed() -> Result<()> {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Receiver::taking("ok").await?;
        let receiver = busy(vec![Reply::with(status, "").header("location", elsewhere.url.clone())]).await?;
        let aws = secrets(SIGNING).await?;
        let unsent = send(&sender(&aws, true).await?, &webhook(&receiver.url)).await.expect_err("unsent");
        assert!(unsent.reason.contains("redirects are not followed"), "{}", unsent.reason);
        assert_eq!((receiver.requests().len(), elsewhere.requests().len()), (1, 0), "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn private_addresses_are_refused() -> Result<()> {
    let receiver = Receiver::taking("ok").await?;
    let port = receiver.url.rsplit(':').next().unwrap_or_default().to_owned();
    for (url, expected) in [
        (format!("http://127.0.0.1:{port}/"), "not a public address"),
        (format!("https://127.0.0.1:{port}/"), "not a public address"),
        (format!("https://localhost:{port}/"), "the name localhost leads to no public address"),
        ("https://169.254.169.254/latest/meta-data/".to_owned(), "not a public address"),
        ("https://[::ffff:10.0.0.1]/".to_owned(), "not a public address"),
        ("ftp://example.com/".to_owned(), "only https://"),
    ] {
        // The address of an incoming webhook is a secret. A fault in it shows only when the address is called.
        let aws = secrets(&url).await?;
        let unsent = send(&sender(&aws, false).await?, &slack()).await.expect_err("unsent");
        assert!(unsent.reason.contains(expected), "{url}: {}", unsent.reason);
        assert_eq!(unsent.tries, 1, "{url} is not tried again");
    }
    assert_eq!(receiver.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_thread_that_is_gone_is_left_out() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.json()["thread_ts"].as_str() {
        Some(_) => Reply::ok(r#"{"ok": false, "error": "thread_not_found"}"#),
        None => Reply::ok(r#"{"ok": true, "ts": "3.4"}"#),
    })
    .await?;
    let aws = secrets("xoxb-1").await?;
    let alert = sample("notifier-opened");
    let sent =
        send_alert(&sender(&aws, true).await?, &bot(&receiver), &alert, Some("1.2")).await.expect("sent");
    assert_eq!(sent, Sent { thread: Some("3.4".to_owned()), tries: 1 });
    assert_eq!(receiver.requests()[0].json()["thread_ts"], "1.2");
    Ok(())
}

#[tokio::test]
async fn a_long_answer_is_not_read_to_its_end() -> Result<()> {
    let receiver = Receiver::start(|_| Reply::with(400, "x".repeat(50_000_000))).await?;
    let aws = secrets(KEY).await?;
    let unsent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect_err("unsent");
    assert!(unsent.reason.len() < 300 && unsent.reason.ends_with("x…"), "{}", unsent.reason);
    Ok(())
}

#[tokio::test]
async fn the_status_line_decides_where_the_body_never_ends() -> Result<()> {
    for (status, is_sent) in [(200, true), (400, false)] {
        let endless = endless(status).await?;
        for (channel, secret) in [
            (slack(), format!("http://{endless}/services/x")),
            (webhook(&format!("http://{endless}/hook")), SIGNING.to_owned()),
            (
                channel(&json!({ "type": "slack", "bot_token_secret_arn": SECRET, "conversation": "C0123",
                                 "api_url": format!("http://{endless}") })),
                "xoxb-1".to_owned(),
            ),
        ] {
            let (aws, begun) = (secrets(&secret).await?, Instant::now());
            let sent = send(&sender(&aws, true).await?, &channel).await;
            assert_eq!(sent.is_ok(), is_sent, "{status} {channel:?}: {sent:?}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    }
    Ok(())
}

/// The address of a server that answers with this status and an endless body.
async fn endless(status: u16) -> Result<std::net::SocketAddr> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 1000000\r\n\r\n");
                let mut next = head.as_bytes();
                while stream.write_all(next).await.is_ok() {
                    next = b".";
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
    });
    Ok(address)
}
