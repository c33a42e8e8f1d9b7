//! The connection to ClickHouse, and the catalog.

use std::time::Duration;

use anyhow::{Context, bail};
use catalog::Catalog;
use clickhouse::Client;
use platform::aws::SdkConfig;
use tokio::time::timeout;
use warehouse::rollup::{Cluster, Place};
use warehouse::usage::UsageReader;
use warehouse::{Addresses, ClickHouseConfig, plaintext};

#[derive(clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Address of the ClickHouse HTTP interface, or a list as the stack has it: a semicolon between two shards, a comma between
    /// two replicas. The first one that answers is used. Default: http://127.0.0.1:8123.
    #[arg(long, global = true, env = "CLICKHOUSE_URL", value_name = "URL")]
    clickhouse_url: Option<String>,

    /// Database of the events and the rollup.
    #[arg(long, global = true, env = "CLICKHOUSE_DATABASE", default_value = "meterflow")]
    database: String,

    #[arg(long, global = true, env = "CLICKHOUSE_USER", default_value = "default")]
    user: String,

    #[arg(long, global = true, env = "CLICKHOUSE_PASSWORD", hide_env_values = true, default_value = "")]
    password: String,

    /// Allow plain http beyond private addresses, and with a password.
    #[arg(long, global = true, env = "CLICKHOUSE_ALLOW_PLAINTEXT")]
    allow_plaintext: bool,

    /// Metric catalog, a TOML file. Default: the built-in catalog.
    #[arg(long, global = true, env = "CATALOG_PATH", value_name = "FILE")]
    catalog: Option<String>,
}

/// A server that answered, and the database on it.
pub(crate) struct Server {
    /// All that were named.
    pub(crate) addresses: Addresses,
    pub(crate) client: Client,
    pub(crate) url: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) version: String,
}

/// Longest wait for the next part of an answer, and for a whole one.
const READ_TIMEOUT: Duration = Duration::from_secs(120);
const QUERY_TIMEOUT: Duration = Duration::from_secs(600);

/// Longest wait for a server of a list. Another one may answer.
const LONGEST_QUESTION: Duration = Duration::from_secs(5);

const USUAL_URL: &str = "http://127.0.0.1:8123";

impl Connection {
    /// Whether somebody named a server.
    pub(crate) fn names_a_server(&self) -> bool {
        self.clickhouse_url.as_ref().is_some_and(|url| !url.is_empty())
    }

    /// Names neither a server nor a catalog.
    #[cfg(test)]
    pub(crate) fn without_anything() -> Self {
        Self {
            clickhouse_url: None,
            database: "meterflow".to_owned(),
            user: "default".to_owned(),
            password: String::new(),
            allow_plaintext: false,
            catalog: None,
        }
    }

    /// Whether somebody named a catalog.
    pub(crate) fn names_a_catalog(&self) -> bool {
        self.catalog.as_ref().is_some_and(|path| !path.is_empty())
    }

    pub(crate) fn catalog(&self) -> anyhow::Result<Catalog> {
        Ok(match self.catalog.as_deref().filter(|path| !path.is_empty()) {
            Some(path) => Catalog::from_files(path)?,
            None => Catalog::built_in()?,
        })
    }

    /// A reader of the usage on a server.
    pub(crate) fn reader(&self, server: &Server) -> UsageReader {
        let config = ClickHouseConfig {
            addresses: server.addresses.clone(),
            database: server.database.clone(),
            user: Some(self.user.clone()),
            password: Some(self.password.clone()),
            secret_arn: None,
            read_timeout: READ_TIMEOUT,
            query_timeout: QUERY_TIMEOUT,
        };
        // Only a secret would be read from AWS.
        UsageReader::new(&config, &SdkConfig::builder().build()).at(&server.url)
    }

    /// The place of a migration: the server, or all servers of the cluster of this name. A password goes to none of them
    /// unencrypted.
    pub(crate) async fn place(&self, server: &Server, cluster: Option<&str>) -> anyhow::Result<Place> {
        let Server { client, url, database, .. } = server;
        let Some(name) = cluster else { return Ok(Place::at(client, database)) };
        let cluster = Cluster::find(client, url, name).await?;
        for address in &cluster.servers {
            if let Some(reason) = self.refusal(&address.url) {
                bail!(
                    "the server {} of the cluster {name} is refused: {reason}. Use https:// in --clickhouse-url, or \
                     --allow-plaintext where the whole network is yours",
                    address.host
                );
            }
        }
        Ok(Place::in_cluster(client, database, cluster))
    }

    /// Why this address may not be used.
    fn refusal(&self, url: &str) -> Option<&'static str> {
        plaintext::refusal(url, !self.password.is_empty()).filter(|_| !self.allow_plaintext)
    }

    /// The first server that answers.
    pub(crate) async fn server(&self) -> anyhow::Result<Server> {
        let named = self.clickhouse_url.as_deref().filter(|url| !url.is_empty()).unwrap_or(USUAL_URL);
        let addresses = Addresses::parse(named).context("--clickhouse-url is not valid")?;
        for url in addresses.all() {
            if let Some(reason) = self.refusal(url) {
                bail!(
                    "--clickhouse-url is refused: {reason}. Use https://, or --allow-plaintext where the whole network is yours"
                );
            }
        }
        if !addresses.is_list() {
            return self.server_at(addresses.first(), &addresses).await;
        }
        let mut reasons = Vec::new();
        for url in addresses.all() {
            match timeout(LONGEST_QUESTION, self.server_at(url, &addresses)).await {
                Ok(Ok(server)) => return Ok(server),
                Ok(Err(error)) => reasons.push(format!("{error:#}")),
                Err(_) => {
                    reasons.push(format!("{url} does not answer within {} s", LONGEST_QUESTION.as_secs()));
                }
            }
        }
        bail!("{}", reasons.join("; "))
    }

    async fn server_at(&self, url: &str, addresses: &Addresses) -> anyhow::Result<Server> {
        let Self { database, user, password, .. } = self;
        let client = warehouse::client(url, database).with_user(user).with_password(password);
        // The query names a database that every server has. The database of this call may not exist yet.
        let system = client.clone().with_database("system");
        let version = system.query("SELECT version()").fetch_one().await.with_context(|| {
            format!("cannot use ClickHouse at {url} (check --clickhouse-url, --user and --password)")
        })?;
        let (url, addresses) = (url.to_owned(), addresses.clone());
        Ok(Server { addresses, client, url, database: database.clone(), user: user.clone(), version })
    }
}
