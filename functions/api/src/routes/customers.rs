//! The usage of a customer: the usual values, and series for charts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use detection::{Baseline, Distribution};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use warehouse::usage::UsageStep;

use crate::App;
use crate::access::Reader;
use crate::answer::Serving;
use crate::checking::{corrections, steps, usage_of};
use crate::error::Problem;
use crate::limits::{cost_of_hours, cost_of_window, within_limits};
use crate::params::{CustomerInPath, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::times;
use crate::views::{Period, Time};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const DEFAULT_DAYS: i64 = 7;

#[derive(Serialize, ToSchema)]
pub(crate) struct Baselines {
    pub customer_id: String,
    /// One for each metric of the catalog.
    pub baselines: Vec<MetricBaseline>,
}

/// How the usage of 24 hours was spread over the windows before the last closed one. Values are in `unit`. A value is
/// null if there are too few windows for it.
#[derive(Serialize, ToSchema)]
pub(crate) struct MetricBaseline {
    pub metric: String,
    pub unit: String,
    #[schema(required = true)]
    pub mean: Option<f64>,
    /// Sample standard deviation.
    #[schema(required = true)]
    pub stddev: Option<f64>,
    /// Median. Quantiles are interpolated between the two nearest values.
    #[schema(required = true)]
    pub p50: Option<f64>,
    /// 95 % quantile.
    #[schema(required = true)]
    pub p95: Option<f64>,
    /// 99 % quantile.
    #[schema(required = true)]
    pub p99: Option<f64>,
    #[schema(required = true)]
    pub min: Option<f64>,
    #[schema(required = true)]
    pub max: Option<f64>,
    /// Windows with a value, without the windows that were left out.
    pub sample_count: usize,
    /// Windows that were left out because an incident was in them.
    pub excluded_windows: usize,
    /// Windows that were left out because their value is broken.
    pub broken_windows: usize,
    /// From the start of the oldest window to the end of the newest.
    pub window: Period,
    pub computed_at: Time,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Usage {
    pub customer_id: String,
    pub metric: String,
    pub unit: String,
    /// `hour` or `day`, in UTC.
    pub interval: String,
    /// The full hours or days that the points cover.
    pub period: Period,
    /// Oldest first.
    pub points: Vec<Point>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Point {
    /// First instant of the hour or day.
    pub start: Time,
    /// In `unit`. Null if unknown.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// The sum of the negative values of a summed metric, which are corrections. Zero without any. `value` excludes them.
    pub corrections: f64,
}

/// Show the usual usage of a customer
///
/// For each metric, how the usage of 24 hours was spread over the windows before the last closed one. The run of this
/// hour judges the last closed window by these values.
#[utoipa::path(
    get,
    path = "/v1/customers/{customer_id}/baselines",
    tag = "customers",
    operation_id = "customer_baselines",
    params(
        ("customer_id" = String, Path, description = "the id, or `~` and the id in base64url without padding", example = "cust_0001"),
        ("baseline_days" = Option<u16>, Query, minimum = 1, maximum = 90, description = "number of earlier windows; default: as in the runs (30)"),
    ),
    responses(
        (status = 200, description = "The baselines.", body = Baselines),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn baselines(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    CustomerInPath(customer): CustomerInPath,
    query: Query,
) -> Result<Json<Baselines>, Problem> {
    let query = query.only(&["baseline_days"])?;
    caller.may_see(&customer)?;
    let days = query.baseline_days()?.unwrap_or(app.detection.baseline_days);
    let window = app.closed_window(query.now())?;
    let customers = std::slice::from_ref(&customer);
    let reading = usage_of(&app, customers, window, days, query.now(), &serving);
    let cost = cost_of_window(&window, days, 1);
    let usage = within_limits(&app, &caller, query.now(), cost, reading).await?;
    let usage = &usage[&customer];
    let baselines = app.catalog.metrics().iter().map(|spec| {
        let series = usage.series(&app, spec);
        let excluded_windows = series.excluded_windows(app.detection.thresholds.min_samples);
        let values = || series.baseline_without(excluded_windows).map(|(_, value)| value);
        let baseline = Baseline::of(values()).filter(Baseline::is_finite);
        let spread = Distribution::of(values());
        let quantile = |share| spread.as_ref().map(|spread| spread.quantile(share));
        MetricBaseline {
            metric: spec.name.to_string(),
            unit: spec.unit.clone(),
            mean: baseline
                .map(|baseline| baseline.mean())
                .or_else(|| quantile(0.5).filter(|_| values().count() == 1)),
            stddev: baseline.map(|baseline| baseline.stddev()),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            min: spread.as_ref().map(Distribution::min),
            max: spread.as_ref().map(Distribution::max),
            sample_count: values().count(),
            excluded_windows,
            broken_windows: series.broken_windows().count(),
            window: Period::between(window.earlier(window.oldest(days)).start(), window.start()),
            computed_at: query.now().into(),
        }
    });
    Ok(Json(Baselines { customer_id: customer.to_string(), baselines: baselines.collect() }))
}

/// Show a customer's usage by hour or day
///
/// For charts. The last point may be an hour or a day that is not over yet.
#[utoipa::path(
    get,
    path = "/v1/customers/{customer_id}/usage",
    tag = "customers",
    operation_id = "customer_usage",
    params(
        ("customer_id" = String, Path, description = "the id, or `~` and the id in base64url without padding", example = "cust_0001"),
        ("metric" = String, Query, description = "a metric of the catalog", example = "api_calls"),
        ("interval" = Option<String>, Query, description = "`hour` or `day` (in UTC); default `hour`", example = "day"),
        ("from" = Option<String>, Query, description = "rounded down to a full hour or day; default: 7 days before `to`", example = "now-7d"),
        ("to" = Option<String>, Query, description = "rounded up to a full hour or day, at most 92 days after `from`; default: now"),
    ),
    responses(
        (status = 200, description = "The series.", body = Usage),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn usage(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    CustomerInPath(customer): CustomerInPath,
    query: Query,
) -> Result<Json<Usage>, Problem> {
    let query = query.only(&["metric", "interval", "from", "to"])?;
    caller.may_see(&customer)?;
    let metric = query.required_metric(&app)?;
    let (interval, step) =
        query.word("interval", &[("hour", ("hour", HOUR)), ("day", ("day", DAY))])?.unwrap_or(("hour", HOUR));
    let until = query.time("to")?.unwrap_or(query.now());
    let from = query.time("from")?.unwrap_or(until - DAY * DEFAULT_DAYS as i32);
    times::in_order(Some(from), Some(until), ("from", "to"))?;
    let range = (floor(from, step), floor(until + step - SignedDuration::from_nanos(1), step));

    let reading = steps(&app, &customer, metric, range, step.unsigned_abs(), &serving);
    let cost = cost_of_hours(range.0, range.1);
    let steps = within_limits(&app, &caller, query.now(), cost, reading).await?;
    let start_of = |number: usize| {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        range.0.as_millisecond() + number as i64 * step_ms
    };
    let point = |(number, step): (usize, UsageStep)| Point {
        start: start_of(number).into(),
        // An hour that has not begun is unknown, not zero.
        value: step.value.or_else(|| {
            metric.missing.value(None).filter(|_| start_of(number) < query.now().as_millisecond())
        }),
        corrections: corrections(metric, &step),
    };
    Ok(Json(Usage {
        customer_id: customer.to_string(),
        metric: metric.name.to_string(),
        unit: metric.unit.clone(),
        interval: interval.to_owned(),
        period: Period::between(range.0, range.1),
        points: steps.into_iter().enumerate().map(point).collect(),
    }))
}

/// The full step at or before a time.
fn floor(at: Timestamp, step: SignedDuration) -> Timestamp {
    let seconds = at.as_second().div_euclid(step.as_secs()) * step.as_secs();
    Timestamp::from_second(seconds).unwrap_or(at)
}
