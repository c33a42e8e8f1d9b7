//! `meterflow backtest`: what would have paged in the last days of a file of usage.

mod output;
mod read;
mod replay;
mod show;
mod table;

use std::path::{Path, PathBuf};

use ::backtest::{Budget, Configuration, Derived, Difference, derive, propose};
use anyhow::{Context, bail};
use catalog::{Catalog, IncidentConfig};
use clap::builder::RangedU64ValueParser;
use detection::{CustomerId, MetricName, Policy, Sensitivity, TimeZone};
use environment::Env;

use self::output::Output;
use self::read::Read;
use crate::connection::Connection;
use crate::output::say;

#[derive(clap::Args)]
pub(crate) struct BacktestArgs {
    /// Usage hour by hour, a CSV file. Its header names the columns customer_id, metric, hour and value.
    ///
    /// An hour is its start, in RFC 3339 or as Unix time, and must be a full hour of UTC. For counts and sums a missing
    /// hour is zero. The order of the rows does not matter.
    #[arg(long, value_name = "FILE.csv")]
    csv: PathBuf,

    /// Days to judge: the last ones of the file. The days before are history. At least 7 are needed, and 32 are used.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = RangedU64ValueParser::<u16>::new().range(1..=366))]
    days: u16,

    /// A policy for all customers, a JSON file as the API takes it.
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

pub(crate) fn run(connection: &Connection, args: &BacktestArgs) -> anyhow::Result<()> {
    let given = if connection.names_a_catalog() { Some(connection.catalog()?) } else { None };
    let printed = printed(given, args)?;
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

fn printed(given: Option<Catalog>, args: &BacktestArgs) -> anyhow::Result<Printed> {
    let mut read = read::read(&args.csv, given.as_ref())?;
    read.rows.refuse_duplicates().with_context(|| args.csv.display().to_string())?;
    let (catalog, derived) = catalog_for(given, &read)?;
    let usage = read.rows.usage(&catalog, args.days).with_context(|| args.csv.display().to_string())?;
    let configuration = |policy: Option<&Path>| -> anyhow::Result<Configuration> {
        let rules = IncidentConfig::from_env(&Env::of(&[]))?.rules;
        let named = policy.map_or_else(|| "the policy".to_owned(), |path| path.display().to_string());
        let policy = policy.map(policy_of).transpose()?.unwrap_or_default();
        Configuration::new(catalog.clone(), policy, rules, args.time_zone.clone()).context(named)
    };
    let mut changed = configuration(args.policy.as_deref())?;
    if let Some(sensitivity) = args.sensitivity {
        changed = changed.with_sensitivity(sensitivity);
    }
    let present = args.against.as_deref().map(|path| configuration(Some(path))).transpose()?;
    let metric = args.metric.as_ref().map(|name| place_of(&catalog, name)).transpose()?;
    if let Some(customer) = args.customer.as_ref()
        && usage.customers.iter().all(|known| known.id != *customer)
    {
        bail!("{} has no usage of a customer {:?}", args.csv.display(), customer.as_str());
    }

    let report = replay::report(&usage, &changed);
    let proposal = args
        .budget
        .map(|budget| {
            let run = |other: &Configuration| anyhow::Ok(replay::report(&usage, other));
            propose(budget, &changed, &report, run)
        })
        .transpose()?;
    let difference = present.map(|present| Difference::between(&replay::report(&usage, &present), &report));
    let output = Output {
        file: args.csv.display().to_string(),
        rows: read.lines,
        catalog: catalog.origin(),
        derived: &derived,
        time_zone: args.time_zone.clone().unwrap_or_default().to_string(),
        hours: args.customer.as_ref().map(|customer| output::hours(&report, customer, metric, &catalog)),
        report: &report,
        budget: proposal.as_ref(),
        difference: difference.as_ref(),
    };
    let lines = if args.json {
        vec![serde_json::to_string_pretty(&output)?]
    } else {
        show::lines_of(&output, &catalog)
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

/// A word or a factor.
fn sensitivity(text: &str) -> Result<Sensitivity, String> {
    let value = text.parse::<f64>().map_or_else(|_| text.into(), serde_json::Value::from);
    serde_json::from_value(value).map_err(|_| {
        "allowed are `low`, `medium`, `high`, or a factor of the thresholds from 0.2 to 5".to_owned()
    })
}

#[cfg(test)]
mod tests;
