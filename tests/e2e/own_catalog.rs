//! The steps of the README from an own table to the first anomaly in it.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::World;
use e2e::programs::program;
use e2e::world::{END, at, figures, hourly, run, variable};

const README: &str = include_str!("../../README.md");

/// The catalog of the README, on a table of another database.
fn catalog(database: &str) -> Result<String> {
    let (_, rest) = README.split_once("```toml\n").context("a catalog in the README")?;
    let (text, _) = rest.split_once("```").context("the end of the catalog")?;
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    let text = lines.join("\n") + "\nspike_steps = [\"Look for an import.\"]\n";
    anyhow::ensure!(text.contains("\"billing.conversions\""), "the README names another table: {text}");
    Ok(text.replace("\"billing.conversions\"", &format!("\"{database}.conversions\"")))
}

#[tokio::test]
async fn an_own_table_gives_its_first_anomaly_within_five_minutes() -> Result<()> {
    let world = World::without_migration().await?;
    let sql = |text: String| world.clickhouse.clone().with_database("system").query_raw(&text).execute();
    sql(format!("CREATE DATABASE {}", world.database)).await?;
    let table = format!("{}.conversions", world.database);
    sql(format!(
        "CREATE TABLE {table} (account UInt64, finished_at DateTime('UTC'), status Enum('ok', 'failed')) \
         ENGINE = MergeTree ORDER BY finished_at"
    ))
    .await?;
    let end = at(END).as_second();
    // Three accounts have a conversion every ten minutes for 31 days. One account has ten times as many on the last
    // day.
    for (accounts, from, seconds) in [("number % 3 + 1", 31 * 86_400, 200), ("2", 43_200, 60)] {
        sql(format!(
            "INSERT INTO {table} SELECT {accounts}, toDateTime({end} - {from} + number * {seconds}, 'UTC'), 'ok' \
             FROM numbers({})",
            from / seconds
        ))
        .await?;
    }

    let began = Instant::now();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("my.toml");
    std::fs::write(&file, catalog(&world.database)?)?;
    let migrated = Command::new(program("meterflow")?)
        .arg("migrate")
        .env("CATALOG_PATH", &file)
        .env("CLICKHOUSE_URL", variable("CLICKHOUSE_URL")?)
        .env("CLICKHOUSE_DATABASE", &world.database)
        .output()?;
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let path = file.to_str().context("a path in UTF-8")?;
    let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
    let summary = run(&app, &hourly(END)).await?;
    assert_eq!((summary.checked, figures(&summary)), (3, (1, 0, 1)), "{summary:?}");
    let anomaly = &world.alerts().await?[0];
    assert_eq!(
        (&anomaly["metric"], &anomaly["customer_id"]),
        (&"documents".into(), &"2".into()),
        "{anomaly}"
    );
    // The stored anomaly and the message have the steps of the entry, and then those of any metric.
    let told: Vec<_> = anomaly["investigation_steps"].as_array().into_iter().flatten().collect();
    assert_eq!((told.len(), told[0]), (3, &"Look for an import.".into()), "{anomaly}");
    let items = world.items().await?;
    let stored = items[0].get("investigation_steps").and_then(|steps| steps.as_l().ok()).context("steps")?;
    let stored: Vec<_> = stored.iter().filter_map(|step| step.as_s().ok()).collect();
    assert_eq!(serde_json::json!(stored), anomaly["investigation_steps"]);
    assert!(began.elapsed() < Duration::from_secs(300), "it took {:?}", began.elapsed());
    Ok(())
}
