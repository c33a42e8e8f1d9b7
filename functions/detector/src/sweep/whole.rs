//! Judges customers by their month of hours, with models that are fitted on the way.

use detection::Hour;
use detection::model::Peers;
use warehouse::usage::{CustomerHours, HoursRequest, KnownHours, UsageError};

use super::{Failure, LOGGED, Tally, customer_id, named, newest, note_verdict, quarantine};
use crate::calendars::Calendars;
use crate::candidate::{Candidate, CustomerOfHours, SeriesOfHours, judge_hours};
use crate::known::Known;
use crate::mutes::Mutes;
use crate::pass::Pass;
use crate::peers::LazyPeers;
use crate::spool::Spool;

/// Judges all customers of a request.
pub(super) async fn read(
    pass: Pass<'_>,
    known: &Known,
    peers: &LazyPeers<'_>,
    request: &HoursRequest<'_>,
) -> Result<(Spool<Candidate>, Tally), Failure> {
    let usage = &pass.app.usage;
    let mut reading = Reading {
        pass,
        known,
        calendars: Calendars::of(&pass.window),
        mutes: Mutes::new(pass.policies, pass.app.catalog.modelled()),
        candidates: Spool::new(),
        tally: Tally::default(),
    };
    let mut stream = usage.hours(request).await.map_err(Failure::Usage)?;
    while let Some(customer) = stream.next().await.map_err(Failure::Usage)? {
        let read_from = Hour::holding(request.period.start());
        let day = newest(&pass.window).latest_at(customer.bucket);
        let peers = peers.of(customer, read_from, day).await.map_err(Failure::Usage)?;
        reading.judge(customer, peers, request).map_err(Failure::Spool)?;
    }
    if stream.may_be_cut() {
        expect_nobody(pass, request).await.map_err(Failure::Usage)?;
    }
    Ok((reading.candidates, reading.tally))
}

/// An answer without rows has two possible causes: no usage in these hours, or a stream that was cut before its first
/// row.
pub(super) async fn expect_nobody(pass: Pass<'_>, request: &HoursRequest<'_>) -> Result<(), UsageError> {
    let usage = &pass.app.usage;
    match usage.count_customers_with_hours(request).await? {
        0 => Ok(()),
        declared => Err(usage.truncated(request.query_id, declared)),
    }
}

/// Whether another pass of the run judges a customer, because its usage arrives late.
fn is_for_another_pass(pass: Pass<'_>, id: &[u8]) -> bool {
    named(id).is_some_and(|id| !pass.is_for(&id))
}

/// The customers of a request, one by one.
struct Reading<'a> {
    pass: Pass<'a>,
    known: &'a Known,
    calendars: Calendars,
    mutes: Mutes<'a>,
    candidates: Spool<Candidate>,
    tally: Tally,
}

impl Reading<'_> {
    /// Checks every metric of one customer.
    fn judge(
        &mut self,
        customer: &CustomerHours,
        peers: &Peers,
        request: &HoursRequest<'_>,
    ) -> anyhow::Result<()> {
        let Self { pass, known, calendars, mutes, candidates, tally } = self;
        let (metrics, figures) = (pass.app.catalog.modelled(), &mut tally.figures);
        if is_for_another_pass(*pass, &customer.customer_id) {
            return Ok(());
        }
        figures.customers += 1;
        figures.series += metrics.len() as u64;
        for metric in &customer.unknown_metrics {
            quarantine(figures, "unknown_metric", 1, &customer.customer_id, metric);
        }
        let Some(id) = customer_id(*pass, &customer.customer_id, figures) else { return Ok(()) };
        let calendar = calendars.of_bucket(customer.bucket, pass.policies.time_zone(&id));
        let KnownHours { first, customer_since, skipped } =
            customer.known(calendar.begin(), Hour::holding(request.period.start()));
        let mut all = Vec::with_capacity(metrics.len());
        for (metric, (spec, values)) in metrics.iter().zip(customer.series()).enumerate() {
            let values = values.get(skipped..).unwrap_or_default();
            let hours = spec.hours(first, values, customer_since);
            for (hour, reason) in hours.broken() {
                if tally.figures.broken_windows < LOGGED {
                    tracing::warn!(
                        customer.id = %id,
                        usage.metric = %spec.name,
                        hour = %hour.start(),
                        reason = reason.as_str(),
                        "a broken hour is left out"
                    );
                }
                tally.figures.broken_windows += 1;
            }
            let hours = mutes.apply(hours, &id, metric, calendar.begin(), newest(&pass.window));
            all.push(SeriesOfHours { metric, hours, peers: *peers.of(calendar.day(), metric) });
        }
        let customer = CustomerOfHours { id: &id, series: &all, since: customer_since, calendar };
        for (metric, judged) in judge_hours(*pass, known, customer).enumerate() {
            for candidate in &judged.candidates {
                candidates.push(candidate)?;
            }
            note_verdict(*pass, &id, metric, &judged, tally);
        }
        Ok(())
    }
}
