//! `meterflow uninstall`: removes the views and tables that `migrate` made. Events stay.

use anyhow::bail;
use warehouse::rollup;

use crate::connection::Server;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct UninstallArgs {
    /// Remove them. Without it they are only listed.
    #[arg(long)]
    yes: bool,

    /// Remove only what belongs to this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

pub(crate) async fn run(server: &Server, args: UninstallArgs) -> anyhow::Result<()> {
    let Server { client, database, .. } = server;
    let statements = rollup::leftovers(client, database, args.source.as_deref()).await?;
    if statements.is_empty() {
        say!("{database} has no views or tables of the rollup");
        return Ok(());
    }
    for statement in &statements {
        say!("{statement};");
    }
    if !args.yes {
        bail!("nothing was changed. Add --yes to remove these, with their history. Your events stay");
    }
    rollup::uninstall(client, database, args.source.as_deref()).await?;
    match &args.source {
        None => say!(
            "{database} is as it was before the first migration. Your events and the database itself stay"
        ),
        Some(source) => say!("{database} has nothing of the source {source} any more. Your events stay"),
    }
    Ok(())
}
