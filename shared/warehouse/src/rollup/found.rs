//! What a migration finds on a server: the rollup of a source, its views, and whose rows it holds.

use catalog::{Catalog, MetricSpec};
use clickhouse::Client;

use super::definition::{ViewState, state};
use super::error::{MigrationError, failed};
use super::listing::{Listing, RollupView};
use super::place::{Place, Server};
use super::{Tables, statements};

/// The state of the rollup in a database.
pub(super) struct Found {
    pub(super) listing: Listing,
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
    /// Whether the table of samples has a row for each sample, as an earlier version made it.
    pub(super) has_single_samples: bool,
    /// The days in the TTL of the rollup.
    pub(super) keep_days: Option<u16>,
}

impl Found {
    pub(super) async fn of(
        server: &Server,
        place: &Place,
        catalog: &Catalog,
        listing: Listing,
    ) -> Result<Self, MigrationError> {
        let tables = Tables::of(catalog);
        Self::read((&server.client, &place.database), listing, &tables, &tables.on_server(&place.layout))
            .await
    }

    /// Whether a view with the meaning of a metric feeds its rows.
    pub(super) fn keeps(&self, metric: &MetricSpec) -> bool {
        matches!(self.state_of(metric), Some(ViewState::Current | ViewState::OlderText))
    }

    /// * `tables`: by the names that queries use, which those of views begin with.
    /// * `local`: by the names under which the server has its rows.
    async fn read(
        (client, database): (&Client, &str),
        listing: Listing,
        tables: &Tables,
        local: &Tables,
    ) -> Result<Self, MigrationError> {
        let engine = listing.engine(&local.rollup).map(str::to_owned);
        // Somebody else may have a table with the name of that of texts.
        let has_seen = listing.engine(&local.seen).is_some() && listing.foreign(&[&local.seen]).is_empty();
        let mut metrics = Vec::new();
        let of_rollup = engine.as_ref().map(|_| &local.rollup);
        for table in of_rollup.into_iter().chain(has_seen.then_some(&local.seen)) {
            let text = format!("SELECT DISTINCT toValidUTF8(toString(metric)) FROM {table}");
            let query = client.clone().with_database(database).query_raw(&text);
            let names: Vec<String> =
                query.fetch_all().await.map_err(failed(database, "the rollup was not read", &text))?;
            metrics.extend(names.into_iter().map(|name| (table.clone(), name)));
        }
        Ok(Self {
            rollup: engine.is_some(),
            is_by_bucket: engine.as_deref().is_some_and(is_by_bucket),
            keep_days: engine.as_deref().and_then(days_of_ttl),
            engine: engine.unwrap_or_default(),
            views: listing.views(&tables.views()),
            metrics,
            seen: has_seen,
            has_single_samples: listing.engine(&local.samples).is_some_and(has_single_samples),
            listing,
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

/// Whether the sorting key of a table of samples is that of single ones: "… metric, sample) …".
fn has_single_samples(engine: &str) -> bool {
    engine.contains("metric, sample)")
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
    fn a_table_of_single_samples_is_known_by_its_order() {
        let single = "ReplacingMergeTree PARTITION BY toRelativeWeekNum(sample) % 8 \
                      ORDER BY (cityHash64(customer_id) % 24, customer_id, metric, sample)";
        assert!(has_single_samples(single));
        assert!(!has_single_samples(include_str!("ddl/usage_samples.sql")));
    }

    #[test]
    fn the_days_of_a_ttl_are_read() {
        let engine = "AggregatingMergeTree PARTITION BY toRelativeWeekNum(hour) % 96 ORDER BY hour";
        assert_eq!(days_of_ttl(engine), None);
        assert_eq!(days_of_ttl(&format!("{engine} TTL hour + toIntervalDay(250) SETTINGS a = 1")), Some(250));
    }
}
