//! The aggregates `ratio`, `last`, `distinct` and `novel`, and the rules on new texts, many different texts and odd hours: from a
//! table of calls to the findings of a run.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use catalog::Catalog;
use detection::CustomerId;
use detector::Request;
use e2e::World;
use e2e::warehouse::{make_tables, migrate};
use e2e::world::{END, at, hourly, run, text, variable};
use environment::Env;
use warehouse::ClickHouseConfig;
use warehouse::rollup::{self, Options, Place};
use warehouse::usage::{StepsRequest, UsageReader};

pub(crate) const CATALOG: &str = r#"
[[source]]
name = "calls"
table = "calls"
tenant = "team"
entity = "client"
time = "at"
bad = "error IS NOT NULL"
id = "id"

[[metric]]
name = "new_error"
source = "calls"
type = "new_error_type"
unit = "calls"
aggregate = "novel"
value = "fingerprint(error)"
missing = "zero"
min_change = 1
[[metric.rule]]
type = "novelty"

[[metric]]
name = "paths"
source = "calls"
unit = "paths"
aggregate = "distinct"
value = "path"
missing = "zero"
min_change = 1
[[metric.rule]]
type = "distinct_growth"

[[metric]]
name = "activity"
source = "calls"
unit = "calls"
aggregate = "count"
missing = "zero"
min_change = 1
[[metric.rule]]
type = "off_hours"

[[metric]]
name = "hit_ratio"
source = "calls"
unit = "ratio"
aggregate = "ratio"
value = "hits"
per = "requests"
missing = "gap"
min_change = 0.1
[[metric.rule]]
type = "threshold"
warning = 0.5
direction = "below"

[[metric]]
name = "depth"
source = "calls"
unit = "messages"
aggregate = "last"
value = "depth"
missing = "gap"
min_change = 1
[[metric.rule]]
type = "threshold"
warning = 900

# Models judge it.
[[metric]]
name = "load"
source = "calls"
unit = "percent"
aggregate = "last"
value = "load"
missing = "gap"
min_change = 5
"#;

pub(crate) const TABLE: &str = "CREATE TABLE calls (id String, team String, client LowCardinality(String), at DateTime64(3, 'UTC'), \
                     path LowCardinality(String), error LowCardinality(Nullable(String)), hits UInt32, requests UInt32, \
                     depth Nullable(Int32), load Float64) ENGINE = MergeTree ORDER BY (team, client, at) \
                     SETTINGS allow_suspicious_low_cardinality_types = 1";

/// A world with the usual calls.
async fn world(catalog: &str) -> Result<World> {
    let world = World::without_migration().await?;
    let admin = world.clickhouse.clone().with_database("system");
    admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    world.clickhouse.query_raw(TABLE).execute().await?;
    make_tables(&world.clickhouse, &world.database, source(&Catalog::parse(catalog, "calls.toml")?)?).await?;
    world.clickhouse.query_raw(&usual_calls()).execute().await?;
    Ok(world)
}

/// Clients of a team that call every quarter of an hour for 35 days until END, and one that is new. One call of ten fails. The
/// client `night` calls from 8 to 11 o'clock only.
pub(crate) fn usual_calls() -> String {
    let end = at(END).as_second();
    format!(
        "INSERT INTO calls SELECT concat(client, toString(number)), 'acme', client,
             toDateTime64({end} - 30 - number * 900, 3, 'UTC') AS at, concat('/p', toString(number % 5)),
             if(number % 10 = 3, concat('timeout after ', toString(number), ' ms'), NULL), 88 + number % 5, 100,
             10 + number % 3, 20 + number * 7919 % 7
         FROM numbers({})
         ARRAY JOIN ['web', 'scan', 'night', 'cache', 'queue', 'hot', 'calm', 'young'] AS client
         WHERE (client != 'night' OR toHour(at) IN (8, 9, 10)) AND (client != 'young' OR number < 3 * 96)",
        35 * 96
    )
}

fn source(catalog: &Catalog) -> Result<&Catalog> {
    catalog.of("calls").context("a source")
}

/// Inserts so many calls of a client, one a second, the newest so many seconds before END. One column has another value than
/// usual, as SQL of the `number` of the call.
async fn odd(
    world: &World,
    client: &str,
    (calls, seconds): (u32, i64),
    column: &str,
    value: &str,
) -> Result<()> {
    let usual = [
        ("path", "'/p1'"),
        ("error", "NULL"),
        ("hits", "90"),
        ("requests", "100"),
        ("depth", "10"),
        ("load", "20"),
    ];
    let values = usual.map(|(name, usual)| if name == column { value } else { usual });
    let end = at(END).as_second() - seconds;
    let sql = format!(
        "INSERT INTO calls SELECT concat('{client}-', toString({seconds} + number)), 'acme', '{client}',
             toDateTime64({end} - number, 3, 'UTC'), {} FROM numbers({calls})",
        values.join(", ")
    );
    Ok(world.clickhouse.query_raw(&sql).execute().await?)
}

#[tokio::test]
async fn what_is_planted_is_found_and_nothing_else() -> Result<()> {
    let world = world(CATALOG).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("calls.toml");
    std::fs::write(&file, CATALOG)?;
    let path = file.to_str().context("a path in UTF-8")?;
    let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
    let of_source = app.of_source("calls")?;
    let request = Request { source: Some("calls".to_owned()), ..hourly(END) };

    let before = run(&of_source, &Request { dry_run: true, ..request.clone() }).await?;
    assert_eq!(before.findings, [], "{before:?}");

    // A kind of error that comes three times with other numbers, and one that comes once.
    odd(
        &world,
        "web",
        (3, 100),
        "error",
        "concat('disk ', toString(number), ' full on /dev/sd', toString(number))",
    )
    .await?;
    odd(&world, "web", (1, 200), "error", "'it happens'").await?;
    odd(&world, "young", (3, 100), "error", "'disk 1 full on /dev/sda'").await?;
    // Somebody walks through the paths.
    odd(&world, "scan", (60, 100), "path", "concat('/secret/', toString(number))").await?;
    odd(&world, "night", (2, 100), "path", "'/p1'").await?;
    odd(&world, "cache", (40, 100), "hits", "5").await?;
    // The newest value counts.
    odd(&world, "queue", (1, 5), "depth", "950").await?;
    odd(&world, "calm", (1, 1_000), "depth", "950").await?;
    odd(&world, "hot", (1, 5), "load", "90").await?;

    let summary = run(&of_source, &request).await?;
    let items = world.all_items().await?;
    let found: Vec<_> = items.iter().filter(|item| text(item, "sk").starts_with("ANOMALY#")).collect();
    let names: BTreeSet<(String, String)> =
        found.iter().map(|item| (text(item, "entity"), text(item, "metric"))).collect();
    let expected = [
        ("cache", "hit_ratio"),
        ("hot", "load"),
        ("night", "activity"),
        ("queue", "depth"),
        ("scan", "paths"),
        ("web", "new_error"),
    ];
    let expected = expected.map(|(entity, metric)| (entity.to_owned(), metric.to_owned()));
    assert_eq!(names, BTreeSet::from(expected), "{summary:?}");
    let of = |metric: &str| found.iter().find(|item| text(item, "metric") == metric).context("an anomaly");
    let new_error = of("new_error")?;
    assert_eq!(text(new_error, "type"), "new_error_type");
    assert_eq!(
        text(new_error, "description"),
        "new_error: 3 calls of a kind that was never seen before: \"disk * full on *\""
    );
    assert!(
        text(of("activity")?, "description").contains("2 calls between 12:00 and 13:00, none in the 30 days")
    );
    assert_eq!(text(of("depth")?, "current_value"), "950");
    let ratio: f64 = text(of("hit_ratio")?, "current_value").parse()?;
    // Four usual calls of the hour, and 40 with 5 hits each.
    assert!((0.12..0.14).contains(&ratio), "{ratio}");

    // A second run stores nothing twice. An hour later nothing of it is new.
    let again = run(&of_source, &request).await?;
    assert_eq!((again.recorded, again.already_recorded), (0, summary.recorded), "{again:?}");
    let later = Request { source: Some("calls".to_owned()), ..hourly("2026-11-21T14:00:00Z") };
    for seconds in [-100, -200] {
        odd(&world, "web", (2, seconds), "error", "'disk 99 full on /dev/sdb'").await?;
    }
    run(&of_source, &later).await?;
    let items = world.all_items().await?;
    let end = at("2026-11-21T14:00:00Z").as_millisecond().to_string();
    let of_later = items.iter().filter(|item| text(item, "window_end") == end);
    let of_later: Vec<_> = of_later
        .filter(|item| text(item, "sk").starts_with("ANOMALY#"))
        .map(|item| text(item, "metric"))
        .collect();
    assert_eq!(of_later, ["load"], "a level goes on while nobody says another value");
    Ok(())
}

#[tokio::test]
async fn the_table_of_texts_comes_and_goes_with_its_source() -> Result<()> {
    let world = world(CATALOG).await?;
    let count = async |sql: &str| -> Result<u64> { Ok(world.clickhouse.query(sql).fetch_one().await?) };
    let catalog = Catalog::parse(CATALOG, "calls.toml")?;
    let catalog = source(&catalog)?;
    let options = || Options { delete: true, keep_days: Some(10_000), ..Options::default() };
    let place = Place::at(&world.clickhouse, &world.database);
    let plan = rollup::plan(&place, catalog, &options()).await?;
    assert!(plan.new.is_empty() && plan.deletions.is_empty(), "{plan:?}");

    let reader = UsageReader::new(
        &ClickHouseConfig::from_env(&Env::of(&[
            ("CLICKHOUSE_URL", variable("CLICKHOUSE_URL")?.as_str()),
            ("CLICKHOUSE_DATABASE", world.database.as_str()),
        ]))?,
        &platform::aws::config().await,
    );
    let key = CustomerId::new("acme\u{1f}web")?;
    // Four calls of the hour.
    for (metric, expected) in [
        ("paths", 4.0..=4.0),
        ("activity", 4.0..=4.0),
        ("hit_ratio", 0.88..=0.92),
        ("depth", 10.0..=10.0),
        ("load", 20.0..=20.0),
        ("new_error", 1.0..=1.0),
    ] {
        let request = StepsRequest {
            customer: &key,
            metric: catalog.get(metric).context("a metric")?,
            start: at("2026-11-21T12:00:00Z"),
            end: at(END),
            step: Duration::from_secs(3_600),
            query_id: &uuid::Uuid::new_v4().to_string(),
        };
        let steps = reader.steps(&request).await?;
        let value = steps.last().and_then(|step| step.value).context(metric)?;
        assert!(expected.contains(&value), "{metric}: {value}");
    }

    // A metric that leaves the catalog leaves both tables.
    let (_, rest) = CATALOG.split_once("[[metric]]\nname = \"paths\"").context("a metric")?;
    let (head, _) = CATALOG.split_once("[[metric]]").context("a metric")?;
    let without = Catalog::parse(&format!("{head}[[metric]]\nname = \"paths\"{rest}"), "calls.toml")?;
    assert!(count("SELECT sum(events) FROM calls_seen").await? > 20_000);
    migrate(&world.clickhouse, &world.database, source(&without)?).await?;
    assert_eq!(count("SELECT count() FROM calls_seen").await?, 0);
    assert!(count("SELECT count() FROM calls_hourly").await? > 0);

    rollup::uninstall(&place, None).await?;
    let tables = "SELECT name FROM system.tables WHERE database = ?";
    let tables: Vec<String> = world.clickhouse.query(tables).bind(&world.database).fetch_all().await?;
    assert_eq!(tables, ["calls"], "only the table of the calls is left");

    // The name of the table of texts may be somebody's own, where no metric needs it.
    world.clickhouse.query_raw("CREATE TABLE calls_seen (a UInt8) ENGINE = Memory").execute().await?;
    migrate(&world.clickhouse, &world.database, source(&without)?).await?;
    let error = rollup::plan(&place, catalog, &options()).await.expect_err("foreign");
    assert!(error.to_string().contains("calls_seen"), "{error}");
    rollup::uninstall(&place, None).await?;
    assert_eq!(count("SELECT count() FROM calls_seen").await?, 0, "it is there still");
    Ok(())
}
