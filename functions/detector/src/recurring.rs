//! Which openings of a run repeat earlier incidents of their series.
//!
//! Openings are rare, and only they read earlier incidents. An incident keeps what was found at its opening. So a run
//! that is repeated decides as before.

use anyhow::Context;
use detection::TimeZone;
use detection::incident::{Occurrence, REACH, recurs};
use futures::stream::{self, StreamExt, TryStreamExt};
use store::HistoryEntry;

use crate::candidate::Candidate;
use crate::decide::{Group, Recurring, by_customer, observation, subject};
use crate::found::Found;
use crate::known::Known;
use crate::ledger::Ledger;
use crate::pass::Pass;

/// Reads in flight at once.
const CONCURRENT_READS: usize = 64;

/// The openings among the candidates that repeat earlier incidents.
///
/// In a storm, earlier incidents are read only of series with an incident in the month that the run knows. So many reads would
/// take the time in which pages are sent.
pub(crate) async fn among(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    known: &Known,
    found: &mut Found,
) -> anyhow::Result<Recurring> {
    let (none, is_storm) = (Recurring::new(), found.is_in(&pass.app.storm));
    let openings = by_customer(found.candidates.read()?).flat_map(|group| match group {
        Ok(candidates) => {
            let group = Group::new(pass, known, &none, candidates);
            let may_recur = |candidate: &&Candidate| {
                group.may_recur(candidate) && (!is_storm || group.latest(candidate).is_some())
            };
            group.candidates().iter().filter(may_recur).cloned().map(Ok).collect()
        }
        Err(error) => vec![Err(error)],
    });
    let mut reads = stream::iter(openings)
        .map(|candidate: anyhow::Result<Candidate>| async move {
            let candidate = candidate?;
            let earlier = of(ledger, pass, &candidate).await?;
            let series = (candidate.customer_id, (candidate.metric, candidate.direction));
            anyhow::Ok(earlier.map(|earlier| (series, earlier)))
        })
        .buffer_unordered(CONCURRENT_READS);
    let mut recurring = Recurring::new();
    while let Some(found) = reads.try_next().await? {
        recurring.extend(found);
    }
    Ok(recurring)
}

/// How many earlier incidents the opening of a candidate repeats. `None` if it is no recurring one.
pub(crate) async fn of(
    ledger: &impl Ledger,
    pass: Pass<'_>,
    candidate: &Candidate,
) -> anyhow::Result<Option<u32>> {
    let until = pass.window.end();
    let since = until.checked_sub(REACH).context("the window is out of range")?;
    let earlier = ledger.closed_incidents(&subject(pass.app, candidate), since, until).await?;
    let opening = Occurrence::opening(&observation(pass, candidate), candidate.direction);
    let earlier = earlier
        .iter()
        .map(|item| (Occurrence::of(&item.incident), HistoryEntry::is_confirmed(&item.history)));
    let utc = TimeZone::utc();
    Ok(recurs(&opening, earlier, pass.policies.time_zone(&candidate.customer_id).unwrap_or(&utc)))
}
