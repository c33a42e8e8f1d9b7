//! The form of a policy, as the OpenAPI document describes it.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The differences from the catalog and the deployment. PUT replaces the whole document.
#[derive(ToSchema)]
#[schema(as = Policy)]
#[allow(dead_code)] // Describes `detection::Policy`, which knows nothing of HTTP.
pub(in crate::routes) struct PolicyDocument {
    /// Scales the thresholds of all metrics. An answer has the factor.
    sensitivity: Option<SensitivityDocument>,
    /// The detectors that judge all metrics. An answer has the list.
    detectors: Option<DetectorsDocument>,
    /// The time zone of hours and weekdays, by its IANA name. Absent: that of the policy for all customers. Without any, hours are
    /// those of UTC, and the models find out whether clocks changed.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Hours by which the usage arrives late. The customer is judged that many hours later than others. Only for one
    /// customer.
    #[schema(minimum = 0, maximum = 48)]
    window_delay_hours: Option<u8>,
    /// Detectors, thresholds and floors by metric of the catalog. They win over those of all metrics.
    #[schema(value_type = std::collections::BTreeMap<String, OverrideDocument>, required = false, example = json!({"api_calls": {"threshold": 4.0, "min_change": 500}}))]
    metrics: Value,
    /// Other numbers in the rules of metrics of sources, by metric and by type of rule. A metric with two rules of a type gets both
    /// changed. A customer's own changes come on top of those of all customers. The rule `novelty` cannot be changed.
    #[schema(value_type = std::collections::BTreeMap<String, std::collections::BTreeMap<String, std::collections::BTreeMap<String, f64>>>, required = false, example = json!({"trace_error_rate": {"rate": {"absolute": 0.1}}}))]
    rules: Value,
    /// Quotas of a calendar month by metric of the catalog, for each customer. A customer's own entry takes the place of that of all
    /// customers.
    #[schema(value_type = std::collections::BTreeMap<String, BudgetDocument>, required = false, example = json!({"api_calls": {"quota": 1000000}}))]
    budgets: Value,
    /// At most 100 planned events. Their anomalies are stored and alert nobody.
    #[schema(required = false, max_items = 100)]
    mutes: Vec<MuteDocument>,
}

/// An absent setting stays as it is.
#[derive(ToSchema)]
#[schema(as = Override)]
#[allow(dead_code)] // Describes `detection::Override`.
pub(super) struct OverrideDocument {
    /// Size of the z-score from which a change is an anomaly.
    #[schema(exclusive_minimum = 0, maximum = 100)]
    threshold: Option<f64>,
    /// Size of the z-score from which an anomaly is critical; at least `threshold`.
    #[schema(exclusive_minimum = 0, maximum = 100)]
    critical_threshold: Option<f64>,
    /// Least change from the mean that matters, in the metric's unit.
    #[schema(minimum = 0)]
    min_change: Option<f64>,
    /// Least change from the mean that matters, as a share of the mean.
    #[schema(minimum = 0)]
    min_relative_change: Option<f64>,
    /// Least spread of a z-score, as a share of the mean. 0 gives the plain z-score.
    #[schema(minimum = 0, maximum = 1)]
    min_relative_spread: Option<f64>,
    /// The price of one unit, in the currency of the catalog: from 1e-12 to 1e9. 0: its usage costs nothing, and no cost is told.
    /// Only for metrics whose `aggregate` is `count` or `sum`, and that no rule judges.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    price: Option<f64>,
    /// Least cost of the change of a window that matters, in the currency of the catalog. Needs a price.
    #[schema(minimum = 0)]
    min_cost: Option<f64>,
    /// Scales the thresholds of this metric.
    sensitivity: Option<SensitivityDocument>,
    /// The detectors that judge this metric.
    detectors: Option<DetectorsDocument>,
}

/// A quota of one metric for each calendar month, in the policy's time zone. Exactly one of `quota`, `cost` and `unlimited` is
/// needed.
#[derive(ToSchema)]
#[schema(as = Budget)]
#[allow(dead_code)] // Describes `detection::Budget`.
pub(super) struct BudgetDocument {
    /// What may be used in a month, in the metric's unit.
    #[schema(exclusive_minimum = 0)]
    quota: Option<f64>,
    /// The same in the currency of the catalog. Needs a price of the metric.
    #[schema(exclusive_minimum = 0)]
    cost: Option<f64>,
    /// Takes back the budget of all customers, in the policy of one.
    #[schema(required = false)]
    unlimited: bool,
    /// The shares of the quota that are told, each with one page a month: from 0.01 to 10, in whole percent. Absent: 0.8 and 1.
    #[schema(max_items = 5, example = json!([0.8, 1]))]
    shares: Option<Vec<f64>>,
    /// The pace of the last 7 days is told if it exhausts the quota at least so many days before the month ends. 0 tells nothing of
    /// the pace. Absent: 3.
    #[schema(minimum = 0, maximum = 27)]
    days_before_end: Option<u8>,
}

/// How strict all detectors are: a word or a factor of their thresholds. A smaller factor finds more, and pages more for
/// nothing.
#[derive(Deserialize, ToSchema)]
#[schema(as = Sensitivity)]
#[serde(untagged)]
#[allow(dead_code)] // Describes `detection::Sensitivity`.
pub(in crate::routes) enum SensitivityDocument {
    Word(#[schema(inline)] SensitivityWord),
    Factor(#[schema(inline)] SensitivityFactor),
}

/// A factor of the thresholds.
#[derive(Deserialize, ToSchema)]
#[schema(minimum = 0.2, maximum = 5)]
#[allow(dead_code)] // Describes `detection::Sensitivity`.
pub(in crate::routes) struct SensitivityFactor(f64);

/// 1.4, 1 and 0.8 times the thresholds.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::routes) enum SensitivityWord {
    Low,
    Medium,
    High,
}

/// `ensemble` stands for `seasonal` and `autoregressive`, the models of the week. `z_score` is the classical rule.
#[derive(Deserialize, ToSchema)]
#[schema(as = Detectors)]
#[serde(untagged)]
#[allow(dead_code)] // Describes `detection::Detectors`.
pub(super) enum DetectorsDocument {
    Word(#[schema(inline)] DetectorsWord),
    List(#[schema(inline)] DetectorList),
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DetectorsWord {
    Ensemble,
    Seasonal,
    Autoregressive,
    ZScore,
}

/// At least one.
#[derive(Deserialize, ToSchema)]
#[schema(min_items = 1)]
#[allow(dead_code)] // Describes `detection::Detectors`.
pub(super) struct DetectorList(Vec<DetectorName>);

#[derive(Deserialize, ToSchema)]
#[schema(as = DetectorName)]
#[serde(rename_all = "snake_case")]
pub(super) enum DetectorName {
    Seasonal,
    Autoregressive,
    ZScore,
}

/// A planned event. Its anomalies are stored with the reason, and nobody is alerted. With models of the week, its hours count
/// neither in later windows nor in what is expected. With the classical rule, it covers each window that touches it.
#[derive(ToSchema)]
#[schema(as = Mute)]
#[allow(dead_code)] // Describes `detection::Mute`.
pub(super) struct MuteDocument {
    /// Absent: all metrics.
    metric: Option<String>,
    /// RFC 3339. Absent: no beginning.
    #[schema(format = DateTime, example = "2026-11-21T13:00:00Z")]
    from: Option<String>,
    /// RFC 3339, after `from`. Absent: no end.
    #[schema(format = DateTime, example = "2026-11-22T13:00:00Z")]
    until: Option<String>,
    /// Repeats the event, which lasts as long each time: a rule of RFC 5545 with `FREQ` (`DAILY`, `WEEKLY` or `MONTHLY`) and
    /// optionally `BYDAY`, `BYMONTHDAY`, `BYHOUR` and `UNTIL`. Needs `from` and `until`, at most 7 days apart. The rule must
    /// name `from`.
    #[schema(example = "FREQ=WEEKLY;BYDAY=SU;BYHOUR=2")]
    rrule: Option<String>,
    /// The time zone of the rule's days and hours, by its IANA name. Absent: that of this policy, or UTC.
    #[schema(example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// The reason, for people who miss an alert.
    #[schema(min_length = 1, max_length = 500, example = "planned migration")]
    reason: String,
}
