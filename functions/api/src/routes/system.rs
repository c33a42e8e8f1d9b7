//! The system itself: alive, described, what it measures, and how it is doing.

use std::sync::{Arc, LazyLock};

use adapters::catalog::Aggregate;
use adapters::store::LastRun;
use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use detection::Missing;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::App;
use crate::access::{Operator, Reader};
use crate::error::Problem;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid, Unavailable};

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    pub status: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Metrics {
    /// Names this catalog; it changes with it.
    pub catalog_version: String,
    pub metrics: Vec<Metric>,
}

/// A metric of the catalog, with the thresholds of this deployment, before any policy.
#[derive(Serialize, ToSchema)]
pub(crate) struct Metric {
    pub metric: String,
    pub unit: String,
    /// How the events of a period become its value: count, sum, max, min or avg.
    #[schema(value_type = String, example = "sum")]
    pub aggregate: Aggregate,
    /// What a period without events means: `zero` or `gap`.
    #[schema(value_type = String, example = "zero")]
    pub missing: Missing,
    /// Size of the z-score from which a change is an anomaly.
    pub threshold: f64,
    /// Size of the z-score from which an anomaly is critical.
    pub critical_threshold: f64,
    /// Earlier values that a verdict needs at least.
    pub min_samples: usize,
    /// Least change from the mean that matters, in `unit`.
    pub min_change: f64,
    /// The same as a share of the mean.
    pub min_relative_change: f64,
}

/// Times are Unix milliseconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// The last run for all customers, whatever became of it; null before the first.
    #[schema(required = true)]
    pub last_run: Option<LastRunView>,
    /// The completed run of the newest window.
    #[schema(required = true)]
    pub last_completed_run: Option<LastRunView>,
    /// How long ago the newest window closed that was checked to its end. With the default schedule it stays below two hours.
    #[schema(required = true)]
    pub lag_seconds: Option<i64>,
    /// Alerts that are not known to be sent.
    pub pending_alerts: u64,
    /// How long ago the window of the oldest of them closed; null where none waits.
    #[schema(required = true)]
    pub oldest_pending_alert_seconds: Option<i64>,
    pub catalog_version: String,
    /// Version of the policy for all customers.
    pub config_version: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LastRun)]
pub(crate) struct LastRunView {
    pub run_id: String,
    pub completed: bool,
    pub finished_at: i64,
    /// What the run answered; null for a failure, whose reason is in the detector's log.
    #[schema(required = true, value_type = Option<Object>)]
    pub summary: Option<Value>,
}

/// Whether the API answers
#[utoipa::path(get, path = "/health", tag = "system", responses((status = 200, description = "It answers.", body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "system", responses((status = 200, description = "An OpenAPI 3.1 document.", body = Object)))]
pub(crate) async fn open_api() -> impl IntoResponse {
    static DOCUMENT: LazyLock<String> = LazyLock::new(crate::open_api_document);
    (
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")],
        DOCUMENT.as_str(),
    )
}

/// List the metrics
///
/// Those of the catalog, with their units and the thresholds that hold before any policy.
#[utoipa::path(
    get,
    path = "/v1/metrics",
    tag = "system",
    operation_id = "list_metrics",
    responses(
        (status = 200, description = "The catalog.", body = Metrics),
        Invalid,
        Forbidden,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Reader(_): Reader,
    query: Query,
) -> Result<Json<Metrics>, Problem> {
    query.only(&[])?;
    let metrics = app.catalog.metrics().iter().zip(&app.settings).map(|(spec, settings)| Metric {
        metric: spec.name.to_string(),
        unit: spec.unit.clone(),
        aggregate: spec.aggregate,
        missing: spec.missing,
        threshold: settings.threshold(),
        critical_threshold: settings.critical_threshold(),
        min_samples: settings.min_samples(),
        min_change: settings.min_change(),
        min_relative_change: settings.min_relative_change(),
    });
    Ok(Json(Metrics { catalog_version: app.catalog.version().to_owned(), metrics: metrics.collect() }))
}

/// Show how the system is doing
///
/// Whether the runs complete and the alerts go out.
#[utoipa::path(
    get,
    path = "/v1/status",
    tag = "runs",
    responses(
        (status = 200, description = "How it is doing.", body = Status),
        Invalid,
        Forbidden,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    query: Query,
) -> Result<Json<Status>, Problem> {
    let now_ms = query.only(&[])?.now().as_millisecond();
    let ((last, completed), (pending_alerts, oldest), policy) =
        futures::try_join!(app.store.last_runs(), app.store.pending_alerts(), app.store.policy(None))?;
    let seconds_since = |ms: i64| (now_ms - ms) / 1_000;
    Ok(Json(Status {
        lag_seconds: completed.as_ref().and_then(|run| run.window_end).map(seconds_since),
        last_run: last.map(LastRunView::from),
        last_completed_run: completed.map(LastRunView::from),
        pending_alerts,
        oldest_pending_alert_seconds: oldest.map(seconds_since),
        catalog_version: app.catalog.version().to_owned(),
        config_version: policy.version,
    }))
}

impl From<LastRun> for LastRunView {
    fn from(run: LastRun) -> Self {
        Self {
            run_id: run.run_id,
            completed: run.completed,
            finished_at: run.finished_at,
            summary: run.summary.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}
