//! An anomaly as it is stored, shown and alerted: a finding with everything that a reader needs to act.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::confidence;
use crate::deviation::deviation_factor;
use crate::incident::{decoded, encoded};
use crate::text::{describe, steps, usual};
use crate::{
    About, Comparison, Cost, CustomerId, Detail, Direction, EntityPath, Evidence, Explanation, Finding, Hour,
    MetricName, Severity, TimeZone, Window,
};

/// A recorded deviation of one customer's metric in one window.
///
/// Its identity is customer, metric and window, never score, severity or clock, so that a re-run of the same window
/// makes the same anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    pub kind: AnomalyKind,
    pub customer_id: CustomerId,
    /// What of the customer. None for the customer as a whole.
    pub entity: Option<EntityPath>,
    pub metric: MetricName,
    pub unit: String,
    pub window: Window,
    pub severity: Severity,
    pub direction: Direction,
    /// The figures that it was judged by, in `unit`.
    pub evidence: Evidence,
    /// Why a model calls it an anomaly. `None` for an anomaly by the classical rule.
    pub explanation: Option<Explanation>,
    /// How sure it is, from 0 to 1. `None` where nothing is known of chance: a first use, and a fixed limit.
    pub confidence: Option<f64>,
    /// What its window costs beyond the usual. `None` without a price.
    pub cost: Option<Cost>,
    /// `None` for the usage of customers.
    pub about: Option<About>,
    /// One English sentence with figures.
    pub description: String,
    pub investigation_steps: Vec<String>,
}

/// `usage_anomaly`: usage that differs from earlier windows. `new_usage`: a large first use of a metric by a customer that is
/// known for longer. It has no earlier windows to compare with, belongs to no incident and pages nobody.
/// `shape_change`: a day of a usual volume whose hours are distributed in another way, as when day and night change places.
/// `data_stopped`: many customers dropped in the same hour, so their data stopped or are late. Its customer is `*`.
///
/// `budget_share` and `budget_pace`: a budget of a month is used up to a share, or its pace would exhaust it before the month ends.
///
/// All others are those of sources with entities. A metric of the catalog says which its anomalies have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AnomalyType))]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    UsageAnomaly,
    NewUsage,
    ShapeChange,
    DataStopped,
    BudgetShare,
    BudgetPace,
    DurationSpike,
    OutputSizeDrop,
    ErrorRateIncrease,
    NewErrorType,
    ConsecutiveFailures,
    SpikeInFailures,
    PerformanceDegradation,
    UnusualExecutionTime,
    PatternDeviation,
    ResourceExhaustion,
    HighLatency,
    HighErrorRate,
    TrafficSpike,
    UnusualAccessPattern,
}

/// `{detected_at in Unix ms}.{metric}.{customer id in unpadded base64url}`, with an entity also
/// `.{entity in unpadded base64url}`: unique, safe in a URL, and readable back into the anomaly's key without an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnomalyId(String);

/// What the key of an anomaly is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnomalyPlace {
    pub customer_id: CustomerId,
    pub entity: Option<EntityPath>,
    pub metric: MetricName,
    pub detected_at: Timestamp,
}

impl Anomaly {
    /// The anomaly of a finding. `own_steps` are the instructions of the metric, the most likely cause first.
    pub fn new(
        (customer_id, entity): (CustomerId, Option<EntityPath>),
        metric: MetricName,
        unit: &str,
        own_steps: Vec<String>,
        window: Window,
        finding: &Finding,
        explanation: Option<&Explanation>,
    ) -> Self {
        Self {
            kind: AnomalyKind::of(&finding.comparison, explanation),
            description: description(&metric, unit, &window, finding, explanation, &TimeZone::utc()),
            explanation: explanation.cloned(),
            confidence: confidence::of_finding(finding, explanation),
            cost: None,
            about: None,
            investigation_steps: match finding.comparison.is_of_all_customers() {
                true => steps::of_stopped_data(),
                false => steps::with_general(own_steps, finding.direction),
            },
            unit: unit.to_owned(),
            window,
            severity: finding.severity,
            direction: finding.direction,
            evidence: Evidence::of(&finding.comparison),
            customer_id,
            entity,
            metric,
        }
    }

    /// The same with the hours of its description in a time zone.
    ///
    /// * `finding`: that of the anomaly.
    #[must_use]
    pub fn in_zone(mut self, zone: &TimeZone, finding: &Finding) -> Self {
        let Self { metric, unit, window, explanation, .. } = &self;
        self.description = description(metric, unit, window, finding, explanation.as_ref(), zone);
        self
    }

    /// The same of an entity of a source.
    ///
    /// * `finding`: that of the anomaly.
    /// * `kind`: the type that the metric gives its anomalies.
    #[must_use]
    pub fn about(self, about: About, kind: Option<AnomalyKind>, finding: &Finding) -> Self {
        let Comparison { current, baseline, .. } = finding.comparison;
        let deviation_factor = Some(deviation_factor(current, baseline.mean()));
        let description = self.description + &about.sentence();
        let about = Some(About { deviation_factor, ..about.of_entity(self.entity.as_ref()) });
        let kind = kind.filter(|_| self.kind == AnomalyKind::UsageAnomaly).unwrap_or(self.kind);
        Self { kind, about, description, ..self }
    }

    /// The window's end: the time when the deviation was complete.
    pub fn detected_at(&self) -> Timestamp {
        self.window.end()
    }

    pub fn place(&self) -> AnomalyPlace {
        AnomalyPlace {
            customer_id: self.customer_id.clone(),
            entity: self.entity.clone(),
            metric: self.metric.clone(),
            detected_at: self.detected_at(),
        }
    }

    pub fn id(&self) -> AnomalyId {
        AnomalyId::of(&self.place())
    }
}

/// The finding in one sentence, with the figures of the rule that made it.
fn description(
    metric: &MetricName,
    unit: &str,
    window: &Window,
    finding: &Finding,
    explanation: Option<&Explanation>,
    zone: &TimeZone,
) -> String {
    if let Detail::Together { dropped, customers } = finding.comparison.opinion.detail {
        let Comparison { current, baseline, .. } = finding.comparison;
        return usual::of_stopped_data(
            (dropped, customers),
            (current, baseline.mean()),
            metric.as_str(),
            unit,
        );
    }
    let Some(explanation) = explanation.filter(|explanation| !explanation.is_classical()) else {
        return describe::sentence(metric.as_str(), unit, finding);
    };
    let newest = Hour::holding(window.end()).plus(-1);
    let current = finding.comparison.current;
    format!("{metric}: {}", usual::of_explanation(current, explanation, unit, newest, zone))
}

impl AnomalyKind {
    pub const ALL: [Self; 20] = [
        Self::UsageAnomaly,
        Self::NewUsage,
        Self::ShapeChange,
        Self::DataStopped,
        Self::BudgetShare,
        Self::BudgetPace,
        Self::DurationSpike,
        Self::OutputSizeDrop,
        Self::ErrorRateIncrease,
        Self::NewErrorType,
        Self::ConsecutiveFailures,
        Self::SpikeInFailures,
        Self::PerformanceDegradation,
        Self::UnusualExecutionTime,
        Self::PatternDeviation,
        Self::ResourceExhaustion,
        Self::HighLatency,
        Self::HighErrorRate,
        Self::TrafficSpike,
        Self::UnusualAccessPattern,
    ];

    /// As it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UsageAnomaly => "usage_anomaly",
            Self::NewUsage => "new_usage",
            Self::ShapeChange => "shape_change",
            Self::DataStopped => "data_stopped",
            Self::BudgetShare => "budget_share",
            Self::BudgetPace => "budget_pace",
            Self::DurationSpike => "duration_spike",
            Self::OutputSizeDrop => "output_size_drop",
            Self::ErrorRateIncrease => "error_rate_increase",
            Self::NewErrorType => "new_error_type",
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::SpikeInFailures => "spike_in_failures",
            Self::PerformanceDegradation => "performance_degradation",
            Self::UnusualExecutionTime => "unusual_execution_time",
            Self::PatternDeviation => "pattern_deviation",
            Self::HighLatency => "high_latency",
            Self::HighErrorRate => "high_error_rate",
            Self::TrafficSpike => "traffic_spike",
            Self::UnusualAccessPattern => "unusual_access_pattern",
            Self::ResourceExhaustion => "resource_exhaustion",
        }
    }

    pub fn of(comparison: &Comparison, explanation: Option<&Explanation>) -> Self {
        if comparison.is_of_all_customers() {
            Self::DataStopped
        } else if comparison.is_new_usage() {
            Self::NewUsage
        } else if explanation.is_some_and(Explanation::is_shape_change) {
            Self::ShapeChange
        } else {
            Self::UsageAnomaly
        }
    }
}

impl AnomalyId {
    /// Reads an id from outside, and the place of the anomaly in it.
    ///
    /// `None` for any text that [`Anomaly::id`] does not make, so that one anomaly has one id.
    pub fn parse(text: &str) -> Option<(Self, AnomalyPlace)> {
        let mut parts = text.splitn(4, '.');
        let detected_at = Timestamp::from_millisecond(parts.next()?.parse().ok()?).ok()?;
        let metric = MetricName::new(parts.next()?).ok()?;
        let customer_id = CustomerId::new(decoded(parts.next()?)?).ok()?;
        let entity = match parts.next() {
            Some(entity) => Some(EntityPath::parse(&decoded(entity)?).ok()?),
            None => None,
        };
        let place = AnomalyPlace { customer_id, entity, metric, detected_at };
        let id = Self::of(&place);
        (id.as_str() == text).then_some((id, place))
    }

    /// The id of the anomaly at this place.
    pub fn of(place: &AnomalyPlace) -> Self {
        let AnomalyPlace { customer_id, entity, metric, detected_at } = place;
        let who = encoded(customer_id, entity.as_ref());
        Self(format!("{}.{metric}.{who}", detected_at.as_millisecond()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AnomalyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{Missing, Series, Settings, Thresholds, Verdict, check};

    #[test]
    fn the_word_of_a_type_is_the_stored_one() {
        for kind in AnomalyKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(AnomalyKind::ALL.iter().collect::<HashSet<_>>().len(), AnomalyKind::ALL.len());
    }

    fn anomaly(customer: &str, metric: &str) -> Anomaly {
        let mut windows = [Some(100.0); 31];
        windows[0] = Some(5_000.0);
        let settings = Settings::new(Thresholds { min_change: 100.0, ..Thresholds::default() }).unwrap();
        let Verdict::Anomalous(finding) = check(&Series::new(&windows, 30, Missing::Zero, true), &settings)
        else {
            panic!("a fifty-fold spike is an anomaly");
        };
        let window = Window::closing_at("2026-11-21T13:00:00Z".parse().unwrap()).unwrap();
        let customer = CustomerId::new(customer).unwrap();
        let own_steps = vec!["Look.".to_owned()];
        Anomaly::new(
            (customer, None),
            MetricName::new(metric).unwrap(),
            "calls",
            own_steps,
            window,
            &finding,
            None,
        )
    }

    #[test]
    fn only_the_catalog_gives_a_metric_steps_of_its_own() {
        // The name of a built-in metric means nothing here.
        for metric in ["bandwidth", "api_calls", "anything"] {
            let steps = anomaly("a", metric).investigation_steps;
            assert_eq!(steps, steps::with_general(vec!["Look.".to_owned()], Direction::Spike), "{metric}");
        }
    }

    #[test]
    fn the_sentence_of_new_values_names_them() {
        let about = |values: &[&str], more_values| About {
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            more_values,
            ..About::of("jobs")
        };
        for (about, expected) in [
            (about(&[], None), ""),
            (about(&["timeout of *"], None), ": \"timeout of *\""),
            (
                about(&["timeout of *", "no space left"], Some(7)),
                ": \"timeout of *\", \"no space left\"; 7 more new values of the customer are not listed",
            ),
            (about(&["a"], Some(1)), ": \"a\"; one more new value of the customer is not listed"),
        ] {
            let verdict = crate::rules::Novelty::default().judge(crate::rules::Sighting {
                events: 3,
                last_seen_days: None,
                known_days: 30,
            });
            let Verdict::Anomalous(finding) = verdict else { panic!("{verdict:?}") };
            let before = anomaly("a", "new_errors");
            let sentence = before.description.clone();
            assert_eq!(before.about(about, None, &finding).description, format!("{sentence}{expected}"));
        }
    }

    #[test]
    fn an_id_is_unique_for_customer_and_metric_and_safe_in_a_url() {
        let customers = ["a", "a.b", "a#b", "a\nb", "A", "客户", " a", "YQ"];
        let ids: HashSet<_> =
            customers.iter().flat_map(|c| ["m", "m_a"].map(|m| anomaly(c, m).id().to_string())).collect();
        assert_eq!(ids.len(), customers.len() * 2);
        assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))));
        assert_eq!(anomaly("cust_1", "api_calls").id().as_str(), "1795266000000.api_calls.Y3VzdF8x");
    }

    #[test]
    fn an_id_is_read_back_exactly_or_not_at_all() {
        for customer in ["a", "a.b", "#'\"`\n\0", "客户", &"x".repeat(2_000)] {
            for entity in [None, Some(EntityPath::new(vec!["nightly".to_owned(), "a.b".to_owned()]).unwrap())]
            {
                let anomaly = Anomaly { entity, ..anomaly(customer, "api_calls") };
                let parsed = AnomalyId::parse(anomaly.id().as_str());
                assert_eq!(parsed, Some((anomaly.id(), anomaly.place())), "{customer:?}");
            }
        }
        for foreign in [
            "",
            "1795266000000",
            "1795266000000.api_calls",
            "1795266000000.api_calls.",
            "1795266000000.API.Y3VzdF8x",
            "+1795266000000.api_calls.Y3VzdF8x",
            "01795266000000.api_calls.Y3VzdF8x",
            "99999999999999999999.api_calls.Y3VzdF8x",
            "1795266000000.api_calls.Y3VzdF8x=",
            "1795266000000.api_calls.Y3VzdF9",
            "1795266000000.api_calls.gICA",
            "1795266000000.digest.3-1",
        ] {
            assert_eq!(AnomalyId::parse(foreign), None, "{foreign}");
        }
    }
}
