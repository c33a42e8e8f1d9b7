//! `meterflow backtest`: what would have paged in the last days of the rollup, or of a file of usage.

mod configurations;
mod deployment;
mod output;
mod read;
mod replay;
mod show;
mod source;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::backtest::{Budget, Deployment, Derived, Difference, derive, propose};
use anyhow::{Context, bail, ensure};
use catalog::Catalog;
use clap::ArgGroup;
use clap::builder::RangedU64ValueParser;
use detection::{CustomerId, MetricName, Sensitivity, TimeZone};
use environment::Env;
use jiff::Timestamp;
use tokio::runtime::Handle;

use self::configurations::{Configurations, other_catalog};
use self::output::{Origin, Output};
use self::read::Read;
use self::source::Source;
use crate::connection::Connection;
use crate::output::say;

#[derive(clap::Args)]
#[command(group(ArgGroup::new("other").multiple(true)))]
pub(crate) struct BacktestArgs {
    /// Judge usage of a CSV file, without ClickHouse and AWS. Its header names the columns customer_id, metric, hour and
    /// value.
    ///
    /// An hour is its start, in RFC 3339 or as Unix time, and must be a full hour of UTC. For counts and sums a missing
    /// hour is zero. The order of the rows does not matter.
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["source", "no_aws"])]
    csv: Option<PathBuf>,

    /// Judge what the hourly rollup in ClickHouse holds. `usage` is the only source. Default without --csv.
    #[arg(long, value_name = "NAME", value_parser = source_name)]
    source: Option<String>,

    /// Start of the stack's names: `name_prefix` of its Terraform. Its settings, catalog and policies are the default.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", value_name = "PREFIX", default_value = "meterflow")]
    name_prefix: String,

    /// Ask nothing of AWS: default settings, no stored policies, and the catalog of --catalog or the built-in one.
    #[arg(long)]
    no_aws: bool,

    /// Days to judge: the last ones that the usage has. The days before are history. At least 7 are needed, and 32 are
    /// used.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = RangedU64ValueParser::<u16>::new().range(1..=366))]
    days: u16,

    /// A policy for all customers, a JSON file as the API takes it. It replaces the stack's policy for all customers. The
    /// policies of single customers stay.
    #[arg(long, value_name = "FILE.json")]
    policy: Option<PathBuf>,

    /// `low`, `medium`, `high`, or a factor of all thresholds from 0.2 to 5. A smaller factor pages more.
    #[arg(long, value_name = "WORD or FACTOR", value_parser = sensitivity)]
    sensitivity: Option<Sensitivity>,

    /// Time zone of the customers, such as Europe/Berlin. Without one, hours are those of UTC, and the models find out
    /// whether a customer's clocks changed.
    #[arg(long, value_name = "ZONE", value_parser = TimeZone::named)]
    time_zone: Option<TimeZone>,

    /// List each odd hour of a customer, and why it paged or did not.
    #[arg(long, value_name = "ID", value_parser = |id: &str| CustomerId::new(id))]
    customer: Option<CustomerId>,

    /// Only this metric of the customer.
    #[arg(long, value_name = "NAME", requires = "customer", value_parser = |name: &str| MetricName::new(name))]
    metric: Option<MetricName>,

    /// Propose settings within a budget, such as "1 page a customer-year".
    #[arg(long, value_name = "TEXT")]
    budget: Option<Budget>,

    /// Compare with another policy: which pages are new, gone or at another time.
    ///
    /// The other policy has the standard sensitivity. `{}` is the policy that changes nothing.
    #[arg(long, value_name = "FILE.json", group = "other")]
    against: Option<PathBuf>,

    /// Compare with another metric catalog.
    ///
    /// It is judged by the policy of --against. Without --against, it is judged by the same policy and sensitivity.
    #[arg(long, value_name = "FILE.toml", group = "other")]
    against_catalog: Option<String>,

    /// Exit with 1 if there are more new pages than this. Any other failure exits with 2.
    #[arg(long, value_name = "N", requires = "other")]
    max_new_pages: Option<usize>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The difference exceeds `--max-new-pages`.
#[derive(Debug, thiserror::Error)]
#[error("there are {new} new pages, and --max-new-pages allows {most}")]
struct TooManyNewPages {
    new: usize,
    most: usize,
}

/// The exit code of a backtest that failed: 1 for too many new pages, so that CI can tell them from all other errors.
/// Those have 2, as wrong arguments do.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<TooManyNewPages>() { 1 } else { 2 })
}

/// Runs on a thread of its own beside the runtime. Judging takes long, and waits for reading.
pub(crate) fn run(connection: &Connection, args: &BacktestArgs, now: Timestamp) -> anyhow::Result<()> {
    let given = if connection.names_a_catalog() { Some(connection.catalog()?) } else { None };
    let printed = match &args.csv {
        Some(path) => of_file(given, path, args)?,
        None => of_rollup(connection, given, args, now)?,
    };
    printed.lines.iter().for_each(|line| say!("{line}"));
    let new = printed.new_pages;
    match args.max_new_pages.filter(|most| new > *most) {
        None => Ok(()),
        Some(most) => Err(TooManyNewPages { new, most }.into()),
    }
}

/// What is printed, and the number of pages that the other configuration does not have.
struct Printed {
    lines: Vec<String>,
    new_pages: usize,
}

fn of_file(given: Option<Catalog>, path: &Path, args: &BacktestArgs) -> anyhow::Result<Printed> {
    let file = path.display().to_string();
    let other = other_catalog(args)?;
    // Without a catalog, the file says which metrics there are.
    let catalogs: Vec<&Catalog> =
        given.iter().flat_map(|given| std::iter::once(given).chain(&other)).collect();
    let mut read = read::read(path, &catalogs)?;
    read.rows.refuse_duplicates().with_context(|| file.clone())?;
    let (catalog, derived) = catalog_for(given, &read)?;
    let source = |catalog: &Catalog| {
        let usage = read.rows.usage(catalog, args.days).with_context(|| file.clone())?;
        anyhow::Ok(Source::file(usage, catalog))
    };
    let (source, beside) = (source(&catalog)?, other.as_ref().map(source).transpose()?);
    let configurations =
        Configurations::of(&catalog, other.as_ref(), &Deployment::from_env(&Env::of(&[]))?, args)?;
    let origin = Origin { file: Some(file), rows: Some(read.lines), ..Origin::default() };
    let asked = Asked { catalog: &catalog, derived: &derived, configurations: &configurations, args };
    answer(&source, beside.as_ref(), origin, asked)
}

fn of_rollup(
    connection: &Connection,
    given: Option<Catalog>,
    args: &BacktestArgs,
    now: Timestamp,
) -> anyhow::Result<Printed> {
    let runtime = Handle::current();
    let (deployment, deployed) = if args.no_aws {
        (Deployment::from_env(&Env::of(&[]))?, Catalog::built_in()?)
    } else {
        let found = runtime.block_on(deployment::of_stack(&args.name_prefix, now));
        found.context("the settings of the stack are not known (--no-aws judges by default settings)")?
    };
    let catalog = given.unwrap_or(deployed);
    let other = other_catalog(args)?;
    let configurations = Configurations::of(&catalog, other.as_ref(), &deployment, args)?;
    let server = runtime.block_on(connection.server())?;
    let reader = connection.reader(&server);
    let until = now.checked_sub(deployment.detection.window_delay)?;
    let source = Source::rollup(&reader, &catalog, args.days, until)?;
    let beside = other.as_ref().map(|other| Source::rollup(&reader, other, args.days, until)).transpose()?;
    let origin = Origin {
        database: Some(format!("{} at {}", server.database, server.url)),
        stack: (!args.no_aws).then(|| args.name_prefix.clone()),
        newest_hours_ago: Some(source.hours_before(until)).filter(|hours| *hours > 0),
        ..Origin::default()
    };
    let asked = Asked { catalog: &catalog, derived: &[], configurations: &configurations, args };
    answer(&source, beside.as_ref(), origin, asked)
}

/// What a backtest is asked.
#[derive(Clone, Copy)]
struct Asked<'a> {
    catalog: &'a Catalog,
    derived: &'a [Derived],
    configurations: &'a Configurations,
    args: &'a BacktestArgs,
}

/// * `beside`: the usage by the catalog to compare with, if it is another one.
fn answer(
    source: &Source<'_>,
    beside: Option<&Source<'_>>,
    origin: Origin,
    asked: Asked<'_>,
) -> anyhow::Result<Printed> {
    let Asked { catalog, derived, configurations, args } = asked;
    let Configurations { changed, present } = configurations;
    let metric = args.metric.as_ref().map(|name| place_of(catalog, name)).transpose()?;
    let beside = beside.unwrap_or(source);
    let (judged, other) = (source.span(), beside.span());
    ensure!(
        (judged.judged, judged.end) == (other.judged, other.end),
        "the usage of the metrics of {} ends at {}, and that of the other catalog at {}: they cannot be compared",
        catalog.origin(),
        judged.end.start(),
        other.end.start()
    );
    let shown = args.customer.as_ref();
    let report = source.report(changed, shown)?;
    if let Some(customer) = shown
        && report.of_customer(customer, None).next().is_none()
    {
        bail!("{} has no usage of a customer {:?}", origin.name(), customer.as_str());
    }
    let budget =
        args.budget.map(|budget| propose(budget, changed, &report, |other| source.report(other, None)));
    let proposal = budget.transpose()?;
    let present = present.as_ref().map(|present| beside.report(present, None)).transpose()?;
    let difference = present.map(|present| Difference::between(&present, &report));
    let output = Output {
        origin,
        catalog: catalog.origin(),
        derived,
        time_zone: changed.zone().to_string(),
        hours: shown.map(|customer| output::hours(&report, customer, metric, catalog)),
        report: &report,
        budget: proposal.as_ref(),
        difference: difference.as_ref(),
    };
    let lines = if args.json {
        vec![serde_json::to_string_pretty(&output)?]
    } else {
        show::lines_of(&output, catalog)
    };
    Ok(Printed { lines, new_pages: difference.map_or(0, |difference| difference.new.len()) })
}

/// The given catalog, the built-in one if it has all metrics of the file, or one that is derived from the rows.
fn catalog_for(given: Option<Catalog>, read: &Read) -> anyhow::Result<(Catalog, Vec<Derived>)> {
    if let Some(catalog) = given {
        return Ok((catalog, Vec::new()));
    }
    let built_in = Catalog::built_in()?;
    if read.rows.metrics().iter().all(|metric| built_in.get(metric.as_str()).is_some()) {
        return Ok((built_in, Vec::new()));
    }
    Ok(derive(&read.rows)?)
}

fn place_of(catalog: &Catalog, name: &MetricName) -> anyhow::Result<usize> {
    let place = catalog.metrics().iter().position(|spec| spec.name == *name);
    place.with_context(|| {
        let known: Vec<_> = catalog.metrics().iter().map(|spec| spec.name.as_str()).collect();
        format!("there is no metric `{name}`; there is {}", known.join(", "))
    })
}

/// The only source.
fn source_name(text: &str) -> Result<String, String> {
    match text {
        "usage" => Ok(text.to_owned()),
        _ => Err("`usage` is the only source".to_owned()),
    }
}

/// A word or a factor.
fn sensitivity(text: &str) -> Result<Sensitivity, String> {
    let value = text.parse::<f64>().map_or_else(|_| text.into(), serde_json::Value::from);
    serde_json::from_value(value).map_err(|_| {
        "allowed are `low`, `medium`, `high`, or a factor of the thresholds from 0.2 to 5".to_owned()
    })
}

#[cfg(test)]
mod tests;
