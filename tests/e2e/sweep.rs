//! The figures: windows, zeros, gaps, first usage and late events, compared with an oracle that recomputes them from
//! raw events.

use std::collections::BTreeMap;

use anyhow::Result;
use catalog::MetricSpec;
use detection::model::Profile;
use detection::{Comparison, Finding, Hour, Series, Verdict, Window, assess, check};
use detector::App;
use detector::calendars::Calendars;
use e2e::oracle::{self, Expected, Judged, assert_same};
use e2e::world::{END, at, compute_by_window, hourly, run, steady_then, sweep_request};
use e2e::{Event, World};
use jiff::{SignedDuration, Timestamp};
use warehouse::usage::{HoursRequest, KnownHours, Sweep, SweepRequest};

type Verdicts = BTreeMap<(String, &'static str), Expected>;

/// The verdict of the code under test on every series, in the form of the oracle. A check of the period by windows and the
/// classical detector by hours give the same.
async fn verdicts(world: &World, end: Timestamp) -> Result<Verdicts> {
    let app = world.app().await?;
    // ClickHouse does not run two queries with the same id at a time.
    let id = uuid::Uuid::new_v4().to_string();
    let request = SweepRequest { query_id: &id, ..sweep_request(&app, &end.to_string())? };
    let by_windows = verdicts_of_windows(&app, &request, app.usage.sweep(&request).await?).await?;
    let mut by_hours = verdicts_of_hours(&app, &request).await?;
    for (series, verdict) in &mut by_hours {
        // The first hour of a series is known better by hours. Windows tell nothing of the time before the oldest of them, so a
        // series that begins there may be older. A window whose first hour has the first event counts only by hours.
        let (Expected::Judged(hours), Some(Expected::Judged(windows))) = (&*verdict, by_windows.get(series))
        else {
            continue;
        };
        if hours.samples.abs_diff(windows.samples) == 1 {
            *verdict = Expected::Judged(windows.clone());
        }
    }
    assert_same(&by_hours, &by_windows);
    Ok(by_windows)
}

async fn verdicts_of_windows(app: &App, request: &SweepRequest<'_>, mut sweep: Sweep) -> Result<Verdicts> {
    let mut verdicts = BTreeMap::new();
    while let Some(usage) = sweep.next().await? {
        let customer = String::from_utf8(usage.customer_id.clone())?;
        let oldest = request.window.oldest(request.baseline_days);
        let counted = request.window.counted(usage.first_event, oldest);
        let of_metrics = usage.series().zip(usage.first_uses());
        for ((spec, settings), (windows, first_use)) in
            app.catalog.metrics().iter().zip(&app.settings).zip(of_metrics)
        {
            let series = Series::new(windows, counted, spec.missing, spec.never_negative());
            let series = series.used_since(first_use, &request.window, oldest);
            verdicts.insert((customer.clone(), name(spec)), as_expected(check(&series, settings)));
        }
    }
    Ok(verdicts)
}

async fn verdicts_of_hours(app: &App, request: &SweepRequest<'_>) -> Result<Verdicts> {
    let newest = Hour::holding(request.window.end()).plus(-1);
    let mut calendars = Calendars::of(&request.window);
    let start = request.window.end() - SignedDuration::from_hours(24 * 31);
    let hours_request = HoursRequest {
        period: Window::between(start, request.window.end())?,
        catalog: request.catalog,
        customers: &[],
        shard: request.shard,
        in_order: false,
        query_id: &format!("{}-hours", request.query_id),
        deadline: request.deadline,
    };
    let mut verdicts = BTreeMap::new();
    let mut stream = app.usage.hours(&hours_request).await?;
    while let Some(customer) = stream.next().await? {
        let id = String::from_utf8(customer.customer_id.clone())?;
        let calendar = calendars.of_bucket(customer.bucket, None);
        let KnownHours { first, customer_since, skipped } =
            customer.known(calendar.begin(), Hour::holding(start));
        for ((spec, settings), values) in
            app.catalog.metrics().iter().zip(&app.settings).zip(customer.series())
        {
            let hours = spec.hours(first, &values[skipped..], customer_since);
            let assessment = assess(&hours, newest, customer_since, calendar, &Profile::FLAT, settings);
            verdicts.insert((id.clone(), name(spec)), as_expected(assessment.verdict));
        }
    }
    Ok(verdicts)
}

fn name(spec: &MetricSpec) -> &'static str {
    oracle::METRICS
        .into_iter()
        .find(|name| *name == spec.name.as_str())
        .expect("a metric of the built-in catalog")
}

fn as_expected(verdict: Verdict) -> Expected {
    let judged = |comparison: Comparison, severity| {
        Expected::Judged(Judged {
            current: comparison.current,
            mean: comparison.baseline.mean(),
            stddev: comparison.baseline.stddev(),
            z_score: comparison.z_score,
            samples: comparison.baseline.sample_count(),
            severity,
        })
    };
    match verdict {
        Verdict::Undetermined(reason) => Expected::Undetermined(reason.as_str()),
        Verdict::Normal(comparison) => judged(comparison, None),
        Verdict::Anomalous(Finding { comparison, severity, .. }) => {
            judged(comparison, Some(severity.as_str()))
        }
    }
}

#[tokio::test]
async fn five_hundred_random_series_agree_with_the_oracle_at_any_hour() -> Result<()> {
    let world = World::new().await?;
    world.insert_random(200, 250, 33, at(END)).await?;
    for end in [END, "2026-11-21T00:00:00Z", "2026-11-20T07:00:00Z", "2026-11-19T23:00:00Z"] {
        let (found, oracle) = (
            verdicts(&world, at(end)).await?,
            oracle::recompute(&world.clickhouse, at(end).as_millisecond()).await?,
        );
        assert!(oracle.len() >= 500, "{} series", oracle.len());
        let judged = oracle.values().filter(|expected| matches!(expected, Expected::Judged(_))).count();
        assert!(judged >= 500, "{judged} series can be judged");
        assert_same(&found, &oracle);
    }
    Ok(())
}

#[tokio::test]
async fn edges_of_windows_zeros_gaps_and_first_usage() -> Result<()> {
    let (world, end) = (World::new().await?, at(END));
    let hours = SignedDuration::from_hours;
    let millisecond = SignedDuration::from_millis(1);
    // At the edges: the first instant of the current window is inside, the first instant after it is not.
    let mut events = vec![
        Event::compute("edges", end - hours(24), 1e6),
        Event::compute("edges", end - millisecond, 2e6),
        Event::compute("edges", end, 4e6),
        Event::compute("edges", end - hours(24) - millisecond, 8e6),
        Event::compute("edges", end - hours(24 * 31), 16e6),
        Event::compute("edges", end - hours(24 * 31) - millisecond, 32e6),
    ];
    // First usage in the oldest window: the customer counts as older. One window later: new.
    for (customer, first_age, from) in [("old", 30, 30), ("new", 29, 29), ("newer", 8, 8), ("too new", 7, 7)]
    {
        events.push(Event::call(customer, end - hours(24 * first_age + 5), 1e7));
        let windows: Vec<_> = (0..from).map(|age| (age % 3 != 1).then_some(1e6 * age as f64)).collect();
        events.extend(compute_by_window(customer, end, &windows));
        events.push(Event::storage(customer, end - hours(24 * 2 + 1), 7.0));
    }
    // A level with gaps, which is judged, and a level with a gap now.
    for age in 0..31 {
        if age % 4 != 2 {
            events.push(Event::storage("level", end - hours(24 * age + 3), 100.0 + age as f64));
            events.push(Event::storage("level", end - hours(24 * age + 4), 50.0));
        }
        if age != 0 {
            events.push(Event::storage("gap now", end - hours(24 * age + 3), 100.0));
        }
    }
    // Values that are missing, or of another kind.
    events.push(Event::new("odd", "compute", end - hours(3), serde_json::json!({})));
    events.push(Event::new("odd", "compute", end - hours(3), serde_json::json!({ "cpu_ms": null })));
    events.push(Event::new("odd", "api_request", end - hours(40), serde_json::json!([])));
    events.push(Event::new("unrelated", "login", end - hours(3), serde_json::json!({})));
    world.insert(&events).await?;

    let mut oracle = oracle::recompute(&world.clickhouse, end.as_millisecond()).await?;
    // Events of no metric make no customer of the sweep.
    oracle.retain(|(customer, _), _| customer != "unrelated");
    let found = verdicts(&world, end).await?;
    assert_same(&found, &oracle);
    let samples = |customer: &str, metric: &'static str| match &found[&(customer.to_owned(), metric)] {
        Expected::Judged(judged) => judged.samples,
        Expected::Undetermined(_) => 0,
    };
    assert_eq!(samples("old", "api_calls"), 30);
    assert_eq!(samples("new", "api_calls"), 28);
    assert_eq!(samples("newer", "api_calls"), 7);
    assert_eq!(found[&("too new".to_owned(), "api_calls")], Expected::Undetermined("insufficient_data"));
    // A series may be younger than its customer.
    assert_eq!(samples("old", "compute_time"), 28);
    assert_eq!(found[&("gap now".to_owned(), "storage_peak")], Expected::Undetermined("no_data"));
    Ok(())
}

#[tokio::test]
async fn a_drop_to_zero_is_found_although_nothing_arrives() -> Result<()> {
    let world = World::new().await?;
    let mut events = steady_then("silent", at(END), 0.0);
    events.remove(0);
    assert!(events.iter().all(|event| event.at < at(END) - SignedDuration::from_hours(24)));
    world.insert(&events).await?;
    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.anomalies_found, summary.critical), (1, 1));
    assert_eq!(world.attribute("direction").await?, ["drop"]);
    assert_eq!(world.attribute("current_value").await?, ["0"]);
    Ok(())
}

#[tokio::test]
async fn late_events_land_in_the_hour_of_their_own_time() -> Result<()> {
    let (world, end) = (World::new().await?, at(END));
    world.insert(&steady_then("late", end, 7_200_000.0)).await?;
    verdicts(&world, end).await?;
    // They come after the others, in an insert of their own, and belong to windows of the past.
    let late =
        [2, 9, 30].map(|age| Event::compute("late", end - SignedDuration::from_hours(24 * age + 1), 9e6));
    world.insert(&late).await?;
    let oracle = oracle::recompute(&world.clickhouse, end.as_millisecond()).await?;
    assert_same(&verdicts(&world, end).await?, &oracle);
    let Expected::Judged(judged) = &oracle[&("late".to_owned(), "compute_time")] else { panic!() };
    assert!(judged.stddev > 1e6, "the late events are in the baseline");
    Ok(())
}

#[tokio::test]
async fn a_run_at_any_hour_compares_the_same_hours() -> Result<()> {
    // Usage only between 09:00 and 10:00 each day: every window of 24 hours holds one such hour, wherever it begins.
    let world = World::new().await?;
    let nine = at("2026-11-21T09:30:00Z");
    let events: Vec<_> = (0..33)
        .map(|day| {
            Event::compute("office", nine - SignedDuration::from_hours(24 * day), 5e6 + (day % 3) as f64)
        })
        .collect();
    world.insert(&events).await?;
    for hour in 0..24 {
        let end = format!("2026-11-20T{hour:02}:00:00Z");
        let summary = run(&world.app().await?, &hourly(&end)).await?;
        assert_eq!(summary.anomalies_found, 0, "{end}");
        assert_eq!(summary.undetermined.get("insufficient_data"), None, "{end}");
    }
    Ok(())
}
