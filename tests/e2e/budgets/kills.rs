//! Runs with budgets that are killed and run again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use e2e::proxy::{Action, Proxy, Seen};
use e2e::world;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::*;
use crate::incidents::kills::state;

const SETTINGS: [(&str, &str); 1] = [("MAX_PAGES_PER_RUN", "2")];

/// A world in which a run opens and ends incidents of budgets, with pages and a digest.
async fn begin(template: &World) -> Result<World> {
    let world = template.sibling().await?;
    let mut app = world.app_with(&SETTINGS, &world.aws).await?;
    put(&app, Some("a"), 0, quota(580_000)).await?;
    app.clock = || at("2026-11-20T08:10:00Z").into();
    run(&app, &hourly("2026-11-20T08:00:00Z")).await?;
    put(&app, Some("a"), 1, quota(5_000_000)).await?;
    put(&app, Some("b"), 0, quota(400_000)).await?;
    put(&app, Some("c"), 0, quota(550_000)).await?;
    assert_eq!(told(&world).await?, ["opened 80 % warning", "opened pace warning"]);
    Ok(world)
}

async fn second(world: &World, aws: &str) -> Result<RunSummary> {
    let mut app = world.app_with(&SETTINGS, &world.aws_at(aws).await).await?;
    app.clock = || at("2026-11-20T09:10:00Z").into();
    run(&app, &hourly("2026-11-20T09:00:00Z")).await
}

#[tokio::test]
async fn a_run_with_budgets_that_is_killed_at_any_call_and_run_again_leaves_the_same_state() -> Result<()> {
    let template = World::new().await?;
    for customer in ["a", "b", "c"] {
        template.insert(&steady(customer, "2026-11-20T09:00:00Z")).await?;
    }
    let calls = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&calls);
    let listen = move |seen: &Seen| {
        if let Ok(mut calls) = heard.lock() {
            calls.push((seen.operation.clone(), seen.earlier));
        }
        Action::Forward
    };
    let endpoint = world::variable("AWS_ENDPOINT_URL")?;
    let (world, proxy) = (begin(&template).await?, Proxy::start(&endpoint, listen).await?);
    let summary = second(&world, &proxy.url).await?;
    assert_eq!(summary.incidents, BTreeMap::from([("opened".to_owned(), 4), ("resolved".to_owned(), 2)]));
    let undisturbed = state(&world).await?;
    let alerts: BTreeSet<_> = world.alert_counts().await?.into_keys().collect();
    assert_eq!(alerts.len(), 5, "two pages, a digest and two ends: {alerts:?}");

    let calls = std::mem::take(&mut *calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    assert!(calls.len() > 20, "{calls:?}");
    // A run that is killed at a read is one that was killed before its next write.
    let writes = ["TransactWriteItems", "PutItem", "UpdateItem", "Publish"];
    let calls =
        calls.into_iter().filter(|(operation, _)| writes.iter().any(|write| operation.contains(write)));
    let kills = calls.flat_map(|call| [(call.clone(), false), (call, true)]);
    let (template, endpoint, undisturbed, alerts) = (&template, &endpoint, &undisturbed, &alerts);
    stream::iter(kills)
        .map(|((operation, number), after)| async move {
            let action = if after { Action::FreezeAfter } else { Action::FreezeBefore };
            let case = format!("{action:?} of {operation} {number}");
            let decide = move |seen: &Seen| match seen.operation == operation && seen.earlier == number {
                true => action.clone(),
                false => Action::Forward,
            };
            let (world, proxy) = (begin(template).await?, Proxy::start(endpoint, decide).await?);
            proxy.kill_when_frozen(second(&world, &proxy.url)).await;
            world.end_claims().await?;
            second(&world, endpoint).await?;
            assert_eq!(&state(&world).await?, undisturbed, "{case}");
            let counts = world.alert_counts().await?;
            assert_eq!(&counts.keys().cloned().collect::<BTreeSet<_>>(), alerts, "{case}");
            assert!(counts.values().all(|count| *count <= 2), "{case}: {counts:?}");
            Ok::<_, anyhow::Error>(())
        })
        .buffer_unordered(6)
        .try_collect::<Vec<()>>()
        .await
        .map(drop)
}
