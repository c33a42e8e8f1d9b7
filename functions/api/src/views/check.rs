//! The shape of a check on demand.

use catalog::{MetricSpec, Policies};
use detection::text::usual;
use detection::{
    AnomalyKind, Baseline, Comparison, Cost, CustomerId, Direction, Explanation, Hour, Incident, Reason,
    Settings, Verdict, Why, Window, WindowCost, check, describe,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Period, WhyView};
use crate::App;
use crate::checking::Usage;
use crate::hourly::{Assessed, Hourly};

/// The verdict on one customer's usage of one metric in one period. Values are in `unit`. A check as the runs make it looks at
/// the last 1, 3, 6 and 24 hours, and `period` is the window that says the most.
#[derive(Serialize, ToSchema)]
pub(crate) struct Check {
    pub customer_id: String,
    pub metric: String,
    pub unit: String,
    pub period: Period,
    /// Whether the period is over. Usage of an open period will still grow.
    pub period_complete: bool,
    /// Usage in the period. Null if unknown.
    #[schema(required = true)]
    pub current_value: Option<f64>,
    pub baseline: BaselineView,
    /// Number of spreads between the usage and the mean, at most 100 either way. Null without a verdict. The spread is
    /// the standard deviation, or `min_relative_spread` times the mean if that is larger.
    #[schema(required = true)]
    pub z_score: Option<f64>,
    pub is_anomaly: bool,
    /// The type of the anomaly. Null unless it is one.
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: Option<AnomalyKind>,
    /// Null without a verdict.
    #[schema(required = true)]
    pub severity: Option<CheckSeverity>,
    /// Null unless it is an anomaly.
    #[schema(required = true)]
    pub direction: Option<Direction>,
    /// The incident of the anomaly. Null without an anomaly, or until a run finds it.
    #[schema(required = true)]
    pub incident_id: Option<String>,
    /// Lowest usual value: `threshold` spreads below the mean. Null without a verdict.
    #[schema(required = true)]
    pub expected_low: Option<f64>,
    /// Highest usual value.
    #[schema(required = true)]
    pub expected_high: Option<f64>,
    /// The earlier periods were all alike. The z-score has no meaning, and other rules decided.
    pub constant_baseline: bool,
    /// The reason if there is no verdict. Null otherwise.
    #[schema(required = true)]
    pub undetermined: Option<Unjudged>,
    /// Size of the z-score from which a change is an anomaly, in this check.
    pub threshold: f64,
    #[serde(flatten)]
    pub why: WhyView,
    /// What the period costs beyond the usual. Null without a price or a verdict.
    #[schema(required = true)]
    pub cost: Option<Cost>,
    /// The verdict in words.
    pub description: String,
}

/// The earlier periods of the same length and time of day.
#[derive(Serialize, ToSchema)]
#[schema(as = Baseline)]
pub(crate) struct BaselineView {
    /// Null without earlier values.
    #[schema(required = true)]
    pub mean: Option<f64>,
    /// Sample standard deviation; null with fewer than two earlier values.
    #[schema(required = true)]
    pub stddev: Option<f64>,
    /// Earlier periods with a value. The check compared with these.
    pub sample_count: usize,
    /// Earlier periods that were left out because an incident was in them. So one anomaly does not hide the next.
    pub excluded_windows: usize,
    /// Earlier periods that were left out because their value is broken: not a finite number, beyond 1e100, or a
    /// negative count or sum.
    pub broken_windows: usize,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Severity)]
pub(crate) enum CheckSeverity {
    Normal,
    Warning,
    Critical,
}

/// Why a series cannot be judged.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Unjudged {
    Customer(CustomerReason),
    Series(Reason),
}

/// `unknown_customer`: the customer used nothing, of any metric, in the time read.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CustomerReason {
    UnknownCustomer,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Checks {
    /// One customer after the other, each with all metrics, in the order of the request.
    pub results: Vec<Check>,
}

/// What a check found, however it was made.
struct Found<'a> {
    window: Window,
    verdict: &'a Verdict,
    current: Option<f64>,
    baseline: BaselineView,
    incident: Option<&'a Incident>,
    explanation: Option<Explanation>,
    cost: Option<WindowCost>,
    /// Whether the customer used nothing, of any metric, in the time read.
    is_of_nobody: bool,
    description: String,
}

/// The series that is checked, its settings, and the time.
#[derive(Clone, Copy)]
pub(crate) struct Checked<'a> {
    pub(crate) customer: &'a CustomerId,
    pub(crate) metric: &'a MetricSpec,
    pub(crate) settings: &'a Settings,
    pub(crate) policies: &'a Policies,
    pub(crate) now: Timestamp,
}

impl Check {
    /// Judges the newest hours of a series as the runs do.
    pub(crate) fn of_hours(app: &App, of: Checked<'_>, hours: &Hourly, window: &Window) -> Self {
        let Checked { customer, metric, settings, policies, .. } = of;
        let Assessed { assessment, verdict, current, broken } =
            hours.assess(app, customer, metric, settings, policies);
        let window = &hours.window(window);
        let comparison = verdict.comparison();
        let explanation = (assessment.hours > 0).then(|| assessment.explanation());
        let baseline = comparison.map(|comparison| comparison.baseline);
        let baseline = baseline.filter(|baseline| baseline.sample_count() > 0);
        let newest = Hour::holding(window.end()).plus(-1);
        let zone = policies.time_zone(customer).cloned().unwrap_or_default();
        let sentence = usual::sentence(&assessment, &metric.unit, newest, &zone);
        let description = match (&explanation, sentence) {
            (Some(explanation), Some(sentence)) if !explanation.is_classical() => {
                format!("{}: {sentence}", metric.name)
            }
            _ => describe::verdict(metric.name.as_str(), &metric.unit, window, &verdict),
        };
        let found = Found {
            window: window.newest_hours(assessment.hours).unwrap_or(*window),
            verdict: &verdict,
            current: comparison.map(|comparison| comparison.current).or(current),
            baseline: BaselineView {
                mean: baseline.map(|baseline| baseline.mean()),
                stddev: baseline.map(|baseline| baseline.stddev()),
                sample_count: baseline.map_or(0, |baseline| baseline.sample_count()),
                excluded_windows: comparison.map_or(0, |comparison| comparison.excluded_windows),
                broken_windows: broken,
            },
            incident: verdict.finding().and_then(|finding| hours.incident(metric, finding.direction)),
            explanation,
            cost: assessment.cost(settings, app.catalog.currency()),
            is_of_nobody: hours.is_of_nobody(),
            description,
        };
        Self::new(of, found)
    }

    /// Compares a chosen period with earlier ones.
    pub(crate) fn of_period(app: &App, of: Checked<'_>, usage: &Usage, window: &Window) -> Self {
        let Checked { metric, settings, .. } = of;
        let series = usage.series(app, metric);
        let verdict = check(&series, settings);
        let comparison = verdict.comparison();
        let values = || series.baseline().map(|(_, value)| value);
        let finite = |number: f64| Some(number).filter(|number| number.is_finite());
        let compared = comparison.filter(|comparison| !comparison.is_new_usage());
        let baseline = compared.map(|comparison| comparison.baseline).or_else(|| Baseline::of(values()));
        let sole = || values().next();
        let found = Found {
            window: *window,
            verdict: &verdict,
            current: series.current().and_then(finite),
            baseline: BaselineView {
                mean: baseline.map(|baseline| baseline.mean()).or_else(sole).and_then(finite),
                stddev: baseline.and_then(|baseline| finite(baseline.stddev())),
                sample_count: baseline.map_or_else(|| values().count(), |baseline| baseline.sample_count()),
                excluded_windows: comparison.map_or(0, |comparison| comparison.excluded_windows),
                broken_windows: series.broken_windows().count(),
            },
            incident: verdict.finding().and_then(|finding| usage.incident(metric, finding.direction)),
            explanation: None,
            cost: comparison.zip(settings.price()).and_then(|(comparison, price)| {
                let figures = (comparison.current, comparison.baseline.mean());
                let hours = usize::try_from(window.length().as_hours()).unwrap_or(usize::MAX);
                WindowCost::new(figures, hours, price, app.catalog.currency())
            }),
            is_of_nobody: usage.is_of_nobody(),
            description: describe::verdict(metric.name.as_str(), &metric.unit, window, &verdict),
        };
        Self::new(of, found)
    }

    fn new(of: Checked<'_>, found: Found<'_>) -> Self {
        let Checked { customer, metric, settings, now, .. } = of;
        let (comparison, finding) = (found.verdict.comparison(), found.verdict.finding());
        Self {
            customer_id: customer.to_string(),
            metric: metric.name.to_string(),
            unit: metric.unit.clone(),
            period: (&found.window).into(),
            period_complete: found.window.end() <= now,
            current_value: found.current,
            baseline: found.baseline,
            z_score: comparison.map(|comparison: &Comparison| comparison.z_score),
            is_anomaly: finding.is_some(),
            kind: finding.map(|finding| AnomalyKind::of(&finding.comparison, found.explanation.as_ref())),
            severity: comparison
                .map(|_| finding.map_or(CheckSeverity::Normal, |finding| finding.severity.into())),
            direction: finding.map(|finding| finding.direction),
            incident_id: found.incident.map(|incident| incident.id().to_string()),
            expected_low: comparison.map(|comparison| comparison.opinion.expected.low),
            expected_high: comparison.map(|comparison| comparison.opinion.expected.high),
            constant_baseline: comparison.is_some_and(Comparison::constant_baseline),
            undetermined: match found.verdict {
                Verdict::Undetermined(_) if found.is_of_nobody => {
                    Some(Unjudged::Customer(CustomerReason::UnknownCustomer))
                }
                Verdict::Undetermined(reason) => Some(Unjudged::Series(*reason)),
                _ => None,
            },
            threshold: settings.z_score().threshold(),
            why: WhyView::of(
                found.explanation.as_ref().map(Why::of),
                found.explanation.as_ref().map(|explanation| explanation.confidence),
            ),
            cost: found.cost.as_ref().map(WindowCost::cost),
            description: match found.is_of_nobody {
                true => "no usage of this customer, of any metric, in this period or the time before it"
                    .to_owned(),
                false => found.description,
            },
        }
    }
}

impl From<detection::Severity> for CheckSeverity {
    fn from(severity: detection::Severity) -> Self {
        match severity {
            detection::Severity::Warning => Self::Warning,
            detection::Severity::Critical => Self::Critical,
        }
    }
}
