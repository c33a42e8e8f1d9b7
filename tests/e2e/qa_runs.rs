//! Runs of test workflows, by the preset `qa_runs`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use aws_sdk_dynamodb::types::AttributeValue;
use catalog::Catalog;
use detection::Severity;
use detector::{EventRequest, Request, check_event};
use e2e::World;
use e2e::world::{END, at, hourly, run, text};

const TABLES: &str = include_str!("../../infra/clickhouse/qa_runs.sql");

/// The columns that most of the tests fill.
const COLUMNS: &str =
    "instance_id, ticket_id, user_id, template_id, execution_time_seconds, succeeded, completed_at";

/// A template of `mira` that runs every ten minutes for 33 days until END: 100 seconds and a few more, and one of thirty fails.
async fn world() -> Result<World> {
    let world = World::without_migration().await?;
    let admin = world.clickhouse.clone().with_database("system");
    admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    world.clickhouse.query_raw(TABLES.trim().trim_end_matches(';')).execute().await?;
    for source in Catalog::from_files("preset:qa_runs")?.all() {
        e2e::warehouse::make_tables(&world.clickhouse, &world.database, source).await?;
    }
    let end = at(END).as_second();
    let usual = format!(
        "INSERT INTO workflow_runs ({COLUMNS}) SELECT concat('i-', toString(number)), concat('t-', toString(number % 7)), 'mira', 'checkout',
             100 + number * 7919 % 20, number % 30 != 3, toDateTime64({end} - 30 - number * 600, 3, 'UTC')
         FROM numbers({})",
        33 * 144
    );
    world.clickhouse.query_raw(&usual).execute().await?;
    Ok(world)
}

#[tokio::test]
async fn a_run_that_is_too_fast_or_too_slow_is_unusual_and_carries_its_ticket() -> Result<()> {
    let world = world().await?;
    let app = world.app_with(&[("CATALOG_PATH", "preset:qa_runs")], &world.aws).await?;
    let end = at(END).as_second();
    for (id, seconds) in [("slow", 400), ("fast", 12), ("usual", 110), ("broken", -5)] {
        let row = format!(
            "INSERT INTO workflow_runs ({COLUMNS}) SELECT '{id}', 'OPS-7', 'mira', 'checkout', {seconds}, true, toDateTime64({end} - 9, 3, 'UTC')"
        );
        world.clickhouse.query_raw(&row).execute().await?;
    }
    for (id, expected) in
        [("slow", "anomalous"), ("fast", "anomalous"), ("usual", "normal"), ("broken", "no_data")]
    {
        let request = EventRequest { source: "qa_runs".to_owned(), id: id.to_owned(), customer_id: None };
        let checked = check_event(&app, &request, Instant::now() + Duration::from_secs(20)).await?;
        let duration = checked.metrics.iter().find(|metric| metric.metric == "qa_duration");
        assert_eq!(duration.map(|metric| metric.verdict), Some(expected), "{checked:?}");
    }
    let items = world.all_items().await?;
    let found: Vec<_> = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#")).collect();
    assert!(found.iter().all(|item| text(item, "type") == "unusual_execution_time"), "{found:?}");
    // Both were finished in the same second.
    let mut directions: Vec<_> = found.iter().map(|item| text(item, "direction")).collect();
    directions.sort();
    assert_eq!(directions, ["drop", "spike"]);
    let ticket = found[0].get("ids").and_then(|ids| ids.as_m().ok()).and_then(|ids| ids.get("ticket_id"));
    assert_eq!(ticket.and_then(|ticket| ticket.as_s().ok()).map(String::as_str), Some("OPS-7"));
    let of = |item: &HashMap<String, AttributeValue>, name| -> Vec<String> {
        let texts = item.get(name).and_then(|list| list.as_l().ok()).into_iter().flatten();
        texts.filter_map(|text| text.as_s().ok().cloned()).collect()
    };
    for item in found {
        let id = if text(item, "direction") == "drop" { "fast" } else { "slow" };
        assert_eq!(of(item, "examples"), [id]);
        assert_eq!(of(item, "affected_entities"), ["checkout", id, "OPS-7"]);
    }
    Ok(())
}

#[tokio::test]
async fn an_hour_of_slow_and_failing_runs_is_told_by_the_run_of_the_source() -> Result<()> {
    let world = world().await?;
    let app = world.app_with(&[("CATALOG_PATH", "preset:qa_runs")], &world.aws).await?;
    let request = Request { source: Some("qa_runs".to_owned()), ..hourly(END) };
    let of_source = app.of_source("qa_runs")?;
    assert_eq!(run(&of_source, &request).await?.anomalies_found, 0);
    let end = at(END).as_second();
    let slow = format!(
        "INSERT INTO workflow_runs ({COLUMNS}) SELECT concat('s-', toString(number)), 't', 'mira', 'checkout', 260, number % 3 != 0,
             toDateTime64({end} - 60 - number * 60, 3, 'UTC') FROM numbers(45)"
    );
    world.clickhouse.query_raw(&slow).execute().await?;
    let summary = run(&of_source, &request).await?;
    let items = world.all_items().await?;
    let found = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#"));
    let mut kinds: Vec<_> = found.map(|item| text(item, "type")).collect();
    kinds.sort();
    kinds.dedup();
    assert!(
        ["performance_degradation", "spike_in_failures"]
            .iter()
            .all(|kind| kinds.contains(&(*kind).to_owned())),
        "{kinds:?} {summary:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_run_that_fills_its_machine_is_told_at_once() -> Result<()> {
    let world = world().await?;
    let app = world.app_with(&[("CATALOG_PATH", "preset:qa_runs")], &world.aws).await?;
    let end = at(END).as_second();
    for (id, levels) in
        [("full", "96, 40"), ("busy", "NULL, 99"), ("calm", "80, 90"), ("unknown", "NULL, NULL")]
    {
        let row = format!(
            "INSERT INTO workflow_runs ({COLUMNS}, memory_percent, cpu_percent)
             SELECT '{id}', 'OPS-7', 'mira', 'checkout', 110, true, toDateTime64({end} - 9, 3, 'UTC'), {levels}"
        );
        world.clickhouse.query_raw(&row).execute().await?;
    }
    for (id, expected, severity) in [
        ("full", "anomalous", Some(Severity::Warning)),
        ("busy", "anomalous", Some(Severity::Critical)),
        ("calm", "normal", None),
        ("unknown", "no_data", None),
    ] {
        let request = EventRequest { source: "qa_runs".to_owned(), id: id.to_owned(), customer_id: None };
        let checked = check_event(&app, &request, Instant::now() + Duration::from_secs(20)).await?;
        let level = checked.metrics.iter().find(|metric| metric.metric == "qa_resources");
        assert_eq!(
            level.map(|level| (level.verdict, level.severity)),
            Some((expected, severity)),
            "{checked:?}"
        );
    }
    let items = world.all_items().await?;
    let found: Vec<_> = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#")).collect();
    assert!(
        found.len() == 2 && found.iter().all(|item| text(item, "type") == "resource_exhaustion"),
        "{found:?}"
    );
    Ok(())
}
