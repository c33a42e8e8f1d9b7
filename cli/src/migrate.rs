//! `meterflow migrate`: tables, views and backfill, shown before or while they happen.

use catalog::Catalog;
use clickhouse::Client;
use warehouse::rollup::{self, LEAST_KEEP_DAYS, MOST_KEEP_DAYS, Options, Plan, Told, statements, trial};

use crate::output::say;
use crate::progress::Progress;

#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    /// Try the catalog, say what would be done, print the SQL and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Agree to what is taken out of the rollup.
    #[arg(long)]
    yes: bool,

    /// Compute anew also the hours of which the rollup holds more events than there are. Their events may have expired:
    /// then less is left of them.
    #[arg(long)]
    rebuild: bool,

    /// For how many days the rollup keeps an hour: 400 in a new installation. Beyond 672 the newest day takes longer to read.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(i64::from(LEAST_KEEP_DAYS)..=i64::from(MOST_KEEP_DAYS)))]
    keep_days: Option<u16>,
}

pub(crate) async fn run(
    client: &Client,
    database: &str,
    catalog: &Catalog,
    args: MigrateArgs,
) -> anyhow::Result<()> {
    let options = Options { delete: args.yes, rebuild: args.rebuild, keep_days: args.keep_days };
    if args.dry_run {
        let plan = rollup::plan(client, database, catalog, &options).await?;
        trial::of_plan(client, database, catalog, &plan, trial::Rows::All).await?;
        show(catalog, &plan);
        return Ok(());
    }
    let mut progress = None;
    let outcome = rollup::migrate(client, database, catalog, &options, |told| match told {
        Told::Deleting(deletion) => say!("removing {deletion}"),
        Told::Filling { metric, days } => {
            say!("{}: {} days of events are not in the rollup as they should be", metric.name, days.len());
            progress = Some(Progress::new(days.iter().map(|day| day.events()).sum(), "events"));
        }
        Told::Filled { day } => progress.iter_mut().for_each(|progress| progress.add(day.events())),
        Told::Done { metric } => {
            if let Some(progress) = progress.take() {
                say!("{}: {}", metric.name, progress.finish());
            }
        }
    })
    .await?;
    say!("{database} is in line with the catalog {}: {} metrics", catalog.version(), catalog.metrics().len());
    if outcome.unsettled > 0 {
        say!(
            "{} days hold fewer events than there are, which are being inserted just now: run it again in some hours",
            outcome.unsettled
        );
    }
    if outcome.surplus > 0 {
        say!(
            "{} days hold more events than there are. Either events expired, and the rollup keeps them as it should. Or they \
             were counted twice: then run it again with --rebuild",
            outcome.surplus
        );
    }
    Ok(())
}

fn show(catalog: &Catalog, plan: &Plan) {
    for deletion in &plan.deletions {
        say!("-- Removes {deletion}");
    }
    for statement in &plan.statements {
        say!("{statement};\n");
    }
    for metric in catalog.metrics() {
        say!("-- {}: which hours does the rollup not hold as the events say?\n", metric.name);
        say!("{};\n", statements::differences(metric, 0, u32::MAX));
        say!(
            "-- And for each such hour, here those of 1 January 2026, after a DELETE where it holds anything:\n"
        );
        say!("{};\n", statements::fill(metric, &[(1_767_225_600, 1_767_312_000)]));
    }
}
