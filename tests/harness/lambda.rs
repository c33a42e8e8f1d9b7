//! The detector's own program, run as AWS Lambda runs it: a process that asks a runtime API for an event and posts the
//! answer there. The process can also be killed as on Lambda.

use std::convert::Infallible;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::programs::program;
use crate::world::now;

/// The time for its event, as the program is told.
const TIME: Duration = Duration::from_secs(60);

/// The program at work on one event. It is killed when this is dropped.
pub struct Invocation {
    program: Child,
    answers: mpsc::UnboundedReceiver<Result<Value, Value>>,
    server: tokio::task::JoinHandle<()>,
}

impl Invocation {
    /// Starts the program with these variables besides those of the tests, and hands it `event`.
    pub async fn start(event: &Value, variables: &[(String, String)]) -> Result<Self> {
        let path = program("anomaly-detection")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (sender, answers) = mpsc::unbounded_channel();
        let server = tokio::spawn(serve(listener, event.to_string().into(), sender));
        let program = Command::new(&path)
            // Of two entries with the same name the first counts. The environment takes the last, so the order is
            // reversed.
            .envs(variables.iter().rev().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "detector-under-test")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "tests")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "tests")
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        Ok(Self { program, answers, server })
    }

    /// The posted answer of the program: its response, or its error.
    pub async fn answer(&mut self) -> Result<Result<Value, Value>> {
        let answer = tokio::time::timeout(TIME, self.answers.recv()).await;
        answer.context("the program did not answer in time")?.context("the runtime API ended")
    }

    /// Ends the program at once (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill().context("cannot kill the program")?;
        self.program.wait().context("cannot wait for the killed program")?;
        Ok(())
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        // The process may have ended by itself. Then nothing is left to kill.
        let _ = self.kill();
        self.server.abort();
    }
}

/// The Lambda runtime API, as far as one event needs it.
async fn serve(listener: TcpListener, event: Bytes, answers: mpsc::UnboundedSender<Result<Value, Value>>) {
    let taken = Arc::new(AtomicBool::new(false));
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (taken, event, answers) = (Arc::clone(&taken), event.clone(), answers.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                handle(request, Arc::clone(&taken), event.clone(), answers.clone())
            });
            // The program may be killed at any time, and its connections break with it.
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn handle(
    request: Request<Incoming>,
    taken: Arc<AtomicBool>,
    event: Bytes,
    answers: mpsc::UnboundedSender<Result<Value, Value>>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let path = request.uri().path().to_owned();
    if path.ends_with("/invocation/next") {
        if taken.swap(true, Ordering::Relaxed) {
            // There is no second event. The program waits for it as on Lambda.
            std::future::pending::<Infallible>().await;
        }
        let deadline = (now() + TIME).duration_since(std::time::UNIX_EPOCH)?.as_millis();
        return Ok(Response::builder()
            .header("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-000000000001")
            .header("lambda-runtime-deadline-ms", deadline.to_string())
            .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
            .body(Full::new(event))?);
    }
    let body: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    // The test may have stopped listening.
    let _ = answers.send(if path.ends_with("/response") { Ok(body) } else { Err(body) });
    Ok(Response::builder().status(202).body(Full::default())?)
}
