//! The spans of our own API, by OTLP through a real collector into the table that the preset for traces reads.

use std::time::Duration;

use anyhow::{Result, bail};
use e2e::World;
use e2e::collector::Collector;
use environment::Env;
use platform::traces::Traces;
use tracing_subscriber::layer::SubscriberExt as _;

/// One span: service, name, kind, status, route, path, status of the answer, and whether it has a parent.
type Row = (String, String, String, String, String, String, String, bool);

async fn spans(world: &World, number: usize) -> Result<Vec<Row>> {
    let text = "SELECT ServiceName, SpanName, SpanKind, StatusCode, SpanAttributes['http.route'], SpanAttributes['url.path'],
                SpanAttributes['http.response.status_code'], ParentSpanId != ''
            FROM otel_traces WHERE SpanName NOT LIKE 'DynamoDB.%' ORDER BY Timestamp, SpanName";
    for _ in 0..200 {
        let rows = world.clickhouse.query_raw(text).fetch_all::<Row>().await?;
        if rows.len() >= number {
            return Ok(rows);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("the spans did not arrive")
}

#[tokio::test]
async fn requests_become_spans_in_the_table_of_the_collector_and_no_value_of_a_customer_does() -> Result<()> {
    let world = World::new().await?;
    let collector = Collector::start(&world).await?;
    let traces = Traces::from_env(&Env::of(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint),
        ("OTEL_SERVICE_NAME", "meterflow-api"),
    ]))?;
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    let _subscribed = tracing::subscriber::set_default(subscriber);

    let api = world.api().await?;
    let usage = "/v1/customers/acme/usage?metric=api_calls&from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z";
    assert_eq!(api.get(usage).await?.status, 200);
    assert_eq!(api.get("/nowhere/acme").await?.status, 404);
    let broken = world.api_with(&[("CLICKHOUSE_URL", "http://127.0.0.1:9")], &world.aws).await?;
    assert_eq!(broken.get(usage).await?.status, 503);
    traces.send().await;

    let all = spans(&world, 5).await?;
    let of = |name: &str| all.iter().filter(|row| row.1 == name).collect::<Vec<_>>();
    let requests = of("GET /v1/customers/{customer_id}/usage");
    let [served, failed] = &requests[..] else { panic!("{all:?}") };
    for row in [served, failed] {
        assert_eq!((row.0.as_str(), row.2.as_str()), ("meterflow-api", "Server"));
        assert_eq!(row.4, "/v1/customers/{customer_id}/usage");
        assert_eq!(row.5, "/v1/customers/822b33ad/usage");
        assert!(!row.7);
    }
    assert_eq!((served.3.as_str(), served.6.as_str()), ("Unset", "200"));
    assert_eq!((failed.3.as_str(), failed.6.as_str()), ("Error", "503"));
    let [unknown] = &of("GET")[..] else { panic!("{all:?}") };
    assert_eq!((unknown.3.as_str(), unknown.4.as_str(), unknown.6.as_str()), ("Unset", "", "404"));
    // One of them failed.
    let questions: Vec<_> =
        of("ClickHouse").iter().map(|row| (row.2.as_str(), row.3.as_str(), row.7)).collect();
    assert!(questions.contains(&("Client", "Unset", true)), "{all:?}");
    assert!(questions.contains(&("Client", "Error", true)), "{all:?}");

    let text = "SELECT countIf(position(row, 'acme') > 0 OR position(row, 'operator') > 0)
        FROM (SELECT formatRowNoNewline('JSONEachRow', *) AS row FROM otel_traces)";
    assert_eq!(world.clickhouse.query_raw(text).fetch_one::<u64>().await?, 0);
    let of_store = "SELECT count() FROM otel_traces WHERE SpanName LIKE 'DynamoDB.%' AND ParentSpanId != ''";
    assert!(world.clickhouse.query_raw(of_store).fetch_one::<u64>().await? > 0);
    Ok(())
}
