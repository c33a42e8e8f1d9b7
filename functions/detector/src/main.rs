//! Cold start of the detector: telemetry, settings and clients once, then one run for each request.

// Only this file may read the time of day. It passes the time on.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant, SystemTime};

use detector::{App, Request, fit, run};
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
        let result = match Request::from_event(event.payload) {
            Ok(request) => {
                let result = run(app, &request, deadline).await;
                // A failed run is repeated soon, and the repetition has its own work to do.
                if result.is_ok() {
                    fit(app, &request, deadline).await;
                }
                result
            }
            Err(error) => Err(error),
        };
        // The runtime shows only the outermost message of an error. So the whole chain becomes that message.
        result.map_err(|error| Diagnostic {
            error_type: "RunFailed".to_owned(),
            error_message: telemetry::error_chain(error.as_ref()),
        })
    }))
    .await
}
