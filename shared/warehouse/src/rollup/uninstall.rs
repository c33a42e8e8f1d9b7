//! Removes everything that a migration made. Events and the database stay.

use super::definition::{ViewState, state};
use super::error::MigrationError;
use super::layout::LOCAL;
use super::listing::{Listing, USAGE};
use super::place::{Place, Server};
use super::plan::Step;
use super::run::run;
use super::{RETIRED, Tables, cluster, minutes, statements};

/// The statements that remove everything, views first. After the views nothing of ours affects an insert.
///
/// * `source`: only what belongs to this source.
pub async fn leftovers(place: &Place, source: Option<&str>) -> Result<Vec<Step>, MigrationError> {
    let mut steps = Vec::new();
    for (number, server) in place.servers.iter().enumerate() {
        let listing = listed(place, server).await?;
        let step = |statement| Step { server: number, statement };
        steps.extend(of_server(&listing, source).into_iter().map(step));
    }
    // A view that is left on one server would feed a table that is gone on another.
    steps.sort_by_key(|step| !step.statement.starts_with("DROP VIEW"));
    Ok(steps)
}

/// The tables and views of a server.
///
/// # Errors
///
/// When it should be the only one and is not: the views of other servers would go on feeding tables that are gone here.
pub(super) async fn listed(place: &Place, server: &Server) -> Result<Listing, MigrationError> {
    let listing = Listing::read(&server.client, &place.database).await;
    let listing = listing.map_err(|error| server.failed(error))?;
    let tables = listing.distributed_fits();
    if place.hosts() > 0 || tables.is_empty() {
        return Ok(listing);
    }
    let clusters = cluster::enumerated(&cluster::names(&server.client).await?);
    Err(MigrationError::Distributed { tables, clusters })
}

fn of_server(listing: &Listing, source: Option<&str>) -> Vec<String> {
    let mut sources = listing.sources();
    sources.retain(|name| source.is_none_or(|source| source == name));
    let is_of_usage = sources.iter().any(|name| name == USAGE);
    let sources: Vec<Tables> = sources.iter().map(|name| Tables::of_source(name)).collect();
    let mut statements = Vec::new();
    for tables in &sources {
        let mut views = listing.views(&tables.views());
        views.extend(minutes::views(listing, tables));
        let ours = views.iter().filter(|view| state(&view.comment, None) != ViewState::Foreign);
        statements.extend(ours.map(|view| statements::drop_view(&view.name)));
    }
    if is_of_usage {
        statements.extend(listing.existing(&RETIRED).into_iter().map(statements::drop_retired));
    }
    for tables in &sources {
        // Somebody else may have a table with the name of that of texts, samples or minutes, where no migration ever made one.
        let (seen, samples) = (tables.seen.as_str(), tables.samples.as_str());
        let not_always = [seen, samples, tables.minutes.as_deref().unwrap_or_default()];
        let not_always = not_always.map(|name| [name.to_owned(), format!("{name}{LOCAL}")]);
        let not_always: Vec<&str> = not_always.iter().flatten().map(String::as_str).collect();
        let foreign = listing.foreign(&not_always);
        let names = tables.all().into_iter().chain([tables.copy.as_str(), seen, samples]);
        // Those of a cluster have their rows in tables of their own.
        let names: Vec<String> = names.flat_map(|name| [name.to_owned(), format!("{name}{LOCAL}")]).collect();
        let is_ours = |name: &&str| !foreign.iter().any(|other| other == name);
        let names: Vec<&str> = names.iter().map(String::as_str).filter(is_ours).collect();
        let at_once = |name: &str| if name.ends_with(LOCAL) { " SYNC" } else { "" };
        let drop = |name: &str| format!("DROP TABLE IF EXISTS `{name}`{}", at_once(name));
        statements.extend(listing.existing(&names).into_iter().map(drop));
    }
    statements
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
