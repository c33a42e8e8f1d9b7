//! The shape of an anomaly of traces, and its classes.

use detection::{Action, AnomalyKind, Deed, Figures, Severity, State};
use jiff::Timestamp;
use serde::Serialize;
use store::{AnomalyItem, HistoryEntry};
use utoipa::ToSchema;

use crate::access::Caller;
use crate::routes::machines::is_of_machines;
use crate::views::Time;

/// What an anomaly of traces is about. Latency and errors are performance, traffic is a matter of resources, and clients that behave
/// oddly are one of security.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TraceAnomalyType)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Class {
    Performance,
    Security,
    Resource,
}

/// The type of an anomaly, as other routes have it in small letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TraceAnomalySubtype)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Subtype {
    HighLatency,
    HighErrorRate,
    TrafficSpike,
    UnusualAccessPattern,
}

/// `MEDIUM` is what other routes call a warning, and `HIGH` what they call critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TraceSeverity)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Level {
    Medium,
    High,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TraceAnomaly {
    /// As `anomaly_id` in other routes.
    #[schema(example = "1795266000000.trace_latency.YWNtZQ.c2hvcB9HRVQgL2NhcnQ")]
    pub id: String,
    /// A trace that shows it: the worst one of the window. Null without any.
    #[schema(required = true)]
    pub trace_id: Option<String>,
    /// The span of that trace. Null without any.
    #[schema(required = true)]
    pub span_id: Option<String>,
    pub anomaly_type: Class,
    pub anomaly_subtype: Subtype,
    pub severity: Level,
    /// The service, or the client or principal: the first name of the entity.
    #[schema(example = "cart")]
    pub service: String,
    /// The second name of the entity. Null without one.
    #[schema(required = true, example = "GET /cart")]
    pub operation: Option<String>,
    pub description: String,
    pub metric: String,
    /// In the unit of the metric.
    pub value: f64,
    /// The mean of the time before.
    pub baseline_value: f64,
    /// In spreads. Of a rule that compares with a limit: how many times the limit the value is.
    pub z_score: f64,
    /// From 0 to 1. Null where nothing is known of chance.
    #[schema(required = true)]
    pub confidence: Option<f64>,
    /// The next steps, the most likely cause first.
    pub recommended_actions: Vec<String>,
    pub detected_at: Time,
    #[schema(value_type = String, example = "open")]
    pub status: State,
    /// Null while it is not resolved.
    #[schema(required = true)]
    pub resolved_at: Option<Time>,
    /// Null without any. A customer does not see the notes of operators.
    #[schema(required = true)]
    pub resolution_notes: Option<String>,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Performance, Self::Security, Self::Resource];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Performance => "PERFORMANCE",
            Self::Security => "SECURITY",
            Self::Resource => "RESOURCE",
        }
    }
}

impl Subtype {
    pub(crate) const ALL: [Self; 4] =
        [Self::HighLatency, Self::HighErrorRate, Self::TrafficSpike, Self::UnusualAccessPattern];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::HighLatency => "HIGH_LATENCY",
            Self::HighErrorRate => "HIGH_ERROR_RATE",
            Self::TrafficSpike => "TRAFFIC_SPIKE",
            Self::UnusualAccessPattern => "UNUSUAL_ACCESS_PATTERN",
        }
    }

    pub(crate) fn class(self) -> Class {
        match self {
            Self::HighLatency | Self::HighErrorRate => Class::Performance,
            Self::TrafficSpike => Class::Resource,
            Self::UnusualAccessPattern => Class::Security,
        }
    }

    pub(crate) fn kind(self) -> AnomalyKind {
        match self {
            Self::HighLatency => AnomalyKind::HighLatency,
            Self::HighErrorRate => AnomalyKind::HighErrorRate,
            Self::TrafficSpike => AnomalyKind::TrafficSpike,
            Self::UnusualAccessPattern => AnomalyKind::UnusualAccessPattern,
        }
    }

    /// `None` for a type that traces do not have.
    pub(crate) fn of(kind: AnomalyKind) -> Option<Self> {
        Self::ALL.into_iter().find(|subtype| subtype.kind() == kind)
    }
}

impl TraceAnomaly {
    /// `None` for an anomaly of another kind, one of a machine, or one without an entity: its data stopped for all customers.
    pub(crate) fn of(item: AnomalyItem, caller: &Caller) -> Option<Self> {
        let subtype = Subtype::of(item.kind)?;
        let mut names = Vec::from(item.entity_path?).into_iter();
        let mut about = item.about.unwrap_or_default();
        if is_of_machines(&about.source) {
            return None;
        }
        let mut of_example = about.example_ids.into_iter().next().unwrap_or_default();
        let mut id = |name: &str| about.ids.remove(name).or_else(|| of_example.remove(name));
        let resolution = resolution(&item.history).filter(|_| item.state == State::Resolved);
        let Figures { current_value, baseline_mean, z_score, .. } = item.evidence.figures;
        Some(Self {
            id: item.anomaly_id.to_string(),
            trace_id: id("trace_id"),
            span_id: id("span_id"),
            anomaly_type: subtype.class(),
            anomaly_subtype: subtype,
            severity: match item.severity {
                Severity::Warning => Level::Medium,
                Severity::Critical => Level::High,
            },
            service: names.next()?,
            operation: names.next(),
            description: item.description,
            metric: item.metric.into(),
            value: current_value,
            baseline_value: baseline_mean,
            z_score,
            confidence: item.confidence,
            recommended_actions: item.investigation_steps,
            detected_at: Timestamp::from_millisecond(item.detected_at).ok()?.into(),
            status: item.state,
            resolved_at: resolution.map(|entry| entry.at.into()),
            resolution_notes: resolution
                .filter(|entry| entry.by_customer || !caller.is_customer())
                .and_then(|entry| entry.note.clone()),
        })
    }
}

/// The last resolution in a history.
fn resolution(history: &[HistoryEntry]) -> Option<&HistoryEntry> {
    history.iter().rev().find(|entry| entry.action == Deed::Action(Action::Resolve))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_one_class_and_one_word() {
        for subtype in Subtype::ALL {
            assert_eq!(Subtype::of(subtype.kind()), Some(subtype));
            assert_eq!(serde_json::to_value(subtype).unwrap(), subtype.as_str());
            assert_eq!(subtype.as_str().to_lowercase(), subtype.kind().as_str());
        }
        for class in Class::ALL {
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
            assert!(Subtype::ALL.iter().any(|subtype| subtype.class() == class), "{class:?}");
        }
        assert_eq!(Subtype::of(AnomalyKind::UsageAnomaly), None);
    }
}
