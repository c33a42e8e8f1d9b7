//! Removes everything that a migration made. Events and the database stay.

use clickhouse::Client;

use super::definition::{ViewState, state};
use super::error::{MigrationError, failed};
use super::layout::LOCAL;
use super::place::Place;
use super::plan::Step;
use super::run::run;
use super::{RETIRED, Tables, cluster, inspect, minutes, server, statements};

/// The statements that remove everything, views first. After the views nothing of ours affects an insert.
///
/// * `source`: only what belongs to this source.
pub async fn leftovers(place: &Place, source: Option<&str>) -> Result<Vec<Step>, MigrationError> {
    if place.hosts() == 0 {
        require_one_server(place).await?;
    }
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

/// The views of other servers would go on feeding tables that are gone here.
pub(super) async fn require_one_server(place: &Place) -> Result<(), MigrationError> {
    let text = "SELECT name FROM system.tables WHERE database = {database:String} AND engine = 'Distributed' \
                AND endsWith(name, '_model_fits')";
    let query = server(&place.client).query_raw(text).param("database", place.database.as_str());
    let tables: Vec<String> =
        query.fetch_all().await.map_err(failed(&place.database, "the tables were not read", text))?;
    if tables.is_empty() {
        return Ok(());
    }
    let clusters = cluster::enumerated(&cluster::names(&place.client).await?);
    Err(MigrationError::Distributed { tables, clusters })
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
        // Somebody else may have a table with the name of that of texts, samples or minutes, where no migration ever made one.
        let (seen, samples) = (tables.seen.as_str(), tables.samples.as_str());
        let not_always = [seen, samples, tables.minutes.as_deref().unwrap_or_default()];
        let not_always = not_always.map(|name| [name.to_owned(), format!("{name}{LOCAL}")]);
        let not_always: Vec<&str> = not_always.iter().flatten().map(String::as_str).collect();
        let foreign = inspect::foreign(client, database, &not_always).await?;
        let names = tables.all().into_iter().chain([tables.copy.as_str(), seen, samples]);
        // Those of a cluster have their rows in tables of their own.
        let names: Vec<String> = names.flat_map(|name| [name.to_owned(), format!("{name}{LOCAL}")]).collect();
        let is_ours = |name: &&str| !foreign.iter().any(|other| other == name);
        let names: Vec<&str> = names.iter().map(String::as_str).filter(is_ours).collect();
        let at_once = |name: &str| if name.ends_with(LOCAL) { " SYNC" } else { "" };
        let drop = |name: &str| format!("DROP TABLE IF EXISTS `{name}`{}", at_once(name));
        statements.extend(inspect::existing(client, database, &names).await?.into_iter().map(drop));
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
