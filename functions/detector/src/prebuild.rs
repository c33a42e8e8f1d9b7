//! Builds the baselines of later runs. A run begins with this only after it has published its findings.

use std::time::Instant;

use detection::Window;
use platform::telemetry::error_chain;
use tokio::time::timeout_at;
use uuid::Uuid;
use warehouse::usage::{SweepRequest, UsageError};

use crate::app::App;
use crate::request::Request;

/// After a run of the schedule, builds the baseline of the next hour's run, for the windows that are closed by now.
///
/// The next run reads missing windows from the hourly rollup. So nothing here is a failure. Building takes at most a
/// third of the time until `deadline`, because a function that comes near its time limit raises an alarm.
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

/// Returns the number of computed windows.
async fn build(app: &App, request: &SweepRequest<'_>) -> Result<usize, UsageError> {
    let query_id = format!("{}-next", request.query_id);
    let next = SweepRequest { window: request.window.an_hour_later(), query_id: &query_id, ..*request };
    let windows = app.usage.build_baseline(&next).await?;
    // The first run, or a run on a schedule of another kind, finds no baseline for its own hour. Then this one serves
    // tomorrow's run of this hour.
    if app.usage.is_baseline_of_hour(request).await? {
        return Ok(windows);
    }
    Ok(windows + app.usage.build_baseline(request).await?)
}
