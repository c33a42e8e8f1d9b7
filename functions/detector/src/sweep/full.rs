//! Reads customers with their month of hours, and judges them in full.

use anyhow::Context;
use catalog::Shard;
use detection::{Calendar, CustomerId, Window};
use jiff::SignedDuration;
use warehouse::usage::{HoursRequest, Patience, Tries};

use super::{Failure, Tally, whole};
use crate::candidate::Candidate;
use crate::known::Known;
use crate::pass::Pass;
use crate::peers::LazyPeers;
use crate::spool::Spool;

/// Judges customers by their month of hours.
pub(super) async fn in_full(
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

/// Waits for another try, or fails.
pub(super) async fn again(tries: &mut Tries<'_>, failure: Failure, period: &Window) -> anyhow::Result<()> {
    let number = tries.number();
    match failure {
        Failure::Usage(error) => tries.again(error, false).await.with_context(|| {
            format!("the usage of {} to {} was not read (try {number})", period.start(), period.end())
        }),
        Failure::Spool(error) => Err(error),
    }
}

/// So many hours before the end of a window.
pub(super) fn newest_hours(window: &Window, hours: usize) -> anyhow::Result<Window> {
    let length = SignedDuration::from_hours(hours as i64);
    let start = window.end().checked_sub(length).context("the window is out of range")?;
    Window::between(start, window.end()).context("the hours before the window cannot be read")
}
