//! Pictures in the threads of Slack: from an alert with a chart to the file in the thread.

use std::sync::{Arc, OnceLock};

use super::*;

/// A Slack with this answer to the wish to upload, where its own is none.
async fn slack(refusal: Option<&'static str>) -> Result<Receiver> {
    let own = Arc::new(OnceLock::<String>::new());
    let address = Arc::clone(&own);
    let receiver = Receiver::start(move |seen| {
        let file = |url: String| json!({ "ok": true, "upload_url": url, "file_id": "F0123ABCDEF" });
        match (seen.path.as_str(), refusal) {
            ("/api/chat.postMessage", _) => {
                Reply::ok(format!(r#"{{"ok": true, "channel": "C0123ABCDEF", "ts": "{}.0"}}"#, seen.earlier))
            }
            ("/api/files.getUploadURLExternal", Some(refusal)) => Reply::ok(refusal),
            ("/api/files.getUploadURLExternal", None) => {
                let url = address.get().map(|url| format!("{url}/upload")).unwrap_or_default();
                Reply::ok(file(url).to_string())
            }
            ("/upload", _) => Reply::ok("OK - 1234"),
            _ => Reply::ok(r#"{"ok": true}"#),
        }
    })
    .await?;
    own.set(receiver.url.clone()).ok();
    Ok(receiver)
}

fn charted(event: &str) -> Result<Value> {
    let of = |value: f64| vec![value; 24];
    let chart = json!({ "values": of(100.0), "low": of(80.0), "high": of(120.0) });
    event_with(&json!({ "chart": chart, "event": event, "alert_id": format!("picture.{event}") }))
}

fn methods(receiver: &Receiver) -> Vec<String> {
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    receiver.requests().iter().map(|seen| last(&seen.path)).collect()
}

const ALL: [&str; 4] =
    ["chat.postMessage", "files.getUploadURLExternal", "upload", "files.completeUploadExternal"];

#[tokio::test]
async fn each_page_of_an_incident_has_its_picture_in_the_thread() -> Result<()> {
    let receiver = slack(None).await?;
    let mut desk = Desk::new().await?;
    desk.slack_bot("slack", &receiver).await?;
    let app = desk.app().await?;
    assert_eq!(run(&app, &charted("opened")?).await?, sent(1));
    assert_eq!(run(&app, &charted("escalated")?).await?, sent(1));
    assert_eq!(methods(&receiver), [ALL, ALL].concat());
    let requests = receiver.requests();
    let png = |bytes: &[u8]| bytes.windows(8).any(|part| part == b"\x89PNG\r\n\x1a\n");
    assert!(png(&requests[2].bytes) && png(&requests[6].bytes));
    // The escalation is a reply, and its picture goes to the first message of the thread as well.
    assert_eq!(requests[4].json()["thread_ts"], "0.0");
    for place in [3, 7] {
        let body = &requests[place].body;
        assert!(body.contains("channel_id=C0123ABCDEF") && body.ends_with("thread_ts=0.0"), "{body}");
    }
    assert_eq!(run(&app, &charted("resolved")?).await?, sent(1));
    assert_eq!(methods(&receiver)[8..], ALL[..1], "an end has no picture");
    Ok(())
}

#[tokio::test]
async fn a_bot_without_the_scope_pages_all_the_same() -> Result<()> {
    let receiver = slack(Some(r#"{"ok": false, "error": "missing_scope", "needed": "files:write"}"#)).await?;
    let mut desk = Desk::new().await?;
    desk.slack_bot("slack", &receiver).await?;
    let app = desk.app().await?;
    assert_eq!(run(&app, &charted("opened")?).await?, sent(1));
    assert_eq!(run(&app, &charted("opened")?).await?, already(1));
    assert_eq!(methods(&receiver), ALL[..2]);
    assert_eq!((desk.states().await?, desk.failures("slack").await?.len()), (vec!["sent".to_owned()], 0));
    Ok(())
}
