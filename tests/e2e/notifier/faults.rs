//! Channels, messages and tables that are wrong or gone.

use super::*;

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
