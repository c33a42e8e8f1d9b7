//! Closed windows: built once, read by the runs of the next days, and never anything but what the hours say.

use std::time::{Duration, Instant};

use adapters::shard::Shard;
use anyhow::{Context, Result};
use detection::CustomerId;
use detector::{Tick, build_ahead};
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{END, at, figures, run, steady_then, tick};
use e2e::{Event, World};
use futures::future::try_join_all;
use jiff::SignedDuration;

/// A day after [`END`]: its windows are those, but for one.
const NEXT_DAY: &str = "2026-11-22T13:00:00Z";

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

async fn built(world: &World) -> Result<u64> {
    Ok(world.clickhouse.query("SELECT count() FROM usage_window_builds").fetch_one().await?)
}

#[tokio::test]
async fn what_is_built_is_read_until_something_arrives_for_it() -> Result<()> {
    let world = settled_world(5).await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    let builds = || (proxy.count("windows"), proxy.count("build"), proxy.count("note"));

    assert_eq!(figures(&run(&app, &tick(END)).await?), (5, 0, 5));
    assert_eq!((builds(), built(&world).await?), ((1, 4, 4), 31 * 8));
    assert_eq!(run(&app, &tick(END)).await?.already_recorded, 5);
    assert_eq!((builds(), built(&world).await?), ((2, 4, 4), 31 * 8), "everything is there");

    // A day later one window has closed.
    run(&app, &tick(NEXT_DAY)).await?;
    assert_eq!((builds(), built(&world).await?), ((3, 5, 5), 32 * 8));

    // An event that is nine days late, for one window of those that are compared at this hour.
    let late = Event::compute("c00000", at(END) - SignedDuration::from_hours(24 * 9 + 1), 9e6);
    world.insert(&[late]).await?;
    let sum = async || -> Result<f64> {
        let table = "SELECT sum(arraySum(arrayFilter(v -> isFinite(v), values))) FROM usage_windows";
        Ok(world.clickhouse.query(table).fetch_one().await?)
    };
    let before = sum().await?;
    run(&app, &tick(NEXT_DAY)).await?;
    assert_eq!((builds(), built(&world).await?), ((4, 6, 5), 32 * 8), "for this run only");
    assert!(sum().await? > before, "the window was built anew");
    world.hours_pass(2).await?;
    run(&app, &tick(NEXT_DAY)).await?;
    assert_eq!((builds(), built(&world).await?), ((5, 7, 6), 33 * 8), "and then for all");
    run(&app, &tick(NEXT_DAY)).await?;
    assert_eq!(builds(), (6, 7, 6));
    Ok(())
}

#[tokio::test]
async fn hours_are_read_where_most_windows_still_change_and_by_dry_runs() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    assert_eq!(figures(&run(&app, &tick(END)).await?), (5, 0, 5));
    assert_eq!((proxy.count("windows"), proxy.count("build"), proxy.count("sweep")), (1, 0, 1));
    world.hours_pass(2).await?;
    let some = Tick { customers: vec![CustomerId::new("c00000")?], ..tick(END) };
    for tick in [Tick { dry_run: true, ..tick(END) }, some] {
        run(&app, &tick).await?;
    }
    assert_eq!((proxy.count("windows"), built(&world).await?), (1, 0));
    Ok(())
}

#[tokio::test]
async fn what_a_build_left_that_broke_off_is_never_read() -> Result<()> {
    let world = settled_world(5).await?;
    let broken = "INSERT INTO usage_windows (customer_id, start, build, provisional, expires, values)
        SELECT concat('c0000', toString(number % 9)),
            toDateTime('2026-11-20 13:00:00', 'UTC') - 86400 * intDiv(number, 9), 7, false,
            now() + 864000, [1e9, 1e9, 1e9, 1e9]
        FROM numbers(9 * 31)";
    world.clickhouse.query(broken).execute().await?;
    let refuse = |seen: &Seen| match seen.operation.as_str() {
        "note" => Action::Answer(503, String::new()),
        _ => Action::Forward,
    };
    let proxy = Proxy::start(&world.clickhouse_url, refuse).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    assert_eq!(figures(&run(&app, &tick(END)).await?), (5, 0, 5));
    assert_eq!((proxy.count("build"), proxy.count("sweep"), built(&world).await?), (1, 1, 0));
    let summary = run(&world.app().await?, &tick(END)).await?;
    assert_eq!((summary.anomalies_found, summary.already_recorded), (5, 5));
    assert_eq!(built(&world).await?, 31 * 8);
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
    assert_eq!(figures(&run(&app, &tick(END)).await?), (5, 0, 5));
    assert_eq!((proxy.count("build"), proxy.count("sweep"), built(&world).await?), (1, 1, 0));
    Ok(())
}

#[tokio::test]
async fn a_stream_of_windows_that_is_cut_at_a_row_is_not_believed() -> Result<()> {
    let world = settled_world(5).await?;
    for (settings, says) in
        [("limit=3", "ended early: 3 of 5 customers arrived"), ("offset=1000", "0 of 5 customers")]
    {
        let cut = move |seen: &Seen| match seen.operation.as_str() {
            "sweep" => Action::ForwardWith(settings.to_owned()),
            _ => Action::Forward,
        };
        let proxy = Proxy::start(&world.clickhouse_url, cut).await?;
        let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        // The first try reads windows, the second one hours, and so does the third.
        let error = e2e::world::failure(run(&app, &tick(END)).await);
        assert!(error.contains(says), "{error}");
        assert_eq!((proxy.count("sweep"), proxy.count("void")), (3, 1));
        world.assert_untouched(settings).await?;
    }
    Ok(())
}

#[tokio::test]
async fn windows_that_somebody_removed_are_missed_and_the_hours_read() -> Result<()> {
    let world = settled_world(5).await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    assert_eq!(figures(&run(&app, &tick(END)).await?), (5, 0, 5));
    for removed in ["toDayOfMonth(start) = 3", "true"] {
        let text = format!("ALTER TABLE usage_windows DELETE WHERE {removed} SETTINGS mutations_sync = 2");
        world.clickhouse.query(&text).execute().await?;
        let sweeps = proxy.count("sweep");
        let summary = run(&app, &tick(END)).await?;
        assert_eq!((summary.customers, summary.already_recorded), (5, 5));
        assert_eq!(proxy.count("sweep") - sweeps, 2, "{removed}");
        // And then they are built anew, once.
        for builds in [4, 0] {
            let (before, sweeps) = (proxy.count("build"), proxy.count("sweep"));
            world.hours_pass(1).await?;
            run(&app, &tick(END)).await?;
            assert_eq!(
                (proxy.count("build") - before, proxy.count("sweep") - sweeps),
                (builds, 1),
                "{removed}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn windows_that_cannot_be_read_leave_the_hours() -> Result<()> {
    let world = settled_world(5).await?;
    for says in
        ["Code: 60. DB::Exception: no such table", "Code: 241. DB::Exception: memory limit", "Code: 47. DB"]
    {
        let refuse = move |seen: &Seen| match seen.operation.as_str() {
            "sweep" if seen.earlier == 0 => Action::Answer(500, String::from(says)),
            _ => Action::Forward,
        };
        let proxy = Proxy::start(&world.clickhouse_url, refuse).await?;
        let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        assert_eq!(run(&app, &tick(END)).await?.anomalies_found, 5, "{says}");
        assert_eq!((proxy.count("sweep"), proxy.count("void")), (2, 0));
    }
    Ok(())
}

#[tokio::test]
async fn a_run_leaves_the_next_one_one_window_to_build() -> Result<()> {
    const NEXT_HOUR: &str = "2026-11-21T14:00:00Z";
    let world = settled_world(5).await?;
    let proxy = watched(&world).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    let deadline = || Instant::now() + Duration::from_secs(60);

    let asked = Tick { detection_id: Some(String::from("asked")), ..tick(END) };
    let some = Tick { customers: vec![CustomerId::new("c00000")?], ..tick(END) };
    for not_of_the_schedule in [asked, some, Tick { dry_run: true, ..tick(END) }] {
        build_ahead(&app, &not_of_the_schedule, deadline()).await;
    }
    assert_eq!((proxy.count("ahead"), built(&world).await?), (0, 0));

    build_ahead(&app, &tick(END), deadline()).await;
    assert_eq!(built(&world).await?, 30 * 8, "all but the one that is not closed yet");
    build_ahead(&app, &tick(END), deadline()).await;
    assert_eq!(built(&world).await?, 30 * 8, "once");

    // What arrives in the hour between them makes the newest window provisional, and one old window out of date.
    let early = Event::compute("c00000", at(END) + SignedDuration::from_mins(30), 1e9);
    let late = Event::compute("c00001", at(END) - SignedDuration::from_hours(24 * 9), 9e6);
    world.insert(&[early, late]).await?;
    let summary = run(&app, &tick(NEXT_HOUR)).await?;
    assert_eq!((proxy.count("build"), built(&world).await?), (2, 30 * 8));
    let of_hours = run(&app, &Tick { dry_run: true, ..tick(NEXT_HOUR) }).await?;
    assert_eq!((summary.customers, summary.anomalies_found), (5, of_hours.anomalies_found));
    Ok(())
}

#[tokio::test]
async fn runs_at_the_same_time_build_beside_each_other() -> Result<()> {
    let world = settled_world(20).await?;
    let app = world.app().await?;
    let ticks = [tick(END), tick(END), tick(END)];
    let summaries = try_join_all(ticks.iter().map(|tick| run(&app, tick))).await?;
    assert!(summaries.iter().all(|summary| (summary.customers, summary.anomalies_found) == (20, 20)));
    assert_eq!(world.attribute("anomaly_id").await?.len(), 20);
    let summary = run(&app, &tick(END)).await?;
    assert_eq!((summary.customers, summary.anomalies_found), (20, 20));
    Ok(())
}

#[tokio::test]
async fn broken_data_and_unknown_metrics_are_set_aside_on_both_paths() -> Result<()> {
    let world = settled_world(3).await?;
    let rows = "INSERT INTO usage_hourly
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
    world.hours_pass(2).await?;
    let app = world.app().await?;
    let of_hours = run(&app, &Tick { dry_run: true, ..tick(END) }).await?;
    let of_windows = run(&app, &tick(END)).await?;
    assert_eq!(built(&world).await?, 31 * 8);
    assert_eq!(of_windows.undetermined, of_hours.undetermined);
    assert_eq!((of_windows.checked, of_windows.customers), (of_hours.checked, of_hours.customers));
    let count = |reason: &str| of_windows.undetermined.get(reason).copied();
    assert_eq!((count("not_finite"), count("unknown_metric")), (Some(3), Some(1)));
    Ok(())
}

/// The findings of all shards of a dry run, or of a real one on windows, are those of the whole.
#[tokio::test]
async fn eight_shards_find_what_one_run_finds() -> Result<()> {
    let world = settled_world(40).await?;
    let app = world.app().await?;
    let found = async |dry_run: bool, shards: u8| -> Result<(u64, u64, Vec<String>)> {
        let (mut customers, mut checked, mut ids) = (0, 0, Vec::new());
        for number in 0..shards {
            let shard = Shard::new(number, shards)?;
            let summary = run(&app, &Tick { dry_run, shard, ..tick(END) }).await?;
            assert!(summary.customers < 40 || shards == 1, "shard {number} of {shards} has all customers");
            customers += summary.customers;
            checked += summary.checked;
            ids.extend(summary.findings.iter().map(|finding| finding.customer_id.clone()));
        }
        ids.sort();
        Ok((customers, checked, ids))
    };
    let whole = found(true, 1).await?;
    assert_eq!((whole.0, whole.1, whole.2.len()), (40, 160, 40));
    for shards in [2, 4, 8] {
        assert_eq!(found(true, shards).await?, whole);
    }
    // Real ones build their windows themselves, each its own buckets.
    let (customers, checked, _) = found(false, 8).await?;
    assert_eq!((customers, checked, built(&world).await?), (40, 160, 31 * 8));
    let mut recorded = world.attribute("customer_id").await?;
    recorded.sort();
    assert_eq!(recorded, whole.2);
    assert_eq!(run(&app, &tick(END)).await?.already_recorded, 40, "the whole reads what the shards built");
    assert_eq!(built(&world).await?, 31 * 8);
    Ok(())
}

#[tokio::test]
async fn windows_of_another_catalog_are_not_read() -> Result<()> {
    let world = settled_world(2).await?;
    run(&world.app().await?, &tick(END)).await?;
    let catalog = "[[metric]]\nname = \"compute_time\"\naggregate = \"max\"\nunit = \"ms\"\nmissing = \"zero\"\n\
        filter = \"event_type = 'compute'\"\nmin_change = 60000\n\
        value = \"JSONExtract(properties, 'cpu_ms', 'Nullable(Float64)')\"\n";
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), catalog)?;
    let path = file.path().to_str().context("a path")?;
    let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
    let summary = run(&app, &tick(END)).await?;
    assert_eq!((summary.customers, summary.checked, summary.anomalies_found), (2, 2, 2));
    assert_eq!(built(&world).await?, 2 * 31 * 8);
    Ok(())
}

#[tokio::test]
async fn a_drop_to_zero_shows_in_windows_too() -> Result<()> {
    let world = World::new().await?;
    let mut events = steady_then("silent", at(END), 0.0);
    events.remove(0);
    world.insert(&events).await?;
    world.hours_pass(2).await?;
    assert_eq!(figures(&run(&world.app().await?, &tick(END)).await?), (1, 0, 1));
    assert_eq!(built(&world).await?, 31 * 8);
    Ok(())
}
