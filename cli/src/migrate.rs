//! `meterflow migrate`: makes tables and views and fills the rollup. It shows each step.

use catalog::Catalog;
use warehouse::rollup::{
    self, LEAST_KEEP_DAYS, MOST_KEEP_DAYS, Options, Order, Place, Plan, Step, Tables, Told, statements, trial,
};

use crate::connection::{Connection, Server};
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

    /// Make the tables and views on all servers of this cluster, as `system.clusters` of the server lists them. Each server
    /// is asked at the scheme, the port and the login of --clickhouse-url.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
}

pub(crate) async fn run(
    connection: &Connection,
    server: &Server,
    catalog: &Catalog,
    args: MigrateArgs,
) -> anyhow::Result<()> {
    let MigrateArgs { dry_run, yes, rebuild, keep_days, sort, cluster } = args;
    let options = Options { delete: yes, rebuild, keep_days, sort };
    let place = connection.place(server, cluster.as_deref()).await?;
    for catalog in catalog.all() {
        if dry_run {
            let plan = rollup::plan(&place, catalog, &options).await?;
            trial::of_plan(&server.client, &server.database, catalog, &plan, trial::Rows::All).await?;
            show(&place, catalog, &plan);
        } else {
            of_source(&place, &server.database, catalog, &options).await?;
        }
    }
    Ok(())
}

async fn of_source(
    place: &Place,
    database: &str,
    catalog: &Catalog,
    options: &Options,
) -> anyhow::Result<()> {
    let mut progress = None;
    let outcome = rollup::migrate(place, catalog, options, |told| match told {
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
    let on_servers = match place.hosts() {
        0 => String::new(),
        servers => format!(" on {servers} servers"),
    };
    say!(
        "{database} is in line with the catalog {}: {} metrics{of_source}{on_servers}",
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

/// Shows the statements of steps, under the name of their server if there are several.
pub(crate) fn say_steps(place: &Place, steps: &[Step]) {
    let mut shown = None;
    for Step { server, statement } in steps {
        if let Some(host) = place.host(*server).filter(|host| shown != Some(*host)) {
            say!("-- On {host}:\n");
            shown = Some(host);
        }
        say!("{statement};\n");
    }
}

fn show(place: &Place, catalog: &Catalog, plan: &Plan) {
    for deletion in &plan.deletions {
        say!("-- Removes {deletion}");
    }
    say_steps(place, &plan.steps);
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
