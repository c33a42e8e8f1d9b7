//! Chooses the servers of ClickHouse that a run asks.
//!
//! With one address, it is one server, whose tables show all rows. A list of addresses names the replicas of each shard of a
//! cluster. Then a run of usage has a part for each shard. A part asks one replica from its first query to its last, reads and
//! writes the tables of that replica alone, and so sees what it wrote. No server sends rows to another one.
//!
//! A part must have its customers whole. After a shard was added, a customer's old rows are on another shard than the new
//! ones, and both would seem to change. So a run looks first, and once more after it has read. If customers may be on two
//! shards, the run asks one server, whose `Distributed` tables add up what all shards have.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use catalog::Catalog;
use detection::Hour;
use futures::future::try_join_all;
use platform::telemetry::error_chain;
use tokio::time::timeout;
use warehouse::usage::{CommonBucket, MONTH_READ, MOST_BEHIND, UsageError, UsageReader};

use crate::app::App;
use crate::servers::Servers;

/// A server that answers nothing for so long will not answer the queries of the run either.
pub(crate) const LONGEST_QUESTION: Duration = Duration::from_secs(5);

/// The same for a question that reads some rows of the table.
const LONGEST_LOOK: Duration = Duration::from_secs(20);

/// How often the replicas of a shard are asked, and how long a run waits in between.
const ROUNDS: u32 = 2;
const PAUSE: Duration = Duration::from_secs(1);

/// A replica that was chosen for its shard.
struct Chosen {
    usage: Arc<UsageReader>,
    buckets: Vec<u8>,
}

/// Chooses among the addresses of a list: a replica for each shard, or one server that shows all rows.
///
/// * `until`: the first hour after those that are read.
///
/// # Errors
///
/// When no replica of a shard answers, or all of them are too far behind.
pub(crate) async fn connect(app: &App, until: Hour, name: &str) -> anyhow::Result<App> {
    let shards = app.usage.addresses().shards();
    // The entities of a customer, and the events of a source, may be on several shards.
    if app.source().is_some() || shards.len() < 2 {
        let all: Vec<&str> = app.usage.addresses().all().collect();
        let chosen = choose(app, &app.catalog, &all, (name, None)).await;
        let usage = chosen.context("no server of the list in `clickhouse_url` can be asked")?.usage;
        return Ok(App { usage, ..app.clone() });
    }
    let (since, catalog) = (until.plus(-MONTH_READ), &app.catalog.clone().on_one_server());
    let of_shard = shards.iter().enumerate().map(|(number, replicas)| async move {
        let replicas: Vec<&str> = replicas.iter().map(String::as_str).collect();
        let chosen = choose(app, catalog, &replicas, (&format!("{name}-{number}"), Some(since))).await;
        chosen.with_context(|| {
            format!("no replica of shard {} of the list in `clickhouse_url` can be asked", number + 1)
        })
    });
    let chosen = try_join_all(of_shard).await?;
    let Some(first) = chosen.first() else { bail!("`clickhouse_url` names no server") };
    let app = App { usage: Arc::clone(&first.usage), ..app.clone() };
    if let Some(reason) = against_parts(&app, &chosen, name).await {
        tracing::warn!(
            server.address = app.usage.host(),
            reason,
            "the run asks all shards through one server, which takes longer"
        );
        return Ok(app);
    }
    let readers: Vec<Arc<UsageReader>> = chosen.into_iter().map(|chosen| chosen.usage).collect();
    let hosts: Vec<&str> = readers.iter().map(|reader| reader.host()).collect();
    tracing::info!(server.addresses = hosts.join(", "), "the run has a part for each shard");
    Ok(App { servers: Servers::new(readers, since), ..app })
}

/// Why a run must not have a part for each shard.
async fn against_parts(app: &App, chosen: &[Chosen], name: &str) -> Option<String> {
    let query_id = format!("{name}-shards");
    let shards = match timeout(LONGEST_QUESTION, app.usage.shards(&app.catalog, &query_id)).await {
        Ok(Ok(shards)) => shards,
        Ok(Err(error)) => {
            return Some(format!("may the detector's user read system.clusters? {}", error_chain(&error)));
        }
        Err(_) => return Some("the server does not say how many shards there are".to_owned()),
    };
    // The customers of a shard that is not in the list would seem silent.
    if usize::try_from(shards) != Ok(chosen.len()) {
        return Some(format!(
            "the list in `clickhouse_url` has {} shards, and the cluster of the rollup has {shards}",
            chosen.len()
        ));
    }
    let common = CommonBucket::of(chosen.iter().map(|chosen| chosen.buckets.as_slice()))?;
    Some(format!(
        "{common}: a shard was added within {} days, or two lists name one shard, or the number of shards does not divide 24",
        MONTH_READ / 24
    ))
}

/// The first of these replicas that answers and is not too far behind. With `since`, the buckets of its customers are read.
async fn choose(
    app: &App,
    catalog: &Catalog,
    replicas: &[&str],
    (name, since): (&str, Option<Hour>),
) -> anyhow::Result<Chosen> {
    let mut refused = Vec::new();
    for round in 1..=ROUNDS {
        refused.clear();
        for url in replicas {
            let usage = app.usage.at(url);
            match look(&usage, catalog, (&format!("{name}-{round}"), since)).await {
                Ok(buckets) => return Ok(Chosen { usage: usage.into(), buckets }),
                Err(reason) => {
                    tracing::warn!(server.address = usage.host(), reason, "a replica is left out");
                    refused.push(format!("{}: {reason}", usage.host()));
                }
            }
        }
        if round < ROUNDS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    bail!("{}", refused.join("; "))
}

/// Asks a replica how far it is behind, and for the buckets of its customers. Returns the reason why it cannot be used.
async fn look(
    usage: &UsageReader,
    catalog: &Catalog,
    (name, since): (&str, Option<Hour>),
) -> Result<Vec<u8>, String> {
    let silent = |wait: Duration| format!("it does not answer within {} s", wait.as_secs());
    let query_id = format!("{name}-replicas");
    match timeout(LONGEST_QUESTION, usage.seconds_behind(catalog, &query_id)).await {
        Ok(Ok(seconds)) if seconds > MOST_BEHIND => {
            return Err(format!("it is {seconds} s behind its replicas, so usage would seem to have fallen"));
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) if is_forbidden(&error) => unknown(&error),
        Ok(Err(error)) => return Err(error_chain(&error)),
        Err(_) => return Err(silent(LONGEST_QUESTION)),
    }
    let Some(since) = since else { return Ok(Vec::new()) };
    match timeout(LONGEST_LOOK, usage.buckets(catalog, since, &format!("{name}-buckets"))).await {
        Ok(buckets) => buckets.map_err(|error| error_chain(&error)),
        Err(_) => Err(silent(LONGEST_LOOK)),
    }
}

/// Whether the server answers, and refuses this question.
fn is_forbidden(error: &UsageError) -> bool {
    matches!(error, UsageError::Query { .. }) && !error.is_transient()
}

/// Tells that nobody knows how far a server is behind.
pub(crate) fn unknown(error: &UsageError) {
    tracing::info!(
        error = error_chain(error),
        "nobody knows whether the server is behind its replicas: may the detector's user read system.replicas?"
    );
}
