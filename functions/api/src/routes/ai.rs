//! The anomalies of executions and test runs in the shapes of systems that write camelCase.
//!
//! These routes only write in another form what the others know. Anomalies of the usage of customers are not among them. Times
//! are texts unless the request asks for milliseconds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use detection::{AnomalyId, MetricName, Severity};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use store::AnomalyFilter;
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Reader, Responder};
use crate::answer::{Serving, is_complete};
use crate::error::{Code, Problem};
use crate::limits::within_limits;
use crate::listed::{self, SeverityWord};
use crate::params::{Body, InPath, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::anomalies::visible;
use crate::routes::anomaly_pages::{Page, page};
use crate::routes::event_checks;
use crate::routes::trends::Tally;
use crate::times;
use crate::views::Time;

mod shape;

use shape::{AiAnomaly, AiTrends, AnomalyType};

/// How far trends reach back by default.
const DEFAULT_LENGTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The parameters that decide the content of the list.
const FILTERS: [&str; 4] = ["type", "severity", "from", "to"];

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AiAnomalies {
    /// Newest first.
    pub anomalies: Vec<AiAnomaly>,
    /// Send it as `cursor` with the same parameters and the same token to get the next list page. Null on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// The execution that is to be checked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AiCheckRequest {
    /// The id of the execution in its table. `workflowExecutionId` means the same.
    #[serde(default, alias = "workflowExecutionId")]
    #[schema(required = true, min_length = 1, max_length = 1000, example = "e-1795266")]
    workflow_execution_id: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AiCheck {
    pub workflow_execution_id: String,
    /// What is odd about the execution. Empty if all is as usual.
    pub anomalies: Vec<AiAnomaly>,
    pub checked_at: Time,
}

/// Check one execution for anomalies
///
/// Judges a finished execution in each source that knows its id, as `POST /v1/sources/{source}/checks` does. Anomalies are stored
/// and told. The same execution can be checked again: nothing is stored or told twice.
///
/// 404 may mean that the row is not written yet. Send the request again then.
#[utoipa::path(
    post,
    path = "/api/v1/ai/check-anomalies",
    tag = "workflows",
    operation_id = "ai_check_anomalies",
    request_body(content = AiCheckRequest),
    responses(
        (status = 200, description = "The anomalies.", body = AiCheck),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:write"])),
)]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Responder(caller): Responder,
    serving: Serving,
    query: Query,
    Body(request): Body<AiCheckRequest>,
) -> Result<Json<AiCheck>, Problem> {
    let query = query.only(&[])?.with_texts();
    let id = request.workflow_execution_id;
    event_checks::is_id(&id, "workflow_execution_id")?;
    let now = query.now();
    let sources: Vec<_> = app.catalog.all().filter(|source| event_checks::has_ids(source)).collect();
    if sources.is_empty() {
        let detail = "this deployment has no source whose single events can be checked";
        return Err(Problem::of(Code::NoSources, detail));
    }
    let work = async {
        let (mut ids, mut is_judged, mut refused) = (Vec::new(), false, None);
        for source in sources {
            if event_checks::is_visible(&app, &caller, source, &id, &serving).await? {
                // Another source may have an event with the same id, which is not finished.
                match event_checks::checked(&app, &caller, source, &id).await {
                    Ok(checked) => {
                        is_judged = true;
                        ids.extend(checked.metrics.into_iter().filter_map(|metric| metric.anomaly_id));
                    }
                    Err(problem) => refused = Some(problem),
                }
            }
        }
        if is_judged { Ok(ids) } else { Err(refused.unwrap_or_else(event_checks::no_event)) }
    };
    let ids = within_limits(&app, &caller, now, event_checks::COST, work).await?;
    let mut anomalies = Vec::with_capacity(ids.len());
    for place in ids.iter().filter_map(|id| AnomalyId::parse(id)).map(|(_, place)| place) {
        caller.may_see(&place.customer_id)?;
        anomalies.extend(app.store.anomaly(&place, now).await?.and_then(AiAnomaly::of));
    }
    Ok(Json(AiCheck { workflow_execution_id: id, anomalies, checked_at: now.into() }))
}

/// List anomalies of executions
///
/// Newest first. `GET /v1/anomalies` has more of each.
#[utoipa::path(
    get,
    path = "/api/v1/ai/anomalies",
    tag = "workflows",
    operation_id = "ai_anomalies",
    params(
        ("type" = Option<AnomalyType>, Query, description = "only of this type"),
        ("severity" = Option<SeverityWord>, Query, description = "`warning` or `critical`; `info`, `low` and `medium` mean `warning`, and `high` means `critical`"),
        ("from" = Option<String>, Query, description = "detected at this time or later"),
        ("to" = Option<String>, Query, description = "detected before this time; at most 92 days after `from`; default: now"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "anomalies on a list page; default 20", example = 20),
        ("cursor" = Option<String>, Query, description = "the `nextCursor` of the list page before, with the same parameters and the same token"),
    ),
    responses(
        (status = 200, description = "A page.", body = AiAnomalies),
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
) -> Result<Json<AiAnomalies>, Problem> {
    let query = query.only(&[&FILTERS[..], &["limit", "cursor"]].concat())?.with_texts();
    let metrics = metrics(&app);
    let filter = filter(&caller, &query, &metrics)?;
    times::in_range(filter.from, filter.until, query.now(), ("from", "to"))?;
    let Page { items, next_cursor } =
        page(&app, &serving, &query, filter, &metrics, &binding(&caller, &query)).await?;
    let anomalies = items.into_iter().filter_map(AiAnomaly::of).collect();
    Ok(Json(AiAnomalies { anomalies, next_cursor }))
}

/// Count anomalies of executions
///
/// By day, type and severity.
#[utoipa::path(
    get,
    path = "/api/v1/ai/anomalies/trends",
    tag = "workflows",
    operation_id = "ai_anomaly_trends",
    params(
        ("type" = Option<AnomalyType>, Query, description = "only of this type"),
        ("severity" = Option<SeverityWord>, Query, description = "`warning` or `critical`; `info`, `low` and `medium` mean `warning`, and `high` means `critical`"),
        ("from" = Option<String>, Query, description = "detected at this time or later; default: 30 days before `to`", example = "now-7d"),
        ("to" = Option<String>, Query, description = "detected before this time, at most 92 days after `from`; default: now"),
    ),
    responses(
        (status = 200, description = "The figures.", body = AiTrends),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn trends(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    query: Query,
) -> Result<Json<AiTrends>, Problem> {
    let query = query.only(&FILTERS)?.with_texts();
    let metrics = metrics(&app);
    let asked_for = filter(&caller, &query, &metrics)?;
    let until = asked_for.until.unwrap_or(query.now());
    let from = asked_for.from.unwrap_or(until - DEFAULT_LENGTH);
    times::in_order(Some(from), Some(until), ("from", "to"))?;
    let filter = AnomalyFilter { from: Some(from), until: Some(until), ..asked_for };
    let (mut tally, mut complete) = (Tally::default(), true);
    if !metrics.is_empty() {
        let (see, deadline) = (|seen| tally.add(&seen, None), serving.counting_deadline(&app));
        complete = is_complete(app.store.count(&filter, &metrics, query.now(), deadline, see).await?)?;
    }
    Ok(Json(AiTrends::of(tally.trends(from, until, 0, complete))))
}

/// Show one anomaly of an execution
#[utoipa::path(
    get,
    path = "/api/v1/ai/anomalies/{id}",
    tag = "workflows",
    operation_id = "ai_anomaly",
    params(("id" = String, Path, description = "as listed", example = "1795265995123.execution_duration.YWNtZQ.bmlnaHRseQ")),
    responses(
        (status = 200, description = "The anomaly.", body = AiAnomaly),
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
) -> Result<Json<AiAnomaly>, Problem> {
    let query = query.only(&[])?.with_texts();
    let place = visible(&caller, &id)?;
    let item = app.store.anomaly(&place, query.now()).await?;
    item.and_then(AiAnomaly::of).map(Json).ok_or_else(Problem::not_found)
}

/// The metrics of sources with entities.
fn metrics(app: &App) -> Vec<MetricName> {
    let sources = app
        .catalog
        .all()
        .filter(|source| source.entities().is_some_and(|entities| !entities.names.is_empty()));
    sources.flat_map(|source| source.metrics()).map(|spec| spec.name.clone()).collect()
}

fn filter(caller: &Caller, query: &Query, metrics: &[MetricName]) -> Result<AnomalyFilter, Problem> {
    let kind = query.word("type", &AnomalyType::ALL.map(|kind| (kind.as_str(), kind)))?;
    let severity: Option<Severity> = listed::severity(query)?;
    let (from, until): (Option<Timestamp>, Option<Timestamp>) = (query.time("from")?, query.time("to")?);
    Ok(AnomalyFilter {
        customer: caller.customer(None)?,
        metrics: Some(metrics.to_vec()),
        kinds: kind.map(AnomalyType::kinds).unwrap_or_default(),
        severity,
        from,
        until,
        ..AnomalyFilter::default()
    })
}

/// Every input that decides the content of the list, as it was sent.
fn binding(caller: &Caller, query: &Query) -> String {
    let parameters: Vec<_> = FILTERS.into_iter().map(|name| (name, query.text(name))).collect();
    format!("ai {:?} {parameters:?}", caller.view())
}
