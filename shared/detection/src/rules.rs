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

use serde::{Deserialize, Serialize};

use crate::Verdict;

mod binomial;
mod burst;
mod changes;
mod deviation;
mod error;
mod growth;
mod judged;
mod limits;
mod normal;
mod novelty;
mod off_hours;
mod percentile;
mod persistence;
mod rate;
mod ratio;
mod streak;
#[cfg(test)]
mod testing;
mod threshold;
pub mod unseen_shape;
mod vote;

pub use burst::{Attempts, Burst};
pub use changes::{RuleChangeError, RuleChanges};
pub use deviation::Deviation;
pub use error::RuleError;
pub use growth::DistinctGrowth;
pub use limits::{Limits, Past};
pub use novelty::{Novelty, Sighting};
pub use off_hours::{HourOfDay, OffHours};
pub use percentile::{Of, Percentile};
pub use persistence::Persistence;
pub use rate::Rate;
pub use ratio::Ratio;
pub use streak::Streak;
pub use threshold::{Side, Threshold};
pub use unseen_shape::{DayOfShapes, Nearest, Shapes, UnseenShape};
pub use vote::Vote;

/// A rule as a file writes it: its `type` and its parameters, of which each has a default. [`Rule::validate`]
/// checks them.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Rule {
    /// Too many of all events are bad.
    Rate(Rate),
    /// The last runs all failed.
    Streak(Streak),
    /// A value is beyond a percentile of the baseline, and clearly so.
    Percentile(Percentile),
    /// A value is a small fraction of the mean, or a large multiple.
    Ratio(Ratio),
    /// A value is beyond a fixed limit.
    Threshold(Threshold),
    /// A value is new.
    Novelty(Novelty),
    /// One entity has many events in a window.
    Burst(Burst),
    /// There are many more distinct values than usual.
    DistinctGrowth(DistinctGrowth),
    /// There are events at an hour of the day that has none otherwise.
    OffHours(OffHours),
    /// A value is many spreads away from those of earlier windows.
    Deviation(Deviation),
    /// A vote of detectors on all metrics of the entity that have this rule.
    Vote(Vote),
    /// The last hours of a metric are unlike all of the two weeks before.
    UnseenShape(UnseenShape),
}

impl Rule {
    /// Refuses parameters that make no sense. The error names the parameter, its range and the reason.
    pub fn validate(&self) -> Result<(), RuleError> {
        match self {
            Self::Rate(rule) => rule.validate(),
            Self::Streak(rule) => rule.validate(),
            Self::Percentile(rule) => rule.validate(),
            Self::Ratio(rule) => rule.validate(),
            Self::Threshold(rule) => rule.validate(),
            Self::Novelty(rule) => rule.validate(),
            Self::Burst(rule) => rule.validate(),
            Self::DistinctGrowth(rule) => rule.validate(),
            Self::OffHours(rule) => rule.validate(),
            Self::Deviation(rule) => rule.validate(),
            Self::Vote(rule) => rule.validate(),
            Self::UnseenShape(rule) => rule.validate(),
        }
    }

    /// The least score of an anomaly by its limit. `None` for a rule without a limit that could be raised: a new text is
    /// new, and a vote has no limit of a single metric.
    pub fn least_score(&self) -> Option<f64> {
        match self {
            Self::Rate(rule) => Some(normal::score_of(rule.tail.max(rule.absolute_tail).ln())),
            Self::Streak(rule) => Some(normal::score_of(rule.chance.ln())),
            Self::Percentile(_)
            | Self::Ratio(_)
            | Self::Threshold(_)
            | Self::Burst(_)
            | Self::DistinctGrowth(_) => Some(1.0),
            Self::Deviation(rule) => Some(rule.z),
            Self::UnseenShape(rule) => Some(rule.threshold),
            Self::Novelty(_) | Self::OffHours(_) | Self::Vote(_) => None,
        }
    }

    /// A verdict of the rule as if its limit were so many times as far.
    ///
    /// * `factor`: at least 1.
    pub fn raised(&self, verdict: Verdict, factor: f64) -> Verdict {
        let is_within = |score: f64| self.least_score().is_some_and(|least| score.abs() < factor * least);
        match verdict {
            Verdict::Anomalous(found) if factor > 1.0 && is_within(found.comparison.opinion.score) => {
                Verdict::Normal(found.comparison)
            }
            verdict => verdict,
        }
    }

    /// The name of its type, which its opinions have too.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rate(_) => Rate::NAME,
            Self::Streak(_) => Streak::NAME,
            Self::Percentile(_) => Percentile::NAME,
            Self::Ratio(_) => Ratio::NAME,
            Self::Threshold(_) => Threshold::NAME,
            Self::Novelty(_) => Novelty::NAME,
            Self::Burst(_) => Burst::NAME,
            Self::DistinctGrowth(_) => DistinctGrowth::NAME,
            Self::OffHours(_) => OffHours::NAME,
            Self::Deviation(_) => Deviation::NAME,
            Self::Vote(_) => Vote::NAME,
            Self::UnseenShape(_) => UnseenShape::NAME,
        }
    }
}

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

#[cfg(test)]
mod tests;
