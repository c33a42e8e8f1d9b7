//! The shape of an explanation, beside the fields of an anomaly or of a check.

use detection::ensemble::{Nearest, Trust};
use detection::{DetectorSays, Why};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a window is judged as it is. All of it is absent for a first use, for a check of a chosen period, and for anomalies
/// of earlier versions. Anomalies of rules have `confidence` alone.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = Why)]
pub(crate) struct WhyView {
    /// How far the window is from usual, in thresholds: from 1 on it is critical. Negative below usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// How sure the detectors are together, or how sure the rule makes, from 0 to 1: .70 at three spreads, .90 at five. Absent
    /// where nothing is known of chance, as with a fixed limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// What each detector says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detectors: Vec<DetectorSays>,
    /// The condition that the anomaly passed by the least: a higher limit would have silenced it first. Absent without an
    /// anomaly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
    /// Whole days that the series was known for, at most 31.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_days: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// The last 24 hours as a chart in one line of text, the newest hour last. Absent for a series that does not look odd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sparkline: Option<String>,
}

impl WhyView {
    pub(crate) fn of(why: Option<Why>, confidence: Option<f64>) -> Self {
        let Some(why) = why else { return Self { confidence, ..Self::default() } };
        let Why { score, detectors, nearest, known_days, trust, sparkline, chart: _ } = why;
        Self {
            score: Some(score),
            confidence,
            detectors,
            nearest,
            known_days: Some(known_days),
            trust: Some(trust),
            sparkline: Some(sparkline).filter(|chart| !chart.is_empty()),
        }
    }
}
