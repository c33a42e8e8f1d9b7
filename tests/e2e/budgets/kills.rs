//! Runs with budgets that are killed and run again.

use e2e::kills::leave_no_trace;

use super::*;

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
async fn a_run_with_budgets_that_is_killed_at_a_write_and_run_again_leaves_the_same_state() -> Result<()> {
    let template = World::new().await?;
    for customer in ["a", "b", "c"] {
        template.insert(&steady(customer, "2026-11-20T09:00:00Z")).await?;
    }
    let undisturbed =
        leave_no_trace(async || begin(&template).await, async |world, aws| second(world, aws).await).await?;
    let expected = BTreeMap::from([("opened".to_owned(), 4), ("resolved".to_owned(), 2)]);
    assert_eq!(undisturbed.summary.incidents, expected);
    assert_eq!(undisturbed.alerts.len(), 5, "two pages, a digest and two ends");
    Ok(())
}
