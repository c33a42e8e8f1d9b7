//! Actions of people on incidents.

use super::*;

#[tokio::test]
async fn each_step_is_stored_and_told_at_once_and_only_once() -> Result<()> {
    let (world, path, _) = one_incident().await?;
    let api = world.api().await?;
    let claims = json!({ "sub": "0-1-2", "username": "ada", "scope": SCOPES });
    let note = json!({ "note": "a load test" });
    for _ in 0..2 {
        let answer = api.with_claims(claims.clone()).post(&format!("{path}/acknowledge"), &note).await?;
        assert_eq!((answer.status, &answer.json["state"]), (200, &json!("acknowledged")), "{}", answer.text);
    }
    acted(&api, &path, "acknowledge").await?;
    let entry = json!({ "action": "acknowledge", "actor": "ada", "at": at(NOW).as_millisecond(), "note": "a load test" });
    assert_eq!(api.read(&path).await?["incident"]["history"], json!([entry]));
    let customer = api.as_customer("c").read(&path).await?["incident"]["history"].take();
    assert_eq!((&customer[0]["actor"], &customer[0]["note"]), (&json!("operator"), &Value::Null));
    assert_eq!(notices(&world).await?, BTreeSet::from([pair("acknowledged", "sent")]));
    assert_eq!(api.read("/v1/status").await?["pending_alerts"], 0);

    let messages = world.messages().await?;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let attribute = |name: &str| messages[0]["MessageAttributes"][name]["Value"].clone();
    assert_eq!(["event", "severity", "customer_id"].map(attribute), ["acknowledged", "critical", "c"]);
    let alert: Value = serde_json::from_str(messages[0]["Message"].as_str().context("a body")?)?;
    assert_eq!(
        (&alert["event"], &alert["incident_id"]),
        (&json!("acknowledged"), &json!(path.rsplit('/').next()))
    );
    assert_eq!((&alert["incident"]["state"], &alert["detected_at"]), (&json!("acknowledged"), &json!(NOW)));
    assert!(
        alert["description"].as_str().is_some_and(|text| text.contains("acknowledged by ada")),
        "{alert}"
    );

    acted(&api, &path, "resolve").await?;
    acted(&api, &path, "resolve").await?;
    let resolved = api.read(&path).await?["incident"].take();
    assert_eq!(
        (&resolved["state"], &resolved["closed_at"]),
        (&json!("resolved"), &json!(at(NOW).as_millisecond()))
    );
    assert_eq!(told(&world).await?, ["resolved"]);
    act(&api, &path, "acknowledge").await?.assert_problem(409, "what is resolved");
    acted(&api, &path, "reopen").await?;
    acted(&api, &path, "reopen").await?;
    assert_eq!(
        stands(&api, &path).await?,
        ("open".to_owned(), ["acknowledge", "resolve", "reopen"].map(str::to_owned).into())
    );
    assert_eq!(told(&world).await?, [""; 0], "whoever reopens it knows of it");
    assert_eq!(world.incidents().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_acknowledged_incident_sends_no_reminder_and_is_acknowledged_again_with_a_notice_of_its_own()
-> Result<()> {
    let (world, path, _) = one_incident().await?;
    let api = world.api().await?;
    // All in the same millisecond. Each has a notice of its own.
    for action in ["acknowledge", "reopen", "acknowledge"] {
        acted(&api, &path, action).await?;
    }
    assert_eq!(told(&world).await?, ["acknowledged"; 2]);
    let ids: BTreeSet<_> = world.all_items().await?.iter().map(|item| text(item, "alert_id")).collect();
    assert_eq!(ids.iter().filter(|id| id.contains("acknowledged")).count(), 2, "{ids:?}");
    // The same spike a day later. Reminders would be due, and none is sent.
    let day: Vec<_> = (1..=30).map(|age| at(END) + hours(12) - SignedDuration::from_mins(age)).collect();
    world.insert(&day.iter().map(|at| Event::compute("c", *at, 1.6e6)).collect::<Vec<_>>()).await?;
    let app = world.app_with(&[("REPEAT_INTERVAL_HOURS", "1")], &world.aws).await?;
    let summary = run(&app, &hourly("2026-11-21T20:00:00Z")).await?;
    assert_eq!((summary.anomalies_found, summary.alerts_published), (1, 0), "{summary:?}");
    acted(&api, &path, "reopen").await?;
    let summary = run(&app, &hourly("2026-11-21T21:00:00Z")).await?;
    assert_eq!(
        (summary.anomalies_found, told(&world).await?),
        (1, vec!["reminder".to_owned()]),
        "{summary:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_resolved_incident_stays_resolved_while_the_spike_goes_on() -> Result<()> {
    let (world, path, _) = one_incident().await?;
    let api = world.api().await?;
    acted(&api, &path, "resolve").await?;
    assert_eq!(told(&world).await?, ["resolved"]);
    let app = world.app().await?;
    for hour in 1..=5 {
        let summary = run(&app, &hourly(&(at(END) + hours(hour)).to_string())).await?;
        assert_eq!(figures(&summary), (1, 0, 0), "hour {hour}: {summary:?}");
    }
    let shown = api.read(&path).await?["incident"].take();
    assert_eq!(
        (&shown["state"], &shown["anomalies"], &shown["over_at"]),
        (&json!("resolved"), &json!(7), &Value::Null)
    );
    assert_eq!((world.incidents().await?.len(), told(&world).await?), (1, Vec::new()));
    Ok(())
}

#[tokio::test]
async fn only_the_latest_incident_of_its_kind_can_be_reopened() -> Result<()> {
    let (world, path, anomalies) = one_incident().await?;
    let api = world.api().await?;
    acted(&api, &anomalies[0], "resolve").await?;
    // The deviation doubles, so another incident opens.
    world.insert(&[Event::compute("c", at(END) - hours(1), 1e8)]).await?;
    run(&world.app().await?, &hourly("2026-11-21T14:00:00Z")).await?;
    assert_eq!(told(&world).await?, ["resolved", "opened"]);
    let later = format!("/v1/incidents/{}.compute_time.spike.Yw", (at(END) + hours(1)).as_millisecond());
    assert_eq!(stands(&api, &later).await?.0, "open");
    let before = world.all_items().await?;
    for state in ["open", "resolved"] {
        let refused = act(&api, &path, "reopen").await?;
        refused.assert_problem(409, state);
        assert!(refused.text.contains(later.rsplit('/').next().unwrap_or("?")), "{}", refused.text);
        if state == "open" {
            assert_eq!(world.all_items().await?, before);
        }
        assert_eq!(stands(&api, &path).await?, ("resolved".to_owned(), vec!["resolve".to_owned()]));
        acted(&api, &later, "resolve").await?;
    }
    // The anomaly can be reopened without its incident.
    assert_eq!(acted(&api, &anomalies[0], "reopen").await?["state"], "open");
    assert_eq!(stands(&api, &path).await?.0, "resolved");
    assert_eq!(acted(&api, &later, "reopen").await?["state"], "open");
    assert_eq!(world.incidents().await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn an_action_on_an_anomaly_acts_on_its_incident() -> Result<()> {
    let (world, path, [first, second]) = one_incident().await?;
    let api = world.api().await?;
    let noted = |path: &str, note: &str| {
        let (api, path, note) = (api.clone(), format!("{path}/acknowledge"), json!({ "note": note }));
        async move { api.post(&path, &note).await }
    };
    assert_eq!(noted(&first, "one").await?.json["state"], "acknowledged");
    assert_eq!(stands(&api, &path).await?.0, "acknowledged");
    assert_eq!(told(&world).await?, ["acknowledged"]);
    // The second anomaly of the same incident. Only its note is new.
    assert_eq!(noted(&second, "two").await?.json["state"], "acknowledged");
    assert_eq!(acted(&api, &second, "acknowledge").await?["state"], "acknowledged");
    let notes = api.read(&path).await?["incident"]["history"].as_array().context("a history")?.clone();
    assert_eq!(notes.iter().map(|entry| &entry["note"]).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(told(&world).await?, [""; 0]);

    acted(&api, &second, "resolve").await?;
    assert_eq!(stands(&api, &path).await?.0, "resolved");
    assert_eq!(
        api.read(&first).await?["anomaly"]["state"],
        "resolved",
        "the anomalies close with their incident"
    );
    acted(&api, &first, "resolve").await?;
    assert_eq!(told(&world).await?, ["resolved"]);
    // A refused action changes nothing, also for an anomaly that was reopened and closed with its incident.
    act(&api, &first, "acknowledge").await?.assert_problem(409, "resolved");
    assert_eq!(stands(&api, &path).await?.0, "resolved");
    acted(&api, &first, "reopen").await?;
    assert_eq!(stands(&api, &path).await?.0, "open");
    acted(&api, &path, "resolve").await?;
    act(&api, &first, "acknowledge").await?.assert_problem(409, "resolved");
    assert_eq!(stands(&api, &path).await?.0, "resolved");
    assert_eq!(told(&world).await?, [""; 0]);
    assert_eq!(notices(&world).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_cut_off_is_made_whole_by_sending_it_again() -> Result<()> {
    let (world, path, [first, _]) = one_incident().await?;
    let denied = r#"{"__type": "com.amazonaws.dynamodb.v20120810#AccessDeniedException", "message": "no"}"#;
    let decide = move |seen: &Seen| match seen.operation.as_str() {
        "TransactWriteItems" if seen.earlier == 0 => Action::Answer(400, denied.to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    act(&api, &first, "acknowledge").await?.assert_problem(503, "between the two");
    assert_eq!(api.read(&first).await?["anomaly"]["state"], "acknowledged");
    assert_eq!(stands(&api, &path).await?.0, "open");
    acted(&api, &first, "acknowledge").await?;
    assert_eq!(stands(&api, &path).await?, ("acknowledged".to_owned(), vec!["acknowledge".to_owned()]));
    assert_eq!(told(&world).await?, ["acknowledged"]);
    assert_eq!(api.read(&first).await?["anomaly"]["history"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[tokio::test]
async fn steps_whose_answers_were_lost_are_made_and_told_once() -> Result<()> {
    let (world, path, _) = one_incident().await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "TransactWriteItems" | "PutItem" if seen.earlier.is_multiple_of(2) => Action::LoseAnswer,
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    for (action, state, events) in [
        ("acknowledge", "acknowledged", &["acknowledged"][..]),
        ("resolve", "resolved", &["resolved"]),
        ("reopen", "open", &[]),
    ] {
        assert_eq!(acted(&api, &path, action).await?["state"], state);
        assert_eq!(told(&world).await?, events, "{action}");
    }
    assert_eq!(stands(&api, &path).await?.1, ["acknowledge", "resolve", "reopen"]);
    assert!(proxy.count("TransactWriteItems") >= 6, "{}", proxy.count("TransactWriteItems"));
    assert_eq!(notices(&world).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn ten_at_the_same_time_make_one_step_and_one_notice() -> Result<()> {
    let (world, path, _) = one_incident().await?;
    let api = world.api().await?;
    for (action, state, events) in [
        ("acknowledge", "acknowledged", &["acknowledged"][..]),
        ("resolve", "resolved", &["resolved"]),
        ("reopen", "open", &[]),
    ] {
        let answers = (0..10).map(|person| {
            let claims = json!({ "scope": SCOPES, "sub": format!("person {person}") });
            let (api, path) = (api.with_claims(claims), path.clone());
            async move { act(&api, &path, action).await }
        });
        for answer in try_join_all(answers).await? {
            assert_eq!((answer.status, &answer.json["state"]), (200, &json!(state)), "{}", answer.text);
        }
        assert_eq!(told(&world).await?, events, "{action}");
    }
    assert_eq!(stands(&api, &path).await?.1.len(), 3);
    assert_eq!((world.incidents().await?.len(), notices(&world).await?.len()), (1, 2));
    Ok(())
}

#[tokio::test]
async fn a_notice_that_cannot_be_sent_waits_for_the_next_run() -> Result<()> {
    let (world, path, _) = one_incident().await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::Answer(403, "<ErrorResponse/>".to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    assert_eq!(acted(&api, &path, "acknowledge").await?["state"], "acknowledged");
    assert_eq!(notices(&world).await?, BTreeSet::from([pair("acknowledged", "pending")]));
    assert_eq!((told(&world).await?.len(), proxy.count("Publish")), (0, 1));
    let claimed = world.all_items().await?.iter().any(|item| item.contains_key("alert_claim_until"));
    assert!(!claimed, "the next run need not wait for the claim to end");
    // A later alert must not overtake the pending one.
    let api = world.api().await?;
    acted(&api, &path, "resolve").await?;
    assert_eq!(told(&world).await?, [""; 0]);
    let summary = run(&world.app().await?, &hourly("2026-11-21T14:00:00Z")).await?;
    assert_eq!(
        (summary.alerts_published, told(&world).await?),
        (2, vec!["acknowledged".to_owned(), "resolved".to_owned()])
    );
    assert_eq!(
        notices(&world).await?,
        BTreeSet::from([pair("acknowledged", "sent"), pair("resolved", "sent")])
    );
    Ok(())
}

#[tokio::test]
async fn nobody_reads_of_an_end_before_its_beginning() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("c", at(END), 5e7)).await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::Answer(403, "<ErrorResponse/>".to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    failure(run(&world.app_with(&[], &world.aws_at(&proxy.url).await).await?, &hourly(END)).await);
    let api = world.api().await?;
    let path = format!("/v1/incidents/{}.compute_time.spike.Yw", at(END).as_millisecond());
    assert_eq!(acted(&api, &path, "resolve").await?["state"], "resolved");
    assert_eq!(told(&world).await?, [""; 0]);
    run(&world.later_app().await?, &hourly(END)).await?;
    assert_eq!(told(&world).await?, ["opened", "resolved"]);
    Ok(())
}

#[tokio::test]
async fn fifty_steps_are_kept_and_no_more() -> Result<()> {
    static CLOCK: AtomicI64 = AtomicI64::new(0);
    let clock = || {
        let seconds = CLOCK.fetch_add(1, Ordering::Relaxed);
        SystemTime::from(at(NOW) + SignedDuration::from_secs(seconds))
    };
    let (world, path, [first, _]) = one_incident().await?;
    let api = world.api_at(clock, &[], &world.aws).await?;
    let note = json!({ "note": "🦀".repeat(1_000) });
    for step in 0..50 {
        let action = if step % 2 == 0 { "acknowledge" } else { "reopen" };
        let answer = api.post(&format!("{path}/{action}"), &note).await?;
        assert_eq!(answer.status, 200, "step {step}: {}", answer.text);
    }
    act(&api, &path, "acknowledge").await?.assert_problem(409, "step 51");
    acted(&api, &path, "reopen").await?;
    assert_eq!(acted(&api, &first, "acknowledge").await?["state"], "acknowledged", "the anomaly can");
    let (state, history) = stands(&api, &path).await?;
    assert_eq!((state.as_str(), history.len()), ("open", 50));
    let too_long = api.post(&format!("{path}/resolve"), &json!({ "note": "x".repeat(1_001) })).await?;
    too_long.assert_invalid("note", "at most 1000 characters", "a long note");
    api.send("POST", &format!("{path}/resolve"), &[], b"[]".to_vec()).await?.assert_problem(400, "a list");
    Ok(())
}

/// Gives feedback on an incident, which must be taken.
async fn says(api: &Api, path: &str, kind: &str, note: &str) -> Result<()> {
    let answer = api.post(&format!("{path}/feedback"), &json!({ "kind": kind, "note": note })).await?;
    ensure!(answer.status == 200, "{kind}: {}", answer.text);
    Ok(())
}

#[tokio::test]
async fn a_confirmation_that_cannot_be_sent_waits_and_is_told_once_also_after_the_end() -> Result<()> {
    let (world, path, _) = one_incident().await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::Answer(403, "<ErrorResponse/>".to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let broken = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    says(&broken, &path, "confirmed", "a stolen key").await?;
    assert_eq!(stands(&broken, &path).await?, ("open".to_owned(), vec!["confirmed".to_owned()]));
    assert_eq!(notices(&world).await?, BTreeSet::from([pair("confirmed", "pending")]));
    let api = world.api().await?;
    says(&api, &path, "confirmed", "sure").await?;
    acted(&api, &path, "resolve").await?;
    assert_eq!(told(&world).await?, [""; 0], "nothing overtakes the pending one");
    let summary = run(&world.app().await?, &hourly("2026-11-21T14:00:00Z")).await?;
    let expected = vec!["confirmed".to_owned(), "resolved".to_owned()];
    assert_eq!((summary.alerts_published, told(&world).await?), (2, expected));

    // The mind is changed, and changed back after the end.
    says(&api, &path, "false_alarm", "a test").await?;
    assert_eq!(told(&world).await?, [""; 0]);
    says(&api, &path, "confirmed", "no, stolen").await?;
    assert_eq!(told(&world).await?, ["confirmed"]);
    assert_eq!(stands(&api, &path).await?.0, "resolved");
    Ok(())
}

#[tokio::test]
async fn people_who_confirm_at_the_same_time_publish_one_event() -> Result<()> {
    let (world, path, _) = one_incident().await?;
    let api = world.api().await?;
    let all = (0..4).map(|person| {
        let claims = json!({ "scope": SCOPES, "sub": format!("person {person}") });
        let (api, path) = (api.with_claims(claims), path.clone());
        async move { says(&api, &path, "confirmed", "real").await }
    });
    try_join_all(all).await?;
    assert_eq!((told(&world).await?, stands(&api, &path).await?.1.len()), (vec!["confirmed".to_owned()], 4));
    let items = world.all_items().await?;
    assert_eq!(items.iter().filter(|item| text(item, "type") == "incident_notice").count(), 1);
    Ok(())
}
