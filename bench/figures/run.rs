//! A whole run of the packaged detector. AWS is in this process, and each call takes as long as in a region.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::deployed::event;
use e2e::receiver::{Receiver, Reply};
use e2e::world::END;

use crate::program::{Running, detector, most_memory, runtime_api, target_folder};
use crate::usage::{MODELS, RUN_TIME, Usage};

/// Time of a DynamoDB call within a region.
const CALL: Duration = Duration::from_millis(5);

pub(crate) struct Ran {
    pub(crate) seconds: f64,
    /// The same with its start and the fit of the next hour, as billed.
    pub(crate) billed: f64,
    /// Peak memory in megabytes, if the system reports it.
    pub(crate) memory: Option<f64>,
    pub(crate) anomalies: u64,
    /// Calls of DynamoDB and SNS.
    pub(crate) calls: usize,
}

/// The run of the hour, and the fit after it.
pub(crate) async fn run(usage: &Usage) -> Result<Ran> {
    let aws = aws().await?;
    let mut variables = usage.world.variables(&[&[("AWS_ENDPOINT_URL", aws.url.as_str())], MODELS].concat());
    let credentials =
        [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];
    variables.extend(credentials.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let runtime_api = runtime_api(Some(event("detector-scheduled", END)?), RUN_TIME).await?;
    let started = Instant::now();
    let mut running = Running::start(&detector(&target_folder())?, runtime_api, &variables)?;
    let summary = running.request("/response", RUN_TIME).await?.json();
    let billed = started.elapsed().as_secs_f64();
    let figure =
        |name: &str| summary[name].as_u64().with_context(|| format!("a summary without {name}: {summary}"));
    let ran = Ran {
        billed,
        seconds: figure("duration_ms")? as f64 / 1_000.0,
        memory: most_memory(running.process.id()),
        anomalies: figure("anomalies_found")?,
        calls: aws.requests().len(),
    };
    anyhow::ensure!(figure("recorded")? == ran.anomalies, "not all anomalies were stored: {summary}");
    Ok(ran)
}

/// An empty DynamoDB and an SNS, which accept everything.
pub(crate) async fn aws() -> Result<Receiver> {
    let receiver = Receiver::start(|request| {
        let answer = match request.header("x-amz-target").rsplit('.').next() {
            Some("Query") => r#"{"Items":[],"Count":0,"ScannedCount":0}"#,
            Some("") | None => {
                return Reply::ok(
                    "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>",
                )
                .header("content-type", "text/xml")
                .after(CALL);
            }
            Some(_) => "{}",
        };
        Reply::ok(answer).header("content-type", "application/x-amz-json-1.0").after(CALL)
    });
    receiver.await.context("cannot listen on this machine")
}
