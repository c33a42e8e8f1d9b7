//! A proxy that breaks things on purpose, request by request, in front of a real engine.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use futures::stream::{self, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What the proxy sees of a request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `x-amz-target` without its prefix for DynamoDB (`PutItem`), the action for SNS (`Publish`), else empty.
    pub operation: String,
    /// How many requests of this operation came before this one.
    pub earlier: usize,
    pub path_and_query: String,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

/// What the proxy does with a request.
#[derive(Clone, Debug)]
pub enum Action {
    Forward,
    /// Forwards with this text appended to the query string, such as a ClickHouse setting.
    ForwardWith(String),
    /// Does not forward; answers itself.
    Answer(u16, String),
    /// Forwards, and then closes the connection instead of passing the answer on.
    LoseAnswer,
    /// Passes on the headers and the first bytes of the answer and then nothing more, without closing.
    StallAfterHeaders,
    /// Passes on so many bytes of the answer's body and then cuts the connection.
    CutAfter(usize),
    /// Never answers and never forwards.
    FreezeBefore,
    /// Forwards and never passes the answer on.
    FreezeAfter,
}

/// A running proxy; it ends when this is dropped.
pub struct Proxy {
    pub url: String,
    /// How often a request froze. A test that kills a run waits for it to change.
    pub frozen: watch::Receiver<usize>,
    server: tokio::task::JoinHandle<()>,
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;
type Decide = dyn Fn(&Seen) -> Action + Send + Sync;

struct Shared {
    upstream: String,
    client: reqwest::Client,
    decide: Box<Decide>,
    counts: std::sync::Mutex<std::collections::HashMap<String, usize>>,
    frozen: watch::Sender<usize>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream` that does with each request what `decide` says.
    pub async fn start(
        upstream: &str,
        decide: impl Fn(&Seen) -> Action + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (frozen, receiver) = watch::channel(0);
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: reqwest::Client::new(),
            decide: Box::new(decide),
            counts: Default::default(),
            frozen,
        });
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let service = service_fn(move |request| handle(Arc::clone(&shared), request));
                    // A connection that a fault or the client breaks is what this proxy is for.
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { url, frozen: receiver, server })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// An error of the service makes hyper cut the connection.
async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let operation = operation(&parts.headers, &body);
    let earlier = {
        let mut counts = shared.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = counts.entry(operation.clone()).or_default();
        *count += 1;
        *count - 1
    };
    let path_and_query = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let seen = Seen { operation, earlier, path_and_query, headers: parts.headers.clone(), body };
    let action = (shared.decide)(&seen);
    let cut = || std::io::Error::other("cut on purpose");
    match action {
        Action::Answer(status, text) => {
            let mut response = Response::new(whole(text.into()));
            *response.status_mut() = StatusCode::from_u16(status).map_err(std::io::Error::other)?;
            Ok(response)
        }
        Action::Forward => forward(&shared, &parts.method, &seen, "").await.map(streamed),
        Action::ForwardWith(more) => forward(&shared, &parts.method, &seen, &more).await.map(streamed),
        Action::LoseAnswer => {
            drain(forward(&shared, &parts.method, &seen, "").await?).await;
            Err(cut())
        }
        Action::FreezeBefore => freeze(&shared).await,
        Action::FreezeAfter => {
            drain(forward(&shared, &parts.method, &seen, "").await?).await;
            freeze(&shared).await
        }
        Action::StallAfterHeaders => {
            let answer = forward(&shared, &parts.method, &seen, "").await?;
            Ok(streamed_with(answer, |_| stream::pending().boxed()))
        }
        Action::CutAfter(bytes) => {
            let answer = forward(&shared, &parts.method, &seen, "").await?;
            Ok(streamed_with(answer, move |body| {
                let head = body.slice(..bytes.min(body.len()));
                stream::iter([Ok(head), Err(cut())]).boxed()
            }))
        }
    }
}

async fn forward(
    shared: &Shared,
    method: &hyper::Method,
    seen: &Seen,
    more: &str,
) -> Result<reqwest::Response, std::io::Error> {
    let mut url = format!("{}{}", shared.upstream, seen.path_and_query);
    if !more.is_empty() {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(more);
    }
    let mut headers = seen.headers.clone();
    headers.remove("host");
    headers.remove("content-length");
    headers.remove("transfer-encoding");
    let request = shared.client.request(method.clone(), url).headers(headers).body(seen.body.clone());
    request.send().await.map_err(std::io::Error::other)
}

async fn drain(answer: reqwest::Response) {
    let _ = answer.bytes().await;
}

async fn freeze<T>(shared: &Shared) -> T {
    shared.frozen.send_modify(|count| *count += 1);
    std::future::pending::<Infallible>().await;
    unreachable!("a pending future never ends")
}

fn streamed(answer: reqwest::Response) -> Response<Body> {
    streamed_with(answer, |body| stream::once(async { Ok(body) }).boxed())
}

/// The answer's head, and what `change` makes of each part of its body.
fn streamed_with(
    answer: reqwest::Response,
    change: impl Fn(Bytes) -> stream::BoxStream<'static, Result<Bytes, std::io::Error>> + Send + Sync + 'static,
) -> Response<Body> {
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "content-length" && name != "transfer-encoding" && name != "connection" {
            response = response.header(name, value);
        }
    }
    let parts = answer.bytes_stream().flat_map(move |part| match part {
        Ok(part) => change(part),
        Err(error) => stream::iter([Err(std::io::Error::other(error))]).boxed(),
    });
    let body = BodyExt::boxed_unsync(StreamBody::new(parts.map(|part| part.map(Frame::data))));
    response.body(body).unwrap_or_else(|_| Response::new(whole(Bytes::new())))
}

fn whole(bytes: Bytes) -> Body {
    BodyExt::boxed_unsync(Full::new(bytes).map_err(|never| match never {}))
}

fn operation(headers: &hyper::HeaderMap, body: &[u8]) -> String {
    if let Some(target) = headers.get("x-amz-target").and_then(|value| value.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let form = std::str::from_utf8(body).unwrap_or_default();
    form.split('&').find_map(|pair| pair.strip_prefix("Action=")).unwrap_or_default().to_owned()
}
