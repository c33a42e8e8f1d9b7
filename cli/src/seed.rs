//! `meterflow seed`: made-up usage with known anomalies.
//!
//! The rows depend only on the arguments (see [`plan::World`]). Each customer has a random stream of its own, so
//! customer 7 is the same among 10 and among 10,000. The check at `--end` finds every planted anomaly that is labelled
//! findable, and nothing else. `plan` says why, and the tests recompute it.

mod calendar;
mod draw;
mod events;
mod labels;
mod plan;
mod scenario;
#[cfg(test)]
mod tests;
mod usage;

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clickhouse::Client;
use jiff::Timestamp;
use tokio::task::{JoinSet, spawn_blocking};

use self::events::Event;
use self::labels::{Label, Labels};
use self::plan::World;
use crate::events::{EVENTS, EventRow, insert};
use crate::output::say;
use crate::progress::Progress;

/// Days of usage in one INSERT, of all its customers: about 250,000 rows, some 20 MB.
const CUSTOMER_DAYS_IN_A_BLOCK: u64 = 1000;
/// One block is made while another is sent and the server works on a third.
const BLOCKS_IN_FLIGHT: usize = 3;
const HOUR_SECONDS: i64 = 3600;

#[derive(clap::Args)]
pub(crate) struct SeedArgs {
    /// Number of customers: cust_0001 and on.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    customers: u64,

    /// Number of days of usage. A run reads 33.
    #[arg(long, default_value_t = 35, value_parser = clap::value_parser!(u16).range(33..=366))]
    days: u16,

    /// The same seed gives the same rows.
    #[arg(long, default_value_t = 42)]
    seed: u64,

    /// End of the usage (RFC 3339, floored to the hour). A check of this hour finds the planted anomalies. Default: the
    /// current hour.
    #[arg(long, value_name = "TIME")]
    end: Option<Timestamp>,

    /// Write the planted anomalies to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,

    /// Seed even if `events` holds usage of other customers or another time.
    #[arg(long)]
    append: bool,
}

pub(crate) async fn run(client: &Client, args: SeedArgs, now: Timestamp) -> anyhow::Result<()> {
    let end_hour = args.end.unwrap_or(now).as_second().div_euclid(HOUR_SECONDS);
    let world = World { seed: args.seed, end_hour, days: args.days.into() };
    refuse_occupied(client, world, args.append).await?;

    let labels = labels(world, args.customers)?;
    let draft = args.labels.as_deref().map(|path| draft_labels(path, &labels)).transpose()?;
    insert_all(client, world, args.customers, &labels).await?;
    if let (Some(path), Some(draft)) = (&args.labels, &draft) {
        std::fs::rename(draft, path)
            .with_context(|| format!("cannot rename {} to {}", draft.display(), path.display()))?;
        say!("labels: {}", path.display());
    }
    Ok(())
}

/// Refuses a table with usage of the same customers, because doubled usage would make the labels wrong.
async fn refuse_occupied(client: &Client, world: World, append: bool) -> anyhow::Result<()> {
    let doing = "cannot look whether `events` is empty (has `meterflow migrate` been run?)";
    if !append {
        let occupied: Vec<u8> =
            client.query("SELECT 1 FROM events LIMIT 1").fetch_all().await.context(doing)?;
        ensure!(
            occupied.is_empty(),
            "`events` is not empty: `meterflow seed` starts from an empty table. Empty it with TRUNCATE TABLE events \
             and TRUNCATE TABLE usage_hourly, or add to it with --append"
        );
        return Ok(());
    }
    let start = timestamp(world.end_hour - 24 * world.days as i64)?;
    let end = timestamp(world.end_hour)?;
    let same: u64 = client
        .query(
            "SELECT count() FROM events WHERE startsWith(customer_id, 'cust_') \
             AND timestamp >= fromUnixTimestamp64Milli(?) AND timestamp < fromUnixTimestamp64Milli(?)",
        )
        .bind(start.as_millisecond())
        .bind(end.as_millisecond())
        .fetch_one()
        .await
        .context(doing)?;
    ensure!(
        same == 0,
        "`events` already holds {same} events of customers cust_… between {start} and {end}, and more of them would \
         double their usage: choose another --end, or empty the table"
    );
    Ok(())
}

fn labels(world: World, customers: u64) -> anyhow::Result<Labels> {
    let mut labels = Labels {
        seed: world.seed,
        customers,
        start: timestamp(world.end_hour - 24 * world.days as i64)?.to_string(),
        end: timestamp(world.end_hour)?.to_string(),
        days: world.days,
        events: 0,
        planted: Vec::new(),
    };
    for number in 1..=customers {
        let plan = plan::plan(world, number);
        labels.events += plan.usage.event_count();
        for &planted in &plan.planted {
            let earlier = planted.earlier.iter();
            let ends =
                earlier.map(|&hours| anyhow::Ok(timestamp(world.end_hour - hours as i64)?.to_string()));
            labels.planted.push(Label::new(&plan.id, planted, ends.collect::<anyhow::Result<_>>()?));
        }
    }
    Ok(labels)
}

fn timestamp(hour: i64) -> anyhow::Result<Timestamp> {
    Timestamp::from_second(hour * HOUR_SECONDS).context("--end and --days reach beyond the calendar")
}

/// Writes the labels beside their place before any insert, so that a bad path shows at once. They are moved there after
/// all rows.
fn draft_labels(path: &Path, labels: &Labels) -> anyhow::Result<PathBuf> {
    let mut name =
        path.file_name().with_context(|| format!("--labels {} is no file name", path.display()))?.to_owned();
    name.push(".part");
    let draft = path.with_file_name(name);
    let mut json = serde_json::to_vec_pretty(labels)?;
    json.push(b'\n');
    std::fs::write(&draft, json)
        .with_context(|| format!("cannot write the labels to {}", draft.display()))?;
    Ok(draft)
}

async fn insert_all(client: &Client, world: World, customers: u64, labels: &Labels) -> anyhow::Result<()> {
    let mut progress = Progress::new(labels.events, "events");
    let mut in_flight = JoinSet::new();
    let block_size = (CUSTOMER_DAYS_IN_A_BLOCK / world.days as u64).max(1);
    for first in (1..=customers).step_by(block_size as usize) {
        if in_flight.len() >= BLOCKS_IN_FLIGHT
            && let Some(done) = in_flight.join_next().await
        {
            progress.add(inserted(done)?);
        }
        let block = first..=(first + block_size - 1).min(customers);
        in_flight.spawn(insert_block(client.clone(), world, block));
    }
    while let Some(done) = in_flight.join_next().await {
        progress.add(inserted(done)?);
    }
    let findable = labels.planted.iter().filter(|label| label.findable()).count();
    say!("seeded {customers} customers from {} to {}: {}", labels.start, labels.end, progress.finish());
    say!(
        "planted: {findable} anomalies that the check at {} finds, {} that it cannot",
        labels.end,
        labels.planted.len() - findable
    );
    Ok(())
}

fn inserted(done: Result<anyhow::Result<u64>, tokio::task::JoinError>) -> anyhow::Result<u64> {
    match done.context("a block was given up")? {
        Ok(rows) => Ok(rows),
        Err(error) => bail!(error.context(
            "the seed is incomplete: other blocks may have been stored. TRUNCATE TABLE events and TRUNCATE TABLE \
             usage_hourly before you seed again"
        )),
    }
}

async fn insert_block(client: Client, world: World, block: RangeInclusive<u64>) -> anyhow::Result<u64> {
    let (first, last) = (plan::customer_id(*block.start()), plan::customer_id(*block.end()));
    let customers =
        spawn_blocking(move || block.map(|number| make(world, number)).collect::<Vec<_>>()).await?;
    write_block(&client, world, &customers)
        .await
        .with_context(|| format!("cannot insert the events of customers {first} to {last} into `{EVENTS}`"))
}

struct Customer {
    number: u64,
    id: String,
    events: Vec<Event>,
}

fn make(world: World, number: u64) -> Customer {
    let plan = plan::plan(world, number);
    Customer { number: plan.number, id: plan.id.clone(), events: events::events(world, plan) }
}

async fn write_block(
    client: &Client,
    world: World,
    customers: &[Customer],
) -> clickhouse::error::Result<u64> {
    let mut insert = insert(client).await?;
    let mut rows = 0;
    let mut transaction_id = String::new();
    let mut properties = String::new();
    for customer in customers {
        for (index, event) in customer.events.iter().enumerate() {
            transaction_id.clear();
            properties.clear();
            // Writing into a String cannot fail.
            let _ =
                write!(transaction_id, "seed-{}-{}-{}-{index}", world.seed, world.end_hour, customer.number);
            event.write_properties(&mut properties);
            insert
                .write(&EventRow {
                    transaction_id: &transaction_id,
                    customer_id: &customer.id,
                    event_type: event.event_type.name(),
                    timestamp: event.timestamp,
                    properties: &properties,
                })
                .await?;
            rows += 1;
        }
    }
    insert.end().await?;
    Ok(rows)
}
