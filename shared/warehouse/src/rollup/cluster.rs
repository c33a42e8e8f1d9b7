//! The servers of a cluster, as `system.clusters` of one of them lists them.

use clickhouse::{Client, Row};
use serde::Deserialize;
use url::Url;

use super::error::{MigrationError, failed};
use super::server;

/// A cluster of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    pub name: String,
    /// In the order of shards, and of replicas within a shard.
    pub servers: Vec<Address>,
}

/// The address of a server of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The number of its shard, from 1.
    pub shard: u32,
    /// Its number within the shard, from 1. Replicas of a shard have the same rows.
    pub replica: u32,
    pub host: String,
    /// Address of its HTTP interface.
    pub url: String,
}

impl Cluster {
    /// The cluster of this name. All servers have the scheme, the port and the login of `url`, because `system.clusters`
    /// knows only the ports of the native interface.
    ///
    /// # Errors
    ///
    /// When the server knows no such cluster, or when replicas of the cluster do not copy their rows themselves.
    pub async fn find(client: &Client, url: &str, name: &str) -> Result<Self, MigrationError> {
        #[derive(Row, Deserialize)]
        struct Listed {
            shard: u32,
            replica: u32,
            host: String,
            copies: u8,
        }
        let what = "the servers of the cluster were not read";
        let text = "SELECT shard_num AS shard, replica_num AS replica, host_name AS host, internal_replication AS copies \
                    FROM system.clusters WHERE cluster = {cluster:String} ORDER BY shard, replica";
        let query = server(client).query_raw(text).param("cluster", name);
        let listed: Vec<Listed> = query.fetch_all().await.map_err(failed("system", what, text))?;
        let refused = |reason: String| MigrationError::Cluster { name: name.to_owned(), reason };
        if listed.is_empty() {
            let known = names(client).await?;
            return Err(refused(format!("the server knows only {}", enumerated(&known))));
        }
        let parsed = Url::parse(url).map_err(|error| refused(format!("{url} is no address: {error}")))?;
        let mut servers = Vec::new();
        for Listed { shard, replica, host, .. } in &listed {
            let mut url = parsed.clone();
            let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            url.set_host(Some(&bracketed))
                .map_err(|error| refused(format!("`{host}` is no host: {error}")))?;
            let url = url.as_str().trim_end_matches('/').to_owned();
            if servers.iter().any(|known: &Address| known.url == url) {
                return Err(refused(format!(
                    "two of its servers would be asked at {url}: they need different hosts, or the same port for HTTP"
                )));
            }
            servers.push(Address { shard: *shard, replica: *replica, host: host.clone(), url });
        }
        let cluster = Self { name: name.to_owned(), servers };
        if cluster.is_replicated() && listed.iter().any(|server| server.copies == 0) {
            return Err(refused(
                "its shards have replicas, but no internal_replication: each row would be stored twice as often. Set \
                 <internal_replication>true</internal_replication> in remote_servers"
                    .to_owned(),
            ));
        }
        Ok(cluster)
    }

    /// Whether several servers have the same rows.
    pub fn is_replicated(&self) -> bool {
        self.servers.iter().any(|server| server.replica > 1)
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        self.servers.chunk_by(|one, next| one.shard == next.shard).count()
    }
}

/// The clusters that a server knows.
pub(super) async fn names(client: &Client) -> Result<Vec<String>, MigrationError> {
    let text = "SELECT DISTINCT cluster FROM system.clusters ORDER BY cluster";
    let query = server(client).query_raw(text);
    query.fetch_all().await.map_err(failed("system", "the clusters were not read", text))
}

/// The names between backticks, or that there is none.
pub(super) fn enumerated(names: &[String]) -> String {
    if names.is_empty() {
        return "no cluster at all".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
