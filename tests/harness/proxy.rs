//! A proxy that breaks things on purpose, request by request, in front of a real engine.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use futures::stream::{self, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

/// The proxy's view of a request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `x-amz-target` without its prefix for DynamoDB (`PutItem`), the action for SNS (`Publish`), `sweep`,
    /// `baseline` and others by the id of a query to ClickHouse, else empty.
    pub operation: String,
    /// Number of earlier requests of this operation.
    pub earlier: usize,
    pub path_and_query: String,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

/// The action of the proxy on a request.
#[derive(Clone, Debug)]
pub enum Action {
    Forward,
    /// Forwards with this text appended to the query string, such as a ClickHouse setting.
    ForwardWith(String),
    /// Forwards to another server.
    ForwardTo(String),
    /// Forwards without the header of this name.
    ForwardWithout(&'static str),
    /// Waits, and then forwards.
    Delay(Duration),
    /// Waits for a signal, and then forwards.
    Hold(Arc<Notify>),
    /// Does not forward. Answers itself.
    Answer(u16, String),
    /// Forwards, and then closes the connection without the answer.
    LoseAnswer,
    /// Passes on the headers of the answer and then nothing more, without closing.
    StallAfterHeaders,
    /// Passes on at most this many bytes of the answer's body, and then cuts the connection. So a body never ends
    /// properly.
    CutAfter(usize),
    /// Passes the answer on with one bit changed in this byte of its body.
    FlipBitOf(usize),
    /// Never answers and never forwards.
    FreezeBefore,
    /// Forwards and never passes the answer on.
    FreezeAfter,
}

/// A running proxy. It ends when this is dropped.
pub struct Proxy {
    pub url: String,
    frozen: watch::Receiver<usize>,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;
type Decide = dyn Fn(&Seen) -> Action + Send + Sync;

struct Shared {
    upstream: String,
    client: reqwest::Client,
    decide: Box<Decide>,
    counts: Mutex<HashMap<String, usize>>,
    passed: AtomicUsize,
    frozen: watch::Sender<usize>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`. `decide` chooses the action for each request.
    pub async fn start(
        upstream: &str,
        decide: impl Fn(&Seen) -> Action + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (frozen, receiver) = watch::channel(0);
        let shared = Arc::new(Shared {
            upstream: upstream.trim_end_matches('/').to_owned(),
            // A proxy of the machine's settings would not know the local engines.
            client: reqwest::Client::builder().no_proxy().build()?,
            decide: Box::new(decide),
            counts: Mutex::default(),
            passed: AtomicUsize::new(0),
            frozen,
        });
        let of_server = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&of_server);
                connections.spawn(async move {
                    let service = service_fn(move |request| handle(Arc::clone(&shared), request));
                    // This proxy exists for connections that a fault or the client breaks.
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { url, frozen: receiver, shared, server })
    }

    /// Number of requests of an operation, with any result.
    pub fn count(&self, operation: &str) -> usize {
        self.shared.counts().get(operation).copied().unwrap_or_default()
    }

    /// Number of bytes of answers' bodies that were passed on.
    pub fn passed(&self) -> usize {
        self.shared.passed.load(Ordering::Relaxed)
    }

    /// Waits until a request is frozen.
    pub async fn frozen(&self) {
        // The sender lives as long as the proxy, so the wait always ends.
        let _ = self.frozen.clone().wait_for(|count| *count > 0).await;
    }

    /// Runs a future until a request is frozen, and then drops it. That ends it as a kill would end its process.
    pub async fn kill_when_frozen<T: std::fmt::Debug>(&self, run: impl Future<Output = T>) {
        tokio::select! {
            result = run => panic!("it ended before a request was frozen: {result:?}"),
            () = self.frozen() => {}
        }
    }
}

impl Shared {
    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
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
    let path_and_query = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let operation = operation(&path_and_query, &parts.headers, &body);
    let earlier = {
        let mut counts = shared.counts();
        let count = counts.entry(operation.clone()).or_default();
        *count += 1;
        *count - 1
    };
    let mut seen = Seen { operation, earlier, path_and_query, headers: parts.headers.clone(), body };
    let action = (shared.decide)(&seen);
    let cut = || std::io::Error::other("cut on purpose");
    match action {
        Action::Answer(status, text) => {
            let mut response = Response::new(whole(text.into()));
            *response.status_mut() = StatusCode::from_u16(status).map_err(std::io::Error::other)?;
            Ok(response)
        }
        Action::Forward => Ok(streamed(&shared, forward(&shared, &parts.method, &seen, "").await?)),
        Action::ForwardWith(more) => {
            Ok(streamed(&shared, forward(&shared, &parts.method, &seen, &more).await?))
        }
        Action::ForwardTo(upstream) => {
            Ok(streamed(&shared, forward_to(&upstream, &shared, &parts.method, &seen, "").await?))
        }
        Action::ForwardWithout(header) => {
            seen.headers.remove(header);
            Ok(streamed(&shared, forward(&shared, &parts.method, &seen, "").await?))
        }
        Action::Delay(time) => {
            tokio::time::sleep(time).await;
            Ok(streamed(&shared, forward(&shared, &parts.method, &seen, "").await?))
        }
        Action::Hold(until) => {
            until.notified().await;
            Ok(streamed(&shared, forward(&shared, &parts.method, &seen, "").await?))
        }
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
            Ok(streamed_with(&shared, answer, |_| stream::pending().boxed()))
        }
        Action::FlipBitOf(place) => {
            let answer = forward(&shared, &parts.method, &seen, "").await?;
            let mut before = 0;
            Ok(streamed_with(&shared, answer, move |part| match part {
                Some(part) => {
                    let mut bytes = part.to_vec();
                    if let Some(byte) = place.checked_sub(before).and_then(|index| bytes.get_mut(index)) {
                        *byte ^= 1 << (place % 8);
                    }
                    before += bytes.len();
                    stream::once(async { Ok(Bytes::from(bytes)) }).boxed()
                }
                None => stream::empty().boxed(),
            }))
        }
        Action::CutAfter(bytes) => {
            let answer = forward(&shared, &parts.method, &seen, "").await?;
            let mut left = bytes;
            Ok(streamed_with(&shared, answer, move |part| match part {
                Some(mut part) if left > 0 => {
                    part.truncate(left);
                    left -= part.len();
                    stream::once(async { Ok(part) }).boxed()
                }
                _ => stream::once(async { Err(std::io::Error::other("cut on purpose")) }).boxed(),
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
    forward_to(&shared.upstream, shared, method, seen, more).await
}

async fn forward_to(
    upstream: &str,
    shared: &Shared,
    method: &hyper::Method,
    seen: &Seen,
    more: &str,
) -> Result<reqwest::Response, std::io::Error> {
    let mut url = format!("{upstream}{}", seen.path_and_query);
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

fn streamed(shared: &Arc<Shared>, answer: reqwest::Response) -> Response<Body> {
    streamed_with(shared, answer, |part| stream::iter(part.map(Ok)).boxed())
}

/// The answer's head, and the result of `change` for each part of its body and for its end, which is `None`.
fn streamed_with(
    shared: &Arc<Shared>,
    answer: reqwest::Response,
    mut change: impl FnMut(Option<Bytes>) -> stream::BoxStream<'static, Result<Bytes, std::io::Error>>
    + Send
    + 'static,
) -> Response<Body> {
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "content-length" && name != "transfer-encoding" && name != "connection" {
            response = response.header(name, value);
        }
    }
    let shared = Arc::clone(shared);
    let parts = answer.bytes_stream().map_ok(Some).chain(stream::once(async { Ok(None) }));
    let parts = parts.flat_map(move |part| match part {
        Ok(part) => change(part),
        Err(error) => stream::iter([Err(std::io::Error::other(error))]).boxed(),
    });
    let parts = parts.inspect_ok(move |part| {
        shared.passed.fetch_add(part.len(), Ordering::Relaxed);
    });
    let body = BodyExt::boxed_unsync(StreamBody::new(parts.map_ok(Frame::data)));
    response.body(body).unwrap_or_else(|_| Response::new(whole(Bytes::new())))
}

fn whole(bytes: Bytes) -> Body {
    BodyExt::boxed_unsync(Full::new(bytes).map_err(|never| match never {}))
}

fn operation(path_and_query: &str, headers: &hyper::HeaderMap, body: &[u8]) -> String {
    if let Some(target) = headers.get("x-amz-target").and_then(|value| value.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or(target).to_owned();
    }
    let parameter = |text: &str, name: &str| {
        let mut pairs = text.split(['?', '&']).filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    match parameter(path_and_query, "query_id") {
        Some(id) if id.ends_with("-count") => "count".to_owned(),
        Some(id) if id.ends_with("-fits") => "fits".to_owned(),
        Some(id) if id.ends_with("-models") => "models".to_owned(),
        Some(id) if id.ends_with("-newest") => "newest".to_owned(),
        Some(id) if id.ends_with("-note") => "note".to_owned(),
        Some(id) if id.ends_with("-replicas") => "replicas".to_owned(),
        Some(_) => "sweep".to_owned(),
        None => parameter(std::str::from_utf8(body).unwrap_or_default(), "Action").unwrap_or_default(),
    }
}
