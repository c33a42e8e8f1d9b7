//! Expressions of a catalog run within each insert into people's own tables. An expression that could throw there is
//! refused before a view exists.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use catalog::Catalog;
use e2e::Warehouse;
use e2e::proxy::{Action, Proxy};
use e2e::world::variable;
use warehouse::rollup::Refusal;
use warehouse::rollup::trial::{self, Rows};
use warehouse::rollup::{self, MigrationError, Options, Place};

const TABLE: &str = "CREATE TABLE meter (at DateTime64(3), customer String, amount Nullable(Decimal(20, 4)), text String, \
                     calls UInt32, properties String, day Date, ms Int64, tags Array(String), extra Map(String, String), \
                     doc JSON) ENGINE = MergeTree ORDER BY at";

/// A catalog of one sum, with other lines for its fields.
fn catalog(lines: &str) -> Result<Catalog> {
    let given = |key: &str| lines.contains(&format!("{key} ="));
    let mut text = String::from(
        "[[metric]]\nname = \"units\"\nunit = \"units\"\ntable = \"meter\"\nmissing = \"zero\"\nmin_change = 1\n",
    );
    for (key, usual) in
        [("customer_column", "customer"), ("time_column", "at"), ("value", "calls"), ("aggregate", "sum")]
    {
        if !given(key) {
            text.push_str(&format!("{key} = \"{usual}\"\n"));
        }
    }
    Ok(Catalog::parse(&(text + lines), "my.toml")?)
}

async fn with_table() -> Result<Warehouse> {
    let warehouse = Warehouse::empty().await?;
    warehouse.run(TABLE).await?;
    Ok(warehouse)
}

async fn refused(warehouse: &Warehouse, catalog: &Catalog) -> Vec<Refusal> {
    match warehouse.migrate_with(catalog, Options::default()).await {
        Err(MigrationError::Refused(refusals)) => refusals,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_throws_for_some_row_is_refused_before_a_view_exists() -> Result<()> {
    let warehouse = with_table().await?;
    for (line, field, reason) in [
        // An empty table: rows of odd content reveal the fault.
        ("value = \"toFloat64(text)\"", "value", "Cannot parse"),
        ("value = \"toFloat64(text)\"", "value", "toFloat64OrNull"),
        ("value = \"toFloat64(properties)\"", "value", "for a row such as "),
        ("value = \"JSONExtractString(properties, 'size')::Float64\"", "value", "accurateCastOrNull"),
        // Only a text under this very key makes the expression throw.
        (
            "value = \"toFloat64(if(JSONExtractString(properties, 'a') = '', '0', JSONExtractString(properties, 'a')))\"",
            "value",
            "toFloat64OrNull",
        ),
        ("value = \"toFloat64(if(extra['size'] = '', '0', extra['size']))\"", "value", "toFloat64OrNull"),
        ("value = \"intDiv(ms, calls)\"", "value", "intDivOrNull"),
        ("value = \"ms % calls\"", "value", "moduloOrNull"),
        // The filter does not protect the value.
        ("value = \"toFloat64(text)\"\nfilter = \"match(text, '^[0-9]+$')\"", "value", "toFloat64OrNull"),
        ("filter = \"toUInt8(text) = 1\"", "filter", "OrNull"),
        ("time_column = \"parseDateTimeBestEffort(text)\"", "time_column", "parseDateTime64BestEffortOrNull"),
        ("customer_column = \"toUUID(text)\"", "customer_column", "toUUIDOrNull"),
        // Wrong without any row.
        ("value = \"byts\"", "value", "byts"),
        ("value = \"calls +\"", "value", "Syntax error"),
        ("value = \"sum(calls)\"", "value", "cannot hold an aggregate function"),
        ("value = \"tags\"", "value", "its type is Array(String), not a number"),
        ("value = \"at\"", "value", "dateDiff"),
        ("filter = \"text\"", "filter", "not a condition"),
        (
            "time_column = \"text\"",
            "time_column",
            "parseDateTime64BestEffortOrNull(toString(text), 3, 'UTC')",
        ),
        ("time_column = \"ms\"", "time_column", "fromUnixTimestamp64Milli(toInt64(ms))"),
        ("time_column = \"day\"", "time_column", "toDateTime64(day, 3, 'UTC')"),
        ("time_column = \"no_such_column\"", "time_column", "no_such_column"),
        ("customer_column = \"tags\"", "customer_column", "not a name or a number"),
    ] {
        let refusals = refused(&warehouse, &catalog(line)?).await;
        assert_eq!(refusals.len(), 1, "{line}: {refusals:?}");
        let text = refusals[0].to_string();
        assert!(text.starts_with(&format!("my.toml: metric `units`: {field} = \"")), "{text}");
        assert!(text.contains(reason), "`{reason}` is not in: {text}");
        assert!(
            !text.contains('\n') && !text.contains("SELECT") && !text.contains("DB::Exception"),
            "{text}"
        );
        assert!(
            refusals[0].details.is_none()
                || refusals[0].details.as_ref().is_some_and(|sql| sql.contains("SELECT"))
        );
    }
    assert_eq!(warehouse.views().await?, Vec::<String>::new());
    warehouse.run("INSERT INTO meter (at, customer, text) VALUES (now64(3), 'a', 'not a number')").await?;
    Ok(())
}

#[tokio::test]
async fn each_wrong_expression_of_a_metric_is_told() -> Result<()> {
    let warehouse = with_table().await?;
    for (lines, expected) in [
        (
            "value = \"toFloat64(text)\"\nfilter = \"toUInt8(text) = 1\"",
            &[("filter", "Cannot parse"), ("value", "Cannot parse")][..],
        ),
        (
            "value = \"byts\"\ntime_column = \"day\"",
            &[("time_column", "its type is Date"), ("value", "byts")],
        ),
        // A name that another expression gives does not help, and an empty array hides no row from the others.
        ("value = \"n + 1\"\nfilter = \"(calls AS n) > 0\"", &[("value", "identifier")]),
        ("value = \"toFloat64(text)\"\ncustomer_column = \"arrayJoin(tags)\"", &[("value", "Cannot parse")]),
    ] {
        let refusals = refused(&warehouse, &catalog(lines)?).await;
        assert_eq!(refusals.len(), expected.len(), "{lines}: {refusals:?}");
        for (refusal, (field, reason)) in refusals.iter().zip(expected) {
            assert!(refusal.field == *field && refusal.reason.contains(reason), "{lines}: {refusal:?}");
        }
    }
    // The same of rows that are there.
    warehouse
        .run("INSERT INTO meter (at, customer, text) VALUES (now64(3), 'a', 'the seventh seal')")
        .await?;
    let throws = "throwIf(text = concat('the seventh', ' ', 'seal'))";
    let both = catalog(&format!("value = \"{throws} + calls\"\nfilter = \"{throws} = 0\""))?;
    let fields: Vec<_> = refused(&warehouse, &both).await.into_iter().map(|refusal| refusal.field).collect();
    assert_eq!(fields, ["filter", "value"]);
    Ok(())
}

#[tokio::test]
async fn a_catalog_whose_expressions_are_right_is_tried_by_few_queries() -> Result<()> {
    let warehouse = with_table().await?;
    let tried = Arc::new(AtomicUsize::new(0));
    let seen_by_proxy = Arc::clone(&tried);
    let proxy = Proxy::start(&variable("CLICKHOUSE_URL")?, move |seen| {
        let is_of_trial = String::from_utf8_lossy(&seen.body).contains("meterflow_");
        seen_by_proxy.fetch_add(usize::from(is_of_trial), Ordering::Relaxed);
        Action::Forward
    })
    .await?;
    let client = warehouse.client.clone().with_url(&proxy.url);
    let catalog = catalog("filter = \"text != ''\"")?;
    let metric = &catalog.metrics()[0];
    let refusals =
        trial::of_metric(&client, &warehouse.database, catalog.origin(), metric, Rows::All).await?;
    assert_eq!(refusals, []);
    assert_eq!(
        tried.load(Ordering::Relaxed),
        3,
        "the odd rows, the SELECT of the view, and the existing rows"
    );
    Ok(())
}

#[tokio::test]
async fn rows_that_are_there_are_tried_too() -> Result<()> {
    let warehouse = with_table().await?;
    // No odd row is like this one.
    warehouse
        .run("INSERT INTO meter (at, customer, text) VALUES (now64(3), 'a', 'the seventh seal')")
        .await?;
    let catalog = catalog("value = \"throwIf(text = concat('the seventh', ' ', 'seal')) + calls\"")?;
    let refusals = refused(&warehouse, &catalog).await;
    assert!(refusals[0].reason.ends_with("for a row of `meter`"), "{refusals:?}");
    // A dry run and a check find the same.
    let plan = rollup::plan(&warehouse.place(), &catalog, &Options::default()).await?;
    let tried = trial::of_plan(&warehouse.client, &warehouse.database, &catalog, &plan, Rows::All).await;
    assert!(matches!(tried, Err(MigrationError::Refused(_))), "{tried:?}");
    assert_eq!(warehouse.one::<u64>("EXISTS TABLE usage_hourly").await.unwrap_or_default(), 0);
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named() -> Result<()> {
    let warehouse = Warehouse::empty().await?;
    let refusals = refused(&warehouse, &catalog("")?).await;
    assert!(refusals[0].to_string().contains("there is no table `meter` in the database"), "{refusals:?}");
    Ok(())
}

#[tokio::test]
async fn numbers_texts_and_paths_become_values_times_and_customers() -> Result<()> {
    for (lines, insert, expected) in [
        ("value = \"text\"", "('a', '5'), ('a', 'many'), ('a', ''), ('a', '1e3')", (2, 1_005.0)),
        ("value = \"amount\"", "('a', '5')", (0, 0.0)),
        ("time_column = \"fromUnixTimestamp64Milli(ms)\"\nvalue = \"1\"", "('a', '1'), ('a', '2')", (2, 2.0)),
        ("time_column = \"toDateTime(intDiv(ms, 1000), 'UTC')\"\nvalue = \"1\"", "('a', '1')", (1, 1.0)),
        (
            "customer_column = \"JSONExtractString(properties, 'user', 'id')\"\nvalue = \"2\"",
            "('a', '1')",
            (1, 2.0),
        ),
        ("customer_column = \"doc.user.id\"\nvalue = \"doc.size\"", "('a', '1')", (1, 7.5)),
        ("value = \"toUInt64(9007199254740993)\"", "('a', '1')", (1, 9_007_199_254_740_992.0)),
    ] {
        let warehouse = with_table().await?;
        let catalog = catalog(lines)?;
        warehouse.migrate_with(&catalog, Options::default()).await?;
        let rows = format!(
            "INSERT INTO meter (at, customer, text, ms, properties, doc) SELECT now64(3), v.1, v.2, \
             toUnixTimestamp64Milli(now64(3)), '{{\"user\": {{\"id\": \"u1\"}}}}', '{{\"user\": {{\"id\": \"u1\"}}, \"size\": 7.5}}' \
             FROM (SELECT arrayJoin([{insert}]) AS v)"
        );
        warehouse.run(&rows).await?;
        let of_view: (u64, f64) = warehouse.one("SELECT sum(events), sum(total) FROM usage_hourly").await?;
        assert_eq!(of_view, expected, "{lines}");
        // The backfill reads the same.
        warehouse.run("TRUNCATE TABLE usage_hourly").await?;
        warehouse
            .run("ALTER TABLE meter UPDATE ms = ms - 18000000 WHERE true SETTINGS mutations_sync = 2")
            .await?;
        Ok::<_, anyhow::Error>(())?;
    }
    Ok(())
}

#[tokio::test]
async fn a_view_whose_backfill_fails_is_taken_away_again() -> Result<()> {
    let warehouse = with_table().await?;
    warehouse.run("INSERT INTO meter (at, customer, calls) VALUES (now64(3), 'a', 5)").await?;
    let proxy = Proxy::start(&variable("CLICKHOUSE_URL")?, |seen| {
        match String::from_utf8_lossy(&seen.body).contains("INSERT INTO usage_hourly") {
            true => {
                Action::Answer(500, "Code: 241. DB::Exception: no memory. (MEMORY_LIMIT_EXCEEDED)".to_owned())
            }
            false => Action::Forward,
        }
    })
    .await?;
    let client = warehouse.client.clone().with_url(&proxy.url);
    let place = Place::at(&client, &warehouse.database);
    let error = rollup::migrate(&place, &catalog("")?, &Options::default(), |_| {})
        .await
        .expect_err("a backfill that fails");
    let text = error.to_string();
    assert!(text.starts_with("the events of `units` were not added to the rollup: no memory"), "{text}");
    assert!(error.details().iter().any(|sql| sql.contains("INSERT INTO usage_hourly")));
    assert_eq!(warehouse.views().await?, Vec::<String>::new());
    // The next migration needs no consent for the remains of the failed one.
    warehouse.migrate_with(&catalog("")?, Options::default()).await?;
    assert_eq!(warehouse.rolled_events("units").await?, 1);
    Ok(())
}

#[tokio::test]
async fn corrections_are_kept_apart_from_usage() -> Result<()> {
    let warehouse = with_table().await?;
    let average = "[[metric]]\nname = \"mean\"\nunit = \"units\"\ntable = \"meter\"\ncustomer_column = \"customer\"\n\
                   time_column = \"at\"\nvalue = \"ms\"\naggregate = \"avg\"\nmissing = \"gap\"\nmin_change = 1\n";
    let catalog = Catalog::parse(
        &format!(
            "{average}{}",
            average.replace("mean", "units").replace("avg", "sum").replace("gap", "zero")
        ),
        "my.toml",
    )?;
    warehouse.migrate_with(&catalog, Options::default()).await?;
    warehouse
        .run("INSERT INTO meter (at, customer, ms) VALUES (now64(3), 'a', 5000000000), (now64(3), 'a', -4990000000)")
        .await?;
    let row: (u64, f64, f64, f64) = warehouse
        .one("SELECT sum(events), sum(total), sum(corrections), min(low) FROM usage_hourly WHERE metric = 'units'")
        .await?;
    assert_eq!(row, (2, 5e9, -4.99e9, -4.99e9));
    Ok(())
}
