//! Counts of anomalies by day, metric, type and customer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use catalog::MetricSpec;
use detection::{CustomerId, Direction, Severity};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store::{AnomalyFilter, CountedAnomaly};
use utoipa::ToSchema;

use crate::App;
use crate::access::{Caller, Reader};
use crate::answer::{Serving, is_complete};
use crate::error::Problem;
use crate::listed;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::times;
use crate::views::Period;

const DEFAULT_DAYS: i64 = 30;
const HOURS_OF_DAY: i64 = 24;

#[derive(Serialize, ToSchema)]
pub(crate) struct Trends {
    pub period: Period,
    /// Whether all anomalies were counted. `false`: time ran out, and the figures are of those counted until then, the newest
    /// days first.
    pub complete: bool,
    pub total: u64,
    pub by_severity: BySeverity,
    pub by_direction: ByDirection,
    /// By metric. Metrics without anomalies are left out.
    pub by_metric: BTreeMap<String, u64>,
    /// By source; `usage` is that of customers. Sources without anomalies are left out, and so are metrics that left the catalog.
    pub by_source: BTreeMap<String, u64>,
    /// By type of anomaly. Types without anomalies are left out.
    pub by_type: BTreeMap<String, u64>,
    /// Every day of the period in UTC, oldest first.
    pub by_day: Vec<Day>,
    /// The customers with the most anomalies, most first.
    pub top_customers: Vec<CustomerCount>,
}

#[derive(Clone, Copy, Default, Serialize, ToSchema)]
pub(crate) struct BySeverity {
    pub warning: u64,
    pub critical: u64,
}

#[derive(Clone, Copy, Default, Serialize, ToSchema)]
pub(crate) struct ByDirection {
    pub spike: u64,
    pub drop: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Day {
    /// In UTC.
    #[schema(example = "2026-11-21")]
    pub day: String,
    pub total: u64,
    pub warning: u64,
    pub critical: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CustomerCount {
    pub customer_id: String,
    pub total: u64,
    pub critical: u64,
}

/// Count anomalies
///
/// Anomalies of all sources by day, severity, metric, source, direction and type, with the customers that have the most. After a
/// storm the answer may be of a part of them: see `complete`.
#[utoipa::path(
    get,
    path = "/v1/anomalies/trends",
    tag = "anomalies",
    operation_id = "anomaly_trends",
    params(
        ("customer_id" = Option<String>, Query, description = "only of this customer"),
        ("source" = Option<String>, Query, description = "only of this source; `usage` is that of customers", example = "usage"),
        ("metric" = Option<String>, Query, description = "only of this metric, of any source"),
        ("severity" = Option<Severity>, Query, description = "`warning` or `critical`"),
        ("from" = Option<String>, Query, description = "detected at this time or later; default: 30 days before `to`", example = "now-7d"),
        ("to" = Option<String>, Query, description = "detected before this time, at most 92 days after `from`; default: now"),
        ("top" = Option<u16>, Query, minimum = 1, maximum = 100, description = "customers to list; default 10"),
    ),
    responses(
        (status = 200, description = "The figures.", body = Trends),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn trends(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    query: Query,
) -> Result<Json<Trends>, Problem> {
    let query = query.only(&["customer_id", "source", "metric", "severity", "from", "to", "top"])?;
    let top = query.number("top", 1..=100, 10)?;
    let asked_for = filter(&app, &caller, &query)?;
    let until = asked_for.until.unwrap_or(query.now());
    let from = asked_for.from.unwrap_or(until - SignedDuration::from_hours(DEFAULT_DAYS * HOURS_OF_DAY));
    times::in_order(Some(from), Some(until), ("from", "to"))?;
    let filter = AnomalyFilter { from: Some(from), until: Some(until), ..asked_for };

    let mut tally = Tally::default();
    let metrics = listed::all_metrics(&app);
    let see = |seen: CountedAnomaly| {
        tally.add(&seen, app.catalog.find(seen.metric.as_str()).map(MetricSpec::source_name));
    };
    let deadline = serving.counting_deadline(&app);
    let extent = app.store.count(&filter, &metrics, query.now(), deadline, see).await?;
    Ok(Json(tally.trends(from, until, top, is_complete(extent)?)))
}

fn filter(app: &App, caller: &Caller, query: &Query) -> Result<AnomalyFilter, Problem> {
    const SEVERITIES: [Severity; 2] = [Severity::Warning, Severity::Critical];
    let filter = AnomalyFilter {
        customer: caller.customer(query.customer()?)?,
        metrics: listed::metrics(app, query)?,
        severity: query.word("severity", &SEVERITIES.map(|severity| (severity.as_str(), severity)))?,
        from: query.time("from")?,
        until: query.time("to")?,
        ..AnomalyFilter::default()
    };
    times::in_range(filter.from, filter.until, query.now(), ("from", "to"))?;
    Ok(filter)
}

#[derive(Default)]
pub(crate) struct Tally {
    by_direction: ByDirection,
    by_metric: BTreeMap<String, u64>,
    by_source: BTreeMap<String, u64>,
    by_type: BTreeMap<String, u64>,
    by_day: HashMap<String, BySeverity>,
    by_customer: HashMap<CustomerId, BySeverity>,
}

impl Tally {
    /// * `source`: the source of its metric. None for a metric that left the catalog.
    pub(crate) fn add(&mut self, seen: &CountedAnomaly, source: Option<&str>) {
        let day = Timestamp::from_millisecond(seen.detected_at).map(day_of).unwrap_or_default();
        self.by_day.entry(day).or_default().add(seen.severity);
        self.by_customer.entry(seen.customer_id.clone()).or_default().add(seen.severity);
        *self.by_metric.entry(seen.metric.to_string()).or_default() += 1;
        if let Some(source) = source {
            *self.by_source.entry(source.to_owned()).or_default() += 1;
        }
        *self.by_type.entry(seen.kind.clone()).or_default() += 1;
        match seen.direction {
            Direction::Spike => self.by_direction.spike += 1,
            Direction::Drop => self.by_direction.drop += 1,
        }
    }

    pub(crate) fn trends(self, from: Timestamp, until: Timestamp, top: usize, complete: bool) -> Trends {
        let mut by_severity = BySeverity::default();
        for day in self.by_day.values() {
            by_severity.warning += day.warning;
            by_severity.critical += day.critical;
        }
        let mut customers: Vec<_> = self.by_customer.into_iter().collect();
        customers.sort_by(|(a_id, a), (b_id, b)| {
            (b.total(), b.critical).cmp(&(a.total(), a.critical)).then_with(|| a_id.cmp(b_id))
        });
        let day = |day: String| {
            let count = self.by_day.get(&day).copied().unwrap_or_default();
            Day { day, total: count.total(), warning: count.warning, critical: count.critical }
        };
        Trends {
            period: Period::between(from, until),
            complete,
            total: by_severity.total(),
            by_severity,
            by_direction: self.by_direction,
            by_metric: self.by_metric,
            by_source: self.by_source,
            by_type: self.by_type,
            by_day: days_between(from, until).into_iter().map(day).collect(),
            top_customers: customers
                .into_iter()
                .take(top)
                .map(|(id, count)| CustomerCount {
                    customer_id: id.into(),
                    total: count.total(),
                    critical: count.critical,
                })
                .collect(),
        }
    }
}

impl BySeverity {
    pub(super) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::Warning => self.warning += 1,
            Severity::Critical => self.critical += 1,
        }
    }

    fn total(self) -> u64 {
        self.warning + self.critical
    }
}

fn day_of(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

fn days_between(from: Timestamp, until: Timestamp) -> Vec<String> {
    let day = SignedDuration::from_hours(HOURS_OF_DAY);
    let last = day_of(until - SignedDuration::from_millis(1));
    let mut days: Vec<_> = std::iter::successors(Some(from), |at| at.checked_add(day).ok())
        .take_while(|at| *at < until)
        .map(day_of)
        .collect();
    // A period that begins late in a day may end early in another one.
    if days.last() != Some(&last) {
        days.push(last);
    }
    days
}

#[cfg(test)]
mod tests {
    use detection::MetricName;

    use super::*;

    fn seen(customer: &str, at: &str, severity: Severity) -> CountedAnomaly {
        CountedAnomaly {
            detected_at: at.parse::<Timestamp>().unwrap().as_millisecond(),
            customer_id: CustomerId::new(customer).unwrap(),
            metric: MetricName::new("api_calls").unwrap(),
            severity,
            direction: Direction::Drop,
            kind: "usage_anomaly".to_owned(),
            detector: None,
            confidence: None,
        }
    }

    #[test]
    fn figures_add_up() {
        let mut tally = Tally::default();
        tally.add(&seen("b", "2026-11-19T23:00:00Z", Severity::Warning), Some("usage"));
        tally.add(&seen("a", "2026-11-21T00:00:00Z", Severity::Warning), Some("usage"));
        tally.add(&seen("c", "2026-11-21T00:00:00Z", Severity::Critical), Some("usage"));
        tally.add(&seen("b", "2026-11-21T01:00:00Z", Severity::Critical), Some("usage"));
        let at = |text: &str| text.parse().unwrap();
        let trends = tally.trends(at("2026-11-19T22:00:00Z"), at("2026-11-21T02:00:00Z"), 2, true);
        insta::assert_json_snapshot!(trends);
    }

    #[test]
    fn every_day_of_a_period_is_there_once() {
        let of =
            |from: &str, until: &str| days_between(from.parse().unwrap(), until.parse().unwrap()).join(" ");
        assert_eq!(of("2026-11-19T22:00:00Z", "2026-11-21T02:00:00Z"), "2026-11-19 2026-11-20 2026-11-21");
        assert_eq!(of("2026-11-19T22:00:00Z", "2026-11-20T02:00:00Z"), "2026-11-19 2026-11-20");
        assert_eq!(of("2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z"), "2026-11-19");
        assert_eq!(of("2026-11-19T01:00:00Z", "2026-11-21T01:00:00Z"), "2026-11-19 2026-11-20 2026-11-21");
    }
}
