//! The values of one metric of a customer or an entity by hour, each with the values that would have been usual.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::{Catalog, MetricSpec, Policies, Said};
use detection::{CustomerId, Hour};
use futures::try_join;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use warehouse::usage::UsageStep;

use crate::App;
use crate::access::{Caller, Reader};
use crate::answer::Serving;
use crate::bands::{self, Range, Series};
use crate::checking::{incidents_of, steps};
use crate::entity_text;
use crate::error::{Problem, quoted};
use crate::limits::within_limits;
use crate::params::{CustomerInPath, Query, TwoInPath, missing, part_of_path};
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::entities::{fits, with_entities};
use crate::usual;
use crate::views::{Period, Time};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const DEFAULT_DAYS: i32 = 7;

/// A model is fitted for each day of the series.
const MOST_DAYS: i32 = 31;

#[derive(Serialize, ToSchema)]
pub(crate) struct EntitySeries {
    pub source: String,
    pub customer_id: String,
    /// Its names, for people.
    #[schema(example = "nightly")]
    pub entity: String,
    /// Its names, the widest first.
    #[schema(example = json!(["nightly"]))]
    pub entity_path: Vec<String>,
    #[schema(example = "execution_count")]
    pub metric: String,
    pub unit: String,
    pub judged_by: JudgedBy,
    /// The full hours that the points cover.
    pub period: Period,
    /// Oldest first.
    pub points: Vec<BandPoint>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CustomerSeries {
    pub customer_id: String,
    #[schema(example = "api_calls")]
    pub metric: String,
    pub unit: String,
    pub judged_by: JudgedBy,
    /// The full hours that the points cover.
    pub period: Period,
    /// Oldest first.
    pub points: Vec<BandPoint>,
}

/// Who judges a metric.
///
/// * `models`: the band of a point is the usual range of its hour, by the model of its day
/// * `rules`: the band of a point ends where a rule of the metric speaks, by the days before its hour. For the rules `percentile`
///   of each event and `ratio`, the limit is of the values of single events. The limit of a rate is that for the events of the
///   hour, whatever the window of the source
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JudgedBy {
    Models,
    Rules,
}

/// An hour. Values are in `unit`.
#[derive(Serialize, ToSchema)]
pub(crate) struct BandPoint {
    /// First instant of the hour.
    pub start: Time,
    /// Null if unknown.
    #[schema(required = true)]
    pub value: Option<f64>,
    /// Lowest usual value. Null if no value is too low, and where too little is known.
    #[schema(required = true)]
    pub expected_low: Option<f64>,
    /// Highest usual value. Null if no value is too high, and where too little is known.
    #[schema(required = true)]
    pub expected_high: Option<f64>,
}

/// Show a metric of an entity by hour
///
/// For charts: the values of each hour, and between which values the hour would have been usual. The last hour may not be over
/// yet. The rules that look at failures in a row have no band. A metric that models judge has none in the first seven days of an
/// entity, and never without the detector `seasonal`.
#[utoipa::path(
    get,
    path = "/v1/sources/{source}/entities/{path}/series",
    tag = "sources",
    operation_id = "entity_series",
    params(
        ("source" = String, Path, description = "a source with entities", example = "executions"),
        ("path" = String, Path, description = "the names of the entity, each percent-encoded, with `/` between them; `~` and this text in base64url without padding if it contains `/` or `%`", example = "nightly"),
        ("metric" = String, Query, description = "a metric of the source", example = "execution_count"),
        ("customer_id" = Option<String>, Query, description = "the customer; default: the customer of the token", example = "acme"),
        ("from" = Option<String>, Query, description = "rounded down to a full hour; default: 7 days before `to`", example = "now-7d"),
        ("to" = Option<String>, Query, description = "rounded up to a full hour, at most 31 days after `from`; default: now"),
    ),
    responses(
        (status = 200, description = "The series.", body = EntitySeries),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn series(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    TwoInPath(source, path): TwoInPath,
    query: Query,
) -> Result<Json<EntitySeries>, Problem> {
    let query = query.only(&["metric", "customer_id", "from", "to"])?;
    let entity = entity_text::read(&part_of_path(&path, "path", "the entity")?, "path")?;
    let customer = caller.customer(query.customer()?)?;
    let customer = customer.ok_or_else(|| missing("customer_id", "name the customer of the entity"))?;
    let source = with_entities(&app, &source)?;
    fits(source, &entity)?;
    let spec = metric(source, query.text("metric"))?;
    let now = query.now();
    let range = range(query.time("from")?, query.time("to")?, now)?;
    let points = match customer.with_entity(&entity) {
        // A key that is too long is in no rollup.
        None => band_points(spec, range, range.hours().map(|_| Default::default()), now),
        Some(key) => {
            let series = Series { source, spec, key: &key };
            points(&app, &caller, series, &customer, range, now, &serving).await?
        }
    };
    Ok(Json(EntitySeries {
        source: spec.source_name().to_owned(),
        customer_id: customer.into(),
        entity: entity.to_string(),
        entity_path: entity.into(),
        metric: spec.name.to_string(),
        unit: spec.unit.clone(),
        judged_by: JudgedBy::of(spec),
        period: Period::between(range.first.start(), range.end.start()),
        points,
    }))
}

/// Show a metric of a customer by hour
///
/// For charts: the usage of each hour, and between which values the hour would have been usual. The last hour may not be over
/// yet. There is no usual range in the first seven days of a customer, and none without the detector `seasonal`.
#[utoipa::path(
    get,
    path = "/v1/customers/{customer_id}/series",
    tag = "customers",
    operation_id = "customer_series",
    params(
        ("customer_id" = String, Path, description = "the id, or `~` and the id in base64url without padding", example = "cust_0001"),
        ("metric" = String, Query, description = "a metric of usage", example = "api_calls"),
        ("from" = Option<String>, Query, description = "rounded down to a full hour; default: 7 days before `to`", example = "now-7d"),
        ("to" = Option<String>, Query, description = "rounded up to a full hour, at most 31 days after `from`; default: now"),
    ),
    responses(
        (status = 200, description = "The series.", body = CustomerSeries),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn of_customer(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    CustomerInPath(customer): CustomerInPath,
    query: Query,
) -> Result<Json<CustomerSeries>, Problem> {
    let query = query.only(&["metric", "from", "to"])?;
    caller.may_see(&customer)?;
    let spec = query.required_metric(&app)?;
    let now = query.now();
    let range = range(query.time("from")?, query.time("to")?, now)?;
    let series = Series { source: &app.catalog, spec, key: &customer };
    let points = points(&app, &caller, series, &customer, range, now, &serving).await?;
    Ok(Json(CustomerSeries {
        metric: spec.name.to_string(),
        unit: spec.unit.clone(),
        judged_by: JudgedBy::of(spec),
        period: Period::between(range.first.start(), range.end.start()),
        points,
        customer_id: customer.into(),
    }))
}

/// The value of each hour, and its band.
async fn points(
    app: &App,
    caller: &Caller,
    series: Series<'_>,
    customer: &CustomerId,
    range: Range,
    now: Timestamp,
    serving: &Serving,
) -> Result<Vec<BandPoint>, Problem> {
    let Series { source, spec, key } = series;
    let hour = DAY.unsigned_abs() / 24;
    let values = steps(app, key, spec, (range.first.start(), range.end.start()), hour, serving);
    let bands = async {
        if !spec.rules.is_empty() {
            let policies = policies_of(app, source, customer).await?;
            return bands::of_rules(app, series, range, &policies, serving).await;
        }
        let of_customer = std::slice::from_ref(customer);
        let policies = policies_of(app, source, customer);
        let (policies, incidents) = try_join!(policies, incidents_of(app, of_customer, now))?;
        let incidents: Vec<_> = incidents.into_iter().flat_map(|(_, incidents)| incidents).collect();
        bands::of_models(app, series, range, &policies, &incidents, serving).await
    };
    let cost = usual::cost(range.first.plus(-24 * 32).start(), range.end.start());
    let reading = async { try_join!(values, bands) };
    let (values, bands) = within_limits(app, caller, now, cost, reading).await?;
    Ok(band_points(spec, range, values.into_iter().zip(bands), now))
}

fn band_points(
    spec: &MetricSpec,
    range: Range,
    of_hours: impl Iterator<Item = (UsageStep, detection::rules::Limits)>,
    now: Timestamp,
) -> Vec<BandPoint> {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let point = |(hour, (step, band)): (Hour, (UsageStep, detection::rules::Limits))| BandPoint {
        start: hour.start().into(),
        // An hour that has not begun is unknown, not zero.
        value: finite(step.value.or_else(|| spec.missing.value(None).filter(|_| hour.start() < now))),
        expected_low: finite(band.low),
        expected_high: finite(band.high),
    };
    range.hours().zip(of_hours).map(point).collect()
}

/// The policies of a customer for the metrics of a source.
async fn policies_of(app: &App, source: &Catalog, customer: &CustomerId) -> Result<Policies, Problem> {
    let settings = source.settings(&app.detection).map_err(|error| Problem::internal(error.to_string()))?;
    let store = &app.store;
    let (global, own, feedback) =
        try_join!(store.policy(None), store.policy(Some(customer)), store.feedback_of(customer))?;
    let policies = Policies::resolve(source, &settings, global, vec![(customer.clone(), own)]);
    Ok(policies.with_feedback(source, &Said { feedback, at: app.now()? }))
}

/// The metric of a source with this name.
fn metric<'a>(source: &'a Catalog, name: Option<&str>) -> Result<&'a MetricSpec, Problem> {
    let names: Vec<_> = source.metrics().iter().map(|spec| spec.name.as_str()).collect();
    let known = format!("the source {} has {}", source.name(), names.join(", "));
    let name = name.ok_or_else(|| missing("metric", &known))?;
    let refused =
        || Problem::invalid("metric", format!("there is no metric {} of this source; {known}", quoted(name)));
    source.get(name).ok_or_else(refused)
}

/// The full hours of a series.
fn range(from: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> Result<Range, Problem> {
    let until = until.unwrap_or(now);
    let from = from.unwrap_or(until - DAY * DEFAULT_DAYS);
    if from >= until {
        return Err(Problem::invalid("from", "`from` must be before `to`".to_owned()));
    }
    if until.duration_since(from) > DAY * MOST_DAYS {
        let detail = format!("`from` to `to` must be at most {MOST_DAYS} days");
        return Err(Problem::invalid("from", detail));
    }
    let last = Hour::holding(until - SignedDuration::from_nanos(1));
    Ok(Range { first: Hour::holding(from), end: last.plus(1) })
}

impl JudgedBy {
    fn of(spec: &MetricSpec) -> Self {
        if spec.rules.is_empty() { Self::Models } else { Self::Rules }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_has_full_hours_and_an_end() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let now = at("2026-11-21T13:30:00Z").unwrap();
        let hours = |from, until| {
            let range = range(from, until, now).map_err(|problem| problem.detail().to_owned())?;
            Ok::<_, String>((range.first.start().to_string(), range.hours().count()))
        };
        assert_eq!(hours(None, None), Ok(("2026-11-14T13:00:00Z".to_owned(), 169)));
        let (one, two) = (at("2026-11-21T12:00:00Z"), at("2026-11-21T13:00:00Z"));
        assert_eq!(hours(one, two), Ok(("2026-11-21T12:00:00Z".to_owned(), 1)));
        assert_eq!(hours(at("2026-11-21T12:59:59Z"), at("2026-11-21T13:00:01Z")).unwrap().1, 2);
        assert_eq!(hours(at("2026-10-21T13:30:00Z"), None).unwrap().1, 745);
        assert_eq!(
            hours(at("2026-10-21T13:29:59Z"), None),
            Err("`from` to `to` must be at most 31 days".to_owned())
        );
        for (from, until) in [(two, one), (one, one), (at("2026-11-22T00:00:00Z"), None)] {
            assert_eq!(hours(from, until), Err("`from` must be before `to`".to_owned()));
        }
    }
}
