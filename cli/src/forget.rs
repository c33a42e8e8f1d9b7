//! `meterflow forget`: removes a customer from the rollups, from the models and from the table of anomalies.
//!
//! Events are people's own, so they are only looked for. `meterflow migrate` would fill a rollup again from events that are
//! left. Each step finds what an earlier call left, so the command can be repeated after a failure.

mod report;

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use detection::{ALL_CUSTOMERS, CustomerId};
use jiff::Timestamp;
use store::{AnomalyStore, CustomerItems, ItemKind, StoreConfig};
use warehouse::rollup::{self, CustomerEvents, CustomerRows, Forgotten, Place};

use crate::connection::Connection;
use crate::output::say;
use crate::progress::Progress;

/// AWS is found as other tools find it: by AWS_PROFILE, AWS_REGION and the like.
#[derive(clap::Args)]
pub(crate) struct ForgetArgs {
    /// The customer, exactly as the events spell the id.
    #[arg(value_name = "CUSTOMER", value_parser = |id: &str| CustomerId::new(id))]
    customer: CustomerId,

    /// Show what would be removed from each place, and remove nothing.
    #[arg(long)]
    dry_run: bool,

    /// Remove the customer. Without it the places are only listed.
    #[arg(long)]
    yes: bool,

    /// Go on although events of the customer are left. The next `meterflow migrate` may fill the rollup again from them.
    #[arg(long)]
    keep_events: bool,

    /// Go on although incidents of the customer are open, or alerts wait. People who were paged get no end then.
    #[arg(long)]
    force: bool,

    /// Remove the customer from all servers of this cluster, as `system.clusters` of the server lists them.
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Start of the stack's names: `name_prefix` of its Terraform.
    #[arg(long, env = "METERFLOW_NAME_PREFIX", default_value = "meterflow")]
    name_prefix: String,

    /// The table of the stack. Default: PREFIX-anomalies.
    #[arg(long, env = "ANOMALIES_TABLE", value_name = "NAME")]
    table: Option<String>,
}

/// Where the customer is.
struct Found {
    events: Vec<CustomerEvents>,
    rows: Vec<CustomerRows>,
    items: CustomerItems,
}

/// Items of the table between two lines of progress.
const READ_STEP: u64 = 100_000;

pub(crate) async fn run(connection: &Connection, args: ForgetArgs, now: Timestamp) -> anyhow::Result<()> {
    let customer = &args.customer;
    ensure!(
        customer.as_str() != ALL_CUSTOMERS,
        "{ALL_CUSTOMERS} stands for the usage of all customers together, which nobody can be removed from"
    );
    let (catalog, server) = (connection.catalog()?, connection.server().await?);
    let place = connection.place(&server, args.cluster.as_deref()).await?;
    let aws = platform::aws::config().await;
    platform::aws::ensure_account(&aws).await.context("cannot look into the table of anomalies")?;
    let table = args.table.clone().unwrap_or_else(|| format!("{}-anomalies", args.name_prefix));
    // Nothing is stored here that could expire.
    let store = AnomalyStore::new(&StoreConfig::of_table(table.clone(), 1), &aws);

    let found = Found {
        events: rollup::events_of(&place, &catalog, customer).await?,
        rows: rollup::rows_of(&place, customer).await?,
        items: items_of(&store, customer, now).await.with_context(|| {
            format!("the table {table} was not read (check --name-prefix, --table and AWS_REGION)")
        })?,
    };
    report::found(&found).iter().for_each(|line| say!("{line}"));
    let refusals = report::refusals(&found, args.keep_events, args.force);
    if args.dry_run {
        refusals.iter().for_each(|reason| say!("{reason}"));
        say!("nothing was removed, because of --dry-run");
        return Ok(());
    }
    if !refusals.is_empty() {
        bail!("nothing was removed.\n{}", refusals.join("\n"));
    }
    if !args.yes {
        bail!("nothing was removed. Add --yes to remove these. Your events stay");
    }
    let (tables, kinds) = (remove_rows(&place, customer).await?, remove_items(&store, &found.items).await?);
    report::removed(customer, &tables, &kinds).iter().for_each(|line| say!("{line}"));
    report::remaining(&found, &table).iter().for_each(|line| say!("{line}"));
    Ok(())
}

async fn items_of(
    store: &AnomalyStore,
    customer: &CustomerId,
    now: Timestamp,
) -> anyhow::Result<CustomerItems> {
    let (mut read, mut told) = (0, 0);
    let items = store
        .items_of(customer, now, |more| {
            read += more;
            if read >= told + READ_STEP {
                told = read;
                eprintln!("{read} items of the table were looked at");
            }
        })
        .await?;
    Ok(items)
}

async fn remove_rows(place: &Place, customer: &CustomerId) -> anyhow::Result<Vec<Forgotten>> {
    let mut removed = Vec::new();
    rollup::forget(place, customer, |forgotten| {
        if let Forgotten::Rows(CustomerRows { table, rows, .. }) = &forgotten
            && *rows > 0
        {
            eprintln!("{table}: {rows} rows are gone");
        }
        removed.push(forgotten);
    })
    .await
    .context("the rows were not all removed. Run the command again. It does what is left")?;
    Ok(removed)
}

async fn remove_items(
    store: &AnomalyStore,
    items: &CustomerItems,
) -> anyhow::Result<BTreeMap<ItemKind, u64>> {
    let mut progress = Progress::new(items.count(), "items");
    let mut removed = BTreeMap::new();
    let deleted = store.delete_items(items, |kind| {
        *removed.entry(kind).or_default() += 1;
        progress.add(1);
    });
    deleted.await.context("the items were not all removed. Run the command again. It does what is left")?;
    eprintln!("{}", progress.finish());
    Ok(removed)
}
