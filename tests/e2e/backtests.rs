//! `meterflow backtest` over the rollup: the program itself, on real engines.

use std::fmt::Write;

use anyhow::{Context, Result};
use detection::CustomerId;
use e2e::World;
use e2e::data::insert_calls;
use e2e::world::{at, timestamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::{AnomalyStore, StoreConfig};

use crate::installation::{Answer, lambda, meterflow, meterflow_with, path};

/// A Saturday. The usage ends 40 days later, on a Thursday.
const START: &str = "2026-10-10T00:00:00Z";
const DAYS: u32 = 40;

/// An hour by its number from the start.
fn hour(number: i64) -> Timestamp {
    at(START) + SignedDuration::from_hours(number)
}

/// The hour of the burst: the 38th day, at 9 o'clock.
const BURST: i64 = 37 * 24 + 9;

/// One customer with a burst of an hour, one that falls silent for the last day, a steady one, and one of a few days.
async fn fleet(world: &World) -> Result<()> {
    for (customer, calls) in [
        ("burst", format!("if(n = {BURST}, 700, 60 + cityHash64(n) % 21)")),
        ("silent", "if(n < 39 * 24, 200 + cityHash64(n) % 21, 0)".to_owned()),
        ("steady", "60 + cityHash64(n + 7) % 21".to_owned()),
        ("new", "if(n >= 30 * 24, 40 + cityHash64(n + 9) % 11, 0)".to_owned()),
    ] {
        insert_calls(&world.clickhouse, customer, at(START), 24 * DAYS, &calls).await?;
    }
    Ok(())
}

/// The program on a world, without AWS.
async fn backtest(world: &World, arguments: &[&str]) -> Result<Answer> {
    let server = Some((world.clickhouse_url.as_str(), world.database.as_str()));
    meterflow(server, &[&["backtest", "--no-aws"], arguments].concat(), "").await
}

fn json_of(answer: &Answer) -> Result<Value> {
    answer.assert(0, &[]);
    serde_json::from_str(&answer.output).with_context(|| answer.text.clone())
}

/// Customer and time of each page.
fn pages(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pages = report["pages"].as_array().into_iter().flatten();
    pages.map(|page| (text(&page["customer"]), text(&page["at"]))).collect()
}

/// The usage of the world as a file.
async fn csv(world: &World) -> Result<String> {
    let rows = world
        .clickhouse
        .query(
            "SELECT customer_id, metric, toUnixTimestamp(hour), if(metric = 'api_calls', toFloat64(sum(events)), sum(total))
             FROM usage_hourly GROUP BY customer_id, metric, hour ORDER BY rand()",
        )
        .fetch_all::<(String, String, u32, f64)>()
        .await?;
    let mut text = "customer_id,metric,hour,value\n".to_owned();
    for (customer, metric, hour, value) in rows {
        writeln!(text, "{customer},{metric},{hour},{value}")?;
    }
    Ok(text)
}

#[tokio::test]
async fn the_rollup_and_the_same_usage_as_a_file_give_the_same_report() -> Result<()> {
    let world = World::new().await?;
    fleet(&world).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("usage.csv");
    std::fs::write(&file, csv(&world).await?)?;
    let usual = ["--days", "7", "--json", "--customer", "burst", "--budget", "1 page a customer-day"];
    let mut of_rollup = json_of(&backtest(&world, &usual).await?)?;
    let arguments = [&["backtest", "--csv", path(&file)?], &usual[..]].concat();
    let mut of_file = json_of(&meterflow(None, &arguments, "").await?)?;

    let silent = pages(&of_rollup).into_iter().find(|(customer, _)| customer == "silent");
    assert!(silent.is_some_and(|(_, at)| at.starts_with("2026-11-18T0")), "{of_rollup}");
    let burst = pages(&of_rollup).into_iter().find(|(customer, _)| customer == "burst");
    assert_eq!(burst.map(|(_, at)| at), Some(hour(BURST + 1).to_string()));
    assert_eq!((&of_rollup["to"], &of_rollup["customers"]), (&json!("2026-11-19T00:00:00Z"), &json!(4)));
    assert_eq!((&of_rollup["history_days"], &of_rollup["series"]), (&json!(32), &json!(8)));
    let first = &of_rollup["hours"][0]["flagged"][0];
    assert_eq!((&first["at"], &first["outcome"]), (&json!(hour(BURST + 1).to_string()), &json!("paged")));

    assert!(of_rollup["database"].as_str().is_some_and(|name| name.starts_with(&world.database)));
    assert_eq!(of_file["rows"], json!(2 * (24 * (2 * DAYS + 39 + 10))));
    for report in [&mut of_rollup, &mut of_file] {
        let report = report.as_object_mut().context("an object")?;
        for name in ["file", "rows", "database", "newest_hours_ago"] {
            report.remove(name);
        }
    }
    assert_eq!(of_rollup, of_file);
    Ok(())
}

#[tokio::test]
async fn many_customers_are_read_some_at_a_time() -> Result<()> {
    let world = World::new().await?;
    // More than two queries read, each of 200 customers.
    let calls = "if(cityHash64(n, customer) % 5000 = 1 AND n > 450, 900, 60 + cityHash64(n, customer) % 21)";
    let text = format!(
        "INSERT INTO usage_hourly SELECT concat('c', toString(customer)), 'api_calls', \
         toDateTime({}, 'UTC') + 3600 * n, {calls}, 0, 0, 0, 0
         FROM (SELECT intDiv(number, 480) AS customer, number % 480 AS n FROM numbers(480 * 410))",
        at(START).as_second()
    );
    world.clickhouse.query_raw(&text).execute().await?;
    let report = json_of(&backtest(&world, &["--days", "1", "--json"]).await?)?;
    assert_eq!((&report["customers"], &report["series"]), (&json!(410), &json!(410)));
    let planted = format!(
        "SELECT count() FROM (SELECT customer_id FROM usage_hourly WHERE hour >= toDateTime({}, 'UTC') AND events = 900 \
         GROUP BY customer_id)",
        hour(19 * 24).as_second()
    );
    let planted = world.clickhouse.query_raw(&planted).fetch_one::<u64>().await?;
    let found = report["by_customer"].as_array().map_or(0, Vec::len);
    assert!(planted >= 1 && found as u64 == planted, "{found} of {planted}: {report}");
    Ok(())
}

#[tokio::test]
async fn the_settings_and_policies_of_the_stack_hold() -> Result<()> {
    let world = World::new().await?;
    fleet(&world).await?;
    let stack = lambda(Some(json!({ "ANOMALIES_TABLE": world.table, "REPEAT_INTERVAL_HOURS": "4" }))).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("new.json");
    std::fs::write(&file, "{}")?;
    let run = async |arguments: &[&str]| {
        let server = Some((world.clickhouse_url.as_str(), world.database.as_str()));
        let all = [&["backtest", "--name-prefix", "acme", "--days", "7"], arguments].concat();
        meterflow_with(server, &all, &[("AWS_ENDPOINT_URL_LAMBDA", &stack.url)]).await
    };
    let before = json_of(&run(&["--json"]).await?)?;
    assert_eq!(before["stack"], "acme");
    assert!(before["reminders"].as_u64() > Some(2), "{before}");
    assert_eq!(pages(&before).len(), 2);

    let store = AnomalyStore::new(&StoreConfig::of_table(world.table.clone(), 90), &world.aws);
    let deaf = serde_json::from_str(
        r#"{"metrics": {"api_calls": {"min_change": 1e9}, "bandwidth": {"min_change": 1e12}}}"#,
    )?;
    store.put_policy(Some(&CustomerId::new("burst")?), &deaf, 0, "tests", timestamp()).await?;
    let report = json_of(&run(&["--json"]).await?)?;
    assert_eq!(pages(&report).iter().map(|(customer, _)| customer.as_str()).collect::<Vec<_>>(), ["silent"]);

    // Another policy for all replaces that of all, and not the customer's own.
    store.put_policy(None, &deaf, 0, "tests", timestamp()).await?;
    assert_eq!(pages(&json_of(&run(&["--json"]).await?)?), []);
    run(&["--policy", path(&file)?])
        .await?
        .assert(0, &["1 page,", "Settings and policies of the stack acme"]);
    let deaf_file = folder.path().join("deaf.json");
    std::fs::write(&deaf_file, serde_json::to_string(&deaf)?)?;
    let against = ["--policy", path(&file)?, "--against", path(&deaf_file)?, "--max-new-pages", "0"];
    run(&against).await?.assert(1, &["1 new, 0 gone", "there are 1 new pages, and --max-new-pages allows 0"]);

    // The other catalog watches the bytes only, of which no policy is deaf here.
    let catalog = folder.path().join("other.toml");
    std::fs::write(
        &catalog,
        "[[metric]]\nname = \"bandwidth\"\nunit = \"bytes\"\naggregate = \"sum\"\nvalue = \"bytes\"\nmissing = \"zero\"\n\
         min_change = 1e12\n",
    )?;
    let against = ["--policy", path(&file)?, "--against-catalog", path(&catalog)?, "--max-new-pages", "0"];
    run(&against).await?.assert(1, &["1 new, 0 gone"]);
    Ok(())
}

#[tokio::test]
async fn what_keeps_a_backtest_from_its_answer_is_told_with_the_next_step() -> Result<()> {
    let world = World::new().await?;
    let empty = "holds nothing of the metrics of the built-in catalog before ";
    backtest(&world, &[]).await?.assert(2, &[empty, "`meterflow doctor` tells"]);
    fleet(&world).await?;
    backtest(&world, &["--days", "34"])
        .await?
        .assert(2, &["holds too little: the usage spans 960 h", "at most 33 days can be judged"]);
    backtest(&world, &["--days", "30"]).await?.assert(
        0,
        &[
            "There are 10 days of history before them, and models use 32",
            "hours have no usage of any customer",
        ],
    );
    backtest(&world, &["--days", "0"]).await?.assert(2, &["0 is not in 1..=366"]);
    backtest(&world, &["--source", "traces"]).await?.assert(2, &["`usage` is the only source"]);
    backtest(&world, &["--source", "usage", "--days", "1", "--customer", "nobody"])
        .await?
        .assert(2, &["has no usage of a customer \"nobody\"", &world.database]);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("new.json");
    std::fs::write(&file, r#"{"metrics": {"calls": {}}}"#)?;
    backtest(&world, &["--policy", path(&file)?])
        .await?
        .assert(2, &["new.json: metrics.calls: the catalog has no such metric; it has api_calls"]);

    let unmigrated = World::without_migration().await?;
    let server = |world: &World| world.clickhouse_url.clone();
    let url = server(&unmigrated);
    meterflow(Some((&url, &unmigrated.database)), &["backtest", "--no-aws"], "")
        .await?
        .assert(2, &["has `meterflow migrate` been run on this database?"]);
    meterflow(Some(("http://127.0.0.1:1", "metering")), &["backtest", "--no-aws"], "")
        .await?
        .assert(2, &["cannot use ClickHouse at http://127.0.0.1:1", "check --clickhouse-url"]);
    let nothing = lambda(None).await?;
    meterflow(Some((&url, &world.database)), &["backtest", "--name-prefix", "other"], &nothing.url)
        .await?
        .assert(2, &["other-anomaly-detection", "check --name-prefix and AWS_REGION", "--no-aws"]);
    Ok(())
}
