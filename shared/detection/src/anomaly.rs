//! An anomaly as it is stored, shown and alerted: a finding with everything that a reader needs to act.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::text::{describe, steps, usual};
use crate::{
    Comparison, CustomerId, Detail, Direction, Evidence, Explanation, Finding, Hour, MetricName, Severity,
    TimeZone, Window,
};

/// A recorded deviation of one customer's metric in one window.
///
/// Its identity is customer, metric and window, never score, severity or clock, so that a re-run of the same window
/// makes the same anomaly.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    pub kind: AnomalyKind,
    pub customer_id: CustomerId,
    pub metric: MetricName,
    pub unit: String,
    pub window: Window,
    pub severity: Severity,
    pub direction: Direction,
    /// The figures that it was judged by, in `unit`.
    pub evidence: Evidence,
    /// Why a model calls it an anomaly. `None` for an anomaly by the classical rule.
    pub explanation: Option<Explanation>,
    /// One English sentence with figures.
    pub description: String,
    pub investigation_steps: Vec<String>,
}

/// `usage_anomaly`: usage that differs from earlier windows. `new_usage`: a large first use of a metric by a customer that is
/// known for longer. It has no earlier windows to compare with, belongs to no incident and pages nobody.
/// `shape_change`: a day of a usual volume whose hours are distributed in another way, as when day and night change places.
/// `data_stopped`: many customers dropped in the same hour, so their data stopped or are late. Its customer is `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AnomalyType))]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    UsageAnomaly,
    NewUsage,
    ShapeChange,
    DataStopped,
}

/// `{detected_at in Unix ms}.{metric}.{customer id in unpadded base64url}`: unique, safe in a URL, and readable back
/// into the anomaly's key without an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnomalyId(String);

impl Anomaly {
    /// The anomaly of a finding. `own_steps` are the instructions of the metric, the most likely cause first.
    pub fn new(
        customer_id: CustomerId,
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

    /// The window's end: the time when the deviation was complete.
    pub fn detected_at(&self) -> Timestamp {
        self.window.end()
    }

    pub fn id(&self) -> AnomalyId {
        AnomalyId::of(self.detected_at(), &self.metric, &self.customer_id)
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
    /// Reads an id from outside, and the time of detection, metric and customer in it.
    ///
    /// `None` for any text that [`Anomaly::id`] does not make, so that one anomaly has one id.
    pub fn parse(text: &str) -> Option<(Self, Timestamp, MetricName, CustomerId)> {
        let (time, rest) = text.split_once('.')?;
        let (metric, customer) = rest.split_once('.')?;
        let detected_at = Timestamp::from_millisecond(time.parse().ok()?).ok()?;
        let customer = String::from_utf8(URL_SAFE_NO_PAD.decode(customer).ok()?).ok()?;
        let (metric, customer) = (MetricName::new(metric).ok()?, CustomerId::new(customer).ok()?);
        let id = Self::of(detected_at, &metric, &customer);
        (id.as_str() == text).then_some((id, detected_at, metric, customer))
    }

    /// The id of the anomaly of this metric and customer in the window that ends then.
    pub fn of(detected_at: Timestamp, metric: &MetricName, customer: &CustomerId) -> Self {
        let encoded = URL_SAFE_NO_PAD.encode(customer.as_str());
        Self(format!("{}.{metric}.{encoded}", detected_at.as_millisecond()))
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
        Anomaly::new(customer, MetricName::new(metric).unwrap(), "calls", own_steps, window, &finding, None)
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
            let anomaly = anomaly(customer, "api_calls");
            let parsed = AnomalyId::parse(anomaly.id().as_str());
            let expected =
                (anomaly.id(), anomaly.detected_at(), anomaly.metric.clone(), anomaly.customer_id.clone());
            assert_eq!(parsed, Some(expected), "{customer:?}");
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
