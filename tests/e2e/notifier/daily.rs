//! The daily digest.

use super::*;

#[tokio::test]
async fn the_daily_digest_is_sent_once_and_also_when_there_is_nothing() -> Result<()> {
    let desk = Desk::new().await?;
    let app = desk.app().await?;
    let event = sample("notifier-daily-digest")?;
    assert_eq!(run(&app, &event).await?, sent(1));
    assert_eq!(run(&app, &event).await?, already(1));
    let mails = desk.world.messages().await?;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0]["Subject"], "[MeterFlow] Daily digest: nothing to report");
    assert_eq!(
        mails[0]["Message"],
        "No usage anomalies in the 24 hours to 2026-11-22T08:00:00Z: nothing to report.\n"
    );
    let next = json!({ "detail-type": "Scheduled Event", "time": "2026-11-23T08:00:00Z" });
    assert_eq!(run(&app, &next).await?, sent(1), "the next day has its own");
    Ok(())
}

/// Stores the incident that an anomaly of this peak in the window to `end` opens.
async fn open_incident(
    app: &App,
    customer: &str,
    severity: Severity,
    z_score: f64,
    end: Timestamp,
) -> Result<()> {
    let subject = Subject {
        customer_id: CustomerId::new(customer)?,
        entity: None,
        metric: MetricName::new("bandwidth")?,
        direction: Direction::Spike,
    };
    let figures = Figures { current_value: 9e9, baseline_mean: 2e9, baseline_stddev: 2e8, z_score };
    let observation = Observation {
        window_end: end,
        seen: Seen::Anomalous(severity),
        figures,
        seen_by: 24,
        change: None,
        cost: None,
    };
    let rules = Rules {
        resolve_after: 2,
        reopen_within: SignedDuration::from_hours(6),
        accept_after: SignedDuration::ZERO,
        repeat_interval: SignedDuration::ZERO,
        min_severity: Severity::Critical,
    };
    let Step::Become { incident, .. } = advance(None, &subject, &observation, &Around::default(), &rules)
    else {
        anyhow::bail!("an anomaly opens an incident");
    };
    let description = Some(format!("bandwidth of {customer} was 9 GB"));
    let retention = Duration::from_secs(90 * 86_400);
    let item = IncidentItem::after(None, *incident, "bytes", description, retention);
    let writer = Writer { run_id: customer, now: Timestamp::try_from(now())? };
    app.store.change(Change { from: None, to: &item, alert: None, told_by: None }, writer).await?;
    Ok(())
}

#[tokio::test]
async fn the_daily_digest_tells_of_the_days_incidents_and_of_alerts_that_did_not_arrive() -> Result<()> {
    let receiver = Receiver::start(|_| Reply::with(503, "busy")).await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &receiver).await?;
    let app = desk.app().await?;
    for id in ["1", "2"] {
        run(&app, &event_with(&json!({ "alert_id": id }))?).await?;
    }
    let to = Timestamp::try_from(now())?.checked_add(SignedDuration::from_hours(1))?;
    let ago = |hours| to.checked_sub(SignedDuration::from_hours(hours));
    open_incident(&app, "cust_1", Severity::Critical, 12.0, ago(2)?).await?;
    open_incident(&app, "cust_2", Severity::Critical, 40.0, ago(23)?).await?;
    open_incident(&app, "cust_3", Severity::Warning, 4.0, ago(3)?).await?;
    // It has been active since before the day, and has not changed.
    open_incident(&app, "cust_4", Severity::Critical, 90.0, ago(30)?).await?;
    let event = json!({ "detail-type": "Scheduled Event", "time": to.to_string() });
    assert_eq!(run(&app, &event).await?, sent(1));
    let mail = desk.world.messages().await?.remove(0);
    let text = mail["Message"].as_str().context("a text")?;
    assert_eq!(mail["Subject"], "[MeterFlow] Daily digest: 3 opened, 4 still open", "{text}");
    assert!(text.contains("Opened      3 (2 critical, 1 warning)\n"), "{text}");
    assert!(text.contains("Undelivered 2 alerts to pagerduty\n"), "{text}");
    let of = |customer: &str| text.find(&format!("bandwidth of {customer} was 9 GB"));
    assert!(of("cust_2") < of("cust_1") && of("cust_1") < of("cust_3"), "{text}");
    assert!(of("cust_4").is_some() && of("cust_4") < of("cust_2"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_digest_that_cannot_be_published_comes_again() -> Result<()> {
    let mut desk = Desk::new().await?;
    let topic =
        std::mem::replace(&mut desk.world.topic_arn, "arn:aws:sns:us-east-1:000000000000:none".to_owned());
    let event = sample("notifier-daily-digest")?;
    let error = run(&desk.app().await?, &event).await.expect_err("no topic").to_string();
    assert!(error.contains("cannot publish to"), "{error}");
    desk.world.topic_arn = topic;
    assert_eq!(run(&desk.app().await?, &event).await?, sent(1));
    Ok(())
}
