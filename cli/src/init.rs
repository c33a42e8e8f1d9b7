//! `meterflow init`: looks at a table and writes a first source for it.

use std::path::PathBuf;

use anyhow::{Context, bail};
use catalog::{Catalog, is_identifier};
use warehouse::rollup;

use crate::connection::{Connection, Server};
use crate::output::say;
use crate::schema;

mod guess;

use guess::{Look, first_source};

#[derive(clap::Args)]
pub(crate) struct InitArgs {
    /// The table of the finished events: "table" or "database.table".
    #[arg(long)]
    table: String,

    /// Name of the source. Default: that of the table.
    #[arg(long)]
    name: Option<String>,

    /// Write the catalog to this file, and its JSON schema beside it. The file must not exist. Default: print the catalog.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Values of a column that are looked at: a state has fewer.
const VALUES: u32 = 30;

pub(crate) async fn run(connection: &Connection, args: InitArgs) -> anyhow::Result<()> {
    let InitArgs { table, name, output } = args;
    if let Some(path) = output.as_ref().filter(|path| path.exists()) {
        bail!("{} exists: name another file with --output, or remove it", path.display());
    }
    if table.split('.').count() > 2 || !table.split('.').all(is_identifier) {
        bail!("`{table}` is no table: write \"table\" or \"database.table\", of letters, digits and _");
    }
    let server = connection.server().await?;
    let Server { client, database, url, user, .. } = &server;
    let columns = rollup::columns(client, database, &table).await?;
    if columns.is_empty() {
        bail!("there is no table `{table}` in the database `{database}` at {url}, or {user} may not see it");
    }
    let mut look = Look { table: table.clone(), columns, states: Vec::new() };
    if let Some(state) = look.state() {
        look.states = rollup::values(client, database, &table, &state, VALUES).await?;
    }
    let name = match name {
        Some(name) => name,
        None => look.name(),
    };
    let text = format!("{}{}", schema::first_line(), first_source(&look, &name)?);
    // What is written is valid: nobody should start with an error.
    Catalog::parse(&text, "the first catalog")
        .context("the table gave no valid catalog: please report it")?;
    let Some(path) = output else {
        say!("{}", text.trim_end());
        return Ok(());
    };
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    let beside = schema::write_beside(&path)?;
    let shown = path.display();
    say!("{shown} has a first source for `{table}`. Editors check it by {}.", beside.display());
    say!("Read each line, and then:");
    say!("  meterflow check {shown}");
    say!("  meterflow migrate --catalog {shown} --dry-run");
    Ok(())
}
