//! Incidents over many runs: one page for one event, whatever happens to the runs.

mod kills;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use detection::incident::Subject;
use detection::{CustomerId, Direction, Incident, IncidentState, MetricName};
use detector::{App, Request, RunSummary};
use e2e::World;
use e2e::world::{self, END, Event, at, figures, hourly, run, steady_then, text};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use store::{Change, Changed, IncidentItem, Writer};

pub(crate) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn hourly_at(time: Timestamp) -> Request {
    Request { time, ..hourly(END) }
}

/// Usage of every hour, from 31 days before `start` on, a little different from hour to hour.
pub(crate) fn steady_hours(customer: &str, start: Timestamp, count: i64) -> Vec<Event> {
    (-31 * 24..count)
        .map(|hour| {
            let usage = 300_000.0
                + 20_000.0 * ((hour * 7).rem_euclid(11) as f64)
                + 500.0 * (hour.rem_euclid(5) as f64);
            Event::compute(customer, start + hours(hour) + SignedDuration::from_mins(20), usage)
        })
        .collect()
}

async fn run_at(app: &App, time: Timestamp) -> Result<RunSummary> {
    run(app, &hourly_at(time)).await
}

#[tokio::test]
async fn a_spike_of_an_hour_is_24_anomalies_one_incident_one_page_and_one_resolve() -> Result<()> {
    let (world, start) = (World::new().await?, at(END));
    world.insert(&steady_hours("c", start, 48)).await?;
    world.insert(&[Event::compute("c", start + SignedDuration::from_mins(30), 9e7)]).await?;
    let app = world.app().await?;
    let mut incidents = BTreeMap::new();
    for hour in 0..30 {
        let summary = run_at(&app, start + hours(hour)).await?;
        assert_eq!(summary.anomalies_found, u64::from((1..=24).contains(&hour)), "hour {hour}");
        for (became, count) in summary.incidents {
            *incidents.entry(became).or_insert(0) += count;
        }
    }
    assert_eq!(incidents, BTreeMap::from([("opened".to_owned(), 1), ("resolved".to_owned(), 1)]));
    let (items, incidents) = (world.items().await?, world.incidents().await?);
    assert_eq!((items.len(), incidents.len()), (24, 1));
    let incident = &incidents[0];
    let id = text(incident, "incident_id");
    assert!(items.iter().all(|item| text(item, "incident_id") == id));
    assert!(items.iter().all(|item| text(item, "state") == "resolved"), "they close with their incident");
    let opened = (start + hours(1)).as_millisecond();
    assert_eq!(id, format!("{opened}.compute_time.spike.Yw"));
    assert_eq!(text(incident, "sk"), format!("INCIDENT#compute_time#spike#{opened}"));
    assert_eq!(
        ["state", "anomalies", "severity"].map(|name| text(incident, name)),
        ["resolved", "24", "critical"]
    );
    assert_eq!(text(incident, "closed_at"), (start + hours(27)).as_millisecond().to_string());
    let alerts = world.alerts().await?;
    let told: Vec<_> = alerts.iter().map(|alert| [&alert["event"], &alert["incident_id"]]).collect();
    assert_eq!(told, [["opened", &*id], ["resolved", &*id]], "{alerts:#?}");
    assert_eq!(alerts[1]["incident"]["anomalies"], 24);
    assert_eq!(world.attribute("pending_alert").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_level_that_stays_is_reminded_of_and_becomes_the_new_normal() -> Result<()> {
    let (world, start) = (World::new().await?, at(END));
    world.insert(&steady_hours("c", start, 0)).await?;
    let tenfold: Vec<_> = steady_hours("c", start, 24 * 8)
        .into_iter()
        .filter(|event| event.at >= start)
        .map(|event| Event::compute("c", event.at, 10.0 * event.properties["cpu_ms"].as_f64().unwrap_or(0.0)))
        .collect();
    world.insert(&tenfold).await?;
    let mut app = world.app_with(&[("REPEAT_INTERVAL_HOURS", "48")], &world.aws).await?;
    app.clock = || world::now() + Duration::from_secs(30 * 86_400);
    // Every third hour is enough, because a missing run changes nothing.
    for hour in (24..24 * 7).step_by(3) {
        run_at(&app, start + hours(hour)).await?;
    }
    let told: Vec<_> = world
        .alerts()
        .await?
        .iter()
        .map(|alert| {
            let at: Timestamp = alert["detected_at"].as_str().unwrap_or_default().parse().unwrap_or_default();
            (alert["event"].as_str().unwrap_or_default().to_owned(), at.duration_since(start).as_hours())
        })
        .collect();
    let told: Vec<_> = told.iter().map(|(event, hour)| (event.as_str(), *hour)).collect();
    assert_eq!(told, [("opened", 24), ("reminder", 72), ("accepted", 96)]);
    let incidents = world.incidents().await?;
    assert_eq!((incidents.len(), text(&incidents[0], "state")), (1, "accepted".to_owned()));

    // The baseline leaves out the windows of an open incident, so the incident is found in each run.
    let by_time = |hour: i64, name: &str| {
        let end = (start + hours(hour)).as_millisecond().to_string();
        let name = name.to_owned();
        let world = &world;
        async move {
            let items = world.items().await?;
            let item = items.into_iter().find(|item| text(item, "window_end") == end);
            Ok::<_, anyhow::Error>(item.map(|item| text(&item, &name)).unwrap_or_default())
        }
    };
    assert_eq!([by_time(24, "excluded_windows").await?, by_time(24, "sample_count").await?], ["0", "30"]);
    assert_eq!([by_time(72, "excluded_windows").await?, by_time(72, "sample_count").await?], ["2", "28"]);
    // Accepted at hour 96. From then on its windows count, and the level is usual.
    assert_eq!([by_time(96, "excluded_windows").await?, by_time(150, "excluded_windows").await?], ["3", ""]);
    Ok(())
}

#[tokio::test]
async fn a_mute_opens_incidents_that_page_nobody() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("c", at(END), 5e7)).await?;
    let store = &world.app().await?.store;
    let mute =
        r#"{"mutes": [{"metric": "compute_time", "until": "2026-11-21T14:00:00Z", "reason": "load test"}]}"#;
    store.put_policy(None, &serde_json::from_str(mute)?, 0, "ada", world::timestamp()).await?;
    let app = world.app().await?;
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (1, 0, 0));
    assert_eq!(world.incidents().await?.len(), 1);
    // The muted hours count in no later window.
    assert_eq!(figures(&run_at(&app, at(END) + hours(5)).await?), (0, 0, 0));
    assert_eq!(world.alerts().await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn a_window_that_runs_late_pages_and_says_so() -> Result<()> {
    let (world, start) = (World::new().await?, at(END));
    world.insert(&steady_hours("c", start, 6)).await?;
    // Critical in the window of the first hour. A warning in the next, whose window has lost hours of usage.
    world.insert(&[Event::compute("c", start - SignedDuration::from_mins(30), 5e6)]).await?;
    let app = world.app().await?;
    let milder = (start + hours(1)).as_millisecond();
    let incident_of = async |at: Timestamp| -> Result<(String, String, String)> {
        run_at(&app, at).await?;
        let incidents = world.incidents().await?;
        let [incident] = &incidents[..] else { anyhow::bail!("{} incidents", incidents.len()) };
        Ok((text(incident, "severity"), text(incident, "anomalies"), text(incident, "opened_at")))
    };
    let policy = |threshold: f64| {
        format!(r#"{{"metrics": {{"compute_time": {{"critical_threshold": {threshold}}}}}}}"#)
    };
    let put = async |threshold: f64, version| -> Result<()> {
        let policy = serde_json::from_str(&policy(threshold))?;
        app.store.put_policy(None, &policy, version, "ada", world::timestamp()).await?;
        Ok(())
    };
    put(100.0, 0).await?;
    let opened = milder.to_string();
    assert_eq!(incident_of(start + hours(1)).await?, ("warning".to_owned(), "1".to_owned(), opened.clone()));
    assert_eq!(world.alerts().await?, Vec::<Value>::new());
    put(5.0, 1).await?;
    for _ in 0..2 {
        assert_eq!(incident_of(start).await?, ("critical".to_owned(), "2".to_owned(), opened.clone()));
    }
    let alerts = world.alerts().await?;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!((&alerts[0]["event"], &alerts[0]["severity"]), (&"opened".into(), &"critical".into()));
    let says = alerts[0]["description"].as_str().unwrap_or_default();
    assert!(says.contains("this is late: the window to 2026-11-21T13:00:00Z"), "{says}");
    Ok(())
}

/// The time of day of the test of a gap, in Unix seconds.
static NOW: AtomicI64 = AtomicI64::new(0);

fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.load(Ordering::Relaxed).unsigned_abs())
}

#[tokio::test]
async fn hours_without_a_run_are_judged_by_the_next_runs() -> Result<()> {
    let (with, start) = (World::new().await?, at(END));
    with.insert(&steady_hours("c", start, 80)).await?;
    with.insert(&[Event::compute("c", start + SignedDuration::from_mins(90), 9e7)]).await?;
    let without = with.sibling().await?;
    let gap = 1..=34;
    let mut left = Vec::new();
    for (world, gap) in [(&with, Some(&gap)), (&without, None)] {
        let mut app = world.app().await?;
        app.clock = clock;
        for hour in (0..50).filter(|hour| gap.is_none_or(|gap| !gap.contains(hour))) {
            NOW.store((start + hours(hour)).as_second() + 5, Ordering::Relaxed);
            run_at(&app, start + hours(hour)).await?;
        }
        let names = ["anomaly_id", "z_score", "excluded_windows", "incident_id", "state"];
        let anomalies: BTreeSet<_> =
            world.items().await?.iter().map(|item| names.map(|name| text(item, name))).collect();
        let names = ["incident_id", "state", "anomalies", "severity", "peak_z_score", "last_seen", "over_at"];
        let incidents: BTreeSet<_> =
            world.incidents().await?.iter().map(|item| names.map(|name| text(item, name))).collect();
        let events: Vec<_> = world.alerts().await?.iter().map(|alert| alert["event"].to_string()).collect();
        left.push((anomalies, incidents));
        assert_eq!(
            events.len(),
            if gap.is_some() { 0 } else { 2 },
            "what came and went pages nobody: {events:?}"
        );
    }
    assert_eq!(left[0], left[1]);
    assert_eq!((left[0].0.len(), left[0].1.len()), (24, 1));
    Ok(())
}

#[tokio::test]
async fn a_window_that_is_not_over_is_refused() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("c", at(END), 5e7)).await?;
    let app = world.app().await?;
    let tomorrow = Request { time: world::timestamp() + hours(24), ..hourly(END) };
    let error = world::failure(run(&app, &tomorrow).await);
    assert!(error.contains("is not over") && error.contains("`dry_run`"), "{error}");
    assert_eq!((world.items().await?.len(), world.alerts().await?.len()), (0, 0));
    let looked = run(&app, &Request { dry_run: true, ..tomorrow }).await?;
    assert!(looked.dry_run);
    Ok(())
}

/// An incident of one customer as a run opens it at the hour of its window, with its anomaly.
async fn opened(world: &World, customer: &str, hour: i64) -> Result<IncidentItem> {
    world.insert(&steady_then(customer, at(END) + hours(hour), 5e7)).await?;
    run_at(&world.app().await?, at(END) + hours(hour)).await?;
    latest(world, customer).await
}

async fn latest(world: &World, customer: &str) -> Result<IncidentItem> {
    let (customer_id, metric) = (CustomerId::new(customer)?, MetricName::new("compute_time")?);
    let subject = Subject { customer_id, entity: None, metric, direction: Direction::Spike };
    let found = world.app().await?.store.latest_incident(&subject, world::timestamp()).await?;
    found.context("no incident")
}

#[tokio::test]
async fn a_change_from_another_incident_or_version_is_not_stored() -> Result<()> {
    let world = World::new().await?;
    let store = &world.app().await?.store;
    let writer = Writer { run_id: "by hand", now: world::timestamp() };
    let first = opened(&world, "c", 0).await?;
    let changed = |item: &IncidentItem, change: fn(&mut Incident)| {
        let mut incident = item.incident.clone();
        change(&mut incident);
        IncidentItem::after(Some(item), incident, "ms", None, store.retention())
    };
    let write = async |from: Option<&IncidentItem>, to: &IncidentItem| -> Result<bool> {
        let from = from.map(IncidentItem::former);
        let change = Change { from: from.as_ref(), to, alert: None, told_by: None };
        Ok(matches!(store.change(change, writer).await?, Changed::Done))
    };
    // The incident is resolved, and another one of the same version takes its key.
    let resolved = changed(&first, |incident| incident.state = IncidentState::Resolved);
    assert!(write(Some(&first), &resolved).await?);
    let counted = changed(&resolved, |incident| incident.anomalies += 1);
    assert!(write(Some(&resolved), &counted).await?);
    let mut later = first.incident.clone();
    later.opened_at = first.incident.opened_at + hours(40);
    let later = IncidentItem::after(Some(&resolved), later, "ms", None, store.retention());
    assert_eq!((later.version, first.version), (1, 1));
    // A change from an outdated state of the closed incident is refused …
    assert!(!write(Some(&resolved), &later).await?);
    assert!(write(Some(&counted), &later).await?);
    // … and a change that was decided from the first incident, open, does not affect the second, neither in place nor
    // to close it.
    for change in [
        |incident: &mut Incident| incident.anomalies += 1,
        |incident: &mut Incident| {
            incident.state = IncidentState::Accepted;
        },
    ] {
        assert!(!write(Some(&first), &changed(&first, change)).await?);
    }
    assert!(!write(None, &first).await?, "there is an open one");
    let joined = changed(&later, |incident| incident.anomalies += 1);
    assert!(write(Some(&later), &joined).await?);
    assert!(!write(Some(&later), &joined).await?, "it is another version now");
    assert_eq!(latest(&world, "c").await?, joined);
    assert_eq!(world.incidents().await?.len(), 2);
    Ok(())
}
