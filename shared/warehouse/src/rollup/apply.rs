//! Runs the statements of a migration.

use super::error::MigrationError;
use super::place::Place;
use super::plan::Plan;
use super::run::run;
use super::statements;

/// Makes the tables and views of a plan. Does not try the catalog's expressions, and fills nothing.
pub async fn apply(place: &Place, plan: &Plan) -> Result<(), MigrationError> {
    let mut is_flushed = false;
    for step in &plan.steps {
        if !is_flushed && statements::rank(&step.statement) >= statements::CHANGES {
            // Rows on their way would arrive after the changes.
            place.flush().await;
            is_flushed = true;
        }
        let Some(server) = place.servers.get(step.server) else { continue };
        let what = "the tables and views were not made";
        let made = run(&server.client, &place.database, what, &step.statement).await;
        made.map_err(|error| server.failed(error))?;
    }
    Ok(())
}
