//! Changes of the checks by operators, without a deployment: detectors, thresholds, floors and mutes, for all customers
//! or for one.
//!
//! A policy holds only the differences. The settings of a series come from the catalog and the deployment, then the
//! policy for all customers, then the customer's own policy. Muted anomalies are stored with their reason, so that a
//! planned event does not hide a real one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Detectors, MetricName, Sensitivity, Settings, SettingsError, Thresholds, Window};

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
    /// The same, thresholds and floors by metric. An entry of a metric wins over that of all metrics.
    #[serde(default)]
    pub metrics: BTreeMap<MetricName, Override>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Sensitivity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Detectors>,
}

/// A planned event. Anomalies whose window touches it are stored, and nobody is alerted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mute {
    /// Only this metric. Absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<MetricName>,
    /// First instant of the event. Absent means no beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First instant after the event. Absent means no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The reason, for people who miss an alert.
    pub reason: String,
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
    #[error("mutes[{index}].{field}: {allowed}")]
    Mute { index: usize, field: &'static str, allowed: &'static str },
    #[error("mutes: at most {} are allowed", Policy::MAX_MUTES)]
    TooManyMutes,
}

impl Policy {
    pub const MAX_MUTES: usize = 100;
    pub const MAX_REASON_CHARACTERS: usize = 500;

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
        self.mutes.iter().find(|mute| mute.covers(metric, window))
    }

    /// Checks the mutes. Thresholds and floors are checked together with the settings that they change.
    ///
    /// # Errors
    ///
    /// When a mute has no reason, or ends before it begins, or there are too many.
    pub fn validate_mutes(&self) -> Result<(), PolicyError> {
        if self.mutes.len() > Self::MAX_MUTES {
            return Err(PolicyError::TooManyMutes);
        }
        for (index, mute) in self.mutes.iter().enumerate() {
            let refuse = |field, allowed| Err(PolicyError::Mute { index, field, allowed });
            if mute.reason.trim().is_empty() || mute.reason.chars().count() > Self::MAX_REASON_CHARACTERS {
                return refuse("reason", "1 to 500 characters that say why");
            }
            if mute.from.zip(mute.until).is_some_and(|(from, until)| from >= until) {
                return refuse("until", "a time after `from`");
            }
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
            ..usual
        })
    }
}

impl Mute {
    /// Whether the window holds any part of the event. Usage of one planned hour shows in 24 windows.
    fn covers(&self, metric: &MetricName, window: &Window) -> bool {
        self.metric.as_ref().is_none_or(|muted| muted == metric)
            && self.from.is_none_or(|from| from < window.end())
            && self.until.is_none_or(|until| until > window.start())
    }
}

#[cfg(test)]
mod tests;
