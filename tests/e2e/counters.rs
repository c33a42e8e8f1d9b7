//! Counters that views feed: the steps of a window, computed by hand, whatever order the samples come in.

mod faults;
mod prometheus;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use catalog::{Catalog, Shard};
use detection::{Histogram, Window};
use detector::App;
use e2e::World;
use e2e::world::{END, at, timestamp};
use jiff::{SignedDuration, Timestamp};
use warehouse::usage::{EntitiesRequest, MetricSamples};

const SUMS: &str = include_str!("../../infra/clickhouse/machines_sum_otel.sql");
const HISTOGRAMS: &str = include_str!("../../infra/clickhouse/machines_histogram_otel.sql");

/// A table of the collector, with the preset that reads it.
struct Counters {
    world: World,
    app: App,
}

impl Counters {
    async fn new(preset: &str, table: &str) -> Result<Self> {
        let world = World::without_migration().await?;
        let admin = world.clickhouse.clone().with_database("system");
        admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
        let app = world.app_with(&[("CATALOG_PATH", preset)], &world.aws).await?;
        let counters = Self { world, app };
        counters.execute(table.trim_end().trim_end_matches(';')).await?;
        Ok(counters)
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

    /// The windows before an end, the newest first, and the hours before, of a metric of the only entity.
    async fn samples(&self, source: &str, metric: &str, end: Timestamp) -> Result<MetricSamples> {
        let app = self.app.of_source(source)?;
        let request = EntitiesRequest {
            catalog: &app.catalog,
            window: Window::between(end - SignedDuration::from_mins(1), end).context("a window")?,
            windows: 1,
            from: end - SignedDuration::from_hours(24 * 30),
            keys: &[],
            shard: Shard::WHOLE,
            query_id: &self.world.database,
            deadline: Instant::now() + Duration::from_secs(60),
        };
        let place =
            app.catalog.ruled().iter().position(|spec| spec.name.as_str() == metric).context("the metric")?;
        let mut found = Vec::new();
        app.usage.samples(&request, |samples| found.push(samples)).await?;
        anyhow::ensure!(found.len() == 1, "{} entities", found.len());
        let mut samples = found.remove(0).metrics.swap_remove(place);
        samples.windows.sort_by_key(|(ago, _)| *ago);
        samples.hours.sort_by_key(|(hour, _)| *hour);
        Ok(samples)
    }
}

/// The first instant of an hour that is over.
fn hour() -> Result<Timestamp> {
    let now = timestamp().as_second() - 7_200;
    Ok(Timestamp::from_second(now - now.rem_euclid(3_600))?)
}

/// One sample: attributes as SQL, seconds after the hour, value, flags.
type Sample<'a> = (&'a str, i64, f64, u32);

fn insertion(metric: &str, hour: Timestamp, samples: &[Sample<'_>]) -> String {
    let row = |(attributes, seconds, value, flags): &Sample<'_>| {
        format!(
            "(map('service.namespace', 'acme', 'host.name', 'web-1'), '{metric}', map({attributes}), \
             fromUnixTimestamp64Milli({}), {value}, {flags}, 2, true)",
            hour.as_millisecond() + seconds * 1_000
        )
    };
    let rows: Vec<String> = samples.iter().map(row).collect();
    format!(
        "INSERT INTO otel_metrics_sum (ResourceAttributes, MetricName, Attributes, TimeUnix, Value, Flags, AggregationTemporality, \
         IsMonotonic) VALUES {}",
        rows.join(", ")
    )
}

const IN: &str = "'device', 'eth0', 'direction', 'receive'";
const OUT: &str = "'device', 'eth0', 'direction', 'transmit'";
const NEW: &str = "'device', 'eth1', 'direction', 'receive'";
const LO: &str = "'device', 'lo', 'direction', 'receive'";

/// Two counters of a machine. No sample came at 3:30.
const EARLIER: [Sample<'static>; 10] = [
    // Within a block the samples are in no order.
    (IN, 150, 2_200.0, 0),
    (IN, 30, 1_000.0, 0),
    (OUT, 30, 10.0, 0),
    (IN, -600, 100.0, 0),
    (OUT, 150, 130.0, 0),
    (OUT, -300, 4.0, 0),
    (IN, 90, 1_600.0, 0),
    (OUT, 90, 70.0, 0),
    (OUT, -600, 1.0, 0),
    (IN, -300, 400.0, 0),
];

const LATER: [Sample<'static>; 11] = [
    // The first counter begins again between 5:10 and 5:40, and a third one is new.
    (IN, 310, 3_500.0, 0),
    (IN, 340, 50.0, 0),
    (IN, 390, 170.0, 0),
    (OUT, 340, 320.0, 0),
    (OUT, 390, 370.0, 0),
    (NEW, 340, 1e9, 0),
    (NEW, 390, 1e9 + 60.0, 0),
    (OUT, 270, 250.0, 0),
    (IN, 270, 3_400.0, 0),
    // Neither a point without a value counts, nor the loopback.
    (IN, 280, 0.0, 1),
    (LO, 390, 1e12, 0),
];

/// By how many minutes before the end: what the steps are a second.
fn expected() -> Vec<(usize, f64)> {
    vec![
        (0, (120.0 + 50.0 + 60.0) / 50.0),
        // In the minute before, a counter began again: what it counted is not known, and zero would be wrong. The step over the gap took two minutes.
        (2, (1_200.0 + 120.0) / 120.0),
        (4, (600.0 + 60.0) / 60.0),
        (5, (600.0 + 60.0) / 60.0),
        (6, (600.0 + 6.0) / 330.0),
        (11, (300.0 + 3.0) / 300.0),
    ]
}

#[tokio::test]
async fn a_window_has_the_steps_of_its_counters_since_the_window_before() -> Result<()> {
    let (counters, hour) = (Counters::new("preset:machines_sum", SUMS).await?, hour()?);
    counters.migrate().await?;
    let end = hour + SignedDuration::from_mins(7);
    // The newer samples come first, and one of them comes twice.
    counters.execute(&insertion("system.network.io", hour, &LATER)).await?;
    counters.execute(&insertion("system.network.io", hour, &EARLIER)).await?;
    counters
        .execute(&insertion("system.network.io", hour, &[(IN, 90, 1_600.0, 0), (IN, 100, f64::NAN, 0)]))
        .await?;
    for _ in 0..2 {
        let found = counters.samples("machine_counters", "machine_traffic", end).await?;
        assert_eq!(found.windows, expected());
        // The hour before: both counters from its first to its last sample.
        assert_eq!(found.hours, [((hour - SignedDuration::from_hours(1)).as_second(), 303.0 / 300.0)]);
        // The same after the parts were merged.
        for table in ["machine_counters_minute", "machine_counters_hourly"] {
            counters.execute(&format!("OPTIMIZE TABLE {table} FINAL")).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn hours_are_filled_from_samples_that_exist() -> Result<()> {
    let (counters, hour) = (Counters::new("preset:machines_sum", SUMS).await?, hour()?);
    for samples in [&EARLIER[..], &LATER] {
        counters.execute(&insertion("system.network.io", hour, samples)).await?;
    }
    counters.migrate().await?;
    // The hour of these samples is that before the one that is judged.
    let end = hour + SignedDuration::from_mins(67);
    counters
        .execute(&insertion("system.network.io", hour, &[(OUT, 3_630, 400.0, 0), (OUT, 3_990, 436.0, 0)]))
        .await?;
    let found = counters.samples("machine_counters", "machine_traffic", end).await?;
    let rates: Vec<_> = found.hours.iter().map(|(_, rate)| *rate).collect();
    // An hour has the steps that are known: 100 and 70 of the minute in which a counter began again, too. They took 690 s: from the
    // last sample before, 300 s before the hour began, to 390 s after that.
    let steps = 230.0 + 1_320.0 + 660.0 + 660.0 + 606.0 + 170.0;
    assert_eq!(rates, [303.0 / 300.0, steps / 690.0]);
    // A second migration finds nothing to do, and changes nothing.
    counters.migrate().await?;
    let again = counters.samples("machine_counters", "machine_traffic", end).await?;
    // Not a number is equal to nothing.
    assert_eq!(format!("{again:?}"), format!("{found:?}"));
    Ok(())
}

#[tokio::test]
async fn the_api_shows_rates_by_hour() -> Result<()> {
    let counters = Counters::new("preset:machines_sum", SUMS).await?;
    counters.migrate().await?;
    // The clock of this API stands at the end.
    let hour = at(END) - SignedDuration::from_hours(1);
    counters.execute(&insertion("system.network.io", hour, &EARLIER)).await?;
    let api =
        counters.world.api_with(&[("CATALOG_PATH", "preset:machines_sum")], &counters.world.aws).await?;
    let listed = api.as_customer("acme").read("/v1/sources/machine_counters/entities").await?;
    assert_eq!(listed["entities"][0]["entity"], "web-1", "{listed}");
    let before = hour - SignedDuration::from_hours(1);
    let path = format!(
        "/v1/sources/machine_counters/entities/web-1/series?customer_id=acme&metric=machine_traffic&from={before}&to={hour}"
    );
    let series = api.as_customer("acme").read(&path).await?;
    assert_eq!(series["points"][0]["value"], 303.0 / 300.0, "{series}");
    Ok(())
}

#[tokio::test]
async fn samples_more_than_an_hour_apart_have_no_step_between_them() -> Result<()> {
    let (counters, hour) = (Counters::new("preset:machines_sum", SUMS).await?, hour()?);
    counters.migrate().await?;
    let samples = [(IN, -3_600, 5.0, 0), (IN, 30, 1e6, 0), (IN, 90, 1e6 + 30.0, 0)];
    counters.execute(&insertion("system.network.io", hour, &samples)).await?;
    let end = hour + SignedDuration::from_mins(2);
    let found = counters.samples("machine_counters", "machine_traffic", end).await?;
    assert_eq!(found.windows, [(0, 0.5)]);
    Ok(())
}

#[tokio::test]
async fn a_minute_in_which_a_counter_began_again_is_a_gap() -> Result<()> {
    let (counters, hour) = (Counters::new("preset:machines_sum", SUMS).await?, hour()?);
    counters.migrate().await?;
    // The first counter begins again between two minutes. The other one goes on, and would look like a drop.
    let samples = [
        (IN, 30, 1_000.0, 0),
        (IN, 90, 1_600.0, 0),
        (IN, 150, 20.0, 0),
        (IN, 210, 620.0, 0),
        (OUT, 30, 0.0, 0),
        (OUT, 90, 60.0, 0),
        (OUT, 150, 120.0, 0),
        (OUT, 210, 180.0, 0),
    ];
    for sample in samples {
        counters.execute(&insertion("system.network.io", hour, &[sample])).await?;
    }
    let end = hour + SignedDuration::from_mins(4);
    let found = counters.samples("machine_counters", "machine_traffic", end).await?;
    assert_eq!(found.windows, [(0, 11.0), (2, 11.0)]);
    Ok(())
}

#[tokio::test]
async fn a_ratio_divides_the_steps_of_two_counters() -> Result<()> {
    let (counters, hour) = (Counters::new("preset:machines_sum", SUMS).await?, hour()?);
    counters.migrate().await?;
    let [idle, user] = ["'cpu', 'cpu0', 'state', 'idle'", "'cpu', 'cpu0', 'state', 'user'"];
    let [other_idle, other_user] = ["'cpu', 'cpu1', 'state', 'idle'", "'cpu', 'cpu1', 'state', 'user'"];
    let samples = [
        (idle, 30, 10.0, 0),
        (user, 30, 5.0, 0),
        (other_idle, 30, 10.0, 0),
        (other_user, 30, 5.0, 0),
        (idle, 90, 50.0, 0),
        (user, 90, 25.0, 0),
        (other_idle, 90, 60.0, 0),
        (other_user, 90, 15.0, 0),
    ];
    counters.execute(&insertion("system.cpu.time", hour, &samples)).await?;
    let found =
        counters.samples("machine_counters", "machine_busy", hour + SignedDuration::from_mins(2)).await?;
    // 20 and 10 of 120 seconds were busy.
    assert_eq!(found.windows, [(0, 25.0)]);
    Ok(())
}

/// A histogram of durations in seconds: seconds after the hour, counts of the buckets, temporality.
fn histogram(hour: Timestamp, points: &[(i64, &str, u8)]) -> String {
    let row = |(seconds, counts, temporality): &(i64, &str, u8)| {
        format!(
            "(map('service.namespace', 'acme'), 'checkout', 'http.server.request.duration', 's', \
             map('http.request.method', 'GET', 'http.route', '/carts/{{id}}'), fromUnixTimestamp64Milli({}), {counts}, \
             [0.1, 0.25, 0.5, 1], {temporality})",
            hour.as_millisecond() + seconds * 1_000
        )
    };
    let rows: Vec<String> = points.iter().map(row).collect();
    format!(
        "INSERT INTO otel_metrics_histogram (ResourceAttributes, ServiceName, MetricName, MetricUnit, Attributes, TimeUnix, \
         BucketCounts, ExplicitBounds, AggregationTemporality) VALUES {}",
        rows.join(", ")
    )
}

#[tokio::test]
async fn buckets_of_a_histogram_are_requests_of_their_upper_bounds() -> Result<()> {
    let (counters, hour) = (Counters::new("preset:machines_histogram", HISTOGRAMS).await?, hour()?);
    counters.migrate().await?;
    let cumulative = [
        (30, "[100, 50, 0, 0, 7]", 2),
        (90, "[190, 58, 1, 0, 8]", 2),
        (150, "[3, 0, 0, 0, 9]", 2),
        (210, "[3, 0, 0, 0, 10]", 2),
    ];
    let deltas = [(90, "[90, 8, 1, 0, 1]", 1), (210, "[0, 0, 0, 0, 1]", 1)];
    counters.execute(&histogram(hour, &cumulative)).await?;
    counters.execute(&histogram(hour, &deltas)).await?;
    // Points without buckets or with other numbers of them fail no insert.
    let odd = "INSERT INTO otel_metrics_histogram (ServiceName, MetricName, TimeUnix, BucketCounts, ExplicitBounds, \
               AggregationTemporality) SELECT 's', 'http.server.request.duration', now64(9), [[], [5], [1, 2, 3]][number % 3 + 1], \
               [[], [1.], [nan, inf]][intDiv(number, 3) % 3 + 1], number % 4 FROM numbers(36)";
    counters.execute(odd).await?;
    let keys = [100.0, 250.0, 500.0, 1_000.0].map(Histogram::key);
    for (source, metric) in
        [("request_buckets", "request_duration"), ("request_deltas", "request_duration_delta")]
    {
        let request_end = hour + SignedDuration::from_mins(5);
        let app = counters.app.of_source(source)?;
        let request = EntitiesRequest {
            catalog: &app.catalog,
            window: Window::between(hour, request_end).context("a window")?,
            windows: 1,
            from: hour - SignedDuration::from_hours(24 * 30),
            keys: &[],
            shard: Shard::WHOLE,
            query_id: &counters.world.database,
            deadline: Instant::now() + Duration::from_secs(60),
        };
        let found = app.usage.entities(&request).await?;
        assert_eq!(found.len(), 1, "{metric}");
        let now = &found[0].now;
        // The last bucket has no upper bound, so its request counts as one of its lower bound. The service began again before 2:30,
        // so the minute is a gap.
        let mut shape = now.shape.clone();
        shape.sort_unstable();
        assert_eq!(shape, [(keys[0], 90), (keys[1], 8), (keys[2], 1), (keys[3], 2)], "{metric}");
        assert_eq!((now.events, now.least, now.most), (101, 100.0, 1_000.0), "{metric}");
        let p95 = Histogram::from_iter(now.shape.iter().copied()).percentile(0.95).context("a percentile")?;
        assert!((p95 / 250.0 - 1.0).abs() < 0.025, "{metric}: {p95}");
    }
    Ok(())
}

#[tokio::test]
async fn a_rollup_of_states_is_not_taken_over_for_events() -> Result<()> {
    let counters = Counters::new("preset:machines_sum", SUMS).await?;
    counters.migrate().await?;
    let events = "[[source]]
name = \"machine_counters\"
table = \"otel_metrics_sum\"
tenant = \"'acme'\"
entity = \"ServiceName\"
time = \"TimeUnix\"

[[metric]]
name = \"machine_samples\"
source = \"machine_counters\"
unit = \"samples\"
aggregate = \"count\"
missing = \"gap\"
min_change = 1
";
    let catalog = Catalog::parse(events, "my.toml")?;
    let source = catalog.of("machine_counters").context("the source")?;
    let refused = e2e::warehouse::migrate(&counters.world.clickhouse, &counters.world.database, source).await;
    let error = refused.expect_err("another counter").to_string();
    assert!(
        error.contains("made with another `counter`") && error.contains("meterflow uninstall"),
        "{error}"
    );
    // The rollup still holds what it held.
    counters.migrate().await
}
