//! Reads usage and judges the newest hours by models of the week, one share of the customers after the other.
//!
//! Customers that were fitted are screened: the newest day and one row of numbers a customer tell which series may be odd.
//! The few customers with such a series are read with their month of hours and judged in full. All customers without a fit
//! are judged in full. So a verdict is that of the hours, and a fit only saves time. Only a storm may leave calm customers to
//! their fit, see [`suspects`].
//!
//! The customers of a share are read by two queries. A share is not larger than ClickHouse can sort with little memory, and
//! reads only its own rows.

use std::cell::Cell;
use std::collections::VecDeque;
use std::pin::pin;
use std::time::Instant;

use catalog::Shard;
use detection::Calendar;
use futures::{StreamExt, TryStreamExt, stream};
use platform::emf::RunFigures;
use platform::telemetry::error_chain;
use tokio::time::timeout;
use warehouse::usage::{Fit, HoursRequest, Patience, Tries, UsageError};

use super::full::{again, in_full, newest_hours};
use super::screen;
use super::suspects::{self, Suspects};
use super::{Failure, Tally, newest};
use crate::candidate::Candidate;
use crate::found::Found;
use crate::known::Known;
use crate::mutes::Mutes;
use crate::pass::{Pass, millis};
use crate::peers::{LazyPeers, Missing};
use crate::servers::name_at;
use crate::spool::Spool;
use crate::stopped;

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

/// The candidates of a window. In a storm some customers are left aside. All rows that were read have proved complete by then.
pub(crate) async fn collect(
    pass: Pass<'_>,
    known: &Known,
    figures: &mut RunFigures,
) -> anyhow::Result<Found> {
    let Pass { window, app, .. } = pass;
    let started = Instant::now();
    let (run_id, deadline) = (pass.writer.run_id, pass.deadline);
    let peers = &LazyPeers::new(app, newest(&window), run_id, Missing::Made, deadline);
    let (mut all, mut tally, mut fitted) = (Found::default(), Tally::default(), 0);
    let (servers, mut suspects) = (app.each_server(), Vec::new());
    let read = |(number, app)| async move {
        of_server(Pass { app, ..pass }, (known, peers), &name_at(number, run_id)).await
    };
    let mut reads = pin!(stream::iter(servers.iter().enumerate()).map(read).buffered(SERVERS_AT_ONCE));
    while let Some((candidates, of_server, (odd, fits))) = reads.try_next().await? {
        all.add(candidates.into())?;
        tally.add(of_server);
        suspects.push(odd);
        fitted += fits;
    }
    let found = &Cell::new(all.candidates.len());
    let number_of_suspects: usize = suspects.iter().map(Suspects::len).sum();
    // A dry run lists all that is found, also what is stored.
    let is_storm = number_of_suspects > app.storm.most && !pass.request.dry_run;
    let judge = |(number, (app, suspects))| async move {
        let pass = Pass { app, ..pass };
        let suspects = (suspects, is_storm);
        suspects::judge(pass, (known, peers), suspects, found, &name_at(number, run_id)).await
    };
    // In a storm all servers at once, so that none takes the time of others.
    let at_once = if is_storm { servers.len() } else { SERVERS_AT_ONCE };
    let suspects = servers.iter().zip(suspects).enumerate();
    let mut judged = pin!(stream::iter(suspects).map(judge).buffered(at_once));
    while let Some((found, of_suspects)) = judged.try_next().await? {
        all.add(found)?;
        tally.add(of_suspects);
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
        all.candidates.push(&of_all)?;
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
    Ok(all)
}

/// Looks through the customers of a server. Gives the candidates among customers without a fit, and the customers that look odd
/// with the number of fits that show it.
async fn of_server(
    pass: Pass<'_>,
    (known, peers): (&Known, &LazyPeers<'_>),
    name: &str,
) -> anyhow::Result<(Spool<Candidate>, Tally, (Suspects, usize))> {
    let (mut shares, mut candidates) = (shares(pass, name).await, Spool::new());
    let (mut suspects, mut tally, mut fitted, mut number) = (Suspects::default(), Tally::default(), 0, 0);
    while let Some(share) = shares.pop_front() {
        let name = format!("{name}-{number}");
        number += 1;
        match &share {
            Share::Full(part) => {
                let (mut found, of_share) =
                    in_full(pass, (known, peers), *part, pass.customers, &name).await?;
                for candidate in found.read()? {
                    candidates.push(&candidate?)?;
                }
                tally.add(of_share);
            }
            Share::Fitted(part, fits) => match screened(pass, known, *part, fits, &name).await? {
                Some((of_share, calm)) => {
                    fitted += fits.len();
                    suspects.add(of_share);
                    tally.add(calm);
                }
                // The hours have all that the missing rows of a fit were made of.
                None => shares.extend(parts_of_fits(*part, fits)),
            },
        }
    }
    Ok((candidates, tally, (suspects, fitted)))
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

/// Looks through customers that were fitted. `None` if rows of their fits are missing, or they are too many for one query.
async fn screened(
    pass: Pass<'_>,
    known: &Known,
    part: Shard,
    fits: &[Fit],
    name: &str,
) -> anyhow::Result<Option<(Suspects, Tally)>> {
    let period = newest_hours(&pass.window, Calendar::HOURS)?;
    let mut tries = Tries::new(&pass.app.usage, name, Patience::OF_A_RUN, pass.deadline);
    loop {
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
            Ok(screened) => return Ok(Some(screened)),
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
    }
}

#[cfg(test)]
mod tests;
