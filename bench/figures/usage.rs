//! Usage for measurements: worlds of many customers, and queries about them.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use detector::{App, Request};
use e2e::World;
use e2e::world::{END, at, hourly};
use futures::try_join;
use jiff::SignedDuration;

use crate::asked::{Asked, asked_while};
use crate::program::median_time;

/// Metrics of the built-in catalog.
pub(crate) const METRICS: u64 = 4;

/// Days of hours that a model is made of.
const DAYS_OF_MODEL: u64 = 33;

/// Customers of worlds without events are alike in so many ways.
const KINDS: u64 = 240;

/// Of each so many customers one has a burst in the newest hour: the one with this number.
const BURSTS: u64 = 400;
const BURST: u64 = 7;

/// The default time limit of the function.
pub(crate) const RUN_TIME: Duration = Duration::from_secs(300);

/// Repetitions of short measurements. The result is the median.
const TIMES: usize = 5;

/// Customers with a month of usage. Some of them have a burst in the newest hour.
pub(crate) struct Usage {
    pub(crate) world: World,
    pub(crate) customers: u64,
    shape: Shape,
}

/// What each customer uses, and how many have a burst.
#[derive(Clone, Copy)]
struct Shape {
    /// The first so many metrics of the catalog.
    metrics: u64,
    /// Of each so many customers one has a burst.
    bursts: u64,
}

/// A sweep beside its lower bounds.
pub(crate) struct Limits {
    pub(crate) read: Duration,
    /// Its queries, fetched by bare HTTP and discarded as they arrive. No reader can be faster.
    pub(crate) fetched: Duration,
    /// ClickHouse's peak memory in any of its queries.
    pub(crate) memory: u64,
    /// Number of queries of the whole sweep.
    pub(crate) queries: usize,
    /// Rows of models that it reads.
    pub(crate) models: u64,
    /// Customers that it reads in full because they look odd, and the time for them.
    pub(crate) suspects: (u64, Duration),
}

/// One sweep.
pub(crate) struct Swept {
    pub(crate) time: Duration,
    pub(crate) anomalies: u64,
}

impl Usage {
    /// Sweeps of [`Usage::sweep`]: the first one meets cold caches.
    pub(crate) const SWEEPS: usize = TIMES + 1;

    /// A month of events, one an hour of each kind.
    pub(crate) async fn of_events(customers: u64) -> Result<Self> {
        let usage = Self { world: World::new().await?, customers, shape: Shape::USUAL };
        for hours in hours_as_they_come(DAYS_OF_MODEL) {
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
                         toString(amount * if(kind = 1 AND hour < 1 AND customer % 50 = 0, 5000, 1)), '}}')
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
        Ok(usage)
    }

    /// The newest day of all customers, their models, and the month of those whose month is read: customers with a burst,
    /// and customers who are fitted after the run. A month of all hours of a million customers would be three billion
    /// rows, so the models are those of customers of the same kind.
    pub(crate) async fn of_hours(customers: u64) -> Result<Self> {
        Self::of_hours_in(World::new().await?, World::new().await?, customers).await
    }

    /// The same in a world without usage.
    ///
    /// * `kinds`: another one beside it, which is dropped.
    pub(crate) async fn of_hours_in(world: World, kinds: World, customers: u64) -> Result<Self> {
        Self::of_shape(world, kinds, customers, Shape::USUAL).await
    }

    /// Customers with one metric, who all have a burst in the newest hour.
    pub(crate) async fn of_storm(customers: u64) -> Result<Self> {
        Self::of_shape(World::new().await?, World::new().await?, customers, Shape::STORM).await
    }

    async fn of_shape(world: World, kinds: World, customers: u64, shape: Shape) -> Result<Self> {
        let of_kinds = Shape { bursts: BURSTS, ..shape };
        let kinds = Self { world: kinds, customers: KINDS, shape: of_kinds };
        for hours in hours_as_they_come(DAYS_OF_MODEL) {
            kinds.insert_hours(hours, "").await?;
        }
        kinds.fit().await?;
        let usage = Self { world, customers, shape };
        let next = at(END).to_zoned(jiff::tz::TimeZone::UTC).hour();
        let read = format!("WHERE {} OR cityHash64({CUSTOMER}) % 24 = {next}", shape.has_burst());
        for hours in hours_as_they_come(DAYS_OF_MODEL) {
            let of_newest_day = hours.end <= 24;
            usage.insert_hours(hours, if of_newest_day { "" } else { &read }).await?;
        }
        usage.take_models(&kinds).await?;
        usage.merged().await?;
        kinds.drop().await?;
        Ok(usage)
    }

    /// Customers with their month of hours, one after the other, and again from the first one on.
    pub(crate) fn with_month(&self, number: u64) -> String {
        let customer = number % (self.customers / BURSTS).max(1) * BURSTS + BURST;
        format!("customer_{customer:07}")
    }

    /// Hours of the customers that a condition chooses.
    async fn insert_hours(&self, hours: Range<u64>, condition: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO usage_hourly (customer_id, metric, hour, events, total, peak, low)
             WITH {first} + number % {count} AS hour, intDiv(number, {count}) AS metric, customer % {KINDS} AS kind,
                 20 + cityHash64(kind, metric) % 100 AS base,
                 (base + cityHash64(kind, metric, hour) % (1 + intDiv(base, 4)))
                     * if(hour = 0 AND metric = 0 AND {has_burst}, 20, 1) AS amount,
                 [1, 100000, 1, 10000][metric + 1] AS size
             SELECT
                 {CUSTOMER},
                 ['api_calls', 'bandwidth', 'compute_time', 'storage_peak'][metric + 1],
                 toDateTime({end}, 'UTC') - 3600 * (hour + 1),
                 amount, amount * size, if(metric = 3, amount, size), size
             FROM (SELECT number AS customer FROM numbers({customers}) {condition}) AS customers
             CROSS JOIN (SELECT number FROM numbers({metrics} * {count})) AS hours
             SETTINGS max_insert_threads = 2, min_insert_block_size_rows = 10000000",
            first = hours.start,
            count = hours.end - hours.start,
            has_burst = self.shape.has_burst(),
            metrics = self.shape.metrics,
            end = at(END).as_second(),
            customers = self.customers,
        );
        self.run(&sql).await
    }

    /// Gives each customer the models of its kind, for the newest hour and the hour after.
    async fn take_models(&self, kinds: &Self) -> Result<()> {
        let from = &kinds.world.database;
        self.run(&format!(
            "INSERT INTO usage_models (hour, bucket, customer_id, fit, expires, numbers)
             SELECT of_kind.hour, cityHash64(name) % 24, name, 1 + cityHash64(name) % 24, of_kind.expires, of_kind.numbers
             FROM (SELECT number AS customer, {CUSTOMER} AS name, number % {KINDS} AS kind FROM numbers({customers}))
                 AS customers
             INNER JOIN
             (
                 SELECT toUInt64(substring(customer_id, 10)) AS kind, hour, expires, numbers
                 FROM `{from}`.usage_models
                 WHERE hour >= toDateTime({newest}, 'UTC') AND hour <= toDateTime({newest}, 'UTC') + 3600
             ) AS of_kind ON customers.kind = of_kind.kind",
            customers = self.customers,
            newest = at(END).as_second() - 3_600,
        ))
        .await?;
        self.run(&format!(
            "INSERT INTO usage_model_fits (day, bucket, fit, customers, definition, begun, expires)
             SELECT day, bucket, 1 + bucket, of_bucket.customers, definition, begun, expires
             FROM `{from}`.usage_model_fits AS fits
             INNER JOIN (SELECT bucket, uniqExact(customer_id) AS customers FROM usage_models GROUP BY bucket) AS of_bucket
             ON fits.bucket = of_bucket.bucket"
        ))
        .await
    }

    /// Fits what the run of the hour reads, as the run of the hour before does. Returns the time of one hour's share.
    pub(crate) async fn fit(&self) -> Result<Duration> {
        let app = self.world.app_with(MODELS, &self.world.aws).await?;
        let before = hourly(&(at(END) - SignedDuration::from_hours(1)).to_string());
        let started = Instant::now();
        detector::fit(&app, &before, Instant::now() + Duration::from_secs(7_200)).await;
        let fits: u64 =
            self.world.clickhouse.query("SELECT count() FROM usage_model_fits").fetch_one().await?;
        ensure!(fits == 24, "{fits} of 24 parts of the customers were fitted");
        Ok(started.elapsed() / 24)
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

    /// The medians of a few sweeps: all customers are read and judged, and nothing is stored.
    pub(crate) async fn sweep(&self) -> Result<Swept> {
        self.sweep_of(&self.world.app_with(MODELS, &self.world.aws).await?).await
    }

    /// The same by this detector.
    pub(crate) async fn sweep_of(&self, app: &App) -> Result<Swept> {
        let mut swept = Vec::new();
        for _ in 0..Self::SWEEPS {
            swept.push(self.sweep_once(app).await?);
        }
        // The first sweep meets cold caches.
        swept.remove(0);
        let time = median_time(swept.iter().map(|swept| swept.time).collect());
        let last = swept.pop().context("no sweep")?;
        Ok(Swept { time, ..last })
    }

    async fn sweep_once(&self, app: &App) -> Result<Swept> {
        let request = Request { dry_run: true, ..hourly(END) };
        let started = Instant::now();
        let summary = detector::run(app, &request, started + RUN_TIME).await?;
        let customers = summary.customers;
        ensure!(customers == self.customers, "{customers} of {} customers were swept", self.customers);
        Ok(Swept { time: started.elapsed(), anomalies: summary.anomalies_found })
    }

    /// A sweep and its limits, in turns.
    pub(crate) async fn limits(&self) -> Result<Limits> {
        let url = &self.world.clickhouse_url;
        let (asked, ended) = asked_while(url, async |url| {
            let variables = [&[("CLICKHOUSE_URL", url)], MODELS].concat();
            let app = self.world.app_with(&variables, &self.world.aws).await?;
            self.sweep_once(&app).await?;
            Ok(Instant::now())
        })
        .await?;
        let app = self.world.app_with(MODELS, &self.world.aws).await?;
        let (mut read, mut fetched, mut memory) = (Vec::new(), Vec::new(), 0);
        for _ in 0..TIMES {
            read.push(self.sweep_once(&app).await?.time);
            let started = Instant::now();
            fetch_as_a_sweep(&asked, url).await?;
            fetched.push(started.elapsed());
        }
        let (mut models, mut suspects) = (0, (0, Duration::ZERO));
        let ends = asked.iter().skip(1).map(|query| query.at).chain([ended]);
        for (query, end) in asked.iter().zip(ends) {
            let answered = query.compute(url).await?;
            memory = memory.max(answered.memory);
            if query.operation == "models" {
                models += answered.rows;
            }
            if query.is_of_suspects() {
                suspects.0 += answered.rows;
                suspects.1 += end - query.at;
            }
        }
        let (read, fetched) = (median_time(read), median_time(fetched));
        Ok(Limits { read, fetched, memory, queries: asked.len(), models, suspects })
    }

    /// The bytes on disk of a table.
    pub(crate) async fn stored(&self, table: &str) -> Result<u64> {
        let text = format!(
            "SELECT sum(bytes_on_disk) FROM system.parts
             WHERE active AND database = currentDatabase() AND table = '{table}'"
        );
        Ok(self.world.clickhouse.query(&text).fetch_one().await?)
    }

    pub(crate) async fn drop(self) -> Result<()> {
        self.run(&format!("DROP DATABASE `{}`", self.world.database)).await
    }

    async fn run(&self, text: &str) -> Result<()> {
        self.world.clickhouse.query_raw(text).execute().await.with_context(|| text.to_owned())
    }
}

impl Shape {
    const USUAL: Self = Self { metrics: METRICS, bursts: BURSTS };
    const STORM: Self = Self { metrics: 1, bursts: 1 };

    /// Whether a customer has a burst, in SQL.
    fn has_burst(self) -> String {
        format!("customer % {} = {}", self.bursts, BURST % self.bursts)
    }
}

/// The measured detectors.
pub(crate) const MODELS: &[(&str, &str)] = &[("DETECTORS", "ensemble")];

/// The name of a customer, in SQL.
const CUSTOMER: &str = "concat('customer_', leftPad(toString(customer), 7, '0'))";

/// Fetches the queries of a sweep in its order. Rows of models and the newest day beside them come at the same time.
async fn fetch_as_a_sweep(asked: &[Asked], url: &str) -> Result<()> {
    let mut asked = asked.iter().peekable();
    while let Some(query) = asked.next() {
        match asked.next_if(|_| query.operation == "models") {
            Some(hours) => {
                try_join!(query.fetch_into_nothing(url), hours.fetch_into_nothing(url)).map(drop)?
            }
            None => query.fetch_into_nothing(url).await?,
        }
    }
    Ok(())
}

/// Usage is inserted in the order of time, so the parts of a table have that order. Hours before the end, the oldest
/// first: days, and of the last two days the hours.
fn hours_as_they_come(days: u64) -> impl Iterator<Item = Range<u64>> {
    let of_days = (2..days).rev().map(|day| day * 24..(day + 1) * 24);
    of_days.chain((0..48).rev().map(|hour| hour..hour + 1))
}
