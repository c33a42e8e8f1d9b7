//! A migration from its plan to its last backfill.

use super::apply::apply;
use super::backfill::{fill, hours_of};
use super::deletion::Deletion;
use super::differences::{Day, Difference};
use super::error::MigrationError;
use super::inspect::views;
use super::listing::RollupView;
use super::place::Place;
use super::plan::{Options, Order, Plan, plan};
use super::trial::Rows;
use super::{DAY_SECONDS, HOUR_SECONDS, Tables, differences, minutes, statements, trial};
use catalog::{Catalog, MetricSpec};

/// The progress of a migration.
#[derive(Debug)]
pub enum Told<'a> {
    /// Hours that leave the rollup.
    Deleting(&'a Deletion),
    /// All rows are copied into the present order. This takes minutes for a billion of them.
    Sorting,
    /// Days of a metric that are computed again.
    Filling { metric: &'a MetricSpec, days: &'a [Day] },
    /// One of these days is done.
    Filled { day: &'a Day },
    /// All days are done.
    Done { metric: &'a MetricSpec },
}

/// The result of a migration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Days of the rollup with fewer events than the table, because events are being inserted.
    pub unsettled: usize,
    /// Days of the rollup with more events than the table.
    pub surplus: usize,
    /// The order of the rollup's rows.
    pub order: Order,
}

/// Plans, tries the catalog's expressions, applies and backfills.
pub async fn migrate(
    place: &Place,
    catalog: &Catalog,
    options: &Options,
    mut told: impl FnMut(Told<'_>),
) -> Result<Outcome, MigrationError> {
    let plan = plan(place, catalog, options).await?;
    let Place { client, database, .. } = place;
    trial::of_plan(client, database, catalog, &plan, Rows::All).await?;
    if !plan.deletions.is_empty() && !options.delete {
        return Err(MigrationError::NeedsConsent(plan.deletions));
    }
    plan.deletions.iter().for_each(|deletion| told(Told::Deleting(deletion)));
    if plan.order == Order::Sorted {
        told(Told::Sorting);
    }
    let applied = apply(place, &plan).await;
    if applied.is_err() {
        // The new view was not filled. Nobody may take it for a complete one.
        withdraw(place, catalog, &plan).await;
    }
    applied?;
    let filled = backfill(place, catalog, (&plan, options), &mut told).await;
    if filled.is_err() {
        withdraw(place, catalog, &plan).await;
    }
    let outcome = filled?;
    if place.servers.len() > 1 {
        verify(place, catalog).await?;
    }
    Ok(outcome)
}

/// Computes the differing hours of all metrics again.
async fn backfill(
    place: &Place,
    catalog: &Catalog,
    (plan, options): (&Plan, &Options),
    told: &mut impl FnMut(Told<'_>),
) -> Result<Outcome, MigrationError> {
    let views = &views(&place.client, &place.database, &Tables::of(catalog)).await?;
    let mut outcome = Outcome { order: plan.order, ..Outcome::default() };
    for metric in catalog.metrics() {
        let of_metric = Migration { place, metric, plan, options, views }.backfill(told).await?;
        outcome.unsettled += of_metric.unsettled;
        outcome.surplus += of_metric.surplus;
    }
    Ok(outcome)
}

/// Looks at all servers of a cluster once more.
async fn verify(place: &Place, catalog: &Catalog) -> Result<(), MigrationError> {
    let left = super::plan::plan(place, catalog, &Options::default()).await?;
    let deleted = left.deletions.iter().filter_map(|deletion| deletion.metric.clone());
    let mut views: Vec<String> =
        left.new.iter().chain(&left.rewritten).map(ToString::to_string).chain(deleted).collect();
    if views.is_empty() && left.deletions.is_empty() {
        return Ok(());
    }
    views.sort();
    views.dedup();
    let servers =
        place.servers.iter().filter_map(|server| server.address.as_ref()).map(|address| &address.host);
    Err(MigrationError::Unfinished { metrics: views, servers: servers.cloned().collect() })
}

/// Removes the new views and the rows that they brought. So after a failed migration inserts work as before.
async fn withdraw(place: &Place, catalog: &Catalog, plan: &Plan) {
    for name in &plan.new {
        let Some(metric) = catalog.get(name.as_str()) else { continue };
        let views = [Some(statements::view_name(metric)), minutes::view_of(metric)].into_iter().flatten();
        let views = views.map(|view| statements::drop_view(&view));
        for statement in views.chain([statements::remove(&Tables::fed_by(metric), name.as_str())]) {
            let names = [Tables::fed_by(metric)];
            let names = names.each_ref().map(String::as_str);
            if let Err(error) = place.change("a new view was not taken away again", &statement, &names).await
            {
                tracing::warn!(error = %error, "a migration that failed leaves something behind");
            }
        }
    }
}

struct Migration<'a> {
    place: &'a Place,
    metric: &'a MetricSpec,
    plan: &'a Plan,
    options: &'a Options,
    views: &'a [RollupView],
}

/// How often hours are computed if events arrive meanwhile.
const PASSES: usize = 3;

impl Migration<'_> {
    /// Computes the differing hours of a metric again.
    async fn backfill(&self, told: &mut impl FnMut(Told<'_>)) -> Result<Outcome, MigrationError> {
        let Self { place, metric, plan, options, .. } = *self;
        let (client, database) = (&place.client, place.database.as_str());
        place.flush().await;
        let now = differences::now(client, database).await?;
        let is_new = plan.new.contains(&metric.name);
        let kept_from = differences::kept_from(now, plan.keep_days);
        let settled = differences::settled(now);
        let live = self.filled_while_live(now);
        let mut filled = std::collections::BTreeSet::new();
        for pass in 0..PASSES {
            // Nothing fed the rollup before a new view, so the current hours count as well.
            let until = if is_new && pass == 0 { statements::LAST_SECOND } else { settled };
            let found = differences::differences(client, database, metric, (kept_from, until)).await?;
            let may_shrink = |hour: u32| options.rebuild || filled.contains(&hour) || live.contains(&hour);
            let days: Vec<Day> =
                found.iter().filter_map(|difference| difference.to_fill(may_shrink)).collect();
            if days.is_empty() {
                break;
            }
            told(Told::Filling { metric, days: &days });
            fill(place, metric, &days, now, |day| told(Told::Filled { day })).await?;
            told(Told::Done { metric });
            filled.extend(hours_of(&days));
        }
        if is_new && filled.is_empty() {
            return Ok(Outcome::default());
        }
        let left =
            differences::differences(client, database, metric, (kept_from, statements::LAST_SECOND)).await?;
        let is_settled = |day: &&Difference| day.more.iter().any(|hour| hour.at < settled);
        Ok(Outcome {
            unsettled: left.iter().filter(|day| !day.fewer.is_empty()).count(),
            surplus: left.iter().filter(is_settled).count(),
            ..Outcome::default()
        })
    }

    /// The hours that an earlier migration may have filled during inserts. A view counted some of those events, and the
    /// backfill counted them again. These hours are corrected while their events surely exist.
    fn filled_while_live(&self, now: u32) -> std::ops::Range<u32> {
        let name = statements::view_name(self.metric);
        match self.views.iter().find(|view| view.name == name) {
            Some(view) if now < view.made + 2 * DAY_SECONDS => {
                view.made.saturating_sub(2 * HOUR_SECONDS)..view.made + 3 * HOUR_SECONDS
            }
            _ => 0..0,
        }
    }
}
