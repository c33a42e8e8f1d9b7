//! ClickHouse clusters: two shards find what one server finds, and whatever is missing of a shard fails loudly.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use catalog::Catalog;
use detector::{Request, RunSummary};
use e2e::World;
use e2e::cluster::{Cluster, NAME};
use e2e::warehouse::make_tables;
use e2e::world::{END, at, failure, hourly, run, spikes};
use warehouse::rollup::{self, Options, Place};

use crate::installation::meterflow;
use crate::models::detector;
use crate::{sources, texts_and_levels};

mod parts;

/// Customers with a spike.
const SPIKES: u32 = 40;

/// A cluster with tables as `meterflow migrate --cluster` makes them, and customers with a spike. The events of some days come in
/// at the first server and those of other days at the second, each into the tables of that server alone: the events are spread
/// otherwise than the rollup, as those of many systems are.
async fn with_spikes() -> Result<(Cluster, World)> {
    let cluster = Cluster::of(2).await?;
    let world = cluster.world().await?;
    let server = Some((cluster.url(0)?, world.database.as_str()));
    let migrated = meterflow(server, &["migrate", "--cluster", NAME, "--keep-days", "10000"], "").await?;
    migrated.assert(0, &["4 metrics on 2 servers"]);
    for shard in 0..2 {
        let insert = spikes("events_local", SPIKES, &format!("age % 2 = {shard}"));
        cluster.server(shard, &world)?.query_raw(&insert).execute().await?;
        // A view sends rows of other shards after the insert.
        cluster.everywhere(&world, "SYSTEM FLUSH DISTRIBUTED usage_hourly").await?;
    }
    Ok((cluster, world))
}

async fn count(client: &clickhouse::Client, query: &str) -> Result<u64> {
    Ok(client.query_raw(query).fetch_one().await?)
}

/// What a run found, without times and names of the run.
fn found(summary: RunSummary) -> RunSummary {
    let unlike = hourly(END);
    RunSummary {
        timestamp: unlike.time,
        duration_ms: 0,
        reading_ms: 0,
        run_id: String::new(),
        catalog_version: String::new(),
        ..summary
    }
}

/// What is stored of each finding.
async fn stored(world: &World) -> Result<BTreeSet<String>> {
    let items = world.items().await?;
    let of = |item: &std::collections::HashMap<_, _>| {
        ["customer_id", "metric", "type", "severity", "z_score", "current_value", "baseline_mean", "entity"]
            .map(|name| e2e::world::text(item, name))
            .join(" ")
    };
    Ok(items.iter().map(of).collect())
}

#[tokio::test]
async fn two_shards_find_what_one_server_finds() -> Result<()> {
    let (cluster, world) = with_spikes().await?;
    let events = count(&world.clickhouse, "SELECT count() FROM events").await?;
    assert_eq!(events, u64::from(SPIKES) * 33);
    let rolled = "SELECT sum(events) FROM usage_hourly WHERE metric = 'compute_time'";
    assert_eq!(count(&world.clickhouse, rolled).await?, events, "each event counts once");
    for shard in 0..2 {
        let server = cluster.server(shard, &world)?;
        let customers = count(&server, "SELECT uniqExact(customer_id) FROM usage_hourly_local").await?;
        assert!((1..u64::from(SPIKES)).contains(&customers), "{customers} customers on shard {shard}");
        let misplaced =
            format!("SELECT countIf(cityHash64(customer_id) % 2 != {shard}) FROM usage_hourly_local");
        assert_eq!(count(&server, &misplaced).await?, 0, "a customer is on one server");
    }

    let single = World::new().await?;
    single.insert_spikes(SPIKES).await?;
    let (app, beside) = (detector(&world).await?, detector(&single).await?);
    // The second run reads the models that are fitted after the first.
    for time in [END, "2026-11-21T14:00:00Z"] {
        let (of_cluster, of_one) = (run(&app, &hourly(time)).await?, run(&beside, &hourly(time)).await?);
        assert_eq!(found(of_cluster), found(of_one), "{time}");
        for app in [&app, &beside] {
            detector::fit(app, &hourly(time), Instant::now() + Duration::from_secs(100)).await;
        }
    }
    assert!(!stored(&world).await?.is_empty());
    assert_eq!(app.usage.seconds_behind(&app.catalog, "behind").await?, 0);
    assert_eq!(stored(&world).await?, stored(&single).await?);
    let fitted = "SELECT sum(customers) FROM usage_model_fits";
    assert_eq!(count(&world.clickhouse, fitted).await?, count(&single.clickhouse, fitted).await?);
    for shard in 0..2 {
        let models = "SELECT uniqExact(customer_id) FROM usage_models_local";
        assert!(count(&cluster.server(shard, &world)?, models).await? > 1, "models on shard {shard}");
    }

    // A check of a period reads full hours from the rollup, and others from the events.
    let (api, beside) = (world.api().await?, single.api().await?);
    for end in [END, "2026-11-21T12:30:00Z"] {
        let of =
            async |api: &e2e::Api| api.check("c00007", "compute_time", &format!("&current_end={end}")).await;
        let (mut one, mut other) = (of(&api).await?, of(&beside).await?);
        for verdict in [&mut one, &mut other] {
            if let Some(fields) = verdict.as_object_mut() {
                fields.retain(|name, _| {
                    !["checked_at", "request_id", "catalog_version"].contains(&name.as_str())
                });
            }
        }
        assert_eq!(one, other, "{end}");
    }
    Ok(())
}

#[tokio::test]
async fn what_counts_twice_is_repaired_on_each_shard() -> Result<()> {
    let (cluster, world) = with_spikes().await?;
    let app = detector(&world).await?;
    detector::fit(&app, &hourly(END), Instant::now() + Duration::from_secs(100)).await;
    let models = "SELECT count() FROM usage_models_local";
    let columns = "customer_id, metric, hour, events, total, peak, low, corrections";
    let double = format!(
        "INSERT INTO usage_hourly_local ({columns}) SELECT {columns} FROM usage_hourly_local WHERE toDate(hour) = '2026-11-10'"
    );
    cluster.everywhere(&world, &double).await?;
    // A mutation takes seconds in the engine of the tests, so only two days are wrong.
    let lost =
        "ALTER TABLE usage_hourly_local DELETE WHERE toDate(hour) = '2026-11-15' SETTINGS mutations_sync = 2";
    let server = cluster.server(1, &world)?;
    assert!(count(&server, models).await? > 0);
    server.query_raw(lost).execute().await?;

    let refused = "SELECT count() FROM usage_hourly";
    let before = count(&world.clickhouse, refused).await?;
    let catalog = Catalog::built_in()?;
    let (place, options) = (cluster.place(&world).await?, Options { rebuild: true, ..Options::default() });
    let error = rollup::migrate(&place, &catalog, &options, |_| {}).await.expect_err("consent is needed");
    assert!(error.to_string().contains("fewer events"), "{error}");
    assert_eq!(count(&world.clickhouse, refused).await?, before, "nothing was changed");

    cluster.migrate(&world, &catalog).await?;
    // A view that is gone on one server makes no row of it wrong.
    cluster.server(0, &world)?.query_raw("DROP TABLE usage_hourly_compute_time").execute().await?;
    rollup::migrate(&place, &catalog, &Options::default(), |_| {}).await?;
    let differing = "SELECT count() FROM
        (SELECT toStartOfHour(timestamp) AS hour, count() AS events FROM events GROUP BY hour) AS of_events
        FULL JOIN (SELECT hour, sum(events) AS events FROM usage_hourly WHERE metric = 'compute_time' GROUP BY hour) AS rolled
        USING (hour) WHERE of_events.events != rolled.events";
    assert_eq!(count(&world.clickhouse, differing).await?, 0);
    for shard in 0..2 {
        let server = cluster.server(shard, &world)?;
        assert_eq!(
            count(&server, models).await?,
            0,
            "the models of shard {shard} were made from other hours"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_shard_that_does_not_answer_fails_everything_loudly() -> Result<()> {
    let (mut cluster, world) = with_spikes().await?;
    cluster.end(1);
    let left = count(&world.clickhouse, "SELECT uniqExact(customer_id) FROM usage_hourly").await?;
    assert!(left < u64::from(SPIKES), "a query of somebody else leaves the dead shard out");
    let error = failure(run(&world.app().await?, &hourly(END)).await);
    assert!(error.contains("Could not find enough connections"), "{error}");
    world.assert_untouched("a dead shard").await?;
    let check = format!("/v1/anomalies/check?customer_id=c00001&metric=compute_time&current_end={END}");
    let answer = world.api().await?.get(&check).await?;
    assert!(answer.status >= 500, "{answer:?}");
    let error = cluster.migrate(&world, &Catalog::built_in()?).await.expect_err("a dead server");
    assert!(error.to_string().starts_with("on the server 127.0.0.2: "), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_migration_says_which_servers_it_needs() -> Result<()> {
    let cluster = Cluster::of(2).await?;
    let world = cluster.world().await?;
    let server = Some((cluster.url(1)?, world.database.as_str()));
    let wrong = meterflow(server, &["migrate", "--cluster", "meterng"], "").await?;
    wrong.assert(1, &["the cluster `meterng` cannot be used: the server knows only", "`metering`"]);

    // Events of one server alone, and then those of a cluster.
    let create = format!("CREATE DATABASE {}", world.database);
    for shard in 0..2 {
        let admin = cluster.server(shard, &world)?.with_database("system");
        admin.query_raw(&create).execute().await?;
    }
    let events = "(transaction_id String, customer_id String, event_type String, timestamp DateTime64(3, 'UTC'), properties String)";
    let table = format!("CREATE TABLE events {events} ENGINE = MergeTree ORDER BY timestamp");
    cluster.everywhere(&world, &table).await?;
    let alone = meterflow(server, &["migrate", "--cluster", NAME], "").await?;
    alone.assert(1, &["`events` has the rows of one server only. Rename it to `events_local`"]);
    cluster.everywhere(&world, "RENAME TABLE events TO events_local").await?;
    let over = format!(
        "CREATE TABLE events AS events_local ENGINE = Distributed('{NAME}', '{}', 'events_local', rand())",
        world.database
    );
    cluster.everywhere(&world, &over).await?;
    let refused = meterflow(server, &["migrate"], "").await?;
    refused.assert(
        1,
        &[
            "events have their rows on the servers of a cluster",
            "Name the cluster with --cluster",
            "`metering`",
        ],
    );

    let shown = meterflow(server, &["migrate", "--cluster", NAME, "--dry-run"], "").await?;
    shown.assert(
        0,
        &["-- On 127.0.0.1:", "-- On 127.0.0.2:", "FROM events_local AS events", "usage_hourly_local"],
    );
    let tables = "SELECT count() FROM system.tables WHERE database = currentDatabase()";
    assert_eq!(count(&cluster.server(0, &world)?, tables).await?, 2, "nothing was made");

    for text in ["4 metrics on 2 servers", "4 metrics on 2 servers"] {
        meterflow(server, &["migrate", "--cluster", NAME], "").await?.assert(0, &[text]);
    }
    // A server that came later, or lost its tables, gets them.
    let gone = "DROP TABLE usage_hourly_bandwidth";
    cluster.server(0, &world)?.query_raw(gone).execute().await?;
    meterflow(server, &["migrate", "--cluster", NAME], "").await?.assert(0, &["4 metrics on 2 servers"]);
    let views = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView'";
    for shard in 0..2 {
        assert_eq!(count(&cluster.server(shard, &world)?, views).await?, 4, "shard {shard}");
    }

    let kept = meterflow(server, &["uninstall", "--cluster", NAME], "").await?;
    kept.assert(1, &["-- On 127.0.0.1:", "DROP TABLE IF EXISTS `usage_hourly_local`", "nothing was changed"]);
    let alone = meterflow(server, &["uninstall", "--yes"], "").await?;
    alone.assert(1, &["usage_model_fits have their rows on the servers of a cluster"]);
    meterflow(server, &["uninstall", "--cluster", NAME, "--yes"], "")
        .await?
        .assert(0, &["as it was before the first migration"]);
    for shard in 0..2 {
        assert_eq!(
            count(&cluster.server(shard, &world)?, tables).await?,
            2,
            "the events of shard {shard} stay"
        );
    }

    // What a migration of one server made holds the rows of one server.
    let catalog = Catalog::built_in()?;
    let client = cluster.server(0, &world)?;
    client.query_raw("RENAME TABLE events TO events_of_all, events_local TO events").execute().await?;
    make_tables(&client, &world.database, &catalog).await?;
    client.query_raw("RENAME TABLE events TO events_local, events_of_all TO events").execute().await?;
    let error = cluster.migrate(&world, &catalog).await.expect_err("a table of one server");
    assert!(error.to_string().contains("`usage_hourly` exists and is not distributed over"), "{error}");
    rollup::uninstall(&Place::at(&client, &world.database), None).await?;
    cluster.migrate(&world, &catalog).await?;
    Ok(())
}

/// A world with a table of events on each server and one over them, or with the table on one server.
async fn with_table(cluster: Option<&Cluster>, table: &str, key: &str) -> Result<World> {
    let world = match cluster {
        Some(cluster) => cluster.world().await?,
        None => World::without_migration().await?,
    };
    let create = format!("CREATE DATABASE {}", world.database);
    let Some(cluster) = cluster else {
        world.clickhouse.clone().with_database("system").query_raw(&create).execute().await?;
        world.clickhouse.query_raw(table).execute().await?;
        return Ok(world);
    };
    let (head, rest) = table.split_once(" (").context("the columns of a table")?;
    let name = head.rsplit(' ').next().context("the name of a table")?;
    for shard in 0..2 {
        let server = cluster.server(shard, &world)?;
        server.clone().with_database("system").query_raw(&create).execute().await?;
        server.query_raw(&format!("CREATE TABLE {name}_local ({rest}")).execute().await?;
        let over = format!(
            "CREATE TABLE {name} AS {name}_local ENGINE = Distributed('{NAME}', '{}', '{name}_local', {key})",
            world.database
        );
        server.query_raw(&over).execute().await?;
    }
    Ok(world)
}

/// Runs of a source on two shards and on one server find the same.
async fn compare(
    cluster: &Cluster,
    (source, catalog): (&str, &str),
    (table, key): (&str, &str),
    statements: &[String],
) -> Result<RunSummary> {
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), catalog)?;
    let path = file.path().to_str().context("a path")?;
    let mut all = Vec::new();
    for cluster in [None, Some(cluster)] {
        let world = with_table(cluster, table, key).await?;
        let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
        let app = app.of_source(source)?;
        match cluster {
            None => make_tables(&world.clickhouse, &world.database, &app.catalog).await?,
            Some(cluster) => {
                cluster.migrate(&world, &app.catalog).await?;
            }
        }
        for statement in statements {
            world.clickhouse.query_raw(statement).execute().await?;
        }
        let request = Request { source: Some(source.to_owned()), time: at(END), ..hourly(END) };
        let first = run(&app, &request).await?;
        let later = Request { time: at("2026-11-21T14:00:00Z"), ..request };
        all.push((found(first), found(run(&app, &later).await?), stored(&world).await?));
    }
    let (of_cluster, of_one) = (all.pop().context("two")?, all.pop().context("two")?);
    assert_eq!(of_cluster, of_one);
    Ok(of_one.0)
}

#[tokio::test]
async fn each_aggregate_and_feed_is_the_same_on_two_shards() -> Result<()> {
    let cluster = Cluster::of(2).await?;
    let end = at(END).as_second();
    // A hundred failures with a new text on many new paths, at an odd hour.
    let odd = format!(
        "INSERT INTO calls SELECT concat('n', toString(number)), 'acme', 'web', toDateTime64({end} - 60 - number, 3, 'UTC'),
             concat('/admin/', toString(number)), 'no such host', 1, 100, 2000, 90 FROM numbers(100)"
    );
    let statements = [texts_and_levels::usual_calls(), odd];
    let source = ("calls", texts_and_levels::CATALOG);
    let found = compare(&cluster, source, (texts_and_levels::TABLE, "rand()"), &statements).await?;
    assert!(found.anomalies_found >= 3, "{found:?}");

    // Rows that are written again count once. Of eight entities three are judged by themselves.
    let of = |job: usize, version, status, ms| {
        let jobs: Vec<_> =
            (0..200).map(|id| (format!("r{job}-{id}"), 1 + 17 * id % 3_000, status, ms)).collect();
        let rows: Vec<_> =
            jobs.iter().map(|(id, minutes, status, ms)| (id.as_str(), *minutes, *status, *ms)).collect();
        sources::rows(&format!("job{job}"), version, &rows)
    };
    let versions = |job| [of(job, 1, "running", 0.0), of(job, 2, "done", 10.0), of(job, 3, "failed", 12.0)];
    let statements: Vec<String> = (0..8).flat_map(versions).collect();
    let catalog = sources::catalog("feed = \"poll\"\nmax_entities = 3", &sources::sum());
    let table = (sources::TABLE, "cityHash64(id)");
    let found = compare(&cluster, ("jobs", &catalog), table, &statements).await?;
    assert_eq!(found.customers, 4, "{found:?}");
    Ok(())
}
