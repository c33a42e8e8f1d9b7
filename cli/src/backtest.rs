//! `meterflow backtest`: what would have paged in the last days of the rollup, or of a file of usage.

mod deployment;
mod output;
mod read;
mod replay;
mod show;
mod source;
mod table;

use std::path::{Path, PathBuf};

use ::backtest::{Budget, Configuration, Deployment, Derived, Difference, derive, propose};
use anyhow::{Context, bail};
use catalog::Catalog;
use clap::builder::RangedU64ValueParser;
use detection::{CustomerId, MetricName, Policy, Sensitivity, TimeZone};
use environment::Env;
use jiff::Timestamp;
use tokio::runtime::Handle;

use self::output::{Origin, Output};
use self::read::Read;
use self::source::Source;
use crate::connection::Connection;
use crate::output::say;

#[derive(clap::Args)]
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
    #[arg(long, value_name = "FILE.json")]
    against: Option<PathBuf>,

    /// Fail if there are more new pages than this.
    #[arg(long, value_name = "N", requires = "against")]
    max_new_pages: Option<usize>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs on a thread of its own beside the runtime. Judging takes long, and waits for reading.
pub(crate) fn run(connection: &Connection, args: &BacktestArgs, now: Timestamp) -> anyhow::Result<()> {
    let given = if connection.names_a_catalog() { Some(connection.catalog()?) } else { None };
    let printed = match &args.csv {
        Some(path) => of_file(given, path, args)?,
        None => of_rollup(connection, given, args, now)?,
    };
    printed.lines.iter().for_each(|line| say!("{line}"));
    match args.max_new_pages.filter(|most| printed.new_pages > *most) {
        None => Ok(()),
        Some(most) => {
            bail!("there are {} new pages, and --max-new-pages allows {most}", printed.new_pages)
        }
    }
}

/// What is printed, and the number of pages that the other configuration does not have.
struct Printed {
    lines: Vec<String>,
    new_pages: usize,
}

fn of_file(given: Option<Catalog>, path: &Path, args: &BacktestArgs) -> anyhow::Result<Printed> {
    let file = path.display().to_string();
    let mut read = read::read(path, given.as_ref())?;
    read.rows.refuse_duplicates().with_context(|| file.clone())?;
    let (catalog, derived) = catalog_for(given, &read)?;
    let usage = read.rows.usage(&catalog, args.days).with_context(|| file.clone())?;
    let configurations = Configurations::of(&catalog, &Deployment::from_env(&Env::of(&[]))?, args)?;
    let origin = Origin { file: Some(file), rows: Some(read.lines), ..Origin::default() };
    answer(&Source::file(usage, &catalog), origin, &catalog, &derived, &configurations, args)
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
        let found = runtime.block_on(deployment::of_stack(&args.name_prefix));
        found.context("the settings of the stack are not known (--no-aws judges by default settings)")?
    };
    let catalog = given.unwrap_or(deployed);
    let configurations = Configurations::of(&catalog, &deployment, args)?;
    let server = runtime.block_on(connection.server())?;
    let reader = connection.reader(&server);
    let until = now.checked_sub(deployment.detection.window_delay)?;
    let source = Source::rollup(&reader, &catalog, args.days, until)?;
    let origin = Origin {
        database: Some(format!("{} at {}", server.database, server.url)),
        stack: (!args.no_aws).then(|| args.name_prefix.clone()),
        newest_hours_ago: Some(source.hours_before(until)).filter(|hours| *hours > 0),
        ..Origin::default()
    };
    answer(&source, origin, &catalog, &[], &configurations, args)
}

/// What is judged by, and what that is compared with.
struct Configurations {
    changed: Configuration,
    present: Option<Configuration>,
}

impl Configurations {
    fn of(catalog: &Catalog, deployment: &Deployment, args: &BacktestArgs) -> anyhow::Result<Self> {
        let configuration = |path: Option<&Path>| -> anyhow::Result<Configuration> {
            let named = path.map_or_else(|| "the settings".to_owned(), |path| path.display().to_string());
            let policy = path.map(policy_of).transpose()?;
            Configuration::new(catalog.clone(), policy, deployment.clone(), args.time_zone.clone())
                .context(named)
        };
        let mut changed = configuration(args.policy.as_deref())?;
        if let Some(sensitivity) = args.sensitivity {
            changed = changed.with_sensitivity(sensitivity);
        }
        let present = args.against.as_deref().map(|path| configuration(Some(path))).transpose()?;
        Ok(Self { changed, present })
    }
}

fn answer(
    source: &Source<'_>,
    origin: Origin,
    catalog: &Catalog,
    derived: &[Derived],
    configurations: &Configurations,
    args: &BacktestArgs,
) -> anyhow::Result<Printed> {
    let Configurations { changed, present } = configurations;
    let metric = args.metric.as_ref().map(|name| place_of(catalog, name)).transpose()?;
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
    let present = present.as_ref().map(|present| source.report(present, None)).transpose()?;
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

fn policy_of(path: &Path) -> anyhow::Result<Policy> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a policy", path.display()))
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
