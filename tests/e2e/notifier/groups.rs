//! Messages about several incidents, and those of one incident.

use super::*;

#[tokio::test]
async fn incidents_of_one_run_are_one_message_in_a_chat_and_one_page_per_customer_on_a_pager() -> Result<()> {
    let (slack, pagerduty, hook) =
        (Receiver::taking("ok").await?, accepting().await?, Receiver::taking("").await?);
    let mut desk = Desk::new().await?;
    desk.slack("slack", &slack).await?;
    desk.pagerduty("pagerduty", &pagerduty).await?;
    desk.webhook("billing", &hook.url).await?;
    let mut app = desk.app().await?;
    app.gather = Duration::from_millis(1_500);
    // Three customers open an incident of one metric. One of them is silent in two more.
    let incidents =
        [("a", "api_calls"), ("b", "api_calls"), ("c", "api_calls"), ("c", "bandwidth"), ("c", "compute")];
    let events = |event: &str| -> Result<Vec<Value>> {
        let of = |(customer, metric): &(&str, &str)| {
            let id = format!("1.{metric}.drop.{customer}");
            event_with(&json!({
                "alert_id": format!("{id}.{event}"), "incident_id": id, "event": event,
                "customer_id": customer, "metric": metric, "direction": "drop",
            }))
        };
        incidents.iter().map(of).collect()
    };
    for event in ["opened", "resolved"] {
        let events = events(event)?;
        let runs = futures::future::try_join_all(events.iter().map(|event| run(&app, event))).await?;
        assert_eq!(runs.iter().map(|run| run.sent).sum::<u64>(), 15, "{runs:?}");
    }
    let messages = slack.requests();
    let titles: Vec<_> = messages.iter().map(|seen| seen.json()["text"].clone()).collect();
    assert_eq!(titles, ["Critical: 5 incidents opened", "5 incidents resolved"]);
    for (customer, metric) in incidents {
        let line = format!("{customer}: Critical: {metric} drop");
        assert!(messages[0].body.contains(&line), "{line} is not in {}", messages[0].body);
    }
    let pages: Vec<_> = pagerduty.requests().iter().map(e2e::receiver::Received::json).collect();
    let of = |action: &str| {
        let of_action = pages.iter().filter(|page| page["event_action"] == action);
        let mut keys: Vec<_> = of_action.map(|page| page["dedup_key"].to_string()).collect();
        keys.sort();
        keys
    };
    assert_eq!(of("trigger").len(), 3, "one page a customer: {pages:?}");
    assert_eq!(of("resolve"), of("trigger"), "each page ends once");
    let silent = pages.iter().find(|page| page["payload"]["source"] == "c").context("a page of c")?;
    let summary = silent["payload"]["summary"].as_str().unwrap_or_default();
    assert!(["api_calls", "bandwidth", "compute"].iter().all(|metric| summary.contains(metric)), "{summary}");
    assert_eq!(hook.requests().len(), 10, "a program gets each alert");
    Ok(())
}

#[tokio::test]
async fn a_page_of_several_incidents_ends_with_the_last_of_them() -> Result<()> {
    let pagerduty = accepting().await?;
    let mut desk = Desk::new().await?;
    desk.pagerduty("pagerduty", &pagerduty).await?;
    let app = desk.app().await?;
    for (event, metric) in [
        ("opened", "api_calls"),
        ("opened", "bandwidth"),
        ("resolved", "api_calls"),
        ("resolved", "bandwidth"),
    ] {
        let id = format!("1.{metric}.spike.c");
        let fields = json!({
            "alert_id": format!("{id}.{event}"), "incident_id": id, "event": event, "metric": metric });
        assert_eq!(run(&app, &event_with(&fields)?).await?, sent(1), "{event} {metric}");
    }
    let seen: Vec<_> = pagerduty
        .requests()
        .iter()
        .map(|seen| (seen.json()["event_action"].to_string(), seen.json()["dedup_key"].to_string()))
        .collect();
    let key = "\"1.api_calls.spike.c\"".to_owned();
    let expected =
        ["\"trigger\"", "\"trigger\"", "\"resolve\""].map(|action| (action.to_owned(), key.clone()));
    assert_eq!(seen, expected);
    Ok(())
}

#[tokio::test]
async fn the_messages_of_an_incident_are_one_thread() -> Result<()> {
    let receiver = Receiver::start(|seen| {
        Reply::ok(json!({ "ok": true, "ts": format!("170000000{}.000100", seen.earlier) }).to_string())
    })
    .await?;
    let mut desk = Desk::new().await?;
    desk.slack_bot("slack", &receiver).await?;
    let app = desk.app().await?;
    let long = "x".repeat(2_700);
    for (id, event, incident) in [
        ("1", "opened", "a"),
        ("2", "escalated", "a"),
        ("3", "opened", &long),
        ("4", "resolved", "a"),
        ("5", "resolved", &long),
    ] {
        let event = event_with(&json!({ "alert_id": id, "event": event, "incident_id": incident }))?;
        assert_eq!(run(&app, &event).await?, sent(1));
    }
    desk.set("slack", "conversation", "C9999");
    let moved = event_with(&json!({ "alert_id": "6", "event": "reminder", "incident_id": "a" }))?;
    assert_eq!(run(&desk.app().await?, &moved).await?, sent(1));
    let threads: Vec<_> = receiver.requests().iter().map(|seen| seen.json()["thread_ts"].clone()).collect();
    let (first, third) = (json!("1700000000.000100"), json!("1700000002.000100"));
    assert_eq!(threads, [Value::Null, first.clone(), Value::Null, first, third, Value::Null]);
    Ok(())
}
