//! Counts of incidents: what stands now, by state, severity, metric and source.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use detection::{AnomalyKind, Direction, IncidentState, Severity};
use serde::Serialize;
use store::CountedIncident;
use utoipa::ToSchema;

use crate::App;
use crate::access::Reader;
use crate::answer::{Serving, is_complete};
use crate::error::Problem;
use crate::listed::SeverityWord;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid, NotFound, Unavailable};
use crate::routes::incidents::{FILTERS, filter};
use crate::routes::trends::BySeverity;

#[derive(Default, Serialize, ToSchema)]
pub(crate) struct IncidentCounts {
    /// Whether all incidents were counted. `false`: time ran out, and the figures are of those counted until then, the newest
    /// first.
    pub complete: bool,
    pub total: u64,
    pub by_severity: BySeverity,
    /// By state. States without incidents are left out.
    pub by_state: BTreeMap<String, BySeverity>,
    /// By metric. Metrics without incidents are left out.
    pub by_metric: BTreeMap<String, BySeverity>,
    /// By source; `usage` is that of customers. Incidents of metrics that left the catalog are not among them.
    pub by_source: BTreeMap<String, BySeverity>,
}

/// Count incidents
///
/// Counts every incident that `GET /v1/incidents` would list with the same parameters. After a storm the answer may be of a part of
/// them: see `complete`.
#[utoipa::path(
    get,
    path = "/v1/incidents/counts",
    tag = "incidents",
    operation_id = "count_incidents",
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
    ),
    responses(
        (status = 200, description = "The counts.", body = IncidentCounts),
        Invalid,
        Forbidden,
        NotFound,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:read"])),
)]
pub(crate) async fn counts(
    State(app): State<Arc<App>>,
    Reader(caller): Reader,
    serving: Serving,
    query: Query,
) -> Result<Json<IncidentCounts>, Problem> {
    let query = query.only(&FILTERS)?;
    let filter = filter(&app, &caller, &query)?;
    let mut counts = IncidentCounts::default();
    let see = |seen: CountedIncident| {
        let source = app.catalog.find(seen.metric.as_str()).map(|spec| spec.source_name().to_owned());
        counts.add(&seen, source);
    };
    let deadline = serving.counting_deadline(&app);
    let complete = is_complete(app.store.count_incidents(&filter, query.now(), deadline, see).await?)?;
    Ok(Json(IncidentCounts { complete, ..counts }))
}

impl IncidentCounts {
    fn add(&mut self, seen: &CountedIncident, source: Option<String>) {
        let severity: Severity = seen.severity;
        self.total += 1;
        self.by_severity.add(severity);
        self.by_state.entry(seen.state.as_str().to_owned()).or_default().add(severity);
        self.by_metric.entry(seen.metric.to_string()).or_default().add(severity);
        if let Some(source) = source {
            self.by_source.entry(source).or_default().add(severity);
        }
    }
}
