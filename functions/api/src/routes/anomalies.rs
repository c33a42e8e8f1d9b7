//! Lists of anomalies, and one anomaly with the usage around it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use catalog::MetricSpec;
use detection::{Age, AnomalyId, AnomalyKind, AnomalyPlace, Baseline, Direction, State as Stand, Window};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{AnomalyFilter, AnomalyItem};
use utoipa::ToSchema;
use warehouse::usage::UsageStep;

use crate::App;
use crate::access::{Caller, Reader};
use crate::answer::Serving;
use crate::checking::{Usage, corrections, steps, usage_of};
use crate::csv_list;
use crate::error::Problem;
use crate::limits::{cost_of_hours, cost_of_window, within_limits};
use crate::listed::{self, SeverityWord};
use crate::params::{InPath, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::anomaly_pages::{Page, page};
use crate::times;
use crate::views::{AnomalyView, BaselineView, Period};

pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Spike, Direction::Drop];
const STATES: [Stand; 3] = [Stand::Open, Stand::Acknowledged, Stand::Resolved];

const HOUR: Duration = Duration::from_secs(3_600);

/// The parameters that decide the content of the list.
const FILTERS: [&str; 12] = [
    "customer_id",
    "metric",
    "source",
    "type",
    "entity",
    "execution_id",
    "severity",
    "direction",
    "state",
    "text",
    "from",
    "to",
];

/// Columns of the list as CSV.
const COLUMNS: [&str; 45] = [
    "anomaly_id",
    "type",
    "customer_id",
    "source",
    "entity",
    "ids.execution_id",
    "examples",
    "affected_entities",
    "deviation_factor",
    "metric",
    "unit",
    "severity",
    "direction",
    "state",
    "detected_at",
    "window.start",
    "window.end",
    "current_value",
    "baseline_mean",
    "baseline_stddev",
    "sample_count",
    "excluded_windows",
    "z_score",
    "expected_low",
    "expected_high",
    "constant_baseline",
    "score",
    "confidence",
    "detectors",
    "nearest.condition",
    "nearest.figure",
    "nearest.limit",
    "known_days",
    "trust",
    "sparkline",
    "description",
    "investigation_steps",
    "alert_state",
    "incident_id",
    "mute_reason",
    "catalog_version",
    "config_version",
    "expires_at",
    "cost.amount",
    "cost.currency",
];

#[derive(Serialize, ToSchema)]
pub(crate) struct Anomalies {
    /// Newest first.
    pub anomalies: Vec<AnomalyView>,
    /// Send it as `cursor` with the same parameters and the same token to get the next list page. Null on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// An anomaly with the usage that it was judged by, as it is now. Late events may have changed the usage.
#[derive(Serialize, ToSchema)]
pub(crate) struct AnomalyDetail {
    pub anomaly: AnomalyView,
    /// The earlier windows, newest first. Empty if the metric has left the catalog.
    pub baseline_windows: Vec<BaselineWindow>,
    /// The hours of the anomaly's window, oldest first, each beside the same hour of earlier days.
    pub hours: Vec<Hour>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BaselineWindow {
    pub window: Period,
    /// Null if unknown.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// Whether the check counted the window, if the window has a value. The check leaves out three kinds: windows
    /// before the first full one of a new customer, windows with a broken value, and windows that held an incident.
    pub counted: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Hour {
    pub window: Period,
    /// Null if unknown.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// The sum of the negative values of a summed metric, which are corrections. Zero without any. `value` excludes them.
    pub corrections: f64,
    /// The same hour of earlier days.
    pub baseline: BaselineView,
}

/// List anomalies
///
/// Newest first, of all sources. A list page holds `limit` anomalies while more exist. It may hold fewer if a filter makes
/// the search long. The last list page has no `next_cursor`.
#[utoipa::path(
    get,
    path = "/v1/anomalies",
    tag = "anomalies",
    operation_id = "list_anomalies",
    params(
        ("customer_id" = Option<String>, Query, description = "only of this customer"),
        ("source" = Option<String>, Query, description = "only of this source; `usage` is that of customers", example = "usage"),
        ("metric" = Option<String>, Query, description = "only of this metric, of any source", example = "api_calls"),
        ("type" = Option<AnomalyKind>, Query, description = "only of this type"),
        ("entity" = Option<String>, Query, description = "only of the entity with exactly these names: each percent-encoded, with `/` between them"),
        ("execution_id" = Option<String>, Query, description = "only with this `execution_id` in `ids`; checks of single events put it there"),
        ("severity" = Option<SeverityWord>, Query, description = "`warning` or `critical`; `info`, `low` and `medium` mean `warning`, and `high` means `critical`", example = "critical"),
        ("direction" = Option<Direction>, Query, description = "`spike` or `drop`"),
        ("state" = Option<detection::State>, Query, description = "`open`, `acknowledged` or `resolved`"),
        ("text" = Option<String>, Query, description = "only those with this text in customer, entity, metric or description; capital letters do not matter"),
        ("from" = Option<String>, Query, description = "detected at this time or later"),
        ("to" = Option<String>, Query, description = "detected before this time; at most 92 days after `from`; default: now"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "anomalies on a list page; default 20", example = 3),
        ("cursor" = Option<String>, Query, description = "the `next_cursor` of the list page before, with the same parameters and the same token"),
    ),
    responses(
        (
            status = 200,
            description = "A page.",
            content((Anomalies = "application/json"), (String = "text/csv")),
            headers(("x-next-cursor" = Option<String>, description = "for CSV: the `next_cursor`; absent on the last list page")),
        ),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let query = query.only(&[&FILTERS[..], &["limit", "cursor"]].concat())?;
    let (filter, binding) = (filter(&app, &caller, &query)?, binding(&caller, &query));
    let Page { items, next_cursor } =
        page(&app, &serving, &query, filter, &listed::all_metrics(&app), &binding).await?;
    let anomalies = items.into_iter().map(|item| AnomalyView::in_list(item, &caller)).collect();
    let list = Anomalies { anomalies, next_cursor };
    csv_list::list(&headers, list, |list| &list.anomalies, |list| list.next_cursor.as_deref(), &COLUMNS)
}

/// Show one anomaly
///
/// The answer adds the earlier windows of the comparison, and the hours of the window beside the same hours of earlier
/// days.
#[utoipa::path(
    get,
    path = "/v1/anomalies/{anomaly_id}",
    tag = "anomalies",
    operation_id = "show_anomaly",
    params(("anomaly_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.Y3VzdF8wMDAx")),
    responses(
        (status = 200, description = "The anomaly and the usage around it.", body = AnomalyDetail),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn detail(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    InPath(anomaly_id): InPath,
    query: Query,
) -> Result<Json<AnomalyDetail>, Problem> {
    let query = query.only(&[])?;
    let place = visible(&caller, &anomaly_id)?;
    let item = app.store.anomaly(&place, query.now()).await?;
    let item = item.ok_or_else(Problem::not_found)?;
    let (baseline_windows, hours) = match app.catalog.get(place.metric.as_str()) {
        Some(spec) => around(&app, &caller, &item, spec, query.now(), &serving).await?,
        None => (Vec::new(), Vec::new()),
    };
    Ok(Json(AnomalyDetail { anomaly: AnomalyView::of(item, &caller), baseline_windows, hours }))
}

/// The place in an anomaly's id, if the caller may see the anomaly. An invalid id is answered like a missing one.
pub(crate) fn visible(caller: &Caller, anomaly_id: &str) -> Result<AnomalyPlace, Problem> {
    let (_, place) = AnomalyId::parse(anomaly_id).ok_or_else(Problem::not_found)?;
    caller.may_see(&place.customer_id)?;
    Ok(place)
}

/// The filter from the parameters of a list.
fn filter(app: &App, caller: &Caller, query: &Query) -> Result<AnomalyFilter, Problem> {
    let filter = AnomalyFilter {
        customer: caller.customer(query.customer()?)?,
        metrics: listed::metrics(app, query)?,
        kinds: listed::kind(query)?.into_iter().collect(),
        text: listed::text(query)?,
        entity: listed::entity(query)?,
        first_name: None,
        execution_id: query.text("execution_id").map(str::to_owned),
        severity: listed::severity(query)?,
        direction: query.word("direction", &DIRECTIONS.map(|direction| (direction.as_str(), direction)))?,
        state: query.word("state", &STATES.map(|state| (state.as_str(), state)))?,
        from: query.time("from")?,
        until: query.time("to")?,
    };
    times::in_range(filter.from, filter.until, query.now(), ("from", "to"))?;
    Ok(filter)
}

/// Every input that decides the content of the list, as it was sent.
fn binding(caller: &Caller, query: &Query) -> String {
    let parameters: Vec<_> = FILTERS.into_iter().map(|name| (name, query.text(name))).collect();
    format!("{:?} {parameters:?}", caller.view())
}

/// The usage around an anomaly: its earlier windows and its hours.
async fn around(
    app: &App,
    caller: &Caller,
    item: &AnomalyItem,
    spec: &MetricSpec,
    now: Timestamp,
    serving: &Serving,
) -> Result<(Vec<BaselineWindow>, Vec<Hour>), Problem> {
    let at = |ms: i64| Timestamp::from_millisecond(ms).map_err(|error| Problem::internal(error.to_string()));
    let window = Window::between(at(item.window_start)?, at(item.window_end)?)
        .map_err(|error| Problem::internal(error.to_string()))?;
    let (customer, days) = (&item.customer_id, app.detection.baseline_days);
    let range = (window.baseline_start(days), window.end());
    let customers = std::slice::from_ref(customer);
    let cost = cost_of_window(&window, days, 1) + cost_of_hours(range.0, range.1);
    let reading = async {
        futures::try_join!(
            usage_of(app, customers, window, days, now, serving),
            steps(app, customer, spec, range, HOUR, serving)
        )
    };
    let (usage, by_hour) = within_limits(app, caller, now, cost, reading).await?;
    let usage = &usage[customer];
    let series = usage.series(app, spec);
    let excluded_windows = series.excluded_windows(app.detection.thresholds.min_samples);
    let compared: Vec<Age> = series.baseline_without(excluded_windows).map(|(age, _)| age).collect();
    let values = usage.values(app, spec).iter().skip(1).zip(window.oldest(days).earlier_windows());
    let windows = values.map(|(value, age)| {
        let is_full = age.get() <= series.counted();
        let value = if is_full { spec.missing.value(*value) } else { *value };
        let counted = is_full && (value.is_none() || compared.contains(&age));
        BaselineWindow { window: (&window.earlier(age)).into(), value, counted }
    });
    let windows = windows.collect();
    Ok((windows, hours(app, &window, usage, spec, &by_hour)))
}

/// Each hour of a window of 24, beside the same hour of earlier days.
fn hours(app: &App, window: &Window, usage: &Usage, spec: &MetricSpec, by_hour: &[UsageStep]) -> Vec<Hour> {
    const HOURS: usize = detection::window::HOURS as usize;
    let days: Vec<_> = by_hour.rchunks_exact(HOURS).collect();
    (0..HOURS)
        .map(|hour| {
            let start = window.start() + SignedDuration::from_hours(hour as i64);
            let values: Vec<Option<f64>> = days.iter().map(|day| day[hour].value).collect();
            let series = usage.series_of(app, spec, &values);
            let excluded_windows = series.excluded_windows(app.detection.thresholds.min_samples);
            let usual = || series.baseline_without(excluded_windows).map(|(_, value)| value);
            let baseline = Baseline::of(usual()).filter(Baseline::is_finite);
            Hour {
                window: Period::between(start, start + SignedDuration::from_hours(1)),
                value: series.current().filter(|value| value.is_finite()),
                corrections: days.first().map_or(0.0, |day| corrections(spec, &day[hour])),
                baseline: BaselineView {
                    mean: baseline.map(|baseline| baseline.mean()),
                    stddev: baseline.map(|baseline| baseline.stddev()),
                    sample_count: usual().count(),
                    excluded_windows,
                    broken_windows: series.broken_windows().count(),
                },
            }
        })
        .collect()
}
