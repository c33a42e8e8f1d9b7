//! The rollup: a migration converges from any state.

mod earlier;
mod upgrade;

use anyhow::Result;
use catalog::Catalog;
use e2e::world::{END, at, steady_then, sweep_request};
use e2e::{Event, Warehouse, World};
use jiff::SignedDuration;
use warehouse::rollup::{self, MigrationError, Options, Outcome};

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
    let warehouse = Warehouse::new().await?;
    // Events that came while there were no views.
    for view in ["api_calls", "bandwidth", "storage_peak", "compute_time"] {
        warehouse.client.query(&format!("DROP VIEW usage_hourly_{view}")).execute().await?;
    }
    warehouse.insert(&steady_then("early", at(END), 7.2e6)).await?;
    assert_eq!(warehouse.rolled_events("compute_time").await?, 0);

    let built_in = Catalog::built_in()?;
    for _ in 0..3 {
        warehouse.migrate(&built_in).await?;
        assert_eq!(warehouse.rolled_events("compute_time").await?, 33);
    }
    // From here on the views feed the rollup. Another migration finds nothing to do.
    warehouse.insert(&[Event::compute("early", at(END) - SignedDuration::from_hours(1), 1.0)]).await?;
    assert_eq!(warehouse.rolled_events("compute_time").await?, 34);
    let metric = built_in.get("compute_time").expect("a built-in metric");
    let whole = (0, u32::MAX);
    assert_eq!(rollup::differences(&warehouse.client, &warehouse.database, metric, whole).await?, []);
    let plan = rollup::plan(&warehouse.place(), &built_in, &Options::default()).await?;
    assert_eq!((plan.new, plan.rewritten, plan.deletions), (vec![], vec![], vec![]));
    let is_repeatable = |statement: &String| {
        [
            "CREATE TABLE IF NOT EXISTS",
            "CREATE MATERIALIZED VIEW IF NOT EXISTS",
            "ADD COLUMN IF NOT EXISTS",
            "ADD INDEX IF NOT EXISTS",
        ]
        .iter()
        .any(|start| statement.contains(start))
    };
    assert!(plan.steps.iter().map(|step| &step.statement).all(is_repeatable));
    Ok(())
}

#[tokio::test]
async fn a_day_that_was_counted_twice_or_lost_is_put_right() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    warehouse.insert(&steady_then("broken", at(END), 7.2e6)).await?;
    // Remains of a backfill that was cut off, or that met live inserts.
    warehouse
        .client
        .query("INSERT INTO usage_hourly SELECT * FROM usage_hourly WHERE hour >= '2026-11-10' AND hour < '2026-11-12'")
        .execute()
        .await?;
    warehouse
        .client
        .query("ALTER TABLE usage_hourly DELETE WHERE hour < '2026-10-25' SETTINGS mutations_sync = 2")
        .execute()
        .await?;
    assert_eq!(warehouse.rolled_events("compute_time").await?, 30);
    // Missing events are added. Surplus ones may be the history of expired events.
    let outcome = warehouse.migrate(&Catalog::built_in()?).await?;
    assert_eq!(outcome, Outcome { surplus: 2, ..Outcome::default() });
    assert_eq!(warehouse.rolled_events("compute_time").await?, 35);
    let rebuild = Options { rebuild: true, delete: true, ..Options::default() };
    assert_eq!(warehouse.migrate_with(&Catalog::built_in()?, rebuild).await?, Outcome::default());
    assert_eq!(warehouse.rolled_events("compute_time").await?, 33);
    let total: f64 = warehouse.client.query("SELECT sum(total) FROM usage_hourly").fetch_one().await?;
    let raw: f64 = warehouse
        .client
        .query("SELECT sum(JSONExtractFloat(properties, 'cpu_ms')) FROM events")
        .fetch_one()
        .await?;
    assert_eq!(total, raw);
    Ok(())
}

#[tokio::test]
async fn a_rollup_whose_events_are_gone_is_kept() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    warehouse.insert(&steady_then("archived", at(END), 7.2e6)).await?;
    warehouse.client.query("TRUNCATE TABLE events").execute().await?;
    warehouse.migrate(&Catalog::built_in()?).await?;
    assert_eq!(warehouse.rolled_events("compute_time").await?, 33);
    Ok(())
}

#[tokio::test]
async fn a_changed_metric_is_rolled_up_anew_and_a_dropped_one_is_removed() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    let now = at(END) - SignedDuration::from_hours(1);
    let login = |kind| Event::new("a", kind, now, serde_json::json!({}));
    warehouse.insert(&[login("login"), login("login"), login("sso")]).await?;
    warehouse.insert(&steady_then("a", at(END), 7.2e6)).await?;

    warehouse.migrate(&catalog(LOGINS)?).await?;
    assert_eq!(warehouse.rolled_events("logins").await?, 2);
    assert_eq!(warehouse.rolled_events("compute_time").await?, 0, "no longer in the catalog");

    warehouse.migrate(&catalog(&LOGINS.replace("= 'login'", "IN ('login', 'sso')"))?).await?;
    assert_eq!(warehouse.rolled_events("logins").await?, 3);

    warehouse.migrate(&Catalog::built_in()?).await?;
    assert_eq!(warehouse.rolled_events("logins").await?, 0);
    assert_eq!(warehouse.rolled_events("compute_time").await?, 33);
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
    e2e::warehouse::migrate(&world.clickhouse, &world.database, &catalog).await?;
    let now = at(END) - SignedDuration::from_hours(1);
    let values = [4.0, 1.0, 7.5, -2.5].map(|v| Event::new("a", "v", now, serde_json::json!({ "v": v })));
    world.insert(&values).await?;

    let mut app = world.app().await?;
    app.catalog = catalog;
    let mut sweep = app.usage.sweep(&sweep_request(&app, END)?).await?;
    let usage = sweep.next().await?.expect("one customer");
    let current: Vec<_> = usage.series().map(|windows| windows[0]).collect();
    assert_eq!(current, [Some(4.0), Some(12.5), Some(7.5), Some(-2.5), Some(2.5)]);
    assert!(usage.series().all(|windows| windows[1..].iter().all(Option::is_none)));
    Ok(())
}

#[tokio::test]
async fn a_redefinition_that_was_cut_off_is_completed() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    warehouse.insert(&steady_then("a", at(END), 7.2e6)).await?;
    // The old view is gone and its rows are not. A migration that was cut off may end here.
    warehouse.client.query("DROP VIEW usage_hourly_compute_time").execute().await?;
    warehouse.client.query("DROP VIEW usage_hourly_storage_peak").execute().await?;
    let doubled = include_str!("../../shared/catalog/catalog.toml")
        .replace("'cpu_ms', 'Nullable(Float64)')", "'cpu_ms', 'Nullable(Float64)') * 2");
    let total = "SELECT sum(total) FROM usage_hourly WHERE metric = 'compute_time'";
    let before: f64 = warehouse.client.query(total).fetch_one().await?;
    warehouse.migrate(&catalog(&doubled)?).await?;
    let after: f64 = warehouse.client.query(total).fetch_one().await?;
    assert_eq!(after, before * 2.0);
    Ok(())
}

#[tokio::test]
async fn a_view_never_fails_the_insert_of_events() -> Result<()> {
    let warehouse = Warehouse::empty().await?;
    let table = "CREATE TABLE meter (at DateTime64(3, 'UTC'), customer Nullable(String), amount Nullable(String), \
                 hour UInt8) ENGINE = MergeTree ORDER BY tuple()";
    warehouse.client.query(table).execute().await?;
    // Columns with the names of the rollup's own columns, and a filter on each.
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
    warehouse.migrate(&catalog).await?;
    // 300 months in one block, no customer, an empty one, no number, and times far out of range.
    let insert = "INSERT INTO meter SELECT addMonths(toDateTime64('2000-01-15 00:00:00', 3, 'UTC'), number), \
                  'a', '50', 1 FROM numbers(300) \
                  UNION ALL SELECT now64(3), NULL, '50', 1 UNION ALL SELECT now64(3), '', '50', 1 \
                  UNION ALL SELECT now64(3), 'a', 'many', 1 UNION ALL SELECT now64(3), 'a', NULL, 1 \
                  UNION ALL SELECT now64(3), 'excluded', '50', 1 UNION ALL SELECT now64(3), 'a', '0', 1 \
                  UNION ALL SELECT toDateTime64('1905-01-01 00:00:00', 3, 'UTC'), 'a', '50', 1 \
                  UNION ALL SELECT toDateTime64('2250-01-01 00:00:00', 3, 'UTC'), 'a', '50', 1";
    warehouse.client.query(insert).execute().await?;
    assert_eq!(warehouse.rolled_events("units").await?, 300);
    let total: f64 = warehouse.client.query("SELECT sum(total) FROM usage_hourly").fetch_one().await?;
    assert_eq!(total, 1_500.0);
    // The backfill counts in the same way as the view.
    let metric = catalog.get("units").expect("the metric of this test");
    assert_eq!(rollup::differences(&warehouse.client, &warehouse.database, metric, (0, u32::MAX)).await?, []);
    Ok(())
}

#[tokio::test]
async fn nothing_is_deleted_that_nobody_agreed_to() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    warehouse.insert(&steady_then("a", at(END), 7.2e6)).await?;
    let views = warehouse.views().await?;
    let error = warehouse.migrate_with(&catalog(LOGINS)?, Options::default()).await.expect_err("a deletion");
    let text = error.to_string();
    for part in [
        "nothing was changed",
        "`compute_time` from 2026-10-20 to 2026-11-21 (33 events of 1 customers)",
        "--yes",
    ] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert!(matches!(error, MigrationError::NeedsConsent(deletions) if deletions.len() == 1));
    assert_eq!((warehouse.views().await?, warehouse.rolled_events("compute_time").await?), (views, 33));

    // Another definition of the same metric is a deletion too.
    let other = include_str!("../../shared/catalog/catalog.toml").replace("'cpu_ms', '", "'cpu', '");
    let error = warehouse.migrate_with(&catalog(&other)?, Options::default()).await.expect_err("a deletion");
    assert!(error.to_string().contains("defines the metric differently"), "{error}");
    assert_eq!(warehouse.rolled_events("compute_time").await?, 33);
    Ok(())
}

#[tokio::test]
async fn history_of_events_that_expired_is_never_replaced_by_less() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    warehouse.insert(&steady_then("a", at(END), 7.2e6)).await?;
    warehouse.insert(&steady_then("b", at(END), 7.2e6)).await?;
    // On some days all events expire, on others one customer's. In one hour an event came that no view saw.
    warehouse
        .run("ALTER TABLE events DELETE WHERE timestamp < '2026-11-01' SETTINGS mutations_sync = 2")
        .await?;
    let of_a = "ALTER TABLE events DELETE WHERE customer_id = 'a' AND timestamp < '2026-11-10' SETTINGS mutations_sync = 2";
    warehouse.run(of_a).await?;
    warehouse
        .run("ALTER TABLE usage_hourly DELETE WHERE hour >= '2026-11-20' SETTINGS mutations_sync = 2")
        .await?;
    let outcome = warehouse.migrate_with(&Catalog::built_in()?, Options::default()).await?;
    assert_eq!(outcome, Outcome { surplus: 9, ..Outcome::default() });
    assert_eq!(warehouse.rolled_events("compute_time").await?, 66);
    Ok(())
}

#[tokio::test]
async fn a_rebuild_that_leaves_less_needs_consent() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    let catalog = Catalog::built_in()?;
    for customer in ["a", "b"] {
        warehouse.insert(&steady_then(customer, at(END), 7.2e6)).await?;
    }
    let rebuild = Options { rebuild: true, ..Options::default() };
    // A rebuild that takes nothing away asks for nothing.
    assert_eq!(warehouse.migrate_with(&catalog, rebuild).await?, Outcome::default());
    let of_a = "ALTER TABLE events DELETE WHERE customer_id = 'a' AND timestamp < '2026-11-01' SETTINGS mutations_sync = 2";
    warehouse.run(of_a).await?;
    let left: u64 = warehouse.one("SELECT count() FROM events").await?;
    assert!(left < 66, "{left}");
    let error = warehouse.migrate_with(&catalog, rebuild).await.expect_err("a deletion").to_string();
    // The hours of both customers are computed again.
    let replaced = format!("({} events of 2 customers)", 2 * (66 - left));
    for part in [
        "nothing was changed",
        "`compute_time` from 2026-10-20 to",
        &replaced,
        "a rebuild leaves less",
        "--yes",
    ] {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
    assert_eq!(warehouse.rolled_events("compute_time").await?, 66);
    let agreed = Options { delete: true, ..rebuild };
    assert_eq!(warehouse.migrate_with(&catalog, agreed).await?, Outcome::default());
    assert_eq!(warehouse.rolled_events("compute_time").await?, left);
    Ok(())
}

#[tokio::test]
async fn hours_expire_after_as_many_days_as_somebody_says() -> Result<()> {
    let warehouse = Warehouse::empty().await?;
    let catalog = Catalog::built_in()?;
    warehouse.migrate_with(&catalog, Options::default()).await?;
    let ttl = "SELECT extract(engine_full, 'TTL (.*) SETTINGS') FROM system.tables \
               WHERE database = currentDatabase() AND name = 'usage_hourly'";
    assert_eq!(warehouse.one::<String>(ttl).await?, "hour + toIntervalDay(400)");
    let old = "INSERT INTO usage_hourly SELECT 'a', 'api_calls', toStartOfHour(now('UTC')) - INTERVAL number * 75 DAY, \
               5, 5, 1, 1, 0 FROM numbers(6)";
    warehouse.run(old).await?;
    let shorter = Options { keep_days: Some(250), ..Options::default() };
    let error = warehouse.migrate_with(&catalog, shorter).await.expect_err("a deletion");
    assert!(
        error.to_string().contains("of all metrics") && error.to_string().contains("(10 events"),
        "{error}"
    );
    assert_eq!(warehouse.one::<String>(ttl).await?, "hour + toIntervalDay(400)");
    warehouse.migrate_with(&catalog, Options { delete: true, ..shorter }).await?;
    // Without a number the TTL stays.
    warehouse.migrate_with(&catalog, Options::default()).await?;
    assert_eq!(warehouse.one::<String>(ttl).await?, "hour + toIntervalDay(250)");
    warehouse.run("OPTIMIZE TABLE usage_hourly FINAL").await?;
    assert_eq!(warehouse.rolled_events("api_calls").await?, 20, "75, 150 and 225 days old, and new");

    // Events that are older than that are not added again and again.
    let events = "INSERT INTO events SELECT toString(number), 'b', 'api_request', now64(3) - INTERVAL 300 DAY, '{}', now64(3) \
                  FROM numbers(9)";
    warehouse.run(events).await?;
    warehouse
        .run("ALTER TABLE usage_hourly DELETE WHERE customer_id = 'b' SETTINGS mutations_sync = 2")
        .await?;
    assert_eq!(warehouse.migrate_with(&catalog, Options::default()).await?, Outcome::default());
    assert_eq!(warehouse.rolled_events("api_calls").await?, 20);
    Ok(())
}

#[tokio::test]
async fn nothing_is_left_of_an_installation_but_the_events() -> Result<()> {
    let warehouse = Warehouse::new().await?;
    warehouse
        .run("CREATE MATERIALIZED VIEW usage_hourly_of_theirs ENGINE = Memory AS SELECT 1 AS a FROM events")
        .await?;
    warehouse.insert(&steady_then("a", at(END), 7.2e6)).await?;
    rollup::uninstall(&warehouse.place(), None).await?;
    let left: Vec<String> = warehouse
        .client
        .query("SELECT name FROM system.tables WHERE database = currentDatabase() AND NOT startsWith(name, '.') ORDER BY name")
        .fetch_all()
        .await?;
    assert_eq!(left, ["events", "usage_hourly_of_theirs"]);
    assert_eq!(warehouse.one::<u64>("SELECT count() FROM events").await?, 33);
    assert_eq!(rollup::leftovers(&warehouse.place(), None).await?, []);
    // And back again, with all of it.
    warehouse.migrate_with(&Catalog::built_in()?, Options::default()).await?;
    assert_eq!(warehouse.rolled_events("compute_time").await?, 33);
    Ok(())
}
