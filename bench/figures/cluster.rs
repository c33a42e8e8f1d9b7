//! The work of a sweep on one, two and four shards of ClickHouse. All of them share this machine, so the time of a sweep says
//! little, and the processor time of all servers together much: what more shards cost beside what they share.

use std::ops::Range;

use anyhow::Result;
use e2e::World;
use e2e::cluster::Cluster;

use crate::usage::Usage;
use bench::figure::{Figure, Goal};

const SHARDS: [u8; 3] = [1, 2, 4];

/// What a sweep costs.
struct Swept {
    /// Seconds of processor time of all servers.
    processor: f64,
    /// Bytes that the other servers sent to the one that answers.
    sent: f64,
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
                format!("sweep in {:.2} s on this machine", swept.seconds),
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
    let counted = async || -> Result<(f64, f64)> {
        let servers = usize::from(shards);
        let of = async |servers, events| counted(&cluster, &usage.world, servers, events).await;
        Ok((of(0..servers, PROCESSOR).await? / 1e6, of(1..servers, "'NetworkSendBytes'").await?))
    };
    let before = counted().await?;
    let swept = usage.sweep().await?;
    let after = counted().await?;
    let sweeps = Usage::SWEEPS as f64;
    Ok(Swept {
        processor: (after.0 - before.0) / sweeps,
        sent: (after.1 - before.1) / sweeps,
        seconds: swept.time.as_secs_f64(),
    })
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
