//! The sources of the catalog.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::{Aggregate, Catalog, Entities, MetricSpec};
use detection::AnomalyKind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;
use crate::access::Reader;
use crate::error::{Code, Problem, quoted};
use crate::listed::known_sources;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid};

/// The window of a metric of customers.
const WINDOW: &str = "1h";

#[derive(Serialize, ToSchema)]
pub(crate) struct Sources {
    /// Changes with each change of the catalog.
    pub catalog_version: String,
    /// The usage of customers first, if the catalog has metrics of it.
    pub sources: Vec<SourceView>,
}

/// A table that metrics are made from.
#[derive(Serialize, ToSchema)]
#[schema(as = Source)]
pub(crate) struct SourceView {
    #[schema(example = "executions")]
    pub name: String,
    /// The column that holds the customer. Null if it is an expression, and for `usage`, whose metrics may differ.
    #[schema(required = true, example = "workspace_id")]
    pub tenant: Option<String>,
    /// The columns of the names of an entity, the widest first. Null stands for an expression. Empty for the usage of customers.
    #[schema(example = json!(["workflow_id"]))]
    pub entity: Vec<Option<String>>,
    /// What people call a customer of the source.
    #[schema(example = "workspace")]
    pub tenant_noun: String,
    /// What people call an entity of the source.
    #[schema(example = "workflow")]
    pub entity_noun: String,
    /// Whether single events of it can be checked.
    pub checks: bool,
    pub metrics: Vec<SourceMetric>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SourceMetric {
    pub metric: String,
    pub unit: String,
    /// How the events of a window become its value: count, sum, max, min, avg, p50, p95, p99, rate, ratio, last, distinct or
    /// novel.
    #[schema(value_type = String, example = "p95")]
    pub aggregate: Aggregate,
    /// The type of its anomalies. Null if each anomaly decides.
    #[serde(rename = "type")]
    #[schema(required = true)]
    pub kind: Option<AnomalyKind>,
    /// The names of the rules that judge it. Empty if models of the week do.
    #[schema(example = json!(["percentile"]))]
    pub rules: Vec<String>,
    /// The window that is judged: 24h, 1h, 5m or 1m. Models judge longer ones too.
    #[schema(example = "1h")]
    pub window: &'static str,
}

/// List the sources
///
/// The tables that metrics are made from: the usage of customers, and the sources with entities. Each has its metrics, and the
/// rules that judge them.
#[utoipa::path(
    get,
    path = "/v1/sources",
    tag = "sources",
    operation_id = "list_sources",
    responses(
        (status = 200, description = "The sources.", body = Sources),
        Invalid,
        Forbidden,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Reader(_): Reader,
    query: Query,
) -> Result<Json<Sources>, Problem> {
    query.only(&[])?;
    Ok(Json(Sources {
        catalog_version: app.catalog.version().to_owned(),
        sources: app.catalog.all().map(SourceView::from).collect(),
    }))
}

/// The source of a path, whether it has entities or not.
pub(crate) fn source_in_path<'a>(app: &'a App, name: &str) -> Result<&'a Catalog, Problem> {
    app.catalog.of(name).ok_or_else(|| {
        Problem::of(Code::NotFound, format!("there is no source {}; {}", quoted(name), known_sources(app)))
    })
}

impl From<&Catalog> for SourceView {
    fn from(source: &Catalog) -> Self {
        let entities = source.entities();
        let tenant = source.metrics().first().filter(|_| entities.is_some());
        let entity = entities.map_or(&[][..], |entities| &entities.names);
        Self {
            name: source.name().to_owned(),
            tenant: tenant.and_then(|metric| column(&metric.customer_column)),
            entity: entity.iter().map(|name| column(name)).collect(),
            tenant_noun: entities.map_or("customer", |entities| &entities.nouns.tenant).to_owned(),
            entity_noun: entities.map_or("customer", |entities| &entities.nouns.entity).to_owned(),
            checks: entities.is_some_and(Entities::has_checks),
            metrics: source.metrics().iter().map(SourceMetric::from).collect(),
        }
    }
}

impl From<&MetricSpec> for SourceMetric {
    fn from(spec: &MetricSpec) -> Self {
        Self {
            metric: spec.name.to_string(),
            unit: spec.unit.clone(),
            aggregate: spec.aggregate,
            kind: spec.kind,
            rules: spec.rules.iter().map(|of| of.rule.name().to_owned()).collect(),
            window: spec.entities.as_ref().map_or(WINDOW, |entities| entities.pace.window.as_str()),
        }
    }
}

/// A plain column. An expression is of the inside, and says nothing to a caller.
fn column(text: &str) -> Option<String> {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_plain.then(|| text.to_owned())
}
