//! The anomalies of operations and clients of services, in the shapes of tracing systems.
//!
//! These routes only write in another form what the others know. A class is made of the type of an anomaly. Times are texts unless
//! the request asks for milliseconds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use catalog::{Catalog, MetricSpec};
use detection::{Action, AnomalyPlace, MetricName};
use serde::{Deserialize, Serialize};
use store::{AnomalyFilter, AnomalyItem};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Operator, Reader, Responder};
use crate::answer::Serving;
use crate::error::{Code, Problem};
use crate::listed::{self, SeverityWord};
use crate::params::{Body, InPath, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::actions::{ActionRequest, Note};
use crate::routes::anomalies::visible;
use crate::routes::anomaly_pages::{Page, page};
use crate::routes::machines::is_of_machines;
use crate::routes::source_runs::{self, SourceRuns, SourceRunsRequest};
use crate::times;

mod shape;

use shape::{Class, Subtype, TraceAnomaly};

/// The parameters that decide the content of the list.
const FILTERS: [&str; 6] = ["anomaly_type", "anomaly_subtype", "severity", "service", "from", "to"];

#[derive(Serialize, ToSchema)]
pub(crate) struct TraceAnomalies {
    /// Newest first.
    pub anomalies: Vec<TraceAnomaly>,
    /// Send it as `cursor` with the same parameters and the same token to get the next list page. Null on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolution {
    /// What was found out. Kept in the history.
    #[serde(default)]
    #[schema(max_length = 1000, example = "the connection pool was too small")]
    resolution_notes: Option<String>,
}

/// List the anomalies of traces
///
/// Newest first. `GET /v1/anomalies` has more of each.
#[utoipa::path(
    get,
    path = "/api/anomalies",
    tag = "traces",
    operation_id = "trace_anomalies",
    params(
        ("anomaly_type" = Option<Class>, Query, description = "only of this class"),
        ("anomaly_subtype" = Option<Subtype>, Query, description = "only of this type"),
        ("severity" = Option<SeverityWord>, Query, description = "`medium` or `high`; `info`, `low` and `warning` mean `medium`, and `critical` means `high`"),
        ("service" = Option<String>, Query, description = "only of this service or client: the first name of the entity"),
        ("from" = Option<String>, Query, description = "detected at this time or later"),
        ("to" = Option<String>, Query, description = "detected before this time; at most 92 days after `from`; default: now"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "anomalies on a list page; default 20", example = 20),
        ("cursor" = Option<String>, Query, description = "the `next_cursor` of the list page before, with the same parameters and the same token"),
    ),
    responses(
        (status = 200, description = "A page.", body = TraceAnomalies),
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
    query: Query,
) -> Result<Json<TraceAnomalies>, Problem> {
    let query = query.only(&[&FILTERS[..], &["limit", "cursor"]].concat())?.with_texts();
    let metrics = metrics(&app);
    let filter = filter(&caller, &query, &metrics)?;
    let parameters: Vec<_> = FILTERS.into_iter().map(|name| (name, query.text(name))).collect();
    let binding = format!("traces {:?} {parameters:?}", caller.view());
    let Page { items, next_cursor } = page(&app, &serving, &query, filter, &metrics, &binding).await?;
    let shaped = |item| TraceAnomaly::of(item, &caller);
    Ok(Json(TraceAnomalies { anomalies: items.into_iter().filter_map(shaped).collect(), next_cursor }))
}

/// Show one anomaly of traces
#[utoipa::path(
    get,
    path = "/api/anomalies/{id}",
    tag = "traces",
    operation_id = "trace_anomaly",
    params(("id" = String, Path, description = "as listed", example = "1795266000000.trace_latency.YWNtZQ.c2hvcB9HRVQgL2NhcnQ")),
    responses(
        (status = 200, description = "The anomaly.", body = TraceAnomaly),
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
    InPath(id): InPath,
    query: Query,
) -> Result<Json<TraceAnomaly>, Problem> {
    let query = query.only(&[])?.with_texts();
    let place = visible(&caller, &id)?;
    let item = app.store.anomaly(&place, query.now()).await?;
    item.and_then(|item| TraceAnomaly::of(item, &caller)).map(Json).ok_or_else(Problem::not_found)
}

/// Resolve an anomaly of traces
///
/// As `POST /v1/anomalies/{anomaly_id}/resolve`: its incident is resolved too, and the people who were paged are notified once.
#[utoipa::path(
    put,
    path = "/api/anomalies/{id}/resolve",
    tag = "traces",
    operation_id = "resolve_trace_anomaly",
    params(("id" = String, Path, description = "as listed", example = "1795266000000.trace_latency.YWNtZQ.c2hvcB9HRVQgL2NhcnQ")),
    request_body = Resolution,
    responses(
        (status = 200, description = "As it is now.", body = TraceAnomaly),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn resolve(
    State(app): State<Arc<App>>,
    Responder(caller): Responder,
    serving: Serving,
    InPath(id): InPath,
    query: Query,
    Body(Resolution { resolution_notes }): Body<Resolution>,
) -> Result<Json<TraceAnomaly>, Problem> {
    let query = query.only(&[])?.with_texts();
    let notes = Note::kept(resolution_notes, "resolution_notes")?;
    let place: AnomalyPlace = visible(&caller, &id)?;
    // An anomaly of another kind is not of this route, and stays as it is.
    let known = app.store.anomaly(&place, query.now()).await?;
    known.and_then(|item| TraceAnomaly::of(item, &caller)).ok_or_else(Problem::not_found)?;
    let mut request = ActionRequest::new(&app, caller.clone(), &serving, id, notes)?;
    let item: AnomalyItem = request.carry_out(Action::Resolve).await?;
    TraceAnomaly::of(item, &caller).map(Json).ok_or_else(Problem::not_found)
}

/// Judge the traces now
///
/// Starts a run of each source of traces, as their schedules do. A second run of a window stores and alerts nothing twice.
#[utoipa::path(
    post,
    path = "/api/anomaly-detection/run",
    tag = "traces",
    operation_id = "run_trace_detection",
    request_body(content = Option<SourceRunsRequest>),
    responses(
        (status = 202, description = "The runs, handed to the detector.", body = SourceRuns),
        Invalid,
        Forbidden,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn run(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    query: Query,
    Body(request): Body<SourceRunsRequest>,
) -> Result<Response, Problem> {
    let now = query.only(&[])?.with_texts().now();
    let sources: Vec<&Catalog> = sources(&app).collect();
    if sources.is_empty() {
        return Err(no_traces());
    }
    source_runs::begin(&app, &caller, &sources, &request, now).await
}

/// Whether a metric is of traces, by the type of its anomalies. Metrics of machines share these types.
pub(super) fn is_of_traces(spec: &MetricSpec) -> bool {
    spec.kind.is_some_and(|kind| Subtype::of(kind).is_some()) && !is_of_machines(spec.source_name())
}

pub(super) fn no_traces() -> Problem {
    let detail = "this deployment has no source of traces: one with metrics of the types high_latency, high_error_rate, \
                  traffic_spike or unusual_access_pattern, as the preset traces_otel has";
    Problem::of(Code::NoSources, detail)
}

/// The sources that have metrics of traces.
fn sources(app: &App) -> impl Iterator<Item = &Catalog> {
    app.catalog.all().filter(|source| source.metrics().iter().any(is_of_traces))
}

/// The metrics of traces, in the order of the catalog.
fn metrics(app: &App) -> Vec<MetricName> {
    let specs = app.catalog.all().flat_map(|source| source.metrics());
    specs.filter(|spec| is_of_traces(spec)).map(|spec| spec.name.clone()).collect()
}

fn filter(caller: &Caller, query: &Query, metrics: &[MetricName]) -> Result<AnomalyFilter, Problem> {
    let class = query.word("anomaly_type", &Class::ALL.map(|class| (class.as_str(), class)))?;
    let subtype = query.word("anomaly_subtype", &Subtype::ALL.map(|subtype| (subtype.as_str(), subtype)))?;
    let is_wanted = |known: &Subtype| {
        class.is_none_or(|class| known.class() == class) && subtype.is_none_or(|wanted| *known == wanted)
    };
    let kinds: Vec<_> = Subtype::ALL.into_iter().filter(is_wanted).map(Subtype::kind).collect();
    if kinds.is_empty() {
        let detail = "no anomaly_subtype of this name is of that anomaly_type";
        return Err(Problem::invalid("anomaly_subtype", detail));
    }
    let filter = AnomalyFilter {
        customer: caller.customer(None)?,
        metrics: Some(metrics.to_vec()),
        kinds,
        first_name: query.text("service").map(str::to_owned),
        severity: listed::severity(query)?,
        from: query.time("from")?,
        until: query.time("to")?,
        ..AnomalyFilter::default()
    };
    times::in_range(filter.from, filter.until, query.now(), ("from", "to"))?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_machines_are_none_of_traces_although_they_share_types() {
        let catalog = Catalog::from_files("preset:traces_otel,preset:machines").unwrap();
        let of_traces = |source: &str| {
            catalog.of(source).unwrap().metrics().iter().filter(|spec| is_of_traces(spec)).count()
        };
        assert_eq!(of_traces("traces"), 3);
        assert_eq!(of_traces("machines"), 0);
    }
}
