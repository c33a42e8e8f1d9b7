//! The ensemble: from the opinions of the detectors to one verdict that explains itself.
//!
//! Scores are compared in thresholds: a score of 1 pages. The window or detector with the largest speaks for all,
//! because a vote loses to the largest score on labelled series. Windows that fail a floor or the gate have no say.
//!
//! A change is an anomaly from 0.8 thresholds on, and critical from 1 on.

mod band;
mod chart;
mod explanation;
mod review;
mod view;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::detectors::{Detector, autoregressive, seasonal};
use crate::hours::{ByLength, LENGTHS, Recent};
use crate::model::{FIRST_DAYS, HourModel};
use crate::{Comparison, Currency, Direction, Finding, Reason, Settings, Severity, Verdict, WindowCost};

pub use band::usual_range;
pub use chart::Chart;
pub use explanation::{DetectorSays, Explanation, Why};
pub use review::Review;
pub use view::{Condition, Nearest, Standing, View};

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
    pub views: Views,
    /// The condition that the anomaly passed by the least. `None` without an anomaly.
    pub nearest: Option<Nearest>,
    /// Whole days that the series was known for.
    pub days: u16,
    pub trust: Trust,
    /// `None` for a series that does not look odd, or whose hours were not read.
    pub review: Option<Review>,
}

/// The views of one hour.
pub type Views = SmallVec<[View; 6]>;

/// How much is known of a series: `new` for less than a week, `young` for less than four weeks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Less than a week: judged by its peers.
    New,
    /// Less than four weeks: no weekday was seen four times.
    Young,
    Known,
}

/// Scores of the standard thresholds, for the confidence.
const PAGES_AT: f64 = 5.0;

const KNOWN_DAYS: u16 = 28;

/// The place of the window of a day among the lengths.
const DAY: usize = 3;

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
    let Some(speaker) = view::speaker(&views) else {
        return Assessment::undetermined(reason(recent, &values), row.days);
    };
    let score = speaker.in_thresholds();
    let (baseline, z_score) = speaker.beside_classical(recent, row, settings);
    let of_window = row.windows.get(speaker.place()).and_then(Option::as_ref);
    let comparison = Comparison {
        current: speaker.value,
        baseline,
        z_score,
        excluded_windows: of_window.map_or(0, |window| window.excluded),
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
        hours: speaker.hours(),
        expected: speaker.expected,
        nearest: flags.then(|| speaker.nearest(row, settings)),
        views,
        days: row.days,
        trust: Trust::of(row.days),
        review: None,
    }
}

/// What the chosen detectors say of the windows.
fn views(recent: &Recent, values: &ByLength<f64>, row: &HourModel, settings: &Settings) -> Views {
    let (detectors, factor) = (settings.detectors(), settings.factor());
    let mut views = Views::new();
    if detectors.holds(Detector::Seasonal) {
        let parameters = settings.seasonal();
        for (place, value) in values.iter().enumerate() {
            let threshold = factor * parameters.threshold(place, row.is_new());
            let judged = seasonal::judge(recent, *value, place, row, threshold, parameters);
            let view = |(opinion, expected)| View::new(opinion, threshold, *value, expected, row, settings);
            views.extend(judged.map(view));
        }
    }
    if detectors.holds(Detector::Autoregressive) {
        let threshold = factor * settings.autoregressive().threshold();
        let least = settings.seasonal().min_relative_spread();
        let judged = autoregressive::judge(recent, row, threshold, least);
        let view = |(opinion, expected)| View::new(opinion, threshold, values[0], expected, row, settings);
        views.extend(judged.map(view));
    }
    if detectors.holds(Detector::ZScore) {
        views.extend(View::classical(recent, values[DAY], row, settings));
    }
    views
}

/// Why no window could be judged.
fn reason(recent: &Recent, values: &ByLength<f64>) -> Reason {
    match recent.fault {
        Some(fault) => fault,
        None if values.iter().all(|value| value.is_nan()) => Reason::NoData,
        None => Reason::InsufficientData,
    }
}

impl Assessment {
    pub fn is_anomalous(&self) -> bool {
        matches!(self.verdict, Verdict::Anomalous(_))
    }

    /// What the window that spoke costs beyond the usual. `None` without a price, and without a verdict. A first use, which has
    /// no window, is all beyond in its day.
    pub fn cost(&self, settings: &Settings, currency: Currency) -> Option<WindowCost> {
        let comparison = self.verdict.comparison()?;
        let hours = if self.hours > 0 { self.hours } else { LENGTHS[DAY] };
        WindowCost::new((comparison.current, self.expected), hours, settings.price()?, currency)
    }

    /// Whether a window flags, or reaches this share of each limit. `row` and `settings` are those that it was made by.
    pub fn is_near(&self, share: f64, row: &HourModel, settings: &Settings) -> bool {
        self.views.iter().any(|view| view.is_near(share, row, settings))
    }

    /// No verdict on a series that is known for so many days.
    pub(crate) fn undetermined(reason: Reason, days: u16) -> Self {
        Self {
            verdict: Verdict::Undetermined(reason),
            score: 0.0,
            confidence: 0.0,
            hours: 0,
            expected: 0.0,
            views: SmallVec::new(),
            nearest: None,
            days,
            trust: Trust::of(days),
            review: None,
        }
    }
}

#[cfg(test)]
mod tests;
