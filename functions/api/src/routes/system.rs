//! The API itself: whether it answers, its document, and its metrics.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use catalog::Aggregate;
use detection::{Currency, Missing};
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::access::Reader;
use crate::error::Problem;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid};

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    pub status: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Metrics {
    /// Changes with each change of the catalog.
    pub catalog_version: String,
    /// The currency of all prices.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
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
    /// Least number of earlier values for a verdict.
    pub min_samples: usize,
    /// Least change from the mean that matters, in `unit`.
    pub min_change: f64,
    /// Least change from the mean that matters, as a share of the mean.
    pub min_relative_change: f64,
    /// Least spread of a z-score, as a share of the mean. 0 gives the plain z-score.
    pub min_relative_spread: f64,
    /// The price of one unit, in `currency`. Absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// Least cost of a change that matters, in `currency`. Absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cost: Option<f64>,
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
/// All metrics of the catalog, with their units and their thresholds before any policy.
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
    let metrics = app.catalog.metrics().iter().zip(&app.settings).map(|(spec, settings)| {
        let thresholds = settings.thresholds();
        Metric {
            metric: spec.name.to_string(),
            unit: spec.unit.clone(),
            aggregate: spec.aggregate,
            missing: spec.missing,
            threshold: thresholds.threshold,
            critical_threshold: thresholds.critical_threshold,
            min_samples: thresholds.min_samples,
            min_change: thresholds.min_change,
            min_relative_change: thresholds.min_relative_change,
            min_relative_spread: thresholds.min_relative_spread,
            price: thresholds.price,
            min_cost: Some(thresholds.min_cost).filter(|cost| *cost > 0.0),
        }
    });
    let (catalog_version, currency) = (app.catalog.version().to_owned(), app.catalog.currency());
    Ok(Json(Metrics { catalog_version, currency, metrics: metrics.collect() }))
}
