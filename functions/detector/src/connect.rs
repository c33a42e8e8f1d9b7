//! Chooses the servers of ClickHouse that a run asks.
//!
//! With one address, it is one server, whose tables show all rows. A list of addresses names the replicas of each shard of a
//! cluster. Then a run of usage has a part for each shard. A part asks one replica from its first query to its last, reads and
//! writes the tables of that replica alone, and so sees what it wrote. No server sends rows to another one, but for the shapes of
//! days of all customers.
//!
//! A part must have its customers whole. After a shard was added, a customer's old rows are on another shard than the new
//! ones, and both would seem to change. So a run looks first, and once more after it has read. If customers may be on two
//! shards, the run asks one server, whose `Distributed` tables add up what all shards have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use catalog::Catalog;
use detection::Hour;
use futures::future::{try_join, try_join_all};
use platform::telemetry::error_chain;
use tokio::time::timeout;
use warehouse::usage::{AgainstParts, MONTH_READ, MOST_BEHIND, UsageError, UsageReader};

use crate::app::App;
use crate::servers::{Servers, ask};

/// How many times as long a question takes that reads some rows of the table.
const LOOK: u32 = 4;

/// How long a run asks again whether each shard has its customers whole.
const LONGEST_PROOF: Duration = Duration::from_secs(60);

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
/// When no replica of a shard answers, or all of them are too far behind. When nobody says how many shards there are.
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
    let readers = chosen.iter().map(|chosen| Arc::clone(&chosen.usage)).collect();
    let servers = Servers::new(readers, since);
    if let Some(reason) = against_parts(&app, &servers, (since, chosen.as_slice()), name).await? {
        tracing::warn!(
            server.address = app.usage.host(),
            reason,
            "the run asks all shards through one server, which takes longer"
        );
        return Ok(app);
    }
    let hosts: Vec<&str> = servers.readers().iter().map(|reader| reader.host()).collect();
    tracing::info!(server.addresses = hosts.join(", "), "the run has a part for each shard");
    Ok(App { servers, ..app })
}

/// Why a run must not have a part for each shard.
///
/// # Errors
///
/// When a server does not answer, after several tries. A refusal is a reason.
async fn against_parts(
    app: &App,
    servers: &Servers,
    (since, chosen): (Hour, &[Chosen]),
    name: &str,
) -> anyhow::Result<Option<String>> {
    let (deadline, usage, query_id) =
        (Instant::now() + LONGEST_PROOF, &app.usage, format!("{name}-all-buckets"));
    let buckets: Vec<Vec<u8>> = chosen.iter().map(|chosen| chosen.buckets.clone()).collect();
    let known = buckets.as_slice();
    let all = ask(usage, &query_id, deadline, |id| async move {
        usage.buckets_of_all(&app.catalog, since, known, &id).await
    });
    let (shards, all) = match try_join(servers.shards(&app.catalog, name, deadline), all).await {
        Ok(answers) => answers,
        Err(error) if error.is_forbidden() => {
            return Ok(Some(format!(
                "may the detector's user read system.clusters, and the tables of all shards? {}",
                error_chain(&error)
            )));
        }
        Err(error) => {
            return Err(error).context("nobody knows whether each shard of the list has its customers whole");
        }
    };
    Ok(AgainstParts::of(&shards, &buckets, &all).map(|against| match against {
        AgainstParts::Common(common) => format!(
            "{common}: a shard was added within {} days, or two lists name one shard, or the number of shards does not divide 24",
            MONTH_READ / 24
        ),
        other => other.to_string(),
    }))
}

/// The first of these replicas that answers and is not too far behind. With `since`, the buckets of its customers are read.
async fn choose(
    app: &App,
    catalog: &Catalog,
    replicas: &[&str],
    (name, since): (&str, Option<Hour>),
) -> anyhow::Result<Chosen> {
    let mut left_out = Vec::new();
    for round in 1..=ROUNDS {
        left_out.clear();
        let mut is_login_refused = false;
        for url in replicas {
            let usage = app.usage.at(url);
            let wait = app.longest_question;
            match look(&usage, catalog, (&format!("{name}-{round}"), since), wait).await {
                Ok(buckets) => return Ok(Chosen { usage: usage.into(), buckets }),
                Err(LeftOut { reason, login_refused }) => {
                    tracing::warn!(server.address = usage.host(), reason, "a replica is left out");
                    left_out.push(format!("{}: {reason}", usage.host()));
                    is_login_refused |= login_refused;
                }
            }
        }
        if round < ROUNDS {
            if is_login_refused {
                app.usage.forget_credentials();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    bail!("{}", left_out.join("; "))
}

/// Why a replica cannot be used.
struct LeftOut {
    reason: String,
    /// The password may have been rotated.
    login_refused: bool,
}

impl LeftOut {
    fn because(reason: String) -> Self {
        Self { reason, login_refused: false }
    }

    fn silent(wait: Duration) -> Self {
        Self::because(format!("it does not answer within {} s", wait.as_secs()))
    }
}

impl From<UsageError> for LeftOut {
    fn from(error: UsageError) -> Self {
        let login_refused = matches!(error, UsageError::Authentication { .. });
        Self { reason: error_chain(&error), login_refused }
    }
}

/// Asks a replica how far it is behind, and for the buckets of its customers. Without `since`, any row is enough.
async fn look(
    usage: &UsageReader,
    catalog: &Catalog,
    (name, since): (&str, Option<Hour>),
    wait: Duration,
) -> Result<Vec<u8>, LeftOut> {
    let query_id = format!("{name}-replicas");
    match timeout(wait, usage.seconds_behind(catalog, &query_id)).await {
        Ok(Ok(seconds)) if seconds > MOST_BEHIND => {
            return Err(LeftOut::because(format!(
                "it is {seconds} s behind its replicas, so usage would seem to have fallen"
            )));
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) if error.is_forbidden() => unknown(&error),
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => return Err(LeftOut::silent(wait)),
    }
    let looked = async {
        match since {
            Some(since) => usage.buckets(catalog, since, &format!("{name}-buckets")).await,
            None => usage.ask_rollup(catalog, &format!("{name}-rollup")).await.map(|()| Vec::new()),
        }
    };
    match timeout(wait * LOOK, looked).await {
        Ok(buckets) => Ok(buckets?),
        Err(_) => Err(LeftOut::silent(wait * LOOK)),
    }
}

/// Tells that nobody knows how far a server is behind.
pub(crate) fn unknown(error: &UsageError) {
    tracing::info!(
        error = error_chain(error),
        "nobody knows whether the server is behind its replicas: may the detector's user read system.replicas?"
    );
}
