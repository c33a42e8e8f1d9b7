//! Removes everything that a migration made. Events and the database stay.

use clickhouse::Client;

use super::apply::run;
use super::definition::{ViewState, state};
use super::error::MigrationError;
use super::{RETIRED, Tables, inspect, minutes, statements};

/// The statements that remove everything, views first. After the views nothing of ours affects an insert.
///
/// * `source`: only what belongs to this source.
pub async fn leftovers(
    client: &Client,
    database: &str,
    source: Option<&str>,
) -> Result<Vec<String>, MigrationError> {
    let mut sources = inspect::sources(client, database).await?;
    sources.retain(|name| source.is_none_or(|source| source == name));
    let is_of_usage = sources.iter().any(|name| name == inspect::USAGE);
    let sources: Vec<Tables> = sources.iter().map(|name| Tables::of_source(name)).collect();
    let mut statements = Vec::new();
    for tables in &sources {
        let mut views = inspect::views(client, database, tables).await?;
        views.extend(minutes::views(client, database, tables).await?);
        let ours = views.iter().filter(|view| state(&view.comment, None) != ViewState::Foreign);
        statements.extend(ours.map(|view| statements::drop_view(&view.name)));
    }
    if is_of_usage {
        let retired = inspect::existing(client, database, &RETIRED).await?;
        statements.extend(retired.into_iter().map(statements::drop_retired));
    }
    for tables in &sources {
        // Somebody else may have a table with the name of that of texts or of minutes, where no migration ever made one.
        let not_always = [tables.seen.as_str(), tables.minutes.as_deref().unwrap_or_default()];
        let foreign = inspect::foreign(client, database, &not_always).await?;
        let names = tables.all().into_iter().chain([tables.copy.as_str(), tables.seen.as_str()]);
        let names: Vec<&str> = names.filter(|name| !foreign.iter().any(|other| other == name)).collect();
        let tables = inspect::existing(client, database, &names).await?;
        statements.extend(tables.into_iter().map(|name| format!("DROP TABLE IF EXISTS `{name}`")));
    }
    Ok(statements)
}

/// Removes everything, or all of one source.
pub async fn uninstall(client: &Client, database: &str, source: Option<&str>) -> Result<(), MigrationError> {
    for statement in leftovers(client, database, source).await? {
        run(client, database, "a view or table was not taken away", &statement).await?;
    }
    Ok(())
}
