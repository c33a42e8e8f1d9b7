//! A ClickHouse of a test's own: the engine of the local cloud with other settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::world::variable;

/// A user who may read what the API reads, and no more.
pub const READER: &str = "reader";
pub const READER_PASSWORD: &str = "reading";

/// One user, who may do everything, without a password, and the reader.
const USERS: &str = "<quotas><default/></quotas><users><default><password/><networks><ip>127.0.0.0/8</ip></networks>\
    <profile>default</profile><quota>default</quota></default>\
    <reader><password>reading</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><grants>\
    <query>GRANT SELECT ON metering.usage_hourly</query><query>GRANT SELECT ON metering.events</query></grants></reader>\
    </users>";

/// A running engine. It ends when this is dropped.
pub struct Engine {
    pub url: String,
    command: Command,
    process: Child,
    _directory: tempfile::TempDir,
}

/// Where an engine listens, and what it has beside the settings of all engines of tests.
pub(crate) struct Place<'a> {
    pub(crate) host: &'a str,
    pub(crate) http_port: u16,
    pub(crate) tcp_port: u16,
    /// Settings of the users.
    pub(crate) profile: &'a [(&'a str, &'a str)],
    /// Settings of the engine.
    pub(crate) engine: &'a [(&'a str, &'a str)],
    /// Further elements of its configuration.
    pub(crate) configuration: &'a str,
    /// As `TZ` has it.
    pub(crate) zone: &'a str,
}

/// The settings of all engines of tests, by name. The local cloud says them.
#[derive(Deserialize)]
struct Settings {
    engine: BTreeMap<String, String>,
    profile: BTreeMap<String, String>,
}

impl Engine {
    /// An engine whose own time zone is this one, as `TZ` has it.
    pub async fn in_zone(zone: &str) -> Result<Self> {
        let host = "127.0.0.1";
        let (http_port, tcp_port) = (free_port(host).await?, free_port(host).await?);
        let place = Place { host, http_port, tcp_port, profile: &[], engine: &[], configuration: "", zone };
        let engine = Self::start(&place)?;
        engine.wait().await?;
        Ok(engine)
    }

    /// An engine that may not answer yet.
    pub(crate) fn start(place: &Place<'_>) -> Result<Self> {
        let Place { host, http_port, tcp_port, profile, engine, configuration, zone } = place;
        let library = variable("CLICKHOUSE_ENGINE_LIBRARY")?;
        let of_all: Settings = serde_json::from_str(&variable("CLICKHOUSE_ENGINE_SETTINGS")?)?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/local/clickhouse_engine.py");
        let directory = tempfile::tempdir_in(variable("CLICKHOUSE_ENGINE_FOLDER")?)?;
        let (config, of_users) = (directory.path().join("config.xml"), directory.path().join("users.xml"));
        let profile = elements(of_all.profile, profile);
        let users =
            format!("<clickhouse><profiles><default>{profile}</default></profiles>{USERS}</clickhouse>");
        std::fs::write(&of_users, users)?;
        let text = format!(
            "<clickhouse><users_config>{}</users_config>{}{configuration}</clickhouse>",
            of_users.display(),
            elements(of_all.engine, engine)
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new("python3");
        command
            .arg(program)
            .arg(library)
            .arg(config)
            .arg(directory.path().join("data"))
            .args([http_port.to_string(), tcp_port.to_string(), (*host).to_owned()])
            .env("TZ", zone)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().context("the engine did not start")?;
        Ok(Self { url: format!("http://{host}:{http_port}"), command, process, _directory: directory })
    }

    /// Kills the engine, and starts it again on its data.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        self.process = self.command.spawn().context("the engine did not start again")?;
        self.wait().await
    }

    /// Waits until the engine answers.
    pub(crate) async fn wait(&self) -> Result<()> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        for _ in 0..600 {
            let answer = client.get(format!("{}/ping", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("the engine does not answer at {}", self.url)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Settings as XML. Those of one engine win over those of all.
fn elements(mut all: BTreeMap<String, String>, of_one: &[(&str, &str)]) -> String {
    all.extend(of_one.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    all.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect()
}

/// A port at which nobody listens.
pub(crate) async fn free_port(host: &str) -> Result<u16> {
    Ok(tokio::net::TcpListener::bind((host, 0)).await?.local_addr()?.port())
}
