//! `meterflow migrate`: tables, views and backfill, shown before or while they happen.

use catalog::{Catalog, MetricSpec};
use clickhouse::Client;
use warehouse::rollup;

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
        show(catalog, &plan);
        return Ok(());
    }
    for metric in &plan.removed {
        say!(
            "{metric}: what the rollup holds of it is removed, since the catalog defines it no more or otherwise"
        );
    }
    rollup::apply(client, database, &plan).await?;
    let mut unsettled = 0;
    for metric in catalog.metrics() {
        unsettled += backfill(client, database, metric, plan.new.contains(&metric.name)).await?;
    }
    say!("{database} is in line with the catalog {}: {} metrics", catalog.version(), catalog.metrics().len());
    if unsettled > 0 {
        say!(
            "{unsettled} days still differ from their events, which are being inserted just now: run it again later"
        );
    }
    Ok(())
}

fn show(catalog: &Catalog, plan: &rollup::Plan) {
    for statement in &plan.statements {
        say!("{statement};\n");
    }
    for metric in catalog.metrics() {
        say!("-- {}: which days does the rollup not hold as the events say?\n", metric.name);
        say!("{};\n", rollup::sql::backfills(metric, u32::MAX));
        say!(
            "-- And for each such day, here that of 1 January 2026, after a DELETE where it holds anything:\n"
        );
        say!("{};\n", rollup::sql::fill(metric, 1_767_225_600, 1_767_312_000));
    }
}

/// Recomputes the days of a metric that differ, and returns how many still do afterwards.
async fn backfill(client: &Client, database: &str, metric: &MetricSpec, new: bool) -> anyhow::Result<usize> {
    let days = rollup::backfills(client, database, metric, new).await?;
    if days.is_empty() {
        return Ok(0);
    }
    say!("{}: {} days of events are not in the rollup as they should be", metric.name, days.len());
    let mut progress = Progress::new(days.iter().map(|day| day.events).sum(), "events");
    rollup::backfill(client, database, metric, &days, |day| progress.add(day.events)).await?;
    say!("{}: {}", metric.name, progress.finish());
    Ok(rollup::backfills(client, database, metric, false).await?.len())
}
