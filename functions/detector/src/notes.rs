//! The visible traces of a run: its notes in the store, its line in the log and its metrics.
//!
//! A note never fails a run, and has two seconds.

use std::time::Duration;

use platform::emf::{self, RunFigures};
use platform::telemetry::error_chain;
use store::{LastRun, StoreError};

use crate::app::App;
use crate::pass::millis;
use crate::request::Request;
use crate::summary::RunSummary;

/// Time for the note in the store about the end of the run. It is part of the report's time.
const NOTE_TIME: Duration = Duration::from_secs(2);

impl App {
    /// Notes that a run on demand has begun.
    pub(crate) async fn store_start(&self, request: &Request, run_id: &str) -> anyhow::Result<()> {
        if let Some(detection_id) = &request.detection_id {
            self.store.run_started(detection_id, run_id, self.now()?).await?;
        }
        Ok(())
    }

    /// Notes how a run ended: under its id for a run on demand, and in the status for a run of all customers or a
    /// shard.
    pub(crate) async fn store_end(
        &self,
        request: &Request,
        run_id: &str,
        summary: Option<&RunSummary>,
    ) -> anyhow::Result<()> {
        let (now, text) = (self.now()?, summary.map(noted).transpose()?);
        let asked = async {
            match &request.detection_id {
                Some(detection_id) => self.store.run_finished(detection_id, text.clone(), now).await,
                None => Ok(()),
            }
        };
        let whole = async {
            if !request.is_whole() {
                return Ok::<_, StoreError>(());
            }
            let run = LastRun {
                run_id: run_id.to_owned(),
                source: self.catalog.name().to_owned(),
                shard: request.shard,
                completed: summary.is_some(),
                finished_at: now.as_millisecond(),
                window_end: summary.map(|summary| summary.window.end.as_millisecond()),
                summary: text.clone(),
            };
            self.store.note_run(&run).await
        };
        let (asked, whole) = futures::future::join(asked, whole).await;
        asked.and(whole).map_err(anyhow::Error::from)
    }
}

/// A summary without a long list of findings. The findings of a dry run may exceed an item of DynamoDB.
fn noted(summary: &RunSummary) -> serde_json::Result<String> {
    const NOTED_BYTES: usize = 300_000;
    let text = serde_json::to_string(summary)?;
    if text.len() <= NOTED_BYTES {
        return Ok(text);
    }
    serde_json::to_string(&RunSummary { findings: Vec::new(), ..summary.clone() })
}

/// A note informs people. A run that does its work must not fail because of it.
pub(crate) async fn note(noting: impl Future<Output = anyhow::Result<()>>, otherwise: &str) {
    let failure = match tokio::time::timeout(NOTE_TIME, noting).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error_chain(error.as_ref()),
        Err(_) => format!("no answer within {} s", NOTE_TIME.as_secs()),
    };
    tracing::warn!(error = failure, "{otherwise}");
}

/// Logs and counts how a run ended. No other place does this.
pub(crate) fn report(
    app: &App,
    request: &Request,
    run_id: &str,
    figures: &RunFigures,
    result: &anyhow::Result<RunSummary>,
) {
    let duration_ms = millis(figures.duration);
    let shard = (!request.shard.is_whole()).then(|| request.shard.to_string());
    match result {
        Ok(summary) => {
            tracing::info!(
                run.id = run_id,
                run.version = platform::version(),
                run.duration_ms = duration_ms,
                run.dry_run = request.dry_run,
                run.shard = shard,
                window.end = %summary.window.end,
                run.checked = summary.checked,
                run.anomalies_found = summary.anomalies_found,
                run.critical = summary.critical,
                run.recorded = summary.recorded,
                run.already_recorded = summary.already_recorded,
                run.muted = summary.muted,
                run.alerts_published = summary.alerts_published,
                "run completed"
            );
        }
        Err(error) => {
            let text = error_chain(error.as_ref());
            tracing::error!(
                run.id = run_id,
                run.version = platform::version(),
                run.duration_ms = duration_ms,
                run.shard = shard,
                request.time = %request.time,
                error = text,
                "run failed"
            );
        }
    }
    let written = emf::write(&app.metrics, figures, result.is_err(), (app.clock)(), &mut std::io::stdout());
    if let Err(error) = written {
        tracing::error!(error = %error, "the metrics of the run cannot be written");
    }
}
