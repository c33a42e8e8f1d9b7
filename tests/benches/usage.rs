//! Usage to measure on: worlds of many customers, and what ClickHouse is asked about them.

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
use serde_json::Value;

use crate::program::median;

/// Metrics of the built-in catalog.
pub(crate) const METRICS: u64 = 4;

/// Days of hours that worlds have that were not made of events: the last week, and the day that just closed.
const DAYS_OF_HOURS: u64 = 8;

/// As long as a Lambda may take by default here.
pub(crate) const RUN_TIME: Duration = Duration::from_secs(300);

/// Repetitions of whatever is short; medians are told.
const TIMES: usize = 5;

/// Customers with four metrics each, of which one series in a hundred has five times its usage in the last window.
pub(crate) struct Usage {
    pub(crate) world: World,
    pub(crate) customers: u64,
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
        let world = World::new().await?;
        let sql = format!(
            "INSERT INTO events (transaction_id, customer_id, event_type, timestamp, properties)
             WITH number % 3 AS kind, intDiv(number, 3) % 744 AS hour, intDiv(number, 3 * 744) AS customer,
                 1000 + cityHash64(number) % 200 AS amount
             SELECT
                 toString(number),
                 concat('customer_', leftPad(toString(customer), 7, '0')),
                 ['api_request', 'compute', 'storage'][kind + 1],
                 fromUnixTimestamp64Milli({end} - toInt64(hour) * 3600000 - 1800000),
                 concat('{{\"', ['bytes', 'cpu_ms', 'gb_stored'][kind + 1], '\": ',
                     toString(amount * if(kind = 1 AND hour < 24 AND customer % 50 = 0, 100, 1)), '}}')
             FROM numbers({rows})",
            end = at(END).as_millisecond(),
            rows = customers * 744 * 3,
        );
        let usage = Self { world, customers };
        usage.run(&sql).await?;
        usage.run("OPTIMIZE TABLE events FINAL").await?;
        usage.run("OPTIMIZE TABLE usage_hourly FINAL").await?;
        usage.run("TRUNCATE TABLE usage_arrivals").await?;
        Ok(usage)
    }

    /// Hours of the last week, and as older windows copies of that week's: what a run reads is all there, and a month
    /// of hours of a million customers would be three billion rows.
    pub(crate) async fn of_hours(customers: u64) -> Result<Self> {
        let usage = Self { world: World::new().await?, customers };
        let hours = DAYS_OF_HOURS * 24;
        let sql = format!(
            "INSERT INTO usage_hourly
             WITH number % {hours} AS hour, intDiv(number, {hours}) AS series,
                 20 + cityHash64(series) % 100 AS base,
                 (base + cityHash64(number) % (1 + intDiv(base, 4)))
                     * if(hour < 24 AND cityHash64(series, 1) % 100 = 0, 5, 1) AS amount,
                 [1, 100000, 1, 10000][series % 4 + 1] AS size
             SELECT
                 concat('customer_', leftPad(toString(intDiv(series, 4)), 7, '0')),
                 ['api_calls', 'bandwidth', 'compute_time', 'storage_peak'][series % 4 + 1],
                 toDateTime({end}, 'UTC') - 3600 * (hour + 1),
                 amount, amount * size, if(series % 4 = 3, amount, size), size
             FROM numbers({rows})
             SETTINGS max_insert_threads = 2, min_insert_block_size_rows = 10000000",
            end = at(END).as_second(),
            rows = customers * METRICS * hours,
        );
        usage.run(&sql).await?;
        usage.run("OPTIMIZE TABLE usage_hourly FINAL").await?;
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
        usage.run("OPTIMIZE TABLE usage_windows FINAL").await?;
        Ok(usage)
    }

    /// As it is every hour: something has just arrived for the window that has just closed, and for the one before it.
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
            "INSERT INTO usage_arrivals SELECT toDateTime({end}, 'UTC') - 3600 - 86400 * number, now() FROM numbers(2)",
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
        let seconds = |of: fn(&Swept) -> Duration| {
            Duration::from_secs_f64(median(swept.iter().map(|swept| of(swept).as_secs_f64()).collect()))
        };
        let (prepared, read) = (seconds(|swept| swept.prepared), seconds(|swept| swept.read));
        let Swept { customers, anomalies, .. } = swept[0];
        ensure!(customers == self.customers, "{customers} of {} customers were swept", self.customers);
        Ok(Swept { prepared, read, customers, anomalies })
    }

    /// What one sweep asks ClickHouse.
    pub(crate) async fn asked(&self) -> Result<Vec<Asked>> {
        self.an_hour_passes().await?;
        let (asked, _) = asked_while(&self.world.clickhouse_url, async |url| {
            let app = self.world.app_with(&[("CLICKHOUSE_URL", url)], &self.world.aws).await?;
            sweep_once(&app).await
        })
        .await?;
        Ok(asked)
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
    /// Asks it again and throws the answer away as it comes: nothing that reads it can be faster.
    pub(crate) async fn fetch_into_nothing(&self, url: &str) -> Result<Duration> {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let started = Instant::now();
            let mut response = self.send(url, &self.path_and_query, &self.body).await?;
            while response.chunk().await?.is_some() {}
            times.push(started.elapsed().as_secs_f64());
        }
        Ok(Duration::from_secs_f64(median(times)))
    }

    /// Asks it for another customer than that of this name.
    pub(crate) async fn fetch_for(&self, url: &str, of: &str, customer: &str) -> Result<()> {
        self.send(url, &self.path_and_query, &self.body.replace(of, customer)).await?.bytes().await?;
        Ok(())
    }

    /// Lets ClickHouse compute it and send nothing.
    pub(crate) async fn compute(&self, url: &str) -> Result<Answered> {
        self.ask(url, &self.body).await
    }

    /// The same rows and columns, only read.
    pub(crate) async fn scan(&self, url: &str, columns: &str) -> Result<Answered> {
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
        let (mut times, mut memory) = (Vec::new(), 0);
        for _ in 0..TIMES {
            let started = Instant::now();
            let response = self.send(url, &format!("{path}&wait_end_of_query=1"), body).await?;
            let summary = response.headers().get("x-clickhouse-summary").cloned();
            response.bytes().await?;
            times.push(started.elapsed().as_secs_f64());
            let summary: Value = serde_json::from_slice(summary.context("no summary")?.as_bytes())?;
            let bytes = summary["memory_usage"].as_str().context("a summary without memory")?;
            memory = memory.max(bytes.parse()?);
        }
        Ok(Answered { wall: Duration::from_secs_f64(median(times)), memory })
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

/// Reads and judges all series as a run does, and does nothing with them.
async fn sweep_once(app: &App) -> Result<Swept> {
    let id = uuid::Uuid::new_v4().to_string();
    let deadline = Instant::now() + RUN_TIME;
    let request = SweepRequest { query_id: &id, deadline, ..sweep_request(app, END)? };
    let started = Instant::now();
    let builds: Builds = app.usage.prepare_windows(&request).await?.context("the windows are not built")?;
    let prepared = started.elapsed();
    let started = Instant::now();
    let sweep = app.usage.sweep_of_windows(&request, &builds).await?;
    let (customers, anomalies) = judge_all(app, &request, sweep).await?;
    Ok(Swept { prepared, read: started.elapsed(), customers, anomalies })
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
