//! Where a migration works: on one server, or on all servers of a cluster.

use clickhouse::Client;

use super::cluster::{Address, Cluster};
use super::error::MigrationError;
use super::layout::Layout;
use super::run::run;

/// A database on one server, or on all servers of a cluster.
#[derive(Clone)]
pub struct Place {
    /// Asks questions about all rows, and fills the rollup.
    pub(super) client: Client,
    pub(super) database: String,
    pub(super) layout: Layout,
    pub(super) servers: Vec<Server>,
}

/// A server whose tables a migration changes.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) client: Client,
    /// `None` for the only server.
    pub(super) address: Option<Address>,
}

impl Place {
    /// A database of one server.
    pub fn at(client: &Client, database: &str) -> Self {
        Self {
            client: client.clone(),
            database: database.to_owned(),
            layout: Layout::Single,
            servers: vec![Server { client: client.clone(), address: None }],
        }
    }

    /// The same database on all servers of a cluster.
    ///
    /// * `client`: of any of them.
    pub fn in_cluster(client: &Client, database: &str, cluster: Cluster) -> Self {
        let layout = Layout::Cluster {
            name: cluster.name.clone(),
            database: database.to_owned(),
            is_replicated: cluster.is_replicated(),
            shards: cluster.shards(),
        };
        let server = |address: Address| Server {
            client: client.clone().with_url(&address.url),
            address: Some(address),
        };
        Self {
            client: client.clone(),
            database: database.to_owned(),
            layout,
            servers: cluster.servers.into_iter().map(server).collect(),
        }
    }

    /// The host of a server of the plan, or `None` on one server.
    pub fn host(&self, server: usize) -> Option<&str> {
        let address = self.servers.get(server)?.address.as_ref()?;
        Some(&address.host)
    }

    /// The number of servers of the cluster. Zero for one server without a cluster.
    pub fn hosts(&self) -> usize {
        self.servers.iter().filter(|server| server.address.is_some()).count()
    }

    /// Runs a statement about stored rows on each server that has some. A server that fails keeps no other from it.
    pub(super) async fn change(
        &self,
        what: &str,
        statement: &str,
        names: &[&str],
    ) -> Result<(), MigrationError> {
        let mut outcome = Ok(());
        for statement in self.layout.spread(statement, names) {
            for server in self.servers.iter().filter(|server| server.runs(&statement, &self.layout)) {
                let changed = run(&server.client, &self.database, what, &statement).await;
                outcome = outcome.and(changed.map_err(|error| server.failed(error)));
            }
        }
        outcome
    }

    /// Waits until the rows that servers have taken for others are there. Where that is not allowed, they arrive later.
    pub(super) async fn flush(&self) {
        let text = "SELECT DISTINCT table FROM system.distribution_queue WHERE database = {database:String} AND data_files > 0";
        for server in self.servers.iter().filter(|server| server.address.is_some()) {
            let query = server.client.clone().with_database("system").query_raw(text);
            let waiting = query.param("database", self.database.as_str()).fetch_all::<String>().await;
            for table in waiting.unwrap_or_default() {
                let what = "rows on their way to other servers were not waited for";
                let statement = format!("SYSTEM FLUSH DISTRIBUTED `{table}`");
                if let Err(error) = run(&server.client, &self.database, what, &statement).await {
                    tracing::warn!(error = %server.failed(error), "a migration goes on meanwhile");
                }
            }
        }
    }
}

impl Server {
    /// The number of its shard. Zero without a cluster.
    pub(super) fn shard(&self) -> u32 {
        self.address.as_ref().map_or(0, |address| address.shard)
    }

    /// Whether this server runs a statement. A change of stored rows or of their columns comes to the replicas of a shard from
    /// the first one.
    pub(super) fn runs(&self, statement: &str, layout: &Layout) -> bool {
        let is_first = self.address.as_ref().is_none_or(|address| address.replica == 1);
        is_first || !layout.is_replicated_change(statement)
    }

    /// The error with the host, if there are several.
    pub(super) fn failed(&self, error: MigrationError) -> MigrationError {
        match &self.address {
            None => error,
            Some(Address { host, .. }) => {
                MigrationError::Server { host: host.clone(), error: Box::new(error) }
            }
        }
    }
}
