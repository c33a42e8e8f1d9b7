//! Executions of workflows, from their tables to an alert: by the hourly run, and each when it is finished.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use catalog::Catalog;
use detector::{App, CheckedEvent, EventRequest, Request, RunSummary, Unjudged, check_event};
use e2e::World;
use e2e::world::{END, at, figures, hourly, run, text};
use serde_json::json;

const TABLES: &str = include_str!("../../infra/clickhouse/executions.sql");

/// The columns that the tests fill.
const COLUMNS: &str =
    "id, workspace_id, workflow_id, status, started_at, finished_at, duration_ms, output_records";

/// Three workflows of `acme` and one of `globex`, each every half an hour for 35 days until END. They take 40 seconds and a few
/// more, write about 300 records, and one of fifty fails.
async fn world() -> Result<(World, App)> {
    let world = World::without_migration().await?;
    let admin = world.clickhouse.clone().with_database("system");
    admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    for statement in TABLES.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        world.clickhouse.query_raw(statement).execute().await?;
    }
    let catalog = Catalog::from_files("preset:executions")?;
    for source in catalog.all() {
        e2e::warehouse::make_tables(&world.clickhouse, &world.database, source).await?;
    }
    let end = at(END).as_second();
    let usual = format!(
        "INSERT INTO executions ({COLUMNS})
         SELECT concat(workflow, '-', toString(number)), if(workflow = 'billing', 'globex', 'acme'), workflow,
             if(number % 50 = 7, 'failed', 'completed'),
             toDateTime64({end} - 60 - number * 1800, 3, 'UTC'), toDateTime64({end} - 10 - number * 1800, 3, 'UTC'),
             40000 + number * 7919 % 4000, 280 + number * 31 % 40
         FROM numbers({}) ARRAY JOIN ['nightly', 'import', 'export', 'billing'] AS workflow",
        35 * 48
    );
    world.clickhouse.query_raw(&usual).execute().await?;
    let app = world.app_with(&[("CATALOG_PATH", "preset:executions")], &world.aws).await?;
    Ok((world, app))
}

/// Inserts a finished execution.
async fn execution(
    world: &World,
    id: &str,
    workflow: &str,
    seconds_before_end: i64,
    rest: &str,
) -> Result<()> {
    let end = at(END).as_second() - seconds_before_end;
    let sql = format!(
        "INSERT INTO executions ({COLUMNS}) SELECT '{id}', 'acme', '{workflow}', status,
             toDateTime64({end} - 50, 3, 'UTC'), if(status = 'running', NULL, toDateTime64({end}, 3, 'UTC')), duration, records
         FROM (SELECT {rest})"
    );
    Ok(world.clickhouse.query_raw(&sql).execute().await?)
}

/// The texts of a list of an item.
fn list(item: &HashMap<String, AttributeValue>, name: &str) -> Vec<String> {
    let texts = item.get(name).and_then(|list| list.as_l().ok()).into_iter().flatten();
    texts.filter_map(|text| text.as_s().ok().cloned()).collect()
}

async fn check(app: &App, id: &str) -> Result<CheckedEvent> {
    let request = EventRequest { source: "executions".to_owned(), id: id.to_owned(), customer_id: None };
    check_event(app, &request, Instant::now() + Duration::from_secs(20)).await
}

async fn hourly_run(app: &App) -> Result<RunSummary> {
    let request = Request { source: Some("executions".to_owned()), ..hourly(END) };
    run(&app.of_source("executions")?, &request).await
}

fn verdict<'a>(checked: &'a CheckedEvent, metric: &str) -> &'a str {
    checked.metrics.iter().find(|of| of.metric == metric).map_or("missing", |of| of.verdict)
}

#[tokio::test]
async fn a_finished_execution_is_judged_at_once_and_told() -> Result<()> {
    let (world, app) = world().await?;
    // Four times as slow, and no output.
    execution(&world, "slow", "nightly", 5, "'completed' AS status, 160000 AS duration, 0 AS records")
        .await?;
    execution(&world, "usual", "nightly", 4, "'completed' AS status, 41000 AS duration, 300 AS records")
        .await?;

    let checked = check(&app, "slow").await?;
    assert_eq!(verdict(&checked, "execution_duration"), "anomalous", "{checked:?}");
    assert_eq!(verdict(&checked, "execution_output"), "anomalous", "{checked:?}");
    assert_eq!(verdict(&checked, "execution_failures_in_a_row"), "normal", "{checked:?}");
    assert_eq!((checked.customer_id.as_str(), checked.entity.as_str()), ("acme", "nightly"));
    assert_eq!((checked.recorded, checked.already_recorded), (2, 0), "{checked:?}");
    assert!(checked.alerts_published > 0, "{checked:?}");

    // A second check changes nothing, and tells nobody twice.
    let again = check(&app, "slow").await?;
    assert_eq!((again.recorded, again.already_recorded, again.alerts_published), (0, 2, 0), "{again:?}");
    let usual = check(&app, "usual").await?;
    assert_eq!(usual.recorded, 0, "{usual:?}");

    let alerts = world.alerts().await?;
    assert_eq!(alerts.len() as u64, checked.alerts_published, "{alerts:?}");
    let alert = alerts.iter().find(|alert| alert["metric"] == "execution_output").context("an alert")?;
    assert_eq!(alert["entity"], "nightly", "{alert}");
    let items = world.all_items().await?;
    let slow = items.iter().find(|item| text(item, "type") == "duration_spike").context("the anomaly")?;
    assert_eq!((text(slow, "source").as_str(), text(slow, "entity").as_str()), ("executions", "nightly"));
    assert!(text(slow, "pk") == "CUSTOMER#acme" && text(slow, "sk").matches('#').count() == 3, "{slow:?}");
    let ids = slow.get("ids").and_then(|ids| ids.as_m().ok()).context("ids")?;
    assert_eq!(ids["execution_id"].as_s().ok().map(String::as_str), Some("slow"));
    let steps = slow.get("investigation_steps").and_then(|steps| steps.as_l().ok()).context("steps")?;
    assert_eq!(steps.len(), 2, "those of the metric, and none about invoices: {steps:?}");
    // The example of an event is the event itself.
    assert_eq!(list(slow, "examples"), ["slow"]);
    assert_eq!(list(slow, "affected_entities"), ["nightly", "slow"]);
    let sure: f64 = text(slow, "confidence").parse()?;
    assert!((0.99..=1.0).contains(&sure), "{slow:?}");
    assert_eq!(
        (&alert["examples"], &alert["affected_entities"]),
        (&json!(["slow"]), &json!(["nightly", "slow"]))
    );
    assert!(alert["confidence"].as_f64().is_some_and(|sure| sure > 0.99), "{alert}");
    let factor: f64 = text(slow, "deviation_factor").parse()?;
    assert!((3.7..4.1).contains(&factor), "{factor}");
    Ok(())
}

#[tokio::test]
async fn three_failures_in_a_row_are_an_anomaly_of_their_workflow_alone() -> Result<()> {
    let (world, app) = world().await?;
    for (number, id) in ["first", "second", "third"].into_iter().enumerate() {
        let rest = "'failed' AS status, 41000 AS duration, 300 AS records";
        execution(&world, id, "import", 8 - number as i64, rest).await?;
        let checked = check(&app, id).await?;
        let expected = if number == 2 { "anomalous" } else { "normal" };
        assert_eq!(verdict(&checked, "execution_failures_in_a_row"), expected, "{checked:?}");
    }
    execution(&world, "other", "export", 4, "'failed' AS status, 41000 AS duration, 300 AS records").await?;
    let checked = check(&app, "other").await?;
    assert_eq!(verdict(&checked, "execution_failures_in_a_row"), "normal", "{checked:?}");
    Ok(())
}

#[tokio::test]
async fn the_hourly_run_finds_a_creeping_error_rate_and_nothing_else() -> Result<()> {
    let (world, app) = world().await?;
    assert_eq!(figures(&hourly_run(&app).await?), (0, 0, 0), "nothing is odd yet");
    // Forty more executions in the last hour, of which every third fails.
    let end = at(END).as_second();
    let more = format!(
        "INSERT INTO executions ({COLUMNS}) SELECT concat('more-', toString(number)), 'acme', 'export',
             if(number % 3 = 1, 'failed', 'completed'), toDateTime64({end} - 100 - number * 60, 3, 'UTC'),
             toDateTime64({end} - 60 - number * 60, 3, 'UTC'), 41000, 300 FROM numbers(40)"
    );
    world.clickhouse.query_raw(&more).execute().await?;
    let summary = hourly_run(&app).await?;
    let items = world.all_items().await?;
    let found: Vec<_> = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#")).collect();
    let rates: Vec<_> = found.iter().filter(|item| text(item, "metric") == "execution_error_rate").collect();
    assert_eq!(rates.len(), 1, "{summary:?} {found:?}");
    assert_eq!((text(rates[0], "entity").as_str(), text(rates[0], "events").as_str()), ("export", "42"));
    assert!(found.iter().all(|item| text(item, "entity") == "export"), "{found:?}");
    // The newest ones that failed.
    let failed = [1, 4, 7, 10, 13].map(|number| format!("more-{number}"));
    assert_eq!(list(rates[0], "examples"), failed);
    assert_eq!(list(rates[0], "affected_entities"), [&["export".to_owned()][..], &failed].concat());
    assert!(text(rates[0], "confidence").parse::<f64>()? > 0.9, "{:?}", rates[0]);
    Ok(())
}

#[tokio::test]
async fn an_event_that_is_written_three_times_counts_once_in_a_row() -> Result<()> {
    let (world, app) = world().await?;
    for _ in 0..3 {
        execution(&world, "again", "import", 6, "'failed' AS status, 41000 AS duration, 300 AS records")
            .await?;
    }
    let checked = check(&app, "again").await?;
    assert_eq!(verdict(&checked, "execution_failures_in_a_row"), "normal", "{checked:?}");
    Ok(())
}

#[tokio::test]
async fn the_run_of_the_hour_tells_an_event_that_nobody_sent_and_ends_what_is_over() -> Result<()> {
    let (world, app) = world().await?;
    execution(&world, "lost", "nightly", 1_500, "'completed' AS status, 41000 AS duration, 0 AS records")
        .await?;
    let summary = hourly_run(&app).await?;
    let items = world.all_items().await?;
    let found: Vec<_> = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#")).collect();
    assert_eq!(found.len(), 1, "{summary:?} {found:?}");
    assert_eq!(text(found[0], "type"), "output_size_drop");
    assert_eq!(list(found[0], "examples"), ["lost"], "the event that is below the limit, and no other");
    // Three calm hours later the incident is over.
    for hour in 1..=4 {
        let end = at(END) + jiff::SignedDuration::from_hours(hour);
        let usual = format!(
            "INSERT INTO executions ({COLUMNS}) SELECT concat('later-', toString({hour}), workflow), 'acme', workflow, 'completed',
                 toDateTime64({at} - 90, 3, 'UTC'), toDateTime64({at} - 60, 3, 'UTC'), 41000, 300
             FROM (SELECT arrayJoin(['nightly', 'import', 'export']) AS workflow)",
            at = end.as_second()
        );
        world.clickhouse.query_raw(&usual).execute().await?;
        let request = Request { source: Some("executions".to_owned()), time: end, ..hourly(END) };
        run(&app.of_source("executions")?, &request).await?;
    }
    let incidents = world.incidents().await?;
    let states: Vec<_> = incidents.iter().map(|incident| text(incident, "state")).collect();
    assert_eq!(states, ["resolved"], "{incidents:?}");
    Ok(())
}

#[tokio::test]
async fn a_broken_value_hides_no_other_and_sinks_no_baseline() -> Result<()> {
    let (world, app) = world().await?;
    let text_of_catalog = CATALOG_OF_RATIOS;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ratios.toml");
    std::fs::write(&path, text_of_catalog)?;
    let path = path.to_str().context("a path in UTF-8")?;
    for source in Catalog::from_files(path)?.all() {
        e2e::warehouse::migrate(&world.clickhouse, &world.database, source).await?;
    }
    // Two of them divide by zero: one within the month, and one within the hour.
    for (id, ago, rest) in [
        ("infinite", 900_000, "'completed' AS status, 0 AS duration, 300 AS records"),
        ("infinite now", 200, "'completed' AS status, 0 AS duration, 300 AS records"),
        ("many", 100, "'completed' AS status, 100 AS duration, 9000 AS records"),
    ] {
        execution(&world, id, "nightly", ago, rest).await?;
    }
    let ratios = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
    let request = Request { source: Some("ratios".to_owned()), ..hourly(END) };
    let summary = run(&ratios.of_source("ratios")?, &request).await?;
    assert_eq!(summary.anomalies_found, 1, "{summary:?}");
    drop(app);
    Ok(())
}

/// A value that divides by a duration of zero.
const CATALOG_OF_RATIOS: &str = r#"
[[source]]
name = "ratios"
table = "executions"
tenant = "workspace_id"
entity = "workflow_id"
time = "finished_at"

[[metric]]
name = "records_a_ms"
source = "ratios"
unit = "records"
aggregate = "max"
value = "toFloat64(output_records) / toFloat64(duration_ms) - if(id = 'negative', 1, 0)"
missing = "gap"
min_change = 1

[[metric.rule]]
type = "percentile"
min_change = 1
"#;

#[tokio::test]
async fn a_slow_node_is_found_by_the_run_of_its_source() -> Result<()> {
    let (world, app) = world().await?;
    let end = at(END).as_second();
    let nodes = format!(
        "INSERT INTO execution_nodes (id, execution_id, workspace_id, workflow_id, node_key, status, started_at, finished_at,
             duration_ms)
         SELECT concat(node, toString(number)), toString(number), 'acme', 'nightly', node, 'completed',
             toDateTime64({end} - 60 - number * 1800, 3, 'UTC'), toDateTime64({end} - 10 - number * 1800, 3, 'UTC'),
             if(node = 'load' AND number = 0, 30000, 9000 + number * 7919 % 900)
         FROM numbers({}) ARRAY JOIN ['extract', 'load'] AS node",
        35 * 48
    );
    world.clickhouse.query_raw(&nodes).execute().await?;
    let source = "execution_nodes";
    let request = Request { source: Some(source.to_owned()), ..hourly(END) };
    let summary = run(&app.of_source(source)?, &request).await?;
    assert_eq!((summary.anomalies_found, summary.recorded), (1, 1), "{summary:?}");
    let items = world.all_items().await?;
    let found = items.iter().find(|item| text(item, "sk").starts_with("ANOMALY#")).context("an anomaly")?;
    let path = found.get("entity_path").and_then(|path| path.as_l().ok()).context("a path")?;
    let path: Vec<&str> = path.iter().filter_map(|name| Some(name.as_s().ok()?.as_str())).collect();
    assert_eq!((text(found, "entity").as_str(), path), ("nightly / load", vec!["nightly", "load"]));
    assert_eq!(text(found, "metric"), "node_duration");
    Ok(())
}

#[tokio::test]
async fn what_is_no_finished_execution_is_refused_with_its_reason() -> Result<()> {
    let (world, app) = world().await?;
    execution(&world, "open", "nightly", 5, "'running' AS status, NULL AS duration, NULL AS records").await?;
    execution(&world, "nameless", "", 5, "'completed' AS status, 1 AS duration, 1 AS records").await?;
    execution(&world, "ahead", "nightly", -40_000_000, "'completed' AS status, 1 AS duration, 1 AS records")
        .await?;
    for (id, reason) in
        [("missing", "unknown"), ("open", "unfinished"), ("nameless", "without_entity"), ("ahead", "future")]
    {
        let error = check(&app, id).await.expect_err(id);
        assert_eq!(error.downcast_ref::<Unjudged>().map(Unjudged::reason), Some(reason), "{error:#}");
    }
    let request = EventRequest { source: "machines".to_owned(), id: "a".to_owned(), customer_id: None };
    let error =
        check_event(&app, &request, Instant::now() + Duration::from_secs(20)).await.expect_err("no source");
    assert!(error.to_string().contains("it has executions, execution_nodes"), "{error:#}");
    Ok(())
}
