//! The fate of the calls of runs.

use rand_chacha::ChaCha8Rng;

use crate::world::one_of;

/// How bad things are.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// Share of the calls that kill their run.
    pub(crate) kills: f64,
    /// Share of the calls that fail, or whose answer is lost.
    pub(crate) errors: f64,
    /// Share of the runs that have no time to judge all customers.
    pub(crate) hurry: f64,
    /// SNS refuses everything.
    pub(crate) outage: bool,
    /// Longest time that the indexes are behind the table, in milliseconds.
    pub(crate) lag: i64,
    /// Without chance: calls are carried out one after the other, and the run is killed at this one.
    pub(crate) script: Option<(usize, Kill)>,
}

/// The fate of the calls of a killed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// Neither this call nor any other under way is carried out.
    Before,
    /// This call is carried out.
    After,
    /// All calls under way are carried out.
    AfterAll,
}

impl Fate {
    /// All calls succeed, one after the other.
    pub(crate) fn kind() -> Self {
        Self { kills: 0.0, errors: 0.0, hurry: 0.0, outage: false, lag: 0, script: None }
    }

    /// All calls succeed, one after the other, until the run is killed at this call.
    pub(crate) fn script(call: usize, kill: Kill) -> Self {
        Self { script: Some((call, kill)), ..Self::kind() }
    }

    pub(crate) fn of(rng: &mut ChaCha8Rng) -> Self {
        Self {
            kills: one_of(rng, &[0.0, 0.005, 0.02, 0.05]),
            errors: one_of(rng, &[0.0, 0.01, 0.05, 0.1]),
            hurry: 0.0,
            outage: false,
            lag: one_of(rng, &[0, 0, 50, 1_000]),
            script: None,
        }
    }
}
