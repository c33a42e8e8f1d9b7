//! Lists of incidents, and one incident with the next steps.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use detection::incident::Subject;
use detection::{AnomalyKind, Direction, IncidentId, IncidentState};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use store::{
    AnomalyStore, IncidentFilter, IncidentItem, IncidentOrder, IncidentPosition, Sorted, SortedPosition,
};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Reader};
use crate::answer::Serving;
use crate::csv_list;
use crate::cursor::{self, Place};
use crate::entity_text;
use crate::error::Problem;
use crate::listed::{self, SeverityWord};
use crate::params::{InPath, Query};
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::anomalies::DIRECTIONS;
use crate::times;
use crate::views::IncidentView;

const STATES: [IncidentState; 5] = [
    IncidentState::Open,
    IncidentState::Acknowledged,
    IncidentState::Resolved,
    IncidentState::Accepted,
    IncidentState::Stale,
];

/// The parameters that decide the content of the list.
pub(super) const FILTERS: [&str; 11] = [
    "customer_id",
    "metric",
    "source",
    "type",
    "entity",
    "severity",
    "direction",
    "state",
    "text",
    "from",
    "to",
];

/// Columns of the list as CSV.
const COLUMNS: [&str; 28] = [
    "incident_id",
    "type",
    "customer_id",
    "entity",
    "metric",
    "unit",
    "direction",
    "state",
    "severity",
    "opened_at",
    "last_seen",
    "last_window",
    "closed_at",
    "over_at",
    "anomalies",
    "peak_z_score",
    "latest.current_value",
    "latest.baseline_mean",
    "latest.baseline_stddev",
    "latest.z_score",
    "description",
    "last_page.event",
    "last_page.window_end",
    "last_page.single",
    "expires_at",
    "cost.so_far",
    "cost.a_month",
    "cost.currency",
];

/// What incidents are sorted by. `cost`: what they cost in a month at the present rate, or what is missing.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IncidentSort {
    LastWindow,
    OpenedAt,
    Severity,
    Anomalies,
    Cost,
}

impl IncidentSort {
    const WORDS: [(&'static str, Self); 5] = [
        ("last_window", Self::LastWindow),
        ("opened_at", Self::OpenedAt),
        ("severity", Self::Severity),
        ("anomalies", Self::Anomalies),
        ("cost", Self::Cost),
    ];

    /// `None` for the order in which the store keeps them.
    fn order(self) -> Option<IncidentOrder> {
        match self {
            Self::LastWindow => None,
            Self::OpenedAt => Some(IncidentOrder::OpenedAt),
            Self::Severity => Some(IncidentOrder::Severity),
            Self::Anomalies => Some(IncidentOrder::Anomalies),
            Self::Cost => Some(IncidentOrder::Cost),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Incidents {
    /// The incidents that changed last come first, unless `sort` says otherwise.
    pub incidents: Vec<IncidentView>,
    /// Send it as `cursor` with the same parameters and the same token to get the next list page. Null on the last one.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// An incident with help for dealing with it.
#[derive(Serialize, ToSchema)]
pub(crate) struct IncidentDetail {
    pub incident: IncidentView,
    /// The next steps, the most likely cause first. Empty if its newest anomaly has expired.
    pub investigation_steps: Vec<String>,
    /// The route and query that list its anomalies.
    #[schema(
        example = "/v1/anomalies?customer_id=cust%5F0001&metric=api%5Fcalls&direction=spike&from=1795266000000&to=1795348800001"
    )]
    pub anomalies_link: String,
}

/// List incidents
///
/// The incidents of all sources that a window changed last come first. A list page holds `limit` incidents while more exist. It may
/// hold fewer if a filter makes the search long. The last list page has no `next_cursor`. Incidents that change while
/// somebody turns pages move to the front. Only a new list shows them there.
#[utoipa::path(
    get,
    path = "/v1/incidents",
    tag = "incidents",
    operation_id = "list_incidents",
    params(
        ("customer_id" = Option<String>, Query, description = "only of this customer"),
        ("source" = Option<String>, Query, description = "only of this source; `usage` is that of customers", example = "usage"),
        ("metric" = Option<String>, Query, description = "only of this metric, of any source", example = "api_calls"),
        ("type" = Option<AnomalyKind>, Query, description = "only those whose newest anomaly has this type"),
        ("entity" = Option<String>, Query, description = "only of the entity with exactly these names: each percent-encoded, with `/` between them"),
        ("severity" = Option<SeverityWord>, Query, description = "`warning` or `critical`; `info`, `low` and `medium` mean `warning`, and `high` means `critical`"),
        ("direction" = Option<Direction>, Query, description = "`spike` or `drop`"),
        ("state" = Option<IncidentState>, Query, description = "`open`, `acknowledged`, `resolved` or `accepted`", example = "open"),
        ("text" = Option<String>, Query, description = "only those with this text in customer, entity, metric or description; capital letters do not matter"),
        ("from" = Option<String>, Query, description = "the last window that changed the incident ended at this time or later"),
        ("to" = Option<String>, Query, description = "the last window that changed the incident ended before this time; at most 92 days after `from`; default: now"),
        ("sort" = Option<IncidentSort>, Query, description = "the greatest first; default `last_window`; another order sorts at most 5,000 incidents"),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 100, description = "incidents on a list page; default 20", example = 3),
        ("cursor" = Option<String>, Query, description = "the `next_cursor` of the list page before, with the same parameters and the same token"),
    ),
    responses(
        (
            status = 200,
            description = "A page.",
            content((Incidents = "application/json"), (String = "text/csv")),
            headers(("x-next-cursor" = Option<String>, description = "for CSV: the `next_cursor`; absent on the last list page")),
        ),
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
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let query = query.only(&[&FILTERS[..], &["sort", "limit", "cursor"]].concat())?;
    let limit = query.number("limit", 1..=100, 20)?;
    let filter = filter(&app, &caller, &query)?;
    let (items, next_cursor) = match query.word("sort", &IncidentSort::WORDS)?.and_then(IncidentSort::order) {
        None => newest(&app, &caller, &query, filter, limit, &serving).await?,
        Some(order) => sorted(&app, &caller, &query, filter, order, limit, &serving).await?,
    };
    let incidents = items.into_iter().map(|item| IncidentView::in_list(item, &caller)).collect();
    let list = Incidents { incidents, next_cursor };
    csv_list::list(&headers, list, |list| &list.incidents, |list| list.next_cursor.as_deref(), &COLUMNS)
}

/// Incidents, and the cursor of those that follow.
type Listed = (Vec<IncidentItem>, Option<String>);

/// The incidents that changed last come first.
async fn newest(
    app: &App,
    caller: &Caller,
    query: &Query,
    mut filter: IncidentFilter,
    limit: usize,
    serving: &Serving,
) -> Result<Listed, Problem> {
    let binding = binding(caller, query);
    let after: Option<IncidentPosition> = resume(query, &binding, &mut filter)?;
    let own = |after: &IncidentPosition| filter.customer.as_ref().is_none_or(|own| *own == after.customer_id);
    if after.as_ref().is_some_and(|after| !own(after) || !after.is_possible()) {
        return Err(cursor::refused());
    }
    let (now, deadline) = (query.now(), serving.deadline);
    let page = app.store.list_incidents(&filter, after.as_ref(), limit, now, deadline).await?;
    let (from, until) = filter.bounds();
    let next = page.next.map(|after| cursor::encode(Place { after, from, until }, &binding));
    Ok((page.items, next.transpose()?))
}

/// The greatest come first.
async fn sorted(
    app: &App,
    caller: &Caller,
    query: &Query,
    mut filter: IncidentFilter,
    order: IncidentOrder,
    limit: usize,
    serving: &Serving,
) -> Result<Listed, Problem> {
    let binding = binding(caller, query);
    let after: Option<SortedPosition> = resume(query, &binding, &mut filter)?;
    let (now, deadline) = (query.now(), serving.deadline);
    match app.store.sorted_incidents(&filter, order, after.as_ref(), limit, now, deadline).await? {
        Sorted::Page { items, next } => {
            let (from, until) = filter.bounds();
            let next = next.map(|after| cursor::encode(Place { after, from, until }, &binding));
            Ok((items, next.transpose()?))
        }
        Sorted::TooMany => {
            let most = AnomalyStore::MOST_SORTED;
            let detail =
                format!("more than {most} incidents cannot be sorted: ask for fewer by other parameters");
            Err(Problem::invalid("sort", detail))
        }
        Sorted::OutOfTime => Err(Problem::out_of_time()),
    }
}

/// Show one incident
///
/// The answer adds its history, the next steps, and the route of its anomalies.
#[utoipa::path(
    get,
    path = "/v1/incidents/{incident_id}",
    tag = "incidents",
    operation_id = "show_incident",
    params(("incident_id" = String, Path, description = "as listed", example = "1795266000000.api_calls.spike.Y3VzdF8wMDAx")),
    responses(
        (status = 200, description = "The incident.", body = IncidentDetail),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn detail(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    InPath(incident_id): InPath,
    query: Query,
) -> Result<Json<IncidentDetail>, Problem> {
    let now = query.only(&[])?.now();
    let (opened_at, subject) = visible(&caller, &incident_id)?;
    let item = app.store.incident(&subject, opened_at, now).await?.ok_or_else(Problem::not_found)?;
    let newest = app.store.anomaly(&item.incident.newest_anomaly(), now).await?;
    Ok(Json(IncidentDetail {
        anomalies_link: anomalies_link(&item),
        investigation_steps: newest.map(|anomaly| anomaly.investigation_steps).unwrap_or_default(),
        incident: IncidentView::of(item, &caller),
    }))
}

/// The key in an incident's id, if the caller may see the incident. An invalid id is answered like a missing one.
pub(crate) fn visible(caller: &Caller, incident_id: &str) -> Result<(Timestamp, Subject), Problem> {
    let (_, opened_at, subject) = IncidentId::parse(incident_id).ok_or_else(Problem::not_found)?;
    caller.may_see(&subject.customer_id)?;
    Ok((opened_at, subject))
}

pub(super) fn filter(app: &App, caller: &Caller, query: &Query) -> Result<IncidentFilter, Problem> {
    let filter = IncidentFilter {
        customer: caller.customer(query.customer()?)?,
        metrics: listed::metrics(app, query)?,
        entity: listed::entity(query)?,
        severity: listed::severity(query)?,
        direction: query.word("direction", &DIRECTIONS.map(|direction| (direction.as_str(), direction)))?,
        state: query.word("state", &STATES.map(|state| (state.as_str(), state)))?,
        kind: listed::kind(query)?,
        text: listed::text(query)?,
        from: query.time("from")?,
        until: query.time("to")?,
    };
    times::in_range(filter.from, filter.until, query.now(), ("from", "to"))?;
    Ok(filter)
}

/// Every input that decides the content of the list, as it was sent.
fn binding(caller: &Caller, query: &Query) -> String {
    let parameters: Vec<_> =
        FILTERS.into_iter().chain(["sort"]).map(|name| (name, query.text(name))).collect();
    format!("{:?} {parameters:?}", caller.view())
}

/// The place where a list continues, in the bounds that it began with.
fn resume<P: cursor::Listed>(
    query: &Query,
    binding: &str,
    filter: &mut IncidentFilter,
) -> Result<Option<P>, Problem> {
    let Some(text) = query.text("cursor") else { return Ok(None) };
    let Place { after, from, until } = cursor::decode::<P>(text, binding)?;
    let at = |ms: i64| Timestamp::from_millisecond(ms).map_err(|_| cursor::refused());
    (filter.from, filter.until) = (Some(at(from)?), Some(at(until)?));
    Ok(Some(after))
}

/// The link to an incident's anomalies. If the incident is older than a list may reach back, the link lists the newest
/// anomalies.
fn anomalies_link(item: &IncidentItem) -> String {
    let incident = &item.incident;
    let until =
        incident.last_seen.saturating_add(SignedDuration::from_millis(1)).unwrap_or(incident.last_seen);
    let from = incident.opened_at.max(until.saturating_sub(times::MAX_RANGE).unwrap_or(incident.opened_at));
    let part = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let entity = incident.subject.entity.as_ref().map(entity_text::written);
    format!(
        "/v1/anomalies?customer_id={}&metric={}{}&direction={}&from={}&to={}",
        part(incident.subject.customer_id.as_str()),
        part(incident.subject.metric.as_str()),
        entity.map(|entity| format!("&entity={}", part(&entity))).unwrap_or_default(),
        incident.subject.direction.as_str(),
        from.as_millisecond(),
        until.as_millisecond()
    )
}
