//! Checks on demand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::MetricSpec;
use catalog::Policies;
use detection::{BaselineDays, CustomerId, Settings, SettingsError, Window};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Reader};
use crate::answer::Serving;
use crate::checking::{policies_of, usage_of};
use crate::error::Problem;
use crate::hourly::hours_of;
use crate::limits::{cost_of_window, within_limits};
use crate::params::{self, Body, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::times::{self, TimeInBody};
use crate::views::{Check, Checked, Checks};

/// Series that one request may check.
const MAX_SERIES: usize = 100;

/// The series to check: every customer with every metric, at most 100 together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckRequest {
    /// Each customer once.
    #[serde(default)]
    #[schema(required = true, min_items = 1, max_items = 100, example = json!(["cust_0001", "cust_0002"]))]
    customer_ids: Vec<String>,
    /// Each metric once. Absent: all metrics of the catalog.
    #[serde(default)]
    #[schema(min_items = 1, example = json!(["api_calls", "bandwidth"]))]
    metrics: Option<Vec<String>>,
    /// First instant of the period: Unix milliseconds, RFC 3339 or relative to now. Default: 24 hours before its end.
    #[serde(default)]
    #[schema(example = "now-24h")]
    current_start: Option<TimeInBody>,
    /// First instant after the period. Default: the last full hour. With `current_start`: 24 hours later, but not after
    /// now.
    #[serde(default)]
    #[schema(example = "now")]
    current_end: Option<TimeInBody>,
    /// Days to compare with. Default: as in the runs, or as many as a verdict on this period needs.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 90)]
    baseline_days: Option<i64>,
    /// Size of the z-score from which a change is an anomaly. Default: as in the runs.
    #[serde(default)]
    #[schema(exclusive_minimum = 0, maximum = 100)]
    threshold: Option<f64>,
    /// Least spread of a z-score, as a share of the mean. 0 gives the plain z-score. Default: as in the runs.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    min_relative_spread: Option<f64>,
}

/// The settings of a check.
struct How {
    window: Window,
    baseline_days: BaselineDays,
    threshold: Option<f64>,
    spread: Option<f64>,
    /// Whether the check is that of a run: of the hours until a full hour, with nothing chosen by the request.
    is_of_runs: bool,
    now: Timestamp,
}

impl How {
    /// Whether a run would check the same: its window, with the days and thresholds of the deployment.
    fn of_request(self, days: Option<BaselineDays>) -> Self {
        let is_chosen = days.is_some() || self.threshold.is_some() || self.spread.is_some();
        Self { is_of_runs: !is_chosen && self.window.is_of_a_run(), ..self }
    }
}

/// Check one customer's usage of one metric
///
/// Without a period of your own, the check is that of the hourly runs: it judges the last 1, 3, 6 and 24 hours until the last
/// full hour by models of the week. `period` in the answer is the window that says the most. `current_end` on a full hour
/// checks an earlier hour in the same way.
///
/// A period of another length, or any of `baseline_days`, `threshold` and `min_relative_spread`, gives the classical check.
/// It compares the period with earlier periods of the same length, a whole number of days apart.
///
/// A verdict needs 7 earlier periods (`min_samples`). So a week needs a `baseline_days` of 49. The longest period with
/// a verdict is 12 days, with 84. The default of `baseline_days` is 30, or as many as the period needs. A baseline that
/// holds fewer than 7 periods is refused, with this arithmetic.
///
/// A period that is not on full hours is read from the events themselves. A period that is not over is compared with
/// whole periods; see `period_complete`. Earlier periods that ended while an incident was active are left out, as in
/// the runs.
///
/// Thresholds and floors come from the deployment and the policies. Nothing is stored, and nobody is alerted.
#[utoipa::path(
    get,
    path = "/v1/anomalies/check",
    tag = "checks",
    operation_id = "check_one",
    params(
        ("customer_id" = Option<String>, Query, description = "the customer; default: the customer of the token", example = "cust_0001"),
        ("metric" = String, Query, description = "a metric of the catalog", example = "api_calls"),
        ("current_start" = Option<String>, Query, description = "first instant of the period; default: 24 hours before its end", example = "now-2h"),
        ("current_end" = Option<String>, Query, description = "first instant after the period; default: the last full hour; with `current_start`: 24 hours later, but not after now", example = "now"),
        ("baseline_days" = Option<u16>, Query, minimum = 1, maximum = 90, description = "days to compare with; default: as in the runs (30), or as many as a verdict on this period needs"),
        ("threshold" = Option<f64>, Query, exclusive_minimum = 0, maximum = 100, description = "size of the z-score from which a change is an anomaly; default: as in the runs (3, unless a policy says otherwise)"),
        ("min_relative_spread" = Option<f64>, Query, minimum = 0, maximum = 1, description = "least spread of a z-score, as a share of the mean; 0 gives the plain z-score; default: as in the runs (0.04, unless a policy says otherwise)"),
    ),
    responses(
        (status = 200, description = "The verdict.", body = Check),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    query: Query,
) -> Result<Json<Check>, Problem> {
    let query = query.only(&[
        "customer_id",
        "metric",
        "current_start",
        "current_end",
        "baseline_days",
        "threshold",
        "min_relative_spread",
    ])?;
    let customer = caller
        .customer(query.customer()?)?
        .ok_or_else(|| params::missing("customer_id", "say which customer"))?;
    let metric = query.required_metric(&app)?;
    let window = period(&app, query.time("current_start")?, query.time("current_end")?, query.now())?;
    let asked_for = query.baseline_days()?;
    let how = How {
        window,
        baseline_days: baseline_days(&app, &window, asked_for)?,
        threshold: query.threshold()?,
        spread: query.spread()?,
        is_of_runs: false,
        now: query.now(),
    }
    .of_request(asked_for);
    let mut checks = check_all(&app, &caller, vec![customer], &[metric], &how, &serving).await?;
    checks.pop().map(Json).ok_or_else(|| Problem::internal("a check without a result"))
}

/// Check many series
///
/// Every customer with every metric, up to 100 series, from one query. All of them are checked in the same period.
#[utoipa::path(
    post,
    path = "/v1/anomalies/check",
    tag = "checks",
    operation_id = "check_many",
    request_body = CheckRequest,
    responses(
        (status = 200, description = "The verdicts.", body = Checks),
        Invalid,
        Forbidden,
        NotFound,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn many(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    query: Query,
    Body(request): Body<CheckRequest>,
) -> Result<Json<Checks>, Problem> {
    query.only(&[])?;
    let now = app.now()?;
    let customers = request.customer_ids.iter().enumerate().map(|(index, text)| {
        let customer = params::customer(text, &format!("customer_ids[{index}]"))?;
        caller.may_see(&customer)?;
        Ok(customer)
    });
    let customers: Vec<CustomerId> = customers.collect::<Result<_, Problem>>()?;
    let metrics: Vec<&MetricSpec> = match &request.metrics {
        None => app.catalog.metrics().iter().collect(),
        Some(names) => names
            .iter()
            .enumerate()
            .map(|(index, name)| params::metric(&app, name, &format!("metrics[{index}]")))
            .collect::<Result<_, _>>()?,
    };
    require_series(&customers, &metrics)?;
    let time = |time: &Option<TimeInBody>, name| time.as_ref().map(|time| time.read(name, now)).transpose();
    let (start, end) =
        (time(&request.current_start, "current_start")?, time(&request.current_end, "current_end")?);
    let asked_for = |days: i64| {
        u16::try_from(days).ok().and_then(BaselineDays::new).ok_or_else(|| {
            let (least, most) = (BaselineDays::MIN, BaselineDays::MAX);
            let detail = format!("`baseline_days` must be from {least} to {most}, not {days}");
            Problem::invalid("baseline_days", detail)
        })
    };
    let asked_for = request.baseline_days.map(asked_for).transpose()?;
    let window = period(&app, start, end, now)?;
    let baseline_days = baseline_days(&app, &window, asked_for)?;
    let threshold =
        request.threshold.map(|number| params::threshold(number, &number.to_string())).transpose()?;
    let spread =
        request.min_relative_spread.map(|number| params::spread(number, &number.to_string())).transpose()?;
    let how = How { window, baseline_days, threshold, spread, is_of_runs: false, now }.of_request(asked_for);
    Ok(Json(Checks { results: check_all(&app, &caller, customers, &metrics, &how, &serving).await? }))
}

fn require_series(customers: &[CustomerId], metrics: &[&MetricSpec]) -> Result<(), Problem> {
    let series = customers.len() * metrics.len();
    if series == 0 {
        let name = if customers.is_empty() { "customer_ids" } else { "metrics" };
        return Err(Problem::invalid(name, format!("{name} must not be empty")));
    }
    if series > MAX_SERIES {
        let detail = format!(
            "{} customers x {} metrics are {series} series; at most {MAX_SERIES} are allowed",
            customers.len(),
            metrics.len()
        );
        return Err(Problem::invalid("customer_ids", detail));
    }
    if let Some(index) = (1..customers.len()).find(|index| customers[..*index].contains(&customers[*index])) {
        return Err(Problem::invalid(format!("customer_ids[{index}]"), "a customer is given more than once"));
    }
    let same = |index: &usize| metrics[..*index].iter().any(|other| other.name == metrics[*index].name);
    match (1..metrics.len()).find(same) {
        Some(index) => Err(Problem::invalid(format!("metrics[{index}]"), "a metric is given more than once")),
        None => Ok(()),
    }
}

fn period(
    app: &App,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    now: Timestamp,
) -> Result<Window, Problem> {
    const NAMES: (&str, &str) = ("current_start", "current_end");
    times::in_order(start, end, NAMES)?;
    let day = jiff::SignedDuration::from_hours(detection::window::HOURS);
    let window = match (start, end) {
        (None, None) => return app.closed_window(now),
        // The future part of a period would look like a drop.
        (Some(start), None) => {
            let day_later = start.saturating_add(day).unwrap_or(start);
            Window::between(start, if start < now { day_later.min(now) } else { day_later })
        }
        (None, Some(end)) => Window::between(end.saturating_sub(day).unwrap_or(end), end),
        (Some(start), Some(end)) => Window::between(start, end),
    };
    window.map_err(|error| Problem::invalid(NAMES.0, error.to_string()))
}

/// The days to compare with: as requested, or else as in the runs. A long period gets more days.
///
/// A baseline that cannot hold as many periods as a verdict needs is refused, with the arithmetic.
fn baseline_days(
    app: &App,
    window: &Window,
    asked_for: Option<BaselineDays>,
) -> Result<BaselineDays, Problem> {
    let stride = u64::try_from(window.stride().as_hours() / 24).unwrap_or(u64::MAX);
    let samples = app.detection.thresholds.min_samples;
    let needed = stride.saturating_mul(samples as u64);
    let days = asked_for.unwrap_or_else(|| {
        let enough = u16::try_from(needed).unwrap_or(u16::MAX).min(BaselineDays::MAX);
        BaselineDays::new(enough).unwrap_or_default().max(app.detection.baseline_days)
    });
    let held = window.baseline_windows(days);
    if held >= samples {
        return Ok(days);
    }
    let so_far = format!(
        "periods of this length are compared every {stride} days, so {days} days hold {held} of them, and a verdict needs {samples}"
    );
    let most = BaselineDays::MAX;
    if needed <= u64::from(most) {
        let detail = format!("{so_far}: set baseline_days to at least {needed}");
        return Err(Problem::baseline_too_short("baseline_days", detail));
    }
    let longest = usize::from(most) / samples.max(1);
    let detail =
        format!("{so_far}: choose a period of at most {longest} days, since baseline_days is at most {most}");
    Err(Problem::baseline_too_short("current_start", detail))
}

async fn check_all(
    app: &App,
    caller: &Caller,
    customers: Vec<CustomerId>,
    metrics: &[&MetricSpec],
    how: &How,
    serving: &Serving,
) -> Result<Vec<Check>, Problem> {
    let cost = cost_of_window(&how.window, how.baseline_days, customers.len());
    let policies = policies_of(app, &customers);
    let mut checks = Vec::with_capacity(customers.len() * metrics.len());
    if how.is_of_runs {
        let reading = async {
            let policies = policies.await?;
            let hours = hours_of(app, &customers, &policies, &how.window, how.now, serving).await?;
            Ok((hours, policies))
        };
        let (hours, policies) = within_limits(app, caller, how.now, cost, reading).await?;
        for (customer, metric) in series(&customers, metrics) {
            let settings = &settings(app, &policies, customer, metric, how)?;
            let of = Checked { customer, metric, settings, policies: &policies, now: how.now };
            checks.push(Check::of_hours(app, of, &hours[customer], &how.window));
        }
    } else {
        let usage = usage_of(app, &customers, how.window, how.baseline_days, how.now, serving);
        let reading = async { futures::try_join!(usage, policies) };
        let (usage, policies) = within_limits(app, caller, how.now, cost, reading).await?;
        for (customer, metric) in series(&customers, metrics) {
            let settings = &settings(app, &policies, customer, metric, how)?;
            let of = Checked { customer, metric, settings, policies: &policies, now: how.now };
            checks.push(Check::of_period(app, of, &usage[customer], &how.window));
        }
    }
    Ok(checks)
}

/// One customer after the other, each with all metrics.
fn series<'a>(
    customers: &'a [CustomerId],
    metrics: &'a [&'a MetricSpec],
) -> impl Iterator<Item = (&'a CustomerId, &'a MetricSpec)> {
    customers.iter().flat_map(move |customer| metrics.iter().map(move |metric| (customer, *metric)))
}

fn settings(
    app: &App,
    policies: &Policies,
    customer: &CustomerId,
    metric: &MetricSpec,
    how: &How,
) -> Result<Settings, Problem> {
    let mut all = app.catalog.metrics().iter().zip(policies.settings(customer));
    let settings = all.find(|(spec, _)| spec.name == metric.name).map(|(_, settings)| *settings);
    let mut settings = settings.ok_or_else(|| Problem::internal("a metric without settings"))?;
    let refuse = |error: SettingsError| Problem::invalid(error.setting, error.to_string());
    if let Some(threshold) = how.threshold {
        settings = settings.at_threshold(threshold).map_err(refuse)?;
    }
    if let Some(spread) = how.spread {
        settings = settings.at_spread(spread).map_err(refuse)?;
    }
    Ok(settings)
}
