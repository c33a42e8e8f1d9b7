//! The plan of a migration: the statements that bring tables and views in line with the catalog, and their deletions.

use catalog::{Catalog, MetricSpec};
use clickhouse::{Client, Row};
use detection::MetricName;
use serde::Deserialize;

use super::definition::{ViewState, state};
use super::deletion::Deletion;
use super::error::{MigrationError, failed};
use super::inspect::RollupView;
use super::{
    DEFAULT_KEEP_DAYS, Tables, counters, differences, inspect, minutes, server, sql, statements, tables,
};

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
    /// Statements to run in order: tables, then views that are outdated, then views that are missing.
    pub statements: Vec<String>,
    /// Hours that these statements delete.
    pub deletions: Vec<Deletion>,
    /// Metrics that get a view by this plan.
    pub new: Vec<MetricName>,
    /// Metrics whose view gets another text with the same meaning.
    pub rewritten: Vec<MetricName>,
    /// How many days the rollup keeps an hour.
    pub keep_days: u16,
    /// The order of a rollup that has rows.
    pub order: Order,
}

/// The order of the rollup's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
pub async fn plan(
    client: &Client,
    database: &str,
    catalog: &Catalog,
    options: &Options,
) -> Result<Plan, MigrationError> {
    let tables = &Tables::of(catalog);
    if catalog.entities().is_some() {
        let foreign = inspect::foreign(client, database, &tables.needed(catalog)).await?;
        if !foreign.is_empty() {
            return Err(MigrationError::Foreign { source_name: catalog.name().to_owned(), tables: foreign });
        }
    }
    let found = Found::read(client, database, tables).await?;
    let keep_days = options.keep_days.or(found.keep_days).unwrap_or(DEFAULT_KEEP_DAYS);
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
    let mut plan = Plan { keep_days, ..Plan::default() };
    if !found.database {
        plan.statements.push(format!("CREATE DATABASE IF NOT EXISTS `{database}`"));
    }
    if catalog.metrics().iter().any(|metric| metric.table == "events") {
        plan.statements.push(statements::EVENTS_DDL.trim().to_owned());
    }
    plan.statements.extend(statements::tables(catalog, keep_days));
    if tables::has_seen(catalog) {
        plan.statements.push(statements::seen(catalog, keep_days));
    }
    plan.statements.extend(found.retired.iter().map(|name| statements::drop_retired(name)));
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
            let seen = Some(&tables.seen).filter(|_| found.seen);
            for table in std::iter::once(&tables.rollup).chain(seen) {
                plan.deletions.extend(deletion((client, database, table), None, EXPIRED, &condition).await?);
                plan.statements.push(statements::keep(table, keep_days));
            }
        }
    }
    let view_state = |metric: &MetricSpec| {
        let view = found.views.iter().find(|view| view.name == statements::view_name(metric));
        view.map(|view| state(&view.comment, Some(metric)))
    };
    for view in &found.views {
        let metric = catalog.metrics().iter().find(|metric| statements::view_name(metric) == view.name);
        let state = state(&view.comment, metric);
        let is_in_the_way = metric.is_some() && state == ViewState::Foreign;
        if state == ViewState::OtherMeaning || is_in_the_way {
            plan.statements.push(statements::drop_view(&view.name));
        }
    }
    let is_kept =
        |metric: &MetricSpec| matches!(view_state(metric), Some(ViewState::Current | ViewState::OlderText));
    // The view may be gone already: an earlier migration may have been cut off after that.
    let mut removed = Vec::new();
    for (table, name) in &found.metrics {
        let why = match catalog.get(name) {
            Some(metric) if is_kept(metric) && Tables::fed_by(metric) == *table => continue,
            Some(metric) if view_state(metric).is_none() => UNKNOWN,
            Some(_) => REDEFINED,
            None => GONE,
        };
        let condition = format!("metric = '{}'", sql::quoted(name));
        plan.deletions
            .extend(deletion((client, database, table), Some(name.clone()), why, &condition).await?);
        removed.push(statements::remove(table, name));
    }
    if !removed.is_empty() {
        // Also before the deletion: after it, a migration that runs again would not know of the deleted rows.
        plan.statements.extend(statements::forget_models(tables));
        plan.statements.append(&mut removed);
        plan.statements.extend(statements::forget_models(tables));
    }
    for metric in catalog.metrics().iter().filter(|metric| options.rebuild && is_kept(metric)) {
        if let Some(condition) = differences::shrinking(client, database, metric, keep_days).await? {
            let (name, table) = (Some(metric.name.to_string()), Tables::fed_by(metric));
            plan.deletions.extend(deletion((client, database, &table), name, FEWER, &condition).await?);
        }
    }
    for metric in catalog.metrics() {
        match view_state(metric) {
            Some(ViewState::Current) => {}
            Some(ViewState::OlderText) => {
                plan.statements.extend(statements::rewrite_view(metric));
                plan.rewritten.push(metric.name.clone());
            }
            None | Some(ViewState::OtherMeaning | ViewState::Foreign) => {
                plan.statements.push(statements::create_view(metric));
                plan.new.push(metric.name.clone());
            }
        }
    }
    plan.statements.extend(minutes::plan(client, database, catalog).await?);
    Ok(plan)
}

/// The hours that a condition deletes. `None` if there are none.
async fn deletion(
    (client, database, table): (&Client, &str, &str),
    metric: Option<String>,
    why: &'static str,
    condition: &str,
) -> Result<Option<Deletion>, MigrationError> {
    #[derive(Row, Deserialize)]
    struct Counted {
        events: u64,
        customers: u64,
        from: String,
        to: String,
    }
    let text = format!(
        "SELECT sum(events) AS events, uniq(customer_id) AS customers, toString(toDate(min(hour), 'UTC')) AS from, \
         toString(toDate(max(hour), 'UTC')) AS to FROM {table} WHERE {condition}"
    );
    let query = client.clone().with_database(database).query_raw(&text);
    let counted: Counted =
        query.fetch_one().await.map_err(failed(database, "the rollup was not counted", &text))?;
    let Counted { events, customers, from, to } = counted;
    Ok((customers > 0).then_some(Deletion { metric, why, events, customers, from, to }))
}

/// The state of the rollup in a database.
struct Found {
    database: bool,
    rollup: bool,
    /// The definition of the rollup's engine. Empty without a rollup.
    engine: String,
    /// Whether the rollup is sorted by buckets. Earlier versions sorted by customers.
    is_by_bucket: bool,
    views: Vec<RollupView>,
    /// Metrics that have rows, each with the table that holds them.
    metrics: Vec<(String, String)>,
    /// Whether there is a table of texts.
    seen: bool,
    /// Views and tables of earlier versions, views first.
    retired: Vec<&'static str>,
    /// The days in the TTL of the rollup.
    keep_days: Option<u16>,
}

impl Found {
    async fn read(client: &Client, database: &str, tables: &Tables) -> Result<Self, MigrationError> {
        let what = "the database was not read";
        let text = "SELECT count() FROM system.databases WHERE name = {database:String}";
        let query = server(client).query_raw(text).param("database", database);
        let databases: u64 = query.fetch_one().await.map_err(failed(database, what, text))?;
        // Somebody else may have a table with the name of that of texts.
        let text = "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String} \
                    AND (comment = {mark:String} OR NOT endsWith(name, '_seen'))";
        let engine_of = async |table: &str| -> Result<Option<String>, MigrationError> {
            let query = server(client).query_raw(text).param("database", database).param("table", table);
            let query = query.param("mark", sql::MARK);
            query.fetch_optional().await.map_err(failed(database, what, text))
        };
        let (engine, seen) = (engine_of(&tables.rollup).await?, engine_of(&tables.seen).await?);
        let mut metrics = Vec::new();
        for (table, _) in [(&tables.rollup, &engine), (&tables.seen, &seen)]
            .into_iter()
            .filter(|(_, engine)| engine.is_some())
        {
            let text = format!("SELECT DISTINCT toValidUTF8(toString(metric)) FROM {table}");
            let query = client.clone().with_database(database).query_raw(&text);
            let names: Vec<String> = query.fetch_all().await.map_err(failed(database, what, &text))?;
            metrics.extend(names.into_iter().map(|name| (table.clone(), name)));
        }
        Ok(Self {
            database: databases > 0,
            rollup: engine.is_some(),
            engine: engine.clone().unwrap_or_default(),
            is_by_bucket: engine.as_deref().is_some_and(is_by_bucket),
            views: inspect::views(client, database, tables).await?,
            metrics,
            seen: seen.is_some(),
            retired: inspect::existing(client, database, &super::RETIRED).await?,
            keep_days: engine.as_deref().and_then(days_of_ttl),
        })
    }
}

/// Whether the sorting key is that of "… ORDER BY (cityHash64(customer_id) % 24, customer_id, …".
fn is_by_bucket(engine: &str) -> bool {
    engine.contains("ORDER BY (cityHash64(customer_id)")
}

/// The days in "… TTL hour + toIntervalDay(400) …".
fn days_of_ttl(engine: &str) -> Option<u16> {
    let rest = engine.split("TTL hour + toIntervalDay(").nth(1)?;
    rest.split(')').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_a_ttl_are_read() {
        let engine = "AggregatingMergeTree PARTITION BY toRelativeWeekNum(hour) % 96 ORDER BY hour";
        assert_eq!(days_of_ttl(engine), None);
        assert_eq!(days_of_ttl(&format!("{engine} TTL hour + toIntervalDay(250) SETTINGS a = 1")), Some(250));
    }

    #[test]
    fn a_deletion_says_what_would_go() {
        let deletion = Deletion {
            metric: Some("api_calls".to_owned()),
            why: GONE,
            events: 12,
            customers: 3,
            from: "2026-01-01".to_owned(),
            to: "2026-02-01".to_owned(),
        };
        assert_eq!(
            deletion.to_string(),
            "the hours of `api_calls` from 2026-01-01 to 2026-02-01 (12 events of 3 customers): the catalog has no such metric"
        );
    }
}
