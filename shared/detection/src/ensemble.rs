//! The ensemble: from the opinions of the detectors to one verdict that explains itself.
//!
//! Scores are compared in thresholds: a score of 1 pages. The window or detector with the largest speaks for all,
//! because a vote loses to the largest score on labelled series. Windows that fail a floor or the gate have no say.
//!
//! A change is an anomaly from 0.8 thresholds on, and critical from 1 on.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::detectors::{autoregressive, seasonal, z_score};
use crate::hours::{LENGTHS, Recent};
use crate::model::{FIRST_DAYS, HourModel};
use crate::{Baseline, Comparison, Detail, Direction, Finding, Opinion, Reason, Settings, Severity, Verdict};

/// A verdict and its explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    pub verdict: Verdict,
    /// The score of the view that spoke, in thresholds: from 1 on it pages. Negative below the expectation.
    pub score: f64,
    /// How sure the score makes, from 0 to 1: .70 at 0.6 thresholds, .90 at 1.
    pub confidence: f64,
    /// The length in hours of the window that spoke. 0 if none could be judged.
    pub hours: usize,
    /// The expected value of that window, in the metric's unit.
    pub expected: f64,
    /// The opinions of all windows and detectors.
    pub views: SmallVec<[View; 5]>,
    /// The condition that the anomaly passed by the least. `None` without an anomaly.
    pub nearest: Option<Nearest>,
    /// Whole days that the series was known for.
    pub days: u16,
    pub trust: Trust,
}

/// What one detector says about one window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct View {
    pub opinion: Opinion,
    /// The score that pages.
    pub threshold: f64,
    /// The value of the window, in the metric's unit.
    pub value: f64,
    /// Its expected value, in the metric's unit.
    pub expected: f64,
    pub standing: Standing,
}

/// Why a view has a say or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct Nearest {
    pub condition: Condition,
    /// The figure that had to reach the limit.
    pub figure: f64,
    pub limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// How much is known of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Less than a week: judged by its peers.
    New,
    /// Less than four weeks: no weekday was seen four times.
    Young,
    Known,
}

/// An anomaly is stored from this share of the threshold on.
pub const STORED: f64 = 0.8;

/// Scores of the standard thresholds, for the confidence.
const PAGES_AT: f64 = 5.0;

const KNOWN_DAYS: u16 = 28;

impl Trust {
    pub fn of(days: u16) -> Self {
        if days < FIRST_DAYS {
            Self::New
        } else if days < KNOWN_DAYS {
            Self::Young
        } else {
            Self::Known
        }
    }
}

/// How sure a normal score makes, from 0 to 1: .70 at 3, .90 at 5.
pub fn confidence(score: f64) -> f64 {
    -(-0.2987 * score.abs().powf(1.269)).exp_m1()
}

/// Judges the windows that end with the newest hour by the row of that hour. Total: any input gives an assessment.
pub fn judge(recent: &Recent, row: &HourModel, settings: &Settings) -> Assessment {
    let values = recent.windows();
    let views = views(recent, &values, row, settings);
    let speaker = views.iter().max_by(|a, b| a.rank().total_cmp(&b.rank()));
    let Some(speaker) = speaker else { return Assessment::undetermined(recent, &values, row) };
    let score = speaker.opinion.score / speaker.threshold;
    let place = speaker.place();
    let baseline = row.windows[place].and_then(|window| window.classical).unwrap_or(Baseline::NONE);
    let classical = z_score::judge(
        speaker.value,
        &baseline,
        recent.never_negative,
        settings.z_score(),
        settings.floors(),
    );
    let comparison = Comparison {
        current: speaker.value,
        baseline,
        z_score: classical.map_or(0.0, |(opinion, _)| opinion.score),
        excluded_windows: 0,
        opinion: speaker.opinion,
    };
    let flags = speaker.standing == Standing::Flags;
    let verdict = if flags {
        let severity = if score.abs() >= 1.0 { Severity::Critical } else { Severity::Warning };
        Verdict::Anomalous(Finding { comparison, severity, direction: Direction::of(score) })
    } else {
        Verdict::Normal(comparison)
    };
    Assessment {
        verdict,
        score,
        confidence: confidence(PAGES_AT * score),
        hours: LENGTHS[place],
        expected: speaker.expected,
        nearest: flags.then(|| speaker.nearest(row, settings)),
        views,
        days: row.days,
        trust: Trust::of(row.days),
    }
}

fn views(recent: &Recent, values: &[f64; 4], row: &HourModel, settings: &Settings) -> SmallVec<[View; 5]> {
    let mut views = SmallVec::new();
    for (place, (&value, window)) in values.iter().zip(&row.windows).enumerate() {
        let Some(window) = window.as_ref().filter(|_| !value.is_nan()) else { continue };
        let parameters = settings.seasonal();
        let judged =
            seasonal::judge(value, place, window, row, recent.aggregate, recent.never_negative, parameters);
        let Some((opinion, expected)) = judged else { continue };
        let threshold = parameters.threshold(place, row.is_new());
        views.push(View::new(opinion, threshold, value, expected, row, settings));
    }
    let [.., before, newest] = recent.values;
    if !newest.is_nan() && !before.is_nan() {
        let parameters = settings.autoregressive();
        let judged = autoregressive::judge(newest, before, row, recent.never_negative, parameters);
        views.extend(judged.map(|(opinion, expected)| {
            View::new(opinion, parameters.threshold(), newest, expected, row, settings)
        }));
    }
    views
}

impl View {
    fn new(
        opinion: Opinion,
        threshold: f64,
        value: f64,
        expected: f64,
        row: &HourModel,
        settings: &Settings,
    ) -> Self {
        let mut view = Self { opinion, threshold, value, expected, standing: Standing::Flags };
        let change = view.change();
        let floors = settings.floors();
        let passes_floors = change >= floors.min_change_of(view.hours())
            && change >= floors.min_relative_change() * expected.abs()
            && change > Baseline::CONSTANT_SPREAD * expected.abs();
        view.standing = if !passes_floors {
            Standing::TooSmall
        } else if view.gate(row).is_some_and(|gate| value < gate) {
            Standing::UsualAtOtherHours
        } else if opinion.score.abs() < STORED * threshold {
            Standing::Usual
        } else {
            Standing::Flags
        };
        view
    }

    /// The length of its window.
    pub fn hours(&self) -> usize {
        match self.opinion.detail {
            Detail::Seasonal { hours } => hours.into(),
            _ => 1,
        }
    }

    fn place(&self) -> usize {
        LENGTHS.iter().position(|length| *length == self.hours()).unwrap_or(0)
    }

    fn change(&self) -> f64 {
        (self.value - self.expected).abs()
    }

    fn gate(&self, row: &HourModel) -> Option<f64> {
        let place = self.place();
        seasonal::gate(place, row.windows[place].as_ref()?, row.transform, Direction::of(self.opinion.score))
    }

    /// Views that may speak come before those that may not, and the largest score in thresholds before smaller ones.
    fn rank(&self) -> f64 {
        let score = self.opinion.score.abs() / self.threshold;
        match self.standing {
            Standing::Flags | Standing::Usual => score,
            Standing::TooSmall | Standing::UsualAtOtherHours => -1.0 / (1.0 + score),
        }
    }

    /// The condition that it passed by the smallest factor.
    fn nearest(&self, row: &HourModel, settings: &Settings) -> Nearest {
        let (change, floors) = (self.change(), settings.floors());
        let of_score = Nearest {
            condition: Condition::Score,
            figure: self.opinion.score.abs(),
            limit: STORED * self.threshold,
        };
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

impl Assessment {
    fn undetermined(recent: &Recent, values: &[f64; 4], row: &HourModel) -> Self {
        let reason = match recent.fault {
            Some(fault) => fault,
            None if values.iter().all(|value| value.is_nan()) => Reason::NoData,
            None => Reason::InsufficientData,
        };
        Self {
            verdict: Verdict::Undetermined(reason),
            score: 0.0,
            confidence: 0.0,
            hours: 0,
            expected: 0.0,
            views: SmallVec::new(),
            nearest: None,
            days: row.days,
            trust: Trust::of(row.days),
        }
    }
}

#[cfg(test)]
mod tests;
