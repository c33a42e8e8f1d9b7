//! A run that is killed at one of its writes and run again leaves the state of an undisturbed run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use aws_sdk_dynamodb::types::AttributeValue;
use detector::RunSummary;
use futures::stream::{self, StreamExt, TryStreamExt};

use crate::World;
use crate::proxy::{Action, Proxy, Seen};
use crate::world::{text, variable};

/// The calls that write. A run that is killed at a read is a run that was killed before its next write.
const WRITES: [&str; 4] = ["TransactWriteItems", "PutItem", "UpdateItem", "Publish"];

/// The traces of an undisturbed run.
pub struct Undisturbed {
    pub summary: RunSummary,
    /// The ids of its alerts.
    pub alerts: BTreeSet<String>,
}

/// A kill at one call of a run.
struct Kill {
    operation: String,
    /// Number of earlier calls of this operation.
    earlier: usize,
    action: Action,
}

/// Runs `second` undisturbed. Then kills it at one write after the other, each time in a new world, and repeats it.
///
/// A kill comes after a write was done and before its answer. So it also stands for a kill before the next write. Only
/// the first write of each operation is killed before it is done as well. Of the other writes of an operation every third
/// is killed. The simulation kills at each call.
///
/// * `begin`: makes a world whose queue is empty.
/// * `second`: the run that is killed. Its second argument is the address of AWS.
///
/// # Errors
///
/// When an engine fails. A difference is a panic.
pub async fn leave_no_trace(
    begin: impl AsyncFn() -> Result<World>,
    second: impl AsyncFn(&World, &str) -> Result<RunSummary>,
) -> Result<Undisturbed> {
    let endpoint = variable("AWS_ENDPOINT_URL")?;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&calls);
    let listen = move |seen: &Seen| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push((seen.operation.clone(), seen.earlier));
        Action::Forward
    };
    let (world, proxy) = (begin().await?, Proxy::start(&endpoint, listen).await?);
    let summary = second(&world, &proxy.url).await?;
    let undisturbed = traces(&world).await?;
    let alerts: BTreeSet<_> = world.alert_counts().await?.into_keys().collect();

    let calls = std::mem::take(&mut *calls.lock().unwrap_or_else(PoisonError::into_inner));
    let kills = kills(calls);
    assert!(kills.len() > 10, "only {} writes", kills.len());
    let (begin, second, endpoint, undisturbed, told) = (&begin, &second, &endpoint, &undisturbed, &alerts);
    stream::iter(kills)
        .map(|Kill { operation, earlier, action }| async move {
            let case = format!("{action:?} of {operation} {earlier}");
            let decide = move |seen: &Seen| match seen.operation == operation && seen.earlier == earlier {
                true => action.clone(),
                false => Action::Forward,
            };
            let (world, proxy) = (begin().await?, Proxy::start(endpoint, decide).await?);
            proxy.kill_when_frozen(second(&world, &proxy.url)).await;
            // The claims of the killed run end before it is repeated.
            world.end_claims().await?;
            second(&world, endpoint).await?;
            assert_eq!(&traces(&world).await?, undisturbed, "{case}");
            let counts = world.alert_counts().await?;
            assert_eq!(&counts.keys().cloned().collect::<BTreeSet<_>>(), told, "{case}");
            // An alert may come twice if it was published and not yet marked. The notifier drops the second.
            assert!(counts.values().all(|count| *count <= 2), "{case}: {counts:?}");
            anyhow::Ok(())
        })
        .buffer_unordered(4)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(Undisturbed { summary, alerts })
}

fn kills(calls: Vec<(String, usize)>) -> Vec<Kill> {
    let writes = calls.into_iter().filter(|(operation, earlier)| {
        earlier.is_multiple_of(3) && WRITES.iter().any(|write| operation.contains(write))
    });
    writes
        .flat_map(|(operation, earlier)| {
            let before = (earlier == 0).then_some(Action::FreezeBefore);
            let actions = before.into_iter().chain([Action::FreezeAfter]);
            actions.map(move |action| Kill { operation: operation.clone(), earlier, action })
        })
        .collect()
}

/// All traces of a run, without the name of the run and the time of day.
///
/// # Errors
///
/// When the table cannot be read.
pub async fn traces(world: &World) -> Result<Vec<BTreeMap<String, AttributeValue>>> {
    let of_runs = ["last_run", "ended_run", "detection_run"];
    let own = ["run_id", "alerted_at", "alert_claim_until", "alert_claim_by"];
    let plain = |item: HashMap<String, AttributeValue>| -> BTreeMap<_, _> {
        item.into_iter().filter(|(name, _)| !own.contains(&name.as_str())).collect()
    };
    let items = world.all_items().await?.into_iter();
    let items = items.filter(|item| !of_runs.contains(&text(item, "type").as_str())).map(plain);
    let mut items: Vec<_> = items.collect();
    items.sort_by_key(|item| format!("{:?} {:?}", item.get("pk"), item.get("sk")));
    Ok(items)
}
