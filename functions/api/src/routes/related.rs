//! The incidents that probably have the cause of one incident.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use detection::incident::Subject;
use detection::related::{self, COMPARED, Candidate, Link, MOST_LEAD, Related};
use detection::{Hour, IncidentId};
use futures::future::try_join_all;
use futures::try_join;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{IncidentFilter, IncidentItem};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Reader};
use crate::answer::Serving;
use crate::checking::steps;
use crate::error::Problem;
use crate::limits::{cost_of_hours, within_limits};
use crate::params::{InPath, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::incidents::visible;
use crate::views::IncidentView;

/// Incidents of a customer, and of a metric, that are looked through.
const LOOKED_THROUGH: usize = 500;

/// Series that are compared. Each is a query of ClickHouse.
const SERIES: usize = 12;

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Serialize, ToSchema)]
pub(crate) struct OneCause {
    pub incident_id: String,
    /// The incidents that probably have the same cause. Those that opened first come first.
    pub related: Vec<RelatedIncident>,
    /// The incident that moved first, of these and the incident itself. Null if several moved first, and without related ones.
    #[schema(required = true)]
    pub first_mover: Option<String>,
    /// False if the customer or the metric has so many incidents since then that not all were looked through, or if the incidents
    /// near it are of more than 12 series of the customer, so that not all were compared.
    pub complete: bool,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RelatedIncident {
    pub incident: IncidentView,
    /// Why it is probably of the same cause.
    ///
    /// * `customer`: the customer's, and of the same hour
    /// * `metric`: of the same metric and direction, and of the same hour
    /// * `lead`: the customer's, and one of the two series moved up to 6 hours before the other
    pub links: Vec<Link>,
    /// Hours by which its series moves before that of the incident. Negative if it follows. Null if they do not move together.
    #[schema(required = true)]
    pub lead_hours: Option<i64>,
    /// The correlation of the two series at this shift, from -1 to 1, of what is unusual in their last 7 days. Null if they do not
    /// move together.
    #[schema(required = true)]
    pub correlation: Option<f64>,
}

/// List the incidents of one cause
///
/// Those of the same customer or the same metric that opened in the same hour, and those of the customer whose series moved
/// together in the last 7 days. `first_mover` is where to look first.
#[utoipa::path(
    get,
    path = "/v1/incidents/{incident_id}/related",
    tag = "incidents",
    operation_id = "related_incidents",
    params(("incident_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")),
    responses(
        (status = 200, description = "The related incidents.", body = OneCause),
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
    InPath(incident_id): InPath,
    query: Query,
) -> Result<Json<OneCause>, Problem> {
    let now = query.only(&[])?.now();
    let (opened_at, subject) = visible(&caller, &incident_id)?;
    let item = app.store.incident(&subject, opened_at, now).await?.ok_or_else(Problem::not_found)?;
    let (of_customer, of_metric) = try_join!(
        near(&app, of_customer(&item), &item, now, &serving),
        near(&app, of_metric(&item, &caller), &item, now, &serving),
    )?;
    let all_seen = of_customer.complete && of_metric.complete;
    let mut others = of_customer.items;
    others.extend(
        of_metric.items.into_iter().filter(|other| other.incident.subject.customer_id != subject.customer_id),
    );
    others.sort_by_cached_key(|other| (other.incident.opened_at, other.incident.id()));
    let (wanted, all_compared) = wanted(&item, &others);
    let series = series(&app, &caller, wanted, (&item, &others), now, &serving).await?;

    let id = item.incident.id();
    let ids: Vec<IncidentId> = others.iter().map(|other| other.incident.id()).collect();
    let incident = candidate(&item, &id, &series);
    let candidates: Vec<_> =
        others.iter().zip(&ids).map(|(other, id)| candidate(other, id, &series)).collect();
    let found = related::related(&incident, &candidates);
    let first = related::first_mover(&incident, &found);
    Ok(Json(OneCause {
        incident_id,
        related: found.iter().filter_map(|found| view(found, &ids, &others, &caller)).collect(),
        first_mover: first.map(|first| first.as_str().to_owned()),
        complete: all_seen && all_compared,
    }))
}

struct Near {
    items: Vec<IncidentItem>,
    complete: bool,
}

fn of_customer(item: &IncidentItem) -> IncidentFilter {
    let subject = &item.incident.subject;
    IncidentFilter { customer: Some(subject.customer_id.clone()), ..IncidentFilter::default() }
}

/// The customers whose incidents the caller may see.
fn of_metric(item: &IncidentItem, caller: &Caller) -> IncidentFilter {
    let subject = &item.incident.subject;
    IncidentFilter {
        customer: caller.is_customer().then(|| subject.customer_id.clone()),
        metrics: Some(vec![subject.metric.clone()]),
        direction: Some(subject.direction),
        ..IncidentFilter::default()
    }
}

/// The incidents of a filter that opened a few hours before or after one.
async fn near(
    app: &App,
    filter: IncidentFilter,
    item: &IncidentItem,
    now: Timestamp,
    serving: &Serving,
) -> Result<Near, Problem> {
    let around = SignedDuration::from_hours(MOST_LEAD as i64);
    let opened_at = item.incident.opened_at;
    let from = opened_at.saturating_sub(around).unwrap_or(Timestamp::MIN);
    let filter = IncidentFilter { from: Some(from), ..filter };
    let page = app.store.list_incidents(&filter, None, LOOKED_THROUGH, now, serving.deadline).await?;
    let is_near = |other: &IncidentItem| other.incident.opened_at.duration_since(opened_at).abs() <= around;
    Ok(Near { complete: page.next.is_none(), items: page.items.into_iter().filter(is_near).collect() })
}

/// The series that are compared, that of the incident first, and whether these are all: each series of the customer once.
/// Those of other customers are not compared.
fn wanted<'a>(item: &'a IncidentItem, others: &'a [IncidentItem]) -> (Vec<&'a Subject>, bool) {
    let own = &item.incident.subject;
    let others = others.iter().map(|other| &other.incident.subject);
    let of_customer = others.filter(|other| other.customer_id == own.customer_id);
    let mut seen = HashSet::new();
    let mut wanted: Vec<_> =
        std::iter::once(own).chain(of_customer).filter(|subject| seen.insert(of_series(subject))).collect();
    let is_all = wanted.len() <= SERIES;
    wanted.truncate(SERIES);
    (wanted, is_all)
}

/// The hours of series of one customer, by the series. One alone is compared with nothing.
async fn series(
    app: &App,
    caller: &Caller,
    wanted: Vec<&Subject>,
    (item, others): (&IncidentItem, &[IncidentItem]),
    now: Timestamp,
    serving: &Serving,
) -> Result<HashMap<(String, String), Vec<f64>>, Problem> {
    if wanted.len() < 2 {
        return Ok(HashMap::new());
    }
    let customer = &item.incident.subject.customer_id;
    let of_customer = others.iter().filter(|other| other.incident.subject.customer_id == *customer);
    let newest = of_customer.chain([item]).map(|item| item.incident.opened_at).max();
    let end = Hour::holding(newest.unwrap_or(item.incident.opened_at));
    let period = (end.plus(-(COMPARED as i64)).start(), end.start());
    let cost = cost_of_hours(period.0, period.1) * u32::try_from(wanted.len()).unwrap_or(u32::MAX);
    let reading = wanted.into_iter().filter_map(|subject| {
        let spec = app.catalog.all().find_map(|catalog| catalog.get(subject.metric.as_str()))?;
        let key = match &subject.entity {
            None => Some(customer.clone()),
            Some(entity) => customer.with_entity(entity),
        }?;
        Some(async move {
            let steps = steps(app, &key, spec, period, HOUR, serving).await?;
            let value = |value: Option<f64>| value.or_else(|| spec.missing.value(None)).unwrap_or(f64::NAN);
            Ok::<_, Problem>((of_series(subject), steps.into_iter().map(|step| value(step.value)).collect()))
        })
    });
    let read = within_limits(app, caller, now, cost, try_join_all(reading)).await?;
    Ok(read.into_iter().collect())
}

/// What is different for each series: its key in the rollup, and the metric.
fn of_series(subject: &Subject) -> (String, String) {
    (subject.key().into_owned(), subject.metric.to_string())
}

fn candidate<'a>(
    item: &'a IncidentItem,
    id: &'a IncidentId,
    series: &'a HashMap<(String, String), Vec<f64>>,
) -> Candidate<'a> {
    let hours = series.get(&of_series(&item.incident.subject)).map_or(&[][..], Vec::as_slice);
    Candidate { id, subject: &item.incident.subject, opened_at: item.incident.opened_at, hours }
}

fn view(
    found: &Related<'_>,
    ids: &[IncidentId],
    others: &[IncidentItem],
    caller: &Caller,
) -> Option<RelatedIncident> {
    let place = ids.iter().position(|id| id == found.incident.id)?;
    Some(RelatedIncident {
        incident: IncidentView::in_list(others.get(place)?.clone(), caller),
        links: found.links.clone(),
        lead_hours: found.movement.map(|movement| movement.lead_hours),
        correlation: found.movement.map(|movement| movement.correlation),
    })
}
