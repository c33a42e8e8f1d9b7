//! Alerts that a receiver does not take, or not yet.

use super::*;

#[tokio::test]
async fn a_redrive_sends_once() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.earlier {
        0 | 1 => Reply::with(400, "no"),
        _ => Reply::with(202, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let app = desk.app().await?;
    assert_eq!(run(&app, &sample("notifier-opened")?).await?, queued(1));
    let event = redrive("pagerduty", &desk.failures("pagerduty").await?[0].message);
    let error = run(&app, &event).await.expect_err("failed again").to_string();
    assert!(error.contains("pagerduty did not take the alert: HTTP 400: no"), "{error}");
    assert_eq!(desk.failures("pagerduty").await?.len(), 1, "no second message in the queue");
    assert_eq!(run(&app, &event).await?, sent(1));
    assert_eq!(run(&app, &event).await?, already(1));
    assert_eq!(receiver.requests().len(), 3);
    Ok(())
}

#[tokio::test]
async fn redrives_that_cannot_be() -> Result<()> {
    let desk = Desk::new().await?;
    let app = desk.app().await?;
    let error = run(&app, &redrive("fax", "{}")).await.expect_err("no such channel");
    assert!(error.to_string().contains("there is no channel fax"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_alert_that_cannot_be_parked_waits_on() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.earlier {
        0 | 1 => Reply::with(400, "no"),
        _ => Reply::with(202, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("bad", &receiver).await?;
    desk.set("bad", "queue_url", format!("{}-missing", desk.queue("bad").await?));
    assert_eq!(run(&desk.app().await?, &sample("notifier-opened")?).await?, waiting(1));
    desk.set("bad", "queue_url", Value::Null);
    let mut app = desk.app().await?;
    app.sender.clock = an_hour_later;
    assert_eq!(run(&app, &schedule()?).await?, waiting(1));
    app.sender.clock = seven_hours_later;
    assert_eq!(run(&app, &schedule()?).await?, sent(1));
    Ok(())
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_its_page_by_itself() -> Result<()> {
    // Down for the whole first invocation, and for one more.
    let receiver = Receiver::start(|seen| match seen.earlier {
        0..=7 => Reply::with(503, "busy"),
        _ => Reply::with(202, ""),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let mut app = desk.app().await?;
    assert_eq!(run(&app, &sample("notifier-opened")?).await?, waiting(1));
    assert_eq!(run(&app, &schedule()?).await?, sent(0), "it is not due yet");
    for (clock, expected) in [
        (in_seconds::<31> as fn() -> _, waiting(1)),
        (in_seconds::<60>, sent(0)),
        (in_seconds::<92>, sent(1)),
    ] {
        app.sender.clock = clock;
        assert_eq!(run(&app, &schedule()?).await?, expected);
    }
    assert_eq!(desk.states().await?, ["sent"]);
    assert_eq!((receiver.requests().len(), desk.failures("pagerduty").await?), (9, vec![]));
    Ok(())
}

fn in_seconds<const SECONDS: u64>() -> std::time::SystemTime {
    now() + Duration::from_secs(SECONDS)
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_a_minute_is_given_it() -> Result<()> {
    let receiver = Receiver::start(|seen| match seen.earlier {
        0 => Reply::with(429, "").header("retry-after", "60"),
        _ => Reply::ok("ok"),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.slack("slack", &receiver).await?;
    let mut app = desk.app().await?;
    assert_eq!(run(&app, &event_with(&json!({ "alert_id": "1" }))?).await?, waiting(1));
    // Another alert does not end the pause.
    let other = event_with(&json!({ "alert_id": "2", "incident_id": "b", "customer_id": "b" }))?;
    assert_eq!(run(&app, &other).await?, waiting(1));
    app.sender.clock = in_seconds::<50>;
    assert_eq!(run(&app, &schedule()?).await?, sent(0));
    assert_eq!(receiver.requests().len(), 1);
    app.sender.clock = in_seconds::<62>;
    assert_eq!(run(&app, &schedule()?).await?, sent(2));
    assert_eq!(receiver.requests().len(), 2, "both in one message");
    Ok(())
}

#[tokio::test]
async fn after_six_hours_it_is_parked_and_no_page_goes_out_after_its_end() -> Result<()> {
    static IS_UP: AtomicBool = AtomicBool::new(false);
    let receiver = Receiver::start(|_| match IS_UP.load(Ordering::Relaxed) {
        true => Reply::with(202, "{}"),
        false => Reply::with(503, "busy"),
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let mut app = desk.app().await?;
    let event = |id: &str, event: &str, incident: &str| {
        event_with(
            &json!({ "alert_id": id, "event": event, "incident_id": incident, "customer_id": incident }),
        )
    };
    assert_eq!(run(&app, &event("1", "opened", "a")?).await?, waiting(1));
    assert_eq!(run(&app, &event("2", "opened", "b")?).await?, waiting(1));
    // The end comes while its page waits. Nobody is paged about an ended incident.
    app.sender.clock = in_seconds::<5>;
    assert_eq!(run(&app, &event("3", "resolved", "b")?).await?, waiting(1));
    app.sender.clock = seven_hours_later;
    assert_eq!(run(&app, &schedule()?).await?, queued(2));
    assert_eq!(desk.failures("pagerduty").await?.len(), 2);
    let triggers = |id: &str| {
        let of = |seen: &e2e::receiver::Received| {
            seen.json()["event_action"] == "trigger" && seen.json()["dedup_key"] == *id
        };
        receiver.requests().iter().filter(|seen| of(seen)).count()
    };
    assert_eq!((triggers("a"), triggers("b")), (8, 4), "the page of b is not tried once its end is known");
    // The end of an incident whose page was given up goes the same way.
    assert_eq!(run(&app, &event("4", "resolved", "a")?).await?, queued(1));

    // A redrive calls nobody to what is over, in whatever order the queue gives its messages. The ends go out.
    IS_UP.store(true, Ordering::Relaxed);
    let requests = receiver.requests().len();
    for failure in desk.failures("pagerduty").await? {
        run(&app, &json!({ "redrive": { "channel": "pagerduty", "message": failure.message } })).await?;
    }
    let sent: Vec<_> =
        receiver.requests()[requests..].iter().map(|seen| seen.json()["event_action"].clone()).collect();
    assert_eq!(sent, ["resolve", "resolve"], "no trigger after its end");
    Ok(())
}
