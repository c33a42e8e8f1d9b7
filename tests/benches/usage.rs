//! Usage to measure on: worlds of many customers, and what ClickHouse is asked about them.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use adapters::usage::{Builds, Sweep, SweepRequest};
use anyhow::{Context, Result, bail, ensure};
use detection::{Series, Verdict, check};
use detector::App;
use e2e::World;
use e2e::proxy::{Action, Proxy, Seen};
use e2e::world::{END, at, sweep_request};
use hyper::HeaderMap;
use jiff::SignedDuration;
use serde_json::Value;

use crate::program::median;

/// Metrics of the built-in catalog.
pub(crate) const METRICS: u64 = 4;

/// Days of hours that worlds have that were not made of events: the last week, and the day that just closed.
const DAYS_OF_HOURS: u64 = 8;

/// As long as a Lambda may take by default here.
pub(crate) const RUN_TIME: Duration = Duration::from_secs(300);

/// The columns that a sweep of windows reads.
const COLUMNS: &str = "customer_id, start, build, values, unknown";

/// Repetitions of whatever is short; medians are told.
const TIMES: usize = 5;

/// Customers with four metrics each, of which one series in a hundred has five times its usage in the last window.
pub(crate) struct Usage {
    pub(crate) world: World,
    pub(crate) customers: u64,
    /// What the last run took to build ahead, for this hour.
    pub(crate) ahead: Duration,
}

/// A sweep beside what limits it, and what else was asked of ClickHouse: medians.
pub(crate) struct Limits {
    pub(crate) read: Duration,
    /// Its query, fetched by bare HTTP and thrown away as it comes: nothing that reads it can be faster.
    pub(crate) fetched: Duration,
    pub(crate) computed: Answered,
    /// The same rows and columns, only read.
    pub(crate) scanned: Duration,
    pub(crate) built: Answered,
    /// How many questions the whole sweep was.
    pub(crate) queries: usize,
}

/// What a sweep asked ClickHouse, word for word, so that it can be asked again by others.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: String,
    path_and_query: String,
    headers: HeaderMap,
    /// Its text and parameters, each as a part.
    body: String,
    client: reqwest::Client,
}

/// One sweep and what it was made of.
pub(crate) struct Swept {
    pub(crate) prepared: Duration,
    pub(crate) read: Duration,
    pub(crate) customers: u64,
    pub(crate) anomalies: u64,
    builds: Builds,
}

/// What ClickHouse says of a query that it was asked.
pub(crate) struct Answered {
    pub(crate) wall: Duration,
    /// Most memory at a time.
    pub(crate) memory: u64,
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
        usage.build_once().await?;
        // A month's builds are merged by then.
        usage.run("OPTIMIZE TABLE usage_windows FINAL").await?;
        usage.ahead = usage.build_ahead().await?;
        Ok(usage)
    }

    /// Hours of the last week, and as older windows copies of that week's: what a run reads is all there, and a month
    /// of hours of a million customers would be three billion rows.
    pub(crate) async fn of_hours(customers: u64) -> Result<Self> {
        let mut usage = Self { world: World::new().await?, customers, ahead: Duration::ZERO };
        for hours in hours_as_they_come(DAYS_OF_HOURS) {
            let sql = format!(
                "INSERT INTO usage_hourly
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
        usage.build_once().await?;
        for weeks in 1..=4 {
            let copy = format!(
                "INSERT INTO usage_windows
                 SELECT copied.customer_id, target.start, target.build, false, copied.expires, copied.values, []
                 FROM usage_windows AS copied
                 INNER JOIN (
                     SELECT start, bucket, build FROM usage_window_builds
                     WHERE start < toDateTime({end}, 'UTC') - 86400 * {DAYS_OF_HOURS}
                 ) AS target
                 ON target.bucket = cityHash64(copied.customer_id) % 8
                     AND target.start = copied.start - 86400 * 7 * {weeks}
                 WHERE copied.start < toDateTime({end}, 'UTC') - 86400
                     AND copied.start >= toDateTime({end}, 'UTC') - 86400 * {DAYS_OF_HOURS}",
                end = at(END).as_second(),
            );
            usage.run(&copy).await?;
        }
        // Those were noted without rows, since there are no hours of them.
        let rows: Vec<u64> = usage
            .world
            .clickhouse
            .query("SELECT max(rows) FROM usage_window_builds GROUP BY bucket ORDER BY bucket")
            .fetch_all()
            .await?;
        usage
            .run(&format!(
                "ALTER TABLE usage_window_builds UPDATE rows = {rows:?}[bucket + 1] WHERE true
                 SETTINGS mutations_sync = 2"
            ))
            .await?;
        usage.run("OPTIMIZE TABLE usage_windows FINAL").await?;
        usage.ahead = usage.build_ahead().await?;
        Ok(usage)
    }

    /// Until nothing is being merged any more.
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

    /// As it is every hour: something has just arrived for the window that has just closed, and the others are built.
    pub(crate) async fn an_hour_passes(&self) -> Result<()> {
        self.run("TRUNCATE TABLE usage_arrivals").await?;
        // What earlier sweeps built for themselves expires within days, and here nothing lasts so long.
        let provisional = "SELECT DISTINCT partition_id FROM system.parts
            WHERE active AND database = currentDatabase() AND table = 'usage_windows' AND partition NOT LIKE '%,0)'";
        let provisional: Vec<String> = self.world.clickhouse.query(provisional).fetch_all().await?;
        for partition in provisional {
            self.run(&format!("ALTER TABLE usage_windows DROP PARTITION ID '{partition}'")).await?;
        }
        let arrivals = format!(
            "INSERT INTO usage_arrivals SELECT toDateTime({end}, 'UTC') - 3600, now()",
            end = at(END).as_second(),
        );
        self.run(&arrivals).await
    }

    /// The medians of a few sweeps, each after an hour has passed.
    pub(crate) async fn sweep(&self) -> Result<Swept> {
        let app = self.world.app().await?;
        let mut swept = Vec::new();
        for _ in 0..=TIMES {
            self.an_hour_passes().await?;
            swept.push(sweep_once(&app).await?);
        }
        // The first one meets cold caches.
        swept.remove(0);
        let prepared = median_time(swept.iter().map(|swept| swept.prepared).collect());
        let read = median_time(swept.iter().map(|swept| swept.read).collect());
        let last = swept.pop().context("no sweep")?;
        let customers = last.customers;
        ensure!(customers == self.customers, "{customers} of {} customers were swept", self.customers);
        Ok(Swept { prepared, read, ..last })
    }

    /// A sweep and its limits, in turns.
    pub(crate) async fn limits(&self) -> Result<Limits> {
        self.an_hour_passes().await?;
        let url = &self.world.clickhouse_url;
        let (asked, builds) = asked_while(url, async |url| {
            let app = self.world.app_with(&[("CLICKHOUSE_URL", url)], &self.world.aws).await?;
            Ok(sweep_once(&app).await?.builds)
        })
        .await?;
        let of = |operation: &str| asked.iter().find(|asked| asked.operation == operation);
        let (sweep, build) = (of("sweep").context("no sweep")?, of("build").context("no build")?);
        let app = self.world.app().await?;
        let (mut read, mut fetched, mut scanned) = (Vec::new(), Vec::new(), Vec::new());
        let (mut computed, mut built) = (Vec::new(), Vec::new());
        for _ in 0..TIMES {
            read.push(read_once(&app, &builds).await?.0);
            fetched.push(sweep.fetch_into_nothing(url).await?);
            computed.push(sweep.compute(url).await?);
            scanned.push(sweep.scan(url, COLUMNS).await?.wall);
        }
        for _ in 0..TIMES {
            built.push(build.compute(url).await?);
        }
        Ok(Limits {
            read: median_time(read),
            fetched: median_time(fetched),
            computed: Answered::median(computed),
            scanned: median_time(scanned),
            built: Answered::median(built),
            queries: asked.len(),
        })
    }

    /// The bytes on disk of a table, and its rows.
    pub(crate) async fn stored(&self, table: &str) -> Result<(u64, u64)> {
        let text = "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts
                    WHERE active AND database = currentDatabase() AND table = {table:String}";
        Ok(self.world.clickhouse.query_raw(text).param("table", table).fetch_one().await?)
    }

    pub(crate) async fn drop(self) -> Result<()> {
        self.run(&format!("DROP DATABASE `{}`", self.world.database)).await
    }

    /// As the run of the last hour does: all windows but the newest that is closed by then were built a day before.
    async fn build_ahead(&self) -> Result<Duration> {
        let newest = format!("start = toDateTime({}, 'UTC') - 2 * 86400", at(END).as_second());
        self.run(&format!(
            "ALTER TABLE usage_window_builds DELETE WHERE {newest} SETTINGS mutations_sync = 2"
        ))
        .await?;
        let app = self.world.app().await?;
        let last_hour = (at(END) - SignedDuration::from_hours(1)).to_string();
        let request =
            SweepRequest { deadline: Instant::now() + RUN_TIME, ..sweep_request(&app, &last_hour)? };
        let started = Instant::now();
        let windows = app.usage.build_windows_ahead(&request).await?;
        ensure!(windows == 1, "{windows} windows were built ahead");
        Ok(started.elapsed())
    }

    /// As if yesterday's run at the next hour had built what it needed.
    pub(crate) async fn next_hour_is_known(&self) -> Result<()> {
        self.run(&format!(
            "INSERT INTO usage_window_builds
             SELECT start + 3600, bucket, build, 0, definition, begun, expires FROM usage_window_builds
             WHERE start <= toDateTime({}, 'UTC') - 3 * 86400",
            at(END).as_second()
        ))
        .await
    }

    async fn build_once(&self) -> Result<()> {
        let app = self.world.app().await?;
        let request = sweep_request(&app, END)?;
        let request = SweepRequest { deadline: Instant::now() + Duration::from_secs(3_600), ..request };
        app.usage.prepare_windows(&request).await?.context("the windows are not built")?;
        Ok(())
    }

    async fn run(&self, text: &str) -> Result<()> {
        self.world.clickhouse.query_raw(text).execute().await.with_context(|| text.to_owned())
    }
}

impl Asked {
    async fn fetch_into_nothing(&self, url: &str) -> Result<Duration> {
        let started = Instant::now();
        let mut response = self.send(url, &self.path_and_query, &self.body).await?;
        while response.chunk().await?.is_some() {}
        Ok(started.elapsed())
    }

    /// Asks it for another customer than that of this name.
    pub(crate) async fn fetch_for(&self, url: &str, of: &str, customer: &str) -> Result<()> {
        self.send(url, &self.path_and_query, &self.body.replace(of, customer)).await?.bytes().await?;
        Ok(())
    }

    /// Lets ClickHouse compute it and send nothing.
    async fn compute(&self, url: &str) -> Result<Answered> {
        self.ask(url, &self.body).await
    }

    async fn scan(&self, url: &str, columns: &str) -> Result<Answered> {
        let place = |text: &str| self.body.find(text).with_context(|| format!("a sweep without {text}"));
        let rows = &self.body[self.body.rfind("FROM usage_windows").context("no query of windows")?..];
        let rows = &rows[..rows.find("GROUP BY customer_id").context("no query of windows")?];
        let end = place("select_sequential_consistency = 1")?;
        let text = format!(
            "{}SELECT {columns} {rows} SETTINGS optimize_move_to_prewhere = 0, {}",
            &self.body[..place("WITH\n")?],
            &self.body[end..]
        );
        self.ask(url, &text).await
    }

    async fn ask(&self, url: &str, body: &str) -> Result<Answered> {
        let path =
            self.path_and_query.replace("RowBinaryWithNamesAndTypes", "Null").replace("=RowBinary", "=Null");
        let started = Instant::now();
        let response = self.send(url, &format!("{path}&wait_end_of_query=1"), body).await?;
        let summary = response.headers().get("x-clickhouse-summary").cloned();
        response.bytes().await?;
        let wall = started.elapsed();
        let summary: Value = serde_json::from_slice(summary.context("no summary")?.as_bytes())?;
        let memory = summary["memory_usage"].as_str().context("a summary without memory")?.parse()?;
        Ok(Answered { wall, memory })
    }

    /// Under a new query id: the old one may still be in use.
    async fn send(&self, url: &str, path_and_query: &str, body: &str) -> Result<reqwest::Response> {
        let query: Vec<_> = path_and_query.split('&').filter(|pair| !pair.contains("query_id=")).collect();
        let mut headers = self.headers.clone();
        for of_connection in ["host", "content-length", "connection"] {
            headers.remove(of_connection);
        }
        let url = format!("{}{}", url.trim_end_matches('/'), query.join("&"));
        let response = self.client.post(url).headers(headers).body(body.to_owned()).send().await?;
        if !response.status().is_success() {
            bail!("ClickHouse refused what was asked again: {}", response.text().await?);
        }
        Ok(response)
    }
}

impl Answered {
    /// The median time, and the most memory.
    fn median(of: Vec<Self>) -> Self {
        let memory = of.iter().map(|answered| answered.memory).max().unwrap_or_default();
        Self { wall: median_time(of.iter().map(|answered| answered.wall).collect()), memory }
    }
}

/// What is asked of ClickHouse by whoever is given another address of it.
pub(crate) async fn asked_while<T>(
    url: &str,
    asking: impl AsyncFnOnce(&str) -> Result<T>,
) -> Result<(Vec<Asked>, T)> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (kept, client) = (Arc::clone(&asked), reqwest::Client::builder().no_proxy().build()?);
    let note = move |seen: &Seen| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(Asked {
            operation: seen.operation.clone(),
            path_and_query: seen.path_and_query.clone(),
            headers: seen.headers.clone(),
            body: String::from_utf8_lossy(&seen.body).into_owned(),
            client: client.clone(),
        });
        Action::Forward
    };
    let proxy = Proxy::start(url, note).await?;
    let done = asking(&proxy.url).await?;
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((asked, done))
}

/// Usage comes in the order of time: so it is inserted, and so it lies in the parts of a table. Hours before the end, the
/// oldest first: days, and of the last two days the hours.
fn hours_as_they_come(days: u64) -> impl Iterator<Item = Range<u64>> {
    let of_days = (2..days).rev().map(|day| day * 24..(day + 1) * 24);
    of_days.chain((0..48).rev().map(|hour| hour..hour + 1))
}

/// Reads and judges all series as a run does, and does nothing with them.
async fn sweep_once(app: &App) -> Result<Swept> {
    let id = uuid::Uuid::new_v4().to_string();
    let deadline = Instant::now() + RUN_TIME;
    let request = SweepRequest { query_id: &id, deadline, ..sweep_request(app, END)? };
    let started = Instant::now();
    let builds = app.usage.prepare_windows(&request).await?.context("the windows are not built")?;
    let prepared = started.elapsed();
    let (read, (customers, anomalies)) = read_once(app, &builds).await?;
    Ok(Swept { prepared, read, customers, anomalies, builds })
}

async fn read_once(app: &App, builds: &Builds) -> Result<(Duration, (u64, u64))> {
    let id = uuid::Uuid::new_v4().to_string();
    let deadline = Instant::now() + RUN_TIME;
    let request = SweepRequest { query_id: &id, deadline, ..sweep_request(app, END)? };
    let started = Instant::now();
    let sweep = app.usage.sweep_of_windows(&request, builds).await?;
    let judged = judge_all(app, &request, sweep).await?;
    Ok((started.elapsed(), judged))
}

fn median_time(times: Vec<Duration>) -> Duration {
    Duration::from_secs_f64(median(times.iter().map(Duration::as_secs_f64).collect()))
}

async fn judge_all(app: &App, request: &SweepRequest<'_>, mut sweep: Sweep) -> Result<(u64, u64)> {
    let windows = request.window.baseline_windows(request.baseline_days);
    let (mut customers, mut anomalies) = (0, 0);
    while let Some(usage) = sweep.next().await? {
        customers += 1;
        let counted = request.window.counted(usage.first_event, windows);
        for ((spec, settings), values) in app.catalog.metrics().iter().zip(&app.settings).zip(usage.series())
        {
            let series = Series::new(values, counted, spec.missing, spec.never_negative());
            anomalies += u64::from(matches!(check(&series, settings), Verdict::Anomalous(_)));
        }
    }
    Ok((customers, anomalies))
}
