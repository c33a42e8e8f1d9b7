//! Traces in the collector's own table: slow, failing, silent and flooded operations, and clients that are up to something.

mod api;
mod layouts;

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use detector::{App, Request};
use e2e::World;
use e2e::world::{END, hourly, run, text, timestamp};
use jiff::{SignedDuration, Timestamp};

const TABLE: &str = include_str!("../../infra/clickhouse/traces_otel.sql");

const SOURCES: [&str; 4] = ["traces", "trace_refusals", "trace_clients", "trace_principals"];

/// The preset's `delay`.
const DELAY: SignedDuration = SignedDuration::from_mins(2);

struct Traces {
    world: World,
    app: App,
    /// The end of the newest five minutes, and of the newest hour.
    end: Timestamp,
    hour: Timestamp,
}

/// Spans of a service, at equal distances over a period that ends so many seconds before a time.
struct Spans<'a> {
    name: &'a str,
    end: Timestamp,
    /// Seconds before the end: the period begins at the first.
    period: (i64, i64),
    /// The same spans come at the same time of so many days.
    days: u64,
    /// Spans of a day.
    number: u64,
    /// SQL of a number, from 0 on.
    milliseconds: &'a str,
    is_bad: &'a str,
    attributes: &'a str,
}

impl Spans<'_> {
    fn select(&self) -> String {
        let Self { name, end, period: (from, until), days, number, milliseconds, is_bad, attributes } = self;
        format!(
            "SELECT fromUnixTimestamp64Nano({end} - toInt64((day * 86400 + {from} - ({from} - {until}) * (number + 0.5) / {number}) * 1e9)),
                 lower(hex(cityHash64('{name}', {from}, day, number))), lower(hex(sipHash64('{name}', {from}, day, number))), '{name}', 'Server',
                 'shop', map('service.namespace', 'acme'), map({attributes}), toUInt64(({milliseconds}) * 1e6),
                 if({is_bad}, 'Error', 'Unset')
             FROM numbers({number}) AS spans CROSS JOIN (SELECT number AS day FROM numbers({days})) AS days",
            end = end.as_nanosecond()
        )
    }
}

impl Traces {
    async fn new() -> Result<Self> {
        Self::in_layout("preset:traces_otel", TABLE).await
    }

    async fn in_layout(catalog: &str, table: &str) -> Result<Self> {
        let world = World::without_migration().await?;
        let admin = world.clickhouse.clone().with_database("system");
        admin.query_raw(&format!("CREATE DATABASE {}", world.database)).execute().await?;
        world.clickhouse.query_raw(table.trim_end().trim_end_matches(';')).execute().await?;
        let app = world.app_with(&[("CATALOG_PATH", catalog)], &world.aws).await?;
        for source in app.catalog.all() {
            e2e::warehouse::make_tables(&world.clickhouse, &world.database, source).await?;
        }
        let now = (timestamp() - DELAY).as_second() - 2;
        let floored = |length: i64| Timestamp::from_second(now - now.rem_euclid(length));
        Ok(Self { world, app, end: floored(300)?, hour: floored(3_600)? })
    }

    /// One insert for all, because each insert wakes all views.
    async fn insert(&self, all: &[Spans<'_>]) -> Result<()> {
        let rows: Vec<String> = all.iter().map(Spans::select).collect();
        let insert = format!(
            "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, SpanAttributes,
                 Duration, StatusCode)
             {}",
            rows.join("\nUNION ALL\n")
        );
        Ok(self.world.clickhouse.query_raw(&insert).execute().await?)
    }

    /// Ten days of an operation at this hour, the last two hours and more, and its newest five minutes.
    fn operation<'a>(&self, name: &'a str, newest: Spans<'a>) -> [Spans<'a>; 3] {
        let usual = Spans {
            name,
            end: self.end,
            period: (0, 0),
            days: 1,
            number: 0,
            milliseconds: "80 + number % 40",
            is_bad: "number % 100 = 7",
            attributes: "",
        };
        let into_the_hour = (self.end - SignedDuration::from_secs(300)).as_second().rem_euclid(3_600) + 300;
        let start = 86_400 + into_the_hour;
        [
            Spans { period: (start, start - 3_600), days: 10, number: 480, ..usual },
            Spans { period: (9_000, 300), number: 1_160, ..usual },
            Spans { name, end: self.end, ..newest },
        ]
    }

    /// What a run of a source finds: metric, entity, direction and severity.
    async fn found(&self, source: &str) -> Result<BTreeSet<[String; 4]>> {
        let is_of_minutes = ["traces", "trace_refusals"].contains(&source);
        let time = if is_of_minutes { self.end } else { self.hour } + DELAY;
        let request = Request { source: Some(source.to_owned()), time, ..hourly(END) };
        run(&self.app.of_source(source)?, &request).await.with_context(|| format!("the run of {source}"))?;
        let items = self.world.all_items().await?;
        let of_source = items
            .iter()
            .filter(|item| text(item, "sk").starts_with("ANOMALY") && text(item, "source") == source);
        Ok(of_source
            .map(|item| ["metric", "entity", "direction", "severity"].map(|name| text(item, name)))
            .collect())
    }
}

fn expected(found: &[[&str; 4]]) -> BTreeSet<[String; 4]> {
    found.iter().map(|of| of.map(str::to_owned)).collect()
}

#[tokio::test]
async fn each_planted_fault_is_found_and_nothing_else() -> Result<()> {
    let traces = Traces::new().await?;
    let newest = |number, milliseconds, is_bad| Spans {
        name: "",
        end: traces.end,
        period: (300, 0),
        days: 1,
        number,
        milliseconds,
        is_bad,
        attributes: "",
    };
    let fine = "80 + number % 40";
    let operations = [
        ("GET /as-usual", newest(40, fine, "number % 100 = 7")),
        ("GET /slow", newest(40, "400", "false")),
        ("POST /failing", newest(40, fine, "number % 3 = 0")),
        ("GET /silent", newest(0, fine, "false")),
        ("GET /flooded", newest(400, fine, "false")),
    ];
    let spans = operations.into_iter().flat_map(|(name, of_newest)| traces.operation(name, of_newest));
    traces.insert(&spans.collect::<Vec<_>>()).await?;
    assert_eq!(
        traces.found("traces").await?,
        expected(&[
            ["trace_latency", "shop / GET /slow", "spike", "critical"],
            ["trace_error_rate", "shop / POST /failing", "spike", "critical"],
            ["trace_throughput", "shop / GET /silent", "drop", "warning"],
            ["trace_throughput", "shop / GET /flooded", "spike", "critical"],
        ])
    );
    let items = traces.world.all_items().await?;
    let slow = items
        .iter()
        .find(|item| text(item, "metric") == "trace_latency" && text(item, "sk").starts_with("ANOMALY"));
    let examples =
        slow.and_then(|item| item.get("examples")?.as_l().ok()).context("examples of slow spans")?;
    assert_eq!(examples.len(), 5, "{examples:?}");
    // The trace of each can be opened.
    let ids = slow.and_then(|item| item.get("example_ids")?.as_l().ok()).context("the ids of slow spans")?;
    for (example, ids) in examples.iter().zip(ids) {
        let ids = ids.as_m().ok().context("a map of ids")?;
        assert_eq!(Some(example), ids.get("span_id"));
        let trace = ids.get("trace_id").and_then(|id| id.as_s().ok()).context("a trace")?;
        let text = "SELECT count() FROM otel_traces WHERE TraceId = ? AND SpanId = ?";
        let span = example.as_s().ok().context("a span")?;
        let found = traces.world.clickhouse.query(text).bind(trace).bind(span).fetch_one::<u64>().await?;
        assert_eq!(found, 1, "{trace} {span}");
    }
    Ok(())
}

#[tokio::test]
async fn refused_logins_of_one_client_are_told_and_a_success_after_them_is_critical() -> Result<()> {
    let traces = Traces::new().await?;
    let mut logins = Vec::new();
    for (client, refused, accepted) in [("10.0.0.1", 4, 3), ("203.0.113.7", 15, 0), ("203.0.113.9", 15, 1)] {
        for (number, period, status) in [(refused, (290, 100), "401"), (accepted, (90, 10), "200")] {
            let attributes = format!(
                "'client.address', '{client}', 'http.route', '/login', 'http.request.method', 'POST', \
                 'http.response.status_code', '{status}'"
            );
            logins.push((format!("POST /login {client}"), number, period, attributes));
        }
    }
    let spans = logins.iter().map(|(name, number, period, attributes)| Spans {
        name,
        end: traces.end,
        period: *period,
        days: 1,
        number: *number,
        milliseconds: "20",
        is_bad: "false",
        attributes,
    });
    traces.insert(&spans.collect::<Vec<_>>()).await?;
    assert_eq!(
        traces.found("trace_refusals").await?,
        expected(&[
            ["refused_logins", "203.0.113.7", "spike", "warning"],
            ["refused_logins", "203.0.113.9", "spike", "critical"],
        ])
    );
    Ok(())
}

#[tokio::test]
async fn a_client_that_tries_paths_and_a_principal_with_a_new_client_are_told() -> Result<()> {
    let traces = Traces::new().await?;
    let spans = |name, period, number, attributes| Spans {
        name,
        end: traces.hour,
        period,
        days: 1,
        number,
        milliseconds: "20",
        is_bad: "false",
        attributes,
    };
    let month = (12 * 86_400, 3_600);
    let own = "'client.address', '10.0.0.1', 'enduser.id', 'ada', 'url.path', concat('/orders/', toString(number % 5))";
    let scanner = "'client.address', '203.0.113.7', 'url.path', concat('/admin/', toString(number))";
    let refused = |client: &str, principals: u64| {
        format!(
            "'client.address', '{client}', 'url.path', '/login', 'http.response.status_code', '401', \
             'enduser.id', concat('user', toString(number % {principals}))"
        )
    };
    let (sprays, forgets) = (refused("198.51.100.1", 5), refused("198.51.100.2", 4));
    let stolen = "'client.address', '203.0.113.9', 'enduser.id', 'ada', 'url.path', '/orders/1'";
    let all = [
        spans("GET /orders", month, 3_000, own),
        spans("GET /orders", (3_600, 0), 12, own),
        spans("GET /admin", (3_600, 0), 300, scanner),
        spans("GET /orders", (3_000, 2_000), 1, stolen),
        spans("POST /login", (3_000, 2_000), 8, &sprays),
        spans("POST /logins", (3_000, 2_000), 8, &forgets),
    ];
    traces.insert(&all).await?;
    assert_eq!(
        traces.found("trace_clients").await?,
        expected(&[
            ["client_paths", "203.0.113.7", "spike", "warning"],
            ["refused_principals", "198.51.100.1", "spike", "warning"],
        ])
    );
    assert_eq!(
        traces.found("trace_principals").await?,
        expected(&[["new_client", "ada", "spike", "warning"]])
    );
    Ok(())
}

#[tokio::test]
async fn only_spans_that_a_service_received_count_and_ids_in_names_are_masked() -> Result<()> {
    let traces = Traces::new().await?;
    let row = |second: i64, name: &str, kind: &str, duration: &str, attributes: &str| {
        format!(
            "(fromUnixTimestamp64Nano({} - {second} * 1000000000), 't', '{name}{second}', '{name}', '{kind}', 'shop', map({attributes}), {duration})",
            traces.end.as_nanosecond()
        )
    };
    let rows = [
        row(10, "GET /users/42/orders", "Server", "1000000", ""),
        row(20, "GET /users/43/orders", "SPAN_KIND_SERVER", "2000000", ""),
        row(25, "GET /users/550e8400-e29b-41d4-a716-446655440000/orders", "Server", "1000000", ""),
        row(30, "orders 0a1b2c3d4e5f6071", "Consumer", "3000000", ""),
        row(40, "GET", "Server", "4000000", "'http.route', '/v1/users', 'http.request.method', 'GET'"),
        // A clock that went back makes a duration below zero, which is none.
        row(
            50,
            "GET",
            "Server",
            "18446744073709551615",
            "'http.route', '/v1/users', 'http.request.method', 'GET'",
        ),
        row(60, "SELECT", "Client", "1000000", ""),
        row(70, "compute", "Internal", "1000000", ""),
        row(-7_200, "GET /users/44/orders", "Server", "1000000", ""),
    ];
    traces
        .world
        .clickhouse
        .query_raw(&format!(
            "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, SpanAttributes, Duration) VALUES {}",
            rows.join(", ")
        ))
        .execute()
        .await?;
    let text = "SELECT concat(replaceAll(toString(customer_id), '\\x1f', ' | '), ': ', toString(sum(events)), ' of ', toString(sum(total)))
                FROM traces_minute WHERE metric = 'trace_latency' GROUP BY customer_id ORDER BY 1";
    let counted: Vec<String> = traces.world.clickhouse.query_raw(text).fetch_all().await?;
    assert_eq!(
        counted,
        [
            "default | shop | GET /users/*/orders: 3 of 4",
            "default | shop | GET /v1/users: 1 of 4",
            "default | shop | orders *: 1 of 3",
        ]
    );
    for source in SOURCES {
        assert!(traces.app.catalog.of(source).is_some(), "{source}");
    }
    Ok(())
}
