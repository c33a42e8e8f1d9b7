//! The function that checks events, as the API calls it: the detector's own program answers each call.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::Api;
use crate::api::CHECKS;
use crate::lambda::Invocation;
use crate::proxy::{Action, Proxy};
use crate::workflows::WITH_WORKFLOWS;
use crate::world::{World, variable};

/// An API whose checks are answered, and the events that it sent for them.
pub struct Checking {
    pub api: Api,
    events: Arc<Mutex<Vec<Value>>>,
    server: tokio::task::JoinHandle<()>,
    _proxy: Proxy,
}

impl Checking {
    pub async fn new(world: &World) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let events = Arc::new(Mutex::new(Vec::new()));
        let variables = Arc::new(world.variables(&[WITH_WORKFLOWS]));
        let server = tokio::spawn(serve(listener, variables, Arc::clone(&events)));
        let decide = move |seen: &crate::proxy::Seen| {
            if seen.path_and_query != format!("/2015-03-31/functions/{CHECKS}/invocations") {
                return Action::Forward;
            }
            // The caller waits for the verdict.
            let kind = seen.headers.get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
            assert_eq!(kind, Some("RequestResponse"));
            Action::ForwardTo(address.clone())
        };
        let proxy = Proxy::start(&variable("AWS_ENDPOINT_URL")?, decide).await?;
        let api = world.api_with(&[WITH_WORKFLOWS], &world.aws_at(&proxy.url).await).await?;
        Ok(Self { api, events, server, _proxy: proxy })
    }

    /// The events since the last call.
    pub fn events(&self) -> Vec<Value> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Checking {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, variables: Arc<Vec<(String, String)>>, events: Arc<Mutex<Vec<Value>>>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (variables, events) = (Arc::clone(&variables), Arc::clone(&events));
        connections.spawn(async move {
            let service =
                service_fn(move |request| answer(request, Arc::clone(&variables), Arc::clone(&events)));
            // A caller that has its answer may close the connection.
            let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Runs the program on the event. Its error is the error of the function.
async fn answer(
    request: Request<Incoming>,
    variables: Arc<Vec<(String, String)>>,
    events: Arc<Mutex<Vec<Value>>>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let event: Value = serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?;
    events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    let mut invocation = Invocation::start(&event, &variables).await.context("no program")?;
    let response = Response::builder().status(200);
    Ok(match invocation.answer().await? {
        Ok(answer) => response.body(Full::new(answer.to_string().into()))?,
        Err(error) => {
            let response = response.header("x-amz-function-error", "Unhandled");
            response.body(Full::new(error.to_string().into()))?
        }
    })
}
