//! Secrets that change, and secrets that must not be told.

use super::*;

#[tokio::test]
async fn a_rotated_secret_is_fetched_anew_once() -> Result<()> {
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetched);
    let aws = Receiver::start(move |_| {
        let text = if counter.fetch_add(1, Ordering::Relaxed) == 0 { "xoxb-old" } else { "xoxb-new" };
        Reply::ok(json!({ "ARN": SECRET, "Name": "x", "SecretString": text }).to_string())
    })
    .await?;
    let receiver =
        Receiver::start(|seen| match (seen.header("authorization"), seen.json()["text"].as_str()) {
            ("Bearer xoxb-new", Some(_)) => Reply::ok(r#"{"ok": true, "ts": "1.2"}"#),
            _ => Reply::ok(r#"{"ok": false, "error": "invalid_auth"}"#),
        })
        .await?;
    let sender = sender(&aws, true).await?;
    assert_eq!(send(&sender, &bot(&receiver)).await.expect("sent").tries, 1);
    assert_eq!(send(&sender, &bot(&receiver)).await.expect("sent").tries, 1);
    assert_eq!((receiver.requests().len(), fetched.load(Ordering::Relaxed)), (3, 2));
    Ok(())
}

#[tokio::test]
async fn a_secret_that_is_refused_is_not_tried_for_ever() -> Result<()> {
    for status in [401, 403] {
        let receiver = Receiver::start(move |_| Reply::with(status, "who?")).await?;
        let aws = secrets(KEY).await?;
        let unsent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect_err("unsent");
        assert_eq!(unsent.reason, format!("HTTP {status}: who?"));
        assert_eq!((receiver.requests().len(), aws.requests().len()), (1, 2), "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_named() -> Result<()> {
    let receiver = busy(vec![]).await?;
    let aws = Receiver::start(|_| {
        Reply::with(400, r#"{"__type": "ResourceNotFoundException", "Message": "no such secret"}"#)
    })
    .await?;
    let unsent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect_err("unsent");
    assert!(
        unsent.reason.contains(SECRET) && unsent.reason.contains("ResourceNotFound"),
        "{}",
        unsent.reason
    );
    assert_eq!(receiver.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_secret_that_comes_back_is_not_kept() -> Result<()> {
    let aws = secrets(KEY).await?;
    // The reason may be cut in the middle of the secret.
    for before in [0, 150, 185] {
        let receiver = Receiver::start(move |seen| {
            Reply::with(400, format!("{}{}", ".".repeat(before), seen.json()["routing_key"]))
        })
        .await?;
        let unsent = send(&sender(&aws, true).await?, &pagerduty(&receiver)).await.expect_err("unsent");
        assert!(!unsent.reason.contains(&KEY[..4]) && unsent.reason.contains("(secret"), "{}", unsent.reason);
    }
    Ok(())
}

#[tokio::test]
async fn no_part_of_a_secret_address_comes_back() -> Result<()> {
    const PATH: &str = "/services/T0PLANTED1/B0PLANTED2/pLantedSecretOfTheWebhook3";
    for status in [301, 400, 401, 404, 410, 429, 500] {
        // Error pages write a path in several ways: unchanged, escaped for JSON, escaped for addresses, in another
        // case, cut.
        let receiver = Receiver::start(move |seen| {
            let path = &seen.path;
            let page = format!(
                "<p>Cannot POST {path}</p> {} {} {} {}",
                path.replace('/', "\\/"),
                path.replace('/', "%2F"),
                path.to_lowercase(),
                &path[..path.len() - 9],
            );
            Reply::with(status, page).header("location", path.clone())
        })
        .await?;
        let url = format!("{}{PATH}", receiver.url);
        for (channel, secret) in [(slack(), url.clone()), (webhook(&url), SIGNING.to_owned())] {
            let aws = secrets(&secret).await?;
            let until = Instant::now() + Duration::from_secs(3);
            let alert = sample("notifier-opened");
            let message = Message::of(&alert, None);
            let unsent = sender(&aws, true).await?.send(&channel, message, None, until).await;
            let reason = unsent.expect_err("unsent").reason.to_lowercase();
            assert!(reason.contains(&status.to_string()), "{reason}");
            for part in ["planted", "t0pl", "b0pl", "secretof"] {
                assert!(!reason.contains(part), "{status}: {reason}");
            }
        }
    }
    Ok(())
}
