//! A collector of OpenTelemetry, as `make setup` fetched it, which writes spans to the database of a world.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, TcpStream};

use crate::World;

/// A collector. It ends with this value.
pub struct Collector {
    process: Child,
    /// Where it takes OTLP over HTTP.
    pub endpoint: String,
}

/// The table that the collector writes to.
const TABLE: &str = include_str!("../../infra/clickhouse/traces_otel.sql");

impl Collector {
    /// Makes the table, starts the collector, and waits until it listens.
    pub async fn start(world: &World) -> Result<Self> {
        world.clickhouse.query_raw(TABLE.trim_end().trim_end_matches(';')).execute().await?;
        let [http, grpc] = [free_port().await?, free_port().await?];
        let address = format!("127.0.0.1:{http}");
        let process = Command::new(program()?)
            .arg("start")
            .arg(format!("--otlp-http-endpoint={address}"))
            .arg(format!("--otlp-grpc-endpoint=127.0.0.1:{grpc}"))
            .arg("--exporter=clickhouse")
            .arg(format!("--clickhouse-exporter-endpoint={}", world.clickhouse_url))
            .arg(format!("--clickhouse-exporter-database={}", world.database))
            .arg("--clickhouse-exporter-async-insert=false")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the collector")?;
        let started = Self { process, endpoint: format!("http://{address}") };
        for _ in 0..200 {
            if TcpStream::connect(&address).await.is_ok() {
                return Ok(started);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the collector does not listen at {address}")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that was free a moment ago.
async fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}

fn program() -> Result<PathBuf> {
    let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.local/tools/venv/lib");
    let found =
        versions.read_dir().with_context(|| format!("no {}: run `make setup`", versions.display()))?;
    found
        .filter_map(Result::ok)
        .map(|version| version.path().join("site-packages/rotel/rotel-agent"))
        .find(|program| program.is_file())
        .context("no collector among the tools: it needs Python 3.10 to 3.13 at `make setup`")
}
