//! `meterflow uninstall`: removes the views and tables that `migrate` made. Events stay.

use anyhow::bail;
use warehouse::rollup;

use crate::connection::Connection;
use crate::migrate::say_steps;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct UninstallArgs {
    /// Remove them. Without it they are only listed.
    #[arg(long)]
    yes: bool,

    /// Remove only what belongs to this source.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,

    /// Remove them from all servers of this cluster, as `system.clusters` of the server lists them.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
}

pub(crate) async fn run(connection: &Connection, args: UninstallArgs) -> anyhow::Result<()> {
    let server = connection.server().await?;
    let place = connection.place(&server, args.cluster.as_deref()).await?;
    let database = &server.database;
    let steps = rollup::leftovers(&place, args.source.as_deref()).await?;
    if steps.is_empty() {
        say!("{database} has no views or tables of the rollup");
        return Ok(());
    }
    say_steps(&place, &steps);
    if !args.yes {
        bail!("nothing was changed. Add --yes to remove these, with their history. Your events stay");
    }
    rollup::uninstall(&place, args.source.as_deref()).await?;
    match &args.source {
        None => say!(
            "{database} is as it was before the first migration. Your events and the database itself stay"
        ),
        Some(source) => say!("{database} has nothing of the source {source} any more. Your events stay"),
    }
    Ok(())
}
