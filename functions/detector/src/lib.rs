//! The detector: one pass over all customers' usage, for one window, without a way back.
//!
//! ```text
//! tick ─ window ─ policies, incidents ─ read ─ check ─ (the stream was complete?) ─ record ─ publish ─ summary
//! ```
//!
//! Invariants:
//!
//! * The window comes from the tick, never from the clock, so a retry an hour late checks its own hour.
//! * Decide first, act second: findings are spooled while usage streams in, and nothing is written before the stream
//!   has proved complete. A cut stream therefore leaves nothing behind.
//! * A run that fails anywhere can simply run again: what is stored is found stored, what waits for its alert still
//!   waits. That is why nothing here undoes anything.
//! * A run ends before its deadline, by itself, with an error that says how far it came.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use catalog::Catalog;
use catalog::Policies;
use catalog::{DetectionConfig, IncidentConfig};
use detection::{Settings, Window};
use environment::Env;
use jiff::Timestamp;
use messaging::alerts::AlertConfig;
use messaging::alerts::AlertPublisher;
use platform::emf::MetricsConfig;
use platform::emf::{self, RunFigures};
use platform::telemetry::error_chain;
use store::StoreConfig;
use store::{AnomalyStore, LastRun, StoreError, Writer};
use uuid::Uuid;
use warehouse::ClickHouseConfig;
use warehouse::usage::UsageReader;

mod ahead;
mod known;
mod ledger;
mod outbox;
mod plan;
mod record;
#[cfg(test)]
mod simulation;
mod spool;
mod summary;
mod sweep;
mod tick;

pub use ahead::build_ahead;
use known::Known;
use ledger::Ledger;
use outbox::Outbox;
pub use summary::{Finding, RunSummary};
pub use tick::Tick;

/// Everything that a run needs, made once at cold start.
pub struct App {
    pub catalog: Catalog,
    pub settings: Vec<Settings>,
    pub detection: DetectionConfig,
    pub alerting: AlertConfig,
    pub incidents: IncidentConfig,
    pub metrics: MetricsConfig,
    pub usage: UsageReader,
    pub store: AnomalyStore,
    pub alerts: AlertPublisher,
    /// The time of day, for expiry and claims only.
    pub clock: fn() -> SystemTime,
}

/// What the steps of one pass share.
#[derive(Clone, Copy)]
struct Pass<'a> {
    app: &'a App,
    tick: &'a Tick,
    window: Window,
    /// The operators' policies, read anew for each run.
    policies: &'a Policies,
    writer: Writer<'a>,
    deadline: Instant,
}

/// Time that is kept back at the end of a run to report how it ended.
const REPORT_TIME: Duration = Duration::from_secs(3);

/// Of it, the time for noting in the store how the run ended.
const NOTE_TIME: Duration = Duration::from_secs(2);

/// One run: checks the window of `tick`, records what it finds and publishes what is critical, all before `deadline`.
///
/// # Errors
///
/// When the usage could not be read completely, when a write was not acknowledged, when an alert could not be
/// published, or when time ran out. The same tick can be run again at any time.
pub async fn run(app: &App, tick: &Tick, deadline: Instant) -> anyhow::Result<RunSummary> {
    let started = Instant::now();
    let run_id = Uuid::new_v4().to_string();
    note(app.store_start(tick, &run_id), "the start of the run is not noted").await;
    let mut figures = RunFigures { shard: tick.shard.name(), ..RunFigures::default() };
    let mut outbox = Outbox::default();
    let begun = Instant::now();
    let time_left = deadline.saturating_duration_since(begun).saturating_sub(REPORT_TIME);
    let pass = pass(app, app, tick, &run_id, begun + time_left, &mut figures, &mut outbox);
    let result = match tokio::time::timeout(time_left, pass).await {
        Ok(result) => result,
        Err(_) => Err(anyhow::anyhow!(
            "time ran out after {} s, while {}; the next run of this window goes on from there",
            started.elapsed().as_secs(),
            figures.phase
        )),
    };
    figures.duration = started.elapsed();
    // Runs that somebody asked for, perhaps of an hour long past, must not hide that the schedule is dead.
    figures.completed = result.is_ok() && tick.is_whole() && tick.detection_id.is_none();
    figures.alerts = app.now().ok().and_then(|now| outbox.figures(now));
    report(app, tick, &run_id, &figures, &result);
    let result = result.map(|summary| RunSummary { duration_ms: millis(figures.duration), ..summary });
    note(app.store_end(tick, &run_id, result.as_ref().ok()), "the end of the run is not noted").await;
    result
}

/// The steps of a run in their order.
async fn pass(
    app: &App,
    ledger: &impl Ledger,
    tick: &Tick,
    run_id: &str,
    deadline: Instant,
    figures: &mut RunFigures,
    outbox: &mut Outbox,
) -> anyhow::Result<RunSummary> {
    let due =
        tick.time.checked_sub(app.detection.window_delay).context("the event's time is out of range")?;
    let window = Window::closing_at(due).context("the event's time cannot be checked")?;
    let writer = Writer { run_id, now: ledger.now()? };

    if !tick.dry_run {
        figures.phase = "sending alerts that earlier runs left behind";
        // More than a run leaves behind as a rule; should there be more still, the next runs send them.
        let limit = 2 * app.alerting.max_per_run + 10;
        outbox.publish_left_over(ledger, limit, writer, deadline).await;
    }
    figures.phase = "reading the policies";
    let policies = ledger.policies().await?;
    let pass = Pass { app, tick, window, policies: &policies, writer, deadline };
    figures.phase = "reading the incidents";
    let known = Known::read(ledger, app, &window).await?;
    figures.phase = "reading usage";
    let mut candidates = ledger.candidates(pass, &known, figures).await?;
    if tick.dry_run {
        return summary::of_dry_run(pass, candidates, &figures.usage);
    }
    figures.phase = "storing anomalies";
    let recorded = record::all(ledger, pass, &known, &mut candidates).await?;
    figures.phase = "sending alerts";
    outbox.publish(ledger, recorded.pending, writer, deadline).await;
    match outbox.failure() {
        Some(error) => Err(error),
        None => Ok(summary::of_run(pass, recorded.counts, outbox.published(), &figures.usage)),
    }
}

impl App {
    /// Reads settings and catalog and makes the clients. Any wrong setting is refused here, before the first run.
    pub async fn from_env(
        env: &Env<'_>,
        aws: &platform::aws::SdkConfig,
        clock: fn() -> SystemTime,
    ) -> anyhow::Result<Self> {
        let detection = DetectionConfig::from_env(env)?;
        let alerting = AlertConfig::from_env(env)?;
        let loaded = platform::text::load(Catalog::source(env)?, aws).await?;
        let catalog = Catalog::parse(&loaded.text, &loaded.origin)?;
        Ok(Self {
            settings: catalog.settings(&detection)?,
            usage: UsageReader::new(&ClickHouseConfig::from_env(env)?, aws),
            store: AnomalyStore::new(&StoreConfig::from_env(env)?, aws),
            alerts: AlertPublisher::new(&alerting, aws),
            metrics: MetricsConfig::from_env(env),
            incidents: IncidentConfig::from_env(env)?,
            catalog,
            detection,
            alerting,
            clock,
        })
    }

    /// Tells whoever asked for this run that it has begun.
    async fn store_start(&self, tick: &Tick, run_id: &str) -> anyhow::Result<()> {
        if let Some(detection_id) = &tick.detection_id {
            self.store.run_started(detection_id, run_id, self.now()?).await?;
        }
        Ok(())
    }

    /// Tells whoever asked for this run how it ended, and of a run for all customers, or for a shard of them, everybody.
    async fn store_end(&self, tick: &Tick, run_id: &str, summary: Option<&RunSummary>) -> anyhow::Result<()> {
        let (now, text) = (self.now()?, summary.map(noted).transpose()?);
        let asked = async {
            match &tick.detection_id {
                Some(detection_id) => self.store.run_finished(detection_id, text.clone(), now).await,
                None => Ok(()),
            }
        };
        let whole = async {
            if !tick.is_whole() {
                return Ok::<_, StoreError>(());
            }
            let run = LastRun {
                run_id: run_id.to_owned(),
                shard: tick.shard,
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

    fn now(&self) -> anyhow::Result<Timestamp> {
        Timestamp::try_from((self.clock)()).context("the clock of this machine is out of range")
    }
}

/// A summary as it is noted: the findings of a dry run may be more than an item of DynamoDB holds.
fn noted(summary: &RunSummary) -> serde_json::Result<String> {
    const NOTED_BYTES: usize = 300_000;
    let text = serde_json::to_string(summary)?;
    if text.len() <= NOTED_BYTES {
        return Ok(text);
    }
    serde_json::to_string(&RunSummary { findings: Vec::new(), ..summary.clone() })
}

/// Notes are for people who look, and no reason to fail a run that does its work.
async fn note(noting: impl Future<Output = anyhow::Result<()>>, otherwise: &str) {
    let failure = match tokio::time::timeout(NOTE_TIME, noting).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error_chain(error.as_ref()),
        Err(_) => format!("no answer within {} s", NOTE_TIME.as_secs()),
    };
    tracing::warn!(error = failure, "{otherwise}");
}

/// The one place that logs and counts how a run ended.
fn report(app: &App, tick: &Tick, run_id: &str, figures: &RunFigures, result: &anyhow::Result<RunSummary>) {
    let duration_ms = millis(figures.duration);
    let shard = (!tick.shard.is_whole()).then(|| tick.shard.to_string());
    match result {
        Ok(summary) => {
            tracing::info!(
                run.id = run_id,
                run.duration_ms = duration_ms,
                run.dry_run = tick.dry_run,
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
                run.duration_ms = duration_ms,
                run.shard = shard,
                tick.time = %tick.time,
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

/// Refuses to begin what cannot be finished before `deadline`.
fn ensure_time_left(deadline: Instant, doing: &str, done: u64, of: u64) -> anyhow::Result<()> {
    if Instant::now() >= deadline {
        bail!(
            "time ran out while {doing}: {done} of {of} done; the next run of this window goes on from there"
        );
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
