//! Reads usage and judges the newest hours by models of the week, one bucket of customers after the other.
//!
//! A bucket that was fitted is screened: the newest day and one row of numbers a customer tell which series may be odd. The
//! few customers with such a series are read with their month of hours and judged in full. All customers of a bucket
//! without a fit are judged in full. So a verdict is always that of the hours, and a fit only saves time.

use std::time::Instant;

use anyhow::Context;
use catalog::Shard;
use detection::{Calendar, CustomerId, Window};
use jiff::SignedDuration;
use platform::emf::RunFigures;
use platform::telemetry::error_chain;
use tokio::time::timeout;
use warehouse::usage::{Fit, HoursRequest, Patience, Tries, UsageError};

use super::screen;
use super::whole;
use super::{Failure, Tally, newest};
use crate::candidate::Candidate;
use crate::known::Known;
use crate::pass::{Pass, millis};
use crate::spool::Spool;
use crate::stopped;

/// Customers that are read by one query after a screen.
const CUSTOMERS_A_QUERY: usize = 500;

/// A part of the customers of a run.
enum Share {
    /// All customers of the run.
    All,
    /// The customers of a bucket without a fit.
    Bucket(u8),
    Fitted(Fit),
}

/// All candidates of a window. The whole stream has proved complete before they are returned.
pub(crate) async fn collect(
    pass: Pass<'_>,
    known: &Known,
    figures: &mut RunFigures,
) -> anyhow::Result<Spool<Candidate>> {
    let Pass { window, request, .. } = pass;
    let started = Instant::now();
    let (shares, mut candidates) = (shares(pass).await, Spool::new());
    let mut tally = Tally::default();
    for (number, share) in shares.iter().enumerate() {
        let name = format!("{}-{number}", pass.writer.run_id);
        let read = match share {
            Share::All => in_full(pass, known, request.shard, &request.customers, &name).await?,
            Share::Bucket(bucket) => in_full(pass, known, Shard::of_bucket(*bucket), &[], &name).await?,
            Share::Fitted(fit) => screened(pass, known, fit, &name).await?,
        };
        let (mut found, of_share) = read;
        for candidate in found.read()? {
            candidates.push(&candidate?)?;
        }
        tally.add(of_share);
    }
    figures.usage = tally.figures;
    if request.customers.is_empty()
        && let Some(of_all) = stopped::candidate(known, &tally.together)
    {
        if let Some(finding) = of_all.finding() {
            let metric = pass.app.catalog.metrics()[of_all.metric].name.to_string();
            *figures.usage.anomalies.entry((metric, finding.severity.as_str())).or_default() += 1;
        }
        candidates.push(&of_all)?;
    }
    figures.clickhouse_time += started.elapsed();
    if figures.usage.customers == 0 {
        tracing::warn!(
            usage.customers_asked_for = request.customers.len(),
            "no customer has any usage in the hours read: check that the views feed the rollup (`meterflow doctor`)"
        );
    }
    tracing::info!(
        window.end = %window.end(),
        usage.customers = figures.usage.customers,
        usage.fitted = shares.iter().filter(|share| matches!(share, Share::Fitted(_))).count(),
        usage.read_ms = millis(figures.clickhouse_time),
        "usage read"
    );
    Ok(candidates)
}

/// The parts of the run's customers. Without any fit, one query reads all of them.
async fn shares(pass: Pass<'_>) -> Vec<Share> {
    let Pass { app, request, writer, window, .. } = pass;
    if !request.customers.is_empty() {
        return vec![Share::All];
    }
    let query_id = format!("{}-fits", writer.run_id);
    // The hours must still be read if nobody answers.
    let patience = pass.deadline.saturating_duration_since(Instant::now()) / 4;
    let looked = timeout(patience, app.usage.fits(&app.catalog, newest(&window), &query_id)).await;
    let fits = match looked {
        Ok(Ok(fits)) => fits,
        Err(_) => {
            tracing::warn!(
                "nobody said in time which models there are, so the hours are read, which takes longer"
            );
            Vec::new()
        }
        Ok(Err(error)) => {
            tracing::warn!(
                error = error_chain(&error),
                "no models can be read, so the hours are, which takes longer: is `meterflow migrate` up to date, and may the \
                 detector's user read usage_models and usage_model_fits?"
            );
            Vec::new()
        }
    };
    let share = |bucket: u8| match fits.iter().find(|fit| fit.bucket == bucket) {
        Some(fit) => Share::Fitted(*fit),
        None => Share::Bucket(bucket),
    };
    let shares: Vec<_> = request.shard.buckets().map(share).collect();
    if shares.iter().any(|share| matches!(share, Share::Fitted(_))) { shares } else { vec![Share::All] }
}

/// Judges customers by their month of hours.
async fn in_full(
    pass: Pass<'_>,
    known: &Known,
    shard: Shard,
    customers: &[CustomerId],
    name: &str,
) -> anyhow::Result<(Spool<Candidate>, Tally)> {
    let hours = Calendar::SPAN + Calendar::HOURS;
    let period = newest_hours(&pass.window, hours)?;
    let mut tries = Tries::new(&pass.app.usage, name, Patience::OF_A_RUN, pass.deadline);
    loop {
        let query_id = tries.query_id();
        let request = HoursRequest {
            period,
            catalog: &pass.app.catalog,
            customers,
            shard,
            in_order: false,
            query_id: &query_id,
            deadline: pass.deadline,
        };
        match whole::read(pass, known, &request).await {
            Ok(read) => return Ok(read),
            Err(failure) => again(&mut tries, failure, &period).await?,
        }
    }
}

/// Judges the customers of a bucket that was fitted.
async fn screened(
    pass: Pass<'_>,
    known: &Known,
    fit: &Fit,
    name: &str,
) -> anyhow::Result<(Spool<Candidate>, Tally)> {
    let period = newest_hours(&pass.window, Calendar::HOURS)?;
    let mut tries = Tries::new(&pass.app.usage, name, Patience::OF_A_RUN, pass.deadline);
    let (suspects, mut tally) = loop {
        let query_id = tries.query_id();
        let request = HoursRequest {
            period,
            catalog: &pass.app.catalog,
            customers: &[],
            shard: Shard::of_bucket(fit.bucket),
            in_order: true,
            query_id: &query_id,
            deadline: pass.deadline,
        };
        match screen::read(pass, known, &request, fit).await {
            Ok(screened) => break screened,
            Err(UsageError::Truncated { .. }) if !tries.is_last_but_one() => {
                // Rows of the fit are missing. The hours have all that it was made of.
                tracing::warn!(
                    bucket = fit.bucket,
                    "a fit has fewer rows than were noted: its customers are read in full"
                );
                return in_full(pass, known, request.shard, &[], &format!("{name}-hours")).await;
            }
            Err(error) => again(&mut tries, Failure::Usage(error), &period).await?,
        }
    };
    let mut candidates = Spool::new();
    for (number, some) in suspects.chunks(CUSTOMERS_A_QUERY).enumerate() {
        let (mut found, of_some) =
            in_full(pass, known, Shard::WHOLE, some, &format!("{name}-full-{number}")).await?;
        for candidate in found.read()? {
            candidates.push(&candidate?)?;
        }
        tally.add(of_some);
    }
    Ok((candidates, tally))
}

async fn again(tries: &mut Tries<'_>, failure: Failure, period: &Window) -> anyhow::Result<()> {
    let number = tries.number();
    match failure {
        Failure::Usage(error) => tries.again(error, false).await.with_context(|| {
            format!("the usage of {} to {} was not read (try {number})", period.start(), period.end())
        }),
        Failure::Spool(error) => Err(error),
    }
}

fn newest_hours(window: &Window, hours: usize) -> anyhow::Result<Window> {
    let length = SignedDuration::from_hours(hours as i64);
    let start = window.end().checked_sub(length).context("the window is out of range")?;
    Window::between(start, window.end()).context("the hours before the window cannot be read")
}
