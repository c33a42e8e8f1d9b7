//! A list of the addresses of all shards: a run with a part for each shard finds what a run finds that asks one server for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use detector::{App, Request, RunSummary};
use e2e::World;
use e2e::cluster::Cluster;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{END, failure, hourly, run};

use super::{SPIKES, count, found, stored, with_spikes};
use crate::installation::meterflow;
use crate::models::detector;

/// The hour after.
const NEXT: &str = "2026-11-21T14:00:00Z";

/// An address at which nobody listens.
const CLOSED: &str = "http://127.0.0.1:9";

/// A detector of a world that is told the addresses of a cluster. It waits long, because other tests use the processors, too.
async fn listed(world: &World, list: &str) -> Result<App> {
    let app = world.app_with(&[("DETECTORS", "ensemble"), ("CLICKHOUSE_URL", list)], &world.aws).await?;
    Ok(App { longest_question: Duration::from_secs(60), ..app })
}

async fn fit(app: &App, time: &str) {
    detector::fit(app, &hourly(time), Instant::now() + Duration::from_secs(100)).await;
}

/// Queries that the servers of a cluster had from each other.
async fn passed_on(cluster: &Cluster, world: &World) -> Result<u64> {
    let text = "SELECT toUInt64(sumIf(value, event = 'Query') - sumIf(value, event = 'InitialQuery')) FROM system.events";
    let mut all = 0;
    for shard in 0..2 {
        all += count(&cluster.server(shard, world)?, text).await?;
    }
    Ok(all)
}

/// Whether a query asks how far a server is behind.
fn asks_for_delay(seen: &Seen) -> bool {
    String::from_utf8_lossy(&seen.body).contains("absolute_delay")
}

/// Findings come in no order.
fn in_order(mut summary: RunSummary) -> RunSummary {
    summary.findings.sort_by_key(|finding| format!("{finding:?}"));
    summary
}

/// Runs of two hours find what those of the same usage find that ask one server for all.
async fn finds_the_same(app: &App, world: &World, beside: &World) -> Result<()> {
    let flat = detector(beside).await?;
    for time in [END, NEXT] {
        assert_eq!(found(run(app, &hourly(time)).await?), found(run(&flat, &hourly(time)).await?), "{time}");
        // The second run judges by the models of the first hour.
        if time == END {
            fit(app, time).await;
            fit(&flat, time).await;
        }
    }
    let of_list = stored(world).await?;
    assert!(!of_list.is_empty());
    assert_eq!(of_list, stored(beside).await?);
    Ok(())
}

#[tokio::test]
async fn a_part_for_each_shard_finds_the_same_and_no_server_asks_another() -> Result<()> {
    let (cluster, world) = with_spikes().await?;
    let app = listed(&world, &cluster.list()).await?;
    let buckets = "SELECT uniqExact(cityHash64(customer_id) % 24) FROM usage_hourly";
    let without_customers = 24 - count(&world.clickhouse, buckets).await?;
    let start = passed_on(&cluster, &world).await?;
    run(&app, &hourly(END)).await?;
    fit(&app, END).await;
    for shard in 0..2 {
        let server = cluster.server(shard, &world)?;
        let fits = "SELECT count() FROM usage_model_fits_local";
        assert_eq!(count(&server, fits).await?, 24, "each server has the notes of its own models");
        let models = "SELECT uniqExact(customer_id) FROM usage_models_local WHERE bucket < 24";
        let customers = "SELECT uniqExact(customer_id) FROM usage_hourly_local";
        assert_eq!(count(&server, models).await?, count(&server, customers).await?, "shard {shard}");
    }

    let summary = run(&app, &hourly(NEXT)).await?;
    assert_eq!(summary.customers, u64::from(SPIKES), "{summary:?}");
    fit(&app, NEXT).await;
    // Each choice of servers asks all of them for the buckets that none of the chosen ones has.
    let choices = 4;
    let questions = choices * without_customers;
    assert_eq!(passed_on(&cluster, &world).await?, start + questions, "a server asked another one");

    // The two ways use no models of each other.
    let (again, beside) = (world.sibling().await?, world.sibling().await?);
    let app = listed(&again, &cluster.list()).await?;
    finds_the_same(&app, &again, &beside).await?;

    // A run of some customers, and one of a part of all customers, find them on whichever shard they are.
    let some = ["c00003", "c00017", "c00028"].map(|id| detection::CustomerId::new(id).expect("an id"));
    let requests = [
        Request { customers: some.to_vec(), dry_run: true, ..hourly(END) },
        Request { shard: catalog::Shard::new(1, 4)?, dry_run: true, ..hourly(END) },
    ];
    for request in requests {
        let (of_list, of_one) = (run(&app, &request).await?, run(&detector(&beside).await?, &request).await?);
        assert!(of_list.customers > 0, "{of_list:?}");
        assert_eq!(in_order(found(of_list)), in_order(found(of_one)));
    }
    Ok(())
}

#[tokio::test]
async fn the_first_replica_that_answers_and_is_not_behind_serves_the_whole_run() -> Result<()> {
    let (cluster, world) = with_spikes().await?;
    let others = Arc::new(AtomicUsize::new(0));
    let of_late = Arc::clone(&others);
    let behind = move |seen: &Seen| {
        if asks_for_delay(seen) {
            return Action::ForwardWith("query=SELECT%20toUInt64(400)%20--%20".to_owned());
        }
        of_late.fetch_add(1, Ordering::Relaxed);
        Action::Forward
    };
    let late = Proxy::start(cluster.url(0)?, behind).await?;
    let good = Proxy::start(cluster.url(0)?, |_| Action::Forward).await?;
    let unused = Proxy::start(cluster.url(0)?, |_| Action::Forward).await?;
    let list = format!("{CLOSED},{},{},{};{}", late.url, good.url, unused.url, cluster.url(1)?);
    let app = listed(&world, &list).await?;
    let beside = world.sibling().await?;
    finds_the_same(&app, &world, &beside).await?;
    assert_eq!(unused.passed(), 0, "one replica answers all queries of a run");
    assert_eq!(others.load(Ordering::Relaxed), 0, "a replica that is behind is asked nothing else");
    assert!(good.passed() > 0);

    let all_late = listed(&world.sibling().await?, &format!("{};{}", late.url, cluster.url(1)?)).await?;
    let error = failure(run(&all_late, &hourly(END)).await);
    assert!(
        error.contains("no replica of shard 1 of the list")
            && error.contains("it is 400 s behind its replicas"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn a_shard_without_any_replica_fails_the_run_and_leaves_nothing_behind() -> Result<()> {
    let (mut cluster, world) = with_spikes().await?;
    let (first, second) = (cluster.url(0)?.to_owned(), cluster.url(1)?.to_owned());
    cluster.end(1);
    for (of_second, says) in [
        (format!("{CLOSED},{second}"), "no replica of shard 2 of the list in `clickhouse_url` can be asked"),
        (second.clone(), "127.0.0.2"),
    ] {
        let error = failure(run(&listed(&world, &format!("{first};{of_second}")).await?, &hourly(END)).await);
        assert!(error.contains(says), "{error}");
        world.assert_untouched("a shard without a replica").await?;
    }

    // The hours of the second shard fail, after it was chosen.
    let (cluster, world) = with_spikes().await?;
    let breaks = |seen: &Seen| match String::from_utf8_lossy(&seen.body).contains("groupArray(slot)") {
        true => Action::Answer(503, "out of order".to_owned()),
        false => Action::Forward,
    };
    let broken = Proxy::start(cluster.url(1)?, breaks).await?;
    let app = listed(&world, &format!("{};{}", cluster.url(0)?, broken.url)).await?;
    let error = failure(run(&app, &hourly(END)).await);
    assert!(error.contains("out of order"), "{error}");
    world.assert_untouched("a shard that fails in the middle").await?;
    Ok(())
}

#[tokio::test]
async fn the_number_of_shards_is_asked_for_again_before_a_run_fails() -> Result<()> {
    let (cluster, world) = with_spikes().await?;
    let asks = |seen: &Seen| String::from_utf8_lossy(&seen.body).contains("uniqExact(shard_num)");
    let is_first = AtomicBool::new(true);
    let once = move |seen: &Seen| match asks(seen) && is_first.swap(false, Ordering::Relaxed) {
        true => Action::Answer(503, "out of order".to_owned()),
        false => Action::Forward,
    };
    let passing = Proxy::start(cluster.url(0)?, once).await?;
    let app = listed(&world, &format!("{};{}", passing.url, cluster.url(1)?)).await?;
    run(&app, &hourly(END)).await?;
    fit(&app, END).await;
    let fits = "SELECT count() FROM usage_model_fits_local";
    assert_eq!(count(&cluster.server(1, &world)?, fits).await?, 24, "the run has parts");

    let lasting = move |seen: &Seen| match asks(seen) {
        true => Action::Answer(503, "out of order".to_owned()),
        false => Action::Forward,
    };
    let lasting = Proxy::start(cluster.url(1)?, lasting).await?;
    let other = world.sibling().await?;
    let app = listed(&other, &format!("{};{}", cluster.url(0)?, lasting.url)).await?;
    let error = failure(run(&app, &hourly(END)).await);
    assert!(error.contains("nobody knows whether each shard") && error.contains("out of order"), "{error}");
    other.assert_untouched("nobody says how many shards there are").await?;
    Ok(())
}

#[tokio::test]
async fn customers_on_two_shards_are_asked_for_through_one_server() -> Result<()> {
    let (cluster, world) = with_spikes().await?;
    // A list that lacks a shard, or has one twice, misses nobody.
    let again = Proxy::start(cluster.url(0)?, |_| Action::Forward).await?;
    for list in [
        format!("{},{}", cluster.url(0)?, cluster.url(1)?),
        format!("{};{}", cluster.url(0)?, again.url),
        format!("{};{}", cluster.list(), again.url),
    ] {
        let request = Request { dry_run: true, ..hourly(END) };
        let of_list = run(&listed(&world, &list).await?, &request).await?;
        assert_eq!(of_list.customers, u64::from(SPIKES), "{list}");
    }

    // Nor does a list with a server that has no customers.
    let reads = Arc::new(AtomicUsize::new(0));
    let of_empty = Arc::clone(&reads);
    let empty = move |seen: &Seen| {
        let text = String::from_utf8_lossy(&seen.body);
        if text.contains("groupArray(bucket)") {
            return Action::ForwardWith("query=SELECT%20emptyArrayUInt8()%20FROM%20--%20".to_owned());
        }
        of_empty.fetch_add(usize::from(text.contains("groupArray(slot)")), Ordering::Relaxed);
        Action::Forward
    };
    let empty = Proxy::start(cluster.url(1)?, empty).await?;
    let request = Request { dry_run: true, ..hourly(END) };
    let of_list =
        run(&listed(&world, &format!("{};{}", cluster.url(0)?, empty.url)).await?, &request).await?;
    assert_eq!(of_list.customers, u64::from(SPIKES));
    assert_eq!(reads.load(Ordering::Relaxed), 0, "the first server is asked for all rows");

    // So it is after a shard was added: the new hours of a customer are on another shard than the old ones.
    let server = cluster.server(1, &world)?;
    let moved = format!(
        "INSERT INTO usage_hourly_local (customer_id, metric, hour, events, total, peak, low, corrections)
         SELECT concat('c', leftPad(toString(number), 5, '0')) AS customer_id, 'compute_time',
             toDateTime('2026-11-21 13:00:00', 'UTC'), 1, 7.2, 7.2, 7.2, 0
         FROM numbers({SPIKES}) WHERE cityHash64(customer_id) % 2 = 0"
    );
    server.query_raw(&moved).execute().await?;
    let beside = world.sibling().await?;
    finds_the_same(&listed(&world, &cluster.list()).await?, &world, &beside).await?;
    let own = "SELECT uniqExact(definition) FROM usage_model_fits WHERE definition != 'forgotten'";
    assert_eq!(count(&world.clickhouse, own).await?, 1, "a part has no models");
    Ok(())
}

#[tokio::test]
async fn a_list_serves_the_program_and_the_api() -> Result<()> {
    let (cluster, world) = with_spikes().await?;
    let list = format!("{CLOSED},{};{}", cluster.url(0)?, cluster.url(1)?);
    let database = world.database.as_str();
    let migrated =
        meterflow(Some((&list, database)), &["migrate", "--cluster", e2e::cluster::NAME], "").await?;
    migrated.assert(0, &["4 metrics on 2 servers"]);
    let doctor = meterflow(Some((&list, database)), &["doctor", "--no-aws"], "").await?;
    doctor.assert(
        1,
        &[
            "WRONG    shard 1 of the list: 127.0.0.1:9 does not answer",
            "ok       shard 2 of the list: 1 replica answers",
            "ok       a run has a part for each of 2 shards",
        ],
    );
    let wrong = format!("{};{CLOSED};", cluster.list());
    let refused = meterflow(Some((&wrong, database)), &["doctor", "--no-aws"], "").await?;
    refused
        .assert(1, &["--clickhouse-url is not valid: address 1 of shard 4 is empty", "a semicolon stands"]);
    let error = listed(&world, &wrong).await.err().map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(error.contains("is not valid: address 1 of shard 4 is empty"), "{error}");

    let api = world.api_with(&[("CLICKHOUSE_URL", &cluster.list())], &world.aws).await?;
    let verdict = api.check("c00007", "compute_time", &format!("&current_end={END}")).await?;
    assert!(verdict.is_object(), "{verdict}");
    Ok(())
}
