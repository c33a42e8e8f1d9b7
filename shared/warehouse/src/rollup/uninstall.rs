//! Removes everything that a migration made. Events and the database stay.

use clickhouse::Client;

use super::apply::run;
use super::definition::{ViewState, state};
use super::error::MigrationError;
use super::{RETIRED, inspect, statements};

/// The statements that remove everything, views first. After the views nothing of ours affects an insert.
pub async fn leftovers(client: &Client, database: &str) -> Result<Vec<String>, MigrationError> {
    let sources = inspect::sources(client, database).await?;
    let mut statements = Vec::new();
    for tables in &sources {
        let views = inspect::views(client, database, tables).await?;
        let ours = views.iter().filter(|view| state(&view.comment, None) != ViewState::Foreign);
        statements.extend(ours.map(|view| statements::drop_view(&view.name)));
    }
    let retired = inspect::existing(client, database, &RETIRED).await?;
    statements.extend(retired.into_iter().map(statements::drop_retired));
    for tables in &sources {
        let tables = [&tables.all()[..], &[&tables.copy]].concat();
        let tables = inspect::existing(client, database, &tables).await?;
        statements.extend(tables.into_iter().map(|name| format!("DROP TABLE IF EXISTS `{name}`")));
    }
    Ok(statements)
}

/// Removes everything.
pub async fn uninstall(client: &Client, database: &str) -> Result<(), MigrationError> {
    for statement in leftovers(client, database).await? {
        run(client, database, "a view or table was not taken away", &statement).await?;
    }
    Ok(())
}
