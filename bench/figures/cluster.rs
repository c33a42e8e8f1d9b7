//! The work of a sweep on one, two and four shards of ClickHouse. All of them share this machine, so the time of a sweep says
//! little, and the processor time of all servers together much: what more shards cost beside what they share. On several shards the
//! sweep is measured twice: through one server, and with a part for each shard.

use std::ops::Range;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use detector::App;
use e2e::World;
use e2e::cluster::Cluster;
use e2e::world::{END, at, hourly};

use crate::usage::{MODELS, Usage};
use bench::figure::{Figure, Goal};

const SHARDS: [u8; 3] = [1, 2, 4];

/// What a sweep costs.
struct Swept {
    /// Seconds of processor time of all servers.
    processor: f64,
    /// Bytes that the other servers sent to the one that answers.
    sent: f64,
    /// Those of them that are numbers of models, which the detector needs: one row for each customer.
    models: f64,
    seconds: f64,
    /// The same with a part of the run for each shard. None for one shard.
    by_parts: Option<ByParts>,
}

/// What a sweep costs that asks each server for its own rows.
struct ByParts {
    processor: f64,
    /// Queries that servers had from each other.
    passed_on: f64,
    seconds: f64,
}

pub(crate) async fn measure(customers: u64) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut alone: Option<f64> = None;
    for shards in SHARDS {
        eprintln!("making hours and models of {customers} customers on {shards} shards …");
        let swept = on_shards(customers, shards).await?;
        let base = *alone.get_or_insert(swept.processor);
        let of = format!("{customers} customers, {shards} shards");
        let times = if shards == 1 { Goal::Stated } else { Goal::AtMost(1.5) };
        figures.extend([
            Figure::new(
                format!("processor of a sweep, {of}"),
                swept.processor,
                "s",
                Goal::Stated,
                "all servers together".to_owned(),
            ),
            Figure::new(
                format!("the same beside one shard, {of}"),
                swept.processor / base,
                "x",
                times,
                String::new(),
            ),
            Figure::new(
                format!("bytes to the answering server, {of}"),
                swept.sent / 1e6,
                "MB",
                Goal::Stated,
                format!(
                    "{:.1} MB of them are numbers of models; sweep in {:.2} s on this machine",
                    swept.models / 1e6,
                    swept.seconds
                ),
            ),
        ]);
        let Some(ByParts { processor, passed_on, seconds }) = swept.by_parts else { continue };
        figures.extend([
            Figure::new(
                format!("processor of a sweep by parts, {of}"),
                processor,
                "s",
                Goal::Stated,
                format!("sweep in {seconds:.2} s on this machine"),
            ),
            Figure::new(
                format!("by parts beside one shard, {of}"),
                processor / base,
                "x",
                Goal::AtMost(1.25),
                String::new(),
            ),
            Figure::new(
                format!("queries between servers by parts, {of}"),
                passed_on,
                "",
                Goal::AtMost(0.0),
                "no server sends rows to another one".to_owned(),
            ),
        ]);
    }
    Ok(figures)
}

async fn on_shards(customers: u64, shards: u8) -> Result<Swept> {
    let cluster = Cluster::of(shards).await?;
    let world = async || -> Result<World> {
        let world = cluster.world().await?;
        cluster.migrate(&world, &catalog::Catalog::built_in()?).await?;
        Ok(world)
    };
    let usage = Usage::of_hours_in(world().await?, world().await?, customers).await?;
    let servers = usize::from(shards);
    let of = async |servers, events| counted(&cluster, &usage.world, servers, events).await;
    let counted = async || -> Result<[f64; 4]> {
        let (queries, own) = (of(0..servers, "'Query'").await?, of(0..servers, "'InitialQuery'").await?);
        let processor = of(0..servers, PROCESSOR).await? / 1e6;
        Ok([processor, of(1..servers, "'NetworkSendBytes'").await?, queries, own])
    };
    let sweeps = Usage::SWEEPS as f64;
    let before = counted().await?;
    let swept = usage.sweep().await?;
    let after = counted().await?;
    let mut models = 0;
    for server in 1..servers {
        let newest = at(END).as_second() - 3_600;
        let text = format!(
            "SELECT sum(length(numbers)) * 4 FROM usage_models_local WHERE toUnixTimestamp(hour) = {newest}"
        );
        models += cluster.server(server, &usage.world)?.query(&text).fetch_one::<u64>().await?;
    }
    let by_parts = if servers == 1 {
        None
    } else {
        let app = by_parts(&cluster, &usage, world().await?, servers).await?;
        let before = counted().await?;
        let swept = usage.sweep_of(&app).await?;
        let after = counted().await?;
        Some(ByParts {
            processor: (after[0] - before[0]) / sweeps,
            passed_on: (after[2] - before[2] - (after[3] - before[3])) / sweeps,
            seconds: swept.time.as_secs_f64(),
        })
    };
    Ok(Swept {
        processor: (after[0] - before[0]) / sweeps,
        sent: (after[1] - before[1]) / sweeps,
        models: models as f64,
        seconds: swept.time.as_secs_f64(),
        by_parts,
    })
}

/// A detector that is told the addresses of all shards. Each server gets the notes of the models that it has.
///
/// * `beside`: a world without usage, of which only the name that such notes have is read.
async fn by_parts(cluster: &Cluster, usage: &Usage, beside: World, servers: usize) -> Result<App> {
    let list = cluster.list();
    let variables = [&[("CLICKHOUSE_URL", list.as_str())], MODELS].concat();
    let fitting = beside.app_with(&variables, &beside.aws).await?;
    detector::fit(&fitting, &hourly(END), Instant::now() + Duration::from_secs(120)).await;
    let named = "SELECT DISTINCT definition FROM usage_model_fits";
    let definition: String = beside.clickhouse.query(named).fetch_one().await?;
    for server in 0..servers {
        let note = format!(
            "INSERT INTO usage_model_fits_local (day, bucket, fit, customers, definition, begun, expires)
             SELECT day, fits.bucket, 1 + fits.bucket, of_bucket.customers, '{definition}', begun, expires
             FROM (SELECT * FROM usage_model_fits WHERE definition != '{definition}') AS fits
             LEFT JOIN (SELECT bucket, uniqExact(customer_id) AS customers FROM usage_models_local GROUP BY bucket)
                 AS of_bucket ON fits.bucket = of_bucket.bucket"
        );
        cluster.server(server, &usage.world)?.query_raw(&note).execute().await?;
    }
    let notes = "SELECT count() FROM usage_model_fits_local WHERE definition = ?";
    for server in 0..servers {
        let client = cluster.server(server, &usage.world)?;
        let count: u64 = client.query(notes).bind(&definition).fetch_one().await?;
        ensure!(count == 24, "{count} notes of 24 buckets on server {server}");
    }
    usage.world.app_with(&variables, &usage.world.aws).await
}

/// Microseconds of processor time of all queries.
const PROCESSOR: &str = "'UserTimeMicroseconds', 'SystemTimeMicroseconds'";

/// What some of the servers have counted since they began.
async fn counted(cluster: &Cluster, world: &World, servers: Range<usize>, events: &str) -> Result<f64> {
    let text = format!("SELECT sum(value) FROM system.events WHERE event IN ({events})");
    let mut all = 0;
    for server in servers {
        all += cluster.server(server, world)?.query(&text).fetch_one::<u64>().await?;
    }
    Ok(all as f64)
}
