//! Structured logs: one JSON object per line on standard output. CloudWatch Logs Insights reads this form.

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::traces::Traces;

/// Starts logging at the level of `LOG_LEVEL` (error, warn, info, debug, trace; default info), and the spans for `traces`.
///
/// An unknown level counts as info, and a warning says so. A typing error must not cost the logs of a run.
pub fn init(traces: &Traces) {
    let wanted = std::env::var("LOG_LEVEL").unwrap_or_default();
    let filter = if wanted.is_empty() { Ok(EnvFilter::new("info")) } else { EnvFilter::try_new(&wanted) };
    let refused = filter.as_ref().err().map(ToString::to_string);
    let logs = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_filter(filter.unwrap_or_else(|_| EnvFilter::new("info")));
    let subscriber = tracing_subscriber::registry().with(logs).with(traces.layer());
    // This fails only in a second call. Logging runs already then.
    if tracing::subscriber::set_global_default(subscriber).is_ok()
        && let Some(reason) = refused
    {
        tracing::warn!(log.level = wanted, error = reason, "LOG_LEVEL cannot be read: logging at info");
    }
}

/// An error with all its causes in one line, each once.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
