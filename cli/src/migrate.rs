//! `meterflow migrate`: tables, views and backfill, shown before or while they happen.

use adapters::catalog::Catalog;
use adapters::rollup;
use clickhouse::Client;

use crate::output::say;
use crate::progress::Progress;

#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    /// Print the SQL and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(
    client: &Client,
    database: &str,
    catalog: &Catalog,
    args: MigrateArgs,
) -> anyhow::Result<()> {
    let plan = rollup::plan(client, database, catalog).await?;
    if args.dry_run {
        for statement in &plan.statements {
            say!("{statement};\n");
        }
        say!("-- and then, for each metric, the days that the rollup does not hold yet, found by:\n");
        for metric in catalog.metrics() {
            say!("{};\n", rollup::backfills_sql(metric));
        }
        return Ok(());
    }
    rollup::apply(client, database, &plan).await?;
    for metric in catalog.metrics() {
        backfill(client, database, metric).await?;
    }
    say!("{database} is in line with the catalog {}: {} metrics", catalog.version(), catalog.metrics().len());
    Ok(())
}

async fn backfill(
    client: &Client,
    database: &str,
    metric: &adapters::catalog::MetricSpec,
) -> anyhow::Result<()> {
    let days = rollup::backfills(client, database, metric).await?;
    if days.is_empty() {
        return Ok(());
    }
    say!("{}: {} days of events are not in the rollup yet", metric.name, days.len());
    rollup::clear(client, database, metric, &days).await?;
    let mut progress = Progress::new(days.iter().map(|day| day.events).sum(), "events");
    for day in &days {
        rollup::backfill(client, database, metric, day).await?;
        progress.add(day.events);
    }
    say!("{}: {}", metric.name, progress.finish());
    Ok(())
}
