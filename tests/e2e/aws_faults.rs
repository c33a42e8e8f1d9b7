//! A DynamoDB and an SNS that throttle, fail, lose answers, deny and are slow. Nothing is lost, stored twice or sent
//! twice. A run that cannot go on says so, and the next run completes it.

mod alerts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use detection::CustomerId;
use detection::incident::IncidentId;
use detector::{App, Request};
use e2e::World;
use e2e::programs::program;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, failure, figures, hourly, run, text};
use futures::future::try_join_all;
use jiff::SignedDuration;
use messaging::alerts::{AlertPublisher, Pace};
use platform::aws::SdkConfig;
use serde_json::Value;
use store::{HistoryEntry, Writer};

use crate::notifier_cli::redrive_command;

const FIVE: [(&str, &str); 1] = [("MAX_PAGES_PER_RUN", "5")];

/// A world with this many anomalies, a detector that reaches AWS through a proxy, and the proxy.
async fn behind_proxy(
    anomalies: u32,
    overrides: &[(&str, &str)],
    decide: impl Fn(&Seen) -> Action + Send + Sync + 'static,
) -> Result<(World, App, Proxy)> {
    let world = World::new().await?;
    world.insert_spikes(anomalies).await?;
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, decide).await?;
    let app = world.app_with(overrides, &world.aws_at(&proxy.url).await).await?;
    Ok((world, app, proxy))
}

/// A detector that waits for seconds where the deployed one waits for half a minute.
async fn hurried(world: &World, overrides: &[(&str, &str)], aws: &SdkConfig) -> Result<App> {
    let mut app = world.app_with(overrides, aws).await?;
    let seconds = Duration::from_secs;
    app.alerting.pace = Pace { publish: seconds(3), claim: seconds(8), left_over: seconds(8) };
    app.alerts = AlertPublisher::new(&app.alerting, aws).into();
    Ok(app)
}

fn dynamodb_error(status: u16, name: &str) -> Action {
    let body = format!(r#"{{"__type": "com.amazonaws.dynamodb.v20120810#{name}", "message": "on purpose"}}"#);
    Action::Answer(status, body)
}

/// A transaction whose second item could not be written.
fn cancelled(code: &str) -> Action {
    let body = format!(
        r#"{{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "message": "on purpose",
            "CancellationReasons": [{{"Code": "None"}}, {{"Code": "{code}"}}]}}"#
    );
    Action::Answer(400, body)
}

fn sns_error(status: u16, code: &str) -> Action {
    let body = format!(
        "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>User: detector is not authorized to perform: SNS:Publish</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    Action::Answer(status, body)
}

fn throttled() -> Action {
    dynamodb_error(400, "ProvisionedThroughputExceededException")
}

/// The first `count` requests of an operation.
fn first(seen: &Seen, operation: &str, count: usize) -> bool {
    seen.operation == operation && seen.earlier < count
}

#[tokio::test]
async fn passing_faults_are_overcome_without_loss_and_without_doubles() -> Result<()> {
    type Fault = fn(&Seen) -> Option<Action>;
    let faults: [(&str, Fault, usize); 14] = [
        ("a put is throttled", |seen| first(seen, "TransactWriteItems", 30).then(throttled), 1),
        (
            "an item of a transaction is throttled",
            |s| first(s, "TransactWriteItems", 15).then(|| cancelled("ThrottlingError")),
            1,
        ),
        (
            "an incident is just being changed",
            |s| first(s, "TransactWriteItems", 15).then(|| cancelled("TransactionConflict")),
            1,
        ),
        (
            "a put fails",
            |s| first(s, "TransactWriteItems", 15).then(|| dynamodb_error(500, "InternalServerError")),
            1,
        ),
        (
            "a put is stored and its answer lost",
            |s| first(s, "TransactWriteItems", 12).then_some(Action::LoseAnswer),
            1,
        ),
        (
            "a put's request is lost",
            |s| first(s, "TransactWriteItems", 12).then(|| Action::Answer(503, "".into())),
            1,
        ),
        ("claims and marks are throttled", |seen| first(seen, "UpdateItem", 10).then(throttled), 1),
        // Claims and marks alternate, so both kinds lose answers.
        (
            "claims and marks lose answers",
            |s| (s.operation == "UpdateItem" && s.earlier % 3 == 0).then_some(Action::LoseAnswer),
            1,
        ),
        (
            "claims and marks meet a transaction",
            |s| first(s, "UpdateItem", 5).then(|| dynamodb_error(400, "TransactionConflictException")),
            1,
        ),
        ("the outbox is throttled", |seen| first(seen, "Query", 2).then(throttled), 1),
        ("a publish is throttled", |s| first(s, "Publish", 10).then(|| sns_error(400, "Throttling")), 1),
        ("a publish fails", |s| first(s, "Publish", 10).then(|| sns_error(500, "InternalError")), 1),
        // Nobody can know that such an alert was sent. So it is sent again, with the same id.
        ("a publish loses its answer", |s| first(s, "Publish", 4).then_some(Action::LoseAnswer), 2),
        ("all is slow", |_| Some(Action::Delay(Duration::from_millis(100))), 1),
    ];
    try_join_all(faults.map(|(name, fault, most)| Box::pin(overcome(name, fault, most)))).await.map(drop)
}

async fn overcome(name: &'static str, fault: fn(&Seen) -> Option<Action>, most: usize) -> Result<()> {
    let faults = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&faults);
    let decide = move |seen: &Seen| match fault(seen) {
        Some(action) => {
            counter.fetch_add(1, Ordering::Relaxed);
            action
        }
        None => Action::Forward,
    };
    let (world, app, _proxy) = behind_proxy(12, &[], decide).await?;
    let summary = run(&app, &hourly(END)).await?;
    assert!(faults.load(Ordering::Relaxed) > 1, "{name}: it did not happen");
    assert_eq!(figures(&summary), (12, 0, 12), "{name}");
    assert_eq!(figures(&run(&world.app().await?, &hourly(END)).await?), (0, 12, 0), "{name}");
    assert_eq!(world.attribute("alert_state").await?, ["sent"; 12], "{name}");
    let counts = world.alert_counts().await?;
    assert_eq!((counts.len(), counts.values().max()), (12, Some(&most)), "{name}: {counts:?}");
    Ok(())
}

#[tokio::test]
async fn a_storm_of_throttling_slows_a_run_and_does_not_fail_it() -> Result<()> {
    let begin = std::sync::OnceLock::new();
    let decide = move |seen: &Seen| match seen.operation.as_str() {
        "TransactWriteItems" if begin.get_or_init(Instant::now).elapsed() < Duration::from_secs(2) => {
            throttled()
        }
        _ => Action::Forward,
    };
    // A digest counts all. The few customers with a page of their own would be stored before the others.
    let (world, app, proxy) = behind_proxy(200, &[("MAX_PAGES_PER_RUN", "0")], decide).await?;
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (200, 0, 1));
    assert!(
        proxy.count("TransactWriteItems") > 300,
        "{} puts are no storm",
        proxy.count("TransactWriteItems")
    );
    assert_eq!(world.items().await?.len(), 201);
    Ok(())
}

#[tokio::test]
async fn a_lasting_fault_fails_the_run_in_bounded_time_and_the_next_one_completes() -> Result<()> {
    type Fault = fn(&Seen) -> Option<Action>;
    let faults: [(&str, Fault, u64, &str); 5] = [
        (
            "all puts fail",
            |s| (s.operation == "TransactWriteItems").then(|| Action::Answer(500, "".into())),
            60,
            "store",
        ),
        (
            "all puts are throttled",
            |s| (s.operation == "TransactWriteItems").then(throttled),
            60,
            "cannot store",
        ),
        (
            "all puts hang",
            |s| (s.operation == "TransactWriteItems").then_some(Action::FreezeBefore),
            9,
            "time ran out after",
        ),
        ("the third put is forbidden", |s| third_put(s), 60, "AccessDeniedException"),
        ("all of it is closed", |_| Some(Action::LoseAnswer), 60, "cannot read the policies"),
    ];
    try_join_all(faults.map(|fault| Box::pin(fail_and_complete(fault)))).await.map(drop)
}

fn third_put(seen: &Seen) -> Option<Action> {
    let is_third = seen.operation == "TransactWriteItems" && seen.earlier == 2;
    is_third.then(|| dynamodb_error(400, "AccessDeniedException"))
}

/// AWS behind the proxy, with a client that waits this long for a call.
async fn patient(world: &World, proxy: &Proxy, time: Duration) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(time).operation_timeout(time).build();
    world.aws_at(&proxy.url).await.into_builder().timeout_config(timeouts).build()
}

type LastingFault = (&'static str, fn(&Seen) -> Option<Action>, u64, &'static str);

async fn fail_and_complete((name, fault, seconds, says): LastingFault) -> Result<()> {
    let decide = move |seen: &Seen| fault(seen).unwrap_or(Action::Forward);
    let (world, _, proxy) = behind_proxy(12, &[], decide).await?;
    // A call that fails for longer than this is given up. The time of the run with hanging puts ends earlier, at 6 s. The
    // deployed functions have 20 s.
    let app = world.app_with(&[], &patient(&world, &proxy, Duration::from_secs(8)).await).await?;
    let (started, time) = (Instant::now(), Duration::from_secs(seconds));
    let error = failure(detector::run(&app, &hourly(END), started + time).await);
    assert!(started.elapsed() < time.min(Duration::from_secs(50)), "{name}: {:?}", started.elapsed());
    assert!(error.contains(says), "{name}: {error}");
    // Puts are in flight together. Some may be stored before another is forbidden, and these are told.
    let told = world.alert_counts().await?;
    assert!(told.len() <= world.attribute("alert_state").await?.len(), "{name}: {told:?}");

    let next = run(&world.later_app().await?, &hourly(END)).await?;
    let left = 12 - told.len() as u64;
    assert_eq!((next.recorded + next.already_recorded, next.alerts_published), (12, left), "{name}");
    let counts = both(told, world.alert_counts().await?);
    assert_eq!((counts.len(), counts.values().max()), (12, Some(&1)), "{name}: {counts:?}");
    Ok(())
}

/// How often each alert came in two runs.
fn both(mut one: BTreeMap<String, usize>, other: BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    other.into_iter().for_each(|(alert, times)| *one.entry(alert).or_default() += times);
    one
}

#[tokio::test]
async fn time_that_runs_out_while_storing_ends_the_run_and_the_next_goes_on() -> Result<()> {
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "TransactWriteItems" if seen.earlier >= 100 => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let (world, _, proxy) = behind_proxy(300, &[], decide).await?;
    let app = world.app_with(&FIVE, &patient(&world, &proxy, Duration::from_secs(60)).await).await?;
    // Three seconds are for the report. In the others usage is read, and 100 are stored.
    let (started, time) = (Instant::now(), Duration::from_secs(30));
    let error = failure(detector::run(&app, &hourly(END), started + time).await);
    assert!(started.elapsed() < time, "{:?}", started.elapsed());
    assert!(error.contains("time ran out"), "{error}");
    let stored = world.attribute("customer_id").await?.len() as u64;
    assert!((1..300).contains(&stored), "{stored} anomalies of 300");
    // The pages go out first, if the time allows it.
    let told = world.alert_counts().await?;

    let next = world.app_with(&FIVE, &world.aws).await?;
    let summary = run(&next, &hourly(END)).await?;
    let left = 6 - told.len() as u64;
    assert_eq!((summary.recorded + summary.already_recorded, summary.alerts_published), (300, left));
    assert!(summary.already_recorded >= stored, "{} of {stored}", summary.already_recorded);
    let counts = both(told, world.alert_counts().await?);
    assert_eq!((counts.len(), counts.values().max()), (6, Some(&1)), "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn a_storm_of_anomalies_is_stored_whole_and_paged_in_small() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(200).await?;
    let app = world.app_with(&FIVE, &world.aws).await?;
    let summary = run(&app, &hourly(END)).await?;
    assert_eq!((summary.critical, figures(&summary)), (200, (200, 0, 6)));
    assert_eq!(world.attribute("customer_id").await?.len(), 200);
    let (digests, singles): (Vec<_>, Vec<_>) =
        world.alerts().await?.into_iter().partition(|alert| alert["event"] == "digest");
    assert_eq!((digests.len(), singles.len()), (1, 5));
    let totals = ["pages", "held_back", "critical", "anomalies"].map(|name| digests[0][name].as_u64());
    assert_eq!(totals, [Some(200), Some(195), Some(200), Some(200)]);
    assert_eq!(digests[0]["largest"].as_array().map(Vec::len), Some(10));

    assert_eq!(figures(&run(&app, &hourly(END)).await?), (0, 200, 0));
    assert_eq!(world.messages().await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn a_storm_that_a_run_cannot_store_is_paged_by_it_all_the_same() -> Result<()> {
    // The five pages are five writes. After them nothing is stored.
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "TransactWriteItems" if seen.earlier >= 5 => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let (world, app, _proxy) = behind_proxy(60, &FIVE, decide).await?;
    let deadline = Instant::now() + Duration::from_secs(45);
    let error = failure(detector::run(&app, &hourly(END), deadline).await);
    // The run ends at its deadline, or a call that hangs is given up before.
    assert!(["time ran out after", "timed out"].iter().any(|text| error.contains(text)), "{error}");
    let alerts = world.alerts().await?;
    let events: Vec<_> = alerts.iter().map(|alert| alert["event"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        (events.len(), events.iter().filter(|event| **event == "opened").count()),
        (6, 5),
        "{events:?}"
    );
    assert_eq!(world.attribute("customer_id").await?.len(), 5);

    assert_eq!(figures(&run(&world.app_with(&FIVE, &world.aws).await?, &hourly(END)).await?), (55, 5, 0));
    // What is stored is not written once more, so that each run of a storm gets further.
    let proxy = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, |_| Action::Forward).await?;
    let again = world.app_with(&FIVE, &world.aws_at(&proxy.url).await).await?;
    assert_eq!(figures(&run(&again, &hourly(END)).await?), (0, 60, 0));
    let writes = proxy.count("TransactWriteItems") + proxy.count("PutItem");
    assert!(writes < 20, "{writes} writes");
    assert_eq!(world.alerts().await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn a_run_killed_before_its_digest_is_completed_with_it() -> Result<()> {
    let digest =
        |seen: &Seen| seen.operation == "PutItem" && String::from_utf8_lossy(&seen.body).contains("DIGEST#");
    for action in [Action::FreezeBefore, Action::FreezeAfter] {
        let decide = move |seen: &Seen| if digest(seen) { action.clone() } else { Action::Forward };
        let (world, app, proxy) = behind_proxy(30, &FIVE, decide).await?;
        proxy.kill_when_frozen(run(&app, &hourly(END))).await;
        // An incident in a digest counts as notified. So the digest is stored before these incidents.
        assert_eq!(world.attribute("customer_id").await?, Vec::<String>::new());
        let next = world.app_with(&FIVE, &world.aws).await?;
        assert_eq!(figures(&run(&next, &hourly(END)).await?), (30, 0, 6));
        assert_eq!(figures(&run(&next, &hourly(END)).await?), (0, 30, 0));
        let counts = world.alert_counts().await?;
        assert_eq!((counts.len(), counts.values().max()), (6, Some(&1)), "{counts:?}");
        assert!(counts.keys().any(|id| id.contains(".digest.")), "{counts:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_digest_of_some_customers_does_not_stand_for_that_of_all() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(30).await?;
    let app = world.app_with(&[("MAX_PAGES_PER_RUN", "0")], &world.aws).await?;
    let some = ["c00001", "c00002"].map(CustomerId::new).into_iter().collect::<Result<_, _>>()?;
    assert_eq!(figures(&run(&app, &Request { customers: some, ..hourly(END) }).await?), (2, 0, 1));
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (28, 2, 1));
    // A whole run decides again about its whole window, also about incidents that the smaller run has paged.
    let held_back: Vec<_> = world.alerts().await?.iter().map(|alert| alert["held_back"].as_u64()).collect();
    assert_eq!(held_back, [Some(2), Some(30)]);
    Ok(())
}

#[tokio::test]
async fn alerts_that_hang_do_not_keep_the_next_window_from_being_checked() -> Result<()> {
    let decide = |seen: &Seen| match seen.operation.as_str() {
        "Publish" => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let (world, app, proxy) = behind_proxy(60, &[("MAX_PAGES_PER_RUN", "60")], decide).await?;
    proxy.kill_when_frozen(run(&app, &hourly(END))).await;
    let mut later = hurried(&world, &[], &world.aws_at(&proxy.url).await).await?;
    later.clock = world.later_app().await?.clock;
    // Sixty alerts that hang would take all the time. The next window is checked and stored long before.
    let next = Request { time: at(END) + SignedDuration::from_hours(1), ..hourly(END) };
    let in_time = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        world.attribute("customer_id").await
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let (result, stored) = tokio::join!(detector::run(&later, &next, deadline), in_time);
    let error = failure(result);
    assert!(error.contains("wait for the next run"), "{error}");
    assert_eq!(stored?.len(), 120);
    Ok(())
}
