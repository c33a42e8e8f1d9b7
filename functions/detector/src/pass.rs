//! Values that the steps of one pass share.

use std::time::{Duration, Instant};

use anyhow::bail;
use catalog::Policies;
use detection::{CustomerId, Window};
use store::Writer;

use crate::app::App;
use crate::request::Request;
use crate::stop::Stop;

/// Values that the steps of one pass share.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub app: &'a App,
    pub request: &'a Request,
    pub window: Window,
    /// The operators' policies. Each run reads them again.
    pub policies: &'a Policies,
    /// The customers to judge. An empty list means all of the request's shard.
    pub customers: &'a [CustomerId],
    /// Only customers are judged whose policy delays them by this many hours. The window ends so much earlier than that of
    /// the run.
    pub delay_hours: u8,
    /// The number of the pass among those of the same delay.
    pub number: usize,
    pub writer: Writer<'a>,
    pub deadline: Instant,
    pub order: Order,
    /// The hours in which the data of all customers stopped.
    pub stop: Option<&'a Stop>,
}

/// The place of a pass among the windows to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The window of the run. All windows before it are judged.
    InOrder,
    /// The window of the run, while missed hours before it are not judged yet, or a window that closes between two others.
    /// Incidents open and go on, and none ends.
    Ahead,
    /// A missed hour. Nobody is paged about it.
    Missed,
}

impl Pass<'_> {
    /// Whether the pass judges a customer.
    pub fn is_for(&self, customer: &CustomerId) -> bool {
        self.policies.delay_hours(customer) == self.delay_hours
    }
}

/// Refuses to begin work that cannot end before `deadline`.
pub(crate) fn ensure_time_left(deadline: Instant, doing: &str, done: u64, of: u64) -> anyhow::Result<()> {
    if Instant::now() >= deadline {
        bail!(
            "time ran out while {doing}: {done} of {of} done; the next run of this window goes on from there"
        );
    }
    Ok(())
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
