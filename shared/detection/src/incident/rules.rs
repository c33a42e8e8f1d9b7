//! How patient incidents are, and which of them page.

use jiff::{SignedDuration, Timestamp};

use crate::Severity;

/// How patient incidents are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Windows in a row back inside until an incident is resolved; at least 1.
    pub resolve_after: u32,
    /// Time after its end in which a returning deviation is the same incident.
    pub reopen_within: SignedDuration,
    /// Time until a lasting level becomes the new normal. Zero means never.
    pub accept_after: SignedDuration,
    /// Time between reminders. Zero means never.
    pub repeat_interval: SignedDuration,
    /// Least severity that pages.
    pub min_severity: Severity,
}

impl Rules {
    /// Growth of the deviation since the last page that calls for another page.
    pub const ESCALATION: f64 = 2.0;

    /// Time without a verdict after which an incident is stale.
    pub const STALE_AFTER: SignedDuration = SignedDuration::from_hours(24);

    /// Time from its opening in which a recurring incident pages nobody, if windows of an hour see it.
    pub const RECURRING_FOR: SignedDuration = SignedDuration::from_hours(24);
}

/// Whether so much time has passed. Never if `after` is zero.
pub(super) fn is_due(since: Timestamp, now: Timestamp, after: SignedDuration) -> bool {
    after > SignedDuration::ZERO && now.duration_since(since) >= after
}
