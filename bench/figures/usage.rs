//! Usage for measurements: worlds of many customers, and queries about them.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use detection::{Series, Verdict, check};
use detector::App;
use e2e::World;
use e2e::world::{END, at, sweep_request};
use futures::try_join;
use jiff::SignedDuration;
use warehouse::usage::{Baseline, Sweep, SweepRequest};

use crate::asked::{Answered, asked_while};
use crate::program::median_time;

/// Metrics of the built-in catalog.
pub(crate) const METRICS: u64 = 4;

/// Days of hours in worlds without events: the last week, and the day that just closed.
const DAYS_OF_HOURS: u64 = 8;

/// The default time limit of the function.
pub(crate) const RUN_TIME: Duration = Duration::from_secs(300);

/// The columns that a sweep reads of a baseline, and of the hours.
const BASELINE_COLUMNS: &str = "bucket, customer_id, unknown, ages, values";
const HOURS_COLUMNS: &str = "customer_id, metric, events, total, peak, hour";

/// Repetitions of short measurements. The result is the median.
const TIMES: usize = 5;

/// Customers with four metrics each, of which one series in a hundred has five times its usage in the last window.
pub(crate) struct Usage {
    pub(crate) world: World,
    pub(crate) customers: u64,
    /// Time of the last run's prebuild of this hour's baseline, from yesterday's.
    pub(crate) ahead: Duration,
}

/// A sweep beside its lower bounds, and other queries: medians.
pub(crate) struct Limits {
    pub(crate) read: Duration,
    /// Its two queries, fetched side by side by bare HTTP and discarded as they arrive. No reader can be faster.
    pub(crate) fetched: Duration,
    pub(crate) baseline: Answered,
    /// The same rows and columns, only read.
    pub(crate) baseline_scanned: Duration,
    pub(crate) fresh: Answered,
    pub(crate) fresh_scanned: Duration,
    /// The query that builds a baseline.
    pub(crate) built: Answered,
    /// Number of queries of the whole sweep.
    pub(crate) queries: usize,
}

/// One sweep.
pub(crate) struct Swept {
    pub(crate) time: Duration,
    customers: u64,
    pub(crate) anomalies: u64,
}

impl Usage {
    /// A month of events, one an hour of each kind.
    pub(crate) async fn of_events(customers: u64) -> Result<Self> {
        let mut usage = Self { world: World::new().await?, customers, ahead: Duration::ZERO };
        for hours in hours_as_they_come(31) {
            let sql = format!(
                "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
                 WITH number % 3 AS kind, {first} + intDiv(number, 3) % {count} AS hour,
                     intDiv(number, 3 * {count}) AS customer,
                     1000 + cityHash64(customer, hour, kind) % 200 AS amount
                 SELECT
                     concat(toString(customer), '-', toString(hour), '-', toString(kind)),
                     concat('customer_', leftPad(toString(customer), 7, '0')),
                     ['api_request', 'compute', 'storage'][kind + 1],
                     fromUnixTimestamp64Milli({end} - toInt64(hour) * 3600000 - 1800000),
                     concat('{{\"', ['bytes', 'cpu_ms', 'gb_stored'][kind + 1], '\": ',
                         toString(amount * if(kind = 1 AND hour < 24 AND customer % 50 = 0, 100, 1)), '}}')
                 FROM numbers({rows})",
                first = hours.start,
                count = hours.end - hours.start,
                end = at(END).as_millisecond(),
                rows = customers * (hours.end - hours.start) * 3,
            );
            usage.run(&sql).await?;
        }
        // In favour of the loop.
        usage.run("OPTIMIZE TABLE events FINAL").await?;
        usage.merged().await?;
        usage.run("TRUNCATE TABLE usage_arrivals").await?;
        usage.build(&yesterday()).await?;
        usage.ahead = usage.build(END).await?;
        Ok(usage)
    }

    /// Hours of the last week, and similar older windows as yesterday's baseline. A run finds everything that it reads.
    /// A month of hours of a million customers would be three billion rows.
    pub(crate) async fn of_hours(customers: u64) -> Result<Self> {
        let mut usage = Self { world: World::new().await?, customers, ahead: Duration::ZERO };
        for hours in hours_as_they_come(DAYS_OF_HOURS) {
            let sql = format!(
                "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low)
                 WITH {first} + number % {count} AS hour, intDiv(number, {count}) AS series,
                     20 + cityHash64(series) % 100 AS base,
                     (base + cityHash64(series, hour) % (1 + intDiv(base, 4)))
                         * if(hour < 24 AND cityHash64(series, 1) % 100 = 0, 5, 1) AS amount,
                     [1, 100000, 1, 10000][series % 4 + 1] AS size
                 SELECT
                     concat('customer_', leftPad(toString(intDiv(series, 4)), 7, '0')),
                     ['api_calls', 'bandwidth', 'compute_time', 'storage_peak'][series % 4 + 1],
                     toDateTime({end}, 'UTC') - 3600 * (hour + 1),
                     amount, amount * size, if(series % 4 = 3, amount, size), size
                 FROM numbers({rows})
                 SETTINGS max_insert_threads = 2, min_insert_block_size_rows = 10000000",
                first = hours.start,
                count = hours.end - hours.start,
                end = at(END).as_second(),
                rows = customers * METRICS * (hours.end - hours.start),
            );
            usage.run(&sql).await?;
        }
        usage.merged().await?;
        usage.run("TRUNCATE TABLE usage_arrivals").await?;
        usage.build(&yesterday()).await?;
        usage.complete_baseline().await?;
        usage.ahead = usage.build(END).await?;
        Ok(usage)
    }

    /// Waits until all merges have ended.
    async fn merged(&self) -> Result<()> {
        let merging = "SELECT count() FROM system.merges WHERE database = currentDatabase()";
        let mut quiet = 0;
        while quiet < 3 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let merges: u64 = self.world.clickhouse.query(merging).fetch_one().await?;
            quiet = if merges == 0 { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    /// The medians of a few sweeps.
    pub(crate) async fn sweep(&self) -> Result<Swept> {
        let app = self.world.app().await?;
        let mut swept = Vec::new();
        for _ in 0..=TIMES {
            swept.push(sweep_once(&app).await?);
        }
        // The first sweep meets cold caches.
        swept.remove(0);
        let time = median_time(swept.iter().map(|swept| swept.time).collect());
        let last = swept.pop().context("no sweep")?;
        let customers = last.customers;
        ensure!(customers == self.customers, "{customers} of {} customers were swept", self.customers);
        Ok(Swept { time, ..last })
    }

    /// A sweep and its limits, in turns.
    pub(crate) async fn limits(&self) -> Result<Limits> {
        let url = &self.world.clickhouse_url;
        let (asked, baseline) = asked_while(url, async |url| {
            let app = self.world.app_with(&[("CLICKHOUSE_URL", url)], &self.world.aws).await?;
            sweep_once(&app).await?;
            baseline_of(&app).await
        })
        .await?;
        // The last query only looks for the baseline.
        let queries = asked.len() - 1;
        let of = |operation: &str| asked.iter().find(|asked| asked.operation == operation);
        let (fresh, of_baseline) = (of("sweep").context("no sweep")?, of("baseline").context("no baseline")?);
        let app = self.world.app().await?;
        let (mut read, mut fetched) = (Vec::new(), Vec::new());
        let (mut baseline_computed, mut baseline_scanned) = (Vec::new(), Vec::new());
        let (mut fresh_computed, mut fresh_scanned) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            read.push(read_once(&app, &baseline).await?.0);
            let started = Instant::now();
            try_join!(fresh.fetch_into_nothing(url), of_baseline.fetch_into_nothing(url))?;
            fetched.push(started.elapsed());
            baseline_computed.push(of_baseline.compute(url).await?);
            baseline_scanned.push(of_baseline.scan(url, BASELINE_COLUMNS, "ORDER BY").await?.wall);
            fresh_computed.push(fresh.compute(url).await?);
            fresh_scanned.push(fresh.scan(url, HOURS_COLUMNS, ")\n        GROUP BY").await?.wall);
        }
        Ok(Limits {
            read: median_time(read),
            fetched: median_time(fetched),
            baseline: Answered::median(baseline_computed),
            baseline_scanned: median_time(baseline_scanned),
            fresh: Answered::median(fresh_computed),
            fresh_scanned: median_time(fresh_scanned),
            built: self.build_again().await?,
            queries,
        })
    }

    /// The bytes on disk of a table.
    pub(crate) async fn stored(&self, table: &str) -> Result<u64> {
        self.stored_where(&format!("table = '{table}'")).await
    }

    /// The bytes on disk of the baseline that a sweep reads.
    pub(crate) async fn stored_baseline(&self) -> Result<u64> {
        let closes = at(END).strftime("%F %T");
        self.stored_where(&format!("table = 'usage_baselines' AND partition = '{closes}'")).await
    }

    async fn stored_where(&self, parts: &str) -> Result<u64> {
        let text = format!(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND {parts}"
        );
        Ok(self.world.clickhouse.query(&text).fetch_one().await?)
    }

    pub(crate) async fn drop(self) -> Result<()> {
        self.run(&format!("DROP DATABASE `{}`", self.world.database)).await
    }

    /// Builds the baseline of the hour, as the run of the hour before does.
    async fn build(&self, end: &str) -> Result<Duration> {
        let app = self.world.app().await?;
        let deadline = Instant::now() + Duration::from_secs(3_600);
        let started = Instant::now();
        app.usage.build_baseline(&SweepRequest { deadline, ..sweep_request(&app, end)? }).await?;
        Ok(started.elapsed())
    }

    /// Builds the baseline of the hour again, for ClickHouse's own figures.
    async fn build_again(&self) -> Result<Answered> {
        for table in ["usage_baseline_builds", "usage_baselines"] {
            self.run(&format!(
                "ALTER TABLE {table} DELETE WHERE closes = toDateTime({}, 'UTC') SETTINGS mutations_sync = 2",
                at(END).as_second()
            ))
            .await?;
        }
        let (asked, _) = asked_while(&self.world.clickhouse_url, async |url| {
            let app = self.world.app_with(&[("CLICKHOUSE_URL", url)], &self.world.aws).await?;
            let deadline = Instant::now() + Duration::from_secs(3_600);
            Ok(app.usage.build_baseline(&SweepRequest { deadline, ..sweep_request(&app, END)? }).await?)
        })
        .await?;
        let build = asked.iter().find(|asked| asked.operation == "build").context("no build")?;
        // Builds into a similar table, because the rows exist already.
        self.run("CREATE TABLE built_again AS usage_baselines").await?;
        let again = build.replacing("INSERT INTO usage_baselines", "INSERT INTO built_again");
        let built = again.compute(&self.world.clickhouse_url).await?;
        let rows: u64 = self.world.clickhouse.query("SELECT count() FROM built_again").fetch_one().await?;
        ensure!(rows == self.customers, "{rows} of {} customers were built again", self.customers);
        self.run("DROP TABLE built_again").await?;
        Ok(built)
    }

    /// Extends yesterday's baseline, which was made of a week of hours, to a month of windows that differ by some per
    /// cent.
    async fn complete_baseline(&self) -> Result<()> {
        const OF_HOURS: u64 = DAYS_OF_HOURS - 2;
        // The build was made in steps, and all steps left their rows.
        let complete = "SELECT build FROM usage_baseline_builds WHERE oldest = 30";
        let complete: Vec<u64> = self.world.clickhouse.query(complete).fetch_all().await?;
        self.run(&format!(
            "ALTER TABLE usage_baselines DELETE WHERE NOT has({complete:?}, build) SETTINGS mutations_sync = 2"
        ))
        .await?;
        self.run(&format!(
            "ALTER TABLE usage_baselines UPDATE
                 ages = arrayMap(age -> toUInt8(age), range(1, 31)),
                 values = arrayMap(
                     (value, number) -> round(value * (1 + cityHash64(customer_id, number) % 100 / 1000)),
                     arraySlice(arrayFlatten(arrayWithConstant(30, values)), 1, 30 * {METRICS}), range(30 * {METRICS})
                 )
             WHERE length(ages) = {OF_HOURS} SETTINGS mutations_sync = 2"
        ))
        .await?;
        let of_month = "SELECT count() FROM usage_baselines WHERE length(ages) = 30";
        let of_month: u64 = self.world.clickhouse.query(of_month).fetch_one().await?;
        ensure!(of_month == self.customers, "{of_month} of {} baselines are of a month", self.customers);
        Ok(())
    }

    /// Acts as if the run of yesterday's next hour had built its baseline.
    pub(crate) async fn next_hour_is_known(&self) -> Result<()> {
        for table in ["usage_baselines", "usage_baseline_builds"] {
            self.run(&format!(
                "INSERT INTO {table} SELECT * REPLACE (closes + 3600 AS closes) FROM {table} AS known
                 WHERE known.closes = toDateTime({}, 'UTC') - 86400",
                at(END).as_second()
            ))
            .await?;
        }
        Ok(())
    }

    async fn run(&self, text: &str) -> Result<()> {
        self.world.clickhouse.query_raw(text).execute().await.with_context(|| text.to_owned())
    }
}

/// Usage is inserted in the order of time, so the parts of a table have that order. Hours before the end, the oldest
/// first: days, and of the last two days the hours.
fn hours_as_they_come(days: u64) -> impl Iterator<Item = Range<u64>> {
    let of_days = (2..days).rev().map(|day| day * 24..(day + 1) * 24);
    of_days.chain((0..48).rev().map(|hour| hour..hour + 1))
}

/// A day before [`END`].
fn yesterday() -> String {
    (at(END) - SignedDuration::from_hours(24)).to_string()
}

async fn baseline_of(app: &App) -> Result<Baseline> {
    let id = uuid::Uuid::new_v4().to_string();
    let request = SweepRequest { query_id: &id, ..sweep_request(app, END)? };
    app.usage.baseline(&request).await?.context("there is no baseline")
}

/// Reads and judges all series as a run does, and discards the results.
async fn sweep_once(app: &App) -> Result<Swept> {
    let started = Instant::now();
    let baseline = baseline_of(app).await?;
    let (_, (customers, anomalies)) = read_once(app, &baseline).await?;
    Ok(Swept { time: started.elapsed(), customers, anomalies })
}

async fn read_once(app: &App, baseline: &Baseline) -> Result<(Duration, (u64, u64))> {
    let id = uuid::Uuid::new_v4().to_string();
    let deadline = Instant::now() + RUN_TIME;
    let request = SweepRequest { query_id: &id, deadline, ..sweep_request(app, END)? };
    let started = Instant::now();
    let sweep = app.usage.sweep_beside(&request, baseline).await?;
    let judged = judge_all(app, &request, sweep).await?;
    Ok((started.elapsed(), judged))
}

async fn judge_all(app: &App, request: &SweepRequest<'_>, mut sweep: Sweep) -> Result<(u64, u64)> {
    let oldest = request.window.oldest(request.baseline_days);
    let (mut customers, mut anomalies) = (0, 0);
    while let Some(usage) = sweep.next().await? {
        customers += 1;
        let counted = request.window.counted(usage.first_event, oldest);
        let of_metrics = usage.series().zip(usage.first_uses());
        for ((spec, settings), (values, first_use)) in
            app.catalog.metrics().iter().zip(&app.settings).zip(of_metrics)
        {
            let series = Series::new(values, counted, spec.missing, spec.never_negative());
            let series = series.used_since(first_use, &request.window, oldest);
            anomalies += u64::from(matches!(check(&series, settings), Verdict::Anomalous(_)));
        }
    }
    Ok((customers, anomalies))
}
