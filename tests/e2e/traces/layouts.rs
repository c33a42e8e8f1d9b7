//! The presets for other tables of spans count what the preset for the collector's maps counts.

use std::fs;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use super::{TABLE, Traces};

const MAP: &str = "Map(LowCardinality(String), String)";

const SIGNOZ: &str = "CREATE TABLE signoz_index_v3 (ts_bucket_start UInt64, resource_fingerprint String, timestamp DateTime64(9), \
    trace_id FixedString(32), span_id String, parent_span_id String, name LowCardinality(String), kind Int8, kind_string String, \
    duration_nano UInt64, status_code Int16, status_code_string String, attributes_string Map(LowCardinality(String), String), \
    attributes_number Map(LowCardinality(String), Float64), resources_string Map(LowCardinality(String), String), \
    response_status_code LowCardinality(String), has_error Bool, `resource_string_service$$name` LowCardinality(String)) \
    ENGINE = MergeTree PARTITION BY toDate(timestamp) \
    ORDER BY (ts_bucket_start, resource_fingerprint, has_error, name, timestamp)";

/// A span as each exporter writes it.
struct Span {
    name: &'static str,
    kind: &'static str,
    milliseconds: u64,
    status: &'static str,
    attributes: &'static [(&'static str, &'static str)],
    answer: u16,
}

const SPANS: [Span; 5] = [
    Span {
        name: "GET",
        kind: "Server",
        milliseconds: 10,
        status: "Unset",
        attributes: &[
            ("http.route", "/users/{id}"),
            ("http.request.method", "GET"),
            ("url.path", "/users/1"),
        ],
        answer: 200,
    },
    Span {
        name: "GET",
        kind: "Server",
        milliseconds: 20,
        status: "Error",
        attributes: &[
            ("http.route", "/users/{id}"),
            ("http.request.method", "GET"),
            ("url.path", "/users/2"),
        ],
        answer: 500,
    },
    Span {
        name: "POST /login",
        kind: "Server",
        milliseconds: 30,
        status: "Unset",
        attributes: &[("client.address", "203.0.113.7"), ("enduser.id", "ada")],
        answer: 401,
    },
    Span {
        name: "orders 4711",
        kind: "Consumer",
        milliseconds: 40,
        status: "Unset",
        attributes: &[],
        answer: 0,
    },
    Span { name: "SELECT", kind: "Client", milliseconds: 50, status: "Error", attributes: &[], answer: 0 },
];

fn time_of(number: usize, end: Timestamp) -> String {
    let time = end - SignedDuration::from_secs(10 * (number as i64 + 1));
    format!("fromUnixTimestamp64Nano({})", time.as_nanosecond())
}

fn map_of(pairs: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("'{name}', '{value}'")).collect();
    format!("map({})", pairs.join(", "))
}

/// Rows of the collector's table. `as_stored` makes a column of a map.
fn rows_of_collector(end: Timestamp, as_stored: fn(String) -> String) -> String {
    let rows = SPANS.iter().enumerate().map(|(number, span)| {
        let answer = span.answer.to_string().leak();
        let answers = (span.answer > 0).then_some(("http.response.status_code", &*answer));
        format!(
            "SELECT {}, 't', 's{number}', '{}', '{}', 'shop', {}, {}, toUInt64({}), '{}'",
            time_of(number, end),
            span.name,
            span.kind,
            as_stored(map_of([("service.namespace", "acme")].into_iter())),
            as_stored(map_of(span.attributes.iter().copied().chain(answers))),
            span.milliseconds * 1_000_000,
            span.status
        )
    });
    format!(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, SpanAttributes, \
         Duration, StatusCode) {}",
        rows.collect::<Vec<_>>().join(" UNION ALL ")
    )
}

fn rows_of_signoz(end: Timestamp) -> String {
    let rows = SPANS.iter().enumerate().map(|(number, span)| {
        format!(
            "SELECT {}, repeat('t', 32), 's{number}', '{}', '{}', 'shop', {}, {}, toUInt64({}), '{}', '{}'",
            time_of(number, end),
            span.name,
            span.kind,
            map_of([("service.namespace", "acme")].into_iter()),
            map_of(span.attributes.iter().copied()),
            span.milliseconds * 1_000_000,
            span.status,
            if span.answer > 0 { span.answer.to_string() } else { String::new() }
        )
    });
    format!(
        "INSERT INTO signoz_index_v3 (timestamp, trace_id, span_id, name, kind_string, `resource_string_service$$name`, \
         resources_string, attributes_string, duration_nano, status_code_string, response_status_code) {}",
        rows.collect::<Vec<_>>().join(" UNION ALL ")
    )
}

/// What the rollups of all sources hold of these spans: metric, customer and entity, events and total.
async fn counted(traces: &Traces, rows: &str) -> Result<Vec<String>> {
    traces.world.clickhouse.query_raw(rows).execute().await?;
    let rollups =
        ["traces_minute", "trace_refusals_minute", "trace_clients_hourly", "trace_principals_hourly"];
    let parts = rollups.map(|rollup| {
        format!(
            "SELECT concat(metric, ' of ', replaceAll(toString(customer_id), '\\x1f', ' | '), ': ', toString(sum(events)), ' with ', \
             toString(sum(total))) AS line FROM {rollup} GROUP BY metric, customer_id"
        )
    });
    let text = format!("SELECT line FROM ({}) ORDER BY line", parts.join(" UNION ALL "));
    Ok(traces.world.clickhouse.query_raw(&text).fetch_all().await?)
}

#[tokio::test]
async fn the_layouts_of_the_collector_and_of_signoz_count_the_same() -> Result<()> {
    let maps = Traces::new().await?;
    let of_maps = counted(&maps, &rows_of_collector(maps.end, |map| map)).await?;
    for line in [
        "trace_latency of acme | shop | GET /users/{id}: 2 with 30",
        "trace_throughput of acme | shop | orders *: 1 with 1",
        "refused_logins of acme | 203.0.113.7: 1 with 1",
        "client_paths of acme | 203.0.113.7: 1 with 1",
        "activity_at_odd_hours of acme | ada: 1 with 1",
    ] {
        assert!(of_maps.contains(&line.to_owned()), "{line} in {of_maps:#?}");
    }
    assert!(!of_maps.iter().any(|line| line.contains("SELECT")), "{of_maps:#?}");

    let in_json = TABLE.replace(&format!("ResourceAttributes {MAP}"), "ResourceAttributes JSON");
    let in_json = in_json.replace(&format!("SpanAttributes {MAP}"), "SpanAttributes JSON");
    let json = Traces::in_layout("preset:traces_otel_json", &in_json).await?;
    // The exporter writes a status as a number.
    let rows = rows_of_collector(json.end, |map| {
        format!(r#"replaceRegexpOne(toJSONString({map}), '(status_code":)"([0-9]+)"', '\\1\\2')::JSON"#)
    });
    assert_eq!(counted(&json, &rows).await?, of_maps, "attributes in JSON columns");

    let directory = tempfile::tempdir()?;
    let file = directory.path().join("signoz.toml");
    let preset = include_str!("../../../shared/catalog/presets/traces_signoz.toml");
    // The database of SigNoz has one name on the server, and this test has a database of its own.
    fs::write(&file, preset.replace("signoz_traces.signoz_index_v3", "signoz_index_v3"))?;
    let signoz = Traces::in_layout(&file.to_string_lossy(), SIGNOZ).await?;
    assert_eq!(counted(&signoz, &rows_of_signoz(signoz.end)).await?, of_maps, "the table of SigNoz");
    Ok(())
}
