//! Runs on demand.

use std::sync::Arc;

use adapters::store::{DetectionRun, RunStatus};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use detection::CustomerId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::App;
use crate::access::Operator;
use crate::error::{Problem, ProblemDocument};
use crate::params::{self, Body, InPath, Query, TimeInBody};

/// Customers that one run may be limited to.
const MAX_CUSTOMERS: usize = 100;

/// Everything is optional: `{}` checks all customers now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectionRequest {
    /// The window closes at the full hour at or before this time; default: now.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "now")]
    time: Option<TimeInBody>,
    /// Write nothing and publish nothing, only say what would be found.
    #[serde(default)]
    dry_run: bool,
    /// Only these customers, at most 100; absent: all.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100)]
    customer_ids: Option<Vec<String>>,
}

/// A run that somebody asked for. Times are Unix milliseconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Detection {
    pub detection_id: String,
    pub status: StatusView,
    pub dry_run: bool,
    /// Null: all.
    pub customer_ids: Option<Vec<String>>,
    pub time: i64,
    pub requested_by: String,
    pub requested_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    /// Names the run in the detector's log, where the reason of a failure is.
    pub run_id: Option<String>,
    /// What the run answered, once it has completed.
    #[schema(value_type = Option<Object>)]
    pub summary: Option<Value>,
}

/// `failed` runs are tried again by themselves, up to two times.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DetectionStatus)]
pub(crate) enum StatusView {
    Queued,
    Running,
    Completed,
    Failed,
}

/// Start a run now
///
/// It is handed to the detector, which runs one at a time; ask for its result under the id.
#[utoipa::path(
    post,
    path = "/v1/detections",
    tag = "runs",
    request_body(content = Option<DetectionRequest>),
    responses(
        (status = 202, body = Detection, headers(("location" = String))),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
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
    let time = request.time.as_ref().map(|time| time.read("time", now)).transpose()?.unwrap_or(now);
    let run = DetectionRun {
        detection_id: Uuid::new_v4().to_string(),
        status: RunStatus::Queued,
        dry_run: request.dry_run,
        customer_ids: customers(request.customer_ids)?,
        time: time.as_millisecond(),
        requested_by: caller.actor,
        requested_at: now.as_millisecond(),
        run_id: None,
        started_at: None,
        finished_at: None,
        summary: None,
    };
    // Remembered first: the detector may be faster than a note that comes after.
    app.store.add_run(&run).await?;
    if let Err(error) = app.detector.start(&event(&run, time)).await {
        if let Err(error) = app.store.run_finished(&run.detection_id, None, now).await {
            tracing::warn!(error = %error, "a run that was not started stays queued");
        }
        return Err(error.into());
    }
    let location = HeaderValue::from_str(&format!("/v1/detections/{}", run.detection_id));
    let mut response = (StatusCode::ACCEPTED, Json(Detection::from(run))).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Show a run that was started
#[utoipa::path(
    get,
    path = "/v1/detections/{detection_id}",
    tag = "runs",
    params(("detection_id" = String, Path, description = "as answered when it was started; remembered for 30 days")),
    responses(
        (status = 200, body = Detection),
        (status = 403, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
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
    // Ids are ours; whatever else stands there names no run.
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found())?;
    let run = app.store.run(&id.to_string(), now).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(run.into()))
}

/// What the detector is sent: an event as the schedule sends it, with options.
fn event(run: &DetectionRun, time: Timestamp) -> Value {
    let mut detail = json!({ "detection_id": run.detection_id, "dry_run": run.dry_run });
    if !run.customer_ids.is_empty() {
        detail["customer_ids"] = json!(run.customer_ids);
    }
    json!({ "time": time, "detail": detail })
}

fn customers(texts: Option<Vec<String>>) -> Result<Vec<CustomerId>, Problem> {
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

impl From<DetectionRun> for Detection {
    fn from(run: DetectionRun) -> Self {
        let customers = run.customer_ids.into_iter().map(String::from).collect::<Vec<_>>();
        Self {
            detection_id: run.detection_id,
            status: match run.status {
                RunStatus::Queued => StatusView::Queued,
                RunStatus::Running => StatusView::Running,
                RunStatus::Completed => StatusView::Completed,
                RunStatus::Failed => StatusView::Failed,
            },
            dry_run: run.dry_run,
            customer_ids: Some(customers).filter(|customers| !customers.is_empty()),
            time: run.time,
            requested_by: run.requested_by,
            requested_at: run.requested_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
            run_id: run.run_id,
            summary: run.summary.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}
