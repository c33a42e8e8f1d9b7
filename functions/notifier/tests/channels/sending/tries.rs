//! Failures that pass, and requests to wait.

use super::*;

#[tokio::test]
async fn a_passing_failure_is_tried_again() -> Result<()> {
    for status in [408, 429, 500, 502, 503] {
        let receiver = busy(vec![Reply::with(status, "busy"), Reply::with(status, "busy")]).await?;
        let aws = secrets(KEY).await?;
        let sent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await;
        assert_eq!(sent, Ok(Sent { thread: None, tries: 3 }), "{status}");
        let requests = receiver.requests();
        assert_eq!(requests[0].body, requests[2].body, "the same message every time");
        assert_eq!(aws.requests().len(), 1, "the secret is read once");
    }
    Ok(())
}

#[tokio::test]
async fn tries_end() -> Result<()> {
    let receiver = Receiver::start(|_| Reply::with(500, "broken")).await?;
    let aws = secrets(KEY).await?;
    let unsent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect_err("unsent");
    let expected = Unsent { tries: 4, passing: true, ..refused("HTTP 500: broken") };
    assert_eq!(unsent, expected);
    assert_eq!(receiver.requests().len(), 4);
    Ok(())
}

#[tokio::test]
async fn a_lasting_refusal_is_tried_once() -> Result<()> {
    for status in [400, 404, 405, 413, 422] {
        let receiver = busy(vec![Reply::with(status, "no")]).await?;
        let aws = secrets(KEY).await?;
        let unsent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect_err("unsent");
        assert_eq!(unsent, refused(&format!("HTTP {status}: no")));
        assert_eq!(receiver.requests().len(), 1, "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_receiver_may_ask_to_wait() -> Result<()> {
    let in_seconds: fn() -> String = || "1".to_owned();
    // The date has full seconds, so the pause may be almost a second shorter.
    let as_a_date: fn() -> String = || httpdate::fmt_http_date(now() + Duration::from_secs(3));
    for (asked, least) in [(in_seconds, 1_000), (as_a_date, 1_500)] {
        let receiver = Receiver::start(move |seen| match seen.earlier {
            0 => Reply::with(429, "").header("retry-after", asked()),
            _ => Reply::with(202, ""),
        })
        .await?;
        let aws = secrets(KEY).await?;
        send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect("sent");
        let requests = receiver.requests();
        let waited = requests[1].at - requests[0].at;
        assert!(waited >= Duration::from_millis(least), "{waited:?} of {least} ms");
    }
    Ok(())
}

#[tokio::test]
async fn telegram_and_slack_ask_in_their_own_ways() -> Result<()> {
    let asks = Reply::with(429, r#"{"ok": false, "error_code": 429, "parameters": {"retry_after": 1}}"#);
    let receiver = Receiver::start(move |seen| match seen.earlier {
        0 => asks.clone(),
        _ => Reply::ok(r#"{"ok": true}"#),
    });
    let (receiver, aws) = (receiver.await?, secrets("1:A").await?);
    send(&sender(&aws, true).await?, &telegram(&receiver)).await.expect("sent");
    let requests = receiver.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));

    let receiver = Receiver::start(|seen| match seen.earlier {
        0 => Reply::ok(r#"{"ok": false, "error": "ratelimited"}"#).header("retry-after", "1"),
        _ => Reply::ok(r#"{"ok": true, "ts": "1.2"}"#),
    });
    let (receiver, aws) = (receiver.await?, secrets("xoxb-1").await?);
    send(&sender(&aws, true).await?, &bot(&receiver)).await.expect("sent");
    let requests = receiver.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));
    Ok(())
}

#[tokio::test]
async fn who_asks_for_more_time_than_there_is_gets_none() -> Result<()> {
    let receiver = busy(vec![Reply::with(429, "").header("retry-after", "3600")]).await?;
    let aws = secrets(KEY).await?;
    let begun = Instant::now();
    let unsent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect_err("unsent");
    assert_eq!(unsent.reason, "HTTP 429 (asks to wait 3600 s)");
    assert_eq!((unsent.passing, unsent.retry_after), (true, Some(Duration::from_secs(3_600))));
    assert!(begun.elapsed() < Duration::from_secs(5));
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_is_given_up_in_time() -> Result<()> {
    let receiver = Receiver::start(|_| Reply::ok("late").after(Duration::from_secs(60))).await?;
    let aws = secrets(KEY).await?;
    let (alert, begun) = (sample("notifier-opened"), Instant::now());
    let message = Message::of(&alert, None);
    let until = begun + Duration::from_millis(1_500);
    let unsent = sender(&aws, true).await?.send(&pagerduty(&receiver), message, None, until).await;
    assert_eq!(unsent.expect_err("unsent").reason, "time ran out; no answer");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn nobody_there_is_tried_again() -> Result<()> {
    let gone = Receiver::taking("").await?;
    let channel = pagerduty(&gone);
    drop(gone);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let aws = secrets(KEY).await?;
    let unsent = send(&sender(&aws, true).await?, &channel).await.expect_err("unsent");
    assert_eq!(unsent.tries, 4);
    assert!(unsent.reason.starts_with("cannot reach 127.0.0.1"), "{}", unsent.reason);
    Ok(())
}
