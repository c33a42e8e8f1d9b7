//! Runs of some sources on demand, for routes that know the sources.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use catalog::Catalog;
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::access::Caller;
use crate::error::Problem;
use crate::routes::detections;
use crate::times::TimeInBody;
use crate::views::Time;

/// Everything is optional: `{}` judges the newest window of each source.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceRunsRequest {
    /// The windows close at this time or before: Unix milliseconds, RFC 3339 or relative to now, not in the future. Default: now.
    #[serde(default)]
    #[schema(example = "now")]
    time: Option<TimeInBody>,
    /// Write and publish nothing.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SourceRuns {
    pub started_at: Time,
    /// One for each source.
    pub runs: Vec<SourceRun>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SourceRun {
    #[schema(example = "traces")]
    pub source: String,
    /// `GET /v1/detections/{detection_id}` shows how it ends.
    pub detection_id: String,
}

/// Hands a run of each source to the detector.
pub(super) async fn begin(
    app: &App,
    caller: &Caller,
    sources: &[&Catalog],
    request: &SourceRunsRequest,
    now: Timestamp,
) -> Result<Response, Problem> {
    let time = detections::time_of(request.time.as_ref(), now)?;
    let begun = sources.iter().map(async |source| {
        let run =
            detections::begin(app, caller, (now, time), request.dry_run, Vec::new(), Some(source)).await?;
        let source = source.name().to_owned();
        Ok::<_, Problem>(SourceRun { source, detection_id: run.detection_id })
    });
    let runs = try_join_all(begun).await?;
    Ok((StatusCode::ACCEPTED, Json(SourceRuns { started_at: now.into(), runs })).into_response())
}
