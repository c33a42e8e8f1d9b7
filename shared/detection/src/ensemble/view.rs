//! What one detector says of one window, and what keeps it from having a say.

use serde::{Deserialize, Serialize};

use super::DAY;
use crate::detectors::{seasonal, z_score};
use crate::hours::{LENGTHS, Recent};
use crate::model::HourModel;
use crate::{Baseline, Detail, Direction, Opinion, Settings, Severity};

/// What one detector says about one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    pub opinion: Opinion,
    /// The score that pages.
    pub threshold: f64,
    /// The score from which on an anomaly is stored.
    pub stored: f64,
    /// The value of the window, in the metric's unit.
    pub value: f64,
    /// Its expected value, in the metric's unit.
    pub expected: f64,
    pub standing: Standing,
}

/// Why a view has a say or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its score is large enough for an anomaly.
    Flags,
    /// Its score is too small.
    Usual,
    /// The change is too small to matter, in the metric's unit or relative to the expected value.
    TooSmall,
    /// The series has such windows at other hours of the day.
    UsualAtOtherHours,
}

/// A condition of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Nearest {
    pub condition: Condition,
    /// The figure that had to reach the limit.
    pub figure: f64,
    pub limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The score, in spreads.
    Score,
    /// The change, in the metric's unit.
    MinChange,
    /// The change, as a share of the expected value.
    MinRelativeChange,
    /// The value beside what the series has at other hours.
    OtherHours,
}

/// An anomaly of a model is stored from this share of the threshold on.
const STORED: f64 = 0.8;

impl View {
    pub(super) fn new(
        opinion: Opinion,
        threshold: f64,
        value: f64,
        expected: f64,
        row: &HourModel,
        settings: &Settings,
    ) -> Self {
        let stored = STORED * threshold;
        let mut view = Self { opinion, threshold, stored, value, expected, standing: Standing::Flags };
        let change = view.change();
        let floors = settings.floors();
        let passes_floors = change >= floors.min_change_of(view.hours())
            && change >= floors.min_relative_change() * expected.abs()
            && change > Baseline::CONSTANT_SPREAD * expected.abs();
        view.standing = if !passes_floors {
            Standing::TooSmall
        } else if view.gate(row).is_some_and(|gate| value < gate) {
            Standing::UsualAtOtherHours
        } else if opinion.score.abs() < stored {
            Standing::Usual
        } else {
            Standing::Flags
        };
        view
    }

    /// The classical view of the last 24 hours. `None` below `min_samples` earlier windows.
    pub(super) fn classical(
        recent: &Recent,
        value: f64,
        row: &HourModel,
        settings: &Settings,
    ) -> Option<Self> {
        let baseline = row.windows[DAY].as_ref()?.classical?;
        if value.is_nan() || baseline.sample_count() < settings.min_samples() {
            return None;
        }
        let (opinion, severity) = judge_classical(value, &baseline, recent, settings)?;
        let (factor, parameters) = (settings.factor(), settings.z_score());
        let [threshold, stored] =
            [parameters.critical_threshold(), parameters.threshold()].map(|at| factor * at);
        // A baseline without spread has other rules for a page than its score.
        let pages_late = severity == Some(Severity::Warning) && opinion.score.abs() >= threshold;
        let threshold = if pages_late { 2.0 * opinion.score.abs() } else { threshold };
        let expected = baseline.mean();
        let passes = settings.floors().pass(value - expected, expected);
        let standing = match severity {
            Some(_) if opinion.score.abs() >= stored => Standing::Flags,
            None if !passes => Standing::TooSmall,
            _ => Standing::Usual,
        };
        Some(Self { opinion, threshold, stored, value, expected, standing })
    }

    /// Mean and deviation of its window on the days before, and the z-score beside them.
    pub(super) fn beside_classical(
        &self,
        recent: &Recent,
        row: &HourModel,
        settings: &Settings,
    ) -> (Baseline, f64) {
        let baseline = row.windows[self.place()].and_then(|window| window.classical);
        let judged = baseline.and_then(|baseline| judge_classical(self.value, &baseline, recent, settings));
        (baseline.unwrap_or(Baseline::NONE), judged.map_or(0.0, |(opinion, _)| opinion.score))
    }

    /// Its score in thresholds: from 1 on it pages.
    pub fn in_thresholds(&self) -> f64 {
        self.opinion.score / self.threshold
    }

    /// The score from which on its incident goes on. The classical rule pages late, at its critical threshold, so that its
    /// incidents go on from the threshold of an anomaly.
    pub fn lasts_from(&self) -> f64 {
        match self.opinion.detail {
            Detail::ZScore { .. } => self.stored,
            _ => self.threshold,
        }
    }

    /// The length of its window.
    pub fn hours(&self) -> usize {
        self.opinion.detail.hours()
    }

    /// The least change in a direction that would page, as a share of the expected value. Infinite if none would.
    ///
    /// A window that cannot show a deviation says nothing of its end: a silent customer is silent at night, too.
    pub fn shows_from(&self, direction: Direction, settings: &Settings) -> f64 {
        let (floors, expected) = (settings.floors(), self.expected.abs());
        let range = self.opinion.expected;
        let beyond = match direction {
            Direction::Spike => range.high - self.expected,
            // Nothing is below zero.
            Direction::Drop if range.low <= 0.0 && self.expected >= 0.0 => return f64::INFINITY,
            Direction::Drop => self.expected - range.low,
        };
        let least = beyond.max(floors.min_change_of(self.hours())) / expected;
        if least.is_nan() { f64::INFINITY } else { least.max(floors.min_relative_change()) }
    }

    /// Whether it is an anomaly in a direction.
    pub fn flags(&self, direction: Direction) -> bool {
        self.standing == Standing::Flags && Direction::of(self.opinion.score) == direction
    }

    /// Whether it flags, or nearly: with this share of each limit. So a row of numbers with fewer digits leaves nothing
    /// out.
    pub(super) fn is_near(&self, share: f64, row: &HourModel, settings: &Settings) -> bool {
        let (change, floors) = (self.change(), settings.floors());
        let is_near = self.opinion.score.abs() >= share * self.stored
            && change >= share * floors.min_change_of(self.hours())
            && change >= share * floors.min_relative_change() * self.expected.abs()
            && self.gate(row).is_none_or(|gate| self.value >= gate - (1.0 - share) * gate.abs());
        is_near || self.standing == Standing::Flags
    }

    /// The place of its window among the lengths.
    pub(super) fn place(&self) -> usize {
        LENGTHS.iter().position(|length| *length == self.hours()).unwrap_or(0)
    }

    fn change(&self) -> f64 {
        (self.value - self.expected).abs()
    }

    fn gate(&self, row: &HourModel) -> Option<f64> {
        if matches!(self.opinion.detail, Detail::ZScore { .. }) {
            return None;
        }
        let window = row.windows[self.place()].as_ref()?;
        seasonal::gate(window, row.transform, Direction::of(self.opinion.score))
    }

    /// Views that may speak come before those that may not, and the largest score in thresholds before smaller ones.
    pub(super) fn rank(&self) -> f64 {
        let score = self.in_thresholds().abs();
        match self.standing {
            Standing::Flags | Standing::Usual => score,
            Standing::TooSmall | Standing::UsualAtOtherHours => -1.0 / (1.0 + score),
        }
    }

    /// The condition that it passed by the smallest factor.
    pub(super) fn nearest(&self, row: &HourModel, settings: &Settings) -> Nearest {
        let (change, floors) = (self.change(), settings.floors());
        let of_score =
            Nearest { condition: Condition::Score, figure: self.opinion.score.abs(), limit: self.stored };
        let others = [
            Nearest {
                condition: Condition::MinChange,
                figure: change,
                limit: floors.min_change_of(self.hours()),
            },
            Nearest {
                condition: Condition::MinRelativeChange,
                figure: change / self.expected.abs(),
                limit: floors.min_relative_change(),
            },
            Nearest {
                condition: Condition::OtherHours,
                figure: self.value,
                limit: self.gate(row).unwrap_or(0.0),
            },
        ];
        let others = others.into_iter().filter(|other| other.limit > 0.0 && other.figure.is_finite());
        others
            .fold(of_score, |nearest, other| if other.factor() < nearest.factor() { other } else { nearest })
    }
}

impl Nearest {
    fn factor(&self) -> f64 {
        self.figure / self.limit
    }
}

/// The view that speaks for all: that with the largest score in thresholds among those that may.
pub(super) fn speaker(views: &[View]) -> Option<&View> {
    views.iter().max_by(|a, b| a.rank().total_cmp(&b.rank()))
}

fn judge_classical(
    value: f64,
    baseline: &Baseline,
    recent: &Recent,
    settings: &Settings,
) -> Option<(Opinion, Option<Severity>)> {
    z_score::judge(value, baseline, recent.never_negative, settings.z_score(), settings.floors())
}
