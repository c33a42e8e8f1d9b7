//! `meterflow migrate`: makes tables and views and fills the rollup. It shows each step.

use catalog::Catalog;
use clickhouse::Client;
use warehouse::rollup::{
    self, LEAST_KEEP_DAYS, MOST_KEEP_DAYS, Options, Order, Plan, Tables, Told, statements, trial,
};

use crate::output::say;
use crate::progress::Progress;

#[derive(clap::Args)]
pub(crate) struct MigrateArgs {
    /// Try the catalog, list the changes, print the SQL, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// Agree to the listed deletions from the rollup.
    #[arg(long)]
    yes: bool,

    /// Compute hours again in which the rollup has more events than the table. If events have expired, their history is
    /// lost.
    #[arg(long)]
    rebuild: bool,

    /// Days that the rollup keeps an hour: 400 in a new installation. Beyond 672 the newest day takes longer to read.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(i64::from(LEAST_KEEP_DAYS)..=i64::from(MOST_KEEP_DAYS)))]
    keep_days: Option<u16>,

    /// Copy the rows of a rollup of an earlier version into the order of this one, so that runs take less time. Needs as
    /// much disk again. The old rows stay in the table usage_hourly_copy until you drop it.
    #[arg(long)]
    sort: bool,
}

pub(crate) async fn run(
    client: &Client,
    database: &str,
    catalog: &Catalog,
    args: MigrateArgs,
) -> anyhow::Result<()> {
    let MigrateArgs { dry_run, yes, rebuild, keep_days, sort } = args;
    let options = Options { delete: yes, rebuild, keep_days, sort };
    for catalog in catalog.all() {
        of_source(client, database, catalog, &options, dry_run).await?;
    }
    Ok(())
}

async fn of_source(
    client: &Client,
    database: &str,
    catalog: &Catalog,
    options: &Options,
    dry_run: bool,
) -> anyhow::Result<()> {
    if dry_run {
        let plan = rollup::plan(client, database, catalog, options).await?;
        trial::of_plan(client, database, catalog, &plan, trial::Rows::All).await?;
        show(catalog, &plan);
        return Ok(());
    }
    let mut progress = None;
    let outcome = rollup::migrate(client, database, catalog, options, |told| match told {
        Told::Deleting(deletion) => say!("removing {deletion}"),
        Told::Sorting => {
            say!("copying the rollup into the order of this version: minutes for a billion rows …")
        }
        Told::Filling { metric, days } => {
            say!("{}: {} days of the rollup differ from the events", metric.name, days.len());
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
    let of_source = match catalog.entities() {
        None => String::new(),
        Some(entities) => format!(" of {}", entities.name()),
    };
    say!(
        "{database} is in line with the catalog {}: {} metrics{of_source}",
        catalog.version(),
        catalog.metrics().len()
    );
    match outcome.order {
        Order::Present => {}
        Order::Earlier => say!(
            "the rollup has the order of an earlier version, so runs take longer: `meterflow migrate --sort` copies it"
        ),
        Order::Sorted => say!(
            "{} has the rows as they were: drop the table when `meterflow doctor` finds nothing wrong",
            Tables::of(catalog).copy
        ),
    }
    if outcome.unsettled > 0 {
        say!(
            "{} days of the rollup have fewer events than the table, because events are being inserted: run `meterflow \
             migrate` again in some hours",
            outcome.unsettled
        );
    }
    if outcome.surplus > 0 {
        say!(
            "{} days of the rollup have more events than the table. If the events have expired, nothing is wrong. If events \
             were counted twice, run it again with --rebuild --yes",
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
    let day = (1_767_225_600, 1_767_312_000);
    for metric in catalog.metrics() {
        say!("-- {}: which hours does the rollup not hold as the events say?\n", metric.name);
        say!("{};\n", statements::differences(metric, 0, u32::MAX));
        say!(
            "-- And for each such hour, here those of 1 January 2026, after a DELETE where it holds anything:\n"
        );
        say!("{};\n", statements::fill(metric, &[day], day));
    }
}
