//! An incident's view of a verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Comparison, Direction, Figures, Finding, Settings, Severity, Verdict};

/// One series in one window, seen from one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    pub window_end: Timestamp,
    pub seen: Seen,
    /// [`Figures::NONE`] for a window without a verdict.
    pub figures: Figures,
}

/// A value is back inside below this share of the threshold. So an incident does not flicker around the threshold.
pub(super) const INSIDE: f64 = 0.7;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    Anomalous(Severity),
    /// Back inside: well below the threshold, or by too little to matter.
    Inside,
    /// No anomaly, and not back inside either.
    Between,
    /// There is no verdict.
    Undetermined,
}

impl Observation {
    /// The view of incidents of a direction on a verdict.
    pub fn of(verdict: &Verdict, window_end: Timestamp, settings: &Settings, direction: Direction) -> Self {
        let (comparison, seen) = match verdict {
            Verdict::Anomalous(Finding { comparison, severity, direction: found }) => {
                // An anomaly in the other direction ends this incident, as usual values do.
                let seen = if *found == direction { Seen::Anomalous(*severity) } else { Seen::Inside };
                (comparison, seen)
            }
            Verdict::Normal(comparison) => {
                let inside = is_inside(comparison, settings, direction);
                (comparison, if inside { Seen::Inside } else { Seen::Between })
            }
            Verdict::Undetermined(_) => {
                return Self { window_end, seen: Seen::Undetermined, figures: Figures::NONE };
            }
        };
        Self { window_end, seen, figures: Figures::of(comparison) }
    }
}

/// Whether a value without an anomaly ends an incident of `direction`: its score is well below the threshold, or the
/// change is too small to matter.
fn is_inside(comparison: &Comparison, settings: &Settings, direction: Direction) -> bool {
    let Comparison { current, baseline, opinion, .. } = comparison;
    let score = match direction {
        Direction::Spike => opinion.score,
        Direction::Drop => -opinion.score,
    };
    let is_calm = score < INSIDE * settings.z_score().threshold();
    is_calm || !settings.floors().pass(baseline.deviation(*current), baseline.mean())
}
