//! Fits the models of later runs. A run begins with this only after it has published its findings.

use std::sync::Arc;
use std::time::Instant;

use catalog::{Policies, Shard};
use detection::{Calendar, CustomerId, Hour, TimeZone, Window};
use jiff::SignedDuration;
use platform::telemetry::error_chain;
use tokio::time::timeout_at;
use uuid::Uuid;
use warehouse::usage::HoursRequest;

use crate::app::App;
use crate::calendars::Calendars;
use crate::connect::connect;
use crate::ledger::Ledger;
use crate::mutes::Mutes;
use crate::peers::{LazyPeers, Missing};
use crate::request::Request;
use crate::servers::name_at;

mod threads;

use threads::{Due, Series, Threads};

/// After a run of the schedule, fits the customers whose models the next hour's run will miss: those whose day begins
/// then, and those that an earlier run did not come to.
///
/// The next run judges customers without a fit by their hours. So nothing here is a failure. Fitting takes at most half of
/// the time until `deadline`, because a function that comes near its time limit raises an alarm.
pub async fn fit(app: &App, request: &Request, deadline: Instant) {
    if !request.is_of_schedule() || app.catalog.modelled().is_empty() {
        return;
    }
    let due = request.time.checked_sub(app.delay()).ok();
    let Some(window) = due.and_then(|due| Window::closing_at(due).ok()) else { return };
    let now = Instant::now();
    let deadline = now + deadline.saturating_duration_since(now) / 2;
    let next = Hour::holding(window.end());
    match timeout_at(deadline.into(), fit_missing(app, request.shard, next, deadline)).await {
        Ok(Ok((buckets, customers))) => tracing::info!(buckets, customers, "models of the next hour fitted"),
        Ok(Err(error)) => tracing::warn!(
            error = error_chain(error.as_ref()),
            "the models of the next hour are not fitted, so its run takes longer: is `meterflow migrate` up to date, and may \
             the detector's user insert into usage_models and usage_model_fits?"
        ),
        Err(_) => tracing::info!("time ran out while models were fitted: the next run reads hours instead"),
    }
}

/// Fits the buckets that have no fit for the hour `next`. Returns their number and that of their customers.
async fn fit_missing(app: &App, shard: Shard, next: Hour, deadline: Instant) -> anyhow::Result<(u64, u64)> {
    let name = Uuid::new_v4().to_string();
    let asked;
    let app = if app.usage.addresses().is_list() {
        asked = connect(app, next, &name).await?;
        &asked
    } else {
        app
    };
    let policies = app.policies(next.start()).await?;
    let peers = &LazyPeers::new(app, next, &name, Missing::Kept, deadline);
    let mut all = app.each_server();
    // Each begins once, so that time that runs out every hour leaves none without models.
    let first = usize::try_from(next.since(Hour::holding(jiff::Timestamp::UNIX_EPOCH))).unwrap_or(0);
    let number = all.len();
    all.rotate_left(first % number);
    let (mut buckets, mut customers, mut failed) = (0, 0, None);
    for (number, server) in all.iter().enumerate() {
        let name = name_at(number, &name);
        match fit_server(server, (&policies, peers), (shard, next), &name, deadline).await {
            Ok(fitted) => {
                buckets += fitted.0;
                customers += fitted.1;
            }
            // The other servers are fitted all the same.
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok((buckets, customers)), Err)
}

/// The same on one server.
async fn fit_server(
    server: &App,
    of_all: (&Policies, &LazyPeers<'_>),
    (shard, next): (Shard, Hour),
    name: &str,
    deadline: Instant,
) -> anyhow::Result<(u64, u64)> {
    let fits = server.usage.fits(&server.catalog, next, &format!("{name}-fits")).await?;
    let mut missing: Vec<u8> =
        shard.buckets().filter(|bucket| fits.iter().all(|fit| fit.bucket != *bucket)).collect();
    // The longest day first: it serves the most runs.
    missing.sort_by_key(|bucket| next.since(next.latest_at(*bucket)));
    let (mut buckets, mut customers) = (0, 0);
    for bucket in missing {
        let query_id = format!("{name}-{bucket}");
        customers += fit_bucket(server, of_all, bucket, next, &query_id, deadline).await?;
        buckets += 1;
    }
    Ok((buckets, customers))
}

/// Fits the customers of a bucket for the day that holds the hour `next`.
async fn fit_bucket(
    app: &App,
    (policies, peers): (&Policies, &LazyPeers<'_>),
    bucket: u8,
    next: Hour,
    query_id: &str,
    deadline: Instant,
) -> anyhow::Result<u64> {
    let (day, mut calendars) = (next.latest_at(bucket), Calendars::at(next));
    let mut mutes = Mutes::new(policies, app.catalog.modelled());
    let length = SignedDuration::from_hours(Calendar::SPAN as i64);
    let period = Window::between(day.start().checked_sub(length)?, day.start())?;
    let request = HoursRequest {
        period,
        catalog: &app.catalog,
        customers: &[],
        shard: Shard::of_bucket(bucket),
        in_order: false,
        query_id,
        deadline,
    };
    let time_left = deadline.saturating_duration_since(Instant::now());
    let mut writer = app
        .usage
        .begin_fit(&app.catalog, bucket, day, app.now()?, &format!("{query_id}-models"), time_left)
        .await?;
    let mut stream = app.usage.hours(&request).await?;
    let mut threads = Threads::of_this_machine();
    while let Some(customer) = stream.next().await? {
        // An id that is no text has no verdict in any run.
        let Some(id) =
            std::str::from_utf8(&customer.customer_id).ok().and_then(|id| CustomerId::new(id).ok())
        else {
            continue;
        };
        let zone = policies.time_zone(&id);
        let calendar = Arc::clone(calendars.of_bucket(bucket, zone));
        let since = customer.known(calendar.begin(), calendar.begin()).customer_since;
        let peers = peers.of(customer, calendar.begin(), day).await?;
        let series = app.catalog.modelled().iter().zip(customer.series()).enumerate();
        let series = series
            .map(|(metric, (spec, values))| {
                let hours = spec.hours(calendar.begin(), values, since);
                let hours = mutes.apply(hours, &id, metric, calendar.begin(), day.plus(-1));
                Series { hours, peers: *peers.of(day, metric) }
            })
            .collect();
        let zone = zone.map_or("", TimeZone::name).to_owned();
        for fitted in threads.push(Due { id, zone, calendar, series }).await? {
            writer.write(fitted.id.as_str(), &fitted.zone, &fitted.models).await?;
        }
    }
    for fitted in threads.rest().await? {
        writer.write(fitted.id.as_str(), &fitted.zone, &fitted.models).await?;
    }
    if stream.may_be_cut() {
        match app.usage.count_customers_with_hours(&request).await? {
            0 => {}
            declared => return Err(app.usage.truncated(query_id, declared).into()),
        }
    }
    Ok(writer.end(&app.catalog).await?)
}
