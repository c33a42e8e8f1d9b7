//! Runs on demand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use catalog::{Catalog, USAGE};
use detection::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{DetectionRun, RunStatus};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::access::{Caller, Operator};
use crate::error::Problem;
use crate::listed;
use crate::params::{self, Body, InPath, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::times::TimeInBody;
use crate::views::Time;

/// Most customers that one run may be limited to.
const MAX_CUSTOMERS: usize = 100;

/// Lambda drops an event that it could not start for six hours.
const LONGEST_WAIT_MS: i64 = 6 * 3_600_000;

/// A run ends within five minutes. A run that has not ended after this time was killed.
const LONGEST_RUN_MS: i64 = 15 * 60_000;

/// Everything is optional: `{}` checks all customers now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectionRequest {
    /// The window closes at the last full hour at or before this time: Unix milliseconds, RFC 3339 or relative to now,
    /// not in the future. Default: now.
    #[serde(default)]
    #[schema(example = "now")]
    time: Option<TimeInBody>,
    /// Write and publish nothing. The answer lists the findings.
    #[serde(default)]
    #[schema(example = true)]
    dry_run: bool,
    /// The source whose entities are judged. Absent: the usage of customers.
    #[serde(default)]
    #[schema(example = "traces")]
    source: Option<String>,
    /// Only these customers, at most 100. Absent: all. Not together with `source`.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100, example = json!(["cust_0001"]))]
    customer_ids: Option<Vec<String>>,
}

/// A run on demand.
#[derive(Serialize, ToSchema)]
pub(crate) struct Detection {
    pub detection_id: String,
    pub status: StatusView,
    pub dry_run: bool,
    /// The source that is judged; `usage` is that of customers.
    #[schema(example = "usage")]
    pub source: String,
    /// Null: all customers.
    #[schema(required = true)]
    pub customer_ids: Option<Vec<String>>,
    /// The window closes at the last full hour at or before this time.
    pub time: Time,
    /// The requester, by the name in the token.
    pub requested_by: String,
    pub requested_at: Time,
    #[schema(required = true)]
    pub started_at: Option<Time>,
    #[schema(required = true)]
    pub finished_at: Option<Time>,
    /// The run's name in the detector's log. The log has the reason of a failure.
    #[schema(required = true)]
    pub run_id: Option<String>,
    /// The answer of the run, once it has completed.
    #[schema(required = true, value_type = Option<Object>)]
    pub summary: Option<Value>,
}

/// A `failed` run is repeated by itself, up to two times. A `lost` run should have ended long ago: it was killed or
/// dropped, and will not continue.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DetectionStatus)]
pub(crate) enum StatusView {
    Queued,
    Running,
    Completed,
    Failed,
    Lost,
}

/// Start a run now
///
/// For a missed window, or a dry run to see the effect of a policy. The detector takes one run at a time. Ask the
/// address in `location` for the result. A second run of a window stores and alerts nothing twice.
#[utoipa::path(
    post,
    path = "/v1/detections",
    tag = "runs",
    operation_id = "start_detection",
    request_body(content = Option<DetectionRequest>),
    responses(
        (status = 202, description = "The run, handed to the detector.", body = Detection, headers(("location" = String, description = "where to ask for its result"))),
        Invalid,
        Forbidden,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    query: Query,
    Body(request): Body<DetectionRequest>,
) -> Result<Response, Problem> {
    let now = query.only(&[])?.now();
    let time = time_of(request.time.as_ref(), now)?;
    let source = request.source.as_deref().map(|name| listed::source(&app, name)).transpose()?;
    let of_source = source.filter(|source| source.entities().is_some());
    if of_source.is_some() && request.customer_ids.is_some() {
        let detail =
            "customer_ids and source exclude each other: a run of a source is for all of its entities";
        return Err(Problem::invalid("customer_ids", detail));
    }
    let customers = customers(request.customer_ids)?;
    let run = begin(&app, &caller, (now, time), request.dry_run, customers, of_source).await?;
    let place = format!("/v1/detections/{}", run.detection_id);
    Ok(accepted(&place, Detection::at(now, run)))
}

/// The time that a run is asked for.
pub(super) fn time_of(asked_for: Option<&TimeInBody>, now: Timestamp) -> Result<Timestamp, Problem> {
    let time = asked_for.map(|time| time.read("time", now)).transpose()?.unwrap_or(now);
    // In a window that is still open, every customer's usage looks like a drop.
    if time > now {
        return Err(Problem::invalid("time", "`time` must not be in the future: its window is not over yet"));
    }
    Ok(time)
}

/// Notes a run, and hands it to the detector.
///
/// * `source`: one with entities. None for the usage of customers.
pub(super) async fn begin(
    app: &App,
    caller: &Caller,
    (now, time): (Timestamp, Timestamp),
    dry_run: bool,
    customer_ids: Vec<CustomerId>,
    source: Option<&Catalog>,
) -> Result<DetectionRun, Problem> {
    let run = DetectionRun {
        detection_id: Uuid::new_v4().to_string(),
        status: RunStatus::Queued,
        dry_run,
        source: source.map(|source| source.name().to_owned()),
        customer_ids,
        time: time.as_millisecond(),
        requested_by: caller.actor.clone(),
        requested_at: now.as_millisecond(),
        run_id: None,
        started_at: None,
        finished_at: None,
        summary: None,
    };
    // The note is stored first. The detector may be faster than a later note.
    app.store.add_run(&run).await?;
    if let Err(error) = app.detector.start(&event(&run, time)).await {
        if let Err(error) = app.store.run_finished(&run.detection_id, None, now).await {
            tracing::warn!(error = %error, "a run that was not started stays queued");
        }
        return Err(error.into());
    }
    Ok(run)
}

/// Show a run that was started
#[utoipa::path(
    get,
    path = "/v1/detections/{detection_id}",
    tag = "runs",
    operation_id = "show_detection",
    params(("detection_id" = String, Path, description = "the id of the answer that started the run; kept for 30 days", example = "3d9fbf5c-2a4f-4b0e-9d0c-6f6f0a6f3c55")),
    responses(
        (status = 200, description = "The run.", body = Detection),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn result(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    InPath(id): InPath,
    query: Query,
) -> Result<Json<Detection>, Problem> {
    let now = query.only(&[])?.now();
    // Another text than a UUID names no run.
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    let run = app.store.run(&id.to_string(), now).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(Detection::at(now, run)))
}

/// The event for the detector: the event of the schedule, with options.
fn event(run: &DetectionRun, time: Timestamp) -> Value {
    let mut detail = json!({ "detection_id": run.detection_id, "dry_run": run.dry_run });
    if !run.customer_ids.is_empty() {
        detail["customer_ids"] = json!(run.customer_ids);
    }
    if let Some(source) = &run.source {
        detail["source"] = json!(source);
    }
    json!({ "time": time, "detail": detail })
}

/// The answer to a request that the detector works on.
///
/// * `place`: the path where to ask for its result.
pub(super) fn accepted(place: &str, noted: impl Serialize) -> Response {
    let mut response = (StatusCode::ACCEPTED, Json(noted)).into_response();
    if let Ok(location) = HeaderValue::from_str(place) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

pub(super) fn customers(texts: Option<Vec<String>>) -> Result<Vec<CustomerId>, Problem> {
    let Some(texts) = texts else { return Ok(Vec::new()) };
    if texts.is_empty() || texts.len() > MAX_CUSTOMERS {
        let detail = format!(
            "customer_ids must name 1 to {MAX_CUSTOMERS} customers, not {}; leave it out to check all",
            texts.len()
        );
        return Err(Problem::invalid("customer_ids", detail));
    }
    let read = |(index, text): (usize, &String)| params::customer(text, &format!("customer_ids[{index}]"));
    texts.iter().enumerate().map(read).collect()
}

impl StatusView {
    /// * `since`: when it began, or was asked for, in Unix milliseconds.
    pub(super) fn at(now: Timestamp, status: RunStatus, since: i64) -> Self {
        let waiting_ms = now.as_millisecond() - since;
        match status {
            RunStatus::Queued if waiting_ms > LONGEST_WAIT_MS => Self::Lost,
            RunStatus::Running if waiting_ms > LONGEST_RUN_MS => Self::Lost,
            RunStatus::Queued => Self::Queued,
            RunStatus::Running => Self::Running,
            RunStatus::Completed => Self::Completed,
            RunStatus::Failed => Self::Failed,
        }
    }
}

impl Detection {
    fn at(now: Timestamp, run: DetectionRun) -> Self {
        let customers = run.customer_ids.into_iter().map(String::from).collect::<Vec<_>>();
        Self {
            detection_id: run.detection_id,
            status: StatusView::at(now, run.status, run.started_at.unwrap_or(run.requested_at)),
            dry_run: run.dry_run,
            source: run.source.unwrap_or_else(|| USAGE.to_owned()),
            customer_ids: Some(customers).filter(|customers| !customers.is_empty()),
            time: run.time.into(),
            requested_by: run.requested_by,
            requested_at: run.requested_at.into(),
            started_at: run.started_at.map(Time::from),
            finished_at: run.finished_at.map(Time::from),
            run_id: run.run_id,
            summary: run.summary.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}
