//! Checks of single customers by the API, beside the ClickHouse query of each check.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::api::Api;
use futures::future::try_join_all;

use crate::asked::asked_while;
use crate::run::aws;
use crate::usage::Usage;
use bench::figure::{Figure, Goal};

/// Clients at a time.
const CLIENTS: u64 = 8;

/// Requests of each client, one after the other.
const REQUESTS: u64 = 40;

/// Median and 99th percentile of all requests, in milliseconds.
struct Latency {
    p50: f64,
    p99: f64,
}

pub(crate) async fn measure(usage: &Usage) -> Result<Vec<Figure>> {
    // The customer whose name is replaced when the query is asked for others.
    let pattern = usage.with_month(0);
    let aws = aws().await?;
    let aws = usage.world.aws_at(&aws.url).await;
    let (asked, ()) = asked_while(&usage.world.clickhouse_url, async |url| {
        let api = usage.world.api_with(&[("CLICKHOUSE_URL", url)], &aws).await?;
        check(&api, &pattern).await
    })
    .await?;
    let query = asked.iter().find(|asked| asked.operation == "sweep").context("a check asked nothing")?;
    let api = usage.world.api_with(&[], &aws).await?;
    // By turns. The first of each warms up.
    let (mut bare, mut checked, url) = (Vec::new(), Vec::new(), &usage.world.clickhouse_url);
    for _ in 0..3 {
        bare.push(latency(usage, async |customer| query.fetch_for(url, &pattern, &customer).await).await?);
        checked.push(latency(usage, async |customer| check(&api, &customer).await).await?);
    }
    let (bare, checked) = (best(&bare[1..]), best(&checked[1..]));
    let figure = |name: &str, of: fn(&Latency) -> f64, most: f64| {
        let (checked, bare) = (of(&checked), of(&bare));
        let made_of = format!(
            "{checked:.1} ms, the query {bare:.1} ms, {CLIENTS} clients, {} customers",
            usage.customers
        );
        Figure::new(name, checked / bare, "x", Goal::AtMost(most), made_of)
    };
    Ok(vec![
        figure("GET /v1/anomalies/check / its query, p50", |latency| latency.p50, 1.5),
        figure("GET /v1/anomalies/check / its query, p99", |latency| latency.p99, 3.0),
    ])
}

async fn check(api: &Api, customer: &str) -> Result<()> {
    let path = format!("/v1/anomalies/check?customer_id={customer}&metric=api_calls");
    let answer = api.get(&path).await?;
    ensure!(answer.status == 200 && answer.json["is_anomaly"].is_boolean(), "{path}: {}", answer.text);
    Ok(())
}

async fn latency(usage: &Usage, ask: impl AsyncFn(String) -> Result<()>) -> Result<Latency> {
    let client = async |client: u64| -> Result<Vec<f64>> {
        let mut times = Vec::new();
        for request in 0..REQUESTS {
            let customer = usage.with_month((client * REQUESTS + request) * 7_919);
            let started = Instant::now();
            ask(customer).await?;
            times.push(started.elapsed().as_secs_f64() * 1_000.0);
        }
        Ok(times)
    };
    let mut times = try_join_all((0..CLIENTS).map(client)).await?.concat();
    times.sort_by(f64::total_cmp);
    Ok(Latency { p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] })
}

fn best(latencies: &[Latency]) -> Latency {
    let least = |of: fn(&Latency) -> f64| latencies.iter().map(of).fold(f64::INFINITY, f64::min);
    Latency { p50: least(|latency| latency.p50), p99: least(|latency| latency.p99) }
}
