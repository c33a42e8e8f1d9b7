//! A ClickHouse that refuses, stalls, breaks off or fails in mid-stream. A run uses nothing of an incomplete stream and
//! writes nothing. It ends in bounded time, with an error that says where it happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use detection::CustomerId;
use detector::Request;
use e2e::World;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{self, END, at, compute_by_window, failure, hourly, run, text};
use futures::stream::{self, StreamExt, TryStreamExt};

/// Faults that are tried at once. With more of them the emulator answers too late, and alerts are sent twice.
const AT_ONCE: usize = 4;

/// Stalls are noticed after three seconds instead of a minute.
const IMPATIENT: (&str, &str) = ("CLICKHOUSE_READ_TIMEOUT_SECONDS", "3");

struct Fault {
    name: &'static str,
    action: Action,
    /// A text that the error must have, besides host and query.
    says: &'static str,
    /// How often the sweep is tried.
    tries: usize,
}

fn faults() -> Vec<Fault> {
    let fault = |name, action, says, tries| Fault { name, action, says, tries };
    let cut = |bytes| Action::CutAfter(bytes);
    let with = |setting: &str| Action::ForwardWith(setting.to_owned());
    let answer = |status, text: &str| Action::Answer(status, text.to_owned());
    vec![
        fault("is overloaded", answer(503, ""), "503 Service Unavailable", 3),
        fault("is behind a broken gateway", answer(502, "<html>Bad Gateway</html>"), "Bad Gateway", 3),
        fault("stalls before the headers", Action::FreezeBefore, "sent nothing for 3 s", 3),
        fault("stalls after the headers", Action::StallAfterHeaders, "sent nothing for 3 s", 3),
        fault("closes without an answer", Action::LoseAnswer, "failed: network error", 3),
        fault("is cut in the first bytes", cut(10), "failed", 3),
        fault("is cut in mid-row", cut(300), "failed", 3),
        fault("sends all rows and no end", cut(usize::MAX), "failed", 3),
        // The engine itself ends these two properly, at a row. Only the declared number of rows reveals the cut.
        fault("is cut at a row", with("limit=3"), "ended early: 3 of 5 customers arrived", 3),
        fault("is cut before the first row", with("offset=1000"), "ended early: 0 of 5 customers arrived", 3),
        fault("answers nothing at all", answer(200, ""), "ended early: 0 of 5 customers arrived", 3),
        fault("is out of memory", with("max_memory_usage=1"), "MEMORY_LIMIT_EXCEEDED", 3),
        fault("does not know a setting", with("no_such_setting=1"), "UNKNOWN_SETTING", 1),
        fault("forgets a table", answer(404, "Code: 60. DB::Exception: no table"), "`meterflow migrate`", 1),
    ]
}

async fn proxy_for(world: &World, decide: impl Fn(&Seen) -> Action + Send + Sync + 'static) -> Result<Proxy> {
    Proxy::start(&world.clickhouse_url, decide).await
}

#[tokio::test]
async fn a_lasting_fault_fails_the_run_and_leaves_nothing_behind() -> Result<()> {
    stream::iter(faults().into_iter().map(fails)).buffer_unordered(AT_ONCE).try_collect().await
}

async fn fails(Fault { name, action, says, tries }: Fault) -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    let decide = move |seen: &Seen| match seen.operation.as_str() {
        "sweep" => action.clone(),
        _ => Action::Forward,
    };
    let proxy = proxy_for(&world, decide).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url), IMPATIENT], &world.aws).await?;
    let started = Instant::now();
    let error = failure(run(&app, &hourly(END)).await);
    assert!(started.elapsed() < Duration::from_secs(20), "{name}: {:?}", started.elapsed());
    let (host, query) = (proxy.url.trim_start_matches("http://"), format!("-{tries}"));
    assert!(error.contains(host) && error.contains(&query) && error.contains(says), "{name}: {error}");
    assert_eq!(proxy.count("sweep"), tries, "{name}");
    world.assert_untouched(name).await?;

    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.recorded, summary.alerts_published), (5, 5), "after: {name}");
    Ok(())
}

#[tokio::test]
async fn a_passing_fault_is_overcome_and_counts_nothing_twice() -> Result<()> {
    let passing = faults().into_iter().filter(|fault| fault.tries > 1);
    stream::iter(passing.map(recovers)).buffer_unordered(AT_ONCE).try_collect().await
}

async fn recovers(Fault { name, action, .. }: Fault) -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    let decide = move |seen: &Seen| match seen.operation.as_str() {
        "sweep" if seen.earlier == 0 => action.clone(),
        _ => Action::Forward,
    };
    let proxy = proxy_for(&world, decide).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url), IMPATIENT], &world.aws).await?;
    let summary = run(&app, &hourly(END)).await?;
    assert_eq!(proxy.count("sweep"), 2, "{name}");
    assert_eq!((summary.customers, summary.checked, summary.anomalies_found), (5, 20, 5), "{name}");
    assert_eq!((summary.recorded, summary.alerts_published), (5, 5), "{name}");
    assert_eq!(world.attribute("anomaly_id").await?.len(), 5, "{name}");
    assert_eq!(world.alerts().await?.len(), 5, "{name}");
    Ok(())
}

#[tokio::test]
async fn a_refused_connection_fails_with_its_address() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    // No program listens there any more.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
    let app = world.app_with(&[("CLICKHOUSE_URL", &format!("http://{closed}"))], &world.aws).await?;
    let error = failure(run(&app, &hourly(END)).await);
    assert!(error.contains(&format!("-3 on {closed} failed")) && error.contains("refused"), "{error}");
    world.assert_untouched("refused").await
}

#[tokio::test]
async fn an_exception_in_mid_stream_discards_the_rows_before_it() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    // Some megabytes of answer, in many blocks, with spikes among its first rows. So rows are sent before the engine
    // fails.
    let rows = "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low)
         SELECT concat('m', leftPad(toString(intDiv(number, 93)), 5, '0')),
                ['compute_time', 'api_calls', 'bandwidth'][1 + number % 3],
                toDateTime('2026-11-21 01:00:00', 'UTC') - (intDiv(number, 3) % 31) * 86400, 1, value, value, value
         FROM (SELECT number, 7200000. + cityHash64(number) % 1000000000000 / 70000000 AS value FROM numbers(93 * 6000))";
    world.clickhouse.query_raw(rows).execute().await?;
    let settings = "max_result_rows=5500&result_overflow_mode=throw&max_block_size=500&\
                    aggregation_in_order_max_block_bytes=500000";
    let proxy = proxy_for(&world, |_| Action::ForwardWith(settings.to_owned())).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    let error = failure(run(&app, &hourly(END)).await);
    assert!(error.contains("Code: 396. DB::Exception") && error.contains("-3 on 127.0.0.1:"), "{error}");
    assert_eq!(proxy.count("sweep"), 3);
    assert!(proxy.passed() > 3 * 500_000, "{} bytes are no rows before the exception", proxy.passed());
    world.assert_untouched("an exception in mid-stream").await?;
    world
        .clickhouse
        .query_raw("DELETE FROM usage_hourly WHERE startsWith(customer_id, 'm0')")
        .execute()
        .await?;
    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.customers, summary.recorded, summary.alerts_published), (5, 5, 5));
    Ok(())
}

#[tokio::test]
async fn no_usage_at_all_is_believed_only_when_counted() -> Result<()> {
    let world = World::new().await?;
    let proxy = proxy_for(&world, |_| Action::Forward).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    assert_eq!(run(&app, &hourly(END)).await?.checked, 0);
    assert_eq!((proxy.count("sweep"), proxy.count("count")), (1, 1));

    let decide = |seen: &Seen| match seen.operation.as_str() {
        "count" => Action::FreezeBefore,
        _ => Action::Forward,
    };
    let proxy = proxy_for(&world, decide).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url), IMPATIENT], &world.aws).await?;
    let error = failure(run(&app, &hourly(END)).await);
    assert!(error.contains("-3-count on 127.0.0.1:") && error.contains("sent nothing for 3 s"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_empty_answer_for_chosen_customers_is_not_believed() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(3).await?;
    let chosen = |id: &str| -> Result<Request> {
        Ok(Request { customers: vec![CustomerId::new(id)?], ..hourly(END) })
    };
    for action in [Action::Answer(200, String::new()), Action::ForwardWith("offset=1000".to_owned())] {
        let decide = move |seen: &Seen| match seen.operation.as_str() {
            "sweep" => action.clone(),
            _ => Action::Forward,
        };
        let proxy = proxy_for(&world, decide).await?;
        let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
        let error = failure(run(&app, &chosen("c00001")?).await);
        assert!(error.contains("ended early: 0 of 1 customers arrived"), "{error}");
        // An empty answer is possible only for a customer without usage.
        assert!(failure(run(&app, &chosen("c00002")?).await).contains("ended early"));
        assert_eq!(run(&app, &chosen("nobody")?).await?.checked, 0);
    }
    let app = world.app().await?;
    assert_eq!(run(&app, &chosen("c00001")?).await?.recorded, 1);
    Ok(())
}

#[tokio::test]
async fn a_database_that_was_never_migrated_says_what_to_do() -> Result<()> {
    let world = World::without_migration().await?;
    let error = failure(run(&world.app().await?, &hourly(END)).await);
    assert!(error.contains("-1 on ") && error.contains("has `meterflow migrate` been run"), "{error}");
    world.assert_untouched("no rollup").await
}

#[tokio::test]
async fn a_run_ends_by_itself_before_its_time_is_up() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    let proxy = proxy_for(&world, |_| Action::FreezeBefore).await?;
    let app = world.app_with(&[("CLICKHOUSE_URL", &proxy.url)], &world.aws).await?;
    // Three seconds of each are kept back for the report. No time is no time, and never "without a limit".
    for (seconds, queries, says) in
        [(0, 0, "time ran out after 0 s"), (3, 0, "time ran out"), (10, 1, "ran out of time")]
    {
        let (started, time) = (Instant::now(), Duration::from_secs(seconds));
        let error = failure(detector::run(&app, &hourly(END), started + time).await);
        let elapsed = started.elapsed();
        // The machine may be busy, and a run without time still notes how it ended.
        assert!(elapsed <= time.max(Duration::from_secs(5)), "{elapsed:?} of {time:?}");
        assert!(error.contains(says), "{error}");
        assert!(seconds < 10 || error.contains("-1 on 127.0.0.1:"), "{error}");
        assert_eq!(proxy.count("sweep"), queries);
    }
    world.assert_untouched("out of time").await
}

/// A secret of this world in Secrets Manager. Its address is its name.
async fn put_secret(world: &World, secret: &str) -> Result<String> {
    let (client, name) = (aws_sdk_secretsmanager::Client::new(&world.aws), &world.database);
    let created = client.create_secret().name(name).secret_string(secret).send().await;
    if let Ok(created) = created {
        return created.arn.context("a secret without an ARN");
    }
    let changed = client.put_secret_value().secret_id(name).secret_string(secret).send().await?;
    changed.arn.context("a secret without an ARN")
}

#[tokio::test]
async fn a_rotated_secret_is_fetched_once_more_and_a_wrong_one_fails() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(5).await?;
    let login = |password: &str| format!(r#"{{"username": "default", "password": "{password}"}}"#);
    let arn = put_secret(&world, &login("first-secret")).await?;
    // The engine's only user has no password. So a proxy knows the right one, and the engine itself refuses the wrong
    // one.
    let right = Arc::new(Mutex::new("first-secret"));
    let known = Arc::clone(&right);
    let decide = move |seen: &Seen| {
        let key = seen.headers.get("x-clickhouse-key").and_then(|key| key.to_str().ok());
        match key == Some(*known.lock().expect("a lock")) {
            true => Action::ForwardWithout("x-clickhouse-key"),
            false => Action::Forward,
        }
    };
    let clickhouse = proxy_for(&world, decide).await?;
    let aws = Proxy::start(&world::variable("AWS_ENDPOINT_URL")?, |_| Action::Forward).await?;
    let overrides = [("CLICKHOUSE_URL", clickhouse.url.as_str()), ("CLICKHOUSE_SECRET_ARN", &arn)];
    let app = world.app_with(&overrides, &world.aws_at(&aws.url).await).await?;
    let requests = || (clickhouse.count("sweep"), aws.count("GetSecretValue"));

    for _ in 0..2 {
        run(&app, &hourly(END)).await?;
    }
    assert_eq!(requests(), (2, 1), "the secret is kept between runs");

    *right.lock().expect("a lock") = "second-secret";
    put_secret(&world, &login("second-secret")).await?;
    run(&app, &hourly(END)).await?;
    assert_eq!(requests(), (4, 2), "refused once, fetched once");

    *right.lock().expect("a lock") = "third-secret";
    let error = failure(run(&app, &hourly(END)).await);
    assert_eq!(requests(), (6, 3), "refused twice, fetched once");
    let host = clickhouse.url.trim_start_matches("http://");
    assert!(error.contains(&format!("{host} refused the credentials of the usage query")), "{error}");
    assert!(error.contains("Authentication failed") && !error.contains("-secret"), "{error}");

    for (secret, says) in [
        ("second-secret", "line 1, column 1"),
        (r#"{"username": "default", "pass": "second-secret"}"#, "is not {\"username\": …, \"password\": …}"),
    ] {
        put_secret(&world, secret).await?;
        let app = world.app_with(&overrides, &world.aws).await?;
        let error = failure(run(&app, &hourly(END)).await);
        assert!(error.contains(&arn) && error.contains(says) && !error.contains("second"), "{error}");
    }
    put_secret(&world, &login("third-secret")).await?;
    assert_eq!(run(&app, &hourly(END)).await?.already_recorded, 5);
    Ok(())
}

#[tokio::test]
async fn broken_windows_are_left_out_and_only_a_broken_current_one_quarantines() -> Result<()> {
    let world = World::new().await?;
    world.insert_spikes(8).await?;
    let hour = |age: u32| format!("toDateTime('2026-11-21 01:00:00', 'UTC') - {age} * 86400");
    // Both series are old, so that their broken windows count.
    let old = [("'c00001'", "bandwidth", 30, "1"), ("'c00005'", "bandwidth", 30, "1")];
    let rows: Vec<_> = [
        // Broken in another metric than the one that has the spike.
        ("'c00000'", "bandwidth", 0, "nan"),
        ("'c00001'", "bandwidth", 7, "inf"),
        ("'c00002'", "storage_peak", 0, "nan"),
        ("'c00003'", "storage_peak", 0, "5"),
        ("'c00004'", "api_calls", 0, "5"),
        ("'c00004'", "teleports", 0, "5"),
        ("'c00005'", "bandwidth", 3, "-5"),
        ("'c00005'", "storage_peak", 3, "1e300"),
        // Broken in the very metric of the spike.
        ("'c00006'", "compute_time", 11, "nan"),
        ("'c00007'", "compute_time", 0, "-1e9"),
        // Customers that cannot be a key.
        ("unhex('ff00fe')", "compute_time", 0, "5"),
        ("''", "compute_time", 0, "5"),
        ("repeat('x', 3000)", "compute_time", 0, "5"),
    ]
    .into_iter()
    .chain(old)
    .map(|(customer, metric, age, value)| {
        format!("SELECT {customer}, '{metric}', {}, 1, {value}, {value}, {value}", hour(age))
    })
    .collect();
    // The maximum does not show that one value was broken. The sum does.
    let hidden = format!("SELECT 'c00003', 'storage_peak', {}, 2, nan, 5, 5", hour(5));
    let insert = format!(
        "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low) {} UNION ALL {hidden}",
        rows.join(" UNION ALL ")
    );
    world.clickhouse.query_raw(&insert).execute().await?;

    let summary = run(&world.app().await?, &hourly(END)).await?;
    let broken: BTreeMap<&str, u64> = [
        ("not_finite", 2),
        ("negative", 1),
        // The first calls of c00004, and a level without a sound earlier value.
        ("insufficient_data", 2),
        ("unknown_metric", 1),
        ("invalid_customer_id", 12),
        // Storage of all customers except the two that have some now.
        ("no_data", 6),
    ]
    .into();
    let undetermined: BTreeMap<&str, u64> =
        summary.undetermined.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    assert_eq!(undetermined, broken);
    assert_eq!(summary.broken_windows, 8, "one for each broken hour");
    // A spike is found beside a broken window of its own metric, but not in a broken window.
    assert_eq!((summary.customers, summary.recorded, summary.alerts_published), (11, 7, 7));
    let stored = world.attribute("customer_id").await?;
    assert_eq!(stored, ["c00000", "c00001", "c00002", "c00003", "c00004", "c00005", "c00006"]);
    Ok(())
}

#[tokio::test]
async fn huge_zero_and_constant_usage_give_typed_verdicts() -> Result<()> {
    let world = World::new().await?;
    let series = |usual: fn(usize) -> f64, current: f64| -> Vec<Option<f64>> {
        (0..31).map(|age| Some(if age == 0 { current } else { usual(age) })).collect()
    };
    for (customer, windows) in [
        ("huge", series(|age| 1e14 + 1e12 * (age % 5) as f64, 1e15)),
        ("huge and constant", series(|_| 1e15, 1e15)),
        ("huge and nearly constant", series(|age| 1e15 + (age % 3) as f64, 1e15 + 3.0)),
        ("zero", series(|_| 0.0, 0.0)),
        ("from zero", series(|_| 0.0, 1e6)),
        ("constant", series(|_| 7.2e6, 7.2e6)),
        ("constant until now", series(|_| 7.2e6, 8.2e6)),
        ("to zero", series(|_| 7.2e6, 0.0)),
        ("six days", series(|_| 7.2e6, 1e9).into_iter().take(8).collect()),
        ("tiny", series(|age| 1e-300 * (1 + age % 5) as f64, 1e-290)),
    ] {
        world.insert(&compute_by_window(customer, at(END), &windows)).await?;
    }
    let summary = run(&world.app().await?, &hourly(END)).await?;
    assert_eq!((summary.anomalies_found, summary.critical), (4, 3));
    assert_eq!(summary.undetermined.get("insufficient_data"), Some(&3), "the customer of six days");
    let mut found: Vec<_> = world
        .items()
        .await?
        .iter()
        .map(|item| ["customer_id", "z_score", "severity"].map(|name| text(item, name)))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            ["constant until now", "3.4722222222222223", "warning"],
            ["from zero", "100", "critical"],
            ["huge", "100", "critical"],
            ["to zero", "-25", "critical"],
        ]
    );
    for name in ["current_value", "baseline_mean", "baseline_stddev", "expected_low", "expected_high"] {
        let values = world.attribute(name).await?;
        assert!(values.iter().all(|value| value.parse().is_ok_and(f64::is_finite)), "{name}: {values:?}");
    }
    for alert in world.alerts().await? {
        let text = alert.to_string();
        assert!(!text.contains("NaN") && !text.contains("null") && !text.contains("inf"), "{text}");
    }
    Ok(())
}
