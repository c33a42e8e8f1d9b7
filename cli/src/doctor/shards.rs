//! The list of addresses of a cluster: whether each replica answers, and whether a run has a part for each shard.

use std::time::Duration;

use catalog::Catalog;
use detection::Hour;
use jiff::Timestamp;
use platform::telemetry::error_chain;
use tokio::time::timeout;
use warehouse::usage::{AgainstParts, MONTH_READ, MOST_BEHIND, UsageReader};

use super::Finding;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Nothing for a single address.
pub(super) async fn look(reader: &UsageReader, catalog: &Catalog, now: Timestamp) -> Vec<Finding> {
    let shards = reader.addresses().shards();
    if !reader.addresses().is_list() {
        return Vec::new();
    }
    let (mut findings, mut buckets) = (Vec::new(), Vec::new());
    for (number, replicas) in shards.iter().enumerate() {
        let (name, mut good) = (format!("shard {} of the list", number + 1), 0);
        for url in replicas {
            let replica = reader.at(url);
            match of_replica(&replica, shards.len() > 1, catalog, now).await {
                Ok(of_replica) => {
                    if good == 0 {
                        buckets.push(of_replica);
                    }
                    good += 1;
                }
                Err(reason) => findings.push(Finding::wrong(
                    format!("{name}: {} {reason}", replica.host()),
                    "Start it, wait for it (system.replicas), or take it off the list",
                )),
            }
        }
        match good {
            0 => findings
                .push(Finding::wrong(format!("{name}: no replica can be asked"), "Runs fail until one can")),
            1 => findings.push(Finding::right(format!("{name}: 1 replica answers"))),
            more => findings.push(Finding::right(format!("{name}: {more} replicas answer"))),
        }
    }
    if shards.len() > 1 && buckets.len() == shards.len() {
        findings.push(parts(reader, catalog, &buckets, now).await);
    }
    findings
}

/// The buckets of the customers of a replica, or why it cannot be asked.
async fn of_replica(
    replica: &UsageReader,
    is_part: bool,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<Vec<u8>, String> {
    let catalog = if is_part { catalog.clone().on_one_server() } else { catalog.clone() };
    let since = Hour::holding(now).plus(-MONTH_READ);
    let silent = |_| "does not answer".to_owned();
    let name = query_id(replica, now);
    let asked = async {
        let behind = replica.seconds_behind(&catalog, &format!("{name}-replicas")).await;
        let buckets = replica.buckets(&catalog, since, &format!("{name}-buckets")).await;
        (behind, buckets)
    };
    let (behind, buckets) = timeout(PATIENCE, asked).await.map_err(silent)?;
    let buckets = buckets.map_err(|error| format!("does not answer ({})", error_chain(&error)))?;
    match behind {
        Ok(seconds) if seconds > MOST_BEHIND => Err(format!("is {seconds} s behind its replicas")),
        _ => Ok(buckets),
    }
}

/// Whether a run has a part for each shard.
async fn parts(reader: &UsageReader, catalog: &Catalog, buckets: &[Vec<u8>], now: Timestamp) -> Finding {
    let (name, since) = (query_id(reader, now), Hour::holding(now).plus(-MONTH_READ));
    let shards = match reader.shards(catalog, &format!("{name}-shards")).await {
        Ok(shards) => shards,
        Err(error) => return Finding::unknown("the number of shards", error_chain(&error)),
    };
    let all = match reader.buckets_of_all(catalog, since, buckets, &format!("{name}-all-buckets")).await {
        Ok(all) => all,
        Err(error) => return Finding::unknown("the customers of all shards", error_chain(&error)),
    };
    let Some(against) = AgainstParts::of(&[shards], buckets, &all) else {
        return Finding::right(format!("a run has a part for each of {shards} shards"));
    };
    let remedy = match against {
        AgainstParts::Number { .. } => "Name all shards".to_owned(),
        AgainstParts::Common(_) => format!(
            "That ends {} days after a shard was added. If none was, look whether two shards of the list are replicas of one, \
             and whether the number of shards divides 24",
            MONTH_READ / 24
        ),
        AgainstParts::Differs { .. } => {
            "Look whether a server of the list is empty, or of another cluster".to_owned()
        }
    };
    Finding::wrong(format!("{against}, so runs ask one server for all rows"), remedy)
}

/// The beginning of the names of queries. A server may have two addresses.
fn query_id(replica: &UsageReader, now: Timestamp) -> String {
    format!("doctor-{}-{}", now.as_millisecond(), replica.host())
}
