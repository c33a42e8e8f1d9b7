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
