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

    /// Runs a statement about stored rows on each server that has some.
    pub(super) async fn change(
        &self,
        what: &str,
        statement: &str,
        names: &[&str],
    ) -> Result<(), MigrationError> {
        for statement in self.layout.spread(statement, names) {
            for server in &self.servers {
                let outcome = run(&server.client, &self.database, what, &statement).await;
                outcome.map_err(|error| server.failed(error))?;
            }
        }
        Ok(())
    }
}

impl Server {
    /// Whether the rows of this server are those that count. Its replicas have the same ones.
    pub(super) fn is_first_of_its_shard(&self) -> bool {
        self.address.as_ref().is_none_or(|address| address.replica == 1)
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
