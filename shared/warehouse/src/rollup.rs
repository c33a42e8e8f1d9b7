//! The hourly rollup of usage: its tables, the materialized views that feed it, and its backfill.
//!
//! One row of `usage_hourly` holds a customer's events of one metric in one hour, reduced in every way that a catalog
//! can ask for (number, sum, largest, smallest), so that an aggregate can change without a new table. A materialized
//! view a metric adds to it as events are inserted; an event that arrives late lands in the hour of its own time.
//!
//! Migration converges and has no memory: it looks at what is there, makes what is missing, replaces what was made
//! from another definition, and recomputes the days in which the rollup and the events disagree in number. Running it
//! again after it was cut off goes on from there. Days of which no event is left (expired, archived) keep their rollup
//! as long as the definition of their metric stays.
//!
//! Beside it stand tables of baselines, which runs of the detector compute from the rollup and use as long as nothing new
//! has arrived for their hours; a migration that takes anything out of the rollup has them forgotten.
//!
//! While events are being inserted, a day that is recomputed can miss or double those that arrive in that moment. So
//! the last hours are left alone once a view feeds them, and a later migration puts right what is still wrong.

use clickhouse::{Client, Row};
use detection::MetricName;
use serde::Deserialize;

use catalog::{Catalog, MetricSpec};

pub mod sql;

pub(crate) use sql::events_as_usage;

/// The table that holds the rollup.
pub const TABLE: &str = "usage_hourly";

/// When something last arrived for an hour.
pub(crate) const ARRIVALS_TABLE: &str = "usage_arrivals";

/// Baselines that were computed from the rollup, and which computations of them are complete.
pub(crate) const BASELINES_TABLE: &str = "usage_baselines";
pub(crate) const BUILDS_TABLE: &str = "usage_baseline_builds";

/// What a note has for a definition that says: nothing that was begun before it is to be read.
pub(crate) const FORGOTTEN: &str = "forgotten";

const DAY_SECONDS: u32 = 86_400;

/// What has to be done so that tables and views fit the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Statements to run in order: tables, then views that are outdated, then views that are missing.
    pub statements: Vec<String>,
    /// Metrics whose rows leave the rollup: they are no longer in the catalog, or mean something else now.
    pub removed: Vec<String>,
    /// Metrics that get a view by this plan.
    pub new: Vec<MetricName>,
}

/// A day of a metric, or its part that is over, in which the rollup does not hold what the events say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// First second, UTC, in Unix seconds.
    pub from: u32,
    /// First second that is not in it.
    pub to: u32,
    /// Events that there are.
    pub events: u64,
    /// Events that the rollup holds.
    rolled: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("migration of the database `{database}` failed at: {statement}")]
pub struct MigrationError {
    pub database: String,
    pub statement: String,
    #[source]
    pub source: clickhouse::error::Error,
}

/// Compares the database with the catalog. Changes nothing; the database need not exist.
pub async fn plan(client: &Client, database: &str, catalog: &Catalog) -> Result<Plan, MigrationError> {
    let found = Found::read(client, database).await?;
    let mut plan = Plan::default();
    if !found.database {
        plan.statements.push(format!("CREATE DATABASE IF NOT EXISTS `{database}`"));
    }
    if catalog.metrics().iter().any(|metric| metric.table == "events") {
        plan.statements.push(sql::EVENTS_DDL.trim().to_owned());
    }
    plan.statements.extend(sql::ROLLUP_DDLS.map(|ddl| ddl.trim().to_owned()));

    let is_current = |metric: &MetricSpec| {
        let view = (sql::view_name(metric), sql::definition(metric));
        found.views.iter().any(|found| (&found.name, &found.comment) == (&view.0, &view.1))
    };
    for view in &found.views {
        let metric = catalog.metrics().iter().find(|metric| sql::view_name(metric) == view.name);
        if metric.map_or(view.is_ours(), |metric| !is_current(metric)) {
            plan.statements.push(format!("DROP VIEW IF EXISTS `{}`", view.name));
        }
    }
    // Also where the view is gone already: a migration that was cut off may have come no further.
    plan.removed =
        found.metrics.into_iter().filter(|name| !catalog.get(name).is_some_and(is_current)).collect();
    if !plan.removed.is_empty() {
        // Also before: once the rows are gone, a migration that is run again would not know of them.
        plan.statements.extend(sql::forget_baselines());
        plan.statements.extend(plan.removed.iter().map(|name| sql::remove(name)));
        plan.statements.extend(sql::forget_baselines());
    }
    for metric in catalog.metrics().iter().filter(|metric| !is_current(metric)) {
        plan.statements.push(sql::create_view(metric));
        plan.new.push(metric.name.clone());
    }
    Ok(plan)
}

/// Runs the statements of a plan.
pub async fn apply(client: &Client, database: &str, plan: &Plan) -> Result<(), MigrationError> {
    for statement in &plan.statements {
        // The database does not exist before its own statement has run.
        let client = match statement.starts_with("CREATE DATABASE") {
            true => server(client),
            false => client.clone().with_database(database),
        };
        client.query_raw(statement).execute().await.map_err(failed(database, statement))?;
    }
    Ok(())
}

/// The days of a metric that have to be recomputed, oldest first.
///
/// `new` says that nothing fed the rollup before this migration, so that the current hours count as well.
pub async fn backfills(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    new: bool,
) -> Result<Vec<Backfill>, MigrationError> {
    #[derive(Row, Deserialize)]
    struct Day {
        day: u32,
        events: u64,
        rolled: u64,
    }
    let client = client.clone().with_database(database);
    let until = if new { sql::LAST_SECOND } else { settled_until(&client, database).await? };
    let text = sql::backfills(metric, until);
    let days: Vec<Day> = client.query_raw(&text).fetch_all().await.map_err(failed(database, &text))?;
    let backfill = |day: Day| Backfill {
        from: day.day,
        to: day.day.saturating_add(DAY_SECONDS).min(until),
        events: day.events,
        rolled: day.rolled,
    };
    Ok(days.into_iter().map(backfill).collect())
}

/// Recomputes days of a metric from its events and tells `done` of each.
///
/// A day that holds wrong rows is emptied before it is filled. Days that no sweep reads any more are emptied together,
/// since each such step rewrites parts of the table; a day that is still read is empty for a moment only.
pub async fn backfill(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    days: &[Backfill],
    mut done: impl FnMut(&Backfill),
) -> Result<(), MigrationError> {
    let client = client.clone().with_database(database);
    let run = async |statement: String| {
        client.query_raw(&statement).execute().await.map_err(failed(database, &statement))
    };
    // What is inserted is noticed as an arrival; what is taken out is not.
    let forget = async || {
        for statement in sql::forget_baselines() {
            run(statement).await?;
        }
        Ok(())
    };
    let takes_out = days.iter().any(|day| day.rolled > 0);
    if takes_out {
        // Also before: once the rows are gone, a migration that is run again would not know of them.
        forget().await?;
    }
    let read_from = settled_until(&client, database).await?.saturating_sub(100 * DAY_SECONDS);
    let (old, recent): (Vec<&Backfill>, Vec<&Backfill>) = days.iter().partition(|day| day.to < read_from);
    let wrong = |days: &[&Backfill]| -> Vec<(u32, u32)> {
        days.iter().filter(|day| day.rolled > 0).map(|day| (day.from, day.to)).collect()
    };
    if let Some(statement) = sql::clear(metric, &wrong(&old)) {
        run(statement).await?;
    }
    for day in old {
        run(sql::fill(metric, day.from, day.to)).await?;
        done(day);
    }
    for day in recent {
        if let Some(statement) = sql::clear(metric, &wrong(&[day])) {
            run(statement).await?;
        }
        run(sql::fill(metric, day.from, day.to)).await?;
        done(day);
    }
    if takes_out {
        forget().await?;
    }
    Ok(())
}

/// Plans, applies and backfills in one go, without reports on the way.
pub async fn migrate(client: &Client, database: &str, catalog: &Catalog) -> Result<(), MigrationError> {
    let plan = plan(client, database, catalog).await?;
    apply(client, database, &plan).await?;
    for metric in catalog.metrics() {
        let days = backfills(client, database, metric, plan.new.contains(&metric.name)).await?;
        backfill(client, database, metric, &days, |_| {}).await?;
    }
    Ok(())
}

/// What a database holds of the rollup.
struct Found {
    database: bool,
    views: Vec<View>,
    /// Metrics that have rows.
    metrics: Vec<String>,
}

#[derive(Row, Deserialize)]
struct View {
    name: String,
    comment: String,
}

impl Found {
    async fn read(client: &Client, database: &str) -> Result<Self, MigrationError> {
        let count = |text: &'static str| {
            let query = server(client).query_raw(text).param("database", database).param("table", TABLE);
            async move { query.fetch_one::<u64>().await.map_err(failed(database, text)) }
        };
        let views = format!(
            "SELECT name, comment FROM system.tables \
             WHERE database = {{database:String}} AND engine = 'MaterializedView' AND startsWith(name, '{TABLE}_')"
        );
        let query = server(client).query_raw(&views).param("database", database);
        let mut found = Self {
            database: count("SELECT count() FROM system.databases WHERE name = {database:String}").await? > 0,
            views: query.fetch_all().await.map_err(failed(database, &views))?,
            metrics: Vec::new(),
        };
        let table =
            "SELECT count() FROM system.tables WHERE database = {database:String} AND name = {table:String}";
        if count(table).await? > 0 {
            let text = format!("SELECT DISTINCT toValidUTF8(toString(metric)) FROM {TABLE}");
            let query = client.clone().with_database(database).query_raw(&text);
            found.metrics = query.fetch_all().await.map_err(failed(database, &text))?;
        }
        Ok(found)
    }
}

impl View {
    /// Views that somebody else made under a similar name are none of our business.
    fn is_ours(&self) -> bool {
        self.comment.len() == 16 && self.comment.chars().all(|c| c.is_ascii_hexdigit())
    }
}

/// The end of the hours that no event is being inserted into just now, but for late ones.
async fn settled_until(client: &Client, database: &str) -> Result<u32, MigrationError> {
    let text = "SELECT toUnixTimestamp(toStartOfHour(now('UTC'))) - 3600 AS until";
    let until: i64 = client.query_raw(text).fetch_one().await.map_err(failed(database, text))?;
    Ok(u32::try_from(until).unwrap_or(sql::LAST_SECOND))
}

/// The client without a database, for statements about databases.
fn server(client: &Client) -> Client {
    client.clone().with_database("system")
}

fn failed(database: &str, statement: &str) -> impl FnOnce(clickhouse::error::Error) -> MigrationError {
    let (database, statement) = (database.to_owned(), statement.to_owned());
    move |source| MigrationError { database, statement, source }
}
