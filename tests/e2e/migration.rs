//! The rollup: migration converges, whatever it finds.

use anyhow::Result;
use catalog::Catalog;
use e2e::world::{END, at, steady_then};
use e2e::{Event, World};
use jiff::SignedDuration;
use warehouse::rollup;

async fn rolled_events(world: &World, metric: &str) -> Result<u64> {
    let query = world.clickhouse.query("SELECT sum(events) FROM usage_hourly WHERE metric = ?");
    Ok(query.bind(metric).fetch_one().await?)
}

async fn migrate(world: &World, catalog: &Catalog) -> Result<()> {
    Ok(rollup::migrate(&world.clickhouse, &world.database, catalog).await?)
}

fn catalog(text: &str) -> Result<Catalog> {
    Ok(Catalog::parse(text, "the test's catalog")?)
}

const LOGINS: &str = r#"
    [[metric]]
    name = "logins"
    unit = "logins"
    filter = "event_type = 'login'"
    aggregate = "count"
    missing = "zero"
    min_change = 10
"#;

#[tokio::test]
async fn events_from_before_the_views_are_backfilled_once() -> Result<()> {
    let world = World::new().await?;
    // Events that came while there were no views.
    for view in ["api_calls", "bandwidth", "storage_peak", "compute_time"] {
        world.clickhouse.query(&format!("DROP VIEW usage_hourly_{view}")).execute().await?;
    }
    world.insert(&steady_then("early", at(END), 7.2e6)).await?;
    assert_eq!(rolled_events(&world, "compute_time").await?, 0);

    let built_in = Catalog::built_in()?;
    for _ in 0..3 {
        migrate(&world, &built_in).await?;
        assert_eq!(rolled_events(&world, "compute_time").await?, 31);
    }
    // From here on the views do it, and another migration finds nothing to do.
    world.insert(&[Event::compute("early", at(END) - SignedDuration::from_hours(1), 1.0)]).await?;
    assert_eq!(rolled_events(&world, "compute_time").await?, 32);
    let metric = built_in.get("compute_time").expect("a built-in metric");
    assert_eq!(rollup::backfills(&world.clickhouse, &world.database, metric, true).await?, []);
    let plan = rollup::plan(&world.clickhouse, &world.database, &built_in).await?;
    assert_eq!((plan.new, plan.removed), (vec![], vec![]));
    let is_repeatable = |statement: &String| {
        statement.contains("CREATE TABLE IF NOT EXISTS")
            || statement.contains("CREATE MATERIALIZED VIEW IF NOT EXISTS")
    };
    assert!(plan.statements.iter().all(is_repeatable));
    Ok(())
}

#[tokio::test]
async fn a_day_that_was_counted_twice_or_lost_is_put_right() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("broken", at(END), 7.2e6)).await?;
    // What a backfill that was cut off, or that met live inserts, can leave behind.
    world
        .clickhouse
        .query("INSERT INTO usage_hourly SELECT * FROM usage_hourly WHERE hour >= '2026-11-10' AND hour < '2026-11-12'")
        .execute()
        .await?;
    world
        .clickhouse
        .query("ALTER TABLE usage_hourly DELETE WHERE hour < '2026-10-25' SETTINGS mutations_sync = 2")
        .execute()
        .await?;
    assert_ne!(rolled_events(&world, "compute_time").await?, 31);
    migrate(&world, &Catalog::built_in()?).await?;
    assert_eq!(rolled_events(&world, "compute_time").await?, 31);
    let total: f64 = world.clickhouse.query("SELECT sum(total) FROM usage_hourly").fetch_one().await?;
    let raw: f64 = world
        .clickhouse
        .query("SELECT sum(JSONExtractFloat(properties, 'cpu_ms')) FROM events")
        .fetch_one()
        .await?;
    assert_eq!(total, raw);
    Ok(())
}

#[tokio::test]
async fn a_rollup_whose_events_are_gone_is_kept() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("archived", at(END), 7.2e6)).await?;
    world.clickhouse.query("TRUNCATE TABLE events").execute().await?;
    migrate(&world, &Catalog::built_in()?).await?;
    assert_eq!(rolled_events(&world, "compute_time").await?, 31);
    Ok(())
}

#[tokio::test]
async fn a_changed_metric_is_rolled_up_anew_and_a_dropped_one_is_removed() -> Result<()> {
    let world = World::new().await?;
    let now = at(END) - SignedDuration::from_hours(1);
    let login = |kind| Event::new("a", kind, now, serde_json::json!({}));
    world.insert(&[login("login"), login("login"), login("sso")]).await?;
    world.insert(&steady_then("a", at(END), 7.2e6)).await?;

    migrate(&world, &catalog(LOGINS)?).await?;
    assert_eq!(rolled_events(&world, "logins").await?, 2);
    assert_eq!(rolled_events(&world, "compute_time").await?, 0, "no longer in the catalog");

    migrate(&world, &catalog(&LOGINS.replace("= 'login'", "IN ('login', 'sso')"))?).await?;
    assert_eq!(rolled_events(&world, "logins").await?, 3);

    migrate(&world, &Catalog::built_in()?).await?;
    assert_eq!(rolled_events(&world, "logins").await?, 0);
    assert_eq!(rolled_events(&world, "compute_time").await?, 31);
    Ok(())
}

#[tokio::test]
async fn every_aggregate_of_a_catalog_gives_its_own_value() -> Result<()> {
    let world = World::new().await?;
    let entries: String = ["count", "sum", "max", "min", "avg"]
        .iter()
        .map(|aggregate| {
            let value = if *aggregate == "count" {
                ""
            } else {
                "value = \"JSONExtract(properties, 'v', 'Nullable(Float64)')\""
            };
            format!(
                "[[metric]]\nname = \"m_{aggregate}\"\nunit = \"units\"\nfilter = \"event_type = 'v'\"\n\
                 aggregate = \"{aggregate}\"\n{value}\nmissing = \"gap\"\nmin_change = 1\n"
            )
        })
        .collect();
    let catalog = catalog(&entries)?;
    migrate(&world, &catalog).await?;
    let now = at(END) - SignedDuration::from_hours(1);
    let values = [4.0, 1.0, 7.5, -2.5].map(|v| Event::new("a", "v", now, serde_json::json!({ "v": v })));
    world.insert(&values).await?;

    let mut app = world.app().await?;
    app.catalog = catalog;
    let mut sweep = app.usage.sweep(&e2e::world::sweep_request(&app, END)?).await?;
    let usage = sweep.next().await?.expect("one customer");
    let current: Vec<_> = usage.series().map(|windows| windows[0]).collect();
    assert_eq!(current, [Some(4.0), Some(10.0), Some(7.5), Some(-2.5), Some(2.5)]);
    assert!(usage.series().all(|windows| windows[1..].iter().all(Option::is_none)));
    Ok(())
}

#[tokio::test]
async fn a_redefinition_that_was_cut_off_is_completed() -> Result<()> {
    let world = World::new().await?;
    world.insert(&steady_then("a", at(END), 7.2e6)).await?;
    // The old view is gone, its rows are not: as far as a migration may have come before it was cut off.
    world.clickhouse.query("DROP VIEW usage_hourly_compute_time").execute().await?;
    world.clickhouse.query("DROP VIEW usage_hourly_storage_peak").execute().await?;
    let doubled = include_str!("../../shared/catalog/catalog.toml")
        .replace("'cpu_ms', 'Nullable(Float64)')", "'cpu_ms', 'Nullable(Float64)') * 2");
    let total = "SELECT sum(total) FROM usage_hourly WHERE metric = 'compute_time'";
    let before: f64 = world.clickhouse.query(total).fetch_one().await?;
    migrate(&world, &catalog(&doubled)?).await?;
    let after: f64 = world.clickhouse.query(total).fetch_one().await?;
    assert_eq!(after, before * 2.0);
    Ok(())
}

#[tokio::test]
async fn a_view_never_fails_the_insert_of_events() -> Result<()> {
    let world = World::without_migration().await?;
    let table = "CREATE TABLE meter (at DateTime64(3, 'UTC'), customer Nullable(String), amount Nullable(String), \
                 hour UInt8) ENGINE = MergeTree ORDER BY tuple()";
    let server = world.clickhouse.clone().with_database("system");
    server.query(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    world.clickhouse.query(table).execute().await?;
    // Columns under the names of the rollup's own, and a filter on each of them.
    let catalog = catalog(
        r#"
        [[metric]]
        name = "units"
        unit = "units"
        table = "meter"
        customer_column = "customer"
        time_column = "at"
        filter = "customer != 'excluded' AND at > '1980-01-01' AND hour < 24 AND amount != '0'"
        value = "toFloat64OrNull(assumeNotNull(amount)) / 10"
        aggregate = "sum"
        missing = "zero"
        min_change = 1
        "#,
    )?;
    migrate(&world, &catalog).await?;
    // 300 months in one block, no customer, an empty one, no number, and times far out of range.
    let insert = "INSERT INTO meter SELECT addMonths(toDateTime64('2000-01-15 00:00:00', 3, 'UTC'), number), \
                  'a', '50', 1 FROM numbers(300) \
                  UNION ALL SELECT now64(3), NULL, '50', 1 UNION ALL SELECT now64(3), '', '50', 1 \
                  UNION ALL SELECT now64(3), 'a', 'many', 1 UNION ALL SELECT now64(3), 'a', NULL, 1 \
                  UNION ALL SELECT now64(3), 'excluded', '50', 1 UNION ALL SELECT now64(3), 'a', '0', 1 \
                  UNION ALL SELECT toDateTime64('1905-01-01 00:00:00', 3, 'UTC'), 'a', '50', 1 \
                  UNION ALL SELECT toDateTime64('2250-01-01 00:00:00', 3, 'UTC'), 'a', '50', 1";
    world.clickhouse.query(insert).execute().await?;
    assert_eq!(rolled_events(&world, "units").await?, 300);
    let total: f64 = world.clickhouse.query("SELECT sum(total) FROM usage_hourly").fetch_one().await?;
    assert_eq!(total, 1_500.0);
    // The backfill counts the same way as the view.
    let metric = catalog.get("units").expect("the metric of this test");
    assert_eq!(rollup::backfills(&world.clickhouse, &world.database, metric, true).await?, []);
    Ok(())
}
