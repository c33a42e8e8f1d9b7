//! Teams, Discord, Google Chat, Opsgenie, templates and buses with real receivers.

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
