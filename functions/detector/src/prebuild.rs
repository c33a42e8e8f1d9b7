//! What a run does for later ones once its own work is done: the baselines that they will read are built by then.

use std::time::Instant;

use detection::Window;
use platform::telemetry::error_chain;
use tokio::time::timeout_at;
use uuid::Uuid;
use warehouse::usage::{SweepRequest, UsageError};

use crate::app::App;
use crate::request::Request;

/// Builds the baseline of the next hour's run as far as its windows are closed by now, after a run of the schedule.
///
/// Whatever it does not come to, that run reads from the hours. So nothing here is a failure, and it takes no more than a
/// third of the time until `deadline`: a function that comes near its time is an alarm.
pub async fn prebuild(app: &App, request: &Request, deadline: Instant) {
    if !request.is_whole() || request.detection_id.is_some() {
        return;
    }
    let due = request.time.checked_sub(app.detection.window_delay).ok();
    let Some(window) = due.and_then(|due| Window::closing_at(due).ok()) else { return };
    let now = Instant::now();
    let deadline = now + deadline.saturating_duration_since(now) / 3;
    let request = SweepRequest {
        window,
        baseline_days: app.detection.baseline_days,
        catalog: &app.catalog,
        customers: &[],
        shard: request.shard,
        query_id: &Uuid::new_v4().to_string(),
        deadline,
    };
    match timeout_at(deadline.into(), build(app, &request)).await {
        Ok(Ok(windows)) => tracing::info!(windows, "baseline of the next hour built"),
        Ok(Err(error)) => tracing::warn!(
            error = error_chain(&error),
            "the baseline of the next hour is not built, so its run takes longer: is `meterflow migrate` up to date, and \
             may the detector's user insert into usage_baselines and usage_baseline_builds?"
        ),
        Err(_) => {
            tracing::info!("time ran out while the baseline of the next hour was built: its run reads hours")
        }
    }
}

/// Tells how many windows were computed.
async fn build(app: &App, request: &SweepRequest<'_>) -> Result<usize, UsageError> {
    let query_id = format!("{}-next", request.query_id);
    let next = SweepRequest { window: request.window.an_hour_later(), query_id: &query_id, ..*request };
    let windows = app.usage.build_baseline(&next).await?;
    // Where no run built one for this hour, as for the first run and on a schedule of another kind, this one serves
    // tomorrow.
    if app.usage.is_baseline_of_hour(request).await? {
        return Ok(windows);
    }
    Ok(windows + app.usage.build_baseline(request).await?)
}
