//! Baselines: built at the end of a run, read by later runs, and always equal to the hours.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use catalog::Shard;
use detection::CustomerId;
use detector::{App, Request, prebuild};
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{END, at, compute_by_window, failure, figures, hourly, run, steady_then, sweep_request};
use e2e::{Event, World};
use futures::future::{join_all, try_join_all};
use jiff::SignedDuration;
use tokio::sync::Notify;
use warehouse::rollup::{self, Options, statements::forget_baselines};
use warehouse::usage::{Sweep, SweepRequest};

/// An hour after [`END`].
const NEXT_HOUR: &str = "2026-11-21T14:00:00Z";

/// A day after [`END`]: the same windows, a day older.
const NEXT_DAY: &str = "2026-11-22T13:00:00Z";

/// A customer's usage: the number of counted windows, the values and the unknown metrics.
type Usage = BTreeMap<Vec<u8>, (usize, Vec<Option<f64>>, Vec<String>)>;

/// A world in which everything arrived long ago.
async fn settled_world(spikes: u32) -> Result<World> {
    let world = World::new().await?;
    world.insert_spikes(spikes).await?;
    world.hours_pass(2).await?;
    Ok(world)
}

async fn watched(world: &World) -> Result<Proxy> {
    Proxy::start(&world.clickhouse_url, |_| Action::Forward).await
}

/// Builds as a run of the schedule does after its work.
async fn prebuilt(app: &App, time: &str) {
    prebuild(app, &hourly(time), Instant::now() + Duration::from_secs(600)).await;
}

/// The number of hours with a noted baseline, of the windows of a run.
async fn built(world: &World) -> Result<u64> {
    let noted = "SELECT uniq(closes) FROM usage_baseline_builds WHERE build != 18446744073709551615";
    Ok(world.clickhouse.query(noted).fetch_one().await?)
}

/// The usage that a run reads, which must equal the usage from the hours alone, and the fresh windows.
async fn same_usage(app: &App, time: &str) -> Result<(Usage, Vec<u8>)> {
    let ids: [String; 2] = std::array::from_fn(|_| uuid::Uuid::new_v4().to_string());
    let request = SweepRequest { query_id: &ids[0], ..sweep_request(app, time)? };
    let of_hours = usage(&request, app.usage.sweep(&request).await?).await?;
    let request = SweepRequest { query_id: &ids[1], ..request };
    let baseline = app.usage.baseline(&request).await?.context("there is no baseline to read")?;
    let beside = usage(&request, app.usage.sweep_beside(&request, &baseline).await?).await?;
    ensure!(beside == of_hours, "beside a baseline: {beside:?}\nfrom the hours: {of_hours:?}");
    Ok((beside, baseline.fresh().to_vec()))
}

async fn usage(request: &SweepRequest<'_>, mut sweep: Sweep) -> Result<Usage> {
    let mut usage = Usage::new();
    let oldest = request.window.oldest(request.baseline_days);
    while let Some(customer) = sweep.next().await? {
        let counted = request.window.counted(customer.first_event, oldest);
        let values = customer.series().flatten().copied().collect();
        let unknown = customer.unknown_metrics().to_vec();
        let former = usage.insert(customer.customer_id.to_vec(), (counted, values, unknown));
        ensure!(former.is_none(), "a customer came twice");
    }
    Ok(usage)
}

#[tokio::test]
async fn a_baseline_is_read_except_for_windows_with_arrivals() -> Result<()> {
    let world = settled_world(5).await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;

    assert_eq!(figures(&run(&app, &hourly(END)).await?), (5, 0, 5));
    assert_eq!((proxy.count("sweep"), proxy.count("baseline"), proxy.count("build")), (1, 0, 0));
    prebuilt(&app, END).await;
    // For this hour, which no run built it for, and for the next one: 30 windows, of which one statement builds eight.
    assert_eq!((built(&world).await?, proxy.count("build"), proxy.count("note")), (2, 8, 8));
    let summary = run(&app, &hourly(END)).await?;
    assert_eq!((summary.customers, summary.already_recorded), (5, 5));
    assert_eq!((proxy.count("sweep"), proxy.count("baseline")), (2, 1));
    prebuilt(&app, END).await;
    assert_eq!(proxy.count("build"), 8, "everything is there");

    // A day later another window has closed, and the oldest one is out.
    let (_, fresh) = same_usage(&app, NEXT_DAY).await?;
    assert_eq!(fresh, [0, 1]);
    prebuilt(&app, NEXT_DAY).await;
    assert_eq!((built(&world).await?, proxy.count("build")), (4, 10));
    let (before, fresh) = same_usage(&app, NEXT_DAY).await?;
    assert_eq!(fresh, [0]);

    // An event that is nine days late, for one window of those that are compared at this hour.
    let late = Event::compute("c00000", at(END) - SignedDuration::from_hours(24 * 9 + 1), 9e6);
    world.insert(&[late]).await?;
    let (after, fresh) = same_usage(&app, NEXT_DAY).await?;
    assert_eq!(fresh, [0, 10]);
    assert_ne!(after, before);
    prebuilt(&app, NEXT_DAY).await;
    assert_eq!(proxy.count("build"), 10, "more may be on its way");
    world.hours_pass(2).await?;
    assert_eq!(same_usage(&app, NEXT_DAY).await?, (after.clone(), vec![0, 10]));
    ensure!(app.usage.build_baseline(&request_of("built", &app, NEXT_DAY)?).await? == 1);
    assert_eq!(same_usage(&app, NEXT_DAY).await?, (after, vec![0]));
    Ok(())
}

/// A request with an id of its own, because tests of one server run side by side.
fn request_of<'a>(name: &str, app: &'a App, time: &str) -> Result<SweepRequest<'a>> {
    let id = Box::leak(format!("{name}-{}", uuid::Uuid::new_v4()).into_boxed_str());
    Ok(SweepRequest { query_id: id, ..sweep_request(app, time)? })
}

#[tokio::test]
async fn customers_come_and_go() -> Result<()> {
    let world = settled_world(2).await?;
    let app = world.app().await?;
    let window = |age: usize, ms: f64| {
        let mut windows = vec![None; age];
        windows.push(Some(ms));
        windows
    };
    // With usage in the newest window only, in the oldest one only, in one of them, and none in the newest one.
    for (customer, windows) in
        [("new", window(0, 1e6)), ("old", window(30, 2e6)), ("once", window(12, 3e6)), ("a", window(1, 4e6))]
    {
        world.insert(&compute_by_window(customer, at(END), &windows)).await?;
    }
    world.insert(&steady_then("silent", at(END), 0.0)[1..]).await?;
    world.hours_pass(2).await?;
    prebuilt(&app, END).await;
    let (usage, fresh) = same_usage(&app, END).await?;
    assert_eq!((usage.len(), fresh), (7, vec![0]));
    for (days, customers, fresh) in [(1, 6, vec![0, 1]), (7, 6, (0..8).collect())] {
        let later = (at(END) + SignedDuration::from_hours(24 * days)).to_string();
        let (usage, of_later) = same_usage(&app, &later).await?;
        assert_eq!((usage.len(), of_later), (customers, fresh), "after {days} days");
    }
    // After more days, reading it does not pay any more.
    let later = (at(END) + SignedDuration::from_hours(24 * 8)).to_string();
    assert_eq!(app.usage.baseline(&sweep_request(&app, &later)?).await?, None);
    Ok(())
}

#[tokio::test]
async fn another_number_of_days_takes_what_there_is() -> Result<()> {
    let world = settled_world(3).await?;
    prebuilt(&world.app().await?, END).await;
    for (days, fresh) in [("14", vec![0]), ("30", vec![0]), ("34", vec![0, 31, 32, 33, 34])] {
        let app = world.app_with(&[("BASELINE_DAYS", days)], &world.aws).await?;
        assert_eq!(same_usage(&app, END).await?.1, fresh, "{days}");
    }
    let app = world.app_with(&[("BASELINE_DAYS", "90")], &world.aws).await?;
    assert_eq!(app.usage.baseline(&sweep_request(&app, END)?).await?, None);
    prebuilt(&app, END).await;
    assert_eq!(same_usage(&app, NEXT_HOUR).await?.1, [0]);
    Ok(())
}

#[tokio::test]
async fn hours_are_read_where_most_windows_still_change_and_for_some_customers() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    prebuilt(&app, END).await;
    assert_eq!(proxy.count("build"), 0);
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (5, 0, 5));
    world.hours_pass(2).await?;
    let states = proxy.count("state");
    let some = Request { customers: vec![CustomerId::new("c00000")?], ..hourly(END) };
    assert_eq!(run(&app, &some).await?.customers, 1);
    assert_eq!((proxy.count("state") - states, proxy.count("baseline")), (0, 0));
    Ok(())
}

#[tokio::test]
async fn only_whole_runs_of_the_schedule_prebuild() -> Result<()> {
    let world = settled_world(5).await?;
    let app = world.app().await?;
    let asked = Request { detection_id: Some(String::from("asked")), ..hourly(END) };
    let some = Request { customers: vec![CustomerId::new("c00000")?], ..hourly(END) };
    for not_of_the_schedule in [asked, some, Request { dry_run: true, ..hourly(END) }] {
        prebuild(&app, &not_of_the_schedule, Instant::now() + Duration::from_secs(60)).await;
    }
    assert_eq!(built(&world).await?, 0);
    prebuilt(&app, END).await;

    // Events in the hour until the next run, early and late.
    let early = Event::compute("c00000", at(END) + SignedDuration::from_mins(30), 1e9);
    let late = Event::compute("c00001", at(END) - SignedDuration::from_hours(24 * 9), 9e6);
    world.insert(&[early, late]).await?;
    assert_eq!(same_usage(&app, NEXT_HOUR).await?.1, [0, 9]);
    assert_eq!(run(&app, &hourly(NEXT_HOUR)).await?.customers, 5);
    Ok(())
}

#[tokio::test]
async fn the_rows_of_a_broken_build_are_never_read() -> Result<()> {
    let world = settled_world(5).await?;
    let broken = "INSERT INTO usage_baselines (bucket, customer_id, closes, build, expires, ages, values)
        SELECT cityHash64(id) % 8, concat('c0000', toString(number)) AS id, toDateTime('2026-11-21 13:00:00', 'UTC'), 7,
            now() + 864000, range(1, 31), arrayWithConstant(120, 1e9)
        FROM numbers(9)";
    world.clickhouse.query(broken).execute().await?;
    let refuse = |seen: &Seen| match seen.operation.as_str() {
        "note" => Action::Answer(503, String::new()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world.clickhouse_url, refuse).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    prebuilt(&app, END).await;
    assert_eq!((proxy.count("build"), built(&world).await?), (1, 0));
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (5, 0, 5));
    let app = world.app().await?;
    prebuilt(&app, END).await;
    assert_eq!(same_usage(&app, END).await?.0.len(), 5);
    Ok(())
}

#[tokio::test]
async fn a_user_who_may_not_insert_reads_the_hours() -> Result<()> {
    let world = settled_world(5).await?;
    let refuse = |seen: &Seen| match seen.operation.as_str() {
        "build" => Action::ForwardWith(String::from("readonly=2")),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world.clickhouse_url, refuse).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    prebuilt(&app, END).await;
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (5, 0, 5));
    assert_eq!((proxy.count("build"), proxy.count("sweep"), built(&world).await?), (1, 1, 0));
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_cut_at_a_row_leaves_the_hours() -> Result<()> {
    let world = settled_world(5).await?;
    for (operation, settings, voids) in [
        ("baseline", "limit=3", 1),
        ("baseline", "offset=1000", 1),
        ("sweep", "limit=3", 0),
        ("sweep", "offset=1000", 0),
    ] {
        let app = world.app().await?;
        prebuilt(&app, END).await;
        assert_eq!(same_usage(&app, END).await?.0.len(), 5);
        let cut = move |seen: &Seen| match seen.operation.as_str() {
            of if of == operation && seen.earlier == 0 => Action::ForwardWith(settings.to_owned()),
            _ => Action::Forward,
        };
        let proxy = Proxy::start(&world.clickhouse_url, cut).await?;
        let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        let summary = run(&app, &hourly(END)).await?;
        assert_eq!((summary.customers, summary.anomalies_found), (5, 5), "{operation} {settings}");
        assert_eq!((proxy.count("sweep"), proxy.count("void")), (2, voids), "{operation} {settings}");
        // The build with too few rows is built again. Until then nobody reads it.
        let left = app.usage.baseline(&request_of("after", &app, END)?).await?;
        assert_eq!(left.is_none(), voids == 1, "{operation} {settings}");
    }
    Ok(())
}

#[tokio::test]
async fn streams_that_are_always_cut_end_the_run() -> Result<()> {
    let world = settled_world(5).await?;
    prebuilt(&world.app().await?, END).await;
    for (settings, says) in
        [("limit=3", "ended early: 3 of 5 customers arrived"), ("offset=1000", "0 of 5 customers")]
    {
        let cut = move |seen: &Seen| match seen.operation.as_str() {
            "sweep" | "baseline" => Action::ForwardWith(settings.to_owned()),
            _ => Action::Forward,
        };
        let proxy = Proxy::start(&world.clickhouse_url, cut).await?;
        let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        let error = failure(run(&app, &hourly(END)).await);
        assert!(error.contains(says), "{error}");
        assert_eq!(proxy.count("sweep"), 3);
        world.assert_untouched(settings).await?;
    }
    Ok(())
}

#[tokio::test]
async fn baselines_that_somebody_removed_are_missed_and_nothing_is_made_of_them() -> Result<()> {
    let world = settled_world(5).await?;
    let app = world.app().await?;
    for removed in ["customer_id = 'c00003'", "true"] {
        prebuilt(&app, END).await;
        same_usage(&app, END).await?;
        let text = format!("ALTER TABLE usage_baselines DELETE WHERE {removed} SETTINGS mutations_sync = 2");
        world.clickhouse.query(&text).execute().await?;
        // The baselines of tomorrow would be made of these.
        prebuilt(&app, NEXT_DAY).await;
        assert_eq!(same_usage(&app, NEXT_DAY).await?.1, [0], "{removed}");
        world.clickhouse.query("TRUNCATE TABLE usage_baseline_builds").execute().await?;
    }
    prebuilt(&app, END).await;
    world.clickhouse.query("TRUNCATE TABLE usage_baselines").execute().await?;
    let summary = run(&app, &hourly(END)).await?;
    assert_eq!((summary.customers, summary.anomalies_found), (5, 5));
    assert_eq!(app.usage.baseline(&request_of("after", &app, END)?).await?, None);
    Ok(())
}

/// A deletion is no arrival. So a build that is under way must not bring deleted rows back.
#[tokio::test]
async fn rows_that_left_the_rollup_do_not_come_back_with_a_build_under_way() -> Result<()> {
    // On a former build, which is thrown away before all is built, and from nothing, where the next run builds it.
    for (former, windows_and_voids) in [(true, (30, 1)), (false, (8, 0))] {
        let world = settled_world(5).await?;
        if former {
            prebuilt(&world.app().await?, END).await;
        }
        let taken_out = Arc::new(Notify::new());
        let until = Arc::clone(&taken_out);
        let wait = move |seen: &Seen| match seen.operation.as_str() {
            "rows" if seen.earlier == 0 => Action::Hold(Arc::clone(&until)),
            _ => Action::Forward,
        };
        let proxy = Proxy::start(&world.clickhouse_url, wait).await?;
        let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        let request = request_of("under-way", &app, NEXT_DAY)?;
        let take_out = async {
            while proxy.count("rows") == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let delete =
                "ALTER TABLE usage_hourly DELETE WHERE customer_id = 'c00003' SETTINGS mutations_sync = 2";
            for statement in [delete.to_owned()].into_iter().chain(forget_baselines()) {
                world.clickhouse.query(&statement).execute().await?;
            }
            taken_out.notify_one();
            anyhow::Ok(())
        };
        let build = async { anyhow::Ok(app.usage.build_baseline(&request).await?) };
        let (windows, ()) = tokio::try_join!(build, take_out)?;
        assert_eq!((windows, proxy.count("void")), windows_and_voids);
        assert_eq!(app.usage.baseline(&request_of("after", &app, NEXT_DAY)?).await?.is_some(), former);
        prebuilt(&app, NEXT_DAY).await;
        assert_eq!(same_usage(&app, NEXT_DAY).await?.0.len(), 4);
    }
    Ok(())
}

/// A migration that runs again after it was cut off does not know the rows that it has deleted.
#[tokio::test]
async fn a_migration_that_takes_anything_out_has_baselines_forgotten_even_if_it_is_cut_off() -> Result<()> {
    let of_view = "DROP VIEW usage_hourly_compute_time";
    let of_events = "ALTER TABLE events DELETE WHERE customer_id = 'c00003' AND timestamp < '2026-10-23 00:00:00' \
                     SETTINGS mutations_sync = 2";
    for (before, is_cut_off) in [(of_view, false), (of_view, true), (of_events, false), (of_events, true)] {
        let world = settled_world(5).await?;
        prebuilt(&world.app().await?, END).await;
        let noted = "SELECT count() FROM usage_baseline_builds WHERE definition != 'forgotten'";
        assert_ne!(world.clickhouse.query(noted).fetch_one::<u64>().await?, 0);
        world.clickhouse.query(before).execute().await?;

        let taken_out = AtomicBool::new(false);
        let cut_off = move |seen: &Seen| match taken_out.load(Ordering::Relaxed) && is_cut_off {
            true => Action::Answer(500, String::new()),
            false => {
                let deletes = String::from_utf8_lossy(&seen.body).contains("ALTER TABLE usage_hourly DELETE");
                taken_out.fetch_or(deletes, Ordering::Relaxed);
                Action::Forward
            }
        };
        let proxy = Proxy::start(&world.clickhouse_url, cut_off).await?;
        let client = world.clickhouse.clone().with_url(&proxy.url);
        // Missing events count as expired, unless a rebuild is requested.
        let options = Options { delete: true, rebuild: true, ..Options::default() };
        let catalog = Catalog::built_in()?;
        let migrated = rollup::migrate(&client, &world.database, &catalog, &options, |_| {}).await;
        assert_eq!(migrated.is_err(), is_cut_off, "{before}: {migrated:?}");
        assert_eq!(world.clickhouse.query(noted).fetch_one::<u64>().await?, 0, "{before}, {is_cut_off}");
        let kept =
            "SELECT count() FROM usage_hourly WHERE customer_id = 'c00003' AND metric = 'compute_time'";
        let kept: u64 = world.clickhouse.query(kept).fetch_one().await?;
        assert_eq!(kept == 31, before == of_view && !is_cut_off, "{before}, {is_cut_off}: {kept} hours");
    }
    Ok(())
}

#[tokio::test]
async fn customers_that_come_twice_are_not_believed() -> Result<()> {
    let world = settled_world(5).await?;
    let app = world.app().await?;
    prebuilt(&app, END).await;
    let twice = "INSERT INTO usage_baselines SELECT * FROM usage_baselines WHERE customer_id = 'c00003'";
    world.clickhouse.query(twice).execute().await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    // A dry run changes nothing.
    let trial = run(&app, &Request { dry_run: true, ..hourly(END) }).await?;
    assert_eq!((trial.customers, proxy.count("void")), (5, 0));
    let summary = run(&app, &hourly(END)).await?;
    assert_eq!((summary.customers, summary.anomalies_found), (5, 5));
    assert_eq!((proxy.count("baseline"), proxy.count("sweep"), proxy.count("void")), (2, 4, 1));
    Ok(())
}

#[tokio::test]
async fn a_baseline_that_cannot_be_read_leaves_the_hours() -> Result<()> {
    let world = settled_world(5).await?;
    prebuilt(&world.app().await?, END).await;
    for says in
        ["Code: 60. DB::Exception: no such table", "Code: 241. DB::Exception: memory limit", "Code: 47. DB"]
    {
        let refuse = move |seen: &Seen| match seen.operation.as_str() {
            "baseline" => Action::Answer(500, String::from(says)),
            _ => Action::Forward,
        };
        let proxy = Proxy::start(&world.clickhouse_url, refuse).await?;
        let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        assert_eq!(run(&app, &hourly(END)).await?.anomalies_found, 5, "{says}");
        assert_eq!((proxy.count("baseline"), proxy.count("sweep"), proxy.count("void")), (1, 2, 0), "{says}");
    }
    Ok(())
}

#[tokio::test]
async fn the_last_try_reads_the_hours_whatever_fails() -> Result<()> {
    let world = settled_world(5).await?;
    prebuilt(&world.app().await?, END).await;
    let refuse = |seen: &Seen| match seen.operation.as_str() {
        "baseline" => Action::Answer(503, String::from("Service Unavailable")),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world.clickhouse_url, refuse).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    assert_eq!(run(&app, &hourly(END)).await?.anomalies_found, 5);
    assert_eq!((proxy.count("baseline"), proxy.count("sweep"), proxy.count("void")), (2, 3, 0));
    Ok(())
}

/// A server that waits for its reader hangs up. So the baseline must not be requested before the hours come.
#[tokio::test]
async fn a_baseline_is_asked_for_when_the_fresh_windows_come() -> Result<()> {
    const SLOW: Duration = Duration::from_secs(1);
    let world = settled_world(5).await?;
    prebuilt(&world.app().await?, END).await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let slow = move |seen: &Seen| {
        noted.lock().expect("no test holds it").push((seen.operation.clone(), Instant::now()));
        if seen.operation == "sweep" { Action::Delay(SLOW) } else { Action::Forward }
    };
    let proxy = Proxy::start(&world.clickhouse_url, slow).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    assert_eq!(run(&app, &hourly(END)).await?.anomalies_found, 5);
    let asked = asked.lock().expect("the run is over");
    let [(sweep, of_sweep), (baseline, of_baseline)] = &asked[1..] else { anyhow::bail!("{asked:?}") };
    assert_eq!((sweep.as_str(), baseline.as_str()), ("sweep", "baseline"));
    assert!(*of_baseline - *of_sweep >= SLOW, "{asked:?}");
    Ok(())
}

#[tokio::test]
async fn a_note_by_a_clock_that_is_ahead_can_be_taken_back() -> Result<()> {
    let world = settled_world(5).await?;
    let app = world.app().await?;
    prebuilt(&app, END).await;
    for statement in [
        "ALTER TABLE usage_baseline_builds UPDATE begun = begun + INTERVAL 3 HOUR WHERE true SETTINGS mutations_sync = 2",
        "ALTER TABLE usage_baselines DELETE WHERE customer_id = 'c00003' SETTINGS mutations_sync = 2",
    ] {
        world.clickhouse.query(statement).execute().await?;
    }
    same_usage(&app, END).await.expect_err("a customer is missing");
    assert_eq!(run(&app, &hourly(END)).await?.anomalies_found, 5);
    assert_eq!(app.usage.baseline(&request_of("after", &app, END)?).await?, None);
    Ok(())
}

/// If a replica is behind, a build would be made again and again.
#[tokio::test]
async fn a_build_whose_note_is_not_seen_is_not_made_again() -> Result<()> {
    let world = settled_world(5).await?;
    let lose = |seen: &Seen| match seen.operation.as_str() {
        "note" => Action::Answer(200, String::new()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world.clickhouse_url, lose).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    prebuilt(&app, END).await;
    assert_eq!((proxy.count("build"), proxy.count("note")), (2, 2), "one for each of two hours");
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (5, 0, 5));
    Ok(())
}

#[tokio::test]
async fn baselines_of_runs_at_the_same_time_are_built_beside_each_other() -> Result<()> {
    let world = settled_world(20).await?;
    let app = world.app().await?;
    join_all((0..3).map(|_| prebuilt(&app, END))).await;
    assert_eq!(same_usage(&app, END).await?.0.len(), 20);
    join_all((0..3).map(|_| prebuilt(&app, NEXT_DAY))).await;
    assert_eq!(same_usage(&app, NEXT_DAY).await?.1, [0]);
    let requests = [hourly(END), hourly(END), hourly(END)];
    let summaries = try_join_all(requests.iter().map(|request| run(&app, request))).await?;
    assert!(summaries.iter().all(|summary| (summary.customers, summary.anomalies_found) == (20, 20)));
    assert_eq!(world.attribute("anomaly_id").await?.len(), 20);
    Ok(())
}

#[tokio::test]
async fn broken_data_and_unknown_metrics_are_set_aside_on_both_paths() -> Result<()> {
    let world = settled_world(3).await?;
    let rows = "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low)
        SELECT customer, metric, toDateTime('2026-11-21 01:00:00', 'UTC') - 86400 * day, 1, total, peak, 0
        FROM (
            SELECT number AS day,
                arrayJoin([
                    ('nan', 'compute_time', nan, 1.), ('inf', 'storage_peak', inf, 1.), ('minus', 'bandwidth', -inf, 1.),
                    ('negative', 'compute_time', -5., 1.), ('stranger', 'no_such_metric', 1., 1.)
                ]) AS row,
                row.1 AS customer, row.2 AS metric, row.3 AS total, row.4 AS peak
            FROM numbers(31))";
    world.clickhouse.query(rows).execute().await?;
    let once = "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low) VALUES ('once', 'was_here_once', '2026-11-11 01:00:00', 1, 1, 1, 1)";
    world.clickhouse.query(once).execute().await?;
    world.hours_pass(2).await?;
    let app = world.app().await?;
    let of_hours = run(&app, &Request { dry_run: true, ..hourly(END) }).await?;
    prebuilt(&app, END).await;
    let beside = run(&app, &hourly(END)).await?;
    assert_eq!(beside.undetermined, of_hours.undetermined);
    assert_eq!((beside.checked, beside.customers), (of_hours.checked, of_hours.customers));
    let count = |reason: &str| beside.undetermined.get(reason).copied();
    assert_eq!((count("not_finite"), count("unknown_metric")), (Some(3), Some(2)));
    same_usage(&app, END).await?;
    // An unknown metric leaves with its window.
    let later = |days: i64| (at(END) + SignedDuration::from_hours(24 * days)).to_string();
    assert!(same_usage(&app, &later(3)).await?.0[&b"once"[..]].2 == ["was_here_once"]);
    for days in [3, 10, 17] {
        prebuilt(&app, &later(days)).await;
    }
    for (days, is_there) in [(20, true), (21, false)] {
        let (usage, fresh) = same_usage(&app, &later(days)).await?;
        assert_eq!(
            (usage.contains_key(&b"once"[..]), fresh.len() > 1),
            (is_there, true),
            "{days} days later"
        );
    }
    Ok(())
}

/// All shards together find the same as the whole run, from the hours and beside baselines of any builder.
#[tokio::test]
async fn eight_shards_find_what_one_run_finds() -> Result<()> {
    let world = settled_world(40).await?;
    let app = world.app().await?;
    let shards = |count: u8| (0..count).map(move |number| Shard::new(number, count).expect("a shard"));
    let found = async |count: u8| -> Result<(u64, u64, Vec<String>)> {
        let (mut customers, mut checked, mut ids) = (0, 0, Vec::new());
        for shard in shards(count) {
            let summary = run(&app, &Request { dry_run: true, shard, ..hourly(END) }).await?;
            assert!(summary.customers < 40 || count == 1, "{shard} has all customers");
            customers += summary.customers;
            checked += summary.checked;
            ids.extend(summary.findings.iter().map(|finding| finding.customer_id.clone()));
        }
        ids.sort();
        Ok((customers, checked, ids))
    };
    let whole = found(1).await?;
    assert_eq!((whole.0, whole.1, whole.2.len()), (40, 160, 40));
    for built_by in [0, 8, 1, 2] {
        world.clickhouse.query("TRUNCATE TABLE usage_baseline_builds").execute().await?;
        for shard in shards(built_by) {
            let deadline = Instant::now() + Duration::from_secs(600);
            prebuild(&app, &Request { shard, ..hourly(END) }, deadline).await;
        }
        assert_eq!(built(&world).await?, if built_by == 0 { 0 } else { 2 });
        for count in [1, 2, 4, 8] {
            assert_eq!(found(count).await?, whole, "{count} shards, built by {built_by}");
        }
        if built_by > 0 {
            assert_eq!(same_usage(&app, NEXT_HOUR).await?.1, [0]);
        }
    }
    Ok(())
}

/// Two shards have built again what the whole run had built. Their customers in its build are not read any more.
#[tokio::test]
async fn a_shard_builds_its_part_of_what_the_whole_built() -> Result<()> {
    let world = settled_world(40).await?;
    let app = world.app().await?;
    prebuilt(&app, END).await;
    let late: Vec<_> = ["c00001", "c00007", "c00021"]
        .map(|customer| Event::compute(customer, at(END) - SignedDuration::from_hours(24 * 9 + 1), 9e6))
        .into();
    world.insert(&late).await?;
    world.hours_pass(2).await?;
    for number in [1, 6] {
        let shard = Shard::new(number, 8)?;
        let id = format!("of-shard-{number}");
        let request = SweepRequest { shard, ..request_of(&id, &app, END)? };
        ensure!(app.usage.build_baseline(&request).await? == 1);
    }
    assert_eq!(same_usage(&app, END).await?.1, [0, 9]);
    prebuilt(&app, NEXT_DAY).await;
    assert_eq!(same_usage(&app, NEXT_DAY).await?.1, [0]);
    Ok(())
}

#[tokio::test]
async fn a_baseline_of_another_catalog_is_not_read() -> Result<()> {
    let world = settled_world(2).await?;
    prebuilt(&world.app().await?, END).await;
    let catalog = "[[metric]]\nname = \"compute_time\"\naggregate = \"max\"\nunit = \"ms\"\nmissing = \"zero\"\n\
        filter = \"event_type = 'compute'\"\nmin_change = 60000\n\
        value = \"JSONExtract(properties, 'cpu_ms', 'Nullable(Float64)')\"\n";
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), catalog)?;
    let path = file.path().to_str().context("a path")?;
    let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
    assert_eq!(app.usage.baseline(&request_of("other", &app, END)?).await?, None);
    prebuilt(&app, END).await;
    assert_eq!(same_usage(&app, END).await?.0.len(), 2);
    let summary = run(&app, &hourly(END)).await?;
    assert_eq!((summary.customers, summary.checked, summary.anomalies_found), (2, 2, 2));
    Ok(())
}

#[tokio::test]
async fn a_service_that_went_silent_is_told_from_a_stream_that_was_cut() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("silent", at(END), 0.0)[1..]).await?;
    world.hours_pass(2).await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    prebuilt(&app, END).await;
    assert_eq!(figures(&run(&app, &hourly(END)).await?), (1, 0, 1));
    assert_eq!((proxy.count("baseline"), proxy.count("sweep"), proxy.count("count")), (1, 1, 1));
    Ok(())
}
