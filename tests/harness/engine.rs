//! A ClickHouse of a test's own: the engine of the local cloud with other settings.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::world::variable;

/// A user who may read what the API reads, and no more.
pub const READER: &str = "reader";
pub const READER_PASSWORD: &str = "reading";

/// One user, who may do everything, without a password, and the reader.
const USERS: &str = "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password/>\
    <networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>\
    <reader><password>reading</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><grants>\
    <query>GRANT SELECT ON metering.usage_hourly</query><query>GRANT SELECT ON metering.events</query></grants></reader>\
    </users></clickhouse>";

/// A running engine. It ends when this is dropped.
pub struct Engine {
    pub url: String,
    process: Child,
    _directory: tempfile::TempDir,
}

impl Engine {
    /// An engine whose own time zone is this one, as `TZ` has it.
    pub async fn in_zone(zone: &str) -> Result<Self> {
        let library = variable("CLICKHOUSE_ENGINE_LIBRARY")?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/local/clickhouse_engine.py");
        let directory = tempfile::tempdir()?;
        let (config, users) = (directory.path().join("config.xml"), directory.path().join("users.xml"));
        std::fs::write(&users, USERS)?;
        let text = format!("<clickhouse><users_config>{}</users_config></clickhouse>", users.display());
        std::fs::write(&config, text)?;
        let ports = [free_port().await?, free_port().await?];
        let started = Command::new("python3")
            .arg(program)
            .arg(library)
            .arg(config)
            .arg(directory.path().join("data"))
            .args(ports.map(|port| port.to_string()))
            .env("TZ", zone)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the engine did not start")?;
        let url = format!("http://127.0.0.1:{}", ports[0]);
        let engine = Self { url, process: started, _directory: directory };
        let client = reqwest::Client::builder().no_proxy().build()?;
        for _ in 0..600 {
            if client
                .get(format!("{}/ping", engine.url))
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(engine);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the engine does not answer at {}", engine.url)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn free_port() -> Result<u16> {
    Ok(tokio::net::TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port())
}
