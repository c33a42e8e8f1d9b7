//! What a source may say beside its table: a feed for rewritten rows, weights, windows of other lengths, and a limit of
//! entities.

mod minutes;
mod sampling;

use anyhow::{Context, Result};
use catalog::Catalog;
use detector::{App, Request, RunSummary};
use e2e::World;
use e2e::world::{END, at, figures, hourly, run, text, timestamp};
use jiff::{SignedDuration, Timestamp};

/// Rows of jobs, in a table whose rows are rewritten.
pub(crate) const TABLE: &str = "CREATE TABLE runs (id String, team String, job String, status String, finished_at Nullable(DateTime64(3, 'UTC')),
    ms Float64, version UInt32) ENGINE = ReplacingMergeTree(version) ORDER BY (team, id)";

/// A source of these rows with these lines, and its metrics.
pub(crate) fn catalog(of_source: &str, metrics: &str) -> String {
    format!(
        "[[source]]
name = \"jobs\"
table = \"runs\"
tenant = \"team\"
entity = \"job\"
time = \"finished_at\"
filter = \"status IN ('done', 'failed')\"
bad = \"status = 'failed'\"
id = \"id\"
{of_source}
{metrics}"
    )
}

/// A metric of the source.
fn metric(name: &str, aggregate: &str, rest: &str) -> String {
    format!(
        "[[metric]]
name = \"{name}\"
source = \"jobs\"
unit = \"units\"
aggregate = \"{aggregate}\"
missing = \"gap\"
min_change = 1
{rest}
"
    )
}

struct Jobs {
    world: World,
    app: App,
    _file: tempfile::NamedTempFile,
}

impl Jobs {
    /// A world with the table, rows of it by these statements, and this catalog.
    async fn new(statements: &[String], catalog: &str) -> Result<Self> {
        let world = World::without_migration().await?;
        let admin = world.clickhouse.clone().with_database("system");
        admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
        for statement in std::iter::once(TABLE).chain(statements.iter().map(String::as_str)) {
            world.clickhouse.query_raw(statement).execute().await?;
        }
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), catalog)?;
        let path = file.path().to_str().context("a path")?;
        let app = world.app_with(&[("CATALOG_PATH", path)], &world.aws).await?;
        let jobs = Self { world, app, _file: file };
        jobs.migrate().await?;
        Ok(jobs)
    }

    async fn migrate(&self) -> Result<()> {
        for source in self.app.catalog.all() {
            e2e::warehouse::migrate(&self.world.clickhouse, &self.world.database, source).await?;
        }
        Ok(())
    }

    async fn execute(&self, statement: &str) -> Result<()> {
        Ok(self.world.clickhouse.query_raw(statement).execute().await?)
    }

    /// By hour before END, the events and the sum of values that the rollup holds of a job.
    async fn rolled(&self, job: &str) -> Result<Vec<(i64, u64, f64)>> {
        let text = format!(
            "SELECT intDiv({} - toUnixTimestamp(hour), 3600) AS ago, sum(events), sum(total) FROM jobs_hourly FINAL
             WHERE metric = 'job_ms' AND endsWith(customer_id, '{job}') GROUP BY ago ORDER BY ago",
            at(END).as_second()
        );
        Ok(self.world.clickhouse.query_raw(&text).fetch_all().await?)
    }

    async fn run_at(&self, time: Timestamp) -> Result<RunSummary> {
        let request = Request { source: Some("jobs".to_owned()), time, ..hourly(END) };
        run(&self.app.of_source("jobs")?, &request).await
    }

    async fn hourly_run(&self) -> Result<RunSummary> {
        self.run_at(at(END)).await
    }
}

/// Rows of a job, each with its id, its minutes before END, its status and its value.
pub(crate) fn rows(job: &str, version: u32, rows: &[(&str, i64, &str, f64)]) -> String {
    let end = at(END).as_second();
    let row = |(id, minutes, status, ms): &(&str, i64, &str, f64)| {
        let finished = match *status {
            "running" => "NULL".to_owned(),
            _ => format!("toDateTime64({}, 3, 'UTC')", end - 60 * minutes),
        };
        format!("('{id}', 'acme', '{job}', '{status}', {finished}, {ms}, {version})")
    };
    let rows: Vec<String> = rows.iter().map(row).collect();
    format!("INSERT INTO runs VALUES {}", rows.join(", "))
}

fn polled(metric: &str) -> String {
    catalog("feed = \"poll\"", metric)
}

pub(crate) fn sum() -> String {
    metric("job_ms", "sum", "value = \"ms\"")
}

#[tokio::test]
async fn a_rewritten_row_counts_once_and_as_it_is_now() -> Result<()> {
    let first = [("a", 30, "done", 10.0), ("b", 31, "running", 0.0), ("c", 90, "done", 5.0)];
    let jobs = Jobs::new(&[rows("nightly", 1, &first)], &polled(&sum())).await?;
    // Until a run of the newest hour, a running row and one that is not written count nothing.
    assert_eq!(jobs.rolled("nightly").await?, [(1, 1, 10.0), (2, 1, 5.0)]);

    // One row is written again, one ends, one moves into another hour, and one is of another job now.
    let second = [("a", 30, "done", 12.0), ("b", 20, "done", 7.0), ("c", 40, "failed", 6.0)];
    jobs.execute(&rows("nightly", 2, &second)).await?;
    jobs.execute(&rows("import", 2, &[("d", 45, "done", 1.0)])).await?;
    for _ in 0..2 {
        jobs.hourly_run().await?;
        assert_eq!(jobs.rolled("nightly").await?, [(1, 3, 25.0)]);
        assert_eq!(jobs.rolled("import").await?, [(1, 1, 1.0)]);
    }
    jobs.execute(&rows("nightly", 3, &[("d", 45, "done", 1.0)])).await?;
    jobs.hourly_run().await?;
    assert_eq!((jobs.rolled("nightly").await?, jobs.rolled("import").await?), (vec![(1, 4, 26.0)], vec![]));
    // A migration agrees with the runs.
    jobs.migrate().await?;
    assert_eq!(jobs.rolled("nightly").await?, [(1, 4, 26.0)]);
    Ok(())
}

#[tokio::test]
async fn the_newest_row_counts_in_a_table_that_keeps_all_of_them() -> Result<()> {
    let plain = TABLE.replace("ReplacingMergeTree(version)", "MergeTree");
    let remade = ["DROP TABLE runs".to_owned(), plain];
    // The second one was cancelled half an hour later, and the third one ended again two days later.
    let all = [
        ("a", 30, "done", 10.0),
        ("b", 50, "done", 20.0),
        ("b", 20, "cancelled", 20.0),
        ("c", 60 * 50, "done", 5.0),
        ("c", 45, "done", 6.0),
    ];
    let inserted = rows("nightly", 1, &all);
    let statements: Vec<String> = remade.into_iter().chain([inserted]).collect();
    let jobs = Jobs::new(&statements, &polled(&sum())).await?;
    for _ in 0..2 {
        jobs.hourly_run().await?;
        assert_eq!(jobs.rolled("nightly").await?, [(1, 2, 16.0)]);
    }
    Ok(())
}

#[tokio::test]
async fn a_migration_keeps_the_hours_whose_rows_their_system_deleted() -> Result<()> {
    let ids: Vec<String> = (0..20).map(|number| format!("old-{number}")).collect();
    let old: Vec<_> = ids.iter().map(|id| (id.as_str(), 20 * 24 * 60, "done", 1.0)).collect();
    let jobs = Jobs::new(&[rows("nightly", 1, &old)], &polled(&sum())).await?;
    assert_eq!(jobs.rolled("nightly").await?, [(480, 20, 20.0)]);
    jobs.execute("DELETE FROM runs WHERE id != 'old-3'").await?;
    jobs.migrate().await?;
    assert_eq!(jobs.rolled("nightly").await?, [(480, 20, 20.0)]);
    jobs.execute("DELETE FROM runs WHERE 1").await?;
    jobs.migrate().await?;
    assert_eq!(jobs.rolled("nightly").await?, [(480, 20, 20.0)]);
    // An hour with more rows is read again, whatever its age.
    let ids: Vec<String> = (0..21).map(|number| format!("new-{number}")).collect();
    let more: Vec<_> = ids.iter().map(|id| (id.as_str(), 20 * 24 * 60, "done", 2.0)).collect();
    jobs.execute(&rows("nightly", 1, &more)).await?;
    jobs.migrate().await?;
    assert_eq!(jobs.rolled("nightly").await?, [(480, 21, 42.0)]);
    Ok(())
}

#[tokio::test]
async fn a_counter_is_the_sum_of_its_steps() -> Result<()> {
    let counter =
        metric("job_ms", "sum", "value = \"ms\"\ncounter = true\nseries = \"splitByChar('/', id)[1]\"");
    // The first counter begins again at 3, and the second one runs beside it.
    let samples = [
        ("a/1", 200, "done", 100.0),
        ("a/2", 130, "done", 110.0),
        ("a/3", 55, "done", 115.0),
        ("a/4", 50, "done", 3.0),
        ("a/5", 10, "done", 4.5),
        ("b/1", 58, "done", 1_000.0),
        ("b/2", 5, "done", 1_001.0),
    ];
    let jobs = Jobs::new(&[rows("nightly", 1, &samples)], &polled(&counter)).await?;
    assert_eq!(jobs.rolled("nightly").await?, [(1, 4, 5.0 + 3.0 + 1.5 + 1.0), (3, 1, 10.0)]);
    Ok(())
}

#[tokio::test]
async fn usage_with_repeated_ids_counts_each_id_once() -> Result<()> {
    let events = "CREATE TABLE IF NOT EXISTS events (transaction_id String, customer_id String, event_type LowCardinality(String),
        timestamp DateTime64(3, 'UTC'), properties String, ingested_at DateTime64(3, 'UTC') DEFAULT now64(3))
        ENGINE = MergeTree ORDER BY (customer_id, event_type, timestamp)";
    let billing = "[[source]]
name = \"jobs\"
table = \"events\"
id = \"transaction_id\"
feed = \"poll\"

[[metric]]
name = \"job_ms\"
source = \"jobs\"
unit = \"calls\"
aggregate = \"count\"
missing = \"zero\"
min_change = 1
";
    let end = at(END).as_second();
    // Each event three times, and the same ids of another customer.
    let insert = format!(
        "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
         SELECT toString(number % 50), customer, 'api_request', toDateTime64({end} - 60 - number % 50, 3, 'UTC'), '{{}}'
         FROM numbers(150) ARRAY JOIN ['acme', 'globex'] AS customer"
    );
    let jobs = Jobs::new(&[events.to_owned(), insert.clone()], billing).await?;
    assert_eq!(jobs.rolled("acme").await?, [(1, 50, 50.0)]);
    jobs.execute(&insert).await?;
    jobs.hourly_run().await?;
    assert_eq!(
        (jobs.rolled("acme").await?, jobs.rolled("globex").await?),
        (vec![(1, 50, 50.0)], vec![(1, 50, 50.0)])
    );
    Ok(())
}

#[tokio::test]
async fn a_source_does_not_change_its_feed_over_rows_that_exist() -> Result<()> {
    let jobs = Jobs::new(&[rows("nightly", 1, &[("a", 30, "done", 1.0)])], &polled(&sum())).await?;
    let viewed = Catalog::parse(&catalog("", &sum()), "my.toml")?;
    let source = viewed.of("jobs").context("the source")?;
    let refused = e2e::warehouse::migrate(&jobs.world.clickhouse, &jobs.world.database, source).await;
    let error = refused.expect_err("another feed").to_string();
    assert!(error.contains("`meterflow uninstall --source jobs --yes`"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_sampled_row_stands_for_many() -> Result<()> {
    let weighed = catalog("weight = \"if(id = 'whole', 1, 10)\"", &format!("{}{}", sum(), rate("")));
    let sampled = [("a", 30, "done", 2.0), ("b", 31, "failed", 3.0), ("whole", 32, "done", 4.0)];
    let jobs = Jobs::new(&[rows("nightly", 1, &sampled)], &weighed).await?;
    assert_eq!(jobs.rolled("nightly").await?, [(1, 21, 54.0)]);
    let bad = "SELECT sum(bad) FROM jobs_hourly WHERE metric = 'job_rate'";
    assert_eq!(jobs.world.clickhouse.query_raw(bad).fetch_one::<u64>().await?, 10);
    Ok(())
}

fn rate(lasting: &str) -> String {
    metric("job_rate", "rate", &format!("[[metric.rule]]\ntype = \"rate\"\n{lasting}"))
}

#[tokio::test]
async fn a_day_is_judged_once_and_after_its_delay() -> Result<()> {
    let midnight = at("2026-11-21T00:00:00Z");
    let days = format!(
        "INSERT INTO runs SELECT concat(toString(number), '-', toString(run)), 'acme', 'nightly',
             if(run < 1, 'failed', 'done'), toDateTime64({} - 86400 * number, 3, 'UTC'), 1, 1
         FROM numbers(1, 35) ARRAY JOIN range(60) AS run",
        midnight.as_second()
    );
    let bad = format!(
        "INSERT INTO runs SELECT concat('bad-', toString(number)), 'acme', 'nightly', 'failed',
             toDateTime64({} - 86400, 3, 'UTC'), 1, 1 FROM numbers(30)",
        midnight.as_second()
    );
    let source = catalog("window = \"24h\"\ndelay = \"6h\"", &rate(""));
    let jobs = Jobs::new(&[days, bad], &source).await?;
    // The newest day that is over for six hours is the one before.
    let early = jobs.run_at(at("2026-11-21T05:00:00Z")).await?;
    assert_eq!(figures(&early).0, 0, "{early:?}");
    let found = jobs.run_at(at("2026-11-21T06:00:00Z")).await?;
    assert_eq!(figures(&found).0, 1, "{found:?}");
    let again = jobs.run_at(at("2026-11-21T07:00:00Z")).await?;
    assert_eq!((figures(&again).0, figures(&again).1), (0, 1), "{again:?}");
    let items = jobs.world.all_items().await?;
    let anomaly = items.iter().find(|item| text(item, "sk").starts_with("ANOMALY")).context("an anomaly")?;
    assert_eq!(text(anomaly, "window_end"), midnight.as_millisecond().to_string());
    assert_eq!(
        text(anomaly, "window_start"),
        (midnight - SignedDuration::from_hours(24)).as_millisecond().to_string()
    );
    Ok(())
}

#[tokio::test]
async fn entities_beyond_the_limit_are_judged_as_one() -> Result<()> {
    let end = at(END).as_second();
    // Three jobs of old, and since two weeks a job with an id in its name each hour. All have few failures, but in the newest
    // hour.
    let known = format!(
        "INSERT INTO runs SELECT concat(job, toString(number)), 'acme', job, if(number % 50 = 7, 'failed', 'done'),
             toDateTime64({end} - 100 - number * 3600, 3, 'UTC'), 1, 1
         FROM numbers(720) ARRAY JOIN ['nightly', 'import', 'export'] AS job"
    );
    let named = format!(
        "INSERT INTO runs SELECT concat('id-', toString(number), '-', toString(run)), 'acme', concat('job-', toString(number)),
             if(number = 0, 'failed', 'done'), toDateTime64({end} - 100 - number * 3600, 3, 'UTC'), 1, 1
         FROM (SELECT number, arrayJoin(range(if(number = 0, 40, 3))) AS run FROM numbers(336))"
    );
    let source = catalog("max_entities = 3", &rate(""));
    let jobs = Jobs::new(&[known, named], &source).await?;
    let found = jobs.hourly_run().await?;
    assert_eq!(figures(&found).0, 1, "{found:?}");
    let items = jobs.world.all_items().await?;
    let anomaly = items.iter().find(|item| text(item, "sk").starts_with("ANOMALY")).context("an anomaly")?;
    assert_eq!((text(anomaly, "entity"), text(anomaly, "events")), ("other".to_owned(), "40".to_owned()));
    Ok(())
}
