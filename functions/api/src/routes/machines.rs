//! The anomalies of machines and the state of their detection, in the shapes of monitoring systems.
//!
//! These routes only write in another form what the others know. The sources of machines are `machines` and those whose names begin with
//! `machines_`. Times are texts unless the request asks for milliseconds.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use catalog::Catalog;
use detection::{Figures, MetricName, Severity, State as Stand};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{AnomalyFilter, AnomalyItem};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Operator, Reader};
use crate::answer::{Serving, is_complete};
use crate::error::{Code, Problem, quoted};
use crate::params::{Body, Query};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, TooLarge, Unavailable};
use crate::routes::anomaly_pages::{Newest, newest};
use crate::routes::source_runs::{self, SourceRuns, SourceRunsRequest};
use crate::routes::trends::BySeverity;
use crate::times;
use crate::views::Time;

use super::status::LOOKED_THROUGH;

/// The name of the source of machines, or its beginning.
const MACHINES: &str = "machines";

/// How far the status looks back.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// An anomaly of this very millisecond counts.
const A_MOMENT: SignedDuration = SignedDuration::from_millis(1);

#[derive(Serialize, ToSchema)]
pub(crate) struct MachineStatus {
    pub status: Health,
    pub sources: Vec<MachineSource>,
    /// Anomalies of the last 24 hours.
    pub anomalies_24h: BySeverity,
    /// Whether all of these anomalies were counted. `false`: time ran out, and there may be more.
    pub complete: bool,
}

/// * `healthy`: the last run of each source completed.
/// * `degraded`: the last run of a source failed.
/// * `idle`: a source had no run in the last 7 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = MachineHealth)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Health {
    Healthy,
    Idle,
    Degraded,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MachineSource {
    #[schema(example = "machines")]
    pub source: String,
    pub metrics: Vec<String>,
    /// Null without a run in the last 7 days, and so are the others.
    #[schema(required = true)]
    pub last_run_at: Option<Time>,
    #[schema(required = true)]
    pub last_run_completed: Option<bool>,
    /// The end of the newest window that a completed run judged.
    #[schema(required = true)]
    pub judged_until: Option<Time>,
    /// Time since that end.
    #[schema(required = true)]
    pub lag_seconds: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MachineAnomalies {
    /// Newest first, at most 500.
    pub anomalies: Vec<MachineAnomaly>,
    /// All anomalies of the time, with those that the answer has no room for.
    pub total: u64,
    /// Whether all of them were counted. `false`: time ran out, and there may be more.
    pub complete: bool,
    pub from: Time,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MachineAnomaly {
    /// As `anomaly_id` in other routes.
    pub id: String,
    /// The first name of the entity.
    #[schema(example = "web-1")]
    pub host: String,
    pub metric: String,
    /// In the unit of the metric.
    pub value: f64,
    /// The mean of the time before.
    pub expected_value: f64,
    pub unit: String,
    /// In spreads. Of a rule that compares with a limit: how many times the limit the value is.
    pub score: f64,
    /// From 0 to 1. Null where nothing is known of chance.
    #[schema(required = true)]
    pub confidence: Option<f64>,
    pub severity: Severity,
    /// The detector or rule that decided. Null in items of earlier versions.
    #[schema(required = true)]
    pub detector: Option<String>,
    pub description: String,
    /// The next steps, the most likely cause first.
    pub recommended_actions: Vec<String>,
    #[schema(value_type = String, example = "open")]
    pub status: Stand,
    pub detected_at: Time,
}

/// Show how the detection of machines is doing
#[utoipa::path(
    get,
    path = "/api/v1/monitoring/anomaly/status",
    tag = "machines",
    operation_id = "machine_status",
    responses(
        (status = 200, description = "How it is doing.", body = MachineStatus),
        Invalid,
        Forbidden,
        Conflict,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn status(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    serving: Serving,
    query: Query,
) -> Result<Json<MachineStatus>, Problem> {
    let now = query.only(&[])?.with_texts().now();
    let sources = sources(&app)?;
    let of_sources = try_join_all(sources.iter().map(|source| status_of(&app, source, now))).await?;
    let (from, until) = (Some(now - A_DAY), Some(now + A_MOMENT));
    let filter = AnomalyFilter { from, until, ..AnomalyFilter::default() };
    let mut anomalies_24h = BySeverity::default();
    let see = |seen: store::CountedAnomaly| anomalies_24h.add(seen.severity);
    let deadline = serving.counting_deadline(&app);
    let complete = is_complete(app.store.count(&filter, &metrics(&sources), now, deadline, see).await?)?;
    let health = |source: &MachineSource| match source.last_run_completed {
        Some(true) => Health::Healthy,
        None => Health::Idle,
        Some(false) => Health::Degraded,
    };
    let status = of_sources.iter().map(health).max().unwrap_or(Health::Idle);
    Ok(Json(MachineStatus { status, sources: of_sources, anomalies_24h, complete }))
}

/// List the newest anomalies of machines
///
/// `GET /v1/anomalies` has more of each, and pages.
#[utoipa::path(
    get,
    path = "/api/v1/monitoring/anomaly/recent",
    tag = "machines",
    operation_id = "recent_machine_anomalies",
    params(
        ("duration" = Option<String>, Query, description = "how far to look back: a number with `m`, `h` or `d`, at most 92 days; default: `24h`", example = "24h"),
    ),
    responses(
        (status = 200, description = "The anomalies.", body = MachineAnomalies),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn recent(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    query: Query,
) -> Result<Json<MachineAnomalies>, Problem> {
    let query = query.only(&["duration"])?.with_texts();
    let now = query.now();
    let length = query.text("duration").map_or(Ok(A_DAY), duration)?;
    let (metrics, from) = (metrics(&sources_of(&app)), now - length);
    let filter = AnomalyFilter {
        customer: caller.customer(None)?,
        metrics: Some(metrics.clone()),
        from: Some(from),
        until: Some(now + A_MOMENT),
        ..AnomalyFilter::default()
    };
    let Newest { items, total, complete } = newest(&app, &serving, &filter, &metrics, now).await?;
    let anomalies = items.into_iter().filter_map(MachineAnomaly::of).collect();
    Ok(Json(MachineAnomalies { anomalies, total, complete, from: from.into() }))
}

/// Judge the machines now
///
/// Starts a run of each source of machines, as their schedules do. A second run of a window stores and alerts nothing twice.
#[utoipa::path(
    post,
    path = "/api/v1/monitoring/anomaly/detect",
    tag = "machines",
    operation_id = "run_machine_detection",
    request_body(content = Option<SourceRunsRequest>),
    responses(
        (status = 202, description = "The runs, handed to the detector.", body = SourceRuns),
        Invalid,
        Forbidden,
        Conflict,
        TooLarge,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn detect(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    query: Query,
    Body(request): Body<SourceRunsRequest>,
) -> Result<Response, Problem> {
    let now = query.only(&[])?.with_texts().now();
    source_runs::begin(&app, &caller, &sources(&app)?, &request, now).await
}

async fn status_of(app: &App, source: &Catalog, now: Timestamp) -> Result<MachineSource, Problem> {
    let before = now.as_millisecond().saturating_add(1);
    let runs = app.store.ended_runs(&[source.name()], before, LOOKED_THROUGH, now).await?;
    let judged_until = runs.iter().filter(|run| run.completed).filter_map(|run| run.window_end).max();
    Ok(MachineSource {
        source: source.name().to_owned(),
        metrics: source.metrics().iter().map(|spec| spec.name.to_string()).collect(),
        last_run_at: runs.first().map(|run| run.finished_at.into()),
        last_run_completed: runs.first().map(|run| run.completed),
        judged_until: judged_until.map(Time::from),
        lag_seconds: judged_until.map(|end| (now.as_millisecond() - end) / 1_000),
    })
}

/// Whether a source is one of machines, by its name.
pub(crate) fn is_of_machines(source: &str) -> bool {
    source.strip_prefix(MACHINES).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// The sources of machines.
fn sources_of(app: &App) -> Vec<&Catalog> {
    app.catalog.all().filter(|source| is_of_machines(source.name())).collect()
}

/// The same, where there must be any.
pub(super) fn sources(app: &App) -> Result<Vec<&Catalog>, Problem> {
    let sources = sources_of(app);
    if sources.is_empty() {
        let detail =
            "this deployment has no source of machines: one that is called machines, or machines_ and more";
        return Err(Problem::of(Code::NoSources, detail));
    }
    Ok(sources)
}

fn metrics(sources: &[&Catalog]) -> Vec<MetricName> {
    sources.iter().flat_map(|source| source.metrics()).map(|spec| spec.name.clone()).collect()
}

/// A time span such as `24h`.
fn duration(text: &str) -> Result<SignedDuration, Problem> {
    let seconds = |unit: char| match unit {
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let read = || {
        let unit = text.chars().last()?;
        let number: i64 = text.strip_suffix(unit)?.parse().ok().filter(|number| *number > 0)?;
        Some(SignedDuration::from_secs(number.checked_mul(seconds(unit)?)?))
    };
    read().filter(|length| *length <= times::MAX_RANGE).ok_or_else(|| {
        let detail = format!(
            "duration must be a number with m, h or d, such as 24h, and at most 92 days, not {}",
            quoted(text)
        );
        Problem::invalid("duration", detail)
    })
}

impl MachineAnomaly {
    /// `None` for an anomaly without an entity: its data stopped for all customers.
    fn of(item: AnomalyItem) -> Option<Self> {
        let Figures { current_value, baseline_mean, z_score, .. } = item.evidence.figures;
        Some(Self {
            id: item.anomaly_id.to_string(),
            host: Vec::from(item.entity_path?).into_iter().next()?,
            metric: item.metric.into(),
            value: current_value,
            expected_value: baseline_mean,
            unit: item.unit,
            score: z_score,
            confidence: item.confidence,
            severity: item.severity,
            detector: item.detector,
            description: item.description,
            recommended_actions: item.investigation_steps,
            status: item.state,
            detected_at: Timestamp::from_millisecond(item.detected_at).ok()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_has_a_unit_and_an_end() {
        for (text, seconds) in [("24h", 86_400), ("30m", 1_800), ("92d", 92 * 86_400)] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds);
        }
        for text in ["", "h", "24", "0h", "-1h", "1.5h", "93d", "9223372036854775807d", "1w", "24h ", "é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
