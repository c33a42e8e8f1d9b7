//! Cold start of the detector: telemetry, settings and clients once, then one run for each request.

// Only this file may read the time of day. It passes the time on.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use detector::{App, BacktestRequest, Request, backtest, fit, run};
use environment::Env;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use platform::telemetry;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let aws = platform::aws::config().await;
    let app = App::from_env(&Env::process(), &aws, SystemTime::now).await.inspect_err(|error| {
        tracing::error!(error = telemetry::error_chain(error.as_ref()), "the detector cannot start");
    })?;
    let app = &app;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        // A remaining time of zero is zero. The run then fails at once and is not cut off.
        let remaining = event.context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        let deadline = Instant::now() + remaining;
        let result = answer(app, event.payload, deadline).await;
        // The runtime shows only the outermost message of an error. So the whole chain becomes that message.
        result.map_err(|error| Diagnostic {
            error_type: "RunFailed".to_owned(),
            error_message: telemetry::error_chain(error.as_ref()),
        })
    }))
    .await
}

/// Does what an event asks for: a run, or a backtest.
async fn answer(app: &App, event: Value, deadline: Instant) -> anyhow::Result<Value> {
    if let Some(request) = BacktestRequest::from_event(&event)? {
        return backtest(app, &request, deadline).await;
    }
    let request = Request::from_event(event)?;
    // A failed run is repeated soon, and the repetition has its own work to do. So nothing is fitted then.
    let summary = run(app, &request, deadline).await?;
    fit(app, &request, deadline).await;
    serde_json::to_value(summary).context("the summary is no JSON")
}
