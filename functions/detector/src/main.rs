//! Cold start of the detector: telemetry, settings and clients once, then one run for each request.

// Only this file may read the time of day. It passes the time on.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use detector::{
    App, BacktestRequest, EventRequest, Messages, Request, TrainRequest, Unjudged, backtest, check_event,
    fit, run_all, train,
};
use environment::Env;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use platform::telemetry;
use platform::traces::{self, Traces};
use serde_json::{Value, json};
use tracing::{Instrument as _, Span, field};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let traces = Traces::from_env(&Env::process());
    telemetry::init(traces.as_ref().unwrap_or(&Traces::default()));
    let aws = platform::aws::config().await;
    let app = async { anyhow::Ok((App::from_env(&Env::process(), &aws, SystemTime::now).await?, traces?)) };
    let (app, traces) = app.await.inspect_err(|error| {
        tracing::error!(error = telemetry::error_chain(error.as_ref()), "the detector cannot start");
    })?;
    let (app, traces) = (&app, &traces);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        // A remaining time of zero is zero. The run then fails at once and is not cut off.
        let remaining = event.context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let deadline = Instant::now() + remaining;
        let span = span();
        let result = answer(app, event.payload, deadline).instrument(span.clone()).await;
        if result.is_err() {
            traces::fail(&span, "RunFailed");
        }
        drop(span);
        traces.send().await;
        // The runtime shows only the outermost message of an error. So the whole chain becomes that message.
        result.map_err(|error| Diagnostic {
            error_type: "RunFailed".to_owned(),
            error_message: telemetry::error_chain(error.as_ref()),
        })
    }))
    .await
}

/// The span of one request. [`answer`] names the span.
fn span() -> Span {
    tracing::debug_span!(
        target: traces::TARGET,
        "request",
        otel.name = field::Empty,
        otel.kind = "consumer",
        otel.status_code = field::Empty,
        error.type = field::Empty,
    )
}

/// Does what an event asks for: a run, a backtest, the training of networks, or a check of finished events.
async fn answer(app: &App, event: Value, deadline: Instant) -> anyhow::Result<Value> {
    let is_asked_for = |what: &str| {
        Span::current().record("otel.name", what);
    };
    if let Some(request) = BacktestRequest::from_event(&event)? {
        is_asked_for("backtest");
        return backtest(app, &request, deadline).await;
    }
    if let Some(request) = TrainRequest::from_event(&event)? {
        is_asked_for("training");
        let app = app.of_source(&request.source)?;
        return Ok(serde_json::to_value(train(&app, &request, deadline).await?)?);
    }
    if let Some(messages) = Messages::from_event(&event)? {
        is_asked_for("check of events");
        return Ok(serde_json::to_value(messages.check(app, deadline).await)?);
    }
    if let Some(request) = EventRequest::from_event(&event)? {
        is_asked_for("check of an event");
        return match check_event(app, &request, deadline).await {
            Ok(checked) => Ok(json!({ "checked": checked })),
            // The requester waits for the reason.
            Err(error) => match error.downcast_ref::<Unjudged>() {
                Some(unjudged) => Ok(json!({
                    "unjudged": { "reason": unjudged.reason(), "message": unjudged.to_string() }
                })),
                None => Err(error),
            },
        };
    }
    let request = Request::from_event(event)?;
    is_asked_for(&format!("run of {}", request.source.as_deref().unwrap_or("usage")));
    let of_source;
    let app = match &request.source {
        None => app,
        Some(source) => {
            of_source = app.of_source(source)?;
            &of_source
        }
    };
    // A failed run is repeated soon, and the repetition has its own work to do. So nothing is fitted then.
    let summaries = run_all(app, &request, deadline).await?;
    fit(app, &request, deadline).await;
    let summary = match summaries.as_slice() {
        [summary] => serde_json::to_value(summary),
        several => serde_json::to_value(several),
    };
    summary.context("the summary is no JSON")
}
