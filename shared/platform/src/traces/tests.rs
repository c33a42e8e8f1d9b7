use opentelemetry::trace::{SpanKind, Status};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

fn traces(endpoint: &str) -> Traces {
    Traces::from_env(&Env::of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_SERVICE_NAME", "api")]))
        .unwrap()
}

/// The spans that wait after some work.
fn spans_of(traces: &Traces, work: impl FnOnce()) -> Vec<SpanData> {
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, work);
    take(&mut *traces.0.as_ref().unwrap().finished.waiting()).0
}

fn request() -> Span {
    tracing::debug_span!(
        target: TARGET,
        "request",
        otel.name = "GET /v1/incidents",
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
    )
}

#[test]
fn a_request_and_what_it_asks_become_one_trace() {
    let spans = spans_of(&traces(NOBODY), || {
        let request = request();
        let _entered = request.enter();
        fail(&clickhouse_query("db.example"), "unavailable");
        drop(
            tracing::debug_span!(target: "aws_sdk_dynamodb::operation::query", "DynamoDB.Query", "rpc.method" = "Query"),
        );
    });
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["ClickHouse", "DynamoDB.Query", "GET /v1/incidents"]);
    let [query, of_store, request] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&query.span_kind, &request.span_kind), (&SpanKind::Client, &SpanKind::Server));
    assert_eq!((&query.status, &request.status), (&Status::error(""), &Status::Unset));
    for child in [query, of_store] {
        assert_eq!(child.parent_span_id, request.span_context.span_id());
        assert_eq!(child.span_context.trace_id(), request.span_context.trace_id());
    }
    assert!(query.attributes.contains(&KeyValue::new("server.address", "db.example")));
    assert!(query.attributes.contains(&KeyValue::new("error.type", "unavailable")));
}

#[test]
fn log_events_and_spans_of_others_stay_here() {
    let spans = spans_of(&traces(NOBODY), || {
        let request = request();
        let _entered = request.enter();
        tracing::warn!(customer.id = "acme", "a broken hour is left out");
        drop(tracing::info_span!(target: "hyper", "connection"));
        drop(tracing::debug_span!(target: "aws_sdk_dynamodb::config", "something else"));
    });
    let [request] = &spans[..] else { panic!("{spans:?}") };
    assert!(request.events.is_empty());
    assert!(!format!("{request:?}").contains("acme"));
}

#[test]
fn the_first_span_is_kept_when_there_are_too_many() {
    let spans = spans_of(&traces(NOBODY), || {
        let request = request();
        let _entered = request.enter();
        (0..2 * MAX_SPANS).for_each(|_| drop(clickhouse_query("db.example")));
    });
    assert_eq!(spans.len(), MAX_SPANS + 1);
    assert_eq!(spans.last().unwrap().name, "GET /v1/incidents");
}

#[test]
fn without_an_address_there_are_no_spans_and_a_wrong_one_is_refused() {
    assert!(Traces::from_env(&Env::of(&[])).unwrap().0.is_none());
    for wrong in ["localhost:4318", "ftp://localhost", "4318", "http://"] {
        let error = Traces::from_env(&Env::of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)])).unwrap_err();
        let expected = format!(
            "OTEL_EXPORTER_OTLP_ENDPOINT={wrong} is not valid: an address such as http://localhost:4318"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_collector_that_takes_nothing_is_left_alone_for_a_while() {
    let traces = traces(NOBODY);
    let sending = traces.0.as_ref().unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    let _subscribed = tracing::subscriber::set_default(subscriber);
    drop(request());
    traces.send().await;
    let until = sending.paused().expect("a pause");
    assert!(until > Instant::now() + PAUSE / 2);
    drop(request());
    traces.send().await;
    assert!(sending.finished.waiting().0.is_empty(), "spans do not pile up");
    assert_eq!(*sending.paused(), Some(until), "nothing was sent in the pause");
}
