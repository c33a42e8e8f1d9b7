//! Cold start of the notifier: telemetry, settings and clients once, then deliveries for each event.

// Only this file may read the time of day. It passes the time on.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, SystemTime};

use environment::Env;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use notifier::{App, handle};
use platform::telemetry;
use platform::traces::Traces;
use serde_json::Value;
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(&Traces::default());
    let aws = platform::aws::config().await;
    let app = App::from_env(&Env::process(), &aws, SystemTime::now).await.inspect_err(|error| {
        tracing::error!(error = telemetry::error_chain(error.as_ref()), "the notifier cannot start");
    })?;
    let app = &app;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let remaining = event.context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        handle(app, &event.payload, Instant::now() + remaining).await.map_err(|error| {
            // The runtime shows only the outermost message of an error. So the whole chain becomes that message.
            let error_message = telemetry::error_chain(error.as_ref());
            tracing::error!(error = error_message, "the event failed");
            Diagnostic { error_type: "NotFullyDelivered".to_owned(), error_message }
        })
    }))
    .await
}
