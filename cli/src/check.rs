//! `meterflow check`: whether a catalog is right. With a server it also checks the tables.

use anyhow::bail;
use catalog::{Aggregate, Catalog};
use detection::EntityPath;
use warehouse::rollup::{sample, trial};

use crate::connection::{Connection, Server};
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct CheckArgs {
    /// The catalog, a TOML file. Default: the file of --catalog.
    #[arg(value_name = "CATALOG")]
    file: Option<String>,

    /// Try the expressions on at most this many rows of each table.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    rows: u64,
}

pub(crate) async fn run(connection: &Connection, args: CheckArgs) -> anyhow::Result<()> {
    let catalog = match &args.file {
        Some(file) => Catalog::from_files(file)?,
        None => connection.catalog()?,
    };
    if !connection.names_a_server() {
        for metric in catalog.all().flat_map(Catalog::metrics) {
            say!("{}: the entry is valid", metric.name);
        }
        say!(
            "Name a server with --clickhouse-url (or CLICKHOUSE_URL) to check columns, types and values as well"
        );
        return Ok(());
    }
    let server = connection.server().await?;
    let mut refused = 0;
    for metric in catalog.all().flat_map(Catalog::metrics) {
        let Server { client, database, .. } = &server;
        let refusals =
            trial::of_metric(client, database, catalog.origin(), metric, trial::Rows::Some(args.rows))
                .await?;
        refused += refusals.len();
        if refusals.is_empty() {
            show(&server, metric, args.rows).await?;
        }
        refusals.iter().for_each(|refusal| say!("{refusal}"));
    }
    if refused > 0 {
        bail!("{refused} fields of {} are refused", catalog.origin());
    }
    say!("{} is right: `meterflow migrate` can use it", catalog.origin());
    Ok(())
}

/// Shows the values that a metric makes of the rows of its table.
async fn show(server: &Server, metric: &catalog::MetricSpec, rows: u64) -> anyhow::Result<()> {
    let Some(sample) = sample::of(&server.client, &server.database, metric, rows).await? else {
        say!("{}: the expressions are right; `{}` is not there yet", metric.name, metric.table);
        return Ok(());
    };
    for remark in sample.remarks() {
        say!("{}: {remark}", metric.name);
    }
    let sample::Sample { rows, counted, customers, example, least, most, corrections, newest, .. } = sample;
    if counted == 0 {
        say!(
            "{}: none of {rows} rows of `{}` count. Look at `filter` and `value`",
            metric.name,
            metric.table
        );
        return Ok(());
    }
    let values = match metric.aggregate {
        Aggregate::Count | Aggregate::Distinct | Aggregate::Novel => String::new(),
        _ => format!(", values from {least} to {most} {}", metric.unit),
    };
    if corrections < 0.0 && metric.never_negative() {
        say!("{}: corrections of {corrections} {} are kept apart from usage", metric.name, metric.unit);
    }
    let (who, example) = match &metric.entities {
        None => ("customers", example),
        Some(_) => ("entities", example.replace(EntityPath::SEPARATOR, " / ")),
    };
    say!(
        "{}: {counted} of {rows} rows count, of {customers} {who} such as {example:?}{values}, the newest of {newest} UTC",
        metric.name,
    );
    Ok(())
}
