//! Samples of Prometheus: ClickHouse's table of time series takes them, and a view of people's own brings them into a plain table.

use anyhow::{Context, Result};
use e2e::World;
use jiff::SignedDuration;

use super::{Counters, hour};

const CATALOG: &str = "[[source]]
name = \"nodes\"
table = \"prometheus_samples\"
tenant = \"'default'\"
entity = \"tags['instance']\"
time = \"timestamp\"
window = \"1m\"

[[metric]]
name = \"node_traffic\"
source = \"nodes\"
unit = \"bytes/s\"
aggregate = \"ratio\"
filter = \"metric_name = 'node_network_receive_bytes_total' AND tags['device'] != 'lo'\"
value = \"value\"
counter = true
series = \"cityHash64(tags)\"
missing = \"gap\"
min_change = 100000

[[metric.rule]]
type = \"vote\"
";

/// As docs/machines.md has them.
const TABLES: [&str; 5] = [
    "CREATE TABLE prometheus_data (id UUID, timestamp DateTime64(3), value Float64) ENGINE = MergeTree ORDER BY (id, timestamp)",
    "CREATE TABLE prometheus_tags (id UUID DEFAULT reinterpretAsUUID(sipHash128(metric_name, all_tags)),
        metric_name LowCardinality(String), tags Map(LowCardinality(String), String), all_tags Map(String, String) EPHEMERAL,
        min_time SimpleAggregateFunction(min, Nullable(DateTime64(3))), max_time SimpleAggregateFunction(max, Nullable(DateTime64(3))))
     ENGINE = AggregatingMergeTree PRIMARY KEY metric_name ORDER BY (metric_name, id)
     SETTINGS allow_dimensions_outside_sorting_key = 1",
    "CREATE TABLE prometheus ENGINE = TimeSeries SAMPLES prometheus_data TAGS prometheus_tags",
    "CREATE TABLE prometheus_samples (timestamp DateTime64(3), metric_name LowCardinality(String), tags Map(String, String),
        value Float64) ENGINE = MergeTree ORDER BY (metric_name, timestamp) TTL toDateTime(timestamp) + INTERVAL 3 DAY",
    "CREATE MATERIALIZED VIEW prometheus_view TO prometheus_samples AS
     SELECT timestamp, metric_name, CAST(tags, 'Map(String, String)') AS tags, value FROM prometheus_data AS data
     INNER JOIN (SELECT id, any(metric_name) AS metric_name, any(tags) AS tags FROM prometheus_tags GROUP BY id) AS tags_of
         ON data.id = tags_of.id",
];

#[tokio::test]
async fn samples_of_a_table_of_time_series_feed_a_source() -> Result<()> {
    let world = World::without_migration().await?;
    let admin = world.clickhouse.clone().with_database("system");
    admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
    let experimental = world.clickhouse.clone().with_setting("allow_experimental_time_series_table", "1");
    for table in TABLES {
        experimental.query_raw(table).execute().await.context(table)?;
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), CATALOG)?;
    let app =
        world.app_with(&[("CATALOG_PATH", file.path().to_str().context("a path")?)], &world.aws).await?;
    let counters = Counters { world, app };
    counters.migrate().await?;
    let hour = hour()?;
    let at = |seconds: i64| format!("fromUnixTimestamp64Milli({})", hour.as_millisecond() + seconds * 1_000);
    let series = |device: &str, samples: &[(i64, f64)]| {
        let samples: Vec<String> =
            samples.iter().map(|(seconds, value)| format!("({}, {value:?})", at(*seconds))).collect();
        format!(
            "('node_network_receive_bytes_total', map('instance', 'web-1', 'device', '{device}'), [{}])",
            samples.join(", ")
        )
    };
    let rows = [
        series("eth0", &[(30, 1_000.0), (45, 1_300.0), (60, 1_900.0), (75, 2_200.0)]),
        series("eth1", &[(30, 50.0), (45, 65.0), (60, 80.0), (75, 95.0)]),
        series("lo", &[(30, 0.0), (75, 1e12)]),
    ];
    let statement =
        format!("INSERT INTO prometheus (metric_name, tags, time_series) VALUES {}", rows.join(", "));
    experimental.query_raw(&statement).execute().await?;
    let found = counters.samples("nodes", "node_traffic", hour + SignedDuration::from_mins(2)).await?;
    assert_eq!(found.windows, [(0, (900.0 + 30.0) / 30.0), (1, (300.0 + 15.0) / 15.0)]);
    Ok(())
}
