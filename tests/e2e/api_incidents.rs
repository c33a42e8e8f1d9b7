//! Incidents in the API: each is listed once. Each action of a person has its effect once and is sent once. Runs keep
//! it.

mod actions;
mod lists;
mod related;
mod slack;
mod telegram;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use detection::incident::{Around, Figures, Observation, Rules, Seen as Sight, Step, Subject, advance};
use detection::{CustomerId, Direction, EntityPath, Incident, IncidentState, MetricName, Severity};
use e2e::api::{Answer, NOW, SCOPES};
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, Event, at, compute_by_window, failure, figures, hourly, run, steady_then, text};
use e2e::{Api, World};
use environment::Env;
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::StoreConfig;
use store::{AnomalyStore, Change, Changed, IncidentItem, Writer};
use tokio::time::Instant;

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
    let observation = Observation {
        window_end: end,
        seen: Sight::Anomalous(severity),
        figures,
        seen_by: 24,
        change: None,
        cost: None,
    };
    let rules = Rules {
        resolve_after: 2,
        reopen_within: hours(6),
        accept_after: hours(72),
        repeat_interval: hours(24),
        min_severity: Severity::Critical,
    };
    match advance(
        None,
        &Subject { customer_id, entity: None, metric, direction },
        &observation,
        &Around::default(),
        &rules,
    ) {
        Step::Become { incident, .. } => Ok(*incident),
        other => anyhow::bail!("{other:?}"),
    }
}

/// Stores incidents as a run does. Each expires this many seconds after [`NOW`].
async fn store(world: &World, incidents: &[Incident], lasting: impl Fn(usize) -> i64) -> Result<()> {
    let config = StoreConfig::of_table(world.table.clone(), 90);
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

/// Delivers an alert by a notifier with these channels, in the world's table.
async fn deliver(world: &World, channels: &str, alert: &Value) -> Result<()> {
    let variables = [
        ("ANOMALIES_TABLE", world.table.as_str()),
        ("NOTIFIER_CONFIG", channels),
        ("OPS_TOPIC_ARN", &world.topic_arn),
        ("ALLOW_LOOPBACK", "true"),
    ];
    let mut notifier = notifier::App::from_env(&Env::of(&variables), &world.aws, world::now).await?;
    notifier.gather = Duration::ZERO;
    let event = json!({ "Records": [{ "Sns": { "Message": alert.to_string() } }] });
    let summary = notifier::handle(&notifier, &event, Instant::now() + Duration::from_secs(60)).await?;
    ensure!(summary.sent == 1, "{summary:?}");
    Ok(())
}

/// The ARN of a secret of a world.
async fn secret_of(world: &World, name: &str, text: &str) -> Result<String> {
    let client = aws_sdk_secretsmanager::Client::new(&world.aws);
    let secret = client.create_secret().name(format!("{}-{name}", world.table)).secret_string(text);
    secret.send().await?.arn.context("a secret without an ARN")
}

/// A secret of the tests. `tools/checks/secrets_of_tests.py` searches all that the tests leave behind for parts of it.
fn planted(name: &str) -> Result<String> {
    let channels: Value = serde_json::from_str(include_str!("../channels.json"))?;
    Ok(channels["secrets"][name].as_str().with_context(|| format!("no secret {name}"))?.to_owned())
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
