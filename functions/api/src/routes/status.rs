//! The health of the system: its last runs, and its pending alerts.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use catalog::{Catalog, Shard};
use detection::feedback::{Precision, Precisions};
use futures::future::try_join_all;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use store::{LastRun, StoreError};
use utoipa::ToSchema;

use crate::App;
use crate::access::Operator;
use crate::answer::{Serving, is_complete};
use crate::error::Problem;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid, Unavailable};
use crate::views::Time;

/// Time for ClickHouse to say how new its data are.
const REACH_TIME: Duration = Duration::from_secs(3);

/// Ended runs of a source among which its newest window is looked for. More fail in a row only while nothing works.
pub(super) const LOOKED_THROUGH: usize = 50;

/// The health of the system.
#[derive(Serialize, ToSchema)]
pub(crate) struct Status {
    /// The last run for all customers or for a shard, whether it succeeded or not. Null before the first.
    #[schema(required = true)]
    pub last_run: Option<LastRunView>,
    /// The completed run with the newest window that was checked for all customers. With shards, it is the run of the
    /// shard that is furthest behind. Null until all shards have completed a run.
    #[schema(required = true)]
    pub last_completed_run: Option<LastRunView>,
    /// Time since the end of the newest window that was checked for all customers. With the default schedule it stays
    /// below two hours.
    #[schema(required = true)]
    pub lag_seconds: Option<i64>,
    /// Alerts that are not known to be sent.
    pub pending_alerts: u64,
    /// Whether all of these alerts were counted. `false`: time ran out, and there may be more.
    pub complete: bool,
    /// Time since the end of the oldest pending alert's window. Null without pending alerts.
    #[schema(required = true)]
    pub oldest_pending_alert_seconds: Option<i64>,
    /// How new the usage of each source is, and how far the source is judged.
    pub sources: Vec<SourceStatus>,
    /// Version of the API's program. In a release the commit that it was built from follows a plus sign.
    #[schema(example = "0.1.0")]
    pub version: String,
    pub catalog_version: String,
    /// Version of the policy for all customers.
    pub config_version: u64,
    /// How often people confirm what was found.
    pub precision: PrecisionView,
}

/// How a source is doing.
#[derive(Serialize, ToSchema)]
pub(crate) struct SourceStatus {
    /// Its name; `usage` is that of customers.
    #[schema(example = "usage")]
    pub source: String,
    /// Whether ClickHouse answered within 3 seconds.
    pub reachable: bool,
    /// The newest hour with events. Null without any, and if ClickHouse did not answer.
    #[schema(required = true)]
    pub newest_hour: Option<Time>,
    /// The end of the newest window that a completed run judged in the last 7 days. Null without such a run.
    #[schema(required = true)]
    pub judged_until: Option<Time>,
    /// Time since that end.
    #[schema(required = true)]
    pub lag_seconds: Option<i64>,
}

/// The precision of the last 90 days, from feedback: the confirmed share of what people confirmed or called a false alarm.
#[derive(Serialize, ToSchema)]
#[schema(as = Precision)]
pub(crate) struct PrecisionView {
    /// By metric. Metrics without such feedback are absent.
    pub by_metric: Vec<PrecisionOf>,
    /// By the detector or rule that decided.
    pub by_detector: Vec<PrecisionOf>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct PrecisionOf {
    /// The metric, or the detector.
    #[schema(example = "api_calls")]
    pub name: String,
    /// From 0 to 1.
    pub precision: f64,
    pub confirmed: u64,
    pub false_alarms: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = LastRun)]
pub(crate) struct LastRunView {
    pub run_id: String,
    /// The shard of the run. Null for a run of all customers.
    #[schema(required = true)]
    pub shard: Option<ShardView>,
    pub completed: bool,
    pub finished_at: Time,
    /// The answer of the run. Null for a failure, whose reason is in the detector's log.
    #[schema(required = true, value_type = Option<Object>)]
    pub summary: Option<Value>,
}

/// One of several equal parts of the customers, by a hash of their ids.
#[derive(Serialize, ToSchema)]
#[schema(as = Shard)]
pub(crate) struct ShardView {
    /// The number of the part, from 0.
    pub number: u8,
    /// The number of parts: 2, 4 or 8.
    pub of: u8,
}

/// Show the health of the system
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
    serving: Serving,
    query: Query,
) -> Result<Json<Status>, Problem> {
    let now = query.only(&[])?.now();
    let (now_ms, store) = (now.as_millisecond(), &app.store);
    let sources = try_join_all(app.catalog.all().map(|source| status_of(&app, source, now, &serving)));
    let ((last, completed), pending, policy, feedback, sources) = futures::try_join!(
        store.last_runs(),
        store.pending_alerts(serving.counting_deadline(&app)),
        store.policy(None),
        store.feedback(),
        sources
    )?;
    let seconds_since = |ms: i64| (now_ms - ms) / 1_000;
    Ok(Json(Status {
        lag_seconds: completed.as_ref().and_then(|run| run.window_end).map(seconds_since),
        last_run: last.map(LastRunView::from),
        last_completed_run: completed.map(LastRunView::from),
        pending_alerts: pending.count,
        complete: is_complete(pending.extent)?,
        oldest_pending_alert_seconds: pending.oldest.map(seconds_since),
        sources,
        version: platform::version().to_owned(),
        catalog_version: app.catalog.version().to_owned(),
        config_version: policy.version,
        precision: Precisions::of(&feedback, now).into(),
    }))
}

async fn status_of(
    app: &App,
    source: &Catalog,
    now: Timestamp,
    serving: &Serving,
) -> Result<SourceStatus, StoreError> {
    let query_id = format!("{}-{}-newest", serving.id, source.name());
    let newest = tokio::time::timeout(REACH_TIME, app.usage.newest_hour(source, &query_id));
    let before = now.as_millisecond().saturating_add(1);
    let name = [source.name()];
    let runs = app.store.ended_runs(&name, before, LOOKED_THROUGH, now);
    let (newest, runs) = futures::join!(newest, runs);
    let newest = newest.ok().and_then(Result::ok);
    let judged_until = runs?.iter().filter(|run| run.completed).filter_map(|run| run.window_end).max();
    Ok(SourceStatus {
        source: source.name().to_owned(),
        reachable: newest.is_some(),
        newest_hour: newest.flatten().map(|hour| hour.start().into()),
        judged_until: judged_until.map(Time::from),
        lag_seconds: judged_until.map(|end| (now.as_millisecond() - end) / 1_000),
    })
}

impl From<Precisions> for PrecisionView {
    fn from(precisions: Precisions) -> Self {
        let of = |(name, precision): (String, Precision)| PrecisionOf {
            name,
            precision: precision.share(),
            confirmed: precision.confirmed,
            false_alarms: precision.false_alarms,
        };
        let by_metric = precisions.by_metric.into_iter().map(|(metric, of)| (metric.to_string(), of));
        Self {
            by_metric: by_metric.map(of).collect(),
            by_detector: precisions.by_detector.into_iter().map(of).collect(),
        }
    }
}

impl From<LastRun> for LastRunView {
    fn from(run: LastRun) -> Self {
        Self {
            run_id: run.run_id,
            shard: (!run.shard.is_whole()).then(|| ShardView::from(run.shard)),
            completed: run.completed,
            finished_at: run.finished_at.into(),
            summary: run.summary.and_then(|text| serde_json::from_str(&text).ok()),
        }
    }
}

impl From<Shard> for ShardView {
    fn from(shard: Shard) -> Self {
        Self { number: shard.number(), of: shard.of() }
    }
}
