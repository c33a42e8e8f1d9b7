//! The anomalies and the usual figures of workflows, in the shapes that workflow systems know.
//!
//! These routes only write in another form what the others know. A workspace is a customer, a workflow is the first name of an
//! entity, and a node the second one. Times are texts unless the request asks for milliseconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::{Catalog, MetricSpec};
use detection::{AnomalyKind, CustomerId, EntityPath, MetricName, Severity};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{AnomalyFilter, AnomalyItem};
use utoipa::ToSchema;
use warehouse::usage::{Chosen, EntityEvents};

use crate::App;
use crate::access::Reader;
use crate::answer::Serving;
use crate::error::{Code, Problem};
use crate::listed::{self, SeverityWord};
use crate::params::{self, CustomerInPath, Query, TwoInPath, part_of_path};
use crate::refusals::{Conflict, Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::anomaly_pages::{Newest, newest};
use crate::times;
use crate::usual::{self, Spread};
use crate::views::Time;

/// How far an answer reaches back by default.
const DEFAULT_LENGTH: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Most nodes of a workflow in an answer.
const MOST_NODES: u32 = 1_000;

/// The unit of durations.
const MILLISECONDS: &str = "ms";

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkspaceAnomalies {
    /// Newest first, at most 500.
    pub anomalies: Vec<WorkspaceAnomaly>,
    /// All anomalies of the period, with those that the answer has no room for.
    pub total: u64,
    /// Whether all of them were counted. `false`: time ran out, and there may be more.
    pub complete: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkspaceAnomaly {
    /// As `anomaly_id` in other routes.
    pub id: String,
    pub workflow_id: String,
    /// Null for an anomaly of many executions.
    #[schema(required = true)]
    pub execution_id: Option<String>,
    #[serde(rename = "type")]
    pub kind: AnomalyKind,
    pub severity: Severity,
    pub description: String,
    pub metric: String,
    /// In the unit of the metric.
    pub value: f64,
    /// The mean of the time before.
    pub baseline_value: f64,
    /// The value divided by the usual one for rises. For drops the usual value divided by the value, and negative.
    #[schema(required = true)]
    pub deviation_factor: Option<f64>,
    /// Null for an anomaly of the whole workflow.
    #[schema(required = true)]
    pub node_key: Option<String>,
    pub detected_at: Time,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowBaselines {
    pub workflow_id: String,
    pub computed_at: Time,
    pub metrics: WorkflowMetrics,
}

/// The usual figures of a workflow. A value is null if the workflow had no executions.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkflowMetrics {
    pub total_duration_ms: TotalDuration,
    /// By node.
    pub node_durations: BTreeMap<String, NodeDuration>,
    /// The share of executions that did not fail.
    #[schema(required = true)]
    pub success_rate: Option<f64>,
    /// Executions of the last 30 days.
    pub sample_count: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TotalDuration {
    #[schema(required = true)]
    pub mean: Option<f64>,
    #[schema(required = true)]
    pub p50: Option<f64>,
    #[schema(required = true)]
    pub p95: Option<f64>,
    #[schema(required = true)]
    pub p99: Option<f64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct NodeDuration {
    #[schema(required = true)]
    pub mean: Option<f64>,
    #[schema(required = true)]
    pub p95: Option<f64>,
}

/// List the anomalies of a workspace
///
/// Anomalies of workflows and their nodes, newest first. `GET /v1/anomalies` has more of each, and pages. Times are
/// texts without `times=milliseconds`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/anomalies",
    tag = "workflows",
    operation_id = "workspace_anomalies",
    params(
        ("workspace" = String, Path, description = "the customer: the id, or `~` and the id in base64url without padding", example = "acme"),
        ("workflow_id" = Option<String>, Query, description = "only of this workflow and its nodes"),
        ("severity" = Option<SeverityWord>, Query, description = "`warning` or `critical`; `info`, `low` and `medium` mean `warning`, and `high` means `critical`"),
        ("from" = Option<String>, Query, description = "detected at this time or later; default: 30 days before `to`"),
        ("to" = Option<String>, Query, description = "detected before this time; at most 92 days after `from`; default: now"),
    ),
    responses(
        (status = 200, description = "The anomalies.", body = WorkspaceAnomalies),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn anomalies(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    CustomerInPath(workspace): CustomerInPath,
    query: Query,
) -> Result<Json<WorkspaceAnomalies>, Problem> {
    let query = query.only(&["workflow_id", "severity", "from", "to"])?.with_texts();
    caller.may_see(&workspace)?;
    let now = query.now();
    let until = query.time("to")?.unwrap_or(now);
    let from = query.time("from")?.unwrap_or(until - DEFAULT_LENGTH);
    times::in_order(Some(from), Some(until), ("from", "to"))?;
    let with_entities = app.catalog.all().filter(|source| source.entities().is_some());
    let metrics: Vec<MetricName> =
        with_entities.flat_map(|source| source.metrics()).map(|spec| spec.name.clone()).collect();
    let filter = AnomalyFilter {
        customer: Some(workspace),
        metrics: Some(metrics.clone()),
        first_name: query.text("workflow_id").map(str::to_owned),
        severity: listed::severity(&query)?,
        from: Some(from),
        until: Some(until),
        ..AnomalyFilter::default()
    };
    let Newest { items, total, complete } = newest(&app, &serving, &filter, &metrics, now).await?;
    let anomalies = items.into_iter().filter_map(WorkspaceAnomaly::of).collect();
    Ok(Json(WorkspaceAnomalies { anomalies, total, complete }))
}

/// Show what is usual for a workflow
///
/// From its executions of the 30 days before the current hour. `GET /v1/sources/{source}/entities/{path}/baselines` has all
/// metrics. Percentiles are within 2.5 % of the exact ones. Times are texts without `times=milliseconds`.
#[utoipa::path(
    get,
    path = "/api/v1/workspaces/{workspace}/workflows/{workflow}/baselines",
    tag = "workflows",
    operation_id = "workflow_baselines",
    params(
        ("workspace" = String, Path, description = "the customer: the id, or `~` and the id in base64url without padding", example = "acme"),
        ("workflow" = String, Path, description = "the workflow: the id, or `~` and the id in base64url without padding", example = "nightly"),
    ),
    responses(
        (status = 200, description = "The figures.", body = WorkflowBaselines),
        Invalid,
        Forbidden,
        NotFound,
        Conflict,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn baselines(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    TwoInPath(workspace, workflow): TwoInPath,
    query: Query,
) -> Result<Json<WorkflowBaselines>, Problem> {
    let query = query.only(&[])?.with_texts();
    let workspace = part_of_path(&workspace, "workspace", "the workspace")?;
    let workspace: CustomerId = params::customer(&workspace, "workspace")?;
    let workflow = part_of_path(&workflow, "workflow", "the workflow")?;
    let entity = EntityPath::new(vec![workflow.clone()])
        .map_err(|error| Problem::invalid("workflow", format!("workflow: {error}")))?;
    caller.may_see(&workspace)?;
    let (source, place) = duration_of(&app, 1).ok_or_else(no_workflows)?;
    let now = query.now();

    let chosen = Chosen::One(&workspace, &entity);
    let events = usual::events_of(&app, &caller, source, chosen, now, &serving).await?;
    let nodes = match duration_of(&app, 2) {
        None => BTreeMap::new(),
        Some((source, place)) => {
            let chosen = Chosen::Below(&workspace, &workflow, MOST_NODES);
            let events = usual::events_of(&app, &caller, source, chosen, now, &serving).await?;
            events.iter().filter(|events| events.metric == place).filter_map(node_duration).collect()
        }
    };
    let of_duration = events.iter().find(|events| events.metric == place);
    let Spread { mean, p50, p95, p99, .. } =
        of_duration.map(|events| Spread::of(&events.figures)).unwrap_or_default();
    let (sample_count, success_rate) = usual::outcomes(source, events.iter());
    Ok(Json(WorkflowBaselines {
        workflow_id: workflow,
        computed_at: now.into(),
        metrics: WorkflowMetrics {
            total_duration_ms: TotalDuration { mean, p50, p95, p99 },
            node_durations: nodes,
            success_rate,
            sample_count,
        },
    }))
}

/// The first source whose entities have so many names and a duration in milliseconds, and the place of that metric.
fn duration_of(app: &App, names: usize) -> Option<(&Catalog, usize)> {
    let is_duration = |spec: &MetricSpec| {
        let is_of_values = spec.value.is_some() && spec.unit == MILLISECONDS;
        is_of_values && spec.kind == Some(AnomalyKind::DurationSpike)
    };
    let sources = app.catalog.all();
    let mut sources =
        sources.filter(|source| source.entities().is_some_and(|entities| entities.names.len() == names));
    sources.find_map(|source| Some((source, source.metrics().iter().position(is_duration)?)))
}

fn no_workflows() -> Problem {
    let detail = "this deployment has no source of workflows: one with an entity of one name and a metric of the type \
                  duration_spike in ms, as the preset executions has";
    Problem::of(Code::NoSources, detail)
}

fn node_duration(events: &EntityEvents) -> Option<(String, NodeDuration)> {
    let node = events.entity.names().get(1)?.clone();
    let Spread { mean, p95, .. } = Spread::of(&events.figures);
    Some((node, NodeDuration { mean, p95 }))
}

impl WorkspaceAnomaly {
    /// `None` for an anomaly without an entity: its data stopped for all customers.
    fn of(item: AnomalyItem) -> Option<Self> {
        let mut names = Vec::from(item.entity_path?).into_iter();
        let mut about = item.about.unwrap_or_default();
        let (workflow_id, second) = (names.next()?, names.next());
        Some(Self {
            id: item.anomaly_id.to_string(),
            workflow_id,
            execution_id: about.ids.remove("execution_id"),
            kind: item.kind,
            severity: item.severity,
            description: item.description,
            metric: item.metric.into(),
            value: item.evidence.figures.current_value,
            baseline_value: item.evidence.figures.baseline_mean,
            deviation_factor: about.deviation_factor,
            node_key: about.ids.remove("node_key").or(second),
            detected_at: Timestamp::from_millisecond(item.detected_at).ok()?.into(),
        })
    }
}
