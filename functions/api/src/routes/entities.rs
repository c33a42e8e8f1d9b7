//! The entities of a source: which ones there are, and what is usual for one of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::{Catalog, MetricSpec};
use detection::{CustomerId, EntityPath, Hour};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use utoipa::ToSchema;
use warehouse::usage::{Chosen, EntityEvents, SeenEntity, SeenRequest};

use crate::App;
use crate::access::Reader;
use crate::answer::Serving;
use crate::checking::tries;
use crate::entity_text;
use crate::error::{Code, Problem};
use crate::limits::within_limits;
use crate::params::{InPath, Query, TwoInPath, missing, part_of_path};
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::sources::source_in_path;
use crate::usual::{self, Spread};
use crate::views::{Period, Time};

/// Longest text to search for.
const LONGEST_SEARCH: usize = 200;

#[derive(Serialize, ToSchema)]
pub(crate) struct EntityList {
    pub source: String,
    /// Those with the newest events first.
    pub entities: Vec<EntityView>,
    /// Whether there are more of them than `limit`.
    pub more: bool,
}

/// An entity with an event in the last 30 days.
#[derive(Serialize, ToSchema)]
#[schema(as = Entity)]
pub(crate) struct EntityView {
    pub customer_id: String,
    /// Its names, for people.
    #[schema(example = "nightly")]
    pub entity: String,
    /// Its names, the widest first.
    #[schema(example = json!(["nightly"]))]
    pub entity_path: Vec<String>,
    /// Its names in one text, for the parameter `entity` of lists.
    #[schema(example = "nightly")]
    pub path: String,
    /// The start of the newest hour with an event of it.
    pub last_seen: Time,
    /// The route of its baselines.
    #[schema(example = "/v1/sources/executions/entities/nightly/baselines?customer_id=acme")]
    pub baselines_link: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct EntityBaselines {
    pub source: String,
    pub customer_id: String,
    /// Its names, for people.
    pub entity: String,
    /// Its names, the widest first.
    pub entity_path: Vec<String>,
    /// One for each metric that has values.
    pub baselines: Vec<EntityBaseline>,
    /// The share of events that did not fail. Null without events, or if the source does not say which have failed.
    #[schema(required = true)]
    pub success_rate: Option<f64>,
    /// Events of the period.
    pub sample_count: u64,
    /// The days before the current hour.
    pub period: Period,
    pub computed_at: Time,
}

/// How the values of the events of a metric were distributed, in `unit`. A value is null without events. Percentiles are within
/// 2.5 % of the exact ones.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntityBaseline {
    pub metric: String,
    pub unit: String,
    #[schema(required = true)]
    pub mean: Option<f64>,
    #[schema(required = true)]
    pub p50: Option<f64>,
    #[schema(required = true)]
    pub p95: Option<f64>,
    #[schema(required = true)]
    pub p99: Option<f64>,
    /// Events with a value.
    pub sample_count: u64,
}

/// List the entities of a source
///
/// Those with an event in the last 30 days.
#[utoipa::path(
    get,
    path = "/v1/sources/{source}/entities",
    tag = "sources",
    operation_id = "list_entities",
    params(
        ("source" = String, Path, description = "a source with entities", example = "executions"),
        ("customer_id" = Option<String>, Query, description = "only of this customer; default: the customer of the token, or all"),
        ("search" = Option<String>, Query, max_length = 200, description = "only with this text in their names, whatever its case"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "entities to list; default 20", example = 20),
    ),
    responses(
        (status = 200, description = "The entities.", body = EntityList),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    InPath(source): InPath,
    query: Query,
) -> Result<Json<EntityList>, Problem> {
    let query = query.only(&["customer_id", "search", "limit"])?;
    let limit: u32 = query.number("limit", 1..=100, 20)?;
    let search = query.text("search").unwrap_or_default();
    if search.chars().count() > LONGEST_SEARCH {
        return Err(Problem::invalid(
            "search",
            format!("search must have at most {LONGEST_SEARCH} characters"),
        ));
    }
    let customer = caller.customer(query.customer()?)?;
    let source = with_entities(&app, &source)?;
    let until = Hour::holding(query.now()).plus(1).start();
    let from = until - usual::SEEN;
    let reading = async {
        let mut tries = tries(&app, &serving);
        loop {
            let query_id = tries.query_id();
            let request = SeenRequest { catalog: source, from, until, query_id: &query_id };
            match app.usage.entities_seen(&request, customer.as_ref(), search, limit + 1).await {
                Ok(seen) => return Ok(seen),
                Err(error) => tries.again(error, false).await?,
            }
        }
    };
    let seen = within_limits(&app, &caller, query.now(), usual::cost(from, until), reading).await?;
    let limit = limit as usize;
    Ok(Json(EntityList {
        source: source.name().to_owned(),
        more: seen.len() > limit,
        entities: seen.into_iter().take(limit).map(|entity| EntityView::of(source, entity)).collect(),
    }))
}

/// Show what is usual for an entity
///
/// How its events of the days before the current hour were distributed. Rules compare with these figures. An entity without
/// events has a `sample_count` of 0.
#[utoipa::path(
    get,
    path = "/v1/sources/{source}/entities/{path}/baselines",
    tag = "sources",
    operation_id = "entity_baselines",
    params(
        ("source" = String, Path, description = "a source with entities", example = "executions"),
        ("path" = String, Path, description = "the names of the entity, each percent-encoded, with `/` between them; `~` and this text in base64url without padding if it contains `/` or `%`", example = "nightly"),
        ("customer_id" = Option<String>, Query, description = "the customer; default: the customer of the token", example = "acme"),
    ),
    responses(
        (status = 200, description = "The baselines.", body = EntityBaselines),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn baselines(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    TwoInPath(source, path): TwoInPath,
    query: Query,
) -> Result<Json<EntityBaselines>, Problem> {
    let query = query.only(&["customer_id"])?;
    let entity = entity_text::read(&part_of_path(&path, "path", "the entity")?, "path")?;
    let customer = caller.customer(query.customer()?)?;
    let customer = customer.ok_or_else(|| missing("customer_id", "name the customer of the entity"))?;
    let source = with_entities(&app, &source)?;
    fits(source, &entity)?;
    let now = query.now();
    let chosen = Chosen::One(&customer, &entity);
    let events = usual::events_of(&app, &caller, source, chosen, now, &serving).await?;
    Ok(Json(EntityBaselines::of(&app, source, (customer.clone(), entity.clone()), &events, now)))
}

/// A source of a path that must have entities.
pub(crate) fn with_entities<'a>(app: &'a App, name: &str) -> Result<&'a Catalog, Problem> {
    let source = source_in_path(app, name)?;
    if source.entities().is_some() {
        return Ok(source);
    }
    let detail = format!("the source {name} has no entities: it is about customers; see /v1/customers");
    Err(Problem::of(Code::NotFound, detail))
}

/// Refuses an entity that the source cannot have.
pub(crate) fn fits(source: &Catalog, entity: &EntityPath) -> Result<(), Problem> {
    let wanted = source.entities().map_or(0, |entities| entities.names.len());
    let found = entity.names().len();
    if wanted == found {
        return Ok(());
    }
    let detail = format!("an entity of {} has {wanted} names, and this one has {found}", source.name());
    Err(Problem::invalid("path", detail))
}

impl EntityView {
    fn of(source: &Catalog, seen: SeenEntity) -> Self {
        let SeenEntity { customer_id, entity, last_hour } = seen;
        Self {
            path: entity_text::written(&entity),
            baselines_link: format!(
                "/v1/sources/{}/entities/{}/baselines?customer_id={}",
                source.name(),
                entity_text::part_of_path(&entity),
                utf8_percent_encode(customer_id.as_str(), NON_ALPHANUMERIC)
            ),
            entity: entity.to_string(),
            entity_path: entity.into(),
            customer_id: customer_id.into(),
            last_seen: last_hour.into(),
        }
    }
}

impl EntityBaselines {
    fn of(
        app: &App,
        source: &Catalog,
        (customer, entity): (CustomerId, EntityPath),
        events: &[EntityEvents],
        now: jiff::Timestamp,
    ) -> Self {
        let has_sizes = |spec: &MetricSpec| spec.value.is_some() && spec.aggregate.has_sizes();
        let metrics = source.metrics().iter().enumerate().filter(|(_, spec)| has_sizes(spec));
        let baselines = metrics.map(|(place, spec)| {
            let of_metric = events.iter().find(|events| events.metric == place);
            let Spread { mean, p50, p95, p99, sample_count } =
                of_metric.map(|events| Spread::of(&events.figures)).unwrap_or_default();
            let (metric, unit) = (spec.name.to_string(), spec.unit.clone());
            EntityBaseline { metric, unit, mean, p50, p95, p99, sample_count }
        });
        let (sample_count, success_rate) = usual::outcomes(source, events.iter());
        let (from, until) = usual::days_before(app, source, now);
        Self {
            source: source.name().to_owned(),
            customer_id: customer.into(),
            entity: entity.to_string(),
            entity_path: entity.into(),
            baselines: baselines.collect(),
            success_rate,
            sample_count,
            period: Period::between(from, until),
            computed_at: now.into(),
        }
    }
}
