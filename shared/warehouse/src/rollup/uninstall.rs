//! Removes everything that a migration made. Events and the database stay.

use clickhouse::Client;

use super::definition::{ViewState, state};
use super::error::MigrationError;
use super::layout::LOCAL;
use super::place::Place;
use super::plan::Step;
use super::run::run;
use super::{RETIRED, Tables, inspect, minutes, statements};

/// The statements that remove everything, views first. After the views nothing of ours affects an insert.
///
/// * `source`: only what belongs to this source.
pub async fn leftovers(place: &Place, source: Option<&str>) -> Result<Vec<Step>, MigrationError> {
    let mut steps = Vec::new();
    for (number, server) in place.servers.iter().enumerate() {
        let found = of_server(&server.client, &place.database, source).await;
        let step = |statement| Step { server: number, statement };
        steps.extend(found.map_err(|error| server.failed(error))?.into_iter().map(step));
    }
    // A view that is left on one server would feed a table that is gone on another.
    steps.sort_by_key(|step| !step.statement.starts_with("DROP VIEW"));
    Ok(steps)
}

async fn of_server(
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
        // Those of a cluster have their rows in tables of their own.
        let local: Vec<String> = names.iter().map(|name| format!("{name}{LOCAL}")).collect();
        let names: Vec<&str> = names.into_iter().chain(local.iter().map(String::as_str)).collect();
        let tables = inspect::existing(client, database, &names).await?;
        statements.extend(tables.into_iter().map(|name| format!("DROP TABLE IF EXISTS `{name}`")));
    }
    Ok(statements)
}

/// Removes everything, or all of one source.
pub async fn uninstall(place: &Place, source: Option<&str>) -> Result<(), MigrationError> {
    for Step { server, statement } in leftovers(place, source).await? {
        let Some(server) = place.servers.get(server) else { continue };
        let gone =
            run(&server.client, &place.database, "a view or table was not taken away", &statement).await;
        gone.map_err(|error| server.failed(error))?;
    }
    Ok(())
}
