//! The shapes of these answers, and their types of anomalies.

use std::collections::BTreeMap;

use detection::{AnomalyKind, Figures, Severity};
use jiff::Timestamp;
use serde::Serialize;
use store::AnomalyItem;
use utoipa::ToSchema;

use crate::routes::trends::{Day, Trends};
use crate::views::Time;

/// What kind of anomaly it is. Types of other routes count as the nearest one of these: a slow execution as
/// `unusual_execution_time`, a rise of the error rate as `spike_in_failures`, and all else as `pattern_deviation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = AiAnomalyType)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnomalyType {
    SpikeInFailures,
    PerformanceDegradation,
    UnusualExecutionTime,
    PatternDeviation,
    ResourceExhaustion,
    ConsecutiveFailures,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AiAnomaly {
    /// As `anomaly_id` in other routes.
    #[schema(example = "1795265995123.execution_duration.YWNtZQ.bmlnaHRseQ")]
    pub id: String,
    pub anomaly_type: AnomalyType,
    pub severity: Severity,
    pub description: String,
    /// The workflow, or the template of test runs: the first name of the entity.
    pub workflow_id: String,
    /// Null for an anomaly of many executions.
    #[schema(required = true)]
    pub workflow_execution_id: Option<String>,
    /// Ids of the executions that it is about, and what else the source says of them, such as tickets. At most ten.
    pub affected_entities: Vec<String>,
    pub metrics: AiMetrics,
    /// The next steps, the most likely cause first.
    pub recommended_actions: Vec<String>,
    pub detected_at: Time,
}

/// The figures of an anomaly, in the unit of its metric.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AiMetrics {
    pub current_value: f64,
    /// The mean of the time before.
    pub baseline_value: f64,
    /// The current value less the baseline.
    pub deviation: f64,
    /// In spreads. Of a rule that compares with a limit: how many times the limit the value is.
    pub z_score: f64,
    /// From 0 to 1: .70 at three spreads, .90 at five. Null where nothing is known of chance.
    #[schema(required = true)]
    pub confidence: Option<f64>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AiTrends {
    pub from: Time,
    pub to: Time,
    /// Whether all anomalies were counted. `false`: time ran out, and the figures are of those counted until then, the newest
    /// days first.
    pub complete: bool,
    pub total_anomalies: u64,
    pub by_severity: AiBySeverity,
    /// By type. Types without anomalies are left out.
    pub by_type: BTreeMap<&'static str, u64>,
    /// Every day of the period in UTC, oldest first.
    pub by_day: Vec<AiDay>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AiBySeverity {
    pub warning: u64,
    pub critical: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AiDay {
    /// In UTC.
    #[schema(example = "2026-11-21")]
    pub day: String,
    pub total: u64,
    pub warning: u64,
    pub critical: u64,
}

impl AnomalyType {
    pub(crate) const ALL: [Self; 6] = [
        Self::SpikeInFailures,
        Self::PerformanceDegradation,
        Self::UnusualExecutionTime,
        Self::PatternDeviation,
        Self::ResourceExhaustion,
        Self::ConsecutiveFailures,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SpikeInFailures => "spike_in_failures",
            Self::PerformanceDegradation => "performance_degradation",
            Self::UnusualExecutionTime => "unusual_execution_time",
            Self::PatternDeviation => "pattern_deviation",
            Self::ResourceExhaustion => "resource_exhaustion",
            Self::ConsecutiveFailures => "consecutive_failures",
        }
    }

    /// The types of other routes that count as this one.
    pub(crate) fn kinds(self) -> Vec<AnomalyKind> {
        AnomalyKind::ALL.into_iter().filter(|kind| Self::of(*kind) == self).collect()
    }

    fn of(kind: AnomalyKind) -> Self {
        match kind {
            AnomalyKind::SpikeInFailures | AnomalyKind::ErrorRateIncrease => Self::SpikeInFailures,
            AnomalyKind::PerformanceDegradation => Self::PerformanceDegradation,
            AnomalyKind::UnusualExecutionTime | AnomalyKind::DurationSpike => Self::UnusualExecutionTime,
            AnomalyKind::ResourceExhaustion => Self::ResourceExhaustion,
            AnomalyKind::ConsecutiveFailures => Self::ConsecutiveFailures,
            _ => Self::PatternDeviation,
        }
    }

    /// The type by the word that is stored. A word of a newer version counts as the most general type.
    fn of_word(word: &str) -> Self {
        let kind = AnomalyKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        kind.map_or(Self::PatternDeviation, Self::of)
    }
}

impl AiAnomaly {
    /// `None` for an anomaly without an entity: one of the usage of customers, or of data that stopped.
    pub(crate) fn of(item: AnomalyItem) -> Option<Self> {
        let names = Vec::from(item.entity_path?);
        let mut about = item.about.unwrap_or_default();
        let affected = about.affected_entities.into_iter().filter(|name| !names.contains(name)).collect();
        let Figures { current_value, baseline_mean, z_score, .. } = item.evidence.figures;
        Some(Self {
            id: item.anomaly_id.to_string(),
            anomaly_type: AnomalyType::of(item.kind),
            severity: item.severity,
            description: item.description,
            workflow_id: names.into_iter().next()?,
            workflow_execution_id: about.ids.remove("execution_id"),
            affected_entities: affected,
            metrics: AiMetrics {
                current_value,
                baseline_value: baseline_mean,
                deviation: current_value - baseline_mean,
                z_score,
                confidence: item.confidence,
            },
            recommended_actions: item.investigation_steps,
            detected_at: Timestamp::from_millisecond(item.detected_at).ok()?.into(),
        })
    }
}

impl AiTrends {
    pub(crate) fn of(trends: Trends) -> Self {
        let mut by_type = BTreeMap::new();
        for (word, count) in trends.by_type {
            *by_type.entry(AnomalyType::of_word(&word).as_str()).or_default() += count;
        }
        let day = |Day { day, total, warning, critical }: Day| AiDay { day, total, warning, critical };
        Self {
            from: trends.period.start,
            to: trends.period.end,
            complete: trends.complete,
            total_anomalies: trends.total,
            by_severity: AiBySeverity {
                warning: trends.by_severity.warning,
                critical: trends.by_severity.critical,
            },
            by_type,
            by_day: trends.by_day.into_iter().map(day).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_of_anomaly_counts_as_one_of_these() {
        let mut all: Vec<_> = AnomalyType::ALL.into_iter().flat_map(AnomalyType::kinds).collect();
        assert_eq!(all.len(), AnomalyKind::ALL.len());
        all.sort_by_key(|kind| kind.as_str());
        all.dedup();
        assert_eq!(all.len(), AnomalyKind::ALL.len());
        for kind in AnomalyType::ALL {
            assert_eq!(AnomalyType::of_word(kind.as_str()), kind, "its own word");
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(AnomalyType::of_word("something_new"), AnomalyType::PatternDeviation);
    }
}
