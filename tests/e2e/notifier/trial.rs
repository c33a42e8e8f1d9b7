//! Tests of channels that an operator asks for, and templates that are wrong.

use super::*;

async fn tried(desk: &Desk, event: &Value) -> Result<Summary> {
    handle(&desk.app().await?, event, Instant::now() + Duration::from_secs(50)).await
}

#[tokio::test]
async fn a_test_reaches_each_channel_twice_and_is_not_noted() -> Result<()> {
    let mut desk = Desk::new().await?;
    let receiver = Receiver::taking("{}").await?;
    desk.pagerduty("pager", &receiver).await?;
    desk.webhook("hook", &format!("{}/hook", receiver.url)).await?;
    let summary = tried(&desk, &json!({ "test": {} })).await?;
    assert_eq!(summary, Summary { sent: 4, ..Summary::default() });
    let actions: Vec<_> =
        receiver.requests().iter().map(|seen| seen.json()["event_action"].clone()).collect();
    assert_eq!(actions, [Value::Null, Value::Null, json!("trigger"), json!("resolve")]);
    let keys: Vec<_> = receiver.requests()[2..].iter().map(|seen| seen.json()["dedup_key"].clone()).collect();
    assert_eq!(keys[0], keys[1], "the end closes the page");
    let summary = tried(&desk, &json!({ "test": { "channel": "hook" } })).await?;
    assert_eq!((summary.sent, receiver.requests().len()), (2, 6));
    assert_eq!(desk.world.all_items().await?.len(), 0, "nothing is noted");
    let error = tried(&desk, &json!({ "test": { "channel": "fax" } })).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no channel fax");
    Ok(())
}

#[tokio::test]
async fn a_channel_that_does_not_take_the_test_hides_no_other() -> Result<()> {
    let mut desk = Desk::new().await?;
    let (good, bad) = (Receiver::taking("{}").await?, Receiver::start(|_| Reply::with(400, "no")).await?);
    desk.pagerduty("bad", &bad).await?;
    desk.webhook("good", &format!("{}/hook", good.url)).await?;
    let error = tried(&desk, &json!({ "test": {} })).await.unwrap_err();
    assert_eq!(error.to_string(), "bad did not take the test: HTTP 400: no");
    assert_eq!((bad.requests().len(), good.requests().len()), (1, 2));
    Ok(())
}

#[tokio::test]
async fn a_wrong_template_breaks_its_channel_alone() -> Result<()> {
    let mut desk = Desk::new().await?;
    let receiver = Receiver::taking("{}").await?;
    desk.webhook("right", &format!("{}/right", receiver.url)).await?;
    desk.webhook("wrong", &format!("{}/wrong", receiver.url)).await?;
    desk.set("right", "template", r#"{"metric": {{ alert.metric }}}"#);
    desk.set("wrong", "template", r#"{"metric": {{ alert.metrik }}}"#);
    let message = message_with(&json!({}))?;
    let event = json!({ "Records": [{ "Sns": { "Message": message } }] });
    let summary = tried(&desk, &event).await?;
    assert_eq!((summary.sent, summary.queued), (1, 1), "{summary:?}");
    assert_eq!(receiver.requests()[0].json(), json!({ "metric": "bandwidth" }));
    let failures = desk.failures("wrong").await?;
    assert!(
        failures[0].error.contains("channels.wrong is refused: the template fails"),
        "{}",
        failures[0].error
    );
    Ok(())
}
