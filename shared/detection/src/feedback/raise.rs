//! How false alarms raise the threshold of their series.

use jiff::{SignedDuration, Timestamp};

use super::{Feedback, FeedbackKind};
use crate::ensemble::Explanation;
use crate::{Opinion, Rule};

/// A raised threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// How many times the configured threshold: above 1, and at most [`MOST_RAISED`].
    pub factor: f64,
    /// When the false alarms were given that it comes from, the oldest first.
    pub given_at: Vec<Timestamp>,
}

/// Two false alarms count together within this time. After as much time without another one they are forgotten.
pub const WITHIN: SignedDuration = SignedDuration::from_hours(90 * 24);

/// No feedback raises a threshold by more than half.
pub const MOST_RAISED: f64 = 1.5;

/// Just above the largest false alarm.
const JUST_ABOVE: f64 = 1.01;

/// So many false alarms raise a threshold.
const FEWEST: usize = 2;

impl Raised {
    /// What false alarms of one series come to in a window that ends `at`. `None` if they raise nothing.
    pub(super) fn of<'a>(of_series: impl Iterator<Item = &'a Feedback>, at: Timestamp) -> Option<Self> {
        let excess = |of: &Feedback| of.excess.filter(|excess| *excess >= 1.0 && excess.is_finite());
        let false_alarms = of_series.filter(|of| of.kind == FeedbackKind::FalseAlarm);
        let mut counted: Vec<(Timestamp, f64)> =
            false_alarms.filter_map(|of| Some((of.given_at, excess(of)?))).collect();
        let newest = counted.iter().map(|(given_at, _)| *given_at).max()?;
        if at.duration_since(newest) >= WITHIN {
            return None;
        }
        counted.retain(|(given_at, _)| newest.duration_since(*given_at) <= WITHIN);
        if counted.len() < FEWEST {
            return None;
        }
        counted.sort_unstable_by_key(|(given_at, _)| *given_at);
        let largest = counted.iter().map(|(_, excess)| *excess).fold(1.0, f64::max);
        Some(Self {
            factor: (JUST_ABOVE * largest).min(MOST_RAISED),
            given_at: counted.into_iter().map(|(given_at, _)| given_at).collect(),
        })
    }
}

/// The score of an anomaly in thresholds of an anomaly as they are configured, and that threshold. `None` if no threshold
/// has to do with it.
///
/// * `explanation`: that of the models. `None` for an anomaly of a rule.
/// * `rules`: those of its metric.
/// * `raised`: how many times the configured threshold was needed.
pub fn excess(
    opinion: &Opinion,
    explanation: Option<&Explanation>,
    rules: &[Rule],
    raised: f64,
) -> Option<(f64, f64)> {
    let (score, least) = match explanation {
        Some(explanation) => {
            let speaker = explanation.speaker()?;
            (speaker.opinion.score, speaker.stored / raised)
        }
        None => {
            let rule = rules.iter().find(|rule| rule.name() == opinion.detail.name())?;
            (opinion.score, rule.least_score()?)
        }
    };
    let excess = score.abs() / least;
    (excess.is_finite() && excess >= 1.0).then_some((excess, least))
}
