//! What a migration finds on a server: the rollup of a source, its views, and whose rows it holds.

use catalog::{Catalog, MetricSpec};
use clickhouse::Client;

use super::definition::{ViewState, state};
use super::error::{MigrationError, failed};
use super::inspect::RollupView;
use super::place::{Place, Server};
use super::{Tables, inspect, server, sql, statements};

/// The state of the rollup in a database.
pub(super) struct Found {
    pub(super) database: bool,
    pub(super) rollup: bool,
    /// The definition of the rollup's engine. Empty without a rollup.
    pub(super) engine: String,
    /// Whether the rollup is sorted by buckets. Earlier versions sorted by customers.
    pub(super) is_by_bucket: bool,
    pub(super) views: Vec<RollupView>,
    /// Metrics that have rows, each with the table that holds them.
    pub(super) metrics: Vec<(String, String)>,
    /// Whether there is a table of texts.
    pub(super) seen: bool,
    /// Views and tables of earlier versions, views first.
    pub(super) retired: Vec<&'static str>,
    /// The days in the TTL of the rollup.
    pub(super) keep_days: Option<u16>,
}

impl Found {
    pub(super) async fn of(
        server: &Server,
        place: &Place,
        catalog: &Catalog,
    ) -> Result<Self, MigrationError> {
        let tables = Tables::of(catalog);
        Self::read(&server.client, &place.database, &tables, &tables.on_server(&place.layout)).await
    }

    /// Whether a view with the meaning of a metric feeds its rows.
    pub(super) fn keeps(&self, metric: &MetricSpec) -> bool {
        matches!(self.state_of(metric), Some(ViewState::Current | ViewState::OlderText))
    }

    /// * `tables`: by the names that queries use, which those of views begin with.
    /// * `local`: by the names under which the server has its rows.
    async fn read(
        client: &Client,
        database: &str,
        tables: &Tables,
        local: &Tables,
    ) -> Result<Self, MigrationError> {
        let what = "the database was not read";
        let text = "SELECT count() FROM system.databases WHERE name = {database:String}";
        let query = server(client).query_raw(text).param("database", database);
        let databases: u64 = query.fetch_one().await.map_err(failed(database, what, text))?;
        // Somebody else may have a table with the name of that of texts.
        let text = "SELECT engine_full FROM system.tables WHERE database = {database:String} AND name = {table:String} \
                    AND (comment = {mark:String} OR NOT match(name, '_seen(_local)?$'))";
        let engine_of = async |table: &str| -> Result<Option<String>, MigrationError> {
            let query = server(client).query_raw(text).param("database", database).param("table", table);
            let query = query.param("mark", sql::MARK);
            query.fetch_optional().await.map_err(failed(database, what, text))
        };
        let (engine, seen) = (engine_of(&local.rollup).await?, engine_of(&local.seen).await?);
        let mut metrics = Vec::new();
        for (table, _) in [(&local.rollup, &engine), (&local.seen, &seen)]
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

    /// The state of a metric's view. `None` without a view.
    pub(super) fn state_of(&self, metric: &MetricSpec) -> Option<ViewState> {
        let view = self.views.iter().find(|view| view.name == statements::view_name(metric))?;
        Some(state(&view.comment, Some(metric)))
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
}
