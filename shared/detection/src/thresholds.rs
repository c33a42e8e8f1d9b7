//! The strictness of a check, as files, variables and requests write it.

/// The numbers that make a check strict. Any number is possible here. [`crate::Settings`] holds only valid ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// |z| from which a change is an anomaly: above 0 and at most 100.
    pub threshold: f64,
    /// |z| from which an anomaly is critical: from `threshold` to 100.
    pub critical_threshold: f64,
    /// Least number of baseline values for a verdict; at least 2.
    pub min_samples: usize,
    /// Least change from the mean, in the metric's unit.
    pub min_change: f64,
    /// Least change from the mean, as a share of the mean.
    pub min_relative_change: f64,
    /// Least spread of a z-score, as a share of the mean: from 0 to 1. 0 gives the plain z-score.
    pub min_relative_spread: f64,
    /// The price of one unit. 0, and no price at all, tell no cost.
    pub price: Option<f64>,
    /// Least cost of a window's change from the mean, in the currency of the catalog. Above 0 only beside a price.
    pub min_cost: f64,
}

/// A setting outside its range. The message names the setting, the value and the allowed values.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{setting} = {value} is out of range: {allowed}")]
pub struct SettingsError {
    pub setting: &'static str,
    pub value: f64,
    pub allowed: &'static str,
}

impl Default for Thresholds {
    /// The numbers of a deployment that sets none. The metric decides which change matters, so `min_change` is zero
    /// here.
    fn default() -> Self {
        Self {
            threshold: 3.0,
            critical_threshold: 5.0,
            min_samples: 7,
            min_change: 0.0,
            min_relative_change: 0.1,
            min_relative_spread: 0.04,
            price: None,
            min_cost: 0.0,
        }
    }
}

/// Refuses a setting unless the condition holds.
pub(crate) fn require(
    holds: bool,
    setting: &'static str,
    value: f64,
    allowed: &'static str,
) -> Result<(), SettingsError> {
    if holds { Ok(()) } else { Err(SettingsError { setting, value, allowed }) }
}
