//! Cold start of the API: telemetry, settings and clients once, then one answer for each request.

// Only this file may read the time of day. It passes the time on.
#![allow(clippy::disallowed_methods)]

use std::time::SystemTime;

use api::{App, gateway, router};
use environment::Env;
use lambda_http::request::LambdaRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use platform::telemetry;
use tower::ServiceExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let aws = platform::aws::config().await;
    let app = App::from_env(&Env::process(), &aws, SystemTime::now).await.inspect_err(|error| {
        tracing::error!(error = telemetry::error_chain(error.as_ref()), "the API cannot start");
    })?;
    let adapter = lambda_http::Adapter::from(router(app));
    lambda_runtime::run(service_fn(move |event: LambdaEvent<LambdaRequest>| {
        adapter.clone().oneshot(event_of_gateway(event))
    }))
    .await
}

fn event_of_gateway(event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    LambdaEvent { payload: gateway::encoded(event.payload), ..event }
}
