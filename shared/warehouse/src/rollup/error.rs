//! Errors of a migration.

use super::deletion::Deletion;
use super::one_line;
use super::refusal::Refusal;

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The reason is ClickHouse's own, in one line. `full` has the whole text.
    #[error("{what}: {reason} (database `{database}`)")]
    Statement { database: String, what: String, reason: String, statement: String, full: String },
    #[error("{}", lines(.0))]
    Refused(Vec<Refusal>),
    #[error(
        "the source `{source_name}` needs tables that exist and that `meterflow migrate` did not make: {}. Give the source \
         another name", tables.join(", ")
    )]
    Foreign { source_name: String, tables: Vec<String> },
    #[error(
        "the rollup of the source `{source_name}` was made for another `feed`, and its rows cannot be taken over: remove it with \
         `meterflow uninstall --source {source_name} --yes` (in a cluster with --cluster), and run `meterflow migrate` again"
    )]
    Feed { source_name: String },
    #[error(
        "the rollup of the source `{source_name}` was made with another `counter`, and its rows cannot be taken over: remove it with \
         `meterflow uninstall --source {source_name} --yes` (in a cluster with --cluster), and run `meterflow migrate` again"
    )]
    Counters { source_name: String },
    #[error(
        "nothing was changed, since it would delete:\n{}\nAgree to it with --yes, or name another catalog with --catalog",
        lines(.0)
    )]
    NeedsConsent(Vec<Deletion>),
    #[error(
        "{} have their rows on the servers of a cluster, and this program would see those of one server only. Name the cluster \
         with --cluster: the server knows {clusters}", tables.join(", ")
    )]
    Distributed { tables: Vec<String>, clusters: String },
    #[error("the cluster `{name}` cannot be used: {reason}")]
    Cluster { name: String, reason: String },
    #[error(
        "{} are not in line with the catalog on all servers ({}): did somebody else migrate at the same time? Run \
         the migration again", metrics.join(", "), servers.join(", ")
    )]
    Unfinished { metrics: Vec<String>, servers: Vec<String> },
    #[error("on the server {host}: {error}")]
    Server { host: String, error: Box<MigrationError> },
}

impl MigrationError {
    /// The SQL that failed, and ClickHouse's whole text about it.
    pub fn details(&self) -> Vec<String> {
        match self {
            Self::Statement { statement, full, .. } => vec![format!("{statement}\n{full}")],
            Self::Refused(refusals) => {
                refusals.iter().filter_map(|refusal| refusal.details.clone()).collect()
            }
            Self::Server { error, .. } => error.details(),
            Self::NeedsConsent(_)
            | Self::Foreign { .. }
            | Self::Feed { .. }
            | Self::Counters { .. }
            | Self::Distributed { .. }
            | Self::Unfinished { .. }
            | Self::Cluster { .. } => Vec::new(),
        }
    }
}

fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

pub(super) fn failed(
    database: &str,
    what: &str,
    statement: &str,
) -> impl FnOnce(clickhouse::error::Error) -> MigrationError {
    let (database, what, statement) = (database.to_owned(), what.to_owned(), statement.to_owned());
    move |error| MigrationError::Statement {
        database,
        what,
        reason: one_line(&error),
        statement,
        full: error.to_string(),
    }
}
