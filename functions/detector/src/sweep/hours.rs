//! Reads usage and judges the newest hours by models of the week, one share of the customers after the other.
//!
//! Customers that were fitted are screened: the newest day and one row of numbers a customer tell which series may be odd.
//! The few customers with such a series are read with their month of hours and judged in full. All customers without a fit
//! are judged in full. So a verdict is always that of the hours, and a fit only saves time.
//!
//! The customers of a share are read by two queries. A share is not larger than ClickHouse can sort with little memory, and
//! reads only its own rows.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Instant;

use anyhow::Context;
use catalog::Shard;
use detection::{Calendar, CustomerId, Window};
use futures::{StreamExt, TryStreamExt, stream};
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
use crate::mutes::Mutes;
use crate::pass::{Pass, millis};
use crate::peers::{LazyPeers, Missing};
use crate::servers::name_at;
use crate::spool::Spool;
use crate::stopped;

/// Customers that are read by one query after a screen.
const CUSTOMERS_A_QUERY: usize = 250;

/// ClickHouse reads the customers of the next query while those of one are judged.
const QUERIES_AT_ONCE: usize = 2;

/// Servers of a cluster that are read at once.
const SERVERS_AT_ONCE: usize = 4;

/// Series that are screened together: ClickHouse sorts their newest day in less than 2 GB. A share of more is divided, down
/// to the customers of one bucket.
const SERIES_OF_A_SHARE: u64 = 2_400_000;

/// A part of the customers of a run.
#[derive(Debug, PartialEq, Eq)]
enum Share {
    /// Customers without a fit, or the chosen ones.
    Full(Shard),
    /// Customers whose buckets all have a fit.
    Fitted(Shard, Vec<Fit>),
}

/// All candidates of a window. The whole stream has proved complete before they are returned.
pub(crate) async fn collect(
    pass: Pass<'_>,
    known: &Known,
    figures: &mut RunFigures,
) -> anyhow::Result<Spool<Candidate>> {
    let Pass { window, app, .. } = pass;
    let started = Instant::now();
    let (run_id, deadline) = (pass.writer.run_id, pass.deadline);
    let peers = &LazyPeers::new(app, newest(&window), run_id, Missing::Made, deadline);
    let (mut candidates, mut tally, mut fitted) = (Spool::new(), Tally::default(), 0);
    let servers = app.each_server();
    let read = |(number, app)| async move {
        of_server(Pass { app, ..pass }, (known, peers), &name_at(number, run_id)).await
    };
    let mut reads = pin!(stream::iter(servers.iter().enumerate()).map(read).buffered(SERVERS_AT_ONCE));
    while let Some((mut found, of_server, fits)) = reads.try_next().await? {
        if servers.len() == 1 {
            candidates = found;
        } else {
            for candidate in found.read()? {
                candidates.push(&candidate?)?;
            }
        }
        tally.add(of_server);
        fitted += fits;
    }
    app.servers.ensure_whole(&app.catalog, run_id, deadline).await?;
    figures.usage = tally.figures;
    if pass.customers.is_empty()
        && let Some(of_all) = stopped::candidate(known, &tally.together)
    {
        if let Some(finding) = of_all.finding() {
            let metric = pass.app.catalog.modelled()[of_all.metric].name.to_string();
            *figures.usage.anomalies.entry((metric, finding.severity.as_str())).or_default() += 1;
        }
        candidates.push(&of_all)?;
    }
    figures.clickhouse_time += started.elapsed();
    if figures.usage.customers == 0 && pass.delay_hours == 0 {
        tracing::warn!(
            usage.customers_asked_for = pass.customers.len(),
            "no customer has any usage in the hours read: check that the views feed the rollup (`meterflow doctor`)"
        );
    }
    tracing::info!(
        window.end = %window.end(),
        usage.customers = figures.usage.customers,
        usage.fitted = fitted,
        usage.read_ms = millis(figures.clickhouse_time),
        "usage read"
    );
    Ok(candidates)
}

/// The candidates among the customers of a server, and the number of fits that they were screened by.
async fn of_server(
    pass: Pass<'_>,
    (known, peers): (&Known, &LazyPeers<'_>),
    name: &str,
) -> anyhow::Result<(Spool<Candidate>, Tally, usize)> {
    let (mut shares, mut candidates) = (shares(pass, name).await, Spool::new());
    let (mut tally, mut fitted, mut number) = (Tally::default(), 0, 0);
    while let Some(share) = shares.pop_front() {
        let name = format!("{name}-{number}");
        number += 1;
        let read = match &share {
            Share::Full(part) => in_full(pass, (known, peers), *part, pass.customers, &name).await?,
            Share::Fitted(part, fits) => match screened(pass, (known, peers), *part, fits, &name).await? {
                Some(read) => {
                    fitted += fits.len();
                    read
                }
                None => {
                    // The hours have all that the missing rows of a fit were made of.
                    shares.extend(parts_of_fits(*part, fits));
                    continue;
                }
            },
        };
        let (mut found, of_share) = read;
        for candidate in found.read()? {
            candidates.push(&candidate?)?;
        }
        tally.add(of_share);
    }
    Ok((candidates, tally, fitted))
}

/// The parts of the customers of a server. Without any fit, one query reads all of them.
async fn shares(pass: Pass<'_>, name: &str) -> VecDeque<Share> {
    let Pass { app, request, window, .. } = pass;
    if !pass.customers.is_empty() {
        return VecDeque::from([Share::Full(request.shard)]);
    }
    let query_id = format!("{name}-fits");
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
    let mut shares = VecDeque::new();
    divide(request.shard, &fits, most_customers(pass), &mut shares);
    shares
}

/// The customers of a share. Muted hours of all customers double the numbers of each.
fn most_customers(pass: Pass<'_>) -> u64 {
    let metrics = pass.app.catalog.modelled();
    let first = newest(&pass.window).plus(1 - Calendar::HOURS as i64);
    let mut mutes = Mutes::new(pass.policies, metrics);
    let is_muted = mutes.of_all(first, Calendar::HOURS).iter().any(Option::is_some);
    SERIES_OF_A_SHARE / (metrics.len() as u64).max(1) / if is_muted { 2 } else { 1 }
}

/// Divides customers into as few shares as possible.
fn divide(part: Shard, fits: &[Fit], most: u64, shares: &mut VecDeque<Share>) {
    let of_part: Vec<Fit> = fits.iter().copied().filter(|fit| part.has(fit.bucket)).collect();
    let are_all_fitted = of_part.len() == part.buckets().count();
    let customers: u64 = of_part.iter().map(|fit| fit.customers).sum();
    match part.parts() {
        _ if of_part.is_empty() => shares.push_back(Share::Full(part)),
        Some(parts) if !are_all_fitted || customers > most => {
            parts.for_each(|part| divide(part, fits, most, shares));
        }
        _ => shares.push_back(Share::Fitted(part, of_part)),
    }
}

/// Smaller shares of the same customers. Those of one bucket are read in full.
fn parts_of_fits(part: Shard, fits: &[Fit]) -> Vec<Share> {
    let Some(parts) = part.parts() else { return vec![Share::Full(part)] };
    let of_part = |part: Shard| fits.iter().copied().filter(|fit| part.has(fit.bucket)).collect();
    parts.map(|part| Share::Fitted(part, of_part(part))).collect()
}

/// Judges customers by their month of hours.
async fn in_full(
    pass: Pass<'_>,
    (known, peers): (&Known, &LazyPeers<'_>),
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
        match whole::read(pass, known, peers, &request).await {
            Ok(read) => return Ok(read),
            Err(failure) => again(&mut tries, failure, &period).await?,
        }
    }
}

/// Judges customers that were fitted. `None` if rows of their fits are missing, or they are too many for one query.
async fn screened(
    pass: Pass<'_>,
    (known, peers): (&Known, &LazyPeers<'_>),
    part: Shard,
    fits: &[Fit],
    name: &str,
) -> anyhow::Result<Option<(Spool<Candidate>, Tally)>> {
    let period = newest_hours(&pass.window, Calendar::HOURS)?;
    let mut tries = Tries::new(&pass.app.usage, name, Patience::OF_A_RUN, pass.deadline);
    let (suspects, mut tally) = loop {
        let query_id = tries.query_id();
        let request = HoursRequest {
            period,
            catalog: &pass.app.catalog,
            customers: &[],
            shard: part,
            in_order: true,
            query_id: &query_id,
            deadline: pass.deadline,
        };
        match screen::read(pass, known, &request, fits).await {
            Ok(screened) => break screened,
            Err(error @ UsageError::Truncated { .. }) => {
                tracing::warn!(
                    usage.part = %part,
                    error = error_chain(&error),
                    "fits have fewer rows than were noted: smaller parts of their customers are read"
                );
                return Ok(None);
            }
            Err(error @ UsageError::TooExpensive { .. }) if part.parts().is_some() => {
                tracing::warn!(
                    usage.part = %part,
                    error = error_chain(&error),
                    "ClickHouse has too little memory or time for so many customers: smaller parts of them are read"
                );
                return Ok(None);
            }
            Err(error) => again(&mut tries, Failure::Usage(error), &period).await?,
        }
    };
    let mut candidates = Spool::new();
    let read = |(number, some)| async move {
        let name = format!("{name}-full-{number}");
        in_full(pass, (known, peers), Shard::WHOLE, some, &name).await
    };
    let queries = stream::iter(suspects.chunks(CUSTOMERS_A_QUERY).enumerate());
    let mut queries = pin!(queries.map(read).buffered(QUERIES_AT_ONCE));
    while let Some((mut found, of_some)) = queries.try_next().await? {
        for candidate in found.read()? {
            candidates.push(&candidate?)?;
        }
        tally.add(of_some);
    }
    Ok(Some((candidates, tally)))
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

#[cfg(test)]
mod tests;
