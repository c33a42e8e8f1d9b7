//! Pictures in the threads of Slack, by a bot.

use super::chats_and_buses::{charted, picture};
use super::*;

const TOKEN: &str = "xoxb-1";
const TAKEN: &str = r#"{"ok": true, "channel": "C0123ABCDEF", "ts": "1503435956.000247"}"#;

/// A Slack whose method with this ending answers otherwise.
async fn slack_with(ending: &'static str, reply: Reply) -> Result<Receiver> {
    let own = Arc::new(std::sync::OnceLock::<String>::new());
    let address = Arc::clone(&own);
    let receiver = Receiver::start(move |seen| match seen.path.as_str() {
        path if path.ends_with(ending) => reply.clone(),
        "/api/chat.postMessage" => Reply::ok(TAKEN),
        "/api/files.getUploadURLExternal" => {
            let url = format!("{}/upload/v1/abc", address.get().expect("an address"));
            Reply::ok(json!({ "ok": true, "upload_url": url, "file_id": "F0123ABCDEF" }).to_string())
        }
        "/upload/v1/abc" => Reply::ok("OK - 1234"),
        _ => Reply::ok(r#"{"ok": true, "files": [{"id": "F0123ABCDEF"}]}"#),
    })
    .await?;
    own.set(receiver.url.clone()).expect("set once");
    Ok(receiver)
}

async fn send_to(receiver: &Receiver, thread: Option<&str>) -> Result<Sent> {
    let aws = secrets(TOKEN).await?;
    let sent = send_alert(&sender(&aws, true).await?, &bot(receiver), &charted(), thread).await;
    Ok(sent.expect("sent"))
}

fn paths(receiver: &Receiver) -> Vec<String> {
    receiver.requests().iter().map(|seen| seen.path.clone()).collect()
}

const ALL: [&str; 4] = [
    "/api/chat.postMessage",
    "/api/files.getUploadURLExternal",
    "/upload/v1/abc",
    "/api/files.completeUploadExternal",
];

#[tokio::test]
async fn the_page_goes_first_and_the_picture_into_its_thread() -> Result<()> {
    for (thread, expected) in [(None, "thread_ts=1503435956.000247"), (Some("1.2"), "thread_ts=1.2")] {
        let slack = slack_with("/none", Reply::default()).await?;
        let sent = send_to(&slack, thread).await?;
        assert_eq!(sent, Sent { thread: Some("1503435956.000247".to_owned()), tries: 1 });
        assert_eq!(paths(&slack), ALL);
        let requests = slack.requests();
        let [page, asked, bytes, sharing] = &requests[..] else { panic!("{requests:?}") };
        assert_eq!(page.json()["blocks"][0]["type"], "header");
        for form in [asked, sharing] {
            assert_eq!(form.header("content-type"), "application/x-www-form-urlencoded");
            assert_eq!(form.header("authorization"), "Bearer xoxb-1");
        }
        assert_eq!(bytes.header("authorization"), "", "the token goes to Slack's methods only");
        assert_eq!(picture(&bytes.bytes), Some((480, 120)));
        let length = asked.body.split('&').find_map(|field| field.strip_prefix("length="));
        let file = 8 + bytes.bytes.windows(4).position(|part| part == b"IEND").expect("an end");
        let begin = bytes.bytes.windows(4).position(|part| part == b"\x89PNG").expect("a begin");
        assert_eq!(length, Some((file - begin).to_string().as_str()));
        assert!(sharing.body.contains("channel_id=C0123ABCDEF"), "the id, not the name: {}", sharing.body);
        assert!(sharing.body.contains("F0123ABCDEF") && sharing.body.ends_with(expected), "{}", sharing.body);
    }
    Ok(())
}

#[tokio::test]
async fn a_picture_that_is_refused_costs_only_the_picture() -> Result<()> {
    let missing = r#"{"ok": false, "error": "missing_scope", "needed": "files:write"}"#;
    for (ending, reply, requests) in [
        ("getUploadURLExternal", Reply::ok(missing), 2),
        ("getUploadURLExternal", Reply::with(503, "busy"), 2),
        ("getUploadURLExternal", Reply::ok(r#"{"ok": true}"#), 2),
        ("/upload/v1/abc", Reply::with(500, "broken"), 3),
        ("completeUploadExternal", Reply::ok(missing), 4),
    ] {
        let slack = slack_with(ending, reply).await?;
        let sent = send_to(&slack, None).await?;
        assert_eq!(sent, Sent { thread: Some("1503435956.000247".to_owned()), tries: 1 }, "{ending}");
        assert_eq!(paths(&slack), ALL[..requests], "one page, and no step is repeated: {ending}");
    }
    Ok(())
}

#[tokio::test]
async fn a_slow_picture_ends_soon() -> Result<()> {
    let slack = slack_with("/upload/v1/abc", Reply::ok("OK").after(Duration::from_secs(60))).await?;
    let begun = Instant::now();
    assert_eq!(send_to(&slack, None).await?.tries, 1);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(paths(&slack), ALL[..3]);
    Ok(())
}

#[tokio::test]
async fn a_forged_address_gets_no_picture() -> Result<()> {
    let elsewhere = Receiver::taking("OK").await?;
    let forged =
        json!({ "ok": true, "upload_url": format!("{}/upload/v1/abc", elsewhere.url), "file_id": "F1" });
    let slack = slack_with("getUploadURLExternal", Reply::ok(forged.to_string())).await?;
    send_to(&slack, None).await?;
    assert_eq!((paths(&slack).len(), elsewhere.requests().len()), (2, 0));
    Ok(())
}

#[tokio::test]
async fn a_webhook_and_an_end_have_no_picture() -> Result<()> {
    let webhook = Receiver::taking("ok").await?;
    let aws = secrets(&format!("{}/services/T/B/x", webhook.url)).await?;
    send_alert(&sender(&aws, true).await?, &slack(), &charted(), None).await.expect("sent");
    assert_eq!(paths(&webhook), ["/services/T/B/x"]);
    let mut end = charted().json;
    end["event"] = "resolved".into();
    let (receiver, aws) = (slack_with("/none", Reply::default()).await?, secrets(TOKEN).await?);
    let end = Alert::parse(&end.to_string())?;
    send_alert(&sender(&aws, true).await?, &bot(&receiver), &end, None).await.expect("sent");
    assert_eq!(paths(&receiver), ALL[..1]);
    Ok(())
}
