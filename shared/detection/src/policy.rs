//! Changes of the checks by operators, without a deployment: thresholds, floors and mutes, for all customers or for
//! one.
//!
//! A policy holds only the differences. The settings of a series come from the catalog and the deployment, then the
//! policy for all customers, then the customer's own policy. Muted anomalies are stored with their reason, so that a
//! planned event does not hide a real one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{MetricName, Settings, SettingsError, Thresholds, Window};

/// Changes to the checks of all customers, or of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Thresholds and floors by metric.
    #[serde(default)]
    pub metrics: BTreeMap<MetricName, Override>,
    #[serde(default)]
    pub mutes: Vec<Mute>,
}

/// Thresholds and floors of one metric. Absent values stay as they are.
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
        let Some(change) = self.metrics.get(metric) else { return Ok(*settings) };
        let usual = settings.thresholds();
        Settings::new(Thresholds {
            threshold: change.threshold.unwrap_or(usual.threshold),
            critical_threshold: change.critical_threshold.unwrap_or(usual.critical_threshold),
            min_change: change.min_change.unwrap_or(usual.min_change),
            min_relative_change: change.min_relative_change.unwrap_or(usual.min_relative_change),
            min_relative_spread: change.min_relative_spread.unwrap_or(usual.min_relative_spread),
            ..usual
        })
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

impl Mute {
    /// Whether the window holds any part of the event. Usage of one planned hour shows in 24 windows.
    fn covers(&self, metric: &MetricName, window: &Window) -> bool {
        self.metric.as_ref().is_none_or(|muted| muted == metric)
            && self.from.is_none_or(|from| from < window.end())
            && self.until.is_none_or(|until| until > window.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str) -> MetricName {
        MetricName::new(name).unwrap()
    }

    fn settings() -> Settings {
        Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap()
    }

    #[test]
    fn an_override_changes_what_it_names_and_nothing_else() {
        let change = Override {
            threshold: Some(4.0),
            min_change: Some(0.0),
            min_relative_spread: Some(0.08),
            ..Override::default()
        };
        let policy = Policy { metrics: BTreeMap::from([(metric("a"), change)]), mutes: Vec::new() };
        let changed = policy.settings(&metric("a"), &settings()).unwrap();
        let expected = Thresholds {
            threshold: 4.0,
            min_change: 0.0,
            min_relative_spread: 0.08,
            ..settings().thresholds()
        };
        assert_eq!(changed.thresholds(), expected);
        assert_eq!(policy.settings(&metric("b"), &settings()).unwrap(), settings());
    }

    #[test]
    fn overrides_that_do_not_fit_are_refused_with_their_place() {
        for (change, expected) in [
            (Override { threshold: Some(6.0), ..Override::default() }, "metrics.a: critical_threshold = 5"),
            (Override { threshold: Some(0.0), ..Override::default() }, "metrics.a: threshold = 0"),
            (Override { min_change: Some(-1.0), ..Override::default() }, "metrics.a: min_change = -1"),
        ] {
            let policy = Policy { metrics: BTreeMap::from([(metric("a"), change)]), mutes: Vec::new() };
            let refusal = policy.settings(&metric("a"), &settings()).unwrap_err().to_string();
            assert!(refusal.starts_with(expected), "{refusal}");
        }
    }

    #[test]
    fn a_mute_covers_the_windows_that_touch_its_event() {
        let mute = |metric: Option<MetricName>, from: Option<&str>, until: Option<&str>| Policy {
            metrics: BTreeMap::new(),
            mutes: vec![Mute {
                metric,
                from: from.map(|time| time.parse().unwrap()),
                until: until.map(|time| time.parse().unwrap()),
                reason: "load test".to_owned(),
            }],
        };
        // 20 November 13:00 to 21 November 13:00
        let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
        for (policy, covered) in [
            (mute(None, None, None), true),
            (mute(Some(metric("a")), None, None), true),
            (mute(Some(metric("b")), None, None), false),
            (mute(None, Some("2026-11-21T12:59:59Z"), None), true),
            (mute(None, Some("2026-11-21T13:00:00Z"), None), false),
            (mute(None, None, Some("2026-11-20T13:00:01Z")), true),
            (mute(None, None, Some("2026-11-20T13:00:00Z")), false),
            (mute(None, Some("2026-11-21T01:00:00Z"), Some("2026-11-21T02:00:00Z")), true),
        ] {
            assert_eq!(policy.mute(&metric("a"), &window).is_some(), covered, "{policy:?}");
        }
    }

    #[test]
    fn mutes_need_a_reason_and_an_order() {
        let policy = |from: &str, until: &str, reason: &str| Policy {
            metrics: BTreeMap::new(),
            mutes: vec![Mute {
                metric: None,
                from: Some(from.parse().unwrap()),
                until: Some(until.parse().unwrap()),
                reason: reason.to_owned(),
            }],
        };
        let (early, late) = ("2026-11-20T13:00:00Z", "2026-11-20T14:00:00Z");
        assert_eq!(policy(early, late, "release").validate_mutes(), Ok(()));
        for (policy, field) in [
            (policy(late, early, "release"), "mutes[0].until"),
            (policy(early, early, "release"), "mutes[0].until"),
            (policy(early, late, " "), "mutes[0].reason"),
            (policy(early, late, &"x".repeat(501)), "mutes[0].reason"),
        ] {
            assert!(policy.validate_mutes().unwrap_err().to_string().starts_with(field), "{policy:?}");
        }
        let many = vec![policy(early, late, "release").mutes[0].clone(); 101];
        assert_eq!(
            Policy { mutes: many, ..Policy::default() }.validate_mutes(),
            Err(PolicyError::TooManyMutes)
        );
    }
}
