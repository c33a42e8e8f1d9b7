//! Removes everything that a migration made. Events and the database stay.

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::apply::run;
use super::definition::{ViewState, state};
use super::error::{MigrationError, failed};
use super::{TABLES, inspect, server, statements};

/// The view that notes arrivals.
const ARRIVALS_VIEW: &str = "usage_arrivals_view";

/// The statements that remove everything, views first. After the views nothing of ours affects an insert.
pub async fn leftovers(client: &Client, database: &str) -> Result<Vec<String>, MigrationError> {
    #[derive(Row, Deserialize)]
    struct Table {
        name: String,
    }
    let text =
        "SELECT name FROM system.tables WHERE database = {database:String} AND name IN {names:Array(String)}";
    let names: Vec<&str> = [ARRIVALS_VIEW].into_iter().chain(TABLES).collect();
    let query = server(client).query_raw(text).param("database", database).param("names", &names);
    let there: Vec<Table> =
        query.fetch_all().await.map_err(failed(database, "the tables were not read", text))?;
    let is_there = |name: &str| there.iter().any(|table| table.name == name);

    let views = inspect::views(client, database).await?;
    let ours = views.iter().filter(|view| state(&view.comment, None) != ViewState::Foreign);
    let mut statements: Vec<String> = ours.map(|view| statements::drop_view(&view.name)).collect();
    statements.extend(is_there(ARRIVALS_VIEW).then(|| statements::drop_view(ARRIVALS_VIEW)));
    statements.extend(
        TABLES.iter().filter(|name| is_there(name)).map(|name| format!("DROP TABLE IF EXISTS `{name}`")),
    );
    Ok(statements)
}

/// Removes everything.
pub async fn uninstall(client: &Client, database: &str) -> Result<(), MigrationError> {
    for statement in leftovers(client, database).await? {
        run(client, database, "a view or table was not taken away", &statement).await?;
    }
    Ok(())
}
