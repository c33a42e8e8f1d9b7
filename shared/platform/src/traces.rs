//! Spans of our own functions, for a collector of OpenTelemetry. Off, unless `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector.
//!
//! Lambda freezes a process as soon as the process has answered. So finished spans wait in memory, and [`Traces::send`] sends
//! them just before an answer leaves. A collector that does not take them costs an answer [`SEND_TIME`] at most, and then nothing
//! for [`PAUSE`]. No answer fails because of its spans.
//!
//! Spans hold no value of a customer. So log events never become part of a span, and the texts of errors do not either.

use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use environment::{ConfigError, Env};
use opentelemetry::trace::{SpanId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as _, SpanProcessor};
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// The target of our own spans. Spans of other targets are for logs alone.
pub const TARGET: &str = "meterflow::traces";

/// The longest time that sending may take of an answer.
const SEND_TIME: Duration = Duration::from_millis(500);

/// The time without another try after a collector did not take spans.
const PAUSE: Duration = Duration::from_secs(30);

/// So many spans of one answer are kept. A run can make many thousand calls to the store.
const MAX_SPANS: usize = 1_000;

/// Where spans go.
#[derive(Debug, Default)]
pub struct Traces(Option<Sending>);

#[derive(Debug)]
struct Sending {
    provider: SdkTracerProvider,
    exporter: SpanExporter,
    finished: Finished,
    paused_until: Mutex<Option<Instant>>,
}

/// Finished spans that wait, and the number of those that were dropped.
#[derive(Clone, Debug, Default)]
struct Finished(Arc<Mutex<(Vec<SpanData>, usize)>>);

#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("cannot prepare the sending of spans to {endpoint}")]
    Client {
        endpoint: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Traces {
    /// Reads the address of the collector, such as `http://localhost:4318`. Spans go to the path `/v1/traces` below it, as
    /// protobuf over HTTP. The variables `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_EXPORTER_OTLP_HEADERS` and
    /// `OTEL_TRACES_SAMPLER` mean what OpenTelemetry says.
    ///
    /// # Errors
    ///
    /// When the address is none, or TLS cannot be prepared.
    pub fn from_env(env: &Env<'_>) -> Result<Self, TracesError> {
        const VARIABLE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let Some(endpoint) = env.get(VARIABLE) else { return Ok(Self::default()) };
        let is_address = reqwest::Url::parse(&endpoint)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !is_address {
            return Err(
                ConfigError::invalid(VARIABLE, endpoint, "an address such as http://localhost:4318").into()
            );
        }
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| TracesError::Client {
            endpoint: endpoint.clone(),
            source,
        };
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A connection that was kept while the process was frozen may be dead.
            .pool_idle_timeout(Duration::from_secs(5))
            .timeout(SEND_TIME)
            .build()
            .map_err(|source| failed(source.into()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            .map_err(|source| failed(source.into()))?;
        let function = || env.get("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| "meterflow".to_owned());
        let resource = Resource::builder()
            .with_attribute(KeyValue::new("cloud.provider", "aws"))
            .with_attribute(KeyValue::new("service.version", crate::version()))
            .with_service_name(env.get("OTEL_SERVICE_NAME").unwrap_or_else(function))
            .build();
        Ok(Self(Some(Sending::new(exporter, resource))))
    }

    /// The layer of a subscriber that takes our spans and those of calls to AWS. `None` if spans go nowhere.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.0.as_ref()?.provider.tracer("meterflow");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_level(false);
        Some(layer.with_filter(filter_fn(is_sent)))
    }

    /// Sends the spans that have ended. To be called when the work for an answer is done.
    pub async fn send(&self) {
        if let Some(sending) = &self.0 {
            sending.send().await;
        }
    }
}

/// The span of a question to ClickHouse. The span lasts until it is dropped.
pub fn clickhouse_query(host: &str) -> Span {
    tracing::debug_span!(
        target: TARGET,
        "clickhouse",
        otel.name = "ClickHouse",
        otel.kind = "client",
        db.system.name = "clickhouse",
        server.address = host,
        otel.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
    )
}

/// Marks the work of a span as failed.
///
/// * `kind`: a word for the kind of failure. Never a text with values.
pub fn fail(span: &Span, kind: &str) {
    span.record("otel.status_code", "ERROR").record("error.type", kind);
}

/// Whether a span is sent: our own, and one for each call to a service of AWS.
fn is_sent(metadata: &Metadata<'_>) -> bool {
    let is_of_aws =
        || metadata.target().starts_with("aws_sdk_") && metadata.fields().field("rpc.method").is_some();
    metadata.is_span() && (metadata.target() == TARGET || is_of_aws())
}

impl Sending {
    fn new(exporter: SpanExporter, resource: Resource) -> Self {
        let mut exporter = exporter;
        exporter.set_resource(&resource);
        let finished = Finished::default();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(finished.clone())
            .with_resource(resource)
            .build();
        Self { provider, exporter, finished, paused_until: Mutex::default() }
    }

    async fn send(&self) {
        let (spans, mut dropped) = take(&mut *self.finished.waiting());
        let is_paused = self.paused().is_some_and(|until| Instant::now() < until);
        let number = spans.len();
        if is_paused || spans.is_empty() {
            dropped += number;
        } else {
            let sent = tokio::time::timeout(SEND_TIME, self.exporter.export(spans)).await;
            let error = match sent {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} ms", SEND_TIME.as_millis())),
            };
            if let Some(error) = error {
                dropped += number;
                *self.paused() = Some(Instant::now() + PAUSE);
                tracing::warn!(
                    error,
                    pause_seconds = PAUSE.as_secs(),
                    "the collector of OpenTelemetry took no spans"
                );
            }
        }
        if dropped > 0 {
            tracing::debug!(dropped, "spans were dropped");
        }
    }

    fn paused(&self) -> MutexGuard<'_, Option<Instant>> {
        self.paused_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Finished {
    fn waiting(&self) -> MutexGuard<'_, (Vec<SpanData>, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanProcessor for Finished {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let (spans, dropped) = &mut *self.waiting();
        // The first span of a trace ends last, and is the one that matters.
        if spans.len() < MAX_SPANS || span.parent_span_id == SpanId::INVALID {
            spans.push(span);
        } else {
            *dropped += 1;
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
