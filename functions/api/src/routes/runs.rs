//! The runs that have ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use store::LastRun;
use utoipa::ToSchema;

use super::status::ShardView;
use crate::App;
use crate::access::Operator;
use crate::error::Problem;
use crate::listed;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid, Unavailable};
use crate::views::Time;

#[derive(Serialize, ToSchema)]
pub(crate) struct Runs {
    /// Newest first.
    pub runs: Vec<RunView>,
    /// Send it as `to` to get the runs before. Null if there are no more.
    #[schema(required = true)]
    pub next_to: Option<Time>,
}

/// A run of all customers, or of a shard, that has ended.
#[derive(Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RunView {
    /// The run's id in the detector's log.
    pub run_id: String,
    /// The source that it judged; `usage` is that of customers.
    #[schema(example = "usage")]
    pub source: String,
    /// The shard of the run. Null for a run of all customers.
    #[schema(required = true)]
    pub shard: Option<ShardView>,
    pub completed: bool,
    pub finished_at: Time,
    /// The end of the window that it judged. Null for a failure.
    #[schema(required = true)]
    pub window_end: Option<Time>,
    /// How long it took. Null for a failure.
    #[schema(required = true)]
    pub duration_ms: Option<u64>,
    /// Series that it checked. Null for a failure.
    #[schema(required = true)]
    pub checked: Option<u64>,
    /// Series that could not be judged, by reason. Empty if all could, and for a failure.
    #[schema(value_type = Object)]
    pub undetermined: Value,
    /// The answer of the run. Null for a failure, whose reason is in the detector's log.
    #[schema(required = true, value_type = Option<Object>)]
    pub summary: Option<Value>,
}

/// List the runs
///
/// The runs of all customers or of a shard that ended in the last 7 days, of all sources, newest first. Runs for some customers
/// and dry runs are not among them.
#[utoipa::path(
    get,
    path = "/v1/runs",
    tag = "runs",
    operation_id = "list_runs",
    params(
        ("source" = Option<String>, Query, description = "only of this source; `usage` is that of customers", example = "usage"),
        ("to" = Option<String>, Query, description = "only runs that ended before this time; default: now"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "runs to list; default 20", example = 3),
    ),
    responses(
        (status = 200, description = "The runs.", body = Runs),
        Invalid,
        Forbidden,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    query: Query,
) -> Result<Json<Runs>, Problem> {
    let query = query.only(&["source", "to", "limit"])?;
    let limit = query.number("limit", 1..=100, 20)?;
    let sources = match query.text("source") {
        Some(name) => vec![listed::source(&app, name)?.name()],
        None => app.catalog.all().map(catalog::Catalog::name).collect(),
    };
    // A run that ends in this millisecond is listed.
    let before = query.time("to")?.map_or(query.now().as_millisecond() + 1, |to| to.as_millisecond());
    let runs = app.store.ended_runs(&sources, before, limit, query.now()).await?;
    let next_to = (runs.len() == limit).then(|| runs.last()).flatten().map(|run| run.finished_at.into());
    Ok(Json(Runs { runs: runs.into_iter().map(RunView::from).collect(), next_to }))
}

impl From<LastRun> for RunView {
    fn from(run: LastRun) -> Self {
        let summary: Option<Value> = run.summary.and_then(|text| serde_json::from_str(&text).ok());
        let figure = |name: &str| summary.as_ref().and_then(|summary| summary[name].as_u64());
        Self {
            run_id: run.run_id,
            source: run.source,
            shard: (!run.shard.is_whole()).then(|| ShardView::from(run.shard)),
            completed: run.completed,
            finished_at: run.finished_at.into(),
            window_end: run.window_end.map(Time::from),
            duration_ms: figure("duration_ms"),
            checked: figure("checked"),
            undetermined: summary
                .as_ref()
                .map_or_else(|| Value::Object(Default::default()), |summary| summary["undetermined"].clone()),
            summary,
        }
    }
}
