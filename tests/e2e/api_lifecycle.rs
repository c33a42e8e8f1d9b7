//! Actions on an anomaly: each has its effect once, with its author, while others act at the same time. Later runs of
//! the detector keep all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use e2e::api::{Answer, NOW, SCOPES};
use e2e::data::Made;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, failure, figures, hourly, run, text};
use e2e::{Api, World};
use futures::future::try_join_all;
use serde_json::{Value, json};

/// A world with one anomaly, and its address.
async fn one_anomaly() -> Result<(World, Made, String)> {
    let world = World::new().await?;
    let made = world.record_many(1, END).await?.remove(0);
    let path = format!("/v1/anomalies/{}", made.id()?);
    Ok((world, made, path))
}

async fn act(api: &Api, path: &str, action: &str) -> Result<Answer> {
    api.post(&format!("{path}/{action}"), &json!({})).await
}

/// The state of an anomaly, and the actions on it.
async fn stands(api: &Api, path: &str) -> Result<(String, Vec<Value>)> {
    let anomaly = api.read(path).await?["anomaly"].take();
    let history = anomaly["history"].as_array().context("a history")?.clone();
    Ok((anomaly["state"].as_str().context("a state")?.to_owned(), history))
}

#[tokio::test]
async fn every_action_from_every_state() -> Result<()> {
    let (world, _, path) = one_anomaly().await?;
    let api = world.api().await?;
    let mut steps = Vec::new();
    for (action, status, state) in [
        ("reopen", 200, "open"),
        ("acknowledge", 200, "acknowledged"),
        ("acknowledge", 200, "acknowledged"),
        ("reopen", 200, "open"),
        ("resolve", 200, "resolved"),
        ("resolve", 200, "resolved"),
        ("acknowledge", 409, "resolved"),
        ("reopen", 200, "open"),
        ("acknowledge", 200, "acknowledged"),
        ("resolve", 200, "resolved"),
        ("reopen", 200, "open"),
    ] {
        let (before, _) = stands(&api, &path).await?;
        let answer = act(&api, &path, action).await?;
        assert_eq!(answer.status, status, "{action} from {before}: {}", answer.text);
        if status == 409 {
            answer.assert_problem(409, action);
            assert!(answer.text.contains("reopen it before you acknowledge it"), "{}", answer.text);
        } else {
            assert_eq!(answer.json["state"], state, "{action} from {before}");
        }
        if before != state {
            steps.push(action);
        }
        let (now, history) = stands(&api, &path).await?;
        let actions: Vec<_> = history.iter().filter_map(|entry| entry["action"].as_str()).collect();
        assert_eq!((now.as_str(), &actions), (state, &steps), "after {action} from {before}");
    }
    Ok(())
}

#[tokio::test]
async fn a_step_is_kept_with_its_author_time_and_note() -> Result<()> {
    let (world, made, path) = one_anomaly().await?;
    let (api, customer) = (world.api().await?, world.api().await?.as_customer(&made.customer));
    let note = "load test 客\n\"planned\"";
    // A repetition changes nothing, except that a new note is kept.
    for (note, steps) in [(note, 1), (note, 1), ("it goes on", 2), ("", 2), (note, 2)] {
        let answer = customer.post(&format!("{path}/acknowledge"), &json!({ "note": note })).await?;
        assert_eq!((answer.status, &answer.json["state"]), (200, &json!("acknowledged")), "{}", answer.text);
        assert_eq!(stands(&api, &path).await?.1.len(), steps, "{note}");
    }
    let claims = json!({ "sub": "0-1-2", "email": "ops@example.com", "username": "ops", "scope": SCOPES });
    let resolve = format!("{path}/resolve");
    let resolved =
        api.with_claims(claims).post(&resolve, &json!({ "note": "their invoice is unpaid" })).await?;
    assert_eq!(resolved.status, 200, "{}", resolved.text);
    assert_eq!(api.send("POST", &resolve, &[], Vec::new()).await?.status, 200, "no body is no note");
    let (at, user) = (at(NOW).as_millisecond(), format!("user of {}", made.customer));
    let mut expected = vec![
        json!({ "action": "acknowledge", "actor": user, "at": at, "note": note }),
        json!({ "action": "acknowledge", "actor": user, "at": at, "note": "it goes on" }),
        json!({ "action": "resolve", "actor": "ops", "at": at, "note": "their invoice is unpaid" }),
    ];
    assert_eq!(stands(&api, &path).await?, ("resolved".to_owned(), expected.clone()));
    // The customer sees that it was resolved, but not by whom or why.
    expected[2] = json!({ "action": "resolve", "actor": "operator", "at": at, "note": null });
    assert_eq!(stands(&customer, &path).await?, ("resolved".to_owned(), expected));
    let item = world.items().await?.pop().context("an item")?;
    assert_eq!(text(&item, "state"), "resolved");
    assert_eq!(item["history"].as_l().map(Vec::len), Ok(3));
    Ok(())
}

#[tokio::test]
async fn ten_at_the_same_time_make_one_step() -> Result<()> {
    let (world, _, path) = one_anomaly().await?;
    let api = world.api().await?;
    for (round, action) in ["acknowledge", "resolve", "reopen"].into_iter().enumerate() {
        let answers = (0..10).map(|person| {
            let claims = json!({ "scope": SCOPES, "sub": format!("person {person}") });
            let (api, path) = (api.with_claims(claims), path.clone());
            async move { act(&api, &path, action).await }
        });
        for answer in try_join_all(answers).await? {
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        assert_eq!(stands(&api, &path).await?.1.len(), round + 1, "{action}");
    }
    // All kinds at once: the history is a possible course of events, and the state is its end.
    let mixed = (0..12).map(|number| {
        let (api, path) = (api.clone(), path.clone());
        async move { act(&api, &path, ["acknowledge", "resolve", "reopen"][number % 3]).await }
    });
    for answer in try_join_all(mixed).await? {
        assert!([200, 409].contains(&answer.status), "{}", answer.text);
    }
    let (state, history) = stands(&api, &path).await?;
    let mut course = "open";
    for entry in &history {
        let (from, to): (&[&str], _) = match entry["action"].as_str().context("an action")? {
            "acknowledge" => (&["open"], "acknowledged"),
            "resolve" => (&["open", "acknowledged"], "resolved"),
            _ => (&["acknowledged", "resolved"], "open"),
        };
        assert!(from.contains(&course), "{entry} from {course} in {history:?}");
        course = to;
    }
    assert_eq!(state, course);
    Ok(())
}

#[tokio::test]
async fn fifty_steps_with_the_longest_notes_are_kept_and_no_more() -> Result<()> {
    let (world, _, path) = one_anomaly().await?;
    let api = world.api().await?;
    // A thousand characters of four bytes each. The item must stay within DynamoDB's limit.
    let note = json!({ "note": "🦀".repeat(1_000) });
    for step in 0..50 {
        let action = if step % 2 == 0 { "acknowledge" } else { "reopen" };
        let answer = api.post(&format!("{path}/{action}"), &note).await?;
        assert_eq!(answer.status, 200, "step {step}: {}", answer.text);
    }
    act(&api, &path, "acknowledge").await?.assert_problem(409, "step 51");
    assert_eq!(act(&api, &path, "reopen").await?.status, 200, "it is open already");
    let (state, history) = stands(&api, &path).await?;
    assert_eq!((state.as_str(), history.len()), ("open", 50));
    Ok(())
}

#[tokio::test]
async fn missing_objects_cannot_be_acted_on() -> Result<()> {
    let (world, made, path) = one_anomaly().await?;
    let api = world.api().await?;
    let missing = Made { metric: "bandwidth", ..made.clone() }.id()?;
    world.expire(&made, at(NOW).as_second() - 1).await?;
    let before = world.items().await?;
    for path in [
        path,
        format!("/v1/anomalies/{missing}"),
        format!("/v1/anomalies/{missing}x"),
        "/v1/anomalies/anything".to_owned(),
        "/v1/anomalies/..".to_owned(),
        "/v1/anomalies/99999999999999999999.api_calls.YQ".to_owned(),
    ] {
        for action in ["acknowledge", "resolve", "reopen"] {
            act(&api, &path, action).await?.assert_problem(404, &path);
        }
        api.get(&path).await?.assert_problem(404, &path);
    }
    assert_eq!(world.items().await?, before);
    Ok(())
}

#[tokio::test]
async fn the_next_run_of_the_window_keeps_what_people_did() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(2).await?;
    run(&world.app().await?, &hourly(END)).await?;
    let api = world.api().await?;
    for item in world.items().await? {
        let path = format!("/v1/anomalies/{}", text(&item, "anomaly_id"));
        assert_eq!(act(&api, &path, "acknowledge").await?.status, 200);
    }
    let items = world.items().await?;
    assert_eq!(figures(&run(&world.later_app().await?, &hourly(END)).await?), (0, 2, 0));
    assert_eq!(world.items().await?, items);
    assert_eq!(world.attribute("state").await?, ["acknowledged"; 2]);
    Ok(())
}

#[tokio::test]
async fn an_alert_that_waits_is_sent_although_somebody_acknowledged_already() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(2).await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::Answer(403, "<ErrorResponse/>".to_owned()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let error =
        failure(run(&world.app_with(&[], &world.aws_at(&proxy.url).await).await?, &hourly(END)).await);
    assert!(error.contains("2 alerts wait"), "{error}");
    let api = world.api().await?;
    let item = world.items().await?.pop().context("an item")?;
    let path = format!("/v1/anomalies/{}", text(&item, "anomaly_id"));
    let acknowledged = act(&api, &path, "acknowledge").await?;
    assert_eq!(acknowledged.json["alert_state"], "pending", "{}", acknowledged.text);
    // The notice is pending as well. It must not overtake the alert.
    assert_eq!(api.read("/v1/status").await?["pending_alerts"], 3);

    assert_eq!(figures(&run(&world.later_app().await?, &hourly(END)).await?), (0, 2, 3));
    let counts = world.alert_counts().await?;
    assert_eq!((counts.len(), counts.values().max()), (3, Some(&1)), "{counts:?}");
    let anomaly = api.read(&path).await?["anomaly"].take();
    assert_eq!((&anomaly["state"], &anomaly["alert_state"]), (&json!("acknowledged"), &json!("sent")));
    assert_eq!(api.read("/v1/status").await?["pending_alerts"], 0);
    Ok(())
}

#[tokio::test]
async fn a_step_whose_answer_was_lost_is_made_once() -> Result<()> {
    let (world, _, path) = one_anomaly().await?;
    // Only the steps count: a look at the anomaly is counted as work by an update as well.
    let updates = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&updates);
    let decide = move |seen: &Seen| {
        let is_step =
            seen.operation == "UpdateItem" && String::from_utf8_lossy(&seen.body).contains("list_append");
        match is_step && counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            true => Action::LoseAnswer,
            false => Action::Forward,
        }
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let api = world.api_with(&[], &world.aws_at(&proxy.url).await).await?;
    for (steps, action) in [(1, "acknowledge"), (2, "resolve"), (3, "reopen")] {
        let answer = act(&api, &path, action).await?;
        assert_eq!(answer.status, 200, "{action}: {}", answer.text);
        let made = updates.load(Ordering::Relaxed);
        assert_eq!((made, stands(&api, &path).await?.1.len()), (2 * steps, steps));
    }
    Ok(())
}
