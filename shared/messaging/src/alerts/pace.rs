//! The times that the sending of alerts goes by. They depend on each other, so they are in one place.

use std::time::Duration;

/// The times of sending. Tests that wait for one of them set shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Longest time of a publish with all its tries.
    pub publish: Duration,
    /// How long a run may take from claiming an alert to marking it. A run that dies in between leaves the claim behind,
    /// so this is also how soon the alert can be sent again. The first asynchronous retry of a Lambda comes after a minute.
    pub claim: Duration,
    /// Time for the alerts that earlier runs left behind. A run must check its own window even if SNS hangs.
    pub left_over: Duration,
}

/// Time for the mark after a publish.
const MARK: Duration = Duration::from_secs(2);

impl Pace {
    /// Time for a publish and its mark: closer to the deadline, or to the end of the claim, none is begun.
    pub fn send(&self) -> Duration {
        self.publish + MARK
    }

    /// After this the claim of a dead run has ended.
    pub fn claim_over(&self) -> Duration {
        self.claim + Duration::from_secs(1)
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            publish: Duration::from_secs(10),
            claim: Duration::from_secs(30),
            left_over: Duration::from_secs(30),
        }
    }
}
