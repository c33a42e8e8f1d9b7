//! What a run does for the next one once its own work is done: the windows that it will read are built by then.

use std::time::Instant;

use adapters::telemetry::error_chain;
use adapters::usage::SweepRequest;
use detection::Window;
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::{App, Tick};

/// Builds the windows of the next hour's run that are closed by now, after a run of the schedule.
///
/// Whatever it does not come to, that run does itself. So nothing here is a failure, and it takes no more than a third
/// of the time until `deadline`: a function that comes near its time is an alarm.
pub async fn build_ahead(app: &App, tick: &Tick, deadline: Instant) {
    if !tick.is_whole() || tick.detection_id.is_some() {
        return;
    }
    let due = tick.time.checked_sub(app.detection.window_delay).ok();
    let Some(window) = due.and_then(|due| Window::closing_at(due).ok()) else { return };
    let now = Instant::now();
    let deadline = now + deadline.saturating_duration_since(now) / 3;
    let request = SweepRequest {
        window,
        baseline_days: app.detection.baseline_days,
        catalog: &app.catalog,
        customers: &[],
        shard: tick.shard,
        query_id: &Uuid::new_v4().to_string(),
        deadline,
    };
    match timeout_at(deadline.into(), app.usage.build_windows_ahead(&request)).await {
        Ok(Ok(windows)) => tracing::info!(windows, "windows of the next hour built"),
        Ok(Err(error)) => tracing::warn!(
            error = error_chain(&error),
            "windows of the next hour are not built: its run will try, and take longer"
        ),
        Err(_) => tracing::info!("time ran out while building windows of the next hour: its run goes on"),
    }
}
