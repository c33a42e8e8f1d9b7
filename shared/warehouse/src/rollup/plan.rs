//! The plan of a migration: the statements that bring tables and views in line with the catalog, and their deletions.

use std::collections::BTreeSet;

use catalog::{Catalog, Feed, MetricSpec};
use clickhouse::Client;
use detection::MetricName;

use super::behind::{self, Behind};
use super::definition::{ViewState, state};
use super::deletion::Deletion;
use super::error::MigrationError;
use super::found::Found;
use super::layout::Layout;
use super::leaving::deletion;
use super::listing::Listing;
use super::place::{Place, Server};
use super::{DEFAULT_KEEP_DAYS, RETIRED, Tables, counters, differences, minutes, sql, statements, tables};

/// The consent of the user.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Delete the listed hours of the rollup.
    pub delete: bool,
    /// Also compute hours again in which the rollup has more events than the table.
    pub rebuild: bool,
    /// How many days the rollup keeps an hour. `None` keeps the present number, or takes the default.
    pub keep_days: Option<u16>,
    /// Copy a rollup of an earlier version into the order of this one.
    pub sort: bool,
}

/// The statements that bring tables and views in line with the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Steps to take in order: tables, then views that are outdated, then views that are missing.
    pub steps: Vec<Step>,
    /// Hours that these statements delete.
    pub deletions: Vec<Deletion>,
    /// Metrics that no view feeds before this plan.
    pub new: Vec<MetricName>,
    /// Metrics whose view gets another text with the same meaning, or comes to servers of a cluster that lack it.
    pub rewritten: Vec<MetricName>,
    /// How many days the rollup keeps an hour.
    pub keep_days: u16,
    /// The order of a rollup that has rows.
    pub order: Order,
}

/// A statement that a server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which server of the place runs the statement, from 0.
    pub server: usize,
    pub statement: String,
}

/// The order of the rollup's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The present one.
    #[default]
    Present,
    /// That of an earlier version. Runs take longer.
    Earlier,
    /// The plan copies the rows from the earlier order into the present one.
    Sorted,
}

const GONE: &str = "the catalog has no such metric";
const REDEFINED: &str = "the catalog defines the metric differently now, so the hours are computed again from the events that exist";
const UNKNOWN: &str =
    "no view says how the hours were computed, so they are computed again from the events that exist";
const FEWER: &str = "the table holds fewer events of these hours, so a rebuild leaves less of them";
const EXPIRED: &str = "the hours are older than the rollup keeps";

/// Compares the database with the catalog. Changes nothing. The database need not exist.
pub async fn plan(place: &Place, catalog: &Catalog, options: &Options) -> Result<Plan, MigrationError> {
    if options.sort
        && let Layout::Cluster { name, .. } = &place.layout
    {
        let reason =
            "--sort is for a rollup of one server, and the tables of a cluster have the present order"
                .to_owned();
        return Err(MigrationError::Cluster { name: name.clone(), reason });
    }
    let of_events: BTreeSet<&str> = catalog.metrics().iter().map(|metric| metric.table.as_str()).collect();
    let listing = Listing::with(&place.client, &place.database, &of_events).await?;
    let behind = Behind::find(place, catalog, &listing).await?;
    let mut found = Vec::new();
    for server in &place.servers {
        let of_server = async {
            let listing = match server.address {
                None => listing.clone(),
                Some(_) => Listing::read(&server.client, &place.database).await?,
            };
            Found::of(server, place, catalog, listing).await
        };
        found.push(of_server.await.map_err(|error| server.failed(error))?);
    }
    require_all_shards(place, catalog, &found)?;
    let common = Common {
        place,
        catalog,
        behind,
        options,
        keep_days: options
            .keep_days
            .or_else(|| found.iter().filter_map(|found| found.keep_days).max())
            .unwrap_or(DEFAULT_KEEP_DAYS),
        fed: catalog
            .metrics()
            .iter()
            .filter(|metric| found.iter().any(|found| found.keeps(metric)))
            .map(|metric| metric.name.clone())
            .collect(),
    };
    let mut all = Vec::new();
    for (server, found) in place.servers.iter().zip(&found) {
        let of_server = ServerPlan::of(server, found, &common).await;
        all.push(of_server.map_err(|error| server.failed(error))?);
    }
    let mut plan = together(place, all, common.keep_days);
    let is_kept = |metric: &&MetricSpec| !plan.new.contains(&metric.name);
    let mut shrinking = Vec::new();
    for metric in catalog.metrics().iter().filter(|_| options.rebuild).filter(is_kept) {
        let (client, database) = (&place.client, place.database.as_str());
        if let Some(condition) = differences::shrinking(client, database, metric, plan.keep_days).await? {
            let (name, table) = (Some(metric.name.to_string()), Tables::fed_by(metric));
            shrinking.extend(deletion((client, database, &table), name, FEWER, &condition).await?);
        }
    }
    plan.deletions.extend(shrinking);
    Ok(plan)
}

/// What the plans of all servers share.
struct Common<'a> {
    place: &'a Place,
    catalog: &'a Catalog,
    behind: Behind,
    options: &'a Options,
    keep_days: u16,
    /// Metrics that a view with their meaning feeds on any server. Their rows are right, also where the view is missing.
    fed: BTreeSet<MetricName>,
}

/// The rows of a polled source are replaced within a shard. With another number of shards, new rows would come to other shards
/// than those that they replace.
fn require_all_shards(place: &Place, catalog: &Catalog, found: &[Found]) -> Result<(), MigrationError> {
    let Layout::Cluster { name, .. } = &place.layout else { return Ok(()) };
    let is_polled = catalog.entities().is_some_and(|entities| entities.feed == Feed::Poll);
    let has_rows = found.iter().any(|found| !found.metrics.is_empty());
    let mut of_shards = place.servers.chunk_by(|one, next| one.shard() == next.shard());
    let mut rest = found;
    let lacks_a_shard = of_shards.any(|servers| {
        let (of_shard, others) = rest.split_at(servers.len());
        rest = others;
        of_shard.iter().all(|found| !found.rollup)
    });
    if is_polled && has_rows && lacks_a_shard {
        return Err(MigrationError::Cluster {
            name: name.clone(),
            reason: format!(
                "it has a new shard, and the rows of the polled source `{source}` would have to move. Remove the source with \
                 `meterflow uninstall --cluster {name} --source {source} --yes`, and migrate: its rollup is filled from the \
                 table again",
                source = catalog.name()
            ),
        });
    }
    Ok(())
}

/// The plans of all servers as one. Tables come first on all servers, and views that feed them last. Views that are outdated go
/// everywhere before any row does, so that none of them adds to what was removed.
fn together(place: &Place, all: Vec<ServerPlan>, keep_days: u16) -> Plan {
    let mut plan = Plan { keep_days, ..Plan::default() };
    let is_new_on = |name: &MetricName, server: &ServerPlan| server.new.contains(name);
    let is_new_everywhere = |name: &MetricName| all.iter().all(|server| is_new_on(name, server));
    for (server, of_server) in all.iter().enumerate() {
        plan.order = plan.order.max(of_server.order);
        for name in of_server.new.iter().chain(&of_server.rewritten) {
            let names = if is_new_everywhere(name) { &mut plan.new } else { &mut plan.rewritten };
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        let step = |statement: &String| Step { server, statement: statement.clone() };
        plan.steps.extend(of_server.statements.iter().map(step));
    }
    let mut all = all.into_iter();
    for replicas in place.servers.chunk_by(|one, next| one.shard() == next.shard()) {
        // Replicas have the same rows, and one that is late has fewer.
        let mut of_shard: Vec<Deletion> = Vec::new();
        for deletion in all.by_ref().take(replicas.len()).flat_map(|of_server| of_server.deletions) {
            match of_shard.iter_mut().find(|known| known.is_of_the_same(&deletion)) {
                Some(known) if known.events < deletion.events => *known = deletion,
                Some(_) => {}
                None => of_shard.push(deletion),
            }
        }
        for deletion in of_shard {
            match plan.deletions.iter_mut().find(|known| known.is_of_the_same(&deletion)) {
                Some(known) => known.add(deletion),
                None => plan.deletions.push(deletion),
            }
        }
    }
    plan.steps.sort_by_key(|step| statements::rank(&step.statement));
    plan
}

/// What one server needs.
#[derive(Default)]
struct ServerPlan {
    statements: Vec<String>,
    deletions: Vec<Deletion>,
    new: Vec<MetricName>,
    rewritten: Vec<MetricName>,
    order: Order,
}

impl ServerPlan {
    async fn of(server: &Server, found: &Found, common: &Common<'_>) -> Result<Self, MigrationError> {
        let Common { place, catalog, behind, options, keep_days, .. } = common;
        let (catalog, keep_days) = (*catalog, *keep_days);
        let (client, database, layout) = (&server.client, place.database.as_str(), &place.layout);
        let tables = &Tables::of(catalog);
        // The same tables by the names under which this server has its rows.
        let local = &tables.on_server(layout);
        let needed = tables.needed(catalog);
        if catalog.entities().is_some() {
            let own: Vec<String> = needed.iter().map(|table| layout.local(table)).collect();
            let names: Vec<&str> = needed.iter().copied().chain(own.iter().map(String::as_str)).collect();
            let foreign = found.listing.foreign(&names);
            if !foreign.is_empty() {
                return Err(MigrationError::Foreign {
                    source_name: catalog.name().to_owned(),
                    tables: foreign,
                });
            }
        }
        behind::require_over_local(&found.listing, place, catalog, &needed)?;
        if found.rollup
            && catalog.entities().is_some()
            && !found.engine.contains(statements::engine_name(catalog))
        {
            return Err(MigrationError::Feed { source_name: catalog.name().to_owned() });
        }
        let holds_counters = counters::are_held(catalog);
        if found.rollup && counters::are_in(&found.engine) != holds_counters {
            return Err(MigrationError::Counters { source_name: catalog.name().to_owned() });
        }
        let mut plan = Self::default();
        if !found.listing.has_database() {
            plan.statements.push(format!("CREATE DATABASE IF NOT EXISTS `{database}`"));
        }
        if behind.makes_events {
            plan.statements.push(behind::events(layout));
        }
        plan.statements.extend(statements::tables(catalog, keep_days));
        if tables::has_seen(catalog) {
            plan.statements.push(statements::seen(catalog, keep_days));
        }
        if tables::has_samples(catalog) {
            let single = found.has_single_samples.then(|| statements::drop_samples(tables));
            plan.statements.extend(single.into_iter().chain([statements::samples(catalog)]));
        }
        let retired = found.listing.existing(&RETIRED);
        plan.statements.extend(retired.into_iter().map(statements::drop_retired));
        if found.rollup {
            if !holds_counters {
                plan.statements.push(statements::add_corrections(tables));
            }
            if catalog.entities().is_some() && !holds_counters {
                plan.statements.push(statements::add_figures(&tables.rollup));
            }
            plan.order = match (found.is_by_bucket, options.sort) {
                (true, _) => Order::Present,
                (false, false) => Order::Earlier,
                (false, true) => Order::Sorted,
            };
            match plan.order {
                Order::Present => {}
                Order::Earlier => plan.statements.push(statements::add_index(tables)),
                Order::Sorted => plan.statements.extend(statements::sort(catalog, keep_days)),
            }
            plan.statements.push(statements::add_zone(tables));
            if found.keep_days != Some(keep_days) {
                let condition = format!("hour < now('UTC') - toIntervalDay({keep_days})");
                let seen = Some(&local.seen).filter(|_| found.seen);
                for table in std::iter::once(&local.rollup).chain(seen) {
                    let expired = deletion((client, database, table), None, EXPIRED, &condition).await?;
                    plan.deletions.extend(expired);
                    plan.statements.push(statements::keep(table, keep_days));
                }
            }
        }
        plan.replace_metrics((client, database), found, common).await?;
        for metric in catalog.metrics() {
            let source = behind.source(metric);
            match found.state_of(metric) {
                Some(ViewState::Current) => {}
                Some(ViewState::OlderText) => {
                    plan.statements.extend(statements::rewrite_view(metric, &source));
                    plan.rewritten.push(metric.name.clone());
                }
                None | Some(ViewState::OtherMeaning | ViewState::Foreign) => {
                    plan.statements.push(statements::create_view(metric, &source));
                    plan.new.push(metric.name.clone());
                }
            }
        }
        plan.statements.extend(minutes::plan(&found.listing, catalog, behind));
        let names = Tables::of_source(catalog.name());
        let names = names.stored();
        plan.statements = plan.statements.iter().flat_map(|text| layout.spread(text, &names)).collect();
        plan.statements.retain(|statement| server.runs(statement, layout));
        Ok(plan)
    }

    /// Drops views of other definitions, and removes the rows that they and earlier ones brought.
    async fn replace_metrics(
        &mut self,
        (client, database): (&Client, &str),
        found: &Found,
        common: &Common<'_>,
    ) -> Result<(), MigrationError> {
        let (catalog, layout) = (common.catalog, &common.place.layout);
        for view in &found.views {
            let metric = catalog.metrics().iter().find(|metric| statements::view_name(metric) == view.name);
            let state = state(&view.comment, metric);
            let is_in_the_way = metric.is_some() && state == ViewState::Foreign;
            if state == ViewState::OtherMeaning || is_in_the_way {
                self.statements.push(statements::drop_view(&view.name));
            }
        }
        // Another server of the cluster may have the view, and then only this server lacks it.
        let is_kept = |metric: &MetricSpec| match found.state_of(metric) {
            None => common.fed.contains(&metric.name),
            Some(_) => found.keeps(metric),
        };
        // The view may be gone already: an earlier migration may have been cut off after that.
        let mut removed = Vec::new();
        for (table, name) in &found.metrics {
            let why = match catalog.get(name) {
                Some(metric) if is_kept(metric) && layout.local(&Tables::fed_by(metric)) == *table => {
                    continue;
                }
                Some(metric) if found.state_of(metric).is_none() => UNKNOWN,
                Some(_) => REDEFINED,
                None => GONE,
            };
            let condition = format!("metric = '{}'", sql::quoted(name));
            self.deletions
                .extend(deletion((client, database, table), Some(name.clone()), why, &condition).await?);
            removed.push(statements::remove(table, name));
        }
        if !removed.is_empty() {
            let tables = &Tables::of(catalog);
            // Also before the deletion: after it, a migration that runs again would not know of the deleted rows.
            self.statements.extend(statements::forget_models(tables));
            self.statements.append(&mut removed);
            self.statements.extend(statements::forget_models(tables));
        }
        Ok(())
    }
}
