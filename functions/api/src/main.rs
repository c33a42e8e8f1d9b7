//! Cold start of the API: telemetry, settings and clients once, then one answer for each request.

// Only this file may read the time of day. It passes the time on.
#![allow(clippy::disallowed_methods)]

use std::time::SystemTime;

use api::{App, gateway, router};
use environment::Env;
use lambda_http::request::LambdaRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use platform::telemetry;
use platform::traces::Traces;
use tower::ServiceExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let traces = Traces::from_env(&Env::process());
    telemetry::init(traces.as_ref().unwrap_or(&Traces::default()));
    let aws = platform::aws::config().await;
    let app = async { anyhow::Ok((App::from_env(&Env::process(), &aws, SystemTime::now).await?, traces?)) };
    let (app, traces) = app.await.inspect_err(|error| {
        tracing::error!(error = telemetry::error_chain(error.as_ref()), "the API cannot start");
    })?;
    let (adapter, traces) = (&lambda_http::Adapter::from(router(app)), &traces);
    lambda_runtime::run(service_fn(|event: LambdaEvent<LambdaRequest>| async move {
        let answer = adapter.clone().oneshot(event_of_gateway(event)).await;
        traces.send().await;
        answer
    }))
    .await
}

fn event_of_gateway(event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    LambdaEvent { payload: gateway::encoded(event.payload), ..event }
}
