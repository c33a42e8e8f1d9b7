//! What the steps of one pass share.

use std::time::{Duration, Instant};

use anyhow::bail;
use catalog::Policies;
use detection::Window;
use store::Writer;

use crate::app::App;
use crate::request::Request;

/// What the steps of one pass share.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub app: &'a App,
    pub request: &'a Request,
    pub window: Window,
    /// The operators' policies, read anew for each run.
    pub policies: &'a Policies,
    pub writer: Writer<'a>,
    pub deadline: Instant,
    pub order: Order,
}

/// Where the window of a pass is among those that are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The window of the run, after all before it.
    InOrder,
    /// The window of the run, while missed hours before it are not judged yet: incidents open and go on, and none ends.
    Ahead,
    /// A missed hour: nobody is paged about it.
    Missed,
}

/// Refuses to begin what cannot be finished before `deadline`.
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
