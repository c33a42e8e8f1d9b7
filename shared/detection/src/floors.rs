//! The least change that matters, whatever a detector says.
//!
//! A score alone would page for every unusual action of a tiny customer. So a change must also exceed two floors: one
//! in the metric's unit and one relative to the mean.

use crate::thresholds::{SettingsError, Thresholds, require};

/// Both floors. A value of this type is valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floors {
    min_change: f64,
    min_relative_change: f64,
}

impl Floors {
    /// A change of this many times `min_change` is large.
    pub const LARGE: f64 = 10.0;

    /// Least change from the mean, in the metric's unit.
    pub fn min_change(&self) -> f64 {
        self.min_change
    }

    /// Least change from the mean, as a share of the mean.
    pub fn min_relative_change(&self) -> f64 {
        self.min_relative_change
    }

    /// Whether a change from a mean is large enough to matter.
    pub fn pass(&self, change: f64, mean: f64) -> bool {
        let (change, mean) = (change.abs(), mean.abs());
        change >= self.min_change && change >= self.min_relative_change * mean
    }

    /// Least change of a window of so many hours. The noise of a window grows with the root of its length, and the floor
    /// is that of a day.
    pub fn min_change_of(&self, hours: usize) -> f64 {
        self.min_change * (hours as f64 / 24.0).sqrt()
    }

    /// Whether a change is ten times the least change that matters.
    pub fn is_large(&self, change: f64) -> bool {
        change.abs() >= Self::LARGE * self.min_change
    }
}

impl TryFrom<&Thresholds> for Floors {
    type Error = SettingsError;

    fn try_from(thresholds: &Thresholds) -> Result<Self, SettingsError> {
        let Thresholds { min_change, min_relative_change, .. } = *thresholds;
        let is_floor = |value: f64| value.is_finite() && value >= 0.0;
        let allowed = "a finite number that is not negative";
        require(is_floor(min_change), "min_change", min_change, allowed)?;
        require(is_floor(min_relative_change), "min_relative_change", min_relative_change, allowed)?;
        Ok(Self { min_change, min_relative_change })
    }
}
