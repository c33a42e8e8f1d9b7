//! The same event again: repeated, late, at the same time, and after a run that was killed at any point.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use detection::CustomerId;
use detector::Request;
use e2e::World;
use e2e::lambda::Invocation;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, compute_by_window, figures, hourly, run, steady_then, text};
use futures::future::{join_all, try_join_all};
use jiff::SignedDuration;
use serde_json::{Value, json};

/// Critical spikes and one warning, which is stored and never alerted.
async fn insert_anomalies(world: &World, critical: u32) -> Result<()> {
    world.insert_spikes(critical).await?;
    let windows: Vec<_> =
        (0..31).map(|age| Some(if age == 0 { 13.6e6 } else { 6e6 + f64::from(age % 2) * 3e6 })).collect();
    world.insert(&compute_by_window("warned", at(END), &windows)).await
}

#[tokio::test]
async fn the_same_event_ten_times() -> Result<()> {
    let world = World::new().await?;
    insert_anomalies(&world, 12).await?;
    let first = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((first.anomalies_found, first.critical), (13, 12));
    assert_eq!(figures(&first), (13, 0, 12));
    let items = world.items().await?;
    for _ in 0..9 {
        let again = run(&world.app().await?, &hourly(END)).await?;
        assert_eq!(figures(&again), (0, 13, 0));
        assert_eq!((again.checked, again.anomalies_found, again.critical), (52, 13, 12));
    }
    assert_eq!(items.len(), 13);
    assert!(items == world.items().await?, "a repeated run changes nothing of an item");
    let counts = world.alert_counts().await?;
    assert_eq!((counts.len(), counts.values().max()), (12, Some(&1)), "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn the_same_event_at_the_same_time() -> Result<()> {
    let world = World::new().await?;
    insert_anomalies(&world, 12).await?;
    // Each round takes another hour: the spikes are in its window, and nothing of it is stored yet. Anomalies of later
    // rounds join the incidents of the first. So only the first round pages.
    for (round, runs) in [5, 2, 3, 2].into_iter().enumerate() {
        let tick = Request { time: at(END) + SignedDuration::from_hours(round as i64), ..hourly(END) };
        let apps = try_join_all((0..runs).map(|_| world.app())).await?;
        let summaries: Result<Vec<_>> =
            join_all(apps.iter().map(|app| run(app, &tick))).await.into_iter().collect();
        let (mut recorded, mut already, mut published) = (0, 0, 0);
        for summary in summaries? {
            assert_eq!(summary.recorded + summary.already_recorded, 13);
            recorded += summary.recorded;
            already += summary.already_recorded;
            published += summary.alerts_published;
        }
        let pages = if round == 0 { 12 } else { 0 };
        assert_eq!((recorded, already, published), (13, 13 * (runs - 1), pages), "round {round}");
        assert_eq!(world.items().await?.len(), 13 * (round + 1));
        let counts: Vec<_> = world.incidents().await?.iter().map(|item| text(item, "anomalies")).collect();
        assert_eq!(counts, vec![(round + 1).to_string(); 13]);
    }
    let counts = world.alert_counts().await?;
    assert_eq!((counts.len(), counts.values().max()), (12, Some(&1)), "{counts:?}");
    assert_eq!(world.attribute("pending_alert").await?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_late_event_checks_its_own_window_and_adjacent_hours_are_apart() -> Result<()> {
    let world = World::new().await?;
    insert_anomalies(&world, 1).await?;
    // Half a day late, and not on the full hour.
    let mut late = world.later_app().await?;
    late.clock = || world::now() + Duration::from_secs(12 * 3_600);
    let mut seen = BTreeSet::new();
    for (time, start, end, published) in [
        ("2026-11-21T13:59:59.999Z", "2026-11-20T13:00:00Z", "2026-11-21T13:00:00Z", 1),
        // The same spike, which is known by now.
        ("2026-11-21T14:00:00Z", "2026-11-20T14:00:00Z", "2026-11-21T14:00:00Z", 0),
    ] {
        let summary = run(&late, &hourly(time)).await?;
        assert_eq!(summary.window.start.to_string(), start);
        assert_eq!(summary.window.end.to_string(), end);
        assert_eq!(figures(&summary), (2, 0, published), "{time}");
        let end_ms = at(end).as_millisecond().to_string();
        let items = world.items().await?;
        let of_window: Vec<_> = items.iter().filter(|item| text(item, "window_end") == end_ms).collect();
        assert_eq!(of_window.len(), 2);
        for item in of_window {
            assert_eq!(text(item, "sk"), format!("ANOMALY#{end_ms}#compute_time"));
            assert_eq!(text(item, "detected_at"), end_ms);
        }
        for alert in world.alerts().await? {
            assert_eq!(alert["window"], json!({ "start": start, "end": end }));
            assert_eq!(alert["detected_at"], end);
            seen.insert(alert["anomaly_id"].to_string());
        }
    }
    assert_eq!((seen.len(), world.items().await?.len()), (1, 4));
    Ok(())
}

const HOSTILE: [&str; 7] =
    ["a' OR '1'='1", "a\\'", "{customers:Array(String)}", "two\nlines\t", "['a','b']", "客户", " a "];

#[tokio::test]
async fn only_some_customers_and_a_dry_run() -> Result<()> {
    let world = World::new().await?;
    insert_anomalies(&world, 3).await?;
    for customer in HOSTILE {
        world.insert(&steady_then(customer, at(END), 5e7)).await?;
    }
    let customers = |ids: &[&str]| ids.iter().map(|id| CustomerId::new(*id)).collect::<Result<Vec<_>, _>>();
    let app = world.app().await?;

    let dry = run(&app, &Request { dry_run: true, ..hourly(END) }).await?;
    assert!(dry.dry_run);
    assert_eq!(figures(&dry), (0, 0, 0));
    let listed: BTreeSet<_> = dry.findings.iter().map(|finding| finding.customer_id.as_str()).collect();
    let others = ["c00000", "c00001", "c00002", "warned"];
    assert_eq!(listed, HOSTILE.iter().copied().chain(others).collect());
    assert!(dry.findings.iter().all(|finding| finding.description.starts_with("compute_time was ")));
    let one = Request { dry_run: true, customers: customers(&HOSTILE[..1])?, ..hourly(END) };
    assert_eq!(run(&app, &one).await?.findings.len(), 1);
    world.assert_untouched("dry runs").await?;

    // A customer without usage is no error. There is just nothing to check.
    let nobody = Request { customers: customers(&["nobody"])?, ..hourly(END) };
    assert_eq!(run(&app, &nobody).await?.checked, 0);
    for customer in HOSTILE {
        let one = Request { customers: customers(&[customer])?, ..hourly(END) };
        let summary = run(&app, &one).await?;
        assert_eq!((summary.customers, figures(&summary)), (1, (1, 0, 1)), "{customer:?}");
    }
    let mut expected: Vec<_> = HOSTILE.map(str::to_owned).into();
    expected.sort();
    assert_eq!(world.attribute("customer_id").await?, expected);
    Ok(())
}

/// Whether a request marks an alert as sent, the last step of its way.
fn marks(seen: &Seen) -> bool {
    seen.operation == "UpdateItem" && String::from_utf8_lossy(&seen.body).contains("alerted_at")
}

fn claims(seen: &Seen) -> bool {
    seen.operation == "UpdateItem" && !marks(seen)
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_point_is_completed_by_the_next() -> Result<()> {
    type At = fn(&Seen) -> bool;
    let put: At = |seen| seen.operation == "TransactWriteItems" && seen.earlier >= 1;
    let publish: At = |seen| seen.operation == "Publish";
    // Only an alert that was published and not marked may come twice.
    let points = [
        ("before a put", put, Action::FreezeBefore, 1),
        ("after a put", put, Action::FreezeAfter, 1),
        ("before the claim", claims as At, Action::FreezeBefore, 1),
        ("after the claim", claims, Action::FreezeAfter, 1),
        ("between put and publish", publish, Action::FreezeBefore, 1),
        ("while publishing", publish, Action::FreezeAfter, 2),
        ("between publish and mark", marks, Action::FreezeBefore, 2),
        ("after the mark", marks, Action::FreezeAfter, 1),
    ];
    try_join_all(points.map(|(name, at, action, most)| Box::pin(kill_and_complete(name, at, action, most))))
        .await
        .map(drop)
}

/// Kills a run at the request that `at` picks. The next run completes it. Each alert must come once, or up to `most`
/// times if that cannot be avoided.
async fn kill_and_complete(name: &str, at: fn(&Seen) -> bool, action: Action, most: usize) -> Result<()> {
    let world = World::new().await?;
    // One alert. With several, which go out side by side, another one could be between publish and mark.
    insert_anomalies(&world, 1).await?;
    let decide = move |seen: &Seen| if at(seen) { action.clone() } else { Action::Forward };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let killed = world.app_with(&[], &world.aws_at(&proxy.url).await).await?;
    proxy.kill_when_frozen(run(&killed, &hourly(END))).await;

    let next = run(&world.later_app().await?, &hourly(END)).await?;
    assert_eq!(next.recorded + next.already_recorded, 2, "{name}");
    let after = run(&world.later_app().await?, &hourly(END)).await?;
    assert_eq!(figures(&after), (0, 2, 0), "{name}");
    assert_eq!(world.attribute("alert_state").await?, ["none", "sent"], "{name}");
    let counts = world.alert_counts().await?;
    assert_eq!(counts.len(), 1, "{name}: {counts:?}");
    // A kill between publish and mark makes a repetition. Otherwise this test would have missed its point.
    assert_eq!(counts.values().max(), Some(&most), "{name}: {counts:?}");
    Ok(())
}

#[tokio::test]
async fn an_alert_in_the_hands_of_another_run_is_left_to_it() -> Result<()> {
    let world = World::new().await?;
    insert_anomalies(&world, 3).await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let killed = world.app_with(&[], &world.aws_at(&proxy.url).await).await?;
    proxy.kill_when_frozen(run(&killed, &hourly(END))).await;
    // What pages nobody is stored after the alerts.
    assert_eq!(world.attribute("alert_state").await?, ["pending", "pending", "pending"]);
    // For half a minute nobody can know that the first run is dead. So a run of any window waits, and then sends its
    // alerts.
    let (other, started) =
        (Request { time: at(END) - SignedDuration::from_hours(100), ..hourly(END) }, Instant::now());
    assert_eq!(run(&world.app().await?, &other).await?.alerts_published, 3);
    assert!(started.elapsed() > Duration::from_secs(20), "{:?}", started.elapsed());
    let counts = world.alert_counts().await?;
    assert_eq!((counts.len(), counts.values().max()), (3, Some(&1)), "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn a_claim_is_dated_when_it_is_made() -> Result<()> {
    /// A minute passes between the first look at the clock and all others, as if reading had taken that long.
    fn slow_clock() -> SystemTime {
        static LOOKS: AtomicU32 = AtomicU32::new(0);
        let early = if LOOKS.fetch_add(1, Ordering::Relaxed) == 0 { 60 } else { 0 };
        world::now() - Duration::from_secs(early)
    }
    let world = World::new().await?;
    insert_anomalies(&world, 1).await?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let mut slow = world.app_with(&[], &world.aws_at(&proxy.url).await).await?;
    slow.clock = slow_clock;
    proxy.kill_when_frozen(run(&slow, &hourly(END))).await;
    // The slow run may still be about to publish. So the next run waits as long as the claim lasts.
    let started = Instant::now();
    assert_eq!(figures(&run(&world.app().await?, &hourly(END)).await?), (1, 1, 1));
    assert!(started.elapsed() > Duration::from_secs(20), "{:?}", started.elapsed());
    Ok(())
}

fn program_variables(world: &World, aws: &str, overrides: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut overrides = overrides.to_vec();
    overrides.push(("AWS_ENDPOINT_URL", aws));
    world.variables(&overrides)
}

#[tokio::test]
async fn the_program_itself_is_killed_and_its_successor_completes() -> Result<()> {
    let world = World::new().await?;
    insert_anomalies(&world, 3).await?;
    let endpoint = world::variable("AWS_ENDPOINT_URL")?;
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&endpoint, decide).await?;
    let event = json!({ "time": END, "detail": {} });
    let mut killed = Invocation::start(&event, &program_variables(&world, &proxy.url, &[])).await?;
    tokio::time::timeout(Duration::from_secs(60), proxy.frozen()).await?;
    killed.kill()?;
    assert_eq!(world.attribute("alert_state").await?, ["pending", "pending", "pending"]);
    assert_eq!(world.alerts().await?, Vec::<Value>::new());

    world.end_claims().await?;
    // What pages nobody is stored after the alerts, by the successor.
    for (stored_before, published) in [(3, 3), (4, 0)] {
        let mut successor = Invocation::start(&event, &program_variables(&world, &endpoint, &[])).await?;
        let summary = successor.answer().await?.expect("a run that completes");
        assert_eq!(summary["already_recorded"], stored_before, "{summary}");
        assert_eq!(summary["alerts_published"], published, "{summary}");
    }
    let counts = world.alert_counts().await?;
    assert_eq!((counts.len(), counts.values().max()), (3, Some(&1)), "{counts:?}");
    assert_eq!(world.attribute("alert_state").await?, ["none", "sent", "sent", "sent"]);
    Ok(())
}

#[tokio::test]
async fn the_program_reports_a_failure_with_all_its_causes() -> Result<()> {
    let world = World::new().await?;
    let proxy = Proxy::start("http://127.0.0.1:9", |_| {
        Action::Answer(500, "Code: 60. DB::Exception: Table x.usage_hourly does not exist".to_owned())
    })
    .await?;
    let variables =
        program_variables(&world, &world::variable("AWS_ENDPOINT_URL")?, &[("CLICKHOUSE_URL", &proxy.url)]);
    let host = proxy.url.trim_start_matches("http://");
    for (event, parts) in [
        (json!({ "time": END }), ["the usage of 2026-10-19T13:00:00Z to", host, "Code: 60. DB::Exception"]),
        (json!({ "detail": {} }), ["no `time`", "2026-11-21T13:00:00Z", ""]),
    ] {
        let error = Invocation::start(&event, &variables).await?.answer().await?.expect_err("a failure");
        assert_eq!(error["errorType"], "RunFailed");
        let message = error["errorMessage"].as_str().unwrap_or_default();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
    Ok(())
}
