//! Queries to ClickHouse, word for word, so that they can be asked again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use e2e::proxy::{Action, Proxy, Seen};
use hyper::HeaderMap;
use serde_json::Value;

/// A query of a sweep.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) operation: String,
    pub(crate) at: Instant,
    path_and_query: String,
    headers: HeaderMap,
    /// Its text and parameters, each as a part.
    body: String,
    client: reqwest::Client,
}

/// ClickHouse's own figures of a query.
pub(crate) struct Answered {
    /// Peak memory.
    pub(crate) memory: u64,
    /// Rows of the answer.
    pub(crate) rows: u64,
}

impl Asked {
    /// Whether it reads customers that looked odd in a screen.
    pub(crate) fn is_of_suspects(&self) -> bool {
        self.path_and_query.contains("-full-")
    }

    /// Fetches the answer by bare HTTP, and discards it as it arrives.
    pub(crate) async fn fetch_into_nothing(&self, url: &str) -> Result<()> {
        let mut response = self.send(url, &self.path_and_query, &self.body).await?;
        while response.chunk().await?.is_some() {}
        Ok(())
    }

    /// Asks the query for another customer.
    pub(crate) async fn fetch_for(&self, url: &str, of: &str, customer: &str) -> Result<()> {
        self.send(url, &self.path_and_query, &self.body.replace(of, customer)).await?.bytes().await?;
        Ok(())
    }

    /// Lets ClickHouse compute the answer and send nothing.
    pub(crate) async fn compute(&self, url: &str) -> Result<Answered> {
        self.ask(url, &self.body).await
    }

    async fn ask(&self, url: &str, body: &str) -> Result<Answered> {
        let path =
            self.path_and_query.replace("RowBinaryWithNamesAndTypes", "Null").replace("=RowBinary", "=Null");
        let response = self.send(url, &format!("{path}&wait_end_of_query=1"), body).await?;
        let summary = response.headers().get("x-clickhouse-summary").cloned();
        response.bytes().await?;
        let summary: Value = serde_json::from_slice(summary.context("no summary")?.as_bytes())?;
        let number = |name: &str| -> Result<u64> {
            Ok(summary[name].as_str().with_context(|| format!("a summary without {name}"))?.parse()?)
        };
        Ok(Answered { memory: number("memory_usage")?, rows: number("result_rows")? })
    }

    /// Under a new query id, because the old one may still be in use.
    async fn send(&self, url: &str, path_and_query: &str, body: &str) -> Result<reqwest::Response> {
        let query: Vec<_> = path_and_query.split('&').filter(|pair| !pair.contains("query_id=")).collect();
        let mut headers = self.headers.clone();
        for of_connection in ["host", "content-length", "connection"] {
            headers.remove(of_connection);
        }
        let url = format!("{}{}", url.trim_end_matches('/'), query.join("&"));
        let response = self.client.post(url).headers(headers).body(body.to_owned()).send().await?;
        if !response.status().is_success() {
            bail!("ClickHouse refused what was asked again: {}", response.text().await?);
        }
        Ok(response)
    }
}

/// The queries of a client that gets this other address of ClickHouse.
pub(crate) async fn asked_while<T>(
    url: &str,
    asking: impl AsyncFnOnce(&str) -> Result<T>,
) -> Result<(Vec<Asked>, T)> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (kept, client) = (Arc::clone(&asked), reqwest::Client::builder().no_proxy().build()?);
    let note = move |seen: &Seen| {
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(Asked {
            operation: seen.operation.clone(),
            at: Instant::now(),
            path_and_query: seen.path_and_query.clone(),
            headers: seen.headers.clone(),
            body: String::from_utf8_lossy(&seen.body).into_owned(),
            client: client.clone(),
        });
        Action::Forward
    };
    let proxy = Proxy::start(url, note).await?;
    let done = asking(&proxy.url).await?;
    let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((asked, done))
}
