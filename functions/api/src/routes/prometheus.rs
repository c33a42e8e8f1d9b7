//! The figures of the system for Prometheus.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use catalog::{Catalog, MetricSpec};
use futures::future::try_join_all;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use store::{AnomalyFilter, Extent, LastRun, StoreError};

use crate::App;
use crate::access::Operator;
use crate::answer::{Serving, is_complete};
use crate::error::{Code, Problem};
use crate::exposition::{CONTENT_TYPE, Exposition};
use crate::listed;
use crate::params::Query;
use crate::refusals::{Forbidden, Invalid, Unavailable};

use super::status::LOOKED_THROUGH;

/// Show figures for Prometheus
///
/// What the runs found and did today, and how alerts and channels are, in the text format 0.0.4. Counters and histograms begin at
/// zero at midnight in UTC, as those of a program that starts anew. No label names a customer. `meterflow_counts_complete` is 0 if
/// time ran out before all was counted. Then the counters of anomalies are left out if they would be too low.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "runs",
    operation_id = "prometheus_metrics",
    responses(
        (status = 200, description = "The figures.", body = String, content_type = "text/plain; version=0.0.4"),
        Invalid,
        Forbidden,
        Unavailable,
    ),
    security(("jwt" = ["anomalies:admin"])),
)]
pub(crate) async fn metrics(
    State(app): State<Arc<App>>,
    Operator(_): Operator,
    serving: Serving,
    query: Query,
) -> Result<impl IntoResponse, Problem> {
    let now = query.only(&[])?.now();
    let internal = |error: prometheus::Error| Problem::internal(error.to_string());
    let midnight = midnight(now).map_err(|error| Problem::internal(error.to_string()))?;
    let figures = Exposition::new().map_err(internal)?;
    figures.build(app.catalog.version());
    app.catalog.all().for_each(|source| figures.source(source, &app.detection));

    let deadline = serving.counting_deadline(&app);
    let of_each = try_join_all(app.catalog.all().map(|source| runs_of(&app, source, midnight, now)));
    let (pending, runs) = futures::try_join!(app.store.pending_alerts(deadline), of_each)?;
    for (source, Runs { newest, of_today }) in app.catalog.all().zip(&runs) {
        figures.newest_runs(source.name(), newest);
        of_today.iter().for_each(|run| figures.run(run));
    }
    figures.pending(pending.count, pending.oldest, now);
    let has_all_of_channels = channels(&app, &figures, deadline).await?;

    let until = Some(now + SignedDuration::from_millis(1));
    let filter = AnomalyFilter { from: Some(midnight), until, ..AnomalyFilter::default() };
    let metrics = listed::all_metrics(&app);
    let anomalies = app.store.count(&filter, &metrics, now, deadline, |seen| {
        let source = app.catalog.find(seen.metric.as_str()).map(MetricSpec::source_name);
        figures.anomaly(source.unwrap_or_default(), &seen);
    });
    let has_all_anomalies = anomalies.await? == Extent::Whole;
    if !has_all_anomalies {
        figures.without_anomalies();
    }
    figures.complete(has_all_anomalies && is_complete(pending.extent)? && has_all_of_channels);
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], figures.text().map_err(internal)?))
}

/// The runs of a source.
struct Runs {
    newest: Vec<LastRun>,
    of_today: Vec<LastRun>,
}

async fn runs_of(
    app: &App,
    source: &Catalog,
    midnight: Timestamp,
    now: Timestamp,
) -> Result<Runs, StoreError> {
    let (name, before) = ([source.name()], now.as_millisecond().saturating_add(1));
    let newest = app.store.ended_runs(&name, before, LOOKED_THROUGH, now);
    let of_today = app.store.runs_since(source.name(), midnight.as_millisecond(), now);
    let (newest, of_today) = futures::try_join!(newest, of_today)?;
    Ok(Runs { newest, of_today })
}

/// How the channels are. A deployment may have none that the API knows of. Returns whether all of their alerts were counted.
async fn channels(app: &App, figures: &Exposition, deadline: Instant) -> Result<bool, Problem> {
    let config = match app.channels.configured().await {
        Ok(config) => config,
        Err(problem) if problem.code() == Code::NoChannels => return Ok(true),
        Err(problem) => return Err(problem),
    };
    let store = &app.channels.deliveries;
    let health = config.channels.iter().map(|channel| store.health(&channel.name, deadline));
    let health = try_join_all(health).await?;
    for (channel, health) in config.channels.iter().zip(&health) {
        figures.channel(&channel.name, channel.kind.name(), health);
    }
    Ok(health.iter().all(|health| health.extent == Extent::Whole))
}

/// The last midnight in UTC.
fn midnight(now: Timestamp) -> Result<Timestamp, jiff::Error> {
    Ok(now.to_zoned(TimeZone::UTC).start_of_day()?.timestamp())
}
