//! Runs the statements of a migration.

use clickhouse::Client;

use super::error::{MigrationError, failed};
use super::place::Place;
use super::plan::Plan;
use super::server;

/// Makes the tables and views of a plan. Does not try the catalog's expressions, and fills nothing.
pub async fn apply(place: &Place, plan: &Plan) -> Result<(), MigrationError> {
    for step in &plan.steps {
        let Some(server) = place.servers.get(step.server) else { continue };
        let what = "the tables and views were not made";
        let made = run(&server.client, &place.database, what, &step.statement).await;
        made.map_err(|error| server.failed(error))?;
    }
    Ok(())
}

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
