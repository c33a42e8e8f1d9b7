//! An incident's view of a verdict.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::model::Incident;
use crate::{Comparison, Direction, Figures, Finding, Settings, Severity, Verdict, WindowCost};

/// One series in one window, seen from one direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    pub window_end: Timestamp,
    pub seen: Seen,
    /// [`Figures::NONE`] for a window without a verdict.
    pub figures: Figures,
    /// The length in hours of the shortest window that is anomalous in this direction, as severely as any. 24 for all
    /// other windows.
    pub seen_by: u8,
    /// How far that window is from its expected value, as a share of it. `None` for windows of a day that are judged by
    /// themselves, and where nothing is expected.
    pub change: Option<f64>,
    /// What the window of its figures costs. `None` without a price, and without an anomaly.
    pub cost: Option<WindowCost>,
}

/// A value is back inside below this share of the threshold. So an incident does not flicker around the threshold.
pub const INSIDE: f64 = 0.7;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    Anomalous(Severity),
    /// Back inside: well below the threshold, or by too little to matter.
    Inside,
    /// No anomaly, and not back inside either.
    Between,
    /// Whether the deviation goes on would not show in this window.
    Hidden,
    /// There is no verdict.
    Undetermined,
}

impl Observation {
    /// The view of incidents of a direction on a verdict by one window of a day.
    pub fn of(verdict: &Verdict, window_end: Timestamp, settings: &Settings, direction: Direction) -> Self {
        let seen = match verdict {
            // An anomaly in the other direction ends this incident, as usual values do.
            Verdict::Anomalous(finding) if finding.direction != direction => Seen::Inside,
            Verdict::Anomalous(finding) => Seen::Anomalous(finding.severity),
            Verdict::Normal(comparison) if is_inside(comparison, settings, direction) => Seen::Inside,
            Verdict::Normal(_) => Seen::Between,
            Verdict::Undetermined(_) => Seen::Undetermined,
        };
        Self { window_end, seen, figures: figures(verdict), seen_by: Incident::DAY, change: None, cost: None }
    }
}

pub(super) fn figures(verdict: &Verdict) -> Figures {
    match verdict {
        Verdict::Normal(comparison) | Verdict::Anomalous(Finding { comparison, .. }) => {
            Figures::of(comparison)
        }
        Verdict::Undetermined(_) => Figures::NONE,
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
