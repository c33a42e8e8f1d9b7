//! Incidents in the API: each is listed once. Each action of a person has its effect once and is sent once. Runs keep
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use detection::incident::{Around, Figures, Observation, Rules, Seen as Sight, Step, Subject, advance};
use detection::{CustomerId, Direction, Incident, IncidentState, MetricName, Severity};
use e2e::api::{Answer, NOW, SCOPES};
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, Event, at, compute_by_window, failure, figures, hourly, run, steady_then, text};
use e2e::{Api, World};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::StoreConfig;
use store::{AnomalyStore, Change, Changed, IncidentItem, Writer};

const METRICS: [&str; 4] = ["api_calls", "bandwidth", "storage_peak", "compute_time"];
const STATES: [IncidentState; 4] =
    [IncidentState::Open, IncidentState::Acknowledged, IncidentState::Resolved, IncidentState::Accepted];

/// The last window of the first incidents.
const FIRST: &str = "2026-11-21T09:00:00Z";

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn path_of(incident: &Incident) -> String {
    format!("/v1/incidents/{}", incident.id())
}

/// An incident of one anomaly.
fn made(
    customer: &str,
    metric: &str,
    direction: Direction,
    severity: Severity,
    end: Timestamp,
) -> Result<Incident> {
    let (customer_id, metric) = (CustomerId::new(customer)?, MetricName::new(metric)?);
    let figures = Figures { current_value: 9e3, baseline_mean: 1e3, baseline_stddev: 10.0, z_score: 100.0 };
    let observation =
        Observation { window_end: end, seen: Sight::Anomalous(severity), figures, seen_by: 24, change: None };
    let rules = Rules {
        resolve_after: 2,
        reopen_within: hours(6),
        accept_after: hours(72),
        repeat_interval: hours(24),
        min_severity: Severity::Critical,
    };
    match advance(None, &Subject { customer_id, metric, direction }, &observation, &Around::default(), &rules)
    {
        Step::Become { incident, .. } => Ok(*incident),
        other => anyhow::bail!("{other:?}"),
    }
}

/// Stores incidents as a run does. Each expires this many seconds after [`NOW`].
async fn store(world: &World, incidents: &[Incident], lasting: impl Fn(usize) -> i64) -> Result<()> {
    let config = StoreConfig { table: world.table.clone(), retention_days: 90 };
    let store = AnomalyStore::new(&config, &world.aws);
    for (number, incident) in incidents.iter().enumerate() {
        let text = Some("a sentence".to_owned());
        let item = IncidentItem::after(None, incident.clone(), "units", text, store.retention());
        let item = IncidentItem { ttl: at(NOW).as_second() + lasting(number), ..item };
        let writer = Writer { run_id: "made", now: at(NOW) };
        let changed =
            store.change(Change { from: None, to: &item, alert: None, told_by: None }, writer).await?;
        ensure!(matches!(changed, Changed::Done), "{incident:?}: {changed:?}");
    }
    Ok(())
}

/// 56 incidents of different subjects and of all kinds. Fourteen of each of four hours changed last in the same window.
fn many() -> Result<Vec<Incident>> {
    let one = |number: usize| -> Result<Incident> {
        let end = at(FIRST) + hours(number as i64 / 14);
        let direction = [Direction::Spike, Direction::Drop][number / 28 % 2];
        let severity = if number.is_multiple_of(3) { Severity::Critical } else { Severity::Warning };
        let (customer, metric) = (format!("c{}", number % 7), METRICS[number / 7 % 4]);
        let incident = made(&customer, metric, direction, severity, end)?;
        Ok(Incident { state: STATES[number % 4], opened_at: end - hours(number as i64 % 5), ..incident })
    };
    (0..56).map(one).collect()
}

/// All list pages of a list: the ids in order, and the lengths of the list pages.
async fn pages(api: &Api, query: &str) -> Result<(Vec<String>, Vec<usize>)> {
    let (mut ids, mut lengths, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = api.read(&format!("/v1/incidents?{query}{cursor}")).await?;
        let incidents = page["incidents"].as_array().context("incidents")?;
        assert!(incidents.iter().all(|incident| incident.get("history").is_none()), "{page}");
        assert!(incidents.is_sorted_by_key(|one| std::cmp::Reverse(one["last_window"].as_i64())), "{page}");
        lengths.push(incidents.len());
        ids.extend(incidents.iter().filter_map(|one| one["incident_id"].as_str().map(str::to_owned)));
        match &page["next_cursor"] {
            Value::Null => return Ok((ids, lengths)),
            next => cursor = format!("&cursor={}", next.as_str().context("a cursor")?),
        }
        assert!(lengths.len() <= 100, "{query}: pages without an end");
    }
}

/// Lists in list pages of three. Fails unless exactly these incidents come, each once, the last changed first, in full
/// list pages.
async fn assert_listed(api: &Api, query: &str, expected: &[&Incident]) -> Result<()> {
    let (ids, lengths) = pages(api, &format!("limit=3{query}")).await?;
    let times: BTreeMap<_, _> = expected.iter().map(|one| (one.id().to_string(), one.last_window)).collect();
    assert!(ids.is_sorted_by_key(|id| std::cmp::Reverse(times.get(id))), "{query}: {ids:?}");
    let (found, all): (BTreeSet<_>, BTreeSet<_>) = (ids.iter().collect(), times.keys().collect());
    assert_eq!((ids.len(), found), (expected.len(), all), "{query}");
    let full = &lengths[..lengths.len() - 1];
    assert!(full.iter().all(|length| *length == 3), "{query}: {lengths:?}");
    assert!(expected.is_empty() || lengths.last() != Some(&0), "{query}: {lengths:?}");
    Ok(())
}

#[tokio::test]
async fn pages_of_three_bring_each_incident_once_with_every_filter() -> Result<()> {
    let (world, made) = (World::new().await?, many()?);
    store(&world, &made, |_| 90).await?;
    let api = world.api().await?;
    type Keep = fn(&Incident) -> bool;
    let places: [(&str, Keep); 4] = [
        ("", |_| true),
        ("&customer_id=c3", |one| one.subject.customer_id.as_str() == "c3"),
        ("&metric=bandwidth", |one| one.subject.metric.as_str() == "bandwidth"),
        ("&metric=api_calls&customer_id=c2", |one| {
            one.subject.metric.as_str() == "api_calls" && one.subject.customer_id.as_str() == "c2"
        }),
    ];
    let filters: [(&str, Keep); 12] = [
        ("", |_| true),
        ("&severity=critical", |one| one.severity == Severity::Critical),
        ("&severity=warning&direction=drop", |one| {
            one.severity == Severity::Warning && one.subject.direction == Direction::Drop
        }),
        ("&direction=spike", |one| one.subject.direction == Direction::Spike),
        ("&state=open", |one| one.state == IncidentState::Open),
        ("&state=acknowledged", |one| one.state == IncidentState::Acknowledged),
        ("&state=resolved", |one| one.state == IncidentState::Resolved),
        ("&state=accepted&severity=critical", |one| {
            one.state == IncidentState::Accepted && one.severity == Severity::Critical
        }),
        ("&from=2026-11-21T11:00:00Z", |one| one.last_window >= at("2026-11-21T11:00:00Z")),
        ("&to=2026-11-21T11:00:00Z", |one| one.last_window < at("2026-11-21T11:00:00Z")),
        ("&from=2026-11-21T10:00:00Z&to=2026-11-21T11:00:00.001Z&state=open", |one| {
            let window = at("2026-11-21T10:00:00Z")..=at("2026-11-21T11:00:00Z");
            window.contains(&one.last_window) && one.state == IncidentState::Open
        }),
        ("&from=2026-11-21T12:00:00.001Z", |_| false),
    ];
    for (place, of_place) in places {
        for (filter, kept) in filters {
            let expected: Vec<_> = made.iter().filter(|one| of_place(one) && kept(one)).collect();
            assert_listed(&api, &format!("{place}{filter}"), &expected).await?;
        }
        let is_own = |one: &&Incident| of_place(one) && one.subject.customer_id.as_str() == "c3";
        if !place.contains("c2") {
            assert_listed(&api.as_customer("c3"), place, &made.iter().filter(is_own).collect::<Vec<_>>())
                .await?;
        }
    }
    for place in ["", "&customer_id=c5"] {
        let (all, _) = pages(&api, &format!("limit=100{place}")).await?;
        assert_eq!(
            pages(&api, &format!("limit=1{place}")).await?.0,
            all,
            "the order does not hang on the length"
        );
    }
    assert_eq!(api.read("/v1/incidents").await?["incidents"].as_array().map(Vec::len), Some(20));
    Ok(())
}

#[tokio::test]
async fn expired_items_are_shown_nowhere() -> Result<()> {
    let (world, made) = (World::new().await?, many()?);
    // The item exists until the second of its expiry.
    store(&world, &made, |number| if number % 2 == 0 { -1 } else { 0 }).await?;
    let api = world.api().await?;
    let left: Vec<_> = made.iter().skip(1).step_by(2).collect();
    assert_listed(&api, "", &left).await?;
    for customer in 0..7 {
        let customer = format!("c{customer}");
        let own: Vec<_> =
            left.iter().copied().filter(|one| one.subject.customer_id.as_str() == customer).collect();
        assert_listed(&api, &format!("&customer_id={customer}"), &own).await?;
    }
    for (number, incident) in made.iter().enumerate() {
        let answer = api.get(&path_of(incident)).await?;
        if number % 2 == 1 {
            assert_eq!(answer.status, 200, "{}", answer.text);
            continue;
        }
        answer.assert_problem(404, "expired");
        act(&api, &path_of(incident), "resolve").await?.assert_problem(404, "expired");
    }
    Ok(())
}

#[tokio::test]
async fn a_cursor_serves_its_own_list_query_and_token_only() -> Result<()> {
    let (world, made) = (World::new().await?, many()?);
    store(&world, &made, |_| 90).await?;
    world.record_many(20, "2026-11-21T12:00:00Z").await?;
    let api = world.api().await?;
    let customer = api.as_customer("c2");
    let cursor_of = async |api: &Api, path: &str| -> Result<String> {
        Ok(api.read(path).await?["next_cursor"].as_str().context("a cursor")?.to_owned())
    };
    let all = cursor_of(&api, "/v1/incidents?limit=2").await?;
    let own = cursor_of(&customer, "/v1/incidents?limit=2").await?;
    let of_anomalies = cursor_of(&api, "/v1/anomalies?limit=2").await?;
    let mut changed = all.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed)?;
    for (asked, path, case) in [
        (&api, format!("/v1/incidents?metric=api_calls&cursor={all}"), "a filter more"),
        (&api, format!("/v1/incidents?state=open&cursor={all}"), "a state"),
        (&api, format!("/v1/incidents?from=now-1d&cursor={all}"), "a time"),
        (&api, format!("/v1/incidents?cursor={own}"), "that of a customer, for all"),
        (&api, format!("/v1/incidents?customer_id=c2&cursor={own}"), "that of a customer"),
        (&customer, format!("/v1/incidents?cursor={all}"), "that of the operator"),
        (&api.as_customer("c1"), format!("/v1/incidents?cursor={own}"), "that of another customer"),
        (&api, format!("/v1/incidents?cursor={of_anomalies}"), "that of another list"),
        (&api, format!("/v1/anomalies?cursor={all}"), "that of this list for another"),
        (&api, format!("/v1/incidents?cursor={changed}"), "a changed one"),
        (&api, "/v1/incidents?cursor=".to_owned(), "an empty one"),
    ] {
        let answer = asked.get(&path).await?;
        answer.assert_problem(400, case);
        assert_eq!(answer.json["parameter"], "cursor", "{case}");
    }
    assert_eq!(api.get(&format!("/v1/incidents?limit=50&cursor={all}")).await?.status, 200);
    for (query, parameter) in
        [("state=closed", "state"), ("until=now", "until"), ("from=now&to=now", "from"), ("limit=0", "limit")]
    {
        let answer = api.get(&format!("/v1/incidents?{query}")).await?;
        answer.assert_problem(400, query);
        assert_eq!(answer.json["parameter"], parameter, "{query}");
    }

    // A minute later, the same words name other times. The list pages continue in the first bounds.
    let minute_later = || SystemTime::from(at("2026-11-21T13:31:00Z"));
    let later = world.api_at(minute_later, &[], &world.aws).await?;
    for (query, customer) in [("", None), ("&customer_id=c1", Some("c1"))] {
        let path = format!("/v1/incidents?limit=2&from=now-270m&to=now-210m{query}");
        let (mut page, mut ids) = (api.read(&path).await?, BTreeSet::new());
        loop {
            let incidents = page["incidents"].as_array().context("incidents")?;
            ids.extend(incidents.iter().filter_map(|one| one["incident_id"].as_str().map(str::to_owned)));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            page = later.read(&format!("{path}&cursor={cursor}")).await?;
        }
        let of = |one: &&Incident| customer.is_none_or(|id| one.subject.customer_id.as_str() == id);
        let expected: BTreeSet<_> = made[..14].iter().filter(of).map(|one| one.id().to_string()).collect();
        assert_eq!(ids, expected, "{query}");
    }
    Ok(())
}

/// A world with a critical spike that two runs saw, its incident's path, and the paths of its two anomalies.
async fn one_incident() -> Result<(World, String, [String; 2])> {
    let world = World::new().await?;
    world.insert(&steady_then("c", at(END), 5e7)).await?;
    let app = world.app().await?;
    for age in [1, 0] {
        run(&app, &hourly(&(at(END) - hours(age)).to_string())).await?;
    }
    let opened = world.alerts().await?;
    assert!(opened.len() == 1 && opened[0]["event"] == "opened", "{opened:?}");
    let [first, last] = [at(END) - hours(1), at(END)].map(|end| end.as_millisecond());
    let anomalies = [first, last].map(|end| format!("/v1/anomalies/{end}.compute_time.Yw"));
    Ok((world, format!("/v1/incidents/{first}.compute_time.spike.Yw"), anomalies))
}

async fn act(api: &Api, path: &str, action: &str) -> Result<Answer> {
    api.post(&format!("{path}/{action}"), &json!({})).await
}

/// The same for an action that must succeed.
async fn acted(api: &Api, path: &str, action: &str) -> Result<Value> {
    let answer = act(api, path, action).await?;
    assert_eq!(answer.status, 200, "{action} {path}: {}", answer.text);
    Ok(answer.json)
}

/// The state of an incident, and the actions on it.
async fn stands(api: &Api, path: &str) -> Result<(String, Vec<String>)> {
    let incident = api.read(path).await?["incident"].take();
    let history = incident["history"].as_array().context("a history")?;
    let actions = history.iter().filter_map(|entry| entry["action"].as_str().map(str::to_owned)).collect();
    Ok((incident["state"].as_str().context("a state")?.to_owned(), actions))
}

/// The events that were published since the last call.
async fn told(world: &World) -> Result<Vec<String>> {
    let alerts = world.alerts().await?;
    Ok(alerts.iter().filter_map(|alert| alert["event"].as_str().map(str::to_owned)).collect())
}

/// The notices of the table: event and state of the alert.
async fn notices(world: &World) -> Result<BTreeSet<(String, String)>> {
    let items = world.all_items().await?;
    let notices = items.iter().filter(|item| text(item, "type") == "incident_notice");
    Ok(notices.map(|item| (text(item, "event"), text(item, "alert_state"))).collect())
}

fn pair(event: &str, state: &str) -> (String, String) {
    (event.to_owned(), state.to_owned())
}

#[tokio::test]
async fn an_incident_is_shown_with_all_that_is_known_of_it() -> Result<()> {
    let (world, path, anomalies) = one_incident().await?;
    let api = world.api().await?;
    let newest = api.read(&anomalies[1]).await?["anomaly"].take();
    let shown = api.read(&path).await?;
    let end = at(END).as_millisecond();
    let incident = &shown["incident"];
    for (name, expected) in [
        ("incident_id", &json!(path.rsplit('/').next())),
        ("customer_id", &json!("c")),
        ("metric", &json!("compute_time")),
        ("unit", &json!("ms")),
        ("direction", &json!("spike")),
        ("state", &json!("open")),
        ("severity", &json!("critical")),
        ("opened_at", &json!(end - 3_600_000)),
        ("last_seen", &json!(end)),
        ("last_window", &json!(end)),
        ("closed_at", &Value::Null),
        ("over_at", &Value::Null),
        ("anomalies", &json!(2)),
        ("description", &newest["description"]),
        ("last_page", &json!({ "event": "opened", "window_end": end - 3_600_000, "single": true })),
        ("history", &json!([])),
        ("expires_at", &newest["expires_at"]),
    ] {
        assert_eq!(incident[name], *expected, "{name}");
    }
    for name in ["current_value", "baseline_mean", "baseline_stddev", "z_score"] {
        assert_eq!(incident["latest"][name], newest[name], "{name}");
    }
    assert_eq!(incident["peak_z_score"], newest["z_score"]);
    assert_eq!(shown["investigation_steps"], newest["investigation_steps"]);
    assert!(shown["investigation_steps"].as_array().is_some_and(|steps| steps.len() >= 3), "{shown}");
    assert_eq!(newest["incident_id"], incident["incident_id"]);
    // The link finds its anomalies and no others.
    world.insert(&steady_then("c", at(END) - hours(24), 6e7)).await?;
    run(&world.app().await?, &hourly("2026-11-20T13:00:00Z")).await?;
    let linked = api.read(shown["anomalies_link"].as_str().context("a link")?).await?;
    let ids: Vec<_> = linked["anomalies"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| one["anomaly_id"].as_str())
        .collect();
    let expected: Vec<_> = anomalies.iter().rev().filter_map(|path| path.rsplit('/').next()).collect();
    assert_eq!(ids, expected, "{linked}");
    for missing in
        ["", "x", ".spike.Yw", "1795266000000.compute_time.drop.Yw", "1795266000000.compute_time.spike.Yw"]
    {
        for action in ["acknowledge", "resolve", "reopen"] {
            act(&api, &format!("/v1/incidents/{missing}"), action).await?.assert_problem(404, missing);
        }
        api.get(&format!("/v1/incidents/{missing}")).await?.assert_problem(404, missing);
    }
    Ok(())
}

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

#[tokio::test]
async fn a_check_leaves_out_the_windows_that_the_run_left_out() -> Result<()> {
    let world = World::new().await?;
    let (yesterday, app) = (at(END) - hours(24), world.app().await?);
    let usual = |age: usize| 7_200_000.0 + 60_000.0 * (age % 5) as f64;
    let windows: Vec<_> = (0..32)
        .map(|age| {
            Some(match age {
                0 => 4e7,
                1 => 5e7,
                _ => usual(age),
            })
        })
        .collect();
    world.insert(&compute_by_window("c", at(END), &windows)).await?;
    world.insert(&steady_then("other", at(END), 5e7)).await?;
    for end in [yesterday, at(END)] {
        run(&app, &hourly(&end.to_string())).await?;
    }
    let api = world.api().await?;
    let id = format!("/v1/anomalies/{}.compute_time.Yw", at(END).as_millisecond());
    let detail = api.read(&id).await?;
    let stored = &detail["anomaly"];
    assert_eq!((&stored["excluded_windows"], &stored["sample_count"]), (&json!(1), &json!(29)), "{stored}");
    let body = json!({ "customer_ids": ["other", "c"], "metrics": ["api_calls", "compute_time"] });
    let checks = api.check_many(&body).await?;
    for check in [&api.check("c", "compute_time", "").await?, &checks[3]] {
        for (name, found) in [
            ("sample_count", &check["baseline"]["sample_count"]),
            ("excluded_windows", &check["baseline"]["excluded_windows"]),
            ("baseline_mean", &check["baseline"]["mean"]),
            ("baseline_stddev", &check["baseline"]["stddev"]),
            ("z_score", &check["z_score"]),
            ("severity", &check["severity"]),
            ("incident_id", &check["incident_id"]),
        ] {
            assert_eq!(*found, stored[name], "{name} of {check}");
        }
    }
    // Neither the incident of another metric nor that of another customer.
    for (number, incident) in [(0, false), (1, true), (2, false)] {
        let check = &checks[number];
        assert_eq!(
            (&check["baseline"]["excluded_windows"], check["incident_id"].is_string()),
            (&json!(0), incident),
            "{check}"
        );
    }
    let before = api.check("c", "compute_time", &format!("&current_end={yesterday}")).await?;
    assert_eq!(
        (&before["baseline"]["excluded_windows"], &before["severity"]),
        (&json!(0), &json!("critical"))
    );
    assert_eq!(before["incident_id"], stored["incident_id"]);

    // The usual values, and the windows around the anomaly, leave it out as well.
    let baselines = api.read("/v1/customers/c/baselines").await?["baselines"].take();
    assert_eq!(
        (&baselines[3]["mean"], &baselines[3]["stddev"]),
        (&stored["baseline_mean"], &stored["baseline_stddev"])
    );
    assert_eq!((&baselines[3]["sample_count"], &baselines[3]["excluded_windows"]), (&json!(29), &json!(1)));
    assert!(baselines[3]["max"].as_f64().is_some_and(|max| max < 8e6), "{baselines}");
    let counted: Vec<_> = detail["baseline_windows"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["counted"] == true)
        .collect();
    assert_eq!(
        (counted.len(), counted[0], counted.iter().filter(|counted| **counted).count()),
        (30, false, 29)
    );
    let hour = &detail["hours"][12]["baseline"];
    assert_eq!((&hour["sample_count"], &hour["excluded_windows"]), (&json!(29), &json!(1)), "{hour}");
    Ok(())
}
