//! Fixed conditions on the figures of an entity: a workflow, a test suite, an operation of a service.
//!
//! A detector learns what a series does by itself. A rule states what is wrong: failures in a row, a tenth of the usual
//! output, an error that nobody saw before. Each rule is a file with validated parameters. The defaults come from
//! measurements on labelled records of workflows, test runs, traces and logs: they find what was injected there, and
//! flag less than one in a thousand of the rest.
//!
//! A rule answers with the [`Verdict`](crate::Verdict) of any check, so incidents, alerts and texts are the same. Its
//! score is the normal quantile of the probability where it has one. Elsewhere it says how many times a limit the value
//! is: from 1 on beyond an upper limit, from -1 on beyond a lower one.

mod binomial;
mod error;
mod judged;
mod normal;
mod percentile;
mod rate;
mod ratio;
mod streak;
#[cfg(test)]
mod testing;

pub use error::RuleError;
pub use percentile::{Of, Percentile};
pub use rate::Rate;
pub use ratio::Ratio;
pub use streak::Streak;

/// Numbers of events: executions, requests, test runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    /// How many of them were bad: failed, refused, timed out.
    pub bad: u64,
}

impl Counts {
    /// The share of bad events. Zero without events.
    pub fn rate(self) -> f64 {
        if self.events == 0 { 0.0 } else { self.bad as f64 / self.events as f64 }
    }

    /// The share of bad events with one event more of either kind: never zero, and one half without events.
    pub fn cautious_rate(self) -> f64 {
        (self.bad as f64 + 1.0) / (self.events as f64 + 2.0)
    }

    /// The logarithm of that, exact to the last digits where nearly all events are bad.
    fn ln_cautious_rate(self) -> f64 {
        -(1.0 / self.cautious_odds()).ln_1p()
    }

    /// Bad events for each good one, with one event more of either kind.
    fn cautious_odds(self) -> f64 {
        (self.bad as f64 + 1.0) / (self.events.saturating_sub(self.bad) as f64 + 1.0)
    }

    /// Whether there are more bad events than events.
    fn is_broken(self) -> bool {
        self.bad > self.events
    }
}
