//! Runs one statement of a migration on one server.

use clickhouse::Client;

use super::error::{MigrationError, failed};
use super::server;

pub(super) async fn run(
    client: &Client,
    database: &str,
    what: &str,
    statement: &str,
) -> Result<(), MigrationError> {
    // The database does not exist before its own statement has run.
    let client = match statement.starts_with("CREATE DATABASE") {
        true => server(client),
        false => client.clone().with_database(database),
    };
    client.query_raw(statement).execute().await.map_err(failed(database, what, statement))
}
