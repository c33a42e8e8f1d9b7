//! Three thresholds of traces, in the shape of tracing systems. They are numbers of rules in the policy for all customers.
//!
//! The sampling is shown, and is changed in the catalog: a migration makes the views that take the sample.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::{Catalog, MetricSpec, Policies, StoredPolicy};
use detection::rules::Rule;
use detection::{AnomalyKind, Policy};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::access::Operator;
use crate::error::Problem;
use crate::params::{Body, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, TooLarge, Unavailable};
use crate::routes::config::rules;
use crate::routes::traces::{is_of_traces, no_traces};
use crate::views::Time;

/// The thresholds that hold for customers without a policy of their own. Null where no metric of traces has such a rule.
#[derive(Serialize, ToSchema)]
pub(crate) struct TraceConfig {
    /// The latency of an operation is an anomaly if three windows in a row are so many spreads above the usual one. The preset also
    /// tells three windows of 1.2 times the usual latency, and one window of twice the usual latency. This number does not change that.
    #[schema(required = true, example = 3.0)]
    pub latency_threshold_stddev: Option<f64>,
    /// The share of failed requests that is an anomaly, unless chance explains it. The preset also tells twice the
    /// usual share. This number does not change that.
    #[schema(required = true, example = 0.05)]
    pub error_rate_threshold: Option<f64>,
    /// The number of requests is an anomaly from so many spreads above or below the usual one.
    #[schema(required = true, example = 5.0)]
    pub throughput_spike_threshold: Option<f64>,
    /// Whether the rollup holds a sample of the traces. Rules that look for what is new, and those of security, see all of them.
    #[schema(example = false)]
    pub sampling_enabled: bool,
    /// The share of the traces in the sample. 1 without one.
    #[schema(example = 1.0)]
    pub sampling_ratio: f64,
    /// Version of the policy for all customers. 0 until the first write.
    pub version: u64,
    /// Null before the first write.
    #[schema(required = true)]
    pub updated_at: Option<Time>,
}

/// A number that is absent stays. An anomaly is `HIGH` from twice the number on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TraceConfigChange {
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 50)]
    latency_threshold_stddev: Option<f64>,
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 1)]
    error_rate_threshold: Option<f64>,
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 50)]
    throughput_spike_threshold: Option<f64>,
    /// Refused: `sampling_ratio` of the source in the catalog decides.
    #[serde(default)]
    #[schema(ignore)]
    sampling_enabled: Option<IgnoredAny>,
    /// Refused as well.
    #[serde(default)]
    #[schema(ignore)]
    sampling_ratio: Option<IgnoredAny>,
}

/// A number of a rule that this route shows and changes.
struct Threshold {
    /// The type of the anomalies.
    kind: AnomalyKind,
    /// The type of the rule.
    rule: &'static str,
    parameter: &'static str,
    /// The number from which on an anomaly is critical.
    critical: &'static str,
    /// The greatest that either may be.
    most: [f64; 2],
}

const LATENCY: Threshold = Threshold {
    kind: AnomalyKind::HighLatency,
    rule: "deviation",
    parameter: "z",
    critical: "critical_z",
    most: [50.0, 100.0],
};

const ERRORS: Threshold = Threshold {
    kind: AnomalyKind::HighErrorRate,
    rule: "rate",
    parameter: "absolute",
    critical: "critical_rate",
    most: [1.0, 1.0],
};

const THROUGHPUT: Threshold = Threshold { kind: AnomalyKind::TrafficSpike, ..LATENCY };

/// How much greater a number is from which on an anomaly is critical.
const CRITICAL: f64 = 2.0;

/// Show the thresholds of traces
#[utoipa::path(
    get,
    path = "/api/anomaly-config",
    tag = "traces",
    operation_id = "show_trace_config",
    responses(
        (status = 200, description = "The thresholds.", body = TraceConfig),
        Invalid,
        Forbidden,
        Conflict,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    query: Query,
) -> Result<Json<TraceConfig>, Problem> {
    query.only(&[])?.with_texts();
    if metrics(&app).next().is_none() {
        return Err(no_traces());
    }
    Ok(Json(TraceConfig::of(&app, app.store.policy(None).await?)))
}

/// Change the thresholds of traces
///
/// Changes rules in the policy for all customers. They hold from the next run, and every version is kept. `PUT /v1/config` changes
/// any number of any rule.
#[utoipa::path(
    put,
    path = "/api/anomaly-config",
    tag = "traces",
    operation_id = "change_trace_config",
    request_body = TraceConfigChange,
    responses(
        (status = 200, description = "The thresholds.", body = TraceConfig),
        Invalid,
        Forbidden,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    query: Query,
    Body(change): Body<TraceConfigChange>,
) -> Result<Json<TraceConfig>, Problem> {
    query.only(&[])?.with_texts();
    if metrics(&app).next().is_none() {
        return Err(no_traces());
    }
    let changes = [
        ("latency_threshold_stddev", change.latency_threshold_stddev, LATENCY),
        ("error_rate_threshold", change.error_rate_threshold, ERRORS),
        ("throughput_spike_threshold", change.throughput_spike_threshold, THROUGHPUT),
    ];
    let of_sampling =
        [("sampling_enabled", &change.sampling_enabled), ("sampling_ratio", &change.sampling_ratio)];
    if let Some((field, _)) = of_sampling.into_iter().find(|(_, value)| value.is_some()) {
        let detail = format!(
            "{field} is no setting of this route: change `sampling_by` and `sampling_ratio` of the source in the catalog, and \
             run `meterflow migrate`"
        );
        return Err(Problem::invalid(field, detail));
    }
    for (field, value, threshold) in &changes {
        if let Some(value) = value {
            threshold.check(&app, field, *value)?;
        }
    }
    let stored = rules::change(&app, &caller, |policy| {
        for (_, value, threshold) in &changes {
            if let Some(value) = value {
                threshold.set(&app, policy, *value);
            }
        }
    });
    Ok(Json(TraceConfig::of(&app, stored.await?)))
}

fn metrics(app: &App) -> impl Iterator<Item = &MetricSpec> {
    app.catalog.all().flat_map(|source| source.metrics()).filter(|spec| is_of_traces(spec))
}

impl Threshold {
    /// The metrics that have it.
    fn metrics<'a>(&self, source: &'a Catalog) -> impl Iterator<Item = &'a MetricSpec> {
        let (kind, rule) = (self.kind, self.rule);
        let has_it = move |spec: &&MetricSpec| {
            spec.kind == Some(kind) && spec.rules.iter().any(|of| of.rule.name() == rule)
        };
        source.ruled().iter().filter(has_it)
    }

    /// Refuses a value that the rule cannot have, and one that would do nothing.
    fn check(&self, app: &App, field: &str, value: f64) -> Result<(), Problem> {
        let [most, _] = self.most;
        if !(value > 0.0 && value <= most) {
            let detail = format!("{field} must be above 0 and at most {most}, not {value}");
            return Err(Problem::invalid(field, detail));
        }
        if !app.catalog.all().any(|source| self.metrics(source).next().is_some()) {
            let (kind, rule) = (self.kind.as_str(), self.rule);
            let detail =
                format!("{field} would change nothing: no metric of the type {kind} has a rule {rule}");
            return Err(Problem::invalid(field, detail));
        }
        Ok(())
    }

    fn set(&self, app: &App, policy: &mut Policy, value: f64) {
        let [_, most] = self.most;
        for spec in app.catalog.all().flat_map(|source| self.metrics(source)) {
            let changes = policy.rules.entry(spec.name.clone()).or_default();
            let of_rule = changes.0.entry(self.rule.to_owned()).or_default();
            of_rule.insert(self.parameter.to_owned(), value);
            of_rule.insert(self.critical.to_owned(), (CRITICAL * value).min(most));
        }
    }

    /// What holds under the policy for all customers.
    fn value(&self, app: &App, stored: &StoredPolicy) -> Option<f64> {
        app.catalog.all().find_map(|source| {
            let spec = self.metrics(source).next()?;
            let policies = Policies::resolve(source, &[], stored.clone(), Vec::new());
            policies.rules_of_all(spec).iter().find_map(|of| match (&of.rule, self.rule) {
                (Rule::Deviation(rule), "deviation") => Some(rule.z),
                (Rule::Rate(rule), "rate") => Some(rule.absolute),
                _ => None,
            })
        })
    }
}

impl TraceConfig {
    fn of(app: &App, stored: StoredPolicy) -> Self {
        let sample = |spec: &MetricSpec| Some(spec.entities.as_ref()?.sample.as_ref()?.ratio());
        let sampling_ratio = metrics(app).find_map(sample);
        Self {
            latency_threshold_stddev: LATENCY.value(app, &stored),
            error_rate_threshold: ERRORS.value(app, &stored),
            throughput_spike_threshold: THROUGHPUT.value(app, &stored),
            sampling_enabled: sampling_ratio.is_some(),
            sampling_ratio: sampling_ratio.unwrap_or(1.0),
            version: stored.version,
            updated_at: stored.updated_at.map(Time::from),
        }
    }
}
