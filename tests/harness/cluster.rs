//! A cluster of ClickHouse: engines of a test's own, each of which is a shard.
//!
//! The engines listen at addresses of this machine that differ in their last number, 127.0.0.1, 127.0.0.2 and so on, with
//! one port for HTTP. That is how the servers of a cluster are: each has its host, and all have the same port.

use anyhow::{Context, Result};
use catalog::Catalog;
use warehouse::rollup::{self, MigrationError, Options, Outcome, Place};

use crate::engine::{self, Engine};
use crate::world::{World, clickhouse_client};

/// The name in `remote_servers`.
pub const NAME: &str = "metering";

/// A query leaves out shards that do not answer, and goes to any replica: as bad as the profile of a user may be.
const PROFILE: [(&str, &str); 2] = [("skip_unavailable_shards", "1"), ("load_balancing", "random")];

/// A mutation that finds nothing to do at first is asked for again within seconds, and not within minutes.
const PATIENCE: [(&str, &str); 2] = [
    ("background_processing_pool_thread_sleep_seconds_if_nothing_to_do", "1"),
    ("background_processing_pool_task_sleep_seconds_when_no_work_max", "2"),
];

/// Running engines. They end when this is dropped.
pub struct Cluster {
    /// By shard. `None` after its end.
    engines: Vec<Option<Engine>>,
    urls: Vec<String>,
}

impl Cluster {
    /// A cluster of so many shards, with one server each.
    pub async fn of(shards: u8) -> Result<Self> {
        let hosts: Vec<String> = (1..=shards).map(|number| format!("127.0.0.{number}")).collect();
        let http_port = engine::free_port("0.0.0.0").await?;
        let mut ports = Vec::new();
        for host in &hosts {
            ports.push(engine::free_port(host).await?);
        }
        let servers: String = hosts.iter().zip(&ports).map(|(host, port)| shard(host, *port)).collect();
        let mut engines = Vec::new();
        for (host, tcp_port) in hosts.iter().zip(ports) {
            let configuration = &format!("<remote_servers><{NAME}>{servers}</{NAME}></remote_servers>");
            let (profile, engine, zone) = (&PROFILE, &PATIENCE, "UTC");
            let place = engine::Place { host, http_port, tcp_port, profile, engine, configuration, zone };
            engines.push(Engine::start(&place)?);
        }
        for engine in &engines {
            engine.wait().await?;
        }
        let urls = engines.iter().map(|engine| engine.url.clone()).collect();
        Ok(Self { engines: engines.into_iter().map(Some).collect(), urls })
    }

    /// A world on the cluster. Its database does not exist yet.
    pub async fn world(&self) -> Result<World> {
        let world = World::on(self.url(0)?.to_owned()).await?;
        let settings = [("distributed_foreground_insert", "1"), ("distributed_product_mode", "global")];
        let client = settings
            .into_iter()
            .fold(world.clickhouse.clone(), |client, (name, value)| client.with_setting(name, value));
        Ok(World { clickhouse: client, ..world })
    }

    /// The address of the server of a shard, from 0.
    pub fn url(&self, shard: usize) -> Result<&str> {
        Ok(self.urls.get(shard).context("no such shard")?)
    }

    /// The list of the addresses of all shards, as `CLICKHOUSE_URL` has it.
    pub fn list(&self) -> String {
        self.urls.join(";")
    }

    /// Asks the server of one shard.
    pub fn server(&self, shard: usize, world: &World) -> Result<clickhouse::Client> {
        Ok(clickhouse_client(self.url(shard)?, &world.database))
    }

    /// Runs a statement on each server.
    pub async fn everywhere(&self, world: &World, statement: &str) -> Result<()> {
        for shard in 0..self.urls.len() {
            self.server(shard, world)?.query_raw(statement).execute().await?;
        }
        Ok(())
    }

    /// Where a migration of a world works.
    pub async fn place(&self, world: &World) -> Result<Place, MigrationError> {
        let cluster = rollup::Cluster::find(&world.clickhouse, &world.clickhouse_url, NAME).await?;
        Ok(Place::in_cluster(&world.clickhouse, &world.database, cluster))
    }

    /// Migrates with consent to all that is deleted. The tests use hours of a fixed time, which must not expire one day.
    pub async fn migrate(&self, world: &World, catalog: &Catalog) -> Result<Outcome, MigrationError> {
        let options = Options { delete: true, rebuild: true, keep_days: Some(10_000), ..Options::default() };
        rollup::migrate(&self.place(world).await?, catalog, &options, |_| {}).await
    }

    /// Ends the server of a shard.
    pub fn end(&mut self, shard: usize) {
        if let Some(engine) = self.engines.get_mut(shard) {
            *engine = None;
        }
    }
}

fn shard(host: &str, port: u16) -> String {
    format!(
        "<shard><internal_replication>true</internal_replication><replica><host>{host}</host><port>{port}</port></replica></shard>"
    )
}
