//! What was found: pages of anomalies, and one with the usage around it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::catalog::MetricSpec;
use adapters::store::{AnomalyFilter, AnomalyItem};
use axum::Json;
use axum::extract::State;
use detection::{
    AnomalyId, Baseline, CustomerId, Direction, MetricName, Series, Severity, State as Stand, Window,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Reader};
use crate::answer::{RequestId, WORK_TIME};
use crate::checking::{Usage, steps, usage_of};
use crate::cursor;
use crate::error::{Problem, ProblemDocument};
use crate::params::{self, InPath, Query};
use crate::routes::check::BaselineView;
use crate::views::{AnomalyView, Period};

pub(crate) const SEVERITIES: [(&str, Severity); 2] =
    [("warning", Severity::Warning), ("critical", Severity::Critical)];
const DIRECTIONS: [(&str, Direction); 2] = [("spike", Direction::Spike), ("drop", Direction::Drop)];
const STATES: [(&str, Stand); 3] =
    [("open", Stand::Open), ("acknowledged", Stand::Acknowledged), ("resolved", Stand::Resolved)];

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Serialize, ToSchema)]
pub(crate) struct Anomalies {
    /// Newest first.
    pub anomalies: Vec<AnomalyView>,
    /// Sent as `cursor` with the same parameters, it brings the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// An anomaly with the usage that it was judged by, as it stands now: events that came late have changed it.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnomalyDetail {
    pub anomaly: AnomalyView,
    /// The earlier windows, newest first. Empty where the catalog no longer has the metric.
    pub baseline_windows: Vec<BaselineWindow>,
    /// The hours of the anomaly's window, oldest first, each beside the same hour of the days before.
    pub hours: Vec<Hour>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BaselineWindow {
    pub window: Period,
    /// Null where nothing is known of it.
    pub value: Option<f64>,
    /// Whether it counts: windows of before a customer's first full one do not.
    pub counted: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Hour {
    pub window: Period,
    pub value: Option<f64>,
    pub baseline: BaselineView,
}

/// List anomalies
///
/// Newest first. A page is filled as far as there are anomalies.
#[utoipa::path(
    get,
    path = "/v1/anomalies",
    tag = "anomalies",
    params(
        ("customer_id" = Option<String>, Query, description = "only of this customer"),
        ("metric" = Option<String>, Query, description = "only of this metric", example = "api_calls"),
        ("severity" = Option<String>, Query, description = "warning or critical"),
        ("direction" = Option<String>, Query, description = "spike or drop"),
        ("state" = Option<String>, Query, description = "open, acknowledged or resolved"),
        ("from" = Option<String>, Query, description = "detected at this time or later"),
        ("to" = Option<String>, Query, description = "detected before this time; at most 92 days after `from`"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "anomalies on a page; default 20"),
        ("cursor" = Option<String>, Query, description = "the `next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Anomalies),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    query: Query,
) -> Result<Json<Anomalies>, Problem> {
    let query = query.only(&[
        "customer_id",
        "metric",
        "severity",
        "direction",
        "state",
        "from",
        "to",
        "limit",
        "cursor",
    ])?;
    let filter = filter(&app, &caller, &query)?;
    let limit = query.number("limit", 1..=100, 20)?;
    let binding = binding(&caller, &query);
    let after = query.text("cursor").map(|text| cursor::decode(text, &binding)).transpose()?;
    let metrics = metric_names(&app);
    let deadline = Instant::now() + WORK_TIME;
    let page = app.store.list(&filter, &metrics, after.as_ref(), limit, query.now(), deadline).await?;
    Ok(Json(Anomalies {
        anomalies: page.anomalies.into_iter().map(AnomalyView::from).collect(),
        next_cursor: page.next.map(|next| cursor::encode(next, &binding)).transpose()?,
    }))
}

/// Show one anomaly
///
/// With the earlier windows that it was compared with, and the hours of its window beside the same hours of the days
/// before.
#[utoipa::path(
    get,
    path = "/v1/anomalies/{anomaly_id}",
    tag = "anomalies",
    params(("anomaly_id" = String, Path, description = "as listed")),
    responses(
        (status = 200, body = AnomalyDetail),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn detail(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    id: RequestId,
    InPath(anomaly_id): InPath,
    query: Query,
) -> Result<Json<AnomalyDetail>, Problem> {
    let query = query.only(&[])?;
    let (customer, detected_at, metric) = visible(&caller, &anomaly_id)?;
    let item = app.store.anomaly(&customer, detected_at, &metric, query.now()).await?;
    let item = item.ok_or_else(Problem::not_found)?;
    let (baseline_windows, hours) = match app.catalog.get(metric.as_str()) {
        Some(spec) => around(&app, &item, spec, &id).await?,
        None => (Vec::new(), Vec::new()),
    };
    Ok(Json(AnomalyDetail { anomaly: item.into(), baseline_windows, hours }))
}

/// What an anomaly's id names, if the caller may see it. An id that names nothing is as good as a missing one.
pub(crate) fn visible(
    caller: &Caller,
    anomaly_id: &str,
) -> Result<(CustomerId, Timestamp, MetricName), Problem> {
    let (_, detected_at, metric, customer) = AnomalyId::parse(anomaly_id).ok_or_else(Problem::not_found)?;
    caller.may_see(&customer)?;
    Ok((customer, detected_at, metric))
}

/// The filter that the parameters of a list or of its figures make.
pub(crate) fn filter(app: &App, caller: &Caller, query: &Query) -> Result<AnomalyFilter, Problem> {
    let filter = AnomalyFilter {
        customer: caller.customer(query.customer()?)?,
        metric: query.metric(app)?.map(|spec| spec.name.clone()),
        severity: query.word("severity", &SEVERITIES)?,
        direction: query.word("direction", &DIRECTIONS)?,
        state: query.word("state", &STATES)?,
        from: query.time("from")?,
        until: query.time("to")?,
    };
    params::in_order(filter.from, filter.until, ("from", "to"))?;
    Ok(filter)
}

pub(crate) fn metric_names(app: &App) -> Vec<MetricName> {
    app.catalog.metrics().iter().map(|spec| spec.name.clone()).collect()
}

/// Everything that decides which anomalies are listed, and in which order. Times are taken as they were sent: one that
/// is relative to now moves on while somebody turns pages, by no more than that.
fn binding(caller: &Caller, query: &Query) -> String {
    let sent = ["customer_id", "metric", "severity", "direction", "state", "from", "to"];
    let parameters: Vec<_> = sent.into_iter().map(|name| (name, query.text(name))).collect();
    format!("{:?} {parameters:?}", caller.view())
}

/// The usage around an anomaly: its earlier windows and its hours.
async fn around(
    app: &App,
    item: &AnomalyItem,
    spec: &MetricSpec,
    id: &RequestId,
) -> Result<(Vec<BaselineWindow>, Vec<Hour>), Problem> {
    let at = |ms: i64| Timestamp::from_millisecond(ms).map_err(|error| Problem::internal(error.to_string()));
    let window = Window::between(at(item.window_start)?, at(item.window_end)?)
        .map_err(|error| Problem::internal(error.to_string()))?;
    let (customer, days) = (&item.customer_id, app.detection.baseline_days);
    let range = (window.baseline_start(days), window.end());
    let customers = std::slice::from_ref(customer);
    let (usage, by_hour) = futures::try_join!(
        usage_of(app, customers, window, days, id),
        steps(app, customer, spec, range, HOUR, id)
    )?;
    let usage = &usage[customer];
    let values = usage.values(app, spec);
    let windows = values.iter().enumerate().skip(1).map(|(age, value)| BaselineWindow {
        window: (&window.earlier(age)).into(),
        value: *value,
        counted: age <= usage.counted(),
    });
    Ok((windows.collect(), hours(&window, usage, spec, &by_hour)))
}

/// Each hour of a window of 24, beside the same hour of the days before.
fn hours(window: &Window, usage: &Usage, spec: &MetricSpec, by_hour: &[Option<f64>]) -> Vec<Hour> {
    const HOURS: usize = detection::window::HOURS as usize;
    let days: Vec<_> = by_hour.rchunks_exact(HOURS).collect();
    (0..HOURS)
        .map(|hour| {
            let start = window.start() + SignedDuration::from_hours(hour as i64);
            let values: Vec<Option<f64>> = days.iter().map(|day| day[hour]).collect();
            let series = Series::new(&values, usage.counted(), spec.missing, spec.never_negative());
            let baseline = Baseline::of(series.baseline()).filter(Baseline::is_finite);
            Hour {
                window: Period::between(start, start + SignedDuration::from_hours(1)),
                value: series.current().filter(|value| value.is_finite()),
                baseline: BaselineView {
                    mean: baseline.map(|baseline| baseline.mean()),
                    stddev: baseline.map(|baseline| baseline.stddev()),
                    sample_count: series.baseline().count(),
                },
            }
        })
        .collect()
}
