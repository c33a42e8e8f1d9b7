//! Storms that a run has no time to judge: who matters most is told first, and the runs after it judge the rest.

use std::time::{Duration, Instant};

use anyhow::Result;
use detector::storm::Storm;
use detector::{App, RunSummary};
use e2e::World;
use e2e::world::{hourly, text};

use crate::models::{fit_after, hour};

const CUSTOMERS: u64 = 1_500;

/// Customers that a run judges, before its time is over.
const JUDGED: u64 = 500;

/// Single pages of an hour.
const PAGES: u64 = 25;

/// A month of hours of so many customers, with their calls multiplied in some hours. The Tuesday begins at n = 768.
async fn insert(world: &World, times: &str) -> Result<()> {
    let sql = format!(
        "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low)
         WITH number % 792 AS n, intDiv(number, 792) AS customer,
             (60 + cityHash64(customer % 20, n) % 21) * {times} AS calls
         SELECT concat('customer_', leftPad(toString(customer), 4, '0')), 'api_calls',
             toDateTime({start}, 'UTC') + 3600 * n, calls, calls, 1, 1
         FROM numbers({rows}) WHERE calls > 0",
        start = hour(-768).as_second(),
        rows = CUSTOMERS * 792,
    );
    Ok(world.clickhouse.query_raw(&sql).execute().await?)
}

/// A detector for which a hundred customers are a storm, and that keeps so much time for storing that it begins two queries.
async fn hurried(world: &World) -> Result<App> {
    let of_models = [("DETECTORS", "ensemble"), ("RESOLVE_AFTER_RUNS", "1")];
    let mut app = world.app_with(&of_models, &world.aws).await?;
    app.storm = Storm { most: 100, storing: Duration::from_millis(200) };
    Ok(app)
}

/// A run of the hour that ends at this number.
async fn run(app: &App, number: i64) -> Result<RunSummary> {
    detector::run(app, &hourly(&hour(number).to_string()), Instant::now() + Duration::from_secs(45)).await
}

/// A run that leaves so many customers to the next one.
async fn run_in_part(app: &App, number: i64, left: u64) {
    let error = run(app, number).await.expect_err("not all were judged").to_string();
    assert!(error.contains(&format!("{left} customers that look odd were not judged")), "{error}");
}

/// The stored anomalies, without digests.
async fn stored(world: &World) -> Result<u64> {
    let items = world.items().await?;
    Ok(items.iter().filter(|item| text(item, "type") == "usage_anomaly").count() as u64)
}

/// The customers of new single pages, and the pages that each new digest counts and holds back.
async fn told(world: &World) -> Result<(Vec<String>, Vec<[u64; 2]>)> {
    let (mut customers, mut digests) = (Vec::new(), Vec::new());
    for alert in world.alerts().await? {
        match alert["event"].as_str() {
            Some("digest") => {
                digests.push(["pages", "held_back"].map(|of| alert[of].as_u64().unwrap_or_default()));
            }
            _ => customers.push(alert["customer_id"].as_str().unwrap_or_default().to_owned()),
        }
    }
    customers.sort();
    Ok((customers, digests))
}

#[tokio::test]
async fn a_run_that_cannot_judge_all_pages_the_largest_and_the_next_ones_judge_the_rest() -> Result<()> {
    let world = World::new().await?;
    // The last ones of the table have the largest burst of the hour until 10. One has another burst in the hour until 12.
    let of_10 = format!("if(customer >= {}, 30, 10)", CUSTOMERS - PAGES);
    insert(&world, &format!("if(n = 768 + 9, {of_10}, if(n = 768 + 11 AND customer = 700, 10, 1))")).await?;
    let mut app = hurried(&world).await?;
    fit_after(&app, 9).await;

    run_in_part(&app, 10, CUSTOMERS - JUDGED).await;
    assert_eq!(stored(&world).await?, JUDGED);
    let largest = (CUSTOMERS - PAGES..CUSTOMERS).map(|customer| format!("customer_{customer:04}"));
    assert_eq!(told(&world).await?, (largest.collect(), vec![[JUDGED, JUDGED - PAGES]]));

    // Those that are stored are not judged again, and their pages count.
    run_in_part(&app, 10, CUSTOMERS - 2 * JUDGED).await;
    assert_eq!(told(&world).await?, (vec![], vec![[2 * JUDGED, 2 * JUDGED - PAGES]]));
    let summary = run(&app, 10).await?;
    assert_eq!((summary.recorded, summary.already_recorded), (JUDGED, 2 * JUDGED));
    assert_eq!((summary.customers, summary.anomalies_found), (CUSTOMERS, CUSTOMERS));
    assert_eq!(told(&world).await?, (vec![], vec![[CUSTOMERS, CUSTOMERS - PAGES]]));
    assert_eq!(stored(&world).await?, CUSTOMERS);

    // A repetition judges nobody and changes nothing.
    let items = world.items().await?;
    let summary = run(&app, 10).await?;
    assert_eq!((summary.recorded, summary.already_recorded, summary.alerts_published), (0, CUSTOMERS, 0));
    assert_eq!(world.items().await?, items);

    // The next hour is calm, and each run ends the incidents of those that it judges.
    fit_after(&app, 10).await;
    run_in_part(&app, 11, CUSTOMERS - JUDGED).await;
    run_in_part(&app, 11, CUSTOMERS - 2 * JUDGED).await;
    assert_eq!(run(&app, 11).await?.incidents["resolved"], JUDGED);
    assert!(world.incidents().await?.iter().all(|item| text(item, "state") == "resolved"));
    world.alerts().await?;

    // Who is odd is judged first, and the time is over after two queries. For all others their models do.
    fit_after(&app, 11).await;
    app.storm.storing = Duration::from_secs(100);
    let summary = run(&app, 12).await?;
    assert_eq!((summary.customers, summary.anomalies_found, summary.recorded), (CUSTOMERS, 1, 1));
    assert_eq!(told(&world).await?, (vec!["customer_0700".to_owned()], vec![]));
    Ok(())
}

#[tokio::test]
async fn a_stop_of_all_data_is_told_by_a_run_that_cannot_judge_all() -> Result<()> {
    let world = World::new().await?;
    insert(&world, "if(n = 768 + 9, 0, 1)").await?;
    let app = hurried(&world).await?;
    fit_after(&app, 9).await;
    run_in_part(&app, 10, CUSTOMERS - JUDGED).await;
    let alerts = world.alerts().await?;
    let of: Vec<_> = alerts.iter().map(|alert| (&alert["customer_id"], &alert["event"])).collect();
    assert_eq!(of, [(&"*".into(), &"opened".into())]);
    // The figures are those of all, and not of those who were judged.
    let description = alerts[0]["description"].as_str().unwrap_or_default();
    assert!(description.contains("1500 of 1500 customers dropped"), "{description}");

    run_in_part(&app, 10, CUSTOMERS - 2 * JUDGED).await;
    run(&app, 10).await?;
    assert_eq!(told(&world).await?, (vec![], vec![]));
    assert_eq!(stored(&world).await?, CUSTOMERS);
    Ok(())
}
