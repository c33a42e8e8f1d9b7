//! Changes of the checks by operators, without a deployment: detectors, thresholds, floors and mutes, for all customers
//! or for one.
//!
//! A policy holds only the differences. The settings of a series come from the catalog and the deployment, then the
//! policy for all customers, then the customer's own policy. Muted anomalies are stored with their reason, so that a
//! planned event does not hide a real one.

mod mute;
mod recurrence;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::budget::{Budget, BudgetFault};
use crate::hour::Hour;
use crate::rules::RuleChanges;
use crate::{Detectors, MetricName, Sensitivity, Settings, SettingsError, Thresholds, TimeZone, Window};

pub use mute::Mute;
pub use recurrence::{Recurrence, RecurrenceError};

/// Changes to the checks of all customers, or of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Scales the thresholds of all metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    /// The detectors that judge all metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Detectors>,
    /// The zone of hours and weekdays. Without one they are those of UTC, and models find out whether clocks changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZone>,
    /// Hours by which usage arrives late, from 0 to 48: the customer is judged that many hours later than others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_delay_hours: Option<u8>,
    /// Detectors, thresholds and floors by metric. An entry of a metric wins over that of all metrics.
    #[serde(default)]
    pub metrics: BTreeMap<MetricName, Override>,
    /// Changes of rules by metric. Those of a customer's policy come on top of those of all customers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<MetricName, RuleChanges>,
    /// Quotas of a calendar month by metric. An entry of a customer's policy wins over that of all customers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub budgets: BTreeMap<MetricName, Budget>,
    #[serde(default)]
    pub mutes: Vec<Mute>,
}

/// How one metric is judged. Absent values stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical_threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_change: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_relative_change: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_relative_spread: Option<f64>,
    /// The price of one unit. 0: usage costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_cost: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Detectors>,
}

/// A fault of a policy, and its place.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyError {
    #[error("metrics.{metric}: {source}")]
    Settings {
        metric: MetricName,
        #[source]
        source: SettingsError,
    },
    #[error("budgets.{metric}.{source}")]
    Budget {
        metric: MetricName,
        #[source]
        source: BudgetFault,
    },
    #[error("mutes[{index}].{field}: {allowed}")]
    Mute { index: usize, field: &'static str, allowed: &'static str },
    #[error("mutes: at most {} are allowed", Policy::MAX_MUTES)]
    TooManyMutes,
    #[error("window_delay_hours: {hours} is out of range: whole hours from 0 to {}", Policy::MAX_DELAY_HOURS)]
    WindowDelay { hours: u8 },
}

impl Policy {
    pub const MAX_MUTES: usize = 100;
    pub const MAX_DELAY_HOURS: u8 = 48;

    /// The settings of a metric under this policy.
    ///
    /// # Errors
    ///
    /// When a value is out of its range, or the thresholds do not fit together.
    pub fn settings(&self, metric: &MetricName, settings: &Settings) -> Result<Settings, PolicyError> {
        let change = self.metrics.get(metric).copied().unwrap_or_default();
        let sensitivity = change.sensitivity.or(self.sensitivity).unwrap_or(settings.sensitivity());
        let detectors = change.detectors.or(self.detectors).unwrap_or(settings.detectors());
        change
            .of_thresholds(settings)
            .map(|settings| settings.with_sensitivity(sensitivity).with_detectors(detectors))
            .map_err(|source| PolicyError::Settings { metric: metric.clone(), source })
    }

    /// The mute that keeps an anomaly of this metric and window from alerting people.
    pub fn mute(&self, metric: &MetricName, window: &Window) -> Option<&Mute> {
        self.mutes.iter().find(|mute| mute.covers(metric, window, &self.zone_of(mute)))
    }

    /// Marks the hours from `first` on that mutes of this metric cover.
    pub fn mark_muted(&self, metric: &MetricName, first: Hour, muted: &mut [bool]) {
        self.mutes.iter().for_each(|mute| mute.mark(metric, &self.zone_of(mute), first, muted));
    }

    /// The zone of a mute's rule: its own, that of the policy, or UTC.
    fn zone_of(&self, mute: &Mute) -> TimeZone {
        mute.time_zone.as_ref().or(self.time_zone.as_ref()).cloned().unwrap_or_default()
    }

    /// Checks the delay.
    ///
    /// # Errors
    ///
    /// When it is above [`Self::MAX_DELAY_HOURS`].
    pub fn validate_delay(&self) -> Result<(), PolicyError> {
        let too_long = self.window_delay_hours.filter(|hours| *hours > Self::MAX_DELAY_HOURS);
        too_long.map_or(Ok(()), |hours| Err(PolicyError::WindowDelay { hours }))
    }

    /// Checks the mutes. Thresholds and floors are checked together with the settings that they change.
    ///
    /// # Errors
    ///
    /// When a mute has no reason, ends before it begins or repeats an event without end, or there are too many.
    pub fn validate_mutes(&self) -> Result<(), PolicyError> {
        if self.mutes.len() > Self::MAX_MUTES {
            return Err(PolicyError::TooManyMutes);
        }
        let zone = self.time_zone.clone().unwrap_or_default();
        for (index, mute) in self.mutes.iter().enumerate() {
            mute.validate(&zone).map_err(|(field, allowed)| PolicyError::Mute { index, field, allowed })?;
        }
        Ok(())
    }
}

impl Override {
    /// The settings with other thresholds and floors, and all else as before.
    fn of_thresholds(self, settings: &Settings) -> Result<Settings, SettingsError> {
        let usual = settings.thresholds();
        settings.at(Thresholds {
            threshold: self.threshold.unwrap_or(usual.threshold),
            critical_threshold: self.critical_threshold.unwrap_or(usual.critical_threshold),
            min_change: self.min_change.unwrap_or(usual.min_change),
            min_relative_change: self.min_relative_change.unwrap_or(usual.min_relative_change),
            min_relative_spread: self.min_relative_spread.unwrap_or(usual.min_relative_spread),
            price: self.price.or(usual.price),
            min_cost: self.min_cost.unwrap_or(usual.min_cost),
            ..usual
        })
    }
}

#[cfg(test)]
mod tests;
