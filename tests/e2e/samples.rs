//! The values of samples, which ClickHouse makes: those of each aggregate, computed by hand.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use catalog::Shard;
use detection::Window;
use detector::App;
use e2e::World;
use e2e::world::timestamp;
use jiff::{SignedDuration, Timestamp};
use warehouse::usage::{EntitiesRequest, EntitySamples, MetricSamples};

use crate::installation::path;

const TABLE: &str = "CREATE TABLE points (host String, at DateTime64(3, 'UTC'), value Float64, failed Bool)
    ENGINE = MergeTree ORDER BY at";

const SOURCE: &str = "[[source]]
name = \"points\"
table = \"points\"
tenant = \"'acme'\"
entity = \"host\"
time = \"at\"
bad = \"failed\"
window = \"1m\"
";

/// Aggregates with what their metrics need.
const AGGREGATES: [(&str, &str); 9] = [
    ("count", ""),
    ("rate", ""),
    ("ratio", "value = \"toFloat64(failed)\"\nper = \"2.\""),
    ("last", "value = \"value\""),
    ("sum", "value = \"value\""),
    ("max", "value = \"value\""),
    ("min", "value = \"value\""),
    ("avg", "value = \"value\""),
    ("p95", "value = \"value\""),
];

fn metric(aggregate: &str, name: &str, further: &str) -> String {
    format!(
        "[[metric]]\nname = \"{name}\"\nsource = \"points\"\nunit = \"points\"\naggregate = \"{aggregate}\"\nmin_change = 1\n{further}\n\
         [[metric.rule]]\ntype = \"unseen_shape\"\nmin_change = 1\n"
    )
}

/// A table of points, with a catalog of some metrics of theirs.
struct Points {
    world: World,
    app: App,
    /// The end of the judged minute: the tenth of an hour.
    end: Timestamp,
}

impl Points {
    async fn new(metrics: &[String]) -> Result<Self> {
        let world = World::without_migration().await?;
        let admin = world.clickhouse.clone().with_database("system");
        admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
        world.clickhouse.query_raw(TABLE).execute().await?;
        let mut catalog = tempfile::Builder::new().suffix(".toml").tempfile()?;
        write!(catalog, "{SOURCE}{}", metrics.concat())?;
        let settings = [("CATALOG_PATH", path(catalog.path())?)];
        let app = world.app_with(&settings, &world.aws).await?.of_source("points")?;
        e2e::warehouse::migrate(&world.clickhouse, &world.database, &app.catalog).await?;
        let hour = timestamp().as_second() - 7_200;
        let end = Timestamp::from_second(hour - hour.rem_euclid(3_600) + 600)?;
        Ok(Self { world, app, end })
    }

    /// Points of a host: seconds before the end, value, and whether it failed.
    async fn insert(&self, host: &str, points: &[(i64, f64, bool)]) -> Result<()> {
        let row = |(ago, value, failed): &(i64, f64, bool)| {
            let at = self.end.as_millisecond() - ago * 1_000;
            format!("('{host}', fromUnixTimestamp64Milli({at}), {value}, {failed})")
        };
        let rows: Vec<String> = points.iter().map(row).collect();
        let text = format!("INSERT INTO points VALUES {}", rows.join(", "));
        Ok(self.world.clickhouse.query_raw(&text).execute().await?)
    }

    async fn read(&self) -> Result<Vec<(String, BTreeMap<String, MetricSamples>)>> {
        let catalog = &self.app.catalog;
        let request = EntitiesRequest {
            catalog,
            window: Window::between(self.end - SignedDuration::from_mins(1), self.end).context("a window")?,
            windows: 1,
            from: self.end - SignedDuration::from_hours(24 * 30),
            keys: &[],
            shard: Shard::WHOLE,
            query_id: &self.world.database,
            deadline: Instant::now() + Duration::from_secs(60),
        };
        let mut found = Vec::new();
        self.app.usage.samples(&request, |samples| found.push(samples)).await?;
        let names: Vec<String> = catalog.ruled().iter().map(|spec| spec.name.to_string()).collect();
        let named = |EntitySamples { key, metrics }: EntitySamples| {
            let metrics: BTreeMap<String, MetricSamples> = names.iter().cloned().zip(metrics).collect();
            Ok((String::from_utf8(key)?, metrics))
        };
        let mut all = found.into_iter().map(named).collect::<Result<Vec<_>>>()?;
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (_, metrics) in &mut all {
            for of in metrics.values_mut() {
                of.windows.sort_by_key(|(ago, _)| *ago);
                of.hours.sort_by_key(|(hour, _)| *hour);
                of.days.sort_by_key(|(day, ..)| *day);
            }
        }
        Ok(all)
    }
}

/// Seconds of an hour and of a day.
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

#[tokio::test]
async fn a_sample_is_the_value_of_its_aggregate() -> Result<()> {
    let metrics =
        AGGREGATES.map(|(name, further)| metric(name, name, &format!("missing = \"gap\"\n{further}")));
    let points = Points::new(&metrics).await?;
    points
        .insert(
            "web-1",
            &[
                // The judged minute has a value below zero and one that is none.
                (50, 4.0, false),
                (40, f64::NAN, false),
                (30, 10.0, true),
                (20, -2.0, false),
                // The minute before has nothing usable.
                (80, f64::NAN, true),
                (200, 7.0, false),
                // The same hour of the two days before.
                (DAY, 3.0, true),
                (DAY + 10, 5.0, false),
                (2 * DAY, 9.0, false),
                (2 * DAY + 10, 1.0, false),
            ],
        )
        .await?;
    // Without a window there is no row.
    points.insert("web-2", &[(DAY, 1.0, false)]).await?;
    let all = points.read().await?;
    assert_eq!(all.iter().map(|(host, _)| host.as_str()).collect::<Vec<_>>(), ["acme\u{1f}web-1"]);
    let of = |name: &str| &all[0].1[name];
    let expected = [
        ("count", vec![(0, 4.0), (1, 1.0), (3, 1.0)], [2.0, 2.0]),
        ("rate", vec![(0, 0.25), (1, 1.0), (3, 0.0)], [0.0, 0.5]),
        ("ratio", vec![(0, 0.125), (1, 0.5), (3, 0.0)], [0.0, 0.25]),
        ("last", vec![(0, -2.0), (3, 7.0)], [9.0, 3.0]),
        ("sum", vec![(0, 14.0), (3, 7.0)], [10.0, 8.0]),
        ("max", vec![(0, 10.0), (3, 7.0)], [9.0, 5.0]),
        ("min", vec![(0, 4.0), (3, 7.0)], [1.0, 3.0]),
        ("avg", vec![(0, 7.0), (3, 7.0)], [5.0, 4.0]),
    ];
    let first = |ago: i64| {
        let at = points.end.as_second() - ago;
        at - at.rem_euclid(HOUR)
    };
    for (name, windows, hours) in expected {
        let found = of(name);
        assert_eq!(found.windows, windows, "{name}");
        assert_eq!(found.hours, [(first(2 * DAY), hours[0]), (first(DAY), hours[1])], "{name}");
    }
    // A percentile is of a bucket.
    let p95 = of("p95");
    for ((found, expected), ago) in p95.windows.iter().zip([10.0, 7.0]).zip([0, 3]) {
        assert!(found.0 == ago && (found.1 / expected - 1.0).abs() < 0.025, "{found:?}");
    }
    assert_eq!((p95.windows.len(), p95.hours.len()), (2, 2));
    // The extremes of a day are those of its usable values, and only a metric among whose values its aggregate is has them.
    let day = |ago: i64| {
        let at = points.end.as_second() - ago;
        at - at.rem_euclid(DAY)
    };
    for name in ["avg", "last"] {
        assert_eq!(of(name).days.first(), Some(&(day(2 * DAY), 1.0, 9.0)), "{name}");
    }
    for name in ["count", "rate", "ratio", "sum", "max", "min", "p95"] {
        assert_eq!(of(name).days, [], "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_sample_without_a_usable_value_may_be_zero() -> Result<()> {
    let metrics = [
        metric("sum", "zero", "missing = \"zero\"\nvalue = \"value\""),
        metric("p95", "gap", "missing = \"gap\"\nvalue = \"value\""),
    ];
    let points = Points::new(&metrics).await?;
    points.insert("web-1", &[(30, f64::NAN, false), (90, 2.0, false)]).await?;
    let all = points.read().await?;
    assert_eq!(all[0].1["zero"].windows, [(0, 0.0), (1, 2.0)]);
    let gap = &all[0].1["gap"].windows;
    assert!(matches!(gap.as_slice(), [(1, value)] if (value / 2.0 - 1.0).abs() < 0.025), "{gap:?}");
    Ok(())
}
