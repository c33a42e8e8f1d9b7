//! How often people confirm what was found, by metric and by detector.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{COUNTED, Feedback, FeedbackKind};
use crate::MetricName;

/// Feedback that says whether something was wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precision {
    pub confirmed: u64,
    pub false_alarms: u64,
}

/// The precision of all metrics and detectors with feedback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precisions {
    pub by_metric: BTreeMap<MetricName, Precision>,
    /// By the name of the detector or rule that decided.
    pub by_detector: BTreeMap<String, Precision>,
}

impl Precisions {
    /// Of the feedback of the last 90 days.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Feedback>, now: Timestamp) -> Self {
        let mut precisions = Self::default();
        for feedback in all {
            if now.duration_since(feedback.given_at) >= COUNTED {
                continue;
            }
            let add = |to: &mut Precision| match feedback.kind {
                FeedbackKind::Confirmed => to.confirmed += 1,
                _ => to.false_alarms += 1,
            };
            if !matches!(feedback.kind, FeedbackKind::Confirmed | FeedbackKind::FalseAlarm) {
                continue;
            }
            add(precisions.by_metric.entry(feedback.subject.metric.clone()).or_default());
            for detector in &feedback.detectors {
                add(precisions.by_detector.entry(detector.clone()).or_default());
            }
        }
        precisions
    }
}

impl Precision {
    /// From 0 to 1. Zero without feedback.
    pub fn share(self) -> f64 {
        self.confirmed as f64 / self.total().max(1) as f64
    }

    pub fn total(self) -> u64 {
        self.confirmed + self.false_alarms
    }
}
