//! Teams, Discord, Google Chat, Opsgenie, templates and buses with real receivers.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

fn with_address(kind: &str) -> Channel {
    channel(&json!({ "type": kind, "webhook_url_secret_arn": SECRET }))
}

#[tokio::test]
async fn each_reaches_its_receiver() -> Result<()> {
    for (kind, query) in [
        ("teams", ""),
        ("discord", "?wait=true"),
        ("google_chat", "?messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"),
    ] {
        let receiver = Receiver::start(|_| Reply::with(202, "")).await?;
        let aws = secrets(&format!("{}/hook", receiver.url)).await?;
        let sent = send(&sender(&aws, true).await?, &with_address(kind)).await;
        assert_eq!(sent, Ok(Sent { thread: None, tries: 1 }), "{kind}");
        let seen = &receiver.requests()[0];
        assert_eq!(seen.path, format!("/hook{query}"), "{kind}");
        assert_eq!(seen.header("content-type"), "application/json");
    }
    let receiver =
        Receiver::start(|_| Reply::with(202, r#"{"result": "Request will be processed"}"#)).await?;
    let aws = secrets("eb243592-faa2-4ba2-a551q-1afdf565c889").await?;
    let opsgenie =
        channel(&json!({ "type": "opsgenie", "api_key_secret_arn": SECRET, "api_url": receiver.url }));
    send(&sender(&aws, true).await?, &opsgenie).await.expect("sent");
    let seen = &receiver.requests()[0];
    assert_eq!(
        (seen.path.as_str(), seen.header("authorization")),
        ("/v2/alerts", "GenieKey eb243592-faa2-4ba2-a551q-1afdf565c889")
    );
    Ok(())
}

#[tokio::test]
async fn a_busy_receiver_is_asked_again_and_a_refusal_is_final() -> Result<()> {
    for kind in ["teams", "discord", "google_chat"] {
        for (status, tries) in [(429, 2), (500, 2), (503, 2), (400, 1), (413, 1)] {
            let receiver = busy(vec![Reply::with(status, "no")]).await?;
            let aws = secrets(&format!("{}/hook", receiver.url)).await?;
            let sent = send(&sender(&aws, true).await?, &with_address(kind)).await;
            match tries {
                1 => assert_eq!(sent, Err(refused(&format!("HTTP {status}: no"))), "{kind}"),
                _ => assert_eq!(sent, Ok(Sent { thread: None, tries }), "{kind} {status}"),
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_read_again_once() -> Result<()> {
    for kind in ["teams", "discord", "google_chat"] {
        let receiver = Receiver::start(|seen| match seen.path.starts_with("/new") {
            true => Reply::ok("{}"),
            false => Reply::with(404, "gone"),
        })
        .await?;
        let (url, fetched) = (receiver.url.clone(), Arc::new(AtomicUsize::new(0)));
        let aws = Receiver::start(move |_| {
            let path = if fetched.fetch_add(1, Ordering::Relaxed) == 0 { "old" } else { "new" };
            Reply::ok(
                json!({ "ARN": SECRET, "Name": "x", "SecretString": format!("{url}/{path}") }).to_string(),
            )
        })
        .await?;
        assert_eq!(
            send(&sender(&aws, true).await?, &with_address(kind)).await.expect("sent").tries,
            1,
            "{kind}"
        );
        // An address that is not replaced is refused, and the reason holds nothing of it.
        let aws = secrets(&format!("{}/services/pLantedSecret", receiver.url)).await?;
        let unsent = send(&sender(&aws, true).await?, &with_address(kind)).await.expect_err("unsent");
        assert!(!unsent.passing && !unsent.reason.contains("pLanted"), "{}", unsent.reason);
    }
    Ok(())
}

#[tokio::test]
async fn a_templates_body_is_signed() -> Result<()> {
    let receiver = busy(vec![]).await?;
    let aws = secrets(SIGNING).await?;
    let entry = |template: &str| {
        channel(
            &json!({ "type": "webhook", "url": receiver.url, "signing_secret_arn": SECRET, "template": template }),
        )
    };
    let template = r#"{"what": {{ title }}, "who": {{ alert.customer_id }}}"#;
    send(&sender(&aws, true).await?, &entry(template)).await.expect("sent");
    let seen = &receiver.requests()[0];
    assert_eq!(seen.json(), json!({ "what": "Critical: bandwidth spike · cust_0042", "who": "cust_0042" }));
    let mut headers = std::collections::HashMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, seen.header(name).to_owned());
    }
    let signed = standardwebhooks::Webhook::new(SIGNING)?.sign(
        &headers["webhook-id"],
        headers["webhook-timestamp"].parse()?,
        seen.body.as_bytes(),
    )?;
    assert_eq!(signed, headers["webhook-signature"]);
    // A template that fails for this alert sends nothing, and nothing is tried again.
    let unsent =
        send(&sender(&aws, true).await?, &entry("{{ alert.z_score.x.y() }}")).await.expect_err("unsent");
    assert!(!unsent.passing && unsent.reason.contains("the template fails in line 1"), "{}", unsent.reason);
    assert_eq!(receiver.requests().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_bus_gets_an_event() -> Result<()> {
    let bus =
        channel(&json!({ "type": "event_bus", "bus_arn": "arn:aws:events:us-east-1:1:event-bus/alerts" }));
    let aws = Receiver::taking(r#"{"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}"#).await?;
    assert_eq!(send(&sender(&aws, true).await?, &bus).await, Ok(Sent { thread: None, tries: 1 }));
    let seen = &aws.requests()[0];
    assert_eq!(seen.header("x-amz-target"), "AWSEvents.PutEvents");
    let entry = &seen.json()["Entries"][0];
    assert_eq!(
        (&entry["EventBusName"], &entry["Source"], &entry["DetailType"]),
        (
            &json!("arn:aws:events:us-east-1:1:event-bus/alerts"),
            &json!("meterflow"),
            &json!("Anomaly Opened")
        )
    );
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap_or_default())?;
    assert_eq!(detail["customer_id"], "cust_0042");

    // EventBridge answers 200 to what it did not take.
    for (code, passing) in
        [("InternalFailure", true), ("ThrottlingException", true), ("NotAuthorizedForSourceException", false)]
    {
        let body = json!({ "FailedEntryCount": 1, "Entries": [{ "ErrorCode": code, "ErrorMessage": "no" }] });
        let body = body.to_string();
        let aws = Receiver::start(move |_| Reply::ok(body.clone())).await?;
        let unsent = send(&sender(&aws, true).await?, &bus).await.expect_err("unsent");
        assert!(unsent.passing == passing && unsent.reason.contains(code), "{unsent:?}");
    }
    let aws = Receiver::start(|_| {
        Reply::with(400, r#"{"__type": "ResourceNotFoundException", "message": "no such bus"}"#)
    })
    .await?;
    let unsent = send(&sender(&aws, true).await?, &bus).await.expect_err("unsent");
    assert!(!unsent.passing && unsent.reason.contains("event-bus/alerts"), "{unsent:?}");
    Ok(())
}

/// The sample page with the chart of a burst.
pub(super) fn charted() -> Alert {
    let of = |value: f64| vec![value; 24];
    let values = [vec![100.0; 23], vec![1_000.0]].concat();
    opened_with(&json!({ "chart": { "values": values, "low": of(80.0), "high": of(120.0) } }))
}

/// Width and height of the PNG in these bytes.
pub(super) fn picture(bytes: &[u8]) -> Option<(u32, u32)> {
    let begin = bytes.windows(8).position(|part| part == b"\x89PNG\r\n\x1a\n")?;
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes[begin..])).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let info = reader.next_frame(&mut pixels).ok()?;
    Some((info.width, info.height))
}

#[tokio::test]
async fn a_picture_goes_with_the_page_where_the_channel_takes_one() -> Result<()> {
    let receiver = Receiver::taking("{}").await?;
    let aws = secrets(&format!("{}/hook", receiver.url)).await?;
    let sender_of = sender(&aws, true).await?;
    for kind in ["discord", "teams", "google_chat"] {
        send_alert(&sender_of, &with_address(kind), &charted(), None).await.expect(kind);
    }
    let requests = receiver.requests();
    let [discord, teams, google] = &requests[..] else { panic!("{requests:?}") };
    assert!(discord.header("content-type").starts_with("multipart/form-data; boundary="), "{discord:?}");
    assert!(discord.body.contains("attachment://chart.png") && discord.body.contains("allowed_mentions"));
    assert_eq!(picture(&discord.bytes), Some((480, 120)));
    let body = &teams.json()["attachments"][0]["content"]["body"];
    let url = body.as_array().and_then(|body| body.last()).and_then(|image| image["url"].as_str());
    let data = url.and_then(|url| url.strip_prefix("data:image/png;base64,")).expect("a picture");
    assert_eq!(picture(&BASE64_STANDARD.decode(data)?), Some((480, 120)));
    crate::support::assert_valid(&crate::support::schema("teams-message"), &teams.json());
    assert!(google.json().is_object(), "a channel without pictures gets its text: {google:?}");

    // Telegram gets the page, and then the picture below it.
    let receiver = Receiver::taking(r#"{"ok": true, "result": {"message_id": 77}}"#).await?;
    let aws = secrets("1:A").await?;
    send_alert(&sender(&aws, true).await?, &telegram(&receiver), &charted(), None).await.expect("sent");
    let requests = receiver.requests();
    let [page, below] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!((page.path.as_str(), below.path.as_str()), ("/bot1:A/sendMessage", "/bot1:A/sendPhoto"));
    assert!(below.body.contains(r#"{"allow_sending_without_reply":true,"message_id":77}"#), "{}", below.body);
    assert_eq!(picture(&below.bytes), Some((480, 120)));
    // An end has no picture.
    let mut end = charted().json;
    end["event"] = "resolved".into();
    let end = Alert::parse(&end.to_string())?;
    send_alert(&sender(&aws, true).await?, &telegram(&receiver), &end, None).await.expect("sent");
    assert_eq!(receiver.requests().len(), 3);
    Ok(())
}

#[tokio::test]
async fn a_page_whose_picture_is_refused_goes_without_it() -> Result<()> {
    for kind in ["discord", "teams"] {
        let receiver = Receiver::start(|seen| {
            match picture(&seen.bytes).is_some() || seen.body.contains("data:image") {
                true => Reply::with(400, "no pictures here"),
                false => Reply::ok("{}"),
            }
        })
        .await?;
        let aws = secrets(&format!("{}/hook", receiver.url)).await?;
        let sent = send_alert(&sender(&aws, true).await?, &with_address(kind), &charted(), None).await;
        assert_eq!((sent, receiver.requests().len()), (Ok(Sent { thread: None, tries: 1 }), 2), "{kind}");
        assert!(receiver.requests()[1].json().is_object(), "{kind}");
    }
    let receiver = Receiver::start(|seen| match seen.path.ends_with("/sendPhoto") {
        true => Reply::with(500, "broken"),
        false => Reply::ok(r#"{"ok": true, "result": {"message_id": 77}}"#),
    })
    .await?;
    let aws = secrets("1:A").await?;
    let sent = send_alert(&sender(&aws, true).await?, &telegram(&receiver), &charted(), None).await;
    assert_eq!((sent, receiver.requests().len()), (Ok(Sent { thread: None, tries: 1 }), 2));
    Ok(())
}
