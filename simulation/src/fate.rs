//! What becomes of the calls of runs.

use rand_chacha::ChaCha8Rng;

use crate::world::one_of;

/// How bad things are.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// Share of the calls at which a run is killed.
    pub(crate) kills: f64,
    /// Share of the calls that fail, or whose answer is lost.
    pub(crate) errors: f64,
    /// SNS refuses everything.
    pub(crate) outage: bool,
    /// Longest time by which the indexes lag behind the table, in milliseconds.
    pub(crate) lag: i64,
    /// Nothing is left to chance: calls are carried out one after the other, and the run is killed at this one.
    pub(crate) script: Option<(usize, Kill)>,
}

/// What becomes of the calls of a run that is killed at one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// Neither this one nor any other that is under way is carried out.
    Before,
    /// This one is carried out.
    After,
    /// All that are under way are carried out.
    AfterAll,
}

impl Fate {
    /// All goes well, one call after the other.
    pub(crate) fn kind() -> Self {
        Self { kills: 0.0, errors: 0.0, outage: false, lag: 0, script: None }
    }

    /// All goes well, one call after the other, up to the call at which the run is killed.
    pub(crate) fn script(call: usize, kill: Kill) -> Self {
        Self { script: Some((call, kill)), ..Self::kind() }
    }

    pub(crate) fn of(rng: &mut ChaCha8Rng) -> Self {
        Self {
            kills: one_of(rng, &[0.0, 0.005, 0.02, 0.05]),
            errors: one_of(rng, &[0.0, 0.01, 0.05, 0.1]),
            outage: false,
            lag: one_of(rng, &[0, 0, 50, 1_000]),
            script: None,
        }
    }
}
