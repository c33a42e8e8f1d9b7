//! The seasonal detector: is a window out of line with the same local hours of the days before?
//!
//! Score: the distance of the window's transformed value from its expectation, in spreads. The spread counts the
//! uncertainty of the expectation too. Student's t turns it into a normal score, because a spread of few days is
//! uncertain itself. A deep fall over 6 or 24 hours counts by its logarithm ([`Transform::distance`]).

use crate::Direction;
use crate::hours::{ByLength, LENGTHS, Recent};
use crate::model::{HourModel, Transform, WindowModel};
use crate::opinion::{Detail, Expected, Opinion};
use crate::student::{normal_of_t, t_of_normal};
use crate::thresholds::{SettingsError, require};

/// The strictness of the detector. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    thresholds: ByLength<f64>,
    first_days_threshold: f64,
    min_relative_spread: f64,
}

impl Parameters {
    /// * `thresholds`: the score that pages, by length of the window; above 0 and at most 100.
    /// * `first_days_threshold`: the same for all lengths while a series is known for less than a week.
    /// * `min_relative_spread`: least spread as a share of the expected value, from 0 to 1.
    ///
    /// # Errors
    ///
    /// When a number is out of its range.
    pub fn new(
        thresholds: ByLength<f64>,
        first_days_threshold: f64,
        min_relative_spread: f64,
    ) -> Result<Self, SettingsError> {
        let allowed = "a score above 0 and at most 100";
        for threshold in thresholds {
            require(threshold > 0.0 && threshold <= 100.0, "window_thresholds", threshold, allowed)?;
        }
        let first = first_days_threshold;
        require(first > 0.0 && first <= 100.0, "first_days_threshold", first, allowed)?;
        require(
            (0.0..=1.0).contains(&min_relative_spread),
            "min_relative_spread",
            min_relative_spread,
            "a share of the expected value from 0 to 1",
        )?;
        Ok(Self { thresholds, first_days_threshold, min_relative_spread })
    }

    /// The same parameters with another least spread.
    ///
    /// # Errors
    ///
    /// When the share is not from 0 to 1.
    pub fn at_spread(self, min_relative_spread: f64) -> Result<Self, SettingsError> {
        Self::new(self.thresholds, self.first_days_threshold, min_relative_spread)
    }

    /// The score that pages.
    pub fn threshold(&self, place: usize, is_new: bool) -> f64 {
        if is_new { self.first_days_threshold } else { self.thresholds[place] }
    }

    pub fn thresholds(&self) -> ByLength<f64> {
        self.thresholds
    }

    pub fn first_days_threshold(&self) -> f64 {
        self.first_days_threshold
    }

    pub fn min_relative_spread(&self) -> f64 {
        self.min_relative_spread
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self { thresholds: [5.0; 4], first_days_threshold: 10.0, min_relative_spread: 0.04 }
    }
}

/// The opinion on the window of a length, and the value that is expected in the metric's unit. `None` if the window has
/// no value, too little is known, or a result would not be finite.
///
/// * `threshold`: the score that pages, for the range of usual values.
pub(crate) fn judge(
    recent: &Recent,
    value: f64,
    place: usize,
    row: &HourModel,
    threshold: f64,
    parameters: &Parameters,
) -> Option<(Opinion, f64)> {
    let window = row.windows[place].as_ref().filter(|_| !value.is_nan())?;
    let least = row.transform.least_spread(window.expected, recent.aggregate, parameters.min_relative_spread);
    let spread = window.spread.max(least) * (1.0 + window.samples.recip()).sqrt();
    let (hours, aggregate) = (LENGTHS[place], recent.aggregate);
    let distance = row.transform.distance(value, window.expected, hours, aggregate);
    let score = if distance == 0.0 { 0.0 } else { normal_of_t(distance / spread, window.freedom) };
    let reach = t_of_normal(threshold, window.freedom) * spread;
    let ends = [-reach, reach].map(|at| row.transform.at_distance(at, window.expected, hours, aggregate));
    let opinion = Opinion {
        // A spread of nothing gives an endless score.
        score: score.clamp(-Opinion::CAP, Opinion::CAP),
        expected: expected_range(ends, recent),
        detail: Detail::Seasonal { hours: hours as u8 },
    };
    let middle = row.transform.inverse(window.expected);
    (opinion.is_finite() && middle.is_finite()).then_some((opinion, middle))
}

/// The usual values, from the lowest to the highest.
pub(super) fn expected_range([low, high]: [f64; 2], recent: &Recent) -> Expected {
    let low = if recent.never_negative { low.max(0.0) } else { low };
    Expected { low: low.max(f64::MIN), high: high.min(f64::MAX) }
}

/// The value that a spike of this window must exceed, whatever its score.
pub(crate) fn gate(window: &WindowModel, transform: Transform, direction: Direction) -> Option<f64> {
    let rises = window.gate.filter(|_| direction == Direction::Spike)?;
    Some(transform.inverse(window.expected + rises))
}
