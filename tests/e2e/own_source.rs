//! A table of somebody's own jobs, from `meterflow init` to its first anomaly: by a file alone.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use detector::Request;
use e2e::World;
use e2e::programs::program;
use e2e::world::{END, at, hourly, run, text, variable};

fn meterflow(world: &World, arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(program("meterflow")?)
        .args(arguments)
        .env_remove("CATALOG_PATH")
        .env("CLICKHOUSE_URL", variable("CLICKHOUSE_URL")?)
        .env("CLICKHOUSE_DATABASE", &world.database)
        .output()?)
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs of scientific workflows, with columns as such systems write them: no customer, a flag of failure, seconds and bytes.
async fn runs(world: &World) -> Result<()> {
    let admin = world.clickhouse.clone().with_database("system");
    admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    let end = at(END).as_second();
    for sql in [
        "CREATE TABLE flow_runs (workflow String, run UInt32, started DateTime('UTC'), ended DateTime('UTC'), nodes UInt16, \
         out_bytes Float64, failed UInt8, duration_s Float64) ENGINE = MergeTree ORDER BY (workflow, ended)"
            .to_owned(),
        format!(
            "INSERT INTO flow_runs SELECT workflow, number, toDateTime({end} - 300 - number * 3600, 'UTC'), \
             toDateTime({end} - 60 - number * 3600, 'UTC'), 33, 5e7, number % 40 = 9, \
             if(workflow = 'montage' AND number = 0, 900, 220 + number * 7919 % 20) \
             FROM numbers(720) ARRAY JOIN ['montage', 'genome'] AS workflow"
        ),
    ] {
        world.clickhouse.query_raw(&sql).execute().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_first_source_finds_a_slow_run_without_a_line_of_code() -> Result<()> {
    let world = World::without_migration().await?;
    runs(&world).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("flows.toml");
    let path = file.to_str().context("a path in UTF-8")?;
    let made = meterflow(&world, &["init", "--table", "flow_runs", "--name", "flows", "--output", path])?;
    assert!(made.status.success(), "{}", shown(&made));
    assert!(std::fs::read_to_string(&file)?.starts_with("#:schema ./meterflow.schema.json\n"));
    let schema: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("meterflow.schema.json"))?)?;
    assert_eq!(schema["title"], "Catalog of MeterFlow");
    let checked = meterflow(&world, &["check", path])?;
    assert!(checked.status.success() && shown(&checked).contains("entities such as"), "{}", shown(&checked));
    let migrated = meterflow(&world, &["migrate", "--catalog", path])?;
    assert!(
        migrated.status.success() && shown(&migrated).contains("metrics of flows"),
        "{}",
        shown(&migrated)
    );

    let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
    let request = Request { source: Some("flows".to_owned()), ..hourly(END) };
    let summary = run(&app.of_source("flows")?, &request).await?;
    let items = world.all_items().await?;
    let found: Vec<_> = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#")).collect();
    assert_eq!(found.len(), 1, "{summary:?} {found:?}");
    assert_eq!(
        (text(found[0], "entity").as_str(), text(found[0], "metric").as_str()),
        ("montage", "flows_duration")
    );

    let left = meterflow(&world, &["uninstall", "--yes"])?;
    assert!(left.status.success(), "{}", shown(&left));
    let tables: Vec<String> = world
        .clickhouse
        .query("SELECT name FROM system.tables WHERE database = ?")
        .bind(&world.database)
        .fetch_all()
        .await?;
    assert_eq!(tables, ["flow_runs"], "only the table of the runs is left");
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_not_there_and_a_file_that_is_are_refused() -> Result<()> {
    let world = World::without_migration().await?;
    runs(&world).await?;
    let missing = meterflow(&world, &["init", "--table", "nothing"])?;
    assert!(
        !missing.status.success() && shown(&missing).contains("there is no table `nothing`"),
        "{}",
        shown(&missing)
    );
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "mine")?;
    let path = file.to_str().context("a path in UTF-8")?;
    let existing = meterflow(&world, &["init", "--table", "flow_runs", "--output", path])?;
    assert!(!existing.status.success() && shown(&existing).contains("exists"), "{}", shown(&existing));
    assert_eq!(std::fs::read_to_string(Path::new(path))?, "mine");
    Ok(())
}
