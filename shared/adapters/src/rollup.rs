//! The hourly rollup of usage: its tables, the materialized views that feed it, and its backfill.
//!
//! One row of `usage_hourly` holds a customer's events of one metric in one hour, reduced in every way that a catalog
//! can ask for (number, sum, largest, smallest), so that an aggregate can change without a new table. A materialized
//! view a metric adds to it as events are inserted; an event that arrives late lands in the hour of its own time.
//!
//! Migration converges and has no memory: it looks at what is there, makes what is missing, replaces what was made
//! from another definition, and recomputes the days in which the rollup and the events disagree. Running it twice,
//! or again after it was cut off, leads to the same state. Days of which no event is left (expired, archived) keep
//! their rollup.

use clickhouse::{Client, Row};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::catalog::{Catalog, MetricSpec};

/// The table that holds the rollup.
pub const TABLE: &str = "usage_hourly";

const EVENTS_DDL: &str = include_str!("../../../infra/clickhouse/events.sql");
const ROLLUP_DDL: &str = include_str!("../../../infra/clickhouse/usage_hourly.sql");

/// What has to be done so that the rollup fits the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Statements to run in order: tables, then views that are outdated, then views that are missing.
    pub statements: Vec<String>,
}

/// A day of a metric in which the rollup does not hold what the events say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    pub metric: String,
    /// First second of the day, UTC, in Unix seconds.
    pub day: u32,
    /// Events that the day has.
    pub events: u64,
    /// Events that the rollup holds of it.
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
    #[derive(Row, Deserialize)]
    struct View {
        name: String,
        comment: String,
    }
    let sql = format!(
        "SELECT name, comment FROM system.tables \
         WHERE database = {{database:String}} AND engine = 'MaterializedView' AND startsWith(name, '{TABLE}_')"
    );
    let query = server(client).query_raw(&sql).param("database", database);
    let views: Vec<View> = query.fetch_all().await.map_err(failed(database, &sql))?;

    let mut statements = vec![format!("CREATE DATABASE IF NOT EXISTS `{database}`")];
    if catalog.metrics().iter().any(|metric| metric.table == "events") {
        statements.push(EVENTS_DDL.trim().to_owned());
    }
    statements.push(ROLLUP_DDL.trim().to_owned());

    let is_current = |view: &View| {
        catalog
            .metrics()
            .iter()
            .any(|metric| view_name(metric) == view.name && definition(metric) == view.comment)
    };
    for view in views.iter().filter(|view| !is_current(view)) {
        let metric = view.name.trim_start_matches(TABLE).trim_start_matches('_');
        statements.push(format!("DROP VIEW IF EXISTS `{}`", view.name));
        statements.push(format!(
            "ALTER TABLE {TABLE} DELETE WHERE metric = '{metric}' SETTINGS mutations_sync = 2"
        ));
    }
    for metric in catalog.metrics() {
        if !views.iter().any(|view| view.name == view_name(metric) && is_current(view)) {
            statements.push(create_view(metric));
        }
    }
    Ok(Plan { statements })
}

/// Runs the statements of a plan.
pub async fn apply(client: &Client, database: &str, plan: &Plan) -> Result<(), MigrationError> {
    for statement in &plan.statements {
        // The database does not exist before its own statement has run.
        match statement.starts_with("CREATE DATABASE") {
            true => {
                server(client).query_raw(statement).execute().await.map_err(failed(database, statement))?
            }
            false => execute(client, database, statement).await?,
        }
    }
    Ok(())
}

/// The days of a metric that have to be recomputed, oldest first.
pub async fn backfills(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
) -> Result<Vec<Backfill>, MigrationError> {
    #[derive(Row, Deserialize)]
    struct Day {
        day: u32,
        events: u64,
        rolled: u64,
    }
    let sql = backfills_sql(metric);
    let days: Vec<Day> = client
        .clone()
        .with_database(database)
        .query_raw(&sql)
        .fetch_all()
        .await
        .map_err(failed(database, &sql))?;
    let backfill = |day: Day| Backfill {
        metric: metric.name.to_string(),
        day: day.day,
        events: day.events,
        rolled: day.rolled,
    };
    Ok(days.into_iter().map(backfill).collect())
}

/// Takes what the rollup holds of these days out of it, all in one mutation: each rewrites whole parts of the table.
///
/// A migration that is cut off after this finds the days empty and fills them.
pub async fn clear(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    days: &[Backfill],
) -> Result<(), MigrationError> {
    match clear_sql(metric, days) {
        Some(statement) => execute(client, database, &statement).await,
        None => Ok(()),
    }
}

/// Computes one day of a metric, of which the rollup holds nothing, from its events.
pub async fn backfill(
    client: &Client,
    database: &str,
    metric: &MetricSpec,
    day: &Backfill,
) -> Result<(), MigrationError> {
    execute(client, database, &backfill_sql(metric, day)).await
}

/// Plans, applies and backfills in one go, without reports on the way.
pub async fn migrate(client: &Client, database: &str, catalog: &Catalog) -> Result<(), MigrationError> {
    apply(client, database, &plan(client, database, catalog).await?).await?;
    for metric in catalog.metrics() {
        let days = backfills(client, database, metric).await?;
        clear(client, database, metric, &days).await?;
        for day in &days {
            backfill(client, database, metric, day).await?;
        }
    }
    Ok(())
}

/// The statement that makes a metric's materialized view. The comment is how a later migration knows the definition.
pub fn create_view(metric: &MetricSpec) -> String {
    format!(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS `{view}` TO {TABLE} AS\n{select}\nCOMMENT '{definition}'",
        view = view_name(metric),
        select = rollup_select(metric, ""),
        definition = definition(metric),
    )
}

fn view_name(metric: &MetricSpec) -> String {
    format!("{TABLE}_{}", metric.name)
}

fn definition(metric: &MetricSpec) -> String {
    let digest = Sha256::digest(rollup_select(metric, "").as_bytes());
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Events to rollup rows. Times outside the range of the `hour` column are left out, or they would wrap around into it.
fn rollup_select(metric: &MetricSpec, and_where: &str) -> String {
    let MetricSpec { name, table, customer_column, time_column, .. } = metric;
    let (filter, value) = (condition(metric), metric.value.as_deref().unwrap_or("1"));
    format!(
        "SELECT\n    \
             customer AS customer_id,\n    \
             '{name}' AS metric,\n    \
             toStartOfHour(toTimeZone(at, 'UTC')) AS hour,\n    \
             count() AS events,\n    \
             sum(assumeNotNull(amount)) AS total,\n    \
             max(assumeNotNull(amount)) AS peak,\n    \
             min(assumeNotNull(amount)) AS low\n\
         FROM\n(\n    \
             SELECT toString(`{customer_column}`) AS customer, `{time_column}` AS at, toFloat64({value}) AS amount\n    \
             FROM {table}\n    \
             WHERE {filter}{and_where}\n)\n\
         WHERE amount IS NOT NULL\n\
         GROUP BY customer, hour"
    )
}

fn condition(metric: &MetricSpec) -> String {
    let (time, filter) = (&metric.time_column, metric.filter.as_deref().unwrap_or("true"));
    format!(
        "({filter}) AND `{time}` >= toDateTime('1970-01-01 00:00:00', 'UTC') \
         AND `{time}` < toDateTime('2106-01-01 00:00:00', 'UTC')"
    )
}

/// The query behind [`backfills`]: days in which the number of events and the number in the rollup differ in any hour.
pub fn backfills_sql(metric: &MetricSpec) -> String {
    let name = &metric.name;
    let events = rollup_select(metric, "");
    format!(
        "SELECT\n    \
             toUnixTimestamp(toStartOfDay(hour, 'UTC')) AS day,\n    \
             sum(in_events) AS events,\n    \
             sum(in_rollup) AS rolled\n\
         FROM\n(\n    \
             SELECT hour, sum(of_events) AS in_events, sum(of_rollup) AS in_rollup\n    \
             FROM\n    (\n        \
                 SELECT hour, events AS of_events, 0 AS of_rollup FROM ({events})\n        \
                 UNION ALL\n        \
                 SELECT hour, 0 AS of_events, events AS of_rollup FROM {TABLE} WHERE metric = '{name}'\n    \
             )\n    \
             GROUP BY hour\n\
         )\n\
         GROUP BY day\n\
         HAVING events > 0 AND countIf(in_events != in_rollup) > 0\n\
         ORDER BY day"
    )
}

fn clear_sql(metric: &MetricSpec, days: &[Backfill]) -> Option<String> {
    let days: Vec<String> = days
        .iter()
        .filter(|day| day.rolled > 0)
        .map(|day| format!("toDateTime({}, 'UTC')", day.day))
        .collect();
    (!days.is_empty()).then(|| {
        format!(
            "ALTER TABLE {TABLE} DELETE WHERE metric = '{}' AND toStartOfDay(hour, 'UTC') IN ({}) \
             SETTINGS mutations_sync = 2",
            metric.name,
            days.join(", ")
        )
    })
}

fn backfill_sql(metric: &MetricSpec, day: &Backfill) -> String {
    let (time, start) = (&metric.time_column, day.day);
    let of_the_day = format!(
        " AND `{time}` >= toDateTime({start}, 'UTC') AND `{time}` < toDateTime({}, 'UTC')",
        start.saturating_add(86_400)
    );
    format!(
        "INSERT INTO {TABLE} (customer_id, metric, hour, events, total, peak, low)\n{}",
        rollup_select(metric, &of_the_day)
    )
}

async fn execute(client: &Client, database: &str, statement: &str) -> Result<(), MigrationError> {
    let client = client.clone().with_database(database);
    client.query_raw(statement).execute().await.map_err(failed(database, statement))
}

/// The client without a database, for statements about databases.
fn server(client: &Client) -> Client {
    client.clone().with_database("system")
}

fn failed(database: &str, statement: &str) -> impl FnOnce(clickhouse::error::Error) -> MigrationError {
    let (database, statement) = (database.to_owned(), statement.to_owned());
    move |source| MigrationError { database, statement, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_of_a_sum() {
        let catalog = Catalog::built_in().unwrap();
        insta::assert_snapshot!(create_view(catalog.get("bandwidth").unwrap()));
    }

    #[test]
    fn only_days_that_the_rollup_holds_some_of_are_cleared() {
        let catalog = Catalog::built_in().unwrap();
        let metric = catalog.get("api_calls").unwrap();
        let day = |number: u32, rolled| Backfill {
            metric: "api_calls".to_owned(),
            day: number * 86_400,
            events: 5,
            rolled,
        };
        assert_eq!(clear_sql(metric, &[day(1, 0), day(2, 0)]), None);
        insta::assert_snapshot!(clear_sql(metric, &[day(1, 3), day(2, 0), day(3, 7)]).unwrap());
        insta::assert_snapshot!(backfill_sql(metric, &day(20_000, 0)));
    }

    #[test]
    fn another_definition_is_another_digest() {
        let catalog = Catalog::built_in().unwrap();
        let metric = catalog.get("api_calls").unwrap();
        let mut changed = metric.clone();
        changed.filter = Some("event_type = 'other'".to_owned());
        assert_ne!(definition(metric), definition(&changed));
        changed = metric.clone();
        changed.min_change = 7.0;
        assert_eq!(definition(metric), definition(&changed), "floors do not change the rollup");
    }
}
