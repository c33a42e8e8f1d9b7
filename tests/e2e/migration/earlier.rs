//! Rollups of earlier versions.

use super::*;
use warehouse::rollup::Order;

/// The rollup of the first version: no corrections, no TTL, and a comment of one digest. The events are gone.
async fn of_the_first_version() -> Result<Warehouse> {
    let warehouse = Warehouse::new().await?;
    for view in warehouse.views().await? {
        warehouse.run(&format!("DROP VIEW {view}")).await?;
    }
    warehouse.run("DROP TABLE usage_hourly").await?;
    warehouse
        .run(
            "CREATE TABLE usage_hourly (customer_id LowCardinality(String), metric LowCardinality(String), hour DateTime('UTC'), \
             events SimpleAggregateFunction(sum, UInt64), total SimpleAggregateFunction(sum, Float64), \
             peak SimpleAggregateFunction(max, Float64), low SimpleAggregateFunction(min, Float64)) \
             ENGINE = AggregatingMergeTree PARTITION BY toRelativeWeekNum(hour) % 96 ORDER BY (customer_id, metric, hour)",
        )
        .await?;
    warehouse
        .run(
            "CREATE MATERIALIZED VIEW usage_hourly_compute_time TO usage_hourly AS SELECT customer_id, 'compute_time' AS metric, \
             toStartOfHour(timestamp) AS hour, count() AS events, \
             sum(JSONExtractFloat(properties, 'cpu_ms')) AS total, max(JSONExtractFloat(properties, 'cpu_ms')) AS peak, \
             min(JSONExtractFloat(properties, 'cpu_ms')) AS low \
             FROM events WHERE event_type = 'compute' GROUP BY customer_id, hour COMMENT '56978d7bfc7dfb46'",
        )
        .await?;
    warehouse.insert(&steady_then("a", at(END), 7.2e6)).await?;
    warehouse.run("TRUNCATE TABLE events").await?;
    Ok(warehouse)
}

#[tokio::test]
async fn a_rollup_of_the_first_version_is_taken_over_as_it_is() -> Result<()> {
    let warehouse = of_the_first_version().await?;
    let outcome = warehouse.migrate_with(&Catalog::built_in()?, Options::default()).await?;
    let as_it_was = Outcome { order: Order::Earlier, ..Outcome::default() };
    assert_eq!((outcome, warehouse.rolled_events("compute_time").await?), (as_it_was, 33));
    let last = at(END) - SignedDuration::from_hours(1);
    warehouse.insert(&[Event::compute("a", last, 5.0), Event::compute("a", last, -3.0)]).await?;
    let row: (f64, f64) = warehouse
        .one("SELECT sum(total), sum(corrections) FROM usage_hourly WHERE hour = '2026-11-21 12:00:00'")
        .await?;
    assert_eq!(row, (5.0, -3.0));
    Ok(())
}

#[tokio::test]
async fn a_rollup_of_the_first_version_is_sorted_anew() -> Result<()> {
    let (warehouse, catalog) = (of_the_first_version().await?, Catalog::built_in()?);
    let sort = Options { sort: true, ..Options::default() };
    // A copy that broke off, or a table of somebody's own.
    warehouse.run("CREATE TABLE usage_hourly_copy (a UInt8) ENGINE = MergeTree ORDER BY a").await?;
    let error = warehouse.migrate_with(&catalog, sort).await.expect_err("a table is in the way").to_string();
    assert!(error.contains("usage_hourly_copy") && error.contains("already exists"), "{error}");
    assert_eq!(warehouse.rolled_events("compute_time").await?, 33);
    warehouse.run("DROP TABLE usage_hourly_copy").await?;
    let sorted = Outcome { order: Order::Sorted, ..Outcome::default() };
    assert_eq!(warehouse.migrate_with(&catalog, sort).await?, sorted);
    let rows = |table| format!("SELECT sum(events), sum(total), max(peak) FROM {table}");
    let old: (u64, f64, f64) = warehouse.one(&rows("usage_hourly_copy")).await?;
    assert_eq!((old.0, warehouse.one::<(u64, f64, f64)>(&rows("usage_hourly")).await?), (33, old));
    // The views feed the sorted one.
    let last = at(END) - SignedDuration::from_hours(1);
    warehouse.insert(&[Event::compute("a", last, 5.0)]).await?;
    assert_eq!(warehouse.rolled_events("compute_time").await?, 34);
    let key =
        "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = 'usage_hourly'";
    assert_eq!(
        warehouse.one::<String>(key).await?,
        "cityHash64(customer_id) % 24, customer_id, metric, hour"
    );
    // And there is nothing left to sort.
    assert_eq!(warehouse.migrate_with(&catalog, sort).await?.order, Order::Present);
    assert_eq!(warehouse.one::<u64>("SELECT sum(events) FROM usage_hourly_copy").await?, 33);
    Ok(())
}

#[tokio::test]
async fn a_migration_takes_away_what_earlier_versions_made() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    for table in ["usage_arrivals", "usage_baselines", "usage_baseline_builds"] {
        warehouse
            .run(&format!("CREATE TABLE {table} (hour DateTime('UTC')) ENGINE = MergeTree ORDER BY hour"))
            .await?;
    }
    warehouse
        .run("CREATE MATERIALIZED VIEW usage_arrivals_view TO usage_arrivals AS SELECT hour FROM usage_hourly GROUP BY hour")
        .await?;
    warehouse.insert(&steady_then("a", at(END), 7.2e6)).await?;
    warehouse.migrate_with(&Catalog::built_in()?, Options::default()).await?;
    let left = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND \
                (startsWith(name, 'usage_arrivals') OR startsWith(name, 'usage_baseline'))";
    assert_eq!(warehouse.one::<u64>(left).await?, 0);
    assert_eq!(warehouse.rolled_events("compute_time").await?, 33, "the rollup stays");
    Ok(())
}
